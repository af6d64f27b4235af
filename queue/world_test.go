package queue

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"pgregory.net/rapid"
)

// world is hosts that really run what they are told to run, so that it can be seen whether a job ever runs twice at once.
type world struct {
	t      *rapid.T
	q      *Queue
	cfg    Config
	full   Config // the first one
	now    time.Time
	hosts  map[string]*machine
	names  []string
	next   int // number of the next host
	events []Event
	jobs   []ID
	sizes  map[int64]int
	begun  map[ID]int // newest attempt that ever ran
	points []point
	loose  bool // a reconfiguration may have left quotas exceeded
}

// machine is a host's side.
type machine struct {
	name      string
	connected bool
	cutAt     time.Time
	procs     map[Attempt]*proc
}

type proc struct {
	alive bool
	code  int
	said  bool // it was reported as executing
}

// point is the state as it was after so many events.
type point struct {
	events int
	at     time.Time
	dump   string
}

func newWorld(t *rapid.T, cfg Config) *world {
	q, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return &world{
		t: t, q: q, cfg: q.cfg, full: q.cfg, now: time.Unix(1_000_000, 0).UTC(), hosts: map[string]*machine{}, sizes: map[int64]int{},
		begun: map[ID]int{},
	}
}

func anyConfig(t *rapid.T) Config {
	return Config{
		Queues: []QueueSpec{
			{Name: "normal", Priority: 30, Default: true, Weight: 1.7},
			{Name: "tight", Priority: 40, MaxSlots: 5, UserSlots: 3, Terms: Terms{JobSlots: 4}},
			{Name: "rerun", Priority: 30, Terms: Terms{Rerunnable: true, RunLimit: 300 * time.Second}},
			{
				Name: "some", Priority: 35, HostSlots: rapid.SampledFrom([]int{0, 1, 2, 3}).Draw(t, "host slots"),
				Hosts: rapid.SampledFrom([][]string{nil, {"~m1"}, {"h2", "m0"}}).Draw(t, "hosts"),
			},
		},
		Apps: []AppSpec{
			{Name: "fast", Terms: Terms{RunDefault: 120 * time.Second, JobSlots: 3, NeedDefault: Need{MemMiB: 50}}, NotRerunnable: true},
			{Name: "again", Terms: Terms{Rerunnable: true, LeastJob: 2, RequeueExit: ExitSet{1 << 3}}},
		},
		DefaultApp: rapid.SampledFrom([]string{"", "fast"}).Draw(t, "default app"),
		Users: []UserSpec{
			{Name: "ann", MaxSlots: rapid.SampledFrom([]int{0, 6}).Draw(t, "ann"), MaxPending: 40},
			{Name: "both", Members: []string{"ann", "bob"}, MaxSlots: rapid.SampledFrom([]int{0, 9}).Draw(t, "both")},
		},
		Backfill:     rapid.Bool().Draw(t, "backfill"),
		SlotMemMiB:   rapid.SampledFrom([]int{0, 100}).Draw(t, "slotMem"),
		ReserveFor:   40 * time.Second,
		Lease:        60 * time.Second,
		KeepFinished: 200 * time.Second,
	}
}

func (w *world) intn(n int, what string) int { return rapid.IntRange(0, n-1).Draw(w.t, what) }

func (w *world) step() {
	w.act(w.intn(29, "act"))
	w.lease()
	if w.intn(3, "tick") == 0 {
		w.q.Tick(w.now)
		w.deliver()
	}
	w.schedule()
	if err := audit(w.q); err != nil {
		w.t.Fatalf("%v", err)
	}
	if w.intn(12, "point") == 0 {
		w.q.Tick(w.now)
		w.deliver()
		w.points = append(w.points, point{len(w.events), w.now, w.dump(w.q)})
	}
}

func (w *world) act(n int) {
	switch n {
	case 0, 1, 2, 3, 4, 5:
		w.submit()
	case 6, 7:
		w.addHost()
	case 8, 9, 10:
		w.join()
	case 11:
		w.cut()
	case 12:
		w.die()
	case 13, 14:
		w.openClose()
	case 15, 16, 17, 18, 19:
		w.report()
	case 20, 21, 22, 23:
		w.command()
	case 24:
		w.reconfigure(changed(w.t, w.full))
	default:
		w.now = w.now.Add([]time.Duration{time.Second, 5 * time.Second, 30 * time.Second, 100 * time.Second}[w.intn(4, "dt")])
	}
	w.deliver()
}

func (w *world) submit() {
	s := Spec{
		Command: "c", User: []string{"ann", "bob"}[w.intn(2, "user")], Name: []string{"", "x", "xy"}[w.intn(3, "name")],
		Queue: []string{"", "normal", "tight", "rerun", "some", "some"}[w.intn(6, "queue")], Priority: w.intn(2, "prio"),
		Group: []string{"", "", "/a", "/a/b", "/c/d"}[w.intn(5, "group")], Hold: w.intn(8, "hold") == 0, Rerunnable: w.intn(3, "rerunnable") == 0, RequeueExit: ExitSet{uint64(w.intn(2, "requeue")) << 3},
	}
	s.EndOrphan = w.intn(3, "orphan") == 0
	s.App, s.NotRerunnable = []string{"", "", "fast", "again", "nosuch"}[w.intn(5, "app")], w.intn(5, "never again") == 0
	s.MinSlots = 1 + w.intn(4, "min")
	s.MaxSlots = s.MinSlots + w.intn(3, "max")
	spread := w.intn(8, "spread")
	s.Need = Need{
		OneHost: spread < 2, PerHost: max(spread-4, 0), Exclusive: w.intn(8, "exclusive") == 0, MemMiB: w.intn(3, "mem") * 100,
	}
	switch w.intn(8, "gpus") {
	case 6:
		s.Need.HostGPUs = 1
	case 7:
		s.Need.GPUs = 1
	}
	if w.intn(6, "hosts") == 0 && len(w.names) > 0 {
		s.Need.Hosts = w.names[w.intn(len(w.names), "host")]
		if w.intn(2, "machine") == 0 {
			s.Need.Hosts = []string{"m0", "m2.site,m1", "~m0"}[w.intn(3, "machines")]
		}
	}
	if w.intn(4, "limit") == 0 {
		s.RunLimit = 90 * time.Second
	}
	if w.intn(8, "begin") == 0 {
		s.BeginAt = w.now.Add(50 * time.Second)
	}
	if w.intn(8, "end") == 0 {
		s.EndBy = w.now.Add(150 * time.Second)
	}
	if w.intn(3, "array") == 0 {
		s.Array = &Array{Ranges: []Range{{1, 1 + w.intn(5, "last"), 1}, {10, 10 + 70*w.intn(2, "far"), 10}}, Limit: w.intn(3, "alimit")}
	}
	if w.intn(3, "after") == 0 {
		s.After = w.condition(2)
	}
	id, err := w.q.Submit(w.now, s)
	if err != nil {
		if e := (*Error)(nil); !errors.As(err, &e) || e.Code == "" {
			w.t.Fatalf("submit: %v", err)
		}
		return
	}
	w.jobs = append(w.jobs, id)
	w.sizes[id.Job] = 1
	if s.Array != nil {
		w.sizes[id.Job] = s.Array.Len()
	}
}

func (w *world) condition(depth int) *Condition {
	if k := w.intn(6, "op"); depth > 0 && k < 3 {
		c := &Condition{Op: []ConditionOp{OpAnd, OpOr, OpNot}[k]}
		for range 2 - k/2 {
			c.Args = append(c.Args, w.condition(depth-1))
		}
		return c
	}
	ops := []ConditionOp{OpDone, OpExit, OpEnded, OpStarted, OpNumDone, OpNumEnded, OpNumExit, OpNumRun, OpNumPend, OpNumStart}
	k := w.intn(len(ops), "test")
	c := &Condition{Op: ops[k]}
	if k >= 4 || k == 1 && w.intn(2, "code") == 0 {
		c.Compare, c.Value = []string{"==", "!=", "<", "<=", ">", ">=", "=="}[w.intn(7, "compare")], w.intn(3, "value")
		if k >= 4 && w.intn(7, "all") == 0 {
			c.Compare = "*"
		}
	}
	c.Each = k < 4 && w.intn(4, "each") == 0
	if len(w.jobs) == 0 || w.intn(2, "byName") == 0 {
		c.Name = []string{"x", "x*", "xy"}[w.intn(3, "named")]
		return c
	}
	c.Job = w.jobs[w.intn(len(w.jobs), "job")]
	if w.intn(4, "element") == 0 {
		c.Job.Index = 1
	}
	return c
}

func (w *world) command() {
	if len(w.jobs) == 0 {
		return
	}
	id := w.jobs[w.intn(len(w.jobs), "job")]
	if w.sizes[id.Job] > 1 && w.intn(2, "element") == 0 {
		id.Index = 1 + w.intn(12, "index")
	}
	by := Actor{User: []string{"ann", "bob"}[w.intn(2, "by")], Admin: w.intn(2, "admin") == 0}
	var err error
	switch w.intn(13, "command") {
	case 12:
		err = w.force(by, id)
	case 11:
		err = w.groupCommand(by)
	case 10:
		err = w.q.Modify(w.now, by, id, w.modify())
	case 0:
		err = w.q.Kill(w.now, by, id, []int{0, 0, 9, 10}[w.intn(4, "signal")])
	case 1:
		err = w.q.ForceKill(w.now, by, id)
	case 2, 3:
		err = w.q.Stop(w.now, by, id)
	case 4, 5:
		err = w.q.Resume(w.now, by, id)
	case 6:
		err = w.q.Requeue(w.now, by, id, w.rerun())
	case 7:
		err = w.q.Switch(w.now, by, id, []string{"normal", "tight", "rerun", "some"}[w.intn(4, "to")])
	case 8:
		err = w.q.SetQueue(w.now, by, "normal", w.intn(2, "open") == 0, w.intn(3, "active") > 0)
	case 9:
		_, err = w.q.Move(w.now, by, id, w.intn(2, "top") == 0, w.intn(4, "position"))
	}
	if err != nil && KindOf(err) == KindInternal {
		w.t.Fatalf("command: %v", err)
	}
}

// modify is a way to change a spec.
func (w *world) modify() func(*Spec) {
	what := w.intn(12, "what")
	return func(s *Spec) {
		switch what {
		case 0:
			s.MinSlots = 1 + w.intn(3, "slots")
			s.MaxSlots = s.MinSlots + w.intn(2, "more")
		case 1:
			s.Name = []string{"", "a", "b"}[w.intn(3, "name")]
		case 2:
			s.Priority = w.intn(3, "priority")
		case 3:
			s.After = nil
			if w.intn(2, "after") == 0 {
				s.After = &Condition{Op: OpEnded, Job: ID{Job: 1 + int64(w.intn(10, "watched"))}}
			}
		case 4:
			s.BeginAt = w.now.Add(time.Duration(w.intn(20, "begin")) * time.Second)
		case 5:
			s.EndBy = w.now.Add(time.Duration(w.intn(60, "end")) * time.Second)
		case 6:
			s.Queue = []string{"normal", "tight", "rerun", "some", "nosuch"}[w.intn(5, "queue")]
		case 7:
			s.Need.MemMiB, s.RunLimit = w.intn(3, "mem")*100, time.Duration(w.intn(3, "limit"))*time.Second
		case 9:
			s.RunLimit = time.Duration(w.intn(4, "limit")) * 40 * time.Second
		case 10:
			s.Rerunnable = w.intn(2, "rerunnable") == 0
		case 11:
			s.App = []string{"", "fast", "again", "nosuch"}[w.intn(4, "to app")]
		case 8:
			s.Group = []string{"", "/a", "/a/b", "/e"}[w.intn(4, "to group")]
		}
	}
}

// rerun is a way to requeue.
func (w *world) rerun() Rerun {
	how := Rerun{Hold: w.intn(3, "hold") == 0}
	for _, s := range []State{Running, UserSuspended, Done, Exited} {
		if w.intn(3, "from") == 0 {
			how.From = append(how.From, s)
		}
	}
	return how
}

func (w *world) addHost() {
	if len(w.names) >= 6 {
		return
	}
	w.next++
	h := HostSpec{Name: fmt.Sprintf("h%d", w.next), Slots: 1 + w.intn(6, "slots"), MemMiB: w.intn(2, "hmem") * 500, GPUs: w.intn(2, "hgpus")}
	h.Location = fmt.Sprintf("m%d.site", w.next%3)
	if err := w.q.AddHost(w.now, h); err != nil {
		w.t.Fatal(err)
	}
	w.hosts[h.Name] = &machine{name: h.Name, procs: map[Attempt]*proc{}}
	w.names = append(w.names, h.Name)
}

func (w *world) pick(want func(*machine) bool) *machine {
	var all []*machine
	for _, n := range w.names {
		if want(w.hosts[n]) {
			all = append(all, w.hosts[n])
		}
	}
	if len(all) == 0 {
		return nil
	}
	return all[w.intn(len(all), "machine")]
}

func sorted(m *machine) []Attempt {
	var all []Attempt
	for a := range m.procs {
		all = append(all, a)
	}
	slices.SortFunc(all, func(a, b Attempt) int {
		if c := compareID(a.ID, b.ID); c != 0 {
			return c
		}
		return a.Attempt - b.Attempt
	})
	return all
}

func (w *world) join() {
	m := w.pick(func(m *machine) bool { return !m.connected })
	if m == nil {
		return
	}
	answer, err := w.q.JoinHost(w.now, m.name, "hash of "+m.name, sorted(m))
	if err != nil {
		w.t.Fatal(err)
	}
	m.connected = true
	for _, a := range answer.Kill {
		if m.procs[a] == nil {
			w.t.Fatalf("%s is to kill %v, which it does not know", m.name, a)
		}
		delete(m.procs, a)
	}
	for _, a := range answer.Start {
		w.run(m, a)
	}
	for _, s := range answer.Signal {
		w.end(m, s.Attempt, s.ExitCode)
	}
	w.deliver()
}

// run starts a process, unless the host knows the attempt.
func (w *world) run(m *machine, a Attempt) {
	if m.procs[a] != nil {
		return
	}
	for _, n := range w.names {
		for other, p := range w.hosts[n].procs {
			if other.ID == a.ID && p.alive {
				w.t.Fatalf("job %v runs twice: attempt %d on %s while attempt %d is alive on %s", a.ID, a.Attempt, m.name, other.Attempt, n)
			}
		}
	}
	if a.Attempt <= w.begun[a.ID]-1 {
		w.t.Fatalf("job %v: attempt %d after %d", a.ID, a.Attempt, w.begun[a.ID])
	}
	w.begun[a.ID] = a.Attempt
	m.procs[a] = &proc{alive: true}
}

func (w *world) end(m *machine, a Attempt, code int) {
	if p := m.procs[a]; p != nil && p.alive {
		p.alive, p.code = false, code
	}
}

func (w *world) cut() {
	if m := w.pick(func(m *machine) bool { return m.connected }); m != nil {
		w.disconnect(m)
	}
}

func (w *world) disconnect(m *machine) {
	m.connected, m.cutAt = false, w.now
	if err := w.q.LoseHost(w.now, m.name); err != nil {
		w.t.Fatal(err)
	}
}

// lease lets hosts that were cut off for the lease end what they run.
func (w *world) lease() {
	for _, n := range w.names {
		if m := w.hosts[n]; !m.connected && w.now.Sub(m.cutAt) >= w.cfg.Lease {
			for a := range m.procs {
				w.end(m, a, 143)
			}
		}
	}
}

func (w *world) die() {
	m := w.pick(func(*machine) bool { return true })
	if m == nil || w.intn(3, "die") > 0 {
		return
	}
	w.forget(m)
	if err := w.q.HostDied(w.now, m.name, "task lost"); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) forget(m *machine) {
	delete(w.hosts, m.name)
	w.names = slices.DeleteFunc(w.names, func(n string) bool { return n == m.name })
}

func (w *world) openClose() {
	m := w.pick(func(*machine) bool { return true })
	if m == nil {
		return
	}
	reason := []Closed{ClosedAdmin, ClosedDrain}[w.intn(2, "reason")]
	var err error
	switch w.intn(5, "how") {
	case 0, 1:
		err = w.q.CloseHost(w.now, m.name, reason)
	case 2, 3:
		err = w.q.OpenHost(w.now, m.name, reason)
	case 4:
		if err = w.q.RemoveHost(w.now, m.name); err == nil {
			w.forget(m)
		} else if errors.Is(err, &Error{Code: HostBusy}) {
			err = nil
		}
	}
	if err != nil {
		w.t.Fatal(err)
	}
}

// report lets a host say something about one of its processes, perhaps twice.
func (w *world) report() {
	m := w.pick(func(m *machine) bool { return m.connected && len(m.procs) > 0 })
	if m == nil {
		return
	}
	all := sorted(m)
	a := all[w.intn(len(all), "proc")]
	p := m.procs[a]
	var err error
	if !p.said && w.intn(2, "say") == 0 {
		p.said = true
		err = w.q.Executing(w.now, a.ID, a.Attempt, 77)
	} else {
		w.end(m, a, []int{0, 0, 3}[w.intn(3, "code")])
		err = w.q.Finished(w.now, a.ID, a.Attempt, Result{ExitCode: p.code, PreExecFailed: !p.said && w.intn(4, "pre-exec") == 0})
		if again := w.q.Finished(w.now, a.ID, a.Attempt, Result{ExitCode: 9}); KindOf(again) == KindInternal && again != nil {
			w.t.Fatal(again)
		}
		delete(m.procs, a)
	}
	if err != nil && !errors.Is(err, &Error{Code: StaleAttempt}) && !errors.Is(err, &Error{Code: NoSuchJob}) {
		w.t.Fatal(err)
	}
}

// deliver acts on the events as the daemon does.
func (w *world) deliver() {
	for _, ev := range w.q.Take(nil) {
		w.events = append(w.events, ev)
		a := Attempt{ev.Job, ev.Attempt}
		switch ev.Kind {
		case JobStarted:
			m := w.hosts[ev.Placement[0].Host]
			if m != nil && !m.connected && m.cutAt.Equal(w.now) {
				continue
			}
			if m == nil || !m.connected {
				w.t.Fatalf("%v was placed on %s, which is not there", ev.Job, ev.Placement[0].Host)
			}
			if w.intn(10, "lost message") == 0 {
				w.disconnect(m)
				continue
			}
			w.run(m, a)
		case JobKillAsked:
			for _, n := range w.names {
				if m := w.hosts[n]; m.connected && ev.Signal == 0 {
					w.end(m, a, ev.ExitCode)
				}
			}
		}
	}
	if out := w.q.Take(nil); len(out) > 0 {
		w.events = append(w.events, out...)
	}
}

// schedule also checks what was started and what was not.
func (w *world) schedule() {
	before := startedInGroups(w.q)
	w.q.Schedule(w.now)
	for g, n := range startedInGroups(w.q) {
		if g.limit != noLimit && n > g.limit && n > before[g] {
			w.t.Fatalf("%d jobs were started in group %s, which may have %d", n-before[g], g.path, g.limit)
		}
	}
	if err := idle(w.q); err != nil {
		w.t.Fatal(err)
	}
	for _, ev := range w.q.out {
		if ev.Kind != JobStarted {
			continue
		}
		j := w.q.jobs.get(ev.Job.Job)
		if c := j.class; c != nil && c.count > 0 && j.array == nil {
			if head := c.head(); head.before(entry{j.order, j}) && head.job.need == nil && head.job.spec.After == nil {
				w.t.Fatalf("job %d started before job %d of its class", j.number, head.job.number)
			}
		}
		for _, p := range ev.Placement {
			h := w.q.hosts[p.Host]
			if h == nil || !h.usable() {
				w.t.Fatalf("job %v was placed on %s, which takes no jobs", ev.Job, p.Host)
			}
			s := &j.queue.spec
			if !s.UsesHost(p.Host, h.spec.Location) || !HostsAllow(j.spec.Need.Hosts, p.Host, h.spec.Location) {
				w.t.Fatalf("job %v of queue %s was placed on %s on %s, which it may not use", ev.Job, s.Name, p.Host, h.spec.Location)
			}
			if held := heldBy(h, j.queue); s.HostSlots > 0 && held > s.HostSlots {
				w.t.Fatalf("jobs of queue %s hold %d slots of %s after job %v was placed there", s.Name, held, p.Host, ev.Job)
			}
		}
	}
	w.deliver()
	if w.loose || moved(w.events) {
		return
	}
	for _, s := range w.q.queues {
		for _, u := range w.q.users {
			for _, l := range s.quotas(u) {
				if l.held > l.most {
					w.t.Fatalf("jobs of %s in queue %s hold %d slots of a quota of %d (kind %d)", u.name, s.spec.Name, l.held, l.most, l.kind)
				}
			}
		}
	}
}

func moved(events []Event) bool {
	return slices.ContainsFunc(events, func(ev Event) bool { return ev.Kind == JobQueueMoved })
}
