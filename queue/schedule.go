package queue

import (
	"slices"
	"time"
)

// pass is one walk over the classes.
type pass struct {
	id     uint64
	heads  heapOf[rank]
	closed bool // blocked jobs keep all hosts
	keeps  int  // blocked jobs that keep hosts
}

type rank struct {
	class *class
	head  entry
}

// maxKeeps bounds the blocked jobs for which hosts are kept in one pass with Backfill.
const maxKeeps = 8

// Schedule starts what can start and returns the number of starts, each a JobStarted event. It costs next to nothing when
// nothing changed since the last time, and classes × hosts at most when something did.
func (q *Queue) Schedule(now time.Time) int {
	at := stampOf(now)
	q.begin(now, at)
	started := 0
	for q.dirty || at >= q.retryAt {
		q.dirty, q.retryAt = false, never
		started += q.walk(now, at)
	}
	return started
}

func (q *Queue) walk(now time.Time, at stamp) (started int) {
	p := &q.pass
	p.id++
	p.closed, p.keeps = false, 0
	p.heads.items = p.heads.items[:0]
	if q.supply.free == 0 {
		return 0
	}
	for _, c := range q.live {
		if c.queue.active {
			p.heads.items = append(p.heads.items, rank{c, c.head()})
		}
	}
	p.heads.init()
	for p.heads.len() > 0 && q.supply.free > 0 && !p.closed {
		c := p.heads.items[0].class
		if c.count > 0 && q.startNext(c, now, at) {
			started++
			if c.count > 0 {
				p.heads.items[0].head = c.head()
				p.heads.fix()
				continue
			}
		}
		p.heads.pop()
	}
	clear(p.heads.items[:cap(p.heads.items)])
	return started
}

// startNext starts the first job of a class, or finds it blocked.
func (q *Queue) startNext(c *class, now time.Time, at stamp) bool {
	j := c.head().job
	if q.groupFull(c) {
		return false // other jobs of the group hold what it may have
	}
	if q.measure(c); c.room < c.min && !q.expected(c) {
		return false // it could not start even if nothing ran, so it may not hold up others
	}
	left, tightest := q.headroom(c)
	if left < c.min {
		q.blockQuota(c, j, at, tightest)
		return false
	}
	by := never
	if limit := runLimit(j); limit > 0 && q.cfg.Backfill {
		by = at.after(limit)
	}
	if c.queue.denied == q.pass.id {
		return false // what its host limit leaves is kept for a job before it
	}
	places := q.place(c, min(c.max, left), by)
	switch {
	case places == nil && q.limitedOnHosts(c, by):
		q.blockHostLimit(c, j, at)
		return false
	case places == nil:
		q.blockHosts(c, j, at)
		return false
	}
	id, attempt := ID{Job: j.number}, j.one.attempt
	if a := j.array; a != nil {
		ordinal := a.next()
		id.Index, attempt = int(a.index(ordinal)), 0
		if e := a.at(ordinal); e != nil {
			attempt = e.attempt
		}
	}
	c.waiting = 0
	ev := q.record(JobStarted, now)
	ev.Job, ev.Attempt, ev.Placement, ev.RunLimit = id, int(attempt)+1, places, runLimit(j)
	q.commit(ev)
	return true
}

// Await says that hosts with so many more slots in all will be brought as soon as the first pending job can start with them.
// Until then a job that needs them waits as if they were there and in use: it may keep those after it from starting. It is
// advice about the future, not state: no event tells of it.
func (q *Queue) Await(slots int) {
	if slots != q.awaited {
		q.awaited, q.dirty = slots, true
	}
}

// expected reports whether the hosts that are awaited would make the first job of a class possible. Nothing but their slots is
// known of them.
func (q *Queue) expected(c *class) bool {
	return q.awaited > 0 && c.room+q.awaited >= c.min && c.hosted == nil && c.need.HostLimit == 0 && !c.need.WantsGPUs() && !c.need.OneHost && c.need.PerHost == 0 && !c.need.Exclusive
}

// keeping reports whether the blocked job at the head of a class may keep others from starting now: it may for ReserveFor,
// then not for as long, and so on.
func (q *Queue) keeping(c *class, j *job, at stamp) bool {
	if c.waiting != j.number || at < c.since {
		c.waiting, c.since = j.number, at
	}
	phase := int64(at-c.since) / int64(q.cfg.ReserveFor)
	q.retryAt = min(q.retryAt, c.since.after(time.Duration(phase+1)*q.cfg.ReserveFor))
	return phase%2 == 0
}

// blockHosts keeps hosts for a job that found too few free: without Backfill all that it could use, else just enough of them.
func (q *Queue) blockHosts(c *class, j *job, at stamp) {
	if !q.keeping(c, j, at) {
		return
	}
	q.claimGroup(c)
	if q.cfg.Backfill {
		q.keepEnough(c)
		return
	}
	if q.usesAll(c) {
		q.pass.closed = true
		return
	}
	for _, h := range q.supply.members {
		if q.capacity(h, c) >= c.least() {
			h.kept, h.keptUntil = q.pass.id, 0
		}
	}
}

// keepEnough keeps the emptiest hosts that together can hold the first job of a class, until it will have them. Because
// they take no job that lasts longer, and emptier ones are taken first, what is free on them never shrinks.
func (q *Queue) keepEnough(c *class) {
	if q.pass.keeps == maxKeeps {
		return
	}
	q.pass.keeps++
	room := 0
	var kept []*host
	q.supply.emptiest(func(h *host) bool {
		n := q.capacity(h, c)
		if h.kept != q.pass.id && n >= c.least() {
			if each := c.need.PerHost; each > 0 {
				n = min(n, each)
			}
			room += n
			kept = append(kept, h)
		}
		return room < c.min
	})
	if room < c.min {
		return // what it could use is kept for those before it
	}
	until := q.shadow(c, kept)
	for _, h := range kept {
		h.kept, h.keptUntil = q.pass.id, until
	}
}

// least is the slots that a host must have for a job of the class to use any.
func (c *class) least() int {
	switch each := c.need.PerHost; {
	case c.need.OneHost:
		return c.min
	case each > 0 && c.min%each == 0:
		return each
	case each > 0:
		return min(c.min, c.min%each)
	}
	return 1
}

// shadow is when the run limits of what runs on some hosts will have freed enough slots of them for the first job of a class; 0 if
// that cannot be known.
func (q *Queue) shadow(c *class, hosts []*host) stamp {
	type end struct {
		at    stamp
		slots int
	}
	var ends []end
	free := 0
	add := func(h *host, r *run) {
		at := r.deadline
		if at == 0 || r.stopped != 0 {
			at = never
		}
		for _, p := range r.e.place {
			if p.Host == h.spec.Name {
				ends = append(ends, end{at, p.Slots})
			}
		}
	}
	for _, h := range hosts {
		free += h.spec.Slots - h.used
		for _, r := range h.runs {
			add(h, r)
		}
		for _, r := range h.guests {
			add(h, r)
		}
	}
	slices.SortFunc(ends, func(a, b end) int { return int(min(max(a.at-b.at, -1), 1)) })
	var at stamp
	for i := 0; i < len(ends) && (free < c.min || c.need.Exclusive); i++ {
		free += ends[i].slots
		at = ends[i].at
	}
	if at == never {
		return 0
	}
	return at
}
