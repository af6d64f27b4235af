package queue

import (
	"cmp"
	"slices"
)

// Load is the load now.
func (q *Queue) Load() Load {
	l := Load{CompletedSlotSeconds: q.work, PendingWeight: 1}
	for s := Running; s <= Unknown; s++ {
		if s.Placed() {
			l.Running += q.slots[s]
		}
	}
	var first rank
	weighted := 0 // in hundredths, so that the order of the classes does not matter
	q.eachEligible(func(c *class, n int) {
		l.Pending += n * c.min
		weighted += n * c.min * c.queue.weight
		if r := (rank{c, c.head()}); n > 0 && (first.class == nil || classBefore(r, first)) {
			first = r
		}
	})
	if first.class != nil {
		l.FirstNeed = first.class.min
	}
	if l.Pending > 0 {
		l.PendingWeight = float64(weighted) / float64(l.Pending*wholeWeight)
	}
	l.Waiting = q.slots[Pending] + q.slots[HeldPending] - l.Pending
	return l
}

// eachEligible calls f for each class with the number of its jobs that its quotas and the limits of its job groups let start: none of
// those that could start only if others before them do not.
func (q *Queue) eachEligible(f func(c *class, n int)) {
	var limited []rank
	for _, c := range q.live {
		switch {
		case !c.queue.active:
		case c.quotas != nil || c.group != nil:
			limited = append(limited, rank{c, c.head()})
		default:
			f(c, c.count)
		}
	}
	if limited == nil {
		return
	}
	slices.SortFunc(limited, compareRanks)
	left := quotas{slots: map[*quota]int{}, jobs: map[*group]int{}}
	for _, r := range limited {
		if n := left.take(r.class); n > 0 || r.class.free() {
			f(r.class, n)
		}
	}
}

// free reports whether limits let a job of the class start, as long as no other does.
func (c *class) free() bool {
	for _, l := range c.quotas {
		if l.most-l.held < c.min {
			return false
		}
	}
	for g := c.group; g != nil; g = g.parent {
		if g.limit != noLimit && g.started >= g.limit {
			return false
		}
	}
	return true
}

// quotas is what limits leave.
type quotas struct {
	slots map[*quota]int
	jobs  map[*group]int
}

// take gives the jobs of a class as much as it can of what the limits leave, and says to how many.
func (left *quotas) take(c *class) int {
	n := c.count
	for _, l := range c.quotas {
		if _, known := left.slots[l]; !known {
			left.slots[l] = l.most - l.held
		}
		n = min(n, max(left.slots[l], 0)/c.min)
	}
	for g := c.group; g != nil; g = g.parent {
		if g.limit != noLimit {
			if _, known := left.jobs[g]; !known {
				left.jobs[g] = g.limit - g.started
			}
			n = min(n, max(left.jobs[g], 0))
		}
	}
	for _, l := range c.quotas {
		left.slots[l] -= n * c.min
	}
	for g := c.group; g != nil; g = g.parent {
		if g.limit != noLimit {
			left.jobs[g] -= n
		}
	}
	return n
}

// Demand is the needs of the eligible pending jobs, in the order in which the first of each would start; at most so many classes, 0 =
// all.
func (q *Queue) Demand(most int) []Demand { return q.AppendDemand([]Demand{}, most) }

// AppendDemand appends what Demand gives to out.
func (q *Queue) AppendDemand(out []Demand, most int) []Demand {
	items := q.eligibles[:0]
	q.eachEligible(func(c *class, n int) { items = append(items, eligible{rank{c, c.head()}, n}) })
	q.eligibles = items
	defer clear(items)
	slices.SortFunc(items, func(a, b eligible) int { return compareRanks(a.rank, b.rank) })
	type key struct {
		need  Need
		slots int
	}
	var at map[key]int
	if len(items) > 1 {
		at = make(map[key]int, len(items))
	}
	before := len(out)
	for i := range items {
		c, n := items[i].class, items[i].n
		full := most > 0 && len(out) == before+most
		if at != nil {
			k := key{c.need, c.min}
			if pos, ok := at[k]; ok {
				out[pos].Count += n
				out[pos].Behind = out[pos].Behind && n == 0
				continue
			}
			if !full {
				at[k] = len(out)
			}
		}
		if !full {
			out = append(out, Demand{Need: c.need, Slots: c.min, Count: n, Strict: !q.cfg.Backfill, Behind: n == 0})
		}
	}
	for i := range out[before:] {
		if d := &out[before+i]; d.Behind {
			d.Count = 1
		}
	}
	return out
}

// eligible is a class of which so many jobs may start.
type eligible struct {
	rank
	n int
}

// Hosts are all hosts, by name.
func (q *Queue) Hosts() []Host {
	views, _ := q.HostViews()
	hosts := make([]Host, len(q.roll))
	for i, h := range q.roll {
		hosts[i] = views[h.page]
	}
	return hosts
}

// Host is one host.
func (q *Queue) Host(name string) (Host, bool) {
	if h := q.hosts[name]; h != nil {
		return h.view(), true
	}
	return Host{}, false
}

func (h *host) view() (v Host) {
	h.show(&v)
	return v
}

// show brings a view of the host up to date.
func (h *host) show(v *Host) {
	v.HostSpec, v.Status, v.Closed, v.Used = h.spec, h.status, h.closed, h.used
	v.Run = h.used - int(h.slots[SysSuspended]+h.slots[UserSuspended])
	v.SSusp, v.USusp = int(h.slots[SysSuspended]), int(h.slots[UserSuspended])
	v.AddedAt, v.IdleSince, v.Eldest, v.LostAt = h.added.time(), h.idle.time(), h.eldest().time(), h.lostAt.time()
}

// SessionHash is the hash of the session with which a host may join again; "" if it never joined.
func (q *Queue) SessionHash(name string) string {
	if h := q.hosts[name]; h != nil {
		return h.session
	}
	return ""
}

// Queues are all queues, by priority, then as configured. Jobs whose queue is configured no more are in lost_and_found, which
// is there only while it holds some.
func (q *Queue) Queues() []QueueInfo {
	out := make([]QueueInfo, 0, len(q.queues)+1)
	for _, s := range q.queues {
		out = append(out, s.view())
	}
	if v := q.strays.view(); cmp.Or(v.Pend, v.Run, v.SSusp, v.USusp) != 0 {
		out = append(out, v)
	}
	return out
}

func (s *queueState) view() QueueInfo {
	susp := s.slots[SysSuspended] + s.slots[UserSuspended]
	return QueueInfo{
		QueueSpec: s.spec, Open: s.open, Active: s.active, Pend: s.slots[Pending] + s.slots[HeldPending],
		Run: s.all.held - susp, SSusp: s.slots[SysSuspended], USusp: s.slots[UserSuspended],
	}
}
