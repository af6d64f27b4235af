package fleet

import (
	"cmp"
	"math"
	"slices"
	"time"

	"sluice/queue"
)

// scale closes what is too much and reopens what is needed again. What it closes is released later; see observeClosed.
func (f *Fleet) scale() {
	if !f.fresh() {
		return
	}
	f.keepOn()
	f.reopen()
	f.closeSurplus()
	f.closeUseless()
	p := *f.plan()
	f.noteFirst(&p)
	f.noteNeed(&p)
	f.noteScarcity(&p)
	f.idling, f.withheld = p.futile, 0
	if p.futile {
		f.withheld = max(0, f.goal-max(f.floor, f.census().supply))
	}
	f.makeRoom(&p)
	f.gather(&p)
}

// reopen cancels drains, before any offer is taken, as long as the goal and the pending jobs call for slots.
func (f *Fleet) reopen() {
	if f.census().closed == 0 {
		return
	}
	p := f.plan()
	if p.total() == 0 {
		return
	}
	// Those that will be held longest anyway and still have room: a full one adds to the supply, but starts no job.
	for _, full := range [...]bool{false, true} {
		for h := f.closed(full); len(h) > 0; h = h.pop() {
			if p.total() == 0 {
				return
			}
			m := h[0].m
			if !p.suitsAny(m) || m.Cause == CauseRoom && f.holds(&p.first) {
				continue
			}
			f.set(m, m.opened(), "needed again")
			m.Cause = ""
			f.askOpen(m)
			p = f.plan()
		}
	}
}

// closed is the hosts that may be reopened, full ones or others, on top what will be held longest.
func (f *Fleet) closed(full bool) prospects {
	h := f.drains[:0]
	for _, some := range [...][]*member{f.roster.draining, f.roster.restless} {
		for _, m := range some {
			if m.State == Closed && f.reopenable(m) && m.view.Used >= m.Spec.Slots == full {
				h = append(h, prospect{m, -f.burden(m), m.number})
			}
		}
	}
	f.drains = h
	h.init()
	return h
}

// opened is the state of a host whose drain is cancelled.
func (m *member) opened() State {
	switch {
	case m.joined():
		return Open
	case m.Ran:
		return Joining
	default:
		return Launching
	}
}

func (f *Fleet) reopenable(m *member) bool {
	return m.Cause.reopenable() && (!m.seen || m.view.Status != queue.HostUnavailable && m.view.Closed&^queue.ClosedDrain == 0)
}

func (p *plan) suitsAny(m *member) bool {
	for i := range p.classes {
		if c := &p.classes[i]; c.least() <= max(p.budget, m.Spec.Slots) && c.suits(m) {
			return true
		}
	}
	return false
}

// How readily hosts are closed, in order.
const (
	closeInFlight = iota // serves nobody yet
	closeIdle
	closeBusy
)

func (m *member) readiness() int {
	switch {
	case m.State != Open || !m.seen:
		return closeInFlight
	case m.view.Used == 0:
		return closeIdle
	default:
		return closeBusy
	}
}

// closeSurplus brings the supply down to the goal, but not below it. Hosts that have only just become idle make up for
// the surplus and are left until they have been idle for the idle timeout.
func (f *Fleet) closeSurplus() {
	c := f.census()
	surplus := c.supply - f.goal
	if surplus < max(f.roster.smallest, 1) {
		return
	}
	candidates := make([]*member, 0, len(f.roster.restless)+len(c.idle))
	for _, m := range f.roster.restless {
		if m.readiness() == closeInFlight {
			candidates = append(candidates, m)
		}
	}
	surplus = f.closeSome(append(candidates, c.idle...), surplus)
	if surplus < max(f.roster.smallest, 1) {
		return // most often: so the busy ones need not be looked at
	}
	f.drainBusy(surplus)
}

// drainBusy closes the hosts that will be empty soonest. Few of many are wanted, most often one: they are not sorted.
func (f *Fleet) drainBusy(surplus int) {
	h, soonest := f.drains[:0], 0
	least := math.MaxInt
	for _, m := range f.order {
		least = min(least, m.Spec.Slots)
		if m.supplied && m.State == Open && m.Spec.Slots <= surplus && m.readiness() == closeBusy {
			h = append(h, prospect{m, f.burden(m), m.number})
			if last := len(h) - 1; h[last].before(&h[soonest]) {
				soonest = last
			}
		}
	}
	f.drains, f.roster.smallest = h, least
	if len(h) > 0 {
		h[0], h[soonest] = h[soonest], h[0]
		surplus = f.shed(h[0].m, surplus)
		h = h[1:]
	}
	if surplus >= least {
		for h.init(); len(h) > 0 && surplus >= least; h = h.pop() {
			surplus = f.shed(h[0].m, surplus)
		}
	}
	clear(f.drains)
}

// shed closes a host that fits into the surplus, and gives what is left of that.
func (f *Fleet) shed(m *member, surplus int) int {
	if m.Spec.Slots > surplus {
		return surplus
	}
	f.close(m, CauseSurplus, "more slots than the goal")
	return surplus - m.Spec.Slots
}

// prospect is a host that may be drained, or no longer.
type prospect struct {
	m      *member
	burden float64 // negative where those that will be held longest come first
	number int     // of m
}

func (p *prospect) before(o *prospect) bool {
	return p.burden < o.burden || p.burden == o.burden && p.number < o.number
}

// prospects is a heap, on top the least burden and then the oldest.
type prospects []prospect

func (p prospects) init() {
	for at := len(p)/2 - 1; at >= 0; at-- {
		p.sink(at)
	}
}

// pop is what is left without the first.
func (p prospects) pop() prospects {
	last := len(p) - 1
	p[0] = p[last]
	p = p[:last]
	p.sink(0)
	return p
}

// sink restores the order below a place.
func (p prospects) sink(at int) {
	for {
		next := 2*at + 1
		if next >= len(p) {
			return
		}
		if next+1 < len(p) && p[next+1].before(&p[next]) {
			next++
		}
		if !p[next].before(&p[at]) {
			return
		}
		p[at], p[next] = p[next], p[at]
		at = next
	}
}

// closeSome closes those without jobs that fit into the surplus, and gives what is left of it.
func (f *Fleet) closeSome(candidates []*member, surplus int) int {
	candidates = slices.DeleteFunc(candidates, func(m *member) bool {
		return !m.supplied || m.Spec.Slots > surplus || m.State == Unreachable
	})
	slices.SortFunc(candidates, f.emptiestFirst)
	for _, m := range candidates {
		if m.Spec.Slots > surplus {
			continue // those before it were enough
		}
		surplus -= m.Spec.Slots
		switch {
		case m.readiness() != closeIdle:
			f.close(m, CauseSurplus, "more slots than the goal")
		case f.idleFor(m):
			f.close(m, CauseIdle, "no job for too long")
		}
	}
	return surplus
}

// emptiestFirst puts those first that will be empty soonest.
func (f *Fleet) emptiestFirst(a, b *member) int {
	if c := cmp.Compare(a.readiness(), b.readiness()); c != 0 {
		return c
	}
	var c int
	switch a.readiness() {
	case closeInFlight:
		c = b.LaunchedAt.Compare(a.LaunchedAt)
	case closeIdle:
		c = a.view.IdleSince.Compare(b.view.IdleSince)
	default:
		c = cmp.Compare(f.burden(a), f.burden(b))
	}
	return cmp.Or(c, cmp.Compare(a.number, b.number))
}

// youngest is the least age of a job that counts: among those that have only just started the slots decide.
const youngest = time.Minute

// burden grows with the time until the host is empty: the slots in use times the age of its eldest job. Run times have heavy
// tails: what has run for long is likely to run for as long again (Harchol-Balter and Downey, "Exploiting process lifetime
// distributions for dynamic load balancing", 1997). So hosts that one long job holds are filled up, and others are given back.
func (f *Fleet) burden(m *member) float64 {
	age := max(youngest, time.Duration(f.seenAt-m.view.eldest))
	return float64(m.view.Used) * age.Seconds()
}

func (f *Fleet) idleFor(m *member) bool { return f.idlesFor(m, f.cfg.IdleTimeout) }

func (f *Fleet) idlesFor(m *member, least time.Duration) bool {
	return m.seen && m.view.Used == 0 && !m.view.IdleSince.IsZero() && f.snap.At.Sub(m.view.IdleSince) >= least
}

// closeUseless closes idle hosts that do not count (an operator closed them), those on which none of the pending jobs could
// run, so that the goal leaves room for hosts that suit, and all while the goal allows no job to start.
func (f *Fleet) closeUseless() {
	c := f.census()
	supply, idle := c.supply, f.idling
	for _, m := range c.idle {
		if !f.idleFor(m) {
			continue
		}
		counted := f.counts(m)
		if counted && (supply-m.Spec.Slots < f.floor || !idle && !f.useless(m)) {
			continue
		}
		if counted {
			supply -= m.Spec.Slots
		}
		f.close(m, CauseIdle, "no job for too long")
	}
}

// roomAfter is how long a job waits at most until busy hosts make room for it.
const roomAfter = time.Minute

// makeRoom closes hosts that are of no use to the first pending job, or of which it can use a part only, when the goal leaves no
// room for hosts that suit it and those that are there do not suffice: idle ones soon, others when the job has waited for a minute (or the idle
// timeout, if that is less).
func (f *Fleet) makeRoom(p *plan) {
	if !f.lacksRoom(p) {
		return
	}
	missing, gain := p.first.ofOne(), f.unused()
	waited := f.now.Sub(f.first.since)
	var chosen []*member
	for _, m := range f.order {
		if !f.counts(m) {
			continue
		}
		use := missing.fit(&room{m: m, slots: m.Spec.Slots, empty: true})
		if missing.left -= use; missing.left <= 0 {
			return // its turn comes there, now or when the hosts have joined
		}
		if m.State != Open || use >= m.Spec.Slots {
			continue
		}
		if waited >= min(f.cfg.IdleTimeout, roomAfter) || waited >= growAfter && f.idlesFor(m, growAfter) || m.view.Used == 0 && f.useless(m) {
			chosen = append(chosen, m)
			gain += m.Spec.Slots - use
		}
	}
	if gain < missing.left {
		return
	}
	slices.SortStableFunc(chosen, f.emptiestFirst)
	short := missing.left - f.unused()
	for _, m := range chosen {
		if short <= 0 {
			return
		}
		f.keepFor(p.first)
		f.close(m, CauseRoom, "its slots are needed for a job that does not fit it")
		short -= m.Spec.Slots
	}
}

// unused is how many slots the goal allows beyond the supply.
func (f *Fleet) unused() int { return max(f.goal-f.census().supply, 0) }

// lacksRoom says whether the goal lacks slots for hosts that serve the first pending job.
func (f *Fleet) lacksRoom(p *plan) bool {
	c := &p.first
	return f.fresh() && c.unit > 0 && c.job > f.unused() && c.job <= f.goal && f.plausible(*c)
}

// plausible says whether an agent seen so far could hold a job of the class; without any offer yet, that it may.
func (f *Fleet) plausible(c class) bool {
	return f.largest.slots == 0 || c.unit <= f.largest.slots && c.unit <= f.capacity(&f.largest.Resources, &c.need)
}

// growAfter is how long a host must have been idle, and a job pending that can not use it, before it makes way for a larger
// one.
const growAfter = 5 * time.Second

// grow closes idle hosts on agents that have more to give but may have no further host, when what is missing can be had
// nowhere else: hosts do not grow, so that a job that needs all of the agents would wait for ever.
func (f *Fleet) grow(p *plan, candidates []*candidate) {
	if p.total() == 0 || f.now.Sub(f.first.since) < growAfter {
		return
	}
	c := p.classes[0]
	if c.job == 0 {
		c.job = c.left // of the floor
	}
	blocked := make(map[string]bool)
	for _, o := range candidates {
		if !o.taken && !o.revocable && o.on.hosts >= f.cfg.HostsPerAgent {
			blocked[o.on.id] = true
		}
	}
	missing := p.budget
	for _, m := range f.order {
		if missing <= 0 {
			return
		}
		if !blocked[m.Agent] || m.State != Open || !f.idlesFor(m, growAfter) {
			continue
		}
		n := f.gain(c, m)
		if n <= 0 {
			continue
		}
		f.close(m, CauseGrow, "a larger host is needed on its agent")
		missing -= n
		delete(blocked, m.Agent)
	}
}
