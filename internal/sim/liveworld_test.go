package sim_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"sluice/controller"
	"sluice/framework/fleet"
	"sluice/queue"
)

// liveWorld is the real queue, controller and fleet with a Mesos master and agents around them, in virtual time. Nothing fails in it
// but what the plan says.
type liveWorld struct {
	*livePlan
	rng     *rand.Rand
	now     time.Time
	fleet   *fleet.Fleet
	ctl     *controller.Controller
	q       *queue.Queue
	tasks   map[string]*liveTask
	order   []string // tasks by launch
	runs    map[queue.ID]liveRun
	numbers map[int64]*liveJob
	next    int // job to be submitted
	waiting int // jobs that are left and that the cluster could run
	offers  int

	suppressed bool
	goal       int
	firstAt    time.Time // when the large job of a stream became the first
	progress   time.Time // when a job started, ended or came
	launches   int
	since      int // launches since the last progress
	wrong      string
	tell       bool
	story      strings.Builder
}

type liveTask struct {
	host           fleet.Host
	agent          *liveAgent
	runsAt, joinAt time.Time
	running        bool
	joined         bool
}

// liveRun is an attempt whose process runs.
type liveRun struct {
	attempt int
	end     time.Time
	host    string
}

func newLiveWorld(p *livePlan, seed uint64, tell bool) (*liveWorld, error) {
	w := &liveWorld{
		livePlan: p, rng: rand.New(rand.NewPCG(seed, 2)), now: liveStart, progress: liveStart, suppressed: true, tell: tell,
		tasks: map[string]*liveTask{}, runs: map[queue.ID]liveRun{}, numbers: map[int64]*liveJob{},
		fleet: fleet.New(p.fleet, rand.New(rand.NewPCG(seed, 3)), nil),
	}
	w.count()
	var err error
	if w.q, err = queue.New(p.queue); err != nil {
		return nil, err
	}
	if w.ctl, err = controller.New(p.control); err != nil {
		return nil, err
	}
	w.step(fleet.Connection{Up: true, Suppressed: true})
	return w, nil
}

// count finds the jobs that are left and that the cluster could run.
func (w *liveWorld) count() {
	w.waiting = 0
	for _, j := range w.jobs {
		if j.can && j.open > 0 {
			w.waiting++
		}
	}
}

func (w *liveWorld) note(format string, args ...any) {
	if w.tell {
		fmt.Fprintf(&w.story, "%8v %s\n", w.now.Sub(liveStart), fmt.Sprintf(format, args...))
	}
}

func (w *liveWorld) fail(format string, args ...any) {
	if w.wrong == "" {
		w.wrong = fmt.Sprintf(format, args...)
		w.note("WRONG: %s", w.wrong)
	}
}

func (w *liveWorld) moved() { w.progress, w.since = w.now, 0 }

// second lets a second pass.
func (w *liveWorld) second() {
	w.now = w.now.Add(time.Second)
	for _, a := range w.agents {
		w.maintain(a)
	}
	w.advance()
	w.finish()
	for w.next < len(w.jobs) && !w.now.Before(liveStart.Add(w.jobs[w.next].at)) {
		w.submit(w.jobs[w.next])
		w.next++
	}
	w.q.Tick(w.now)
	w.schedule()
	w.decide()
	w.schedule()
}

// decide is one period of the loop.
func (w *liveWorld) decide() {
	held := w.fleet.Holding()
	w.q.Await(held.Coming)
	hosts, delta := w.q.HostViews()
	if d := w.q.Demand(1); w.firstAt.IsZero() && len(d) > 0 && d[0].Slots > 1 {
		w.firstAt = w.now
	}
	s := queue.Snapshot{At: w.now, Load: w.q.Load(), Demand: w.q.Demand(0), Hosts: hosts, Delta: delta}
	load := controller.Load{
		Running: s.Load.Running, Pending: s.Load.Pending, FirstNeed: max(s.Load.FirstNeed, held.Need), Weight: s.Load.PendingWeight,
		Supply: held.Supply, InFlight: min(held.InFlight, held.Supply), Withheld: held.Withheld,
	}
	for i := range hosts {
		if hosts[i].Closed != 0 {
			load.Draining += hosts[i].Used
		}
	}
	record, err := w.ctl.Step(w.now, load)
	if err != nil {
		w.fail("controller: %v", err)
	}
	if record.Goal != w.goal {
		w.goal = record.Goal
		w.note("goal %d: %+v", w.goal, load)
	}
	w.step(fleet.Goal{Slots: record.Goal, Floor: w.livePlan.control.MinSlots, Snapshot: s})
	if w.rng.IntN(2) == 0 {
		w.offer()
	}
}

func (w *liveWorld) submit(j *liveJob) {
	s := j.spec
	if j.after != nil {
		s.After = &queue.Condition{Op: queue.OpEnded, Job: queue.ID{Job: j.after.number}}
	}
	id, err := w.q.Submit(w.now, s)
	if err != nil {
		w.fail("submit: %v", err)
		return
	}
	j.number = id.Job
	w.numbers[id.Job] = j
	w.moved()
}

// schedule starts what can start and follows what happens to jobs.
func (w *liveWorld) schedule() {
	w.q.Schedule(w.now)
	for _, ev := range w.q.Take(nil) {
		switch ev.Kind {
		case queue.JobStarted:
			w.note("job %v starts on %v", ev.Job, ev.Placement)
			j := w.numbers[ev.Job.Job]
			w.runs[ev.Job] = liveRun{ev.Attempt, w.now.Add(j.run), ev.Placement[0].Host}
			w.moved()
		case queue.JobKillAsked:
			if r, ok := w.runs[ev.Job]; ok && ev.Signal == 0 {
				r.end = w.now
				w.runs[ev.Job] = r
			}
		case queue.JobRequeued:
			w.note("job %v pends again: %s", ev.Job, ev.Reason)
			delete(w.runs, ev.Job)
		case queue.JobFinished:
			w.note("job %v ended %s", ev.Job, ev.Reason)
			delete(w.runs, ev.Job)
			j := w.numbers[ev.Job.Job]
			if j.open--; j.can && j.open == 0 {
				w.waiting--
			}
			w.moved()
		}
	}
}

func (w *liveWorld) finish() {
	for _, id := range slices.SortedFunc(maps.Keys(w.runs), func(a, b queue.ID) int { return int(a.Job-b.Job)*1000 + a.Index - b.Index }) {
		if r := w.runs[id]; !r.end.After(w.now) {
			delete(w.runs, id)
			if err := w.q.Finished(w.now, id, r.attempt, queue.Result{}); err != nil {
				w.fail("end of job %v: %v", id, err)
			}
		}
	}
}

// advance moves tasks and hosts on.
func (w *liveWorld) advance() {
	for _, name := range slices.Clone(w.order) {
		t := w.tasks[name]
		switch {
		case t == nil:
		case !t.running && !w.now.Before(t.runsAt):
			t.running = true
			w.step(fleet.Update{Task: name, Agent: t.agent.id, State: fleet.TaskRunning})
		case t.running && !t.joined && !w.now.Before(t.joinAt):
			if _, err := w.q.JoinHost(w.now, name, "s", nil); err == nil {
				t.joined = true
			}
		case w.preempt > 0 && t.joined && t.host.Spec.Revocable && w.rng.IntN(200) == 0:
			w.preempt--
			w.note("%s is taken back", name)
			w.lose(name, fleet.Update{Task: name, Agent: t.agent.id, State: fleet.TaskFailed, Preempted: true})
		}
	}
}

// lose ends a task with all that runs on its host.
func (w *liveWorld) lose(name string, u fleet.Update) {
	w.end(name)
	for id, r := range w.runs {
		if r.host == name {
			delete(w.runs, id)
		}
	}
	if err := w.q.LoseHost(w.now, name); err != nil {
		w.fail("lose %s: %v", name, err)
	}
	w.step(u)
}

func (w *liveWorld) end(name string) {
	t := w.tasks[name]
	r, a := t.host.Resources, t.agent
	if t.host.Spec.Revocable {
		a.spare += r.CPUs
		r.CPUs = 0
	}
	a.used = sum(a.used, r, -1)
	delete(w.tasks, name)
	w.order = slices.DeleteFunc(w.order, func(n string) bool { return n == name })
}

func sum(a, b fleet.Resources, sign float64) fleet.Resources {
	a.CPUs += sign * b.CPUs
	a.MemMiB += sign * b.MemMiB
	a.DiskMiB += sign * b.DiskMiB
	a.GPUs += int(sign) * b.GPUs
	return a
}

// maintain tells of a maintenance ten minutes before, takes the agent away when it begins, and brings it back.
func (w *liveWorld) maintain(a *liveAgent) {
	switch {
	case a.from.IsZero():
	case !a.told && !w.now.Before(a.from.Add(-10*time.Minute)):
		a.told, a.refusedUntil = true, time.Time{}
		w.step(fleet.InverseOffers{{ID: "I" + a.id, Agent: a.id, From: a.from, Until: a.until}})
	case !a.down && !w.now.Before(a.from) && w.now.Before(a.until):
		a.down = true
		w.note("%s is down", a.id)
		for _, name := range slices.Clone(w.order) {
			if w.tasks[name].agent == a {
				w.lose(name, fleet.Update{Task: name, Agent: a.id, State: fleet.TaskLost})
			}
		}
	case a.down && !w.now.Before(a.until):
		a.down, a.refusedUntil = false, time.Time{}
		w.note("%s is back", a.id)
	}
}

// offer offers all that is free and not refused, as Mesos would.
func (w *liveWorld) offer() {
	if w.suppressed {
		return
	}
	var offers fleet.Offers
	for _, a := range w.agents {
		free := sum(a.total, a.used, -1)
		refused := w.now.Before(a.refusedUntil) && free.CPUs <= a.refused.CPUs && free.MemMiB <= a.refused.MemMiB && free.GPUs <= a.refused.GPUs && a.spare <= a.refusedSpare
		if a.down || refused || free.CPUs < 0.01 && a.spare < 0.01 && free.MemMiB < 32 {
			continue
		}
		w.offers++
		o := fleet.Offer{
			ID: fmt.Sprintf("%s/%d", a.id, w.offers), Agent: a.id, Hostname: a.hostname, Role: a.role, Free: free,
			Revocable: fleet.Resources{CPUs: a.spare}, Attributes: map[string]string{"rack": a.rack},
		}
		if a.told && w.now.Before(a.until) {
			o.UnavailableFrom, o.UnavailableUntil = a.from, a.until
		}
		offers = append(offers, o)
	}
	if len(offers) > 0 {
		w.step(offers)
	}
}

// step gives the fleet an input and does what it decides, and what it decides on the outcome of that, and so on.
func (w *liveWorld) step(in fleet.Input) {
	inputs := []fleet.Input{in}
	for len(inputs) > 0 {
		out := w.fleet.Step(w.now, inputs[0])
		inputs = inputs[1:]
		for _, e := range out.Effects {
			inputs = append(inputs, w.perform(e)...)
		}
	}
}

func (w *liveWorld) perform(e fleet.Effect) []fleet.Input {
	var err error
	switch e := e.(type) {
	case fleet.Launch:
		w.launch(&e)
	case fleet.Decline:
		w.refuse(e.Offers, e.Refuse)
		return nil
	case fleet.Kill:
		return w.kill(e)
	case fleet.Suppress:
		w.suppressed = true
		return nil
	case fleet.Revive:
		w.suppressed = false
		for _, a := range w.agents {
			a.refusedUntil = time.Time{}
		}
		return nil
	case fleet.Reconcile:
		return w.reconcile(e)
	case fleet.CloseHost:
		w.note("close %s: %s", e.Name, e.Reason)
		err = w.q.CloseHost(w.now, e.Name, queue.ClosedDrain)
	case fleet.OpenHost:
		w.note("open %s", e.Name)
		err = w.q.OpenHost(w.now, e.Name, queue.ClosedDrain)
	case fleet.RemoveHost:
		remove := w.q.RemoveHost
		if e.ProcessesGone {
			remove = func(now time.Time, name string) error { return w.q.HostDied(now, name, e.Reason) }
		}
		err = remove(w.now, e.Name)
	default:
		return nil
	}
	if queue.KindOf(err) == queue.KindNotFound {
		err = nil
	}
	return []fleet.Input{fleet.Result{Of: e, Err: err}}
}

func (w *liveWorld) refuse(offers []string, d time.Duration) {
	for _, id := range offers {
		agent, _, _ := strings.Cut(id, "/")
		a := w.agent(agent)
		a.refused, a.refusedSpare, a.refusedUntil = sum(a.total, a.used, -1), a.spare, w.now.Add(d)
	}
}

func (w *liveWorld) agent(id string) *liveAgent {
	return w.agents[slices.IndexFunc(w.agents, func(a *liveAgent) bool { return a.id == id })]
}

func (w *liveWorld) launch(l *fleet.Launch) {
	h := l.Host
	w.note("launch %s on %s: %d slots, %d MiB, %d gpus, revocable %t, profile %q", h.Name(), h.Agent, h.Spec.Slots, h.Spec.MemMiB, h.Spec.GPUs, h.Spec.Revocable, h.Spec.Profile)
	if err := w.q.AddHost(w.now, h.Spec); err != nil {
		w.fail("add host: %v", err)
	}
	a := w.agent(h.Agent)
	r := h.Resources
	if h.Spec.Revocable {
		a.spare -= r.CPUs
		r.CPUs = 0
	}
	a.used = sum(a.used, r, 1)
	runs := w.now.Add(time.Duration(w.rng.IntN(6)) * time.Second)
	w.tasks[h.Name()] = &liveTask{host: h, agent: a, runsAt: runs, joinAt: runs.Add(time.Duration(w.rng.IntN(20)) * time.Second)}
	w.order = append(w.order, h.Name())
	w.refuse(l.Offers, l.Refuse)
	w.launches++
	w.since++
}

func (w *liveWorld) kill(k fleet.Kill) []fleet.Input {
	if w.tasks[k.Task] == nil {
		return []fleet.Input{fleet.Update{Task: k.Task, Agent: k.Agent, State: fleet.TaskGone}}
	}
	if h, ok := w.q.Host(k.Task); ok && h.Used > 0 {
		w.fail("%s is killed with %d slots in use", k.Task, h.Used)
	}
	w.note("kill %s", k.Task)
	w.end(k.Task)
	if err := w.q.LoseHost(w.now, k.Task); err != nil && queue.KindOf(err) != queue.KindNotFound {
		w.fail("lose %s: %v", k.Task, err)
	}
	return []fleet.Input{fleet.Update{Task: k.Task, Agent: k.Agent, State: fleet.TaskKilled}}
}

func (w *liveWorld) reconcile(r fleet.Reconcile) (answers []fleet.Input) {
	refs := r.Tasks
	if len(refs) == 0 {
		for _, name := range w.order {
			refs = append(refs, fleet.TaskRef{Task: name, Agent: w.tasks[name].agent.id})
		}
	}
	for _, ref := range refs {
		state := fleet.TaskGone
		if t := w.tasks[ref.Task]; t != nil {
			if state = fleet.TaskStaging; t.running {
				state = fleet.TaskRunning
			}
		}
		answers = append(answers, fleet.Update{Task: ref.Task, Agent: ref.Agent, State: state})
	}
	return answers
}

// state tells what is, for people who look for what is wrong.
func (w *liveWorld) state() string {
	var b strings.Builder
	fmt.Fprintf(&b, "after %v: %d launches, %d since the last progress; goal %d, %+v, suppressed %t\n", w.now.Sub(liveStart), w.launches, w.since, w.goal, w.fleet.Stats(), w.suppressed)
	for _, h := range w.q.Hosts() {
		fmt.Fprintf(&b, "host %s: %d of %d slots used, %d MiB, %d gpus, %v, closed %v, profile %q\n", h.Name, h.Used, h.Slots, h.MemMiB, h.GPUs, h.Status, h.Closed, h.Profile)
	}
	for _, h := range w.fleet.Hosts() {
		fmt.Fprintf(&b, "fleet's %s on %s: %v, %s\n", h.Name(), h.Agent, h.State, h.Reason)
	}
	for _, d := range w.q.Demand(0) {
		fmt.Fprintf(&b, "demand %+v\n", d)
	}
	for i, j := range w.jobs {
		if j.open > 0 && j.number > 0 {
			fmt.Fprintf(&b, "job %d (%d): %d open, could %t: %v\n", i+1, j.number, j.open, j.can, w.q.PendReasons(queue.ID{Job: j.number}))
		}
	}
	fmt.Fprintf(&b, "declined %v\n", w.fleet.Declined())
	return b.String()
}
