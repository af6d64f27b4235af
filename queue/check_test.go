package queue

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
)

// audit derives everything that can be derived from the elements and hosts anew and compares.
func audit(q *Queue) error {
	a := auditor{
		q: q, classes: map[*class]int{}, users: map[*userState]*userState{}, quotas: map[*quota]int{}, queues: map[*queueState]*queueState{},
		hosts: map[*host]*host{}, apps: map[*appState]*appState{}, groups: map[*group]*group{},
	}
	q.jobs.from(0, func(j *job) bool { a.job(j); return true })
	a.totals()
	for _, h := range q.hosts {
		a.host(h)
	}
	a.supply()
	a.tree()
	a.views()
	a.blank()
	if a.problems != nil {
		return fmt.Errorf("%s", strings.Join(a.problems, "\n"))
	}
	return nil
}

type auditor struct {
	q        *Queue
	problems []string
	classes  map[*class]int
	users    map[*userState]*userState
	quotas   map[*quota]int
	queues   map[*queueState]*queueState
	hosts    map[*host]*host
	apps     map[*appState]*appState
	groups   map[*group]*group
	slots    [Unknown + 1]int
	tasks    int
	timers   int
}

func (a *auditor) same(what string, got, want any) {
	if g, w := fmt.Sprint(got), fmt.Sprint(want); g != w {
		a.problems = append(a.problems, fmt.Sprintf("%s: is %s, should be %s", what, g, w))
	}
}

// views checks that what is kept of the hosts' looks is how they look.
func (a *auditor) views() {
	got, _ := a.q.HostViews()
	a.same("hosts shown", len(got), len(a.q.roll))
	for _, h := range a.q.roll {
		h.aged = false
		a.same("host "+h.spec.Name, got[h.page], h.view())
	}
}

// blank checks that records which will be used again are empty, and that no class leads to one.
func (a *auditor) blank() {
	for i, j := range a.q.blank {
		a.same(fmt.Sprintf("blank record %d is empty", i), reflect.ValueOf(j).Elem().IsZero(), true)
	}
	for _, c := range a.q.classes {
		for _, e := range slices.Concat(c.fifo[c.first:], c.late.items) {
			a.same("a class has a blank record", slices.Contains(a.q.blank, e.job), false)
		}
	}
}

func get[K comparable, V any](m map[K]*V, k K) *V {
	if m[k] == nil {
		m[k] = new(V)
	}
	return m[k]
}

func (a *auditor) job(j *job) {
	name := fmt.Sprintf("job %d", j.number)
	s := get(a.queues, j.queue)
	u := get(a.users, j.user)
	u.jobs++
	a.same(name+" is of its application", j.app == a.q.apps[j.spec.App], true)
	a.tasks++
	var open, placed, waiting int32
	var count [Unknown + 1]int32
	one := func(e *element, state State, n int) {
		slots := n * j.spec.MinSlots
		if e != nil && e.run != nil {
			placed++
			slots = int(e.run.slots)
			a.run(e)
		}
		a.same(name+" placed "+state.String(), state.Placed(), e != nil && e.run != nil)
		count[state] += int32(n)
		a.inGroups(j, state, n, slots)
		if state.Final() {
			return
		}
		open += int32(n)
		a.slots[state] += slots
		s.slots[state] += slots
		if j.app != nil {
			get(a.apps, j.app).slots[state] += slots
		}
		if state.Placed() {
			s.all.held += slots
			for _, l := range j.queue.quotas(j.user) {
				a.quotas[l] += slots
			}
		} else {
			u.pending += n
		}
	}
	var startable int32
	if j.array == nil {
		one(&j.one, j.one.state, 1)
		if j.one.state == Pending {
			startable = 1
		}
	} else {
		pristine := j.array.size
		j.array.records(func(ordinal int32, e *element) {
			a.tasks++
			pristine--
			one(e, e.state, 1)
			if e.state == Pending && !e.barred {
				waiting++
				if !e.queued {
					a.same(name+" element", "not queued", "queued")
				}
			}
			if got, ok := j.array.ordinal(int(e.index)); !ok || got != ordinal {
				a.same(name+" ordinal", got, ordinal)
			}
		})
		if pristine > 0 {
			one(nil, j.array.state, int(pristine))
		}
		count[0] = j.array.count[0]
		a.same(name+" counts", j.array.count, count)
		a.same(name+" pristine", j.array.pristine, pristine)
		a.same(name+" waiting", j.array.waiting, waiting)
		startable = waiting
		if j.array.state == Pending && !j.array.each {
			startable += pristine
		}
		if j.array.limit > 0 {
			if placed > j.array.limit {
				a.same(name+" array limit", placed, j.array.limit)
			}
			startable = max(min(startable, j.array.limit-placed), 0)
		}
	}
	a.same(name+" open", j.open, open)
	a.same(name+" placed", j.placed, placed)
	if j.need != nil {
		a.dependency(name, j)
		if !(j.array != nil && j.array.each) && j.need.verdict != isTrue {
			startable = 0
		}
	}
	if j.begin != 0 || !j.queue.fitsOnHosts(j.spec) {
		startable = 0
	}
	a.same(name+" startable", j.startable, startable)
	a.same(name+" counted", j.counted, startable > 0)
	if j.class != nil {
		a.classes[j.class] += int(startable)
		a.same(name+" class", j.class.queue, j.queue)
		a.same(name+" group of class", j.class.group, j.group.limited())
	}
}

func (a *auditor) dependency(name string, j *job) {
	for i, l := range j.need.leaves {
		fresh := leaf{op: l.op, compare: l.compare, value: l.value, index: l.index, jobs: l.jobs}
		j.listen(&fresh)
		fresh.judge()
		a.same(fmt.Sprintf("%s leaf %d", name, i), []any{l.total, l.count, l.matched, l.verdict},
			[]any{fresh.total, fresh.count, fresh.matched, fresh.verdict})
		for _, w := range l.jobs {
			if !slices.Contains(w.watchers, l) {
				a.same(name+" watches", "nobody", w.number)
			}
			a.same(name+" watched job in memory", a.q.jobs.get(w.number) == w, true)
		}
	}
	a.same(name+" verdict", j.need.verdict, j.need.root.eval(0))
}

func (a *auditor) run(e *element) {
	r := e.run
	if r.e != e {
		a.same("run of "+e.id().String(), r.e, e)
	}
	sum := 0
	for i, p := range e.place {
		h := r.host
		if i > 0 {
			h = r.others[i-1]
			if !slices.Contains(h.guests, r) {
				a.same("guests of "+p.Host, "without", e.id())
			}
		} else if h.runs[r.pos] != r {
			a.same("runs of "+p.Host, "without", e.id())
		}
		a.same("placement", p.Host, h.spec.Name)
		sum += p.Slots
		w := get(a.hosts, h)
		w.used += p.Slots
		w.mem += p.Slots * a.q.memOf(&e.job.spec.Need)
		w.gpus += e.job.spec.Need.GPUsFor(p.Slots)
		w.slots[e.state] += int32(p.Slots)
		w.pos++
		if e.job.spec.Need.Exclusive {
			w.sole++
		}
	}
	a.same("slots of "+e.id().String(), r.slots, sum)
	armed := r.deadline != 0 && !r.ending && r.stopped == 0
	a.same("timer of "+e.id().String(), r.timer >= 0, armed)
	if armed {
		a.timers++
		a.same("timer", a.q.deadlines.items[r.timer] == r, true)
	}
}

func (a *auditor) totals() {
	q := a.q
	a.same("slots", q.slots[1:], a.slots[1:])
	a.same("tasks", q.tasks, a.tasks)
	a.same("timers", q.deadlines.len(), a.timers)
	live, pending := 0, 0
	for c, n := range a.classes {
		a.same("class count", c.count, n)
		a.same("class listed", c.pos >= 0, n > 0)
		if n > 0 {
			live++
			a.same("class position", q.live[c.pos] == c, true)
			if e := c.head(); !c.holds(e) {
				a.same("head of class", "gone", "there")
			}
		}
	}
	a.same("classes", len(q.live), live)
	for _, u := range q.users {
		w := get(a.users, u)
		a.same("user "+u.name, []int{u.jobs, u.pending}, []int{w.jobs, w.pending})
		pending += w.pending
		for _, l := range append(slices.Collect(maps.Values(u.in)), u.quotas...) {
			a.same("quota of user "+u.name, l.held, a.quotas[l])
		}
	}
	for _, s := range append(slices.Clone(q.queues), q.strays) {
		w := get(a.queues, s)
		a.same("queue "+s.spec.Name, []any{s.slots[1:], s.all.held}, []any{w.slots[1:], w.all.held})
	}
	for name, app := range q.apps {
		a.same("application "+name, app.slots[1:], get(a.apps, app).slots[1:])
	}
	a.same("pending elements", q.pend, pending)
}

func (a *auditor) host(h *host) {
	w, name := get(a.hosts, h), "host "+h.spec.Name
	a.same(name, []int{h.used, h.mem, h.gpus, h.sole, len(h.runs) + len(h.guests)}, []int{w.used, w.mem, w.gpus, w.sole, w.pos})
	a.same(name+" slots", h.slots, w.slots)
	if h.used > h.spec.Slots || h.gpus > h.spec.GPUs || h.spec.MemMiB > 0 && h.mem > h.spec.MemMiB {
		a.same(name+" holds more than it has", []int{h.used, h.mem, h.gpus}, h.spec)
	}
	if h.sole > 0 && len(h.runs)+len(h.guests) > 1 {
		a.same(name+" exclusive", len(h.runs)+len(h.guests), 1)
	}
	for _, s := range append(slices.Clone(a.q.queues), a.q.strays) {
		held := 0
		if s.spec.HostSlots > 0 {
			held = heldBy(h, s)
		}
		a.same(name+" held by queue "+s.spec.Name, h.held[s], held)
	}
	free := 0
	if h.usable() && h.sole == 0 {
		free = h.spec.Slots - h.used
	}
	a.same(name+" free", h.free, free)
	if free > 0 {
		if b := h.bucket; b == nil || b.free != free || b.hosts[h.pos] != h || b.shelf != &a.q.supply.shelves[shelfOf(h)] {
			a.same(name+" bucket", "wrong", "right")
		}
	}
	a.same(name+" member", h.member >= 0 && a.q.supply.members[h.member] == h, h.usable())
	a.same(name+" idle", h.idle != 0, h.used == 0 && h.status != HostAdded)
}

func (a *auditor) supply() {
	free, members, listed := 0, 0, 0
	for _, h := range a.q.hosts {
		free += h.free
		if h.usable() {
			members++
		}
		if h.status == HostUnavailable {
			listed++
			a.same("lost host "+h.spec.Name, slices.Contains(a.q.lost, h), true)
		}
	}
	a.same("free slots", a.q.supply.free, free)
	a.same("members", len(a.q.supply.members), members)
	a.same("lost hosts", len(a.q.lost), listed)
}

// dump is the state that events make, as text. What was learnt of waits is judged by the limits of the time, so after a reconfiguration
// a replay may learn more or less.
func (w *world) dump(q *Queue) string {
	var b strings.Builder
	put := func(v any) {
		text, err := json.Marshal(v)
		if err != nil {
			panic(err)
		}
		b.Write(text)
		b.WriteByte('\n')
	}
	fmt.Fprintln(&b, q.last, q.order, q.tasks, q.slots, q.work)
	jobs, _ := q.Jobs(Filter{}, ID{}, 1<<30)
	for i := range jobs {
		put(jobs[i])
		if j := q.jobs.get(jobs[i].ID.Job); j.ineligible != gateOpen {
			put(q.PendReasons(jobs[i].ID))
		}
	}
	arrays, _ := q.Arrays(Filter{}, 0, 1<<30)
	put(len(arrays))
	put(q.Hosts())
	put(q.Queues())
	put(q.Users())
	put(q.Apps())
	put(q.Groups())
	put(q.Load())
	if !w.loose {
		put(q.Evidence())
	}
	put(q.Demand(0))
	for _, h := range q.Hosts() {
		put(q.SessionHash(h.Name))
	}
	q.jobs.from(0, func(j *job) bool {
		fmt.Fprintln(&b, j.number, j.order, j.submitted, j.begin, j.placed, j.open, j.startable, j.queue.spec.Name, j.ineligible, j.endedLast, j.watched())
		one := func(_ int32, e *element) {
			fmt.Fprint(&b, e.index, e.forced, e.barred)
			if r := e.run; r != nil {
				fmt.Fprint(&b, " ", r.slots, r.executing, r.ending, r.requeue, r.exit, r.reason, r.deadline, r.stopped, r.rested)
			}
			fmt.Fprintln(&b)
		}
		if j.array == nil {
			one(0, &j.one)
		} else {
			fmt.Fprintln(&b, j.array.count, j.array.pristine, j.array.state, j.array.ended, j.array.waiting)
			j.array.records(one)
		}
		return true
	})
	return b.String()
}
