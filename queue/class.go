package queue

import (
	"math/bits"
	"slices"
	"time"
)

// classKey is what makes pending jobs alike: if one of them cannot start now, none can.
type classKey struct {
	queue    *queueState
	user     *userState // only where it has quotas
	group    *group     // the nearest one with a limit; nil = none
	priority int
	min, max int
	length   int // with Backfill: see lengthClass
	need     Need
}

// class is the eligible pending jobs with equal needs, in the order in which they start.
type class struct {
	classKey
	count int           // elements
	pos   int           // in Queue.live, -1 = not there
	fifo  []entry       // in order, from first on; some may have left
	first int           //
	late  heapOf[entry] // those that came out of order
	gone  int           // entries of jobs that left

	hosted hostLists // that must allow its hosts; nil = any
	quotas []*quota  // that its jobs must fit into
	// What the usable hosts could hold of it if nothing ran, as of the supply's state of changes: slots, on all hosts or (OneHost) on
	// one, and with PerHost so many on each. It is not counted beyond min.
	room int
	asOf uint64
	// Whether it could use all of them, likewise.
	all     bool
	allAsOf uint64

	reasons []string // why its jobs pend, as of so many events
	whyAsOf uint64

	last    *host // where its last job was placed, in this pass:
	lastIn  uint64
	waiting int64 // number of the job at its head, since that was first blocked
	since   stamp
}

// entry is a job's place in a class. It counts only while the job still belongs there.
type entry struct {
	order int64
	job   *job
}

func (e entry) before(o entry) bool {
	return e.order < o.order || e.order == o.order && e.job.number < o.job.number
}

func (c *class) holds(e entry) bool {
	return e.job.counted && e.job.class == c && e.job.order == e.order
}

// head is the entry of the job to start next. There must be one.
func (c *class) head() entry {
	for c.first < len(c.fifo) && !c.holds(c.fifo[c.first]) {
		c.drop(c.fifo[c.first])
		c.fifo[c.first] = entry{}
		c.first++
	}
	for c.late.len() > 0 && !c.holds(c.late.items[0]) {
		c.drop(c.late.pop())
	}
	if c.first == len(c.fifo) {
		c.fifo, c.first = c.fifo[:0], 0
		return c.late.items[0]
	}
	if c.first > 64 && c.first > len(c.fifo)/2 {
		c.fifo = slices.Delete(c.fifo, 0, c.first)
		c.first = 0
	}
	if e := c.fifo[c.first]; c.late.len() == 0 || e.before(c.late.items[0]) {
		return e
	}
	return c.late.items[0]
}

func (c *class) drop(e entry) {
	c.gone--
	if e.job.class == c && e.job.order == e.order {
		e.job.listed = false
	}
}

func (c *class) enter(j *job) {
	j.counted = true
	if j.listed {
		c.gone--
		return
	}
	j.listed = true
	e := entry{j.order, j}
	if c.first == len(c.fifo) || c.fifo[len(c.fifo)-1].before(e) {
		c.fifo = append(c.fifo, e)
		return
	}
	c.late.push(e)
}

func (c *class) leave(j *job) {
	j.counted = false
	if c.gone++; c.gone > 64 && c.gone > (len(c.fifo)-c.first+c.late.len())/2 {
		c.sweep()
	}
}

// sweep takes out the entries of jobs that left.
func (c *class) sweep() {
	left := func(e entry) bool {
		if c.holds(e) {
			return false
		}
		c.drop(e)
		return true
	}
	c.fifo = slices.DeleteFunc(c.fifo[c.first:], left)
	c.first = 0
	rest := c.late.items
	c.late.items = nil
	for _, e := range rest {
		if !left(e) {
			c.late.push(e)
		}
	}
	c.gone = 0
}

// classBefore orders classes by the jobs at their heads: queue priority, job priority, order.
func classBefore(a, b rank) bool {
	if x, y := a.class.queue.spec.Priority, b.class.queue.spec.Priority; x != y {
		return x > y
	}
	if a.class.priority != b.class.priority {
		return a.class.priority > b.class.priority
	}
	return a.head.before(b.head)
}

func compareRanks(a, b rank) int {
	switch {
	case classBefore(a, b):
		return -1
	case classBefore(b, a):
		return 1
	}
	return 0
}

// settle makes a job belong to the class it must, after anything about it changed.
func (q *Queue) settle(j *job) {
	q.watchOrphan(j)
	n, why := q.eligible(j)
	j.ineligible = why
	c := j.class
	if n > 0 && c == nil {
		c = q.classOf(j)
		j.class = c
	}
	if c == nil {
		return
	}
	c.count += int(n - j.startable)
	if n > j.startable || n == 0 && c.waiting == j.number { // who was kept waiting by j need not wait any more
		q.dirty = true
	}
	j.startable = n
	if n > 0 != j.counted {
		if n > 0 {
			c.enter(j)
		} else {
			c.leave(j)
		}
	}
	q.enlist(c)
}

// enlist keeps the list of classes with something to start.
func (q *Queue) enlist(c *class) {
	switch {
	case c.count > 0 && c.pos < 0:
		c.pos = len(q.live)
		q.live = append(q.live, c)
	case c.count == 0 && c.pos >= 0:
		last := q.live[len(q.live)-1]
		q.live[c.pos], last.pos = last, c.pos
		q.live[len(q.live)-1] = nil
		q.live = q.live[:len(q.live)-1]
		c.pos = -1
	}
}

// eligible is the number of a job's elements that could start if there were hosts for them, or what keeps all from it.
func (q *Queue) eligible(j *job) (int32, gate) {
	var n int32
	if j.array != nil {
		n = j.array.startable()
	} else if j.one.state == Pending {
		n = 1
	}
	switch {
	case j.open == 0:
		return 0, gateNothing
	case j.need != nil && j.need.verdict != isTrue && !(j.array != nil && j.array.each):
		if j.need.verdict == isNever {
			return 0, gateNever
		}
		return 0, gateDependency
	case n == 0:
		return 0, gateNothing
	case j.begin != 0 && j.paused:
		return 0, gatePreExec
	case j.begin != 0:
		return 0, gateBegin
	case q.cfg.MaxJobSlots > 0 && j.spec.MinSlots > q.cfg.MaxJobSlots:
		return 0, gateTooLarge
	case !j.queue.fitsOnHosts(j.spec):
		return 0, gateHostLimit
	case j.array != nil && j.array.limit > 0:
		if n = min(n, j.array.limit-j.placed); n <= 0 {
			return 0, gateArrayLimit
		}
	}
	return n, gateOpen
}

// withdraw takes a job out of its class, before its queue or place in the order changes.
func (q *Queue) withdraw(j *job) {
	c := j.class
	if c == nil {
		return
	}
	c.count -= int(j.startable)
	j.startable = 0
	if j.counted {
		c.leave(j)
	}
	j.strewn = j.strewn || j.listed
	j.class, j.listed = nil, false
	q.dirty = true
	q.enlist(c)
}

// lengthClass puts run limits that differ by an eighth or less together.
func lengthClass(limit time.Duration) int {
	n := bits.Len64(uint64(limit))
	if n < 4 {
		return n
	}
	return n*8 + int(uint64(limit)>>(n-4)&7)
}

const maxIdleClasses = 1024

// memo is the class looked up last, and what its job had that decides on the class: jobs that come one after the other are often alike.
type memo struct {
	spec  *Spec
	queue *queueState
	user  *userState
	group *group // the nearest one with a limit
	class *class
}

// classOf finds or makes a job's class.
func (q *Queue) classOf(j *job) *class {
	group := j.group.limited()
	if m := &q.memo; m.spec == j.spec && m.queue == j.queue && m.user == j.user && m.group == group {
		return m.class
	}
	c := q.classFor(j, group)
	q.memo = memo{spec: j.spec, queue: j.queue, user: j.user, group: group, class: c}
	return c
}

func (q *Queue) classFor(j *job, group *group) *class {
	key := classKey{queue: j.queue, priority: j.spec.Priority, min: j.spec.MinSlots, max: j.spec.MaxSlots, group: group}
	key.need = j.queue.needOf(j)
	for _, most := range [...]int{j.app.terms().JobSlots, j.queue.spec.JobSlots, q.cfg.MaxJobSlots} {
		if most > 0 {
			key.max = max(min(key.max, most), key.min)
		}
	}
	if j.queue.spec.UserSlots > 0 || j.user.quotas != nil {
		key.user = j.user
	}
	if q.cfg.Backfill {
		key.length = lengthClass(runLimit(j))
	}
	if last := q.memo.class; last != nil && last.classKey == key {
		return last
	}
	c := q.classes[key]
	if c == nil {
		q.forgetClasses()
		c = &class{classKey: key, pos: -1, hosted: parseHostLists(key.need.Hosts), quotas: j.queue.quotas(j.user)}
		c.late.less = entry.before
		q.classes[key] = c
	}
	return c
}

// forgetClasses bounds the number of classes that are kept for jobs to come. A job that still knows a forgotten class
// goes on using it.
func (q *Queue) forgetClasses() {
	if len(q.classes) < 2*len(q.live)+maxIdleClasses {
		return
	}
	for key, c := range q.classes {
		if c.count == 0 {
			delete(q.classes, key)
		}
	}
}
