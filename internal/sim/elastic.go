package sim

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"time"

	"sluice/framework/fleet"
	"sluice/queue"
)

// slotMemMiB is the memory of a slot; agents have as much for each of theirs.
const slotMemMiB = 512

// elastic is the real fleet, with a Mesos master that makes offers and agents
// that run its tasks.
type elastic struct {
	cfg   *Config
	batch *batch
	fleet *fleet.Fleet
	sum   totals

	agents []agent
	byName map[string]int // agents by id
	tasks  map[string]*task
	line   []joining // tasks that are about to run and join

	suppressed bool
	offers     []fleet.Offer // memory of offer
	heard      []news        // memory of step
	known      []fleet.Host  // memory of reconcile
	goal       int
	rng        *rand.Rand    // of join delays
	busy       bool          // the last step had effects: look again
	wake       time.Duration // when an idle host may be released
	idle       []idling      // hosts that were seen idle, in the order in which they became so
}

// idling is a host that became idle at a time. It may have taken jobs since.
type idling struct {
	name  string
	since time.Duration
}

// agent is what an agent has left, and until when its offers are refused.
type agent struct {
	id      string
	free    int
	refused time.Duration
	down    time.Duration // until then it is lost
}

type task struct {
	agent   int
	slots   int
	running bool
}

func newElastic(cfg *Config, b *batch) *elastic {
	e := &elastic{
		cfg: cfg, batch: b, byName: make(map[string]int, len(cfg.Agents)), tasks: make(map[string]*task),
		agents: make([]agent, len(cfg.Agents)), suppressed: true, rng: rand.New(rand.NewPCG(cfg.Seed, 0x301e)),
	}
	for i, slots := range cfg.Agents {
		e.agents[i] = agent{id: "agent" + strconv.Itoa(i), free: slots}
		e.byName[e.agents[i].id] = i
	}
	e.fleet = fleet.New(fleet.Config{
		HostPrefix: "sim", SlotCPUs: 1, SlotMemMiB: slotMemMiB,
		MaxHostSlots: cfg.MaxHostSlots, HostsPerAgent: cfg.HostsPerAgent, IdleTimeout: cfg.IdleTimeout,
		LaunchTimeout: cfg.patience(), JoinTimeout: cfg.patience(),
		StaleAfter: 30*time.Second + 3*cfg.Period,
	}, rand.New(rand.NewPCG(cfg.Seed, 0x5eed)), nil)
	return e
}

func (e *elastic) totals() *totals { return &e.sum }

func (e *elastic) next() time.Duration { return nextJoin(e.line) }

// happen lets the next task run and its host join.
func (e *elastic) happen(now time.Duration) error {
	name := e.line[0].name
	e.line = e.line[1:]
	t, ok := e.tasks[name]
	if !ok {
		return nil // killed meanwhile
	}
	t.running = true
	if err := e.batch.joinHost(now, name); err != nil {
		return err
	}
	return e.step(now, fleet.Update{Task: name, Agent: e.agents[t.agent].id, State: fleet.TaskRunning})
}

// quiet is as in supplier.
func (e *elastic) quiet(goal int) time.Duration {
	if goal != e.goal || e.batch.changed || e.busy || !e.suppressed {
		return 0
	}
	return e.wake
}

// steer gives the fleet the goal and the offers, unless nothing changed since
// it was last found to have nothing to do.
func (e *elastic) steer(now time.Duration, goal int) error {
	if now < e.quiet(goal) {
		return nil
	}
	if e.sum.launches == 0 && e.wake == 0 {
		if err := e.step(now, fleet.Connection{Up: true, Suppressed: true}); err != nil {
			return err
		}
	}
	e.goal, e.busy, e.batch.changed = goal, false, false
	snapshot := e.batch.snapshot(now)
	e.wake = e.nextIdle(now, &snapshot)
	if err := e.step(now, fleet.Goal{Slots: goal, Snapshot: snapshot}); err != nil {
		return err
	}
	if offers := e.offer(now); len(offers) > 0 {
		if err := e.step(now, fleet.Offers(offers)); err != nil {
			return err
		}
	}
	held := e.fleet.Holding()
	e.sum.supply, e.sum.inFlight, e.sum.withheld = held.Supply, held.InFlight, held.Withheld
	e.sum.need = held.Need
	e.batch.q.Await(held.Coming)
	return nil
}

// nextIdle is when the next host that has been idle for less than the idle timeout will have been so.
func (e *elastic) nextIdle(now time.Duration, snapshot *queue.Snapshot) time.Duration {
	from := len(e.idle)
	for _, i := range snapshot.Delta.Places {
		h := &snapshot.Hosts[i]
		if h.Used > 0 || h.Status != queue.HostOK {
			continue
		}
		if since, known := h.IdleSince.Sub(start), e.batch.hosts[h.Name]; known.noted != since {
			known.noted = since
			e.idle = append(e.idle, idling{h.Name, since})
		}
	}
	slices.SortFunc(e.idle[from:], func(a, b idling) int { return cmp.Compare(a.since, b.since) })
	for len(e.idle) > 0 {
		first := &e.idle[0]
		h, there := e.batch.hosts[first.name]
		if at := first.since + e.cfg.IdleTimeout; at > now && there && h.used == 0 && h.noted == first.since {
			return at
		}
		e.idle = e.idle[1:]
	}
	return never
}

// offer makes the offers of one allocation of the master, at most one of an agent: its id is the agent's.
func (e *elastic) offer(now time.Duration) []fleet.Offer {
	if e.suppressed {
		return nil
	}
	e.offers = slices.Grow(e.offers[:0], len(e.agents))
	offers := e.offers
	for i := range e.cfg.offered(now) {
		a := &e.agents[i]
		if a.free == 0 || now < a.refused || now < a.down {
			continue
		}
		offers = offers[:len(offers)+1]
		o := &offers[len(offers)-1] // filled in there: an Offer is large, and most of it stays as it is
		o.ID, o.Agent, o.Hostname, o.Role = a.id, a.id, a.id, "sim"
		o.Free.CPUs, o.Free.MemMiB = float64(a.free), float64(a.free)*slotMemMiB
		a.refused = never // until the fleet answers
	}
	return offers
}

// news is what the fleet hears of what it decided: the result of an effect, or
// the state of a task.
type news struct {
	result fleet.Result // with Of
	update fleet.Update
}

// step gives the fleet an input and does what it decides, and what it decides
// on the outcome of that, and so on.
func (e *elastic) step(now time.Duration, in fleet.Input) error {
	at := date(now)
	out := e.fleet.Step(at, in)
	e.heard = e.heard[:0]
	for next := 0; ; next++ {
		for _, effect := range out.Effects {
			e.busy = true
			if err := e.perform(now, effect); err != nil {
				return err
			}
		}
		if next == len(e.heard) {
			return nil
		}
		if n := &e.heard[next]; n.result.Of != nil {
			out = e.fleet.Step(at, n.result)
		} else {
			out = e.fleet.Step(at, n.update)
		}
	}
}

// perform does one thing and notes what the fleet hears of it.
func (e *elastic) perform(now time.Duration, effect fleet.Effect) error {
	var err, refused error
	switch effect := effect.(type) {
	case fleet.Decline:
		e.sum.declined += len(effect.Offers)
		for _, id := range effect.Offers {
			e.refuse(id, now+effect.Refuse)
		}
		return nil
	case fleet.Kill:
		e.kill(effect)
		return nil
	case fleet.Suppress:
		e.suppressed = true
		return nil
	case fleet.Revive:
		e.suppressed = false
		for i := range e.agents {
			e.agents[i].refused = 0
		}
		return nil
	case fleet.Reconcile:
		e.reconcile(effect)
		return nil
	case fleet.Launch:
		err = e.launch(now, &effect)
	case fleet.CloseHost:
		refused = e.batch.setOpen(now, effect.Name, false)
	case fleet.OpenHost:
		refused = e.batch.setOpen(now, effect.Name, true)
	case fleet.RemoveHost:
		remove := e.batch.removeHost
		if effect.ProcessesGone {
			remove = e.batch.die
		}
		err = remove(now, effect.Name)
	default:
		return fmt.Errorf("unknown effect of the fleet: %T", effect)
	}
	e.heard = append(e.heard, news{result: fleet.Result{Of: effect, Err: refused}})
	return err
}

func (e *elastic) launch(now time.Duration, l *fleet.Launch) error {
	at := e.byName[l.Host.Agent]
	a := &e.agents[at]
	slots := l.Host.Spec.Slots
	if slots > a.free {
		return fmt.Errorf("a host of %d slots on %s, which has %d", slots, a.id, a.free)
	}
	if err := e.batch.addHost(now, l.Host.Spec); err != nil {
		return err
	}
	a.free -= slots
	a.refused = now + l.Refuse
	e.tasks[l.Host.Name()] = &task{agent: at, slots: slots}
	e.line = put(e.line, joining{now + e.cfg.joinDelay(e.rng), l.Host.Name()})
	e.sum.allocated += slots
	e.sum.launches++
	e.sum.accepted += len(l.Offers)
	return nil
}

// kill ends a task at once.
func (e *elastic) kill(k fleet.Kill) {
	t, ok := e.tasks[k.Task]
	if !ok {
		e.tell(fleet.TaskRef(k), fleet.TaskUnknown)
		return
	}
	delete(e.tasks, k.Task)
	e.agents[t.agent].free += t.slots
	e.sum.allocated -= t.slots
	e.tell(fleet.TaskRef{Task: k.Task, Agent: e.agents[t.agent].id}, fleet.TaskKilled)
}

func (e *elastic) tell(task fleet.TaskRef, state fleet.TaskState) {
	e.heard = append(e.heard, news{update: fleet.Update{Task: task.Task, Agent: task.Agent, State: state}})
}

// reconcile answers with the state of the tasks in question.
func (e *elastic) reconcile(r fleet.Reconcile) {
	for _, ref := range r.Tasks {
		e.tell(ref, e.stateOf(ref.Task))
	}
	if len(r.Tasks) > 0 {
		return
	}
	e.known = e.fleet.AppendHosts(e.known[:0])
	for i := range e.known {
		if h := &e.known[i]; e.tasks[h.Spec.Name] != nil {
			e.tell(fleet.TaskRef{Task: h.Spec.Name, Agent: h.Agent}, e.stateOf(h.Spec.Name))
		}
	}
}

func (e *elastic) stateOf(name string) fleet.TaskState {
	switch t := e.tasks[name]; {
	case t == nil:
		return fleet.TaskUnknown
	case t.running:
		return fleet.TaskRunning
	default:
		return fleet.TaskStaging
	}
}

func (e *elastic) refuse(id string, until time.Duration) {
	e.agents[e.byName[id]].refused = until
}
