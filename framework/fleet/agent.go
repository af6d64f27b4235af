package fleet

import "time"

// agent is all that is remembered of one agent: members and candidates lead to it, so that it is looked up once for each offer.
type agent struct {
	id    string
	hosts int // on it that are not Gone
	penalty
	// What it offered last for one role, since the last revive; meaningful if noted.
	offered spot
	noted   bool
	// newest is its last candidate, which leads to the others, of the Step that round numbers.
	newest *candidate
	round  int
}

// agents is the records by agent id. Those that have nothing to tell any more are dropped when the number of records has doubled.
type agents struct {
	byID  map[string]*agent
	limit int // records at which to look for those
	round int // of offers
	noted []*agent
}

// fewAgents is how many records are kept in any case.
const fewAgents = 64

// agent gives the record of an agent, a new one if there is none.
func (f *Fleet) agent(id string) *agent {
	a := f.agents.byID[id]
	if a == nil {
		if len(f.agents.byID) >= f.agents.limit {
			f.agents.sweep(f.now)
		}
		a = &agent{id: id}
		f.agents.byID[id] = a
	}
	return a
}

// sweep drops the records that say nothing.
func (s *agents) sweep(now time.Time) {
	for id, a := range s.byID {
		if a.hosts == 0 && !a.noted && a.round != s.round && a.over(now) {
			delete(s.byID, id)
		}
	}
	s.limit = max(fewAgents, 2*len(s.byID))
}

// first gives what is to begin with of its candidates of a round; nil = none.
func (a *agent) first(round int) *candidate {
	if a.round != round {
		return nil
	}
	return a.newest
}

// known gives what an agent offered last; nil = nothing.
func (a *agent) known() *spot {
	if a == nil || !a.noted {
		return nil
	}
	return &a.offered
}

// note remembers what an agent offers for one of its roles, or the most of it for several: the first of them comes first.
func (s *agents) note(c *candidate) {
	a := c.on
	if !a.noted {
		a.noted = true
		s.noted = append(s.noted, a)
	} else if c.next != nil && c.free.CPUs <= a.offered.free.CPUs {
		return
	}
	a.offered = c.spot
}

// forgetOffers forgets what agents offered.
func (s *agents) forgetOffers() {
	for _, a := range s.noted {
		a.noted = false
	}
	clear(s.noted)
	s.noted = s.noted[:0]
}
