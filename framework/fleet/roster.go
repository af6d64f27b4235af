package fleet

import (
	"cmp"
	"slices"

	"sluice/queue"
)

// roster keeps the members that nothing is to be done about apart from the others, so that a step costs time for what changed, not for
// all that is held. A member is settled while it is joined, agrees with the newest snapshot, no question about it is outstanding, and it
// is either open or closed with jobs that are to end; time alone changes nothing about it. Whatever else may be so is restless. All lists
// are in the order of age.
type roster struct {
	restless []*member
	roomy    []*member // settled, open, with free slots
	draining []*member // settled, closed
	slots    int       // of the settled ones that are supply
	serial   uint64    // of the listing of hosts that the settled ones agree with; see queue.HostDelta
	places   []*member // by index in that listing
	smallest int       // no member has fewer slots
}

func byAge(m *member, number int) int { return cmp.Compare(m.number, number) }

// unsettle makes sure that the member is looked at again. To do so without need costs only time.
func (f *Fleet) unsettle(m *member) {
	if !m.settled {
		return
	}
	r := &f.roster
	m.settled = false
	if m.supplied {
		r.slots -= m.Spec.Slots
	}
	if m.drains {
		r.draining = without(m, r.draining)
	} else {
		r.roomy = without(m, r.roomy)
	}
	r.restless = with(m, r.restless)
	f.counted.valid = false
}

// with puts a member on a list in the order of age.
func with(m *member, list []*member) []*member {
	at, _ := slices.BinarySearchFunc(list, m.number, byAge)
	return slices.Insert(list, at, m)
}

// without takes a member off a list in the order of age, if it is there.
func without(m *member, list []*member) []*member {
	if at, found := slices.BinarySearchFunc(list, m.number, byAge); found {
		return slices.Delete(list, at, at+1)
	}
	return list
}

// settle takes those off the list of the restless about which there is nothing to be done.
func (f *Fleet) settle() {
	r := &f.roster
	r.restless = slices.DeleteFunc(r.restless, func(m *member) bool {
		if !m.quiet() {
			return false
		}
		m.settled, m.drains = true, m.State == Closed
		if m.supplied = f.counts(m); m.supplied {
			r.slots += m.Spec.Slots
		}
		switch {
		case m.drains:
			r.draining = with(m, r.draining)
		case m.view.Used < m.Spec.Slots:
			r.roomy = with(m, r.roomy)
		}
		return true
	})
	f.counted.valid = false
}

func (m *member) quiet() bool {
	if !m.joined() || !m.askAt.IsZero() {
		return false
	}
	drained := m.view.Closed&queue.ClosedDrain != 0
	switch m.State {
	case Open:
		return !drained
	case Closed:
		return drained && m.view.Used > 0 && !m.command.done.IsZero()
	default:
		return false
	}
}

// shows says whether the listing has the member where it had it before.
func (r *roster) shows(m *member) bool { return m.at < len(r.places) && r.places[m.at] == m }

// follow is compare where it is known which hosts may differ.
func (f *Fleet) follow() {
	r := &f.roster
	r.serial = f.snap.Delta.To
	for len(r.places) > len(f.snap.Hosts) {
		last := len(r.places) - 1
		if m := r.places[last]; m != nil {
			f.unsettle(m)
		}
		r.places = r.places[:last]
	}
	for len(r.places) < len(f.snap.Hosts) {
		r.places = append(r.places, nil)
	}
	for _, at := range f.snap.Delta.Places {
		m, name := r.places[at], f.snap.Hosts[at].Name
		if m == nil || m.Name() != name {
			if m != nil {
				f.unsettle(m)
			}
			m = f.members[name]
		}
		if r.places[at] = m; m != nil {
			f.unsettle(m)
			m.at, m.changed = at, true
		}
	}
}

// compare unsettles those whose host differs from the one in the last snapshot, or is not in the newest. It reports whether all others
// are known to be what they were.
func (f *Fleet) compare() (followed bool) {
	r, d := &f.roster, &f.snap.Delta
	if d.From != 0 && d.From == r.serial {
		f.follow()
		return true
	}
	r.serial, r.smallest = d.To, 0
	r.places = slices.Grow(r.places[:0], len(f.snap.Hosts))[:len(f.snap.Hosts)]
	clear(r.places)
	for _, m := range f.order {
		if r.smallest == 0 || m.Spec.Slots < r.smallest {
			r.smallest = m.Spec.Slots
		}
		if !m.settled {
			continue
		}
		at, seen := f.find(m)
		if !seen {
			f.unsettle(m)
			continue
		}
		m.at, r.places[at] = at, m
		var now sight
		if now.of(&f.snap.Hosts[at]); now != m.view {
			f.unsettle(m)
		}
	}
	return false
}
