package framework

import (
	"io"
	"maps"
	"slices"
	"time"

	"sluice/framework/minimesos"
	"sluice/queue"
)

// fault is a kind of trouble. Each schedule has some of them only: trouble of one kind is not hidden behind all the others.
type fault struct {
	weight int
	do     func(w *world) bool // false = there is nothing that it could befall
}

// allFaults is what may go wrong.
var allFaults = []fault{
	{12, func(w *world) bool { return w.spoil(fails) }},
	{12, func(w *world) bool { return w.spoil(isLost) }},
	{8, func(w *world) bool { return w.spoil(vanishes) }},
	{8, func(w *world) bool { return w.spoil(comesLate) }},
	{8, func(w *world) bool { return w.spoil(strays) }},
	{6, func(w *world) bool { return w.spoil(isRefused) }},
	{10, func(w *world) bool { return w.spoil(isTwofold) }},
	{16, (*world).reorder},
	{10, func(w *world) bool { return w.someEvent(0) }},
	{10, func(w *world) bool { return w.someEvent(1) }},
	{10, func(w *world) bool { return w.someEvent(2) }},
	{6, (*world).stall},
	{4, (*world).loseAgent},
	{6, (*world).cutOff},
	{2, (*world).crashAgent},
	{4, (*world).exitTask},
	{4, (*world).loseHost},
	{3, func(w *world) bool { w.restartMaster(); return true }},
	{3, func(w *world) bool { w.breakStreams(); return true }},
	{2, func(w *world) bool { w.muteStreams(); return true }},
	{6, func(w *world) bool { w.kill(); return true }},
	{2, func(w *world) bool { w.muteStreams(); w.kill(); return true }},
	{2, func(w *world) bool { w.restart(); return true }},
	{3, func(w *world) bool {
		w.inst.leads.Store(!w.inst.leads.Load())
		w.tell("leads: %t", w.inst.leads.Load())
		return true
	}},
	{6, (*world).hold},
}

// ordinary is what happens anyway.
var ordinary = []fault{
	{30, (*world).letOut},
	{30, func(w *world) bool { return w.nextEvent() }},
	{16, func(w *world) bool { w.advance(time.Duration(1+w.rng.IntN(400)) * time.Millisecond); return true }},
	{4, func(w *world) bool { w.advance(time.Duration(1+w.rng.IntN(4000)) * time.Millisecond); return true }},
	{12, (*world).turn},
	{3, (*world).change},
	{5, func(w *world) bool { w.dispatch(); return true }},
	{4, (*world).finishSome},
	{6, func(w *world) bool { w.join(); return true }},
	{8, (*world).ghostArrives},
	{3, (*world).returnAgent},
}

// act lets one thing happen.
func (w *world) act() {
	w.counts.steps++
	w.settle()
	w.exorcise()
	from := ordinary
	if w.rng.IntN(4) == 0 && len(w.faults) > 0 {
		from = w.faults
	}
	sum := 0
	for _, f := range from {
		sum += f.weight
	}
	n := w.rng.IntN(sum)
	for _, f := range from {
		if n -= f.weight; n < 0 {
			if !f.do(w) {
				w.advance(time.Duration(1+w.rng.IntN(100)) * time.Millisecond)
			}
			return
		}
	}
}

// letOut lets the first thing out that waits.
func (w *world) letOut() bool {
	ops := w.settle()
	if len(ops) == 0 {
		return false
	}
	w.release(ops[0], passes)
	return true
}

func (w *world) reorder() bool {
	ops := w.settle()
	if len(ops) < 2 {
		return false
	}
	w.release(ops[1+w.rng.IntN(len(ops)-1)], passes)
	return true
}

func (w *world) spoil(verdict outcome) bool {
	ops := w.settle()
	if len(ops) == 0 {
		return false
	}
	w.counts.refusals++
	w.release(ops[w.rng.IntN(len(ops))], verdict)
	return true
}

func (w *world) nextEvent() bool {
	w.settle()
	open := w.open()
	if len(open) == 0 {
		return false
	}
	w.pass(open[w.rng.IntN(len(open))], 0, 1)
	return true
}

// someEvent lets an event overtake others (1), be lost (0) or arrive twice (2).
func (w *world) someEvent(times int) bool {
	w.settle()
	open := w.open()
	if len(open) == 0 {
		return false
	}
	s := open[w.rng.IntN(len(open))]
	w.pass(s, w.rng.IntN(len(s.queue)), times)
	return true
}

// stall lets time pass in which nothing gets through.
func (w *world) stall() bool {
	w.tell("nothing moves")
	w.advance(time.Duration(1+w.rng.IntN(15000)) * time.Millisecond)
	return true
}

// turn is one of the control loop.
func (w *world) turn() bool {
	s := w.held
	if w.held = nil; s == nil {
		s = w.poll()
	}
	w.hand(s)
	return true
}

// hold polls, but what was seen is handed over only later.
func (w *world) hold() bool {
	w.held = w.poll()
	return true
}

// change is of the load.
func (w *world) change() bool {
	w.mu.Lock()
	w.batch.jobs, w.batch.wide = w.rng.IntN(8), w.rng.IntN(2)
	w.mu.Unlock()
	w.goal = w.rng.IntN(11)
	w.tell("goal %d, %d jobs", w.goal, w.batch.jobs)
	return true
}

func (w *world) anyHost() *queue.Host {
	names := slices.Sorted(maps.Keys(w.batch.hosts))
	if len(names) == 0 {
		return nil
	}
	return w.batch.hosts[names[w.rng.IntN(len(names))]]
}

func (w *world) finishSome() bool {
	h := w.anyHost()
	if h == nil {
		return false
	}
	w.finish(h)
	return true
}

// loseHost breaks the connection between the batch system and a host, or restores it: see join.
func (w *world) loseHost() bool {
	h := w.anyHost()
	if h == nil || h.Status != queue.HostOK {
		return false
	}
	w.tell("host %s is lost", h.Name)
	h.Status, h.LostAt = queue.HostUnavailable, time.Now()
	return true
}

// exitTask ends a task by itself; its jobs end with it.
func (w *world) exitTask() bool {
	names := w.batch.living()
	if len(names) == 0 {
		return false
	}
	name := names[w.rng.IntN(len(names))]
	w.tell("task %s ends by itself", name)
	p := w.batch.alive[name]
	close(p.exit)
	w.settle()
	return true
}

func (w *world) anyAgent(away bool) *labAgent {
	var some []*labAgent
	for _, a := range w.agents {
		if a.away == away {
			some = append(some, a)
		}
	}
	if len(some) == 0 {
		return nil
	}
	return some[w.rng.IntN(len(some))]
}

func (w *world) loseAgent() bool {
	a := w.anyAgent(false)
	if a == nil {
		return false
	}
	w.tell("agent %s is away", a.number())
	a.away = true
	w.must(w.cluster.LoseAgent(a.id))
	w.settle()
	return true
}

// cutOff is a network that parts: the master does not hear of an agent, nor the batch system of its hosts, until the agent is back.
func (w *world) cutOff() bool {
	if !w.loseAgent() {
		return false
	}
	a := w.anyAgent(true)
	w.tell("agent %s is cut off", a.number())
	w.batch.cut[a.id] = true
	for _, p := range w.batch.alive {
		if h := w.batch.hosts[p.name]; h != nil && p.agent == a.id && h.Status == queue.HostOK {
			h.Status, h.LostAt = queue.HostUnavailable, time.Now()
		}
	}
	return true
}

func (w *world) returnAgent() bool {
	a := w.anyAgent(true)
	if a == nil {
		return false
	}
	w.tell("agent %s is back", a.number())
	a.away = false
	delete(w.batch.cut, a.id)
	w.must(w.cluster.ReturnAgent(a.id))
	w.settle()
	return true
}

// crashAgent ends a machine with all its processes. Another one takes its place.
func (w *world) crashAgent() bool {
	a := w.anyAgent(false)
	if a == nil || w.crashes >= 2 {
		return false
	}
	w.crashes++
	w.tell("agent %s crashes", a.number())
	w.batch.crash = true
	w.must(w.cluster.CrashAgent(a.id))
	w.settle()
	w.batch.crash = false
	id, err := w.cluster.AddAgent(minimesos.AgentConfig{Hostname: "other" + a.number(), CPUs: 4, MemMiB: 2048})
	w.must(err)
	a.id = id
	w.settle()
	return true
}

func (w *world) must(err error) {
	if err != nil {
		w.fail("the world is broken: %v", err)
	}
}

func (a *labAgent) number() string {
	_, n, _ := cutLast(a.id, "-S")
	return "S" + n
}

// longestLate is how late a call may arrive whose sender does not wait for it any more.
const longestLate = 3 * time.Second

func (w *world) ghostArrives() bool {
	if len(w.ghosts) == 0 {
		return false
	}
	w.raise(w.rng.IntN(len(w.ghosts)))
	return true
}

func (w *world) raise(i int) {
	g := w.ghosts[i]
	w.ghosts = slices.Delete(w.ghosts, i, i+1)
	w.tell("%s arrives late", g.key)
	g.again()
	w.settle()
}

// exorcise lets the calls arrive that are overdue.
func (w *world) exorcise() {
	for len(w.ghosts) > 0 && time.Since(w.ghosts[0].at) > longestLate {
		w.raise(0)
	}
}

// endFaults lets everything work from now on.
func (w *world) endFaults() {
	w.settle()
	for len(w.ghosts) > 0 {
		w.raise(0)
	}
	for w.returnAgent() {
		w.settle()
	}
	w.tell("no faults any more")
	w.inst.leads.Store(true)
	w.held = nil
	for _, s := range w.streams {
		if s.inst != w.inst && !s.mute {
			s.cut()
			s.sever(io.ErrUnexpectedEOF)
		}
	}
	for _, h := range w.batch.hosts {
		w.finish(h)
	}
	w.calmSince = time.Now()
}
