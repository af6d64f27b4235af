package queue

import "slices"

// fit is the number of slots of a class that a host could give now, to a job that ends by a time (never = unknown).
func (q *Queue) fit(h *host, c *class, by stamp) int {
	if h.kept == q.pass.id && by > h.keptUntil {
		return 0
	}
	return q.freeFor(h, c)
}

// freeFor is fit on a host that nobody keeps.
func (q *Queue) freeFor(h *host, c *class) int {
	if !c.admits(h) || c.need.Exclusive && h.used > 0 {
		return 0
	}
	return min(q.share(c, h.free, h.spec.MemMiB, h.spec.MemMiB-h.mem, h.spec.GPUs-h.gpus), h.leaves(c))
}

// capacity is the number of slots of a class that a host could give if nothing ran on it.
func (q *Queue) capacity(h *host, c *class) int {
	if !c.admits(h) {
		return 0
	}
	slots := h.spec.Slots
	if limit := c.need.HostLimit; limit > 0 {
		slots = min(slots, limit)
	}
	return q.share(c, slots, h.spec.MemMiB, h.spec.MemMiB, h.spec.GPUs)
}

// admits says whether the jobs of the class may run on a host at all.
func (c *class) admits(h *host) bool {
	return c.hosted.admits(&h.names) && (!h.spec.Revocable || c.need.Rerunnable) &&
		(!h.spec.Elastic || h.spec.Profile == c.need.Profile)
}

// share is how many slots of a class some free slots, memory and GPUs make. A host of no known memory has enough.
func (q *Queue) share(c *class, slots, mem, freeMem, freeGPUs int) int {
	if each := q.memOf(&c.need); each > 0 && mem > 0 {
		slots = min(slots, freeMem/each)
	}
	if c.need.GPUs > 0 {
		slots = min(slots, freeGPUs/c.need.GPUs)
	}
	if c.need.HostGPUs > freeGPUs {
		slots = 0
	}
	return max(slots, 0)
}

var (
	anyShelf  = []int{0, idleHost, withGPUs, withGPUs + idleHost}
	gpuShelf  = []int{withGPUs, withGPUs + idleHost}
	idleShelf = []int{idleHost, withGPUs + idleHost}
)

// shelvesFor are the shelves where a class may find hosts, best ones first.
func shelvesFor(n *Need) []int {
	switch {
	case n.Exclusive:
		return idleShelf
	case n.WantsGPUs():
		return gpuShelf
	}
	return anyShelf
}

// place finds slots for the next job of a class: as many as wanted, at least the class's minimum; nil if there are none.
func (q *Queue) place(c *class, want int, by stamp) []Placement {
	if q.supply.free < c.min {
		return nil
	}
	if c.need.PerHost > 0 && c.need.PerHost < want {
		return q.tile(c, want, by)
	}
	if c.lastIn == q.pass.id && q.fit(c.last, c, by) >= want {
		return c.last.placement(want)
	}
	if h := q.singleHost(c, want, by); h != nil {
		c.last, c.lastIn = h, q.pass.id
		return h.placement(want)
	}
	if c.max == 1 {
		return nil
	}
	if c.need.OneHost || c.need.PerHost > 0 {
		if h, n := q.largestFit(c, by); n >= c.min {
			return h.placement(min(n, want))
		}
		return nil
	}
	return q.span(c, want, by)
}

// singleHost is the fullest host with room for all of a job.
func (q *Queue) singleHost(c *class, want int, by stamp) (found *host) {
	for _, i := range shelvesFor(&c.need) {
		q.supply.shelves[i].fullest(want, func(h *host) bool {
			if q.fit(h, c, by) >= want {
				found = h
			}
			return found == nil
		})
		if found != nil {
			return found
		}
	}
	return nil
}

func (q *Queue) largestFit(c *class, by stamp) (best *host, most int) {
	for _, i := range shelvesFor(&c.need) {
		q.supply.shelves[i].emptiest(func(h *host) bool {
			if n := q.fit(h, c, by); n > most {
				best, most = h, n
			}
			return h.free > most
		})
	}
	return best, most
}

// span spreads a job over hosts: busy ones before idle ones, few rather than many.
func (q *Queue) span(c *class, want int, by stamp) (places []Placement) {
	left := want
	for _, i := range shelvesFor(&c.need) {
		q.supply.shelves[i].emptiest(func(h *host) bool {
			if n := min(q.fit(h, c, by), left); n > 0 {
				places = append(places, Placement{Host: h.spec.Name, Slots: n})
				left -= n
			}
			return left > 0
		})
		if left == 0 {
			break
		}
	}
	if want-left < c.min {
		return nil
	}
	return places
}

// tile spreads a job evenly: Need.PerHost slots on each host, what is then left on one more. The fullest hosts come first.
func (q *Queue) tile(c *class, want int, by stamp) (places []Placement) {
	each, got := c.need.PerHost, 0
	take := func(n, hosts int) {
		for _, i := range shelvesFor(&c.need) {
			if hosts == 0 {
				return
			}
			q.supply.shelves[i].fullest(n, func(h *host) bool {
				// Only the host of the rest could have been taken before.
				if q.fit(h, c, by) >= n && (n == each || !slices.ContainsFunc(places, func(p Placement) bool { return p.Host == h.spec.Name })) {
					places = append(places, Placement{Host: h.spec.Name, Slots: n})
					got += n
					hosts--
				}
				return hosts > 0
			})
		}
	}
	take(each, want/each)
	for _, enough := range [...]int{want, c.min} {
		if rest := enough - got; rest > 0 && rest < each {
			take(rest, 1)
		}
		if got >= enough {
			return places
		}
	}
	return nil
}

// placement is n slots of the host. Jobs share the slices of the usual sizes; nobody changes them.
func (h *host) placement(n int) []Placement {
	for len(h.places) < min(n, maxShared) {
		h.places = append(h.places, []Placement{{Host: h.spec.Name, Slots: len(h.places) + 1}})
	}
	if n <= maxShared {
		return h.places[n-1]
	}
	return []Placement{{Host: h.spec.Name, Slots: n}}
}

const maxShared = 16

// measure brings what the usable hosts could hold of a class up to date, as far as it matters: whether a job of it could start if nothing ran.
func (q *Queue) measure(c *class) {
	if c.asOf == q.supply.changes+1 {
		return
	}
	c.asOf, c.room = q.supply.changes+1, 0
	rest := 0 // of a job that is spread evenly, a host for its rest
	for _, h := range q.supply.members {
		if c.room >= c.min {
			return
		}
		n := q.capacity(h, c)
		switch each := c.need.PerHost; {
		case c.need.OneHost:
			if n >= c.min {
				c.room = n
			}
		case each > 0 && n >= each:
			c.room += each
		case each > 0:
			if n >= c.min%each {
				rest = c.min % each
			}
		default:
			c.room += n
		}
	}
	c.room += rest
}

// usesAll reports whether a job of a class could use each of the usable hosts if nothing ran there.
func (q *Queue) usesAll(c *class) bool {
	if c.allAsOf == q.supply.changes+1 {
		return c.all
	}
	least := 1
	switch {
	case c.need.OneHost:
		least = c.min
	case c.need.PerHost > 0:
		least = c.need.PerHost
	}
	c.allAsOf = q.supply.changes + 1
	c.all = !slices.ContainsFunc(q.supply.members, func(h *host) bool { return q.capacity(h, c) < least })
	return c.all
}
