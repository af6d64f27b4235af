package fleet

import "math"

// tally counts the hosts by their value of a field that a constraint spreads them over: all that are held, those in flight and
// those being released too, because they are still there.
type tally struct {
	*Constraint
	hosts  map[string]int
	least  int // hosts of any value that has hosts or is offered
	fewest int // hosts of any value that has hosts
	taken  int // values that have hosts
}

// tallies is one tally for each constraint that looks at other hosts.
type tallies []tally

// tally counts what is there beside the candidates, before anything is launched.
func (f *Fleet) tally(candidates []*candidate) {
	f.tallies = f.tallies[:0]
	for i := range f.cfg.Constraints {
		if c := &f.cfg.Constraints[i]; c.spreads() {
			f.tallies = append(f.tallies, tally{Constraint: c, hosts: make(map[string]int)})
		}
	}
	if len(f.tallies) == 0 {
		return
	}
	for _, m := range f.order {
		if m.State != Gone {
			f.tallies.add(m.Spec.Location, m.Spec.Attributes, 1)
		}
	}
	for _, c := range candidates {
		if c.barred == "" {
			f.tallies.add(c.hostname, c.attributes, 0)
		}
	}
	f.tallies.order()
}

func (t tallies) add(hostname string, attributes map[string]string, hosts int) {
	for i := range t {
		if value, has := t[i].of(hostname, attributes); has {
			t[i].hosts[value] += hosts
		}
	}
}

// order finds anew which values have the fewest hosts.
func (t tallies) order() {
	for i := range t {
		c := &t[i]
		c.least, c.fewest, c.taken = math.MaxInt, math.MaxInt, 0
		for _, n := range c.hosts {
			c.least = min(c.least, n)
			if n > 0 {
				c.taken++
				c.fewest = min(c.fewest, n)
			}
		}
	}
}

// launched counts one more host.
func (t tallies) launched(c *candidate) {
	if len(t) > 0 {
		t.add(c.hostname, c.attributes, 1)
		t.order()
	}
}

// against gives the first constraint that another host on the candidate's agent would break; nil = none.
func (t tallies) against(c *spot) *Constraint {
	for i := range t {
		if value, has := t[i].of(c.hostname, c.attributes); !has || !t[i].allows(value) {
			return t[i].Constraint
		}
	}
	return nil
}

// same says whether an agent has the value of the candidate's in anything that hosts are spread over.
func (t tallies) same(c *spot, hostname string, attributes map[string]string) bool {
	for i := range t {
		value, has := t[i].of(c.hostname, c.attributes)
		other, also := t[i].of(hostname, attributes)
		if has && also && value == other {
			return true
		}
	}
	return false
}

// allows says whether one more host may have the value.
func (t *tally) allows(value string) bool {
	own := t.hosts[value]
	switch t.operator {
	case opUnique:
		return own == 0
	case opMaxPer:
		return own < t.number
	case opCluster:
		return own > 0 || t.taken == 0
	default: // GROUP_BY
		return own == 0 || own <= t.fewest && t.taken >= t.number
	}
}

// even says whether the candidate has, of all that are grouped by, a value with the fewest hosts: those are filled first.
func (t tallies) even(c *spot) bool {
	for i := range t {
		if t[i].operator != opGroupBy {
			continue
		}
		if value, has := t[i].of(c.hostname, c.attributes); has && t[i].hosts[value] > t[i].least {
			return false
		}
	}
	return true
}

// grouped says whether any constraint prefers some candidates to others.
func (t tallies) grouped() bool {
	for i := range t {
		if t[i].operator == opGroupBy {
			return true
		}
	}
	return false
}

// barredBy gives the first constraint that the agent breaks whatever other hosts there are; nil = none.
func (f *Fleet) barredBy(c *candidate) *Constraint {
	for i := range f.cfg.Constraints {
		k := &f.cfg.Constraints[i]
		if value, has := k.of(c.hostname, c.attributes); !k.admits(value, has) {
			return k
		}
	}
	return nil
}
