package queue

import "slices"

// book is what all hosts look like, by name. It is brought up to date when it is read, and only where it has to be: most polls find
// that few hosts have changed.
type book struct {
	pages []Host  // by the order of Queue.roll, unless torn
	stale []*host // whose page is of before they changed
	torn  bool    // hosts were added or removed
}

// mark notes that a host changed.
func (b *book) mark(h *host) {
	if !h.stale {
		h.stale = true
		b.stale = append(b.stale, h)
	}
}

// HostViews are all hosts, by name, in the Queue's own memory: not to be changed, and good until the next call of a method that changes
// anything. It costs time only for those that changed since the last such call; see Hosts for a copy.
func (q *Queue) HostViews() []Host {
	b := &q.book
	if b.torn {
		b.bind(q.roll)
	}
	for _, h := range b.stale {
		if h.stale = false; h.status != 0 {
			b.pages[h.page] = h.view()
		}
	}
	clear(b.stale)
	b.stale = b.stale[:0]
	return b.pages
}

// bind makes room for all hosts that there are, each at its place.
func (b *book) bind(roll []*host) {
	had := len(b.pages)
	b.pages = slices.Grow(b.pages[:0], len(roll))[:len(roll)]
	if had > len(roll) {
		clear(b.pages[len(roll):had])
	}
	for page, h := range roll {
		h.page = page
		b.mark(h)
	}
	b.torn = false
}
