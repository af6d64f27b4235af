package queue

import "slices"

// verdict is what a condition comes to: false conditions may become true, those that are never true will not.
type verdict uint8

const (
	isFalse verdict = iota
	isTrue
	isNever
)

// dependency is the condition of one job, kept up to date by the jobs it watches.
type dependency struct {
	job     *job
	root    *node
	leaves  []*leaf
	verdict verdict
}

// node is an operator with its arguments, or a test.
type node struct {
	op   ConditionOp
	args []*node
	leaf *leaf
}

// leaf is a test: how many elements of the jobs it watches are in which state.
type leaf struct {
	owner   *dependency
	dead    bool
	op      ConditionOp
	compare string
	value   int32
	index   int32 // watches one element; 0 = all
	each    bool  // element i of the owner waits for element i
	jobs    []*job
	total   int32
	count   [Unknown + 1]int32
	matched int32 // of exit(…) with a comparison: those that ended with such an exit code
	verdict verdict
}

// attach makes a new job listen to what it depends on.
func (q *Queue) attach(j *job) {
	d := j.need
	d.job = j
	for _, l := range d.leaves {
		j.listen(l)
		for _, w := range l.jobs {
			w.watchers = append(w.watchers, l)
		}
		l.judge()
	}
	d.verdict = d.root.eval(0)
	if j.array != nil && slices.ContainsFunc(d.leaves, func(l *leaf) bool { return l.each }) {
		j.array.each = true
		q.ready(j)
	}
}

func (j *job) listen(l *leaf) {
	for _, w := range l.jobs {
		switch {
		case w.array == nil:
			l.see(w.one.state, 1, w.one.exit)
		case l.index != 0:
			ordinal, _ := w.array.ordinal(int(l.index))
			if e := w.array.at(ordinal); e != nil {
				l.see(e.state, 1, e.exit)
			} else {
				l.see(w.array.state, 1, 0)
			}
		default:
			l.see(w.array.state, w.array.pristine, 0)
			w.array.records(func(_ int32, e *element) { l.see(e.state, 1, e.exit) })
		}
	}
}

func (l *leaf) see(s State, n int32, exit int16) {
	l.total += n
	l.count[s] += n
	l.match(s, n, exit)
}

func (l *leaf) match(s State, n int32, exit int16) {
	if s == Exited && l.op == OpExit && l.compare != "" && compare(int32(exit), l.compare, l.value) {
		l.matched += n
	}
}

// detach ends a job's dependency.
func (q *Queue) detach(j *job) {
	for _, l := range j.need.leaves {
		l.dead = true
		for _, w := range l.jobs {
			if w.deaf++; w.deaf > len(w.watchers)/2 {
				w.watchers = slices.DeleteFunc(w.watchers, func(l *leaf) bool { return l.dead })
				w.deaf = 0
			}
			if len(w.watchers) == 0 {
				w.watchers = nil
			}
		}
	}
	j.need = nil
}

// watched reports that another job's condition still looks at j.
func (j *job) watched() bool { return len(j.watchers) > j.deaf }

// notify tells the conditions that watch a job that n of its elements changed their state; e is the element if it is one
// that has a record.
func (q *Queue) notify(j *job, e *element, from, to State, n int32) {
	for _, l := range j.watchers {
		if l.dead {
			continue
		}
		moved, exit := n, int16(0)
		switch {
		case e != nil && l.index != 0 && l.index != e.index:
			continue
		case e != nil:
			exit = e.exit
		case l.index != 0:
			if ordinal, ok := j.array.ordinal(int(l.index)); !ok || j.array.at(ordinal) != nil {
				continue
			}
			moved = 1
		}
		l.count[from] -= moved
		l.count[to] += moved
		l.match(from, -moved, exit)
		l.match(to, moved, exit)
		q.reconsider(l, e)
	}
}

// reconsider brings a dependency up to date after one of its tests saw a change.
func (q *Queue) reconsider(l *leaf, e *element) {
	d := l.owner
	before := l.verdict
	l.judge()
	a := d.job.array
	if a != nil && a.each {
		switch {
		case l.each && e != nil:
			if ordinal, ok := a.ordinal(int(e.index)); ok {
				q.readyOne(d.job, ordinal)
			}
		case l.each || l.verdict != before:
			q.ready(d.job)
		}
		d.verdict = d.root.eval(0)
		q.settle(d.job)
		return
	}
	if l.verdict == before {
		return
	}
	if now := d.root.eval(0); now != d.verdict {
		if now == isTrue {
			d.job.since = max(d.job.since, q.at)
		}
		d.verdict = now
		q.settle(d.job)
	}
}

// watchOrphan sees to it that a job which asked for it is ended when it pends and its condition can be met no more.
func (q *Queue) watchOrphan(j *job) {
	if j.need != nil && j.spec.EndOrphan && j.need.verdict == isNever && j.orphanAt <= q.at && q.pending(j) {
		j.orphanAt = q.at + 1
		q.alarms.push(alarm{at: j.orphanAt, job: j.number})
	}
}

// ready admits the elements of an array whose own dependency is met.
func (q *Queue) ready(j *job) {
	for ordinal := range j.array.size {
		q.readyOne(j, ordinal)
	}
}

func (q *Queue) readyOne(j *job, ordinal int32) {
	a := j.array
	e := a.at(ordinal)
	if e == nil && a.state != Pending || e != nil && !e.barred || j.need == nil || j.need.at(int(a.index(ordinal))) != isTrue {
		return
	}
	if e == nil {
		q.tasks++
		e = a.record(j, ordinal)
		e.since = q.at
		a.offer(ordinal, e)
		return
	}
	e.barred, e.since = false, q.at
	a.admit(e)
}

// at is the verdict for one element of an array with dependencies of each element.
func (d *dependency) at(index int) verdict { return d.root.eval(index) }

// eval is the verdict of a condition, with tests of each element being about the one given; with index 0, about all.
func (n *node) eval(index int) verdict {
	switch n.op {
	case OpAnd, OpOr:
		seen := [3]bool{}
		for _, arg := range n.args {
			seen[arg.eval(index)] = true
		}
		first, second := isNever, isFalse // of &&: one that is never true decides
		if n.op == OpOr {
			first, second = isTrue, isFalse
		}
		switch {
		case seen[first]:
			return first
		case seen[second]:
			return second
		case n.op == OpOr:
			return isNever
		}
		return isTrue
	case OpNot:
		switch n.args[0].eval(index) {
		case isTrue:
			return isFalse
		default:
			return isTrue
		}
	}
	if n.leaf.each && index != 0 {
		return n.leaf.one(index)
	}
	return n.leaf.verdict
}

// one is the verdict about one element of the array that the leaf watches.
func (l *leaf) one(index int) verdict {
	a := l.jobs[0].array
	ordinal, ok := a.ordinal(index)
	if !ok {
		return isNever
	}
	single := leaf{op: l.op, compare: l.compare, value: l.value}
	if e := a.at(ordinal); e != nil {
		single.see(e.state, 1, e.exit)
	} else {
		single.see(a.state, 1, 0)
	}
	single.judge()
	return single.verdict
}

// judge derives a leaf's verdict from its counts.
func (l *leaf) judge() {
	done, exited, pending := l.count[Done], l.count[Exited], l.count[Pending]+l.count[HeldPending]
	ended := done + exited
	placed := l.total - ended - pending
	switch l.op {
	case OpDone:
		l.verdict = all(done, l.total, exited > 0)
	case OpExit:
		if l.compare == "" {
			l.matched = exited
		}
		l.verdict = all(l.matched, l.total, ended > l.matched)
	case OpEnded:
		l.verdict = all(ended, l.total, false)
	case OpStarted:
		l.verdict = all(ended+placed, l.total, false)
	case OpNumDone:
		l.number(done, done, l.total-exited)
	case OpNumExit:
		l.number(exited, exited, l.total-done)
	case OpNumEnded:
		l.number(ended, ended, l.total)
	case OpNumRun:
		l.number(l.count[Running], 0, l.total-ended)
	case OpNumPend:
		l.number(pending, 0, l.total-ended)
	case OpNumStart:
		l.number(placed, 0, l.total-ended)
	}
}

func all(n, total int32, spoilt bool) verdict {
	switch {
	case n == total:
		return isTrue
	case spoilt:
		return isNever
	}
	return isFalse
}

// number judges a count that is n now and may come to be anything from least to most.
func (l *leaf) number(n, least, most int32) {
	op, value := l.compare, l.value
	if op == "*" {
		op, value = "==", l.total
	}
	possible := false
	switch op {
	case "==":
		possible = least <= value && value <= most
	case "!=":
		possible = least != value || most != value
	case "<", "<=":
		possible = compare(least, op, value)
	case ">", ">=":
		possible = compare(most, op, value)
	}
	switch {
	case compare(n, op, value):
		l.verdict = isTrue
	case possible:
		l.verdict = isFalse
	default:
		l.verdict = isNever
	}
}

func compare(n int32, op string, value int32) bool {
	switch op {
	case "==":
		return n == value
	case "!=":
		return n != value
	case "<":
		return n < value
	case "<=":
		return n <= value
	case ">":
		return n > value
	case ">=":
		return n >= value
	}
	return false
}
