package fleet

import "sluice/queue"

// census is the supply by what is looked for in it. It is taken when it is asked for, and void once anything of a member changes.
type census struct {
	valid            bool
	supply, inFlight int       // slots
	free             []room    // of the supply; where there is any
	idle             []*member // open and without a job
	closed           int       // hosts
	plan             plan      // for them, if planned
	planned          bool
}

func (f *Fleet) census() *census {
	c := &f.counted
	if c.valid {
		return c
	}
	c.valid, c.planned, c.supply, c.inFlight, c.closed = true, false, f.roster.slots, 0, len(f.roster.draining)
	c.free, c.idle = c.free[:0], c.idle[:0]
	roomy := f.roster.roomy
	for _, m := range f.roster.restless {
		for len(roomy) > 0 && roomy[0].number < m.number {
			c.place(roomy[0])
			roomy = roomy[1:]
		}
		if m.State == Closed {
			c.closed++
		}
		if m.supplied = f.counts(m); m.supplied {
			c.supply += m.Spec.Slots
			if m.State != Open {
				c.inFlight += m.Spec.Slots
			}
		}
		c.place(m)
	}
	for _, m := range roomy {
		c.place(m)
	}
	return c
}

// place lists a member where it belongs.
func (c *census) place(m *member) {
	if m.State == Open && m.seen && m.view.Used == 0 {
		c.idle = append(c.idle, m)
	}
	if m.supplied && m.view.Used < m.Spec.Slots {
		c.free = append(c.free, roomOf(m))
	}
}

// counts says whether a host's slots are supply.
func (f *Fleet) counts(m *member) bool {
	state := m.State
	if state == Unreachable {
		state = m.Before
		// While the batch system still reaches it, its slots are there, whatever Mesos can say.
		if f.now.Sub(m.Since) >= f.cfg.UnreachableAfter && (!m.seen || m.view.Status != queue.HostOK) {
			return false
		}
	}
	if state != Launching && state != Joining && state != Open {
		return false
	}
	if !m.seen {
		return true
	}
	lost := m.view.Status == queue.HostUnavailable && f.snap.At.Sub(m.view.LostAt) >= f.cfg.UnreachableAfter
	return m.view.Closed&^queue.ClosedDrain == 0 && !lost
}
