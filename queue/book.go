package queue

// book is what all hosts look like. It is brought up to date when it is read, and only where it has to be: most polls find that few hosts
// have changed.
type book struct {
	pages   []Host
	owners  []*host // of the pages
	stale   []*host // whose page is of before they changed
	serial  uint64  // of the newest listing
	changed []int   // in the newest listing
}

// HostDelta says how a listing of hosts differs from an earlier one. Its zero value says nothing.
type HostDelta struct {
	// From is the number of the earlier listing, To that of this one; zero From = all may differ.
	From, To uint64
	// Places are the indices of those that may differ; the others are what they were there, as far as there are any now.
	Places []int
}

// mark notes that a host changed.
func (b *book) mark(h *host) {
	if !h.stale {
		h.stale = true
		b.stale = append(b.stale, h)
	}
}

// add gives a host a page.
func (b *book) add(h *host) {
	h.page = len(b.pages)
	b.pages, b.owners = append(b.pages, Host{}), append(b.owners, h)
}

// remove gives the last host the page of one that is no more.
func (b *book) remove(h *host) {
	end := len(b.pages) - 1
	if last := b.owners[end]; last != h {
		last.page, b.owners[h.page] = h.page, last
		b.mark(last)
	}
	b.pages[end], b.owners[end] = Host{}, nil
	b.pages, b.owners = b.pages[:end], b.owners[:end]
}

// HostViews are all hosts, in no order, in the Queue's own memory: not to be changed, and good until the next call of a method that
// changes anything, as is what it says of the listing before. It costs time only for what changed since then; see Hosts for a copy.
func (q *Queue) HostViews() ([]Host, HostDelta) {
	b := &q.book
	b.changed = b.changed[:0]
	for _, h := range b.stale {
		if h.stale = false; h.status != 0 {
			h.show(&b.pages[h.page])
			b.changed = append(b.changed, h.page)
		}
	}
	clear(b.stale)
	b.stale = b.stale[:0]
	b.serial++
	return b.pages, HostDelta{From: b.serial - 1, To: b.serial, Places: b.changed}
}
