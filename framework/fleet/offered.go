package fleet

// offered is what agents offered last, each for one role, since the last revive. Its memory is used again.
type offered struct {
	places map[string]int // in notes, by agent
	notes  []candidate
}

// of gives what an agent offered; nil = nothing.
func (o *offered) of(agent string) *candidate {
	if at, known := o.places[agent]; known {
		return &o.notes[at]
	}
	return nil
}

// note remembers what an agent offers for one of its roles, or the most of it for several: the first of them comes first.
func (o *offered) note(c *candidate) {
	at, known := o.places[c.agent]
	if !known {
		if o.places == nil {
			o.places = make(map[string]int)
		}
		at = len(o.notes)
		o.places[c.agent] = at
		o.notes = append(o.notes, candidate{})
	}
	if n := &o.notes[at]; c.next == nil || c.free.CPUs > n.free.CPUs {
		*n = *c
		n.offers, n.next, n.twin, n.known = nil, nil, nil, false
	}
}

func (o *offered) clear() {
	clear(o.places)
	clear(o.notes)
	o.notes = o.notes[:0]
}
