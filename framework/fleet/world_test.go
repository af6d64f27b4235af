package fleet

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"time"

	"pgregory.net/rapid"

	"sluice/queue"
)

// world is a Mesos cluster and a batch system, much simplified, around a Fleet: enough to catch it doing harm.
type world struct {
	*rapid.T
	cfg    Config
	fleet  *Fleet
	twin   *twin
	now    time.Time
	seed   uint64
	rng    *rand.Rand      // all that happens; rapid's own numbers are mostly small, which makes dull worlds
	stored map[string]Host // what the driver has made durable

	agents     map[string]*machine
	offers     map[string]Offer // outstanding
	offerCount int
	tasks      map[string]*task // that ran or run
	connected  bool
	suppressed bool
	filters    map[string]time.Time // agent → offers stay away until
	updates    []Update             // on their way
	ops        []Effect             // for the batch system, in order
	snapshots  []queue.Snapshot     // polled, not delivered

	hosts   map[string]*queue.Host
	pending []queue.Demand // one job each
	goal    int
	floor   int

	asked   map[string]InverseOffer // not answered yet
	inverse int                     // made so far

	revivedAt time.Time
	launches  int
	reopens   int
	crashes   int
}

type machine struct {
	total, used Resources
	spare       float64 // CPUs that may be taken back and are not used
	rack        string
	hostname    string
	up          bool
}

type task struct {
	agent string
	use   Resources
	spare float64 // of the CPUs, those that may be taken back
	state TaskState
}

func newWorld(t *rapid.T, cfg Config) *world {
	seed := rapid.Uint64().Draw(t, "seed")
	w := &world{
		T: t, cfg: cfg.withDefaults(), now: time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC), seed: seed,
		rng:    rand.New(rand.NewPCG(seed, 2)),
		stored: map[string]Host{}, agents: map[string]*machine{}, offers: map[string]Offer{}, tasks: map[string]*task{},
		filters: map[string]time.Time{}, hosts: map[string]*queue.Host{}, asked: map[string]InverseOffer{},
	}
	for i := range w.between(1, 6) {
		a := &machine{up: true, hostname: fmt.Sprintf("node%d.example", i)}
		a.total = Resources{CPUs: float64(w.between(1, 9)), MemMiB: 512 * float64(w.between(1, 16))}
		a.total.GPUs = pick(w, []int{0, 0, 0, 2})
		a.rack, a.spare = pick(w, []string{"a", "b", "c"}), float64(pick(w, []int{0, 0, 3}))
		w.agents[fmt.Sprintf("S%d", i)] = a
	}
	w.restart()
	return w
}

func (w *world) between(low, high int) int { return low + w.rng.IntN(high-low+1) }

// chance is true once in n times.
func (w *world) chance(n int) bool { return w.rng.IntN(n) == 0 }

func pick[T any](w *world, from []T) T { return from[w.rng.IntN(len(from))] }

// restart is what happens after the driver was killed: all that is left is what it had stored.
func (w *world) restart() {
	w.seed++
	hosts := slices.Collect(maps.Values(w.stored))
	w.fleet = New(w.cfg, rand.New(rand.NewPCG(w.seed, 1)), hosts)
	w.twin = newTwin(w, slices.Clone(hosts))
	w.ops, w.snapshots, w.revivedAt = nil, nil, time.Time{}
	w.disconnected()
}

func (w *world) disconnected() {
	w.connected = false
	clear(w.offers)
	clear(w.asked)
}

func (w *world) connect() {
	w.connected, w.suppressed = true, w.fleet.Suppressed()
	clear(w.offers)
	clear(w.filters)
	w.step(Connection{Up: true, Suppressed: w.suppressed})
}

// pass lets time go by: inputs of one instant cannot be told apart.
func (w *world) pass(d time.Duration) { w.now = w.now.Add(max(d, time.Millisecond)) }

// step gives an input to the fleet and performs the output, unless the driver is killed half-way.
func (w *world) step(in Input) {
	w.pass(0)
	before := w.fleet.Stats()
	spare := w.fleet.disruptable()
	drained := w.reopenable()
	out := w.fleet.Step(w.now, in)
	w.twin.step(w, in, out)
	w.check(in, before, out)
	w.checkDrained(drained, out)
	w.checkDisruption(spare, out)
	if !w.survives() {
		return
	}
	for _, h := range out.Changed {
		w.stored[h.Name()] = h
	}
	for _, name := range out.Removed {
		delete(w.stored, name)
	}
	for _, e := range out.Effects {
		if !w.survives() {
			return
		}
		w.perform(e)
	}
}

// survives kills the driver now and then.
func (w *world) survives() bool {
	if w.crashes > 0 && w.chance(61) {
		w.crashes--
		w.restart()
		return false
	}
	return true
}

func (w *world) perform(e Effect) {
	switch e := e.(type) {
	case Launch, CloseHost, OpenHost, RemoveHost:
		w.ops = append(w.ops, e)
	case Decline:
		w.refuse(e.Offers, e.Refuse)
	case Kill:
		w.kill(e)
	case Suppress:
		w.suppressed = true
	case Revive:
		w.suppressed = false
		clear(w.filters)
		if !w.revivedAt.IsZero() && w.now.Sub(w.revivedAt) < w.cfg.ReviveEvery {
			w.Fatalf("revived again after %v", w.now.Sub(w.revivedAt))
		}
		w.revivedAt = w.now
	case Reconcile:
		w.reconcile(e)
	case AnswerInverse:
		w.promised(e)
	}
}

func (w *world) refuse(offers []string, d time.Duration) {
	for _, id := range offers {
		if o, ok := w.offers[id]; ok {
			w.filters[o.Agent] = w.now.Add(d)
			delete(w.offers, id)
		}
	}
}

// kill ends a task, and with it whatever runs on its host: that must be nothing.
func (w *world) kill(k Kill) {
	if h := w.hosts[k.Task]; h != nil && (h.Used > 0 || h.Closed == 0) {
		w.Fatalf("killed task of host %+v", *h)
	}
	t := w.tasks[k.Task]
	if t == nil || w.chance(4) {
		return
	}
	w.end(k.Task, TaskKilled)
}

func (w *world) end(name string, state TaskState) {
	t := w.tasks[name]
	if t.state.ended() || !w.agents[t.agent].up {
		return
	}
	t.state = state
	u := w.agents[t.agent]
	u.spare += t.spare
	u.used.add(Resources{CPUs: t.spare - t.use.CPUs, MemMiB: -t.use.MemMiB, GPUs: -t.use.GPUs})
	w.updates = append(w.updates, Update{Task: name, Agent: t.agent, State: state})
	if h := w.hosts[name]; h != nil && h.Status == queue.HostOK {
		h.Status, h.LostAt = queue.HostUnavailable, w.now
	}
}

func (w *world) reconcile(r Reconcile) {
	if len(r.Tasks) == 0 {
		for _, name := range slices.Sorted(maps.Keys(w.tasks)) {
			if t := w.tasks[name]; !t.state.ended() && w.agents[t.agent].up {
				w.updates = append(w.updates, Update{Task: name, Agent: t.agent, State: t.state})
			}
		}
		return
	}
	for _, ref := range r.Tasks {
		if w.chance(6) {
			continue
		}
		w.updates = append(w.updates, Update{Task: ref.Task, Agent: ref.Agent, State: w.answer(ref)})
	}
}

func (w *world) answer(ref TaskRef) TaskState {
	t := w.tasks[ref.Task]
	switch {
	case !w.agents[ref.Agent].up:
		return TaskUnreachable
	case t == nil || t.state.ended():
		return TaskGone
	default:
		return t.state
	}
}

// batch performs the next order to the batch system.
func (w *world) batch() {
	if len(w.ops) == 0 {
		return
	}
	e := w.ops[0]
	w.ops = w.ops[1:]
	if w.chance(10) {
		if l, ok := e.(Launch); ok {
			w.refuse(l.Offers, time.Minute)
		}
		w.step(Result{Of: e, Err: errors.New("batch system down")})
		return
	}
	switch e := e.(type) {
	case Launch:
		w.launch(e)
		return
	case CloseHost:
		if h := w.hosts[e.Name]; h != nil {
			h.Closed |= queue.ClosedDrain
		}
	case OpenHost:
		if h := w.hosts[e.Name]; h != nil {
			h.Closed &^= queue.ClosedDrain
		}
	case RemoveHost:
		if t := w.tasks[e.Name]; e.ProcessesGone && t != nil && !t.state.ended() {
			w.Fatalf("%s said to be gone while its task is %v", e.Name, t.state)
		}
		delete(w.hosts, e.Name)
	}
	w.step(Result{Of: e})
}

func (w *world) launch(l Launch) {
	name := l.Host.Name()
	w.hosts[name] = &queue.Host{HostSpec: l.Host.Spec, Status: queue.HostAdded, AddedAt: w.now}
	if w.tasks[name] != nil {
		w.Fatalf("task %s launched twice", name)
	}
	valid := len(l.Offers) > 0
	for _, id := range l.Offers {
		_, ok := w.offers[id]
		valid = valid && ok
	}
	w.refuse(l.Offers, l.Refuse)
	a := w.agents[l.Host.Agent]
	if !valid || !a.up {
		if w.connected && w.chance(2) {
			w.updates = append(w.updates, Update{Task: name, Agent: l.Host.Agent, State: TaskDropped, InvalidOffers: true})
			w.step(Result{Of: l})
			return
		}
		w.step(Result{Of: l, Err: errors.New("not subscribed"), Maybe: w.chance(2)})
		return
	}
	w.launches++
	spare := 0.0
	if l.Host.Spec.Revocable {
		spare = l.Host.Resources.CPUs
	}
	a.spare -= spare
	a.used.add(l.Host.Resources)
	a.used.CPUs -= spare
	if a.spare < -epsilon {
		w.Fatalf("agent %s: %v CPUs more than may be taken back", l.Host.Agent, -a.spare)
	}
	if a.used.CPUs > a.total.CPUs+epsilon || a.used.MemMiB > a.total.MemMiB+epsilon || a.used.GPUs > a.total.GPUs {
		w.Fatalf("agent %s: used %+v of %+v", l.Host.Agent, a.used, a.total)
	}
	w.tasks[name] = &task{agent: l.Host.Agent, use: l.Host.Resources, spare: spare, state: TaskStaging}
	w.step(Result{Of: l})
}

// check looks at one decision.
func (w *world) check(in Input, before Stats, out Output) {
	offers, _ := in.(Offers)
	left := map[string]Offer{}
	for _, o := range offers {
		left[o.ID] = o
	}
	launched := 0
	for _, e := range out.Effects {
		switch e := e.(type) {
		case Launch:
			w.checkLaunch(e, left)
			launched += e.Host.Spec.Slots
		case Decline:
			if e.Refuse < time.Millisecond {
				w.Fatalf("declined for %v", e.Refuse)
			}
			w.answered(e.Offers, left)
		case OpenHost:
			w.reopens++
		}
	}
	if len(left) > 0 && w.connected {
		w.Fatalf("offers held: %v", left)
	}
	after := w.fleet.Stats()
	if launched > 0 && after.Supply > w.fleet.goal {
		w.Fatalf("launched %d slots, supply %d → %d, goal %d", launched, before.Supply, after.Supply, w.fleet.goal)
	}
	if _, ok := in.(Update); !ok && w.fleet.up && after.Wanted == 0 && !after.Suppressed {
		if _, isResult := in.(Result); !isResult {
			if _, isLoss := in.(AgentLost); !isLoss {
				w.Fatalf("nothing wanted, not suppressed after %T", in)
			}
		}
	}
}

// reopenable is the closed hosts that could serve what is wanted.
func (w *world) reopenable() (names []string) {
	w.fleet.now = w.now
	p := w.fleet.plan()
	for _, m := range w.fleet.order {
		if m.State == Closed && w.fleet.reopenable(m) && p.total() > 0 && p.suitsAny(m) && (m.Cause != CauseRoom || !w.fleet.holds(&p.first)) {
			names = append(names, m.Name())
		}
	}
	return names
}

// checkDrained checks that an offer was taken only when one of the drains was cancelled, if there were any.
func (w *world) checkDrained(drained []string, out Output) {
	if len(drained) == 0 {
		return
	}
	launched := slices.ContainsFunc(out.Effects, func(e Effect) bool { _, ok := e.(Launch); return ok })
	reopened := slices.ContainsFunc(out.Effects, func(e Effect) bool {
		o, ok := e.(OpenHost)
		return ok && slices.Contains(drained, o.Name)
	})
	if launched && !reopened {
		w.Fatalf("launched while %v could have been reopened", drained)
	}
}

// checkSpare checks that what may be taken back is taken only if it may, and a job is there that can run again.
func (w *world) checkSpare() {
	again := slices.ContainsFunc(w.fleet.snap.Demand, func(d queue.Demand) bool { return d.Need.Rerunnable })
	if !w.cfg.Revocable || !again {
		w.Fatalf("launched on what may be taken back, allowed %t, jobs that can run again %t", w.cfg.Revocable, again)
	}
}

// checkConstraints checks the constraints of this test against all hosts that there are.
func (w *world) checkConstraints(h Host) {
	racks := map[string]int{}
	for _, m := range w.fleet.order {
		if m.State != Gone {
			racks[m.Spec.Attributes["rack"]]++
		}
		if m.Name() == h.Name() {
			break // those after it were launched later
		}
	}
	rack := h.Spec.Attributes["rack"]
	for _, c := range w.cfg.Constraints {
		switch {
		case c.operator == opNotIn && rack == "c",
			c.operator == opMaxPer && racks[rack] > 2,
			c.operator == opUnique && racks[rack] > 1:
			w.Fatalf("%s launched against %s: %v", h.Name(), c, racks)
		case c.operator == opGroupBy:
			for other, n := range racks {
				if racks[rack] > n+1 {
					w.Fatalf("%s launched on %s, %d hosts, %s has %d", h.Name(), rack, racks[rack], other, n)
				}
			}
		}
	}
}

// checkDisruption checks that no more hosts were closed for reasons that can wait than may be.
func (w *world) checkDisruption(spare int, out Output) {
	for _, e := range out.Effects {
		c, ok := e.(CloseHost)
		if !ok {
			continue
		}
		m := w.fleet.members[c.Name]
		if m.State != Closed || !m.Cause.voluntary() || !m.Since.Equal(w.now) || m.Cause == CauseMaintenance && !w.now.Before(w.fleet.windows[m.Agent].from) {
			continue
		}
		if spare--; spare < 0 {
			w.Fatalf("%s closed for %s: too many at once", c.Name, m.Cause)
		}
	}
}

// promised checks that an agent that is given away has no host that could still get a job.
func (w *world) promised(a AnswerInverse) {
	for _, id := range a.IDs {
		o, ok := w.asked[id]
		if !ok {
			w.Fatalf("inverse offer %s answered twice, or never made", id)
		}
		delete(w.asked, id)
		for _, m := range w.fleet.order {
			if a.Accept && m.Agent == o.Agent && m.State != Gone && m.State != Releasing {
				w.Fatalf("%s given away with host %s, %v", o.Agent, m.Name(), m.State)
			}
		}
	}
}

func (w *world) answered(ids []string, left map[string]Offer) {
	for _, id := range ids {
		if _, ok := left[id]; !ok {
			w.Fatalf("offer %s answered twice, or never made", id)
		}
		delete(left, id)
	}
}

func (w *world) checkLaunch(l Launch, left map[string]Offer) {
	var sum Resources
	spare := 0.0
	for _, id := range l.Offers {
		o := left[id]
		spare += o.Revocable.CPUs
		if o.Agent != l.Host.Agent || o.Role != l.Host.Role {
			w.Fatalf("launch on %s/%s uses an offer of %s/%s", l.Host.Agent, l.Host.Role, o.Agent, o.Role)
		}
		sum.add(o.Free)
	}
	w.answered(l.Offers, left)
	use := l.Host.Resources
	if l.Host.Spec.Revocable {
		if use.CPUs > spare+epsilon {
			w.Fatalf("launch uses %v of %v CPUs that may be taken back", use.CPUs, spare)
		}
		sum.CPUs += use.CPUs
		w.checkSpare()
	}
	w.checkConstraints(l.Host)
	if use.CPUs > sum.CPUs+epsilon || use.MemMiB > sum.MemMiB+epsilon || use.GPUs > sum.GPUs {
		w.Fatalf("launch uses %+v of %+v", use, sum)
	}
	if want := float64(l.Host.Spec.Slots) * w.cfg.SlotCPUs; use.CPUs != want {
		w.Fatalf("%d slots launched with %v cpus", l.Host.Spec.Slots, use.CPUs)
	}
	if use.GPUs == 0 && sum.GPUs > 0 && !w.cfg.GPUAgentsForCPU {
		w.Fatalf("cpu work on an agent with gpus")
	}
	if !w.fleet.fresh() || len(w.fleet.snap.Demand) == 0 && w.fleet.floor == 0 {
		w.Fatalf("launched without demand")
	}
	on := 0
	for _, m := range w.fleet.order {
		if m.Agent == l.Host.Agent && m.State != Gone {
			on++
		}
	}
	if on > w.cfg.HostsPerAgent {
		w.Fatalf("%d hosts on %s", on, l.Host.Agent)
	}
}
