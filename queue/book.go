package queue

import "slices"

// book is what all hosts look like, by name. It is brought up to date when it is read, and only where it has to be: most polls find
// that few hosts have changed.
type book struct {
	pages []Host  // by the order of Queue.roll, unless torn
	stale []*host // whose page is of before they changed
	torn  bool    // hosts were added or removed
	serial  uint64  // of the newest listing
	changed []int   // in the newest listing
}

// HostDelta says how a listing of hosts differs from an earlier one. Its zero value says nothing.
type HostDelta struct {
	// From is the number of the earlier listing, To that of this one; zero From = all may differ.
	From, To uint64
	// Places are the indices of the hosts that may differ; all others are the same, at the same place.
	Places []int
}

// mark notes that a host changed.
func (b *book) mark(h *host) {
	if !h.stale {
		h.stale = true
		b.stale = append(b.stale, h)
	}
}

// HostViews are all hosts, by name, in the Queue's own memory: not to be changed, and good until the next call of a method that changes
// anything, as is the delta to the listing before. It costs time only for those that changed since then; see Hosts for a copy.
func (q *Queue) HostViews() ([]Host, HostDelta) {
	b := &q.book
	delta := HostDelta{From: b.serial}
	if b.torn {
		b.bind(q.roll)
		delta.From = 0
	}
	b.serial++
	delta.To = b.serial
	b.changed = b.changed[:0]
	for _, h := range b.stale {
		if h.stale = false; h.status != 0 {
			b.pages[h.page] = h.view()
			b.changed = append(b.changed, h.page)
		}
	}
	clear(b.stale)
	b.stale = b.stale[:0]
	delta.Places = b.changed
	return b.pages, delta
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
