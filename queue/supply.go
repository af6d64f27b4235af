package queue

import "math/bits"

// supply is the free slots of the usable hosts: hosts by what they have free, so that the fullest host that still fits is
// found without looking at the others. Hosts with and without GPUs, idle and busy ones are listed apart, because jobs go to
// busy hosts first (so that idle ones can be released), and to hosts with GPUs only for need or for lack of others.
type supply struct {
	shelves [4]shelf // see shelfOf
	free    int      // slots
	members []*host  // usable ones, full ones included
	changes uint64   // grows whenever members changes
}

// shelf is hosts by free slots.
type shelf struct {
	buckets []*bucket // by free slots
	filled  []uint64  // a bit for each bucket that holds hosts
}

type bucket struct {
	shelf *shelf
	free  int
	hosts []*host
}

const (
	withGPUs = 2
	idleHost = 1
)

func shelfOf(h *host) int {
	n := 0
	if h.spec.GPUs > 0 {
		n += withGPUs
	}
	if h.used == 0 {
		n += idleHost
	}
	return n
}

// changed lists a host whose status changed.
func (s *supply) changed(h *host) {
	switch usable := h.usable(); {
	case usable && h.member < 0:
		h.member = len(s.members)
		s.members = append(s.members, h)
		s.changes++
	case !usable && h.member >= 0:
		last := s.members[len(s.members)-1]
		s.members[h.member], last.member = last, h.member
		s.members[len(s.members)-1] = nil
		s.members = s.members[:len(s.members)-1]
		h.member = -1
		s.changes++
	}
	s.list(h)
}

// list puts a host where its free slots belong.
func (s *supply) list(h *host) {
	free := 0
	if h.usable() && h.sole == 0 {
		free = max(h.spec.Slots-h.used, 0)
	}
	var to *shelf
	if free > 0 {
		to = &s.shelves[shelfOf(h)]
	}
	if h.bucket != nil {
		if h.bucket.shelf == to && h.free == free {
			return
		}
		h.bucket.remove(h)
	}
	s.free += free - h.free
	h.free = free
	if free > 0 {
		to.bucket(free).add(h)
	}
}

func (s *shelf) bucket(free int) *bucket {
	for len(s.buckets) <= free {
		s.buckets = append(s.buckets, nil)
	}
	for len(s.filled) <= free/64 {
		s.filled = append(s.filled, 0)
	}
	if s.buckets[free] == nil {
		s.buckets[free] = &bucket{shelf: s, free: free}
	}
	return s.buckets[free]
}

func (b *bucket) add(h *host) {
	h.bucket, h.pos = b, len(b.hosts)
	b.hosts = append(b.hosts, h)
	b.shelf.filled[b.free/64] |= 1 << (b.free % 64)
}

func (b *bucket) remove(h *host) {
	last := b.hosts[len(b.hosts)-1]
	b.hosts[h.pos], last.pos = last, h.pos
	b.hosts[len(b.hosts)-1] = nil
	b.hosts = b.hosts[:len(b.hosts)-1]
	h.bucket = nil
	if len(b.hosts) == 0 {
		b.shelf.filled[b.free/64] &^= 1 << (b.free % 64)
	}
}

// fullest calls f for the hosts with at least so many free slots, those with the fewest first, until f is false.
func (s *shelf) fullest(atLeast int, f func(*host) bool) {
	for w := atLeast / 64; w < len(s.filled); w++ {
		word := s.filled[w]
		if w == atLeast/64 {
			word &= ^uint64(0) << (atLeast % 64)
		}
		for ; word != 0; word &= word - 1 {
			for _, h := range s.buckets[w*64+bits.TrailingZeros64(word)].hosts {
				if !f(h) {
					return
				}
			}
		}
	}
}

// emptiest calls f for all usable hosts, those with the most free slots first, until f is false.
func (s *supply) emptiest(f func(*host) bool) {
	most := 0
	for i := range s.shelves {
		most = max(most, len(s.shelves[i].buckets)-1)
	}
	for free := most; free > 0; free-- {
		for i := range s.shelves {
			if b := s.shelves[i].buckets; free < len(b) && b[free] != nil {
				for _, h := range b[free].hosts {
					if !f(h) {
						return
					}
				}
			}
		}
	}
	for _, h := range s.members {
		if h.free == 0 && !f(h) {
			return
		}
	}
}

// emptiest calls f for the shelf's hosts, those with the most free slots first, until f is false.
func (s *shelf) emptiest(f func(*host) bool) {
	for w := len(s.filled) - 1; w >= 0; w-- {
		for word := s.filled[w]; word != 0; {
			top := 63 - bits.LeadingZeros64(word)
			word &^= 1 << top
			for _, h := range s.buckets[w*64+top].hosts {
				if !f(h) {
					return
				}
			}
		}
	}
}
