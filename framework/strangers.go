package framework

import (
	"sluice/framework/fleet"
)

// strangers finds out whether a master knows any of the hosts that we had before we subscribed at it. A master takes a
// framework id that it has never seen as one from before its own time, so nothing else tells that it is another cluster's.
type strangers struct {
	asked map[string]bool // hosts that the master has not spoken of yet
	count int             // of asked at first; 0 = nothing is to be found out any more
}

// begin starts anew for a subscription.
func (s *strangers) begin(hosts []fleet.Host) {
	s.asked = make(map[string]bool, len(hosts))
	for _, h := range hosts {
		if h.State != fleet.Launching && h.State != fleet.Gone {
			s.asked[h.Name()] = true
		}
	}
	s.count = len(s.asked)
}

// hear takes what the master says of a host. It gives how many hosts there were when the last one is called unknown and none
// was known; else 0.
func (s *strangers) hear(host string, state fleet.TaskState) int {
	if s.count == 0 || !s.asked[host] {
		return 0
	}
	if state != fleet.TaskUnknown {
		s.count = 0
		return 0
	}
	delete(s.asked, host)
	if len(s.asked) > 0 {
		return 0
	}
	count := s.count
	s.count = 0
	return count
}

func (o *owner) recognise(u fleet.Update) {
	if n := o.strange.hear(u.Task, u.State); n > 0 {
		o.log.Errorf("the master at %s knows none of our %d hosts: it has just started and its agents are not back, or it is the master of another cluster (check --master); "+
			"framework id %s and the hosts are kept", o.session.at.url, n, o.session.id)
	}
}
