package queue

import "fmt"

// needOf is what the slots of a job in the queue need.
func (s *queueState) needOf(j *job) Need {
	need := j.spec.Need
	need.Rerunnable, need.Profile, need.HostLimit = j.rerunnable(), s.spec.Profile, s.spec.HostSlots
	need.Hosts = bothHosts(need.Hosts, s.hosts)
	return need
}

// usesHosts refuses a job that names hosts of which a queue uses none.
func (q *Queue) usesHosts(spec *Spec, s *QueueSpec) error {
	if len(s.Hosts) == 0 {
		return nil
	}
	hosts := spec.Need.Hosts
	for _, l := range parseHostLists(hosts) {
		found := l.named == nil
		for name := range l.named {
			machine := ""
			if h := q.hosts[name]; h != nil { // the queue may know it by its machine
				machine = h.spec.Location
			}
			found = found || s.UsesHost(name, machine)
		}
		if !found {
			return &Error{KindInvalid, HostNotUsed, hosts, fmt.Sprintf("queue %q uses none of the hosts %q", s.Name, hosts)}
		}
	}
	return nil
}

// fitsOnHosts reports whether the queue's limit of slots on a host lets a job start at all.
func (s *queueState) fitsOnHosts(spec *Spec) bool {
	limit := s.spec.HostSlots
	return limit == 0 || (!spec.Need.OneHost || spec.MinSlots <= limit) && min(spec.Need.PerHost, spec.MinSlots) <= limit
}

// hold accounts n slots of the host, or fewer with n < 0, to a queue that limits them.
func (h *host) hold(s *queueState, n int) {
	if s.spec.HostSlots == 0 {
		return
	}
	if h.held == nil {
		h.held = map[*queueState]int{}
	}
	if h.held[s] += n; h.held[s] == 0 {
		delete(h.held, s)
	}
}

// leaves is how many slots of the host the limit of a class's queue leaves to it.
func (h *host) leaves(c *class) int {
	if c.need.HostLimit == 0 {
		return h.spec.Slots
	}
	return max(c.need.HostLimit-h.held[c.queue], 0)
}

// limitedOnHosts reports whether a job that finds no room would find it if its queue did not limit the slots of a host.
func (q *Queue) limitedOnHosts(c *class, by stamp) bool {
	if c.need.HostLimit == 0 {
		return false
	}
	free := class{classKey: c.classKey, hosted: c.hosted}
	free.need.HostLimit = 0
	return q.place(&free, c.min, by) != nil
}

// blockHostLimit keeps what a queue's limit of slots on a host leaves for a job that needs more of it. No other queue's jobs wait for that.
func (q *Queue) blockHostLimit(c *class, j *job, at stamp) {
	if q.keeping(c, j, at) {
		c.queue.denied = q.pass.id
		q.claimGroup(c)
	}
}

// Why jobs pend, in LSF's words.
const (
	reasonHostLimit  = "Queue's per-host job slot limit reached"
	reasonNotOfQueue = "Not usable to the queue"
)
