package queue

import (
	"fmt"
	"slices"
	"time"
)

// maxForceHosts bounds the hosts that one Force names.
const maxForceHosts = 1000

// Force starts a pending job or element at once (LSF's brun) on hosts that have what it needs free, in the order in which they
// are named; where one names Slots, on so many of its slots at most. Order, limits, its begin time, its dependency, its own choice of hosts
// and an inactive queue do not count, what it needs of each slot does. Only an administrator may.
func (q *Queue) Force(now time.Time, by Actor, id ID, on []Placement) error {
	if !by.Admin {
		return &Error{KindDenied, NotYours, id.String(), "only an administrator may force a job to run: permission denied"}
	}
	j, e, err := q.command(by, id)
	if err != nil {
		return err
	}
	if j.array != nil && id.Index == 0 {
		return &Error{KindInvalid, BadSpec, id.String(), fmt.Sprintf("job %v is an array: name one of its elements", id)}
	}
	switch s := stateOf(j, e); {
	case s == Pending:
	case s.Final():
		return finished(id)
	default:
		return wrongState(id, s, "only a pending job can be forced to run")
	}
	hosts, err := q.forceHosts(on)
	if err != nil {
		return err
	}
	places := q.forcedPlaces(j, hosts, on)
	if places == nil {
		return &Error{
			KindUnavailable, NoRoom, id.String(),
			fmt.Sprintf("not enough is free on these hosts for job %v, which needs %d slots", id, j.spec.MinSlots),
		}
	}
	attempt := 0
	if e != nil {
		attempt = int(e.attempt)
	}
	ev := q.record(JobStarted, now)
	ev.Job, ev.Attempt, ev.Placement, ev.RunLimit = id, attempt+1, places, runLimit(j)
	q.commit(ev)
	return nil
}

// NoRoom is the code of a job that is forced onto hosts that have too little free.
const NoRoom Code = "no_room"

func (q *Queue) forceHosts(on []Placement) ([]*host, error) {
	if len(on) == 0 || len(on) > maxForceHosts {
		return nil, &Error{KindInvalid, BadSpec, "", fmt.Sprintf("%d hosts: want 1 to %d", len(on), maxForceHosts)}
	}
	hosts := make([]*host, len(on))
	for i, p := range on {
		h := q.hosts[p.Host]
		switch {
		case h == nil || slices.Contains(hosts[:i], h) || p.Slots < 0:
			return nil, &Error{KindNotFound, NoSuchHost, p.Host, fmt.Sprintf("host %q: no such host, or named twice", p.Host)}
		case !h.usable():
			return nil, &Error{KindUnavailable, HostBusy, p.Host, fmt.Sprintf("host %s is closed or unavailable", p.Host)}
		}
		hosts[i] = h
	}
	return hosts, nil
}

// forcedPlaces puts a job onto hosts in their order: nil if it does not fit there.
func (q *Queue) forcedPlaces(j *job, hosts []*host, on []Placement) (places []Placement) {
	c := &class{classKey: q.classOf(j).classKey} // which allows any host
	c.need.HostLimit = 0
	got, each := 0, c.need.PerHost
	for i, h := range hosts {
		n := min(q.freeFor(h, c), c.max-got)
		if on[i].Slots > 0 {
			n = min(n, on[i].Slots)
		}
		switch {
		case c.need.OneHost && n < c.min:
			continue
		case each > 0 && n >= each:
			n = each
		case each > 0 && (got+n != c.min && got+n != c.max): // it is not the rest, which is on one host
			n = c.min - got
			if n >= each || n > q.freeFor(h, c) || on[i].Slots > 0 && n > on[i].Slots {
				continue
			}
		}
		if n <= 0 {
			continue
		}
		places = append(places, Placement{Host: h.spec.Name, Slots: n})
		if got += n; got == c.max || c.need.OneHost || each > 0 && n < each {
			break
		}
	}
	if got < c.min {
		return nil
	}
	return places
}
