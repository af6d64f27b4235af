package fleet

import (
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"sluice/queue"
)

// act lets one thing happen in the world.
func (w *world) act() {
	type action struct {
		weight int
		do     func()
	}
	actions := []action{
		{6, func() { w.pass(time.Duration(w.between(1, 20)) * time.Second); w.step(Tick{}) }},
		{8, w.poll},
		{10, w.deliverSnapshot},
		{12, w.offer},
		{12, w.batch},
		{12, w.update},
		{6, w.progress},
		{6, w.submit},
		{8, w.dispatch},
		{6, w.finish},
		{1, func() { w.disconnected(); w.step(Connection{}) }},
		{4, func() {
			if !w.connected {
				w.connect()
			}
		}},
		{1, func() {
			for _, m := range w.fleet.order {
				if w.chance(2) {
					w.step(Drain{Host: m.Name()})
					return
				}
			}
		}},
		{1, w.flipAgent},
		{1, w.maintenance},
		{1, w.rescind},
		{1, w.fail},
		{2, func() { w.goal = w.between(0, 12) }},
		{1, func() {
			w.crashes++
			if w.survives() {
				w.crashes--
			}
		}},
	}
	sum := 0
	for _, a := range actions {
		sum += a.weight
	}
	n := w.between(0, sum-1)
	for _, a := range actions {
		if n -= a.weight; n < 0 {
			a.do()
			return
		}
	}
}

func (w *world) poll() {
	w.pass(0)
	s := queue.Snapshot{At: w.now, Demand: slices.Clone(w.pending)}
	for _, name := range slices.Sorted(maps.Keys(w.hosts)) {
		s.Hosts = append(s.Hosts, *w.hosts[name])
	}
	w.snapshots = append(w.snapshots, s)
}

func (w *world) deliverSnapshot() {
	if len(w.snapshots) == 0 {
		return
	}
	s := w.snapshots[0]
	w.snapshots = w.snapshots[1:]
	w.step(Goal{Slots: w.goal, Floor: w.floor, Snapshot: s})
}

// offer offers what is free, as Mesos would.
func (w *world) offer() {
	if !w.connected || w.suppressed {
		return
	}
	held := map[string]bool{}
	for _, o := range w.offers {
		held[o.Agent] = true
	}
	var batch Offers
	for _, id := range slices.Sorted(maps.Keys(w.agents)) {
		a := w.agents[id]
		if !a.up || held[id] || w.filters[id].After(w.now) {
			continue
		}
		free := Resources{CPUs: a.total.CPUs - a.used.CPUs, MemMiB: a.total.MemMiB - a.used.MemMiB, GPUs: a.total.GPUs - a.used.GPUs}
		if free.CPUs < 0.01 && free.MemMiB < 32 {
			continue
		}
		parts := w.between(1, 2)
		for i := range parts {
			w.offerCount++
			part := Resources{CPUs: free.CPUs / float64(parts), MemMiB: free.MemMiB / float64(parts)}
			spare := Resources{}
			if i == 0 {
				part.GPUs = free.GPUs
				spare.CPUs = a.spare
			}
			role := pick(w, []string{"a", "a", "b"})
			o := Offer{ID: fmt.Sprintf("O%d", w.offerCount), Agent: id, Hostname: a.hostname, Role: role, Free: part, Revocable: spare, Attributes: map[string]string{"rack": a.rack}}
			w.offers[o.ID] = o
			batch = append(batch, o)
		}
	}
	if len(batch) > 0 {
		w.step(batch)
	}
}

// maintenance plans one of an agent, or cancels one.
func (w *world) maintenance() {
	if !w.connected {
		return
	}
	if w.inverse > 0 && w.chance(3) {
		w.step(RescindInverse{ID: fmt.Sprintf("I%d", w.between(1, w.inverse))})
		return
	}
	w.inverse++
	o := InverseOffer{ID: fmt.Sprintf("I%d", w.inverse), Agent: fmt.Sprintf("S%d", w.between(0, len(w.agents)-1))}
	o.From = w.now.Add(time.Duration(w.between(-60, 3*3600)) * time.Second)
	if w.chance(2) {
		o.Until = o.From.Add(time.Hour)
	}
	w.asked[o.ID] = o
	w.step(InverseOffers{o})
}

func (w *world) rescind() {
	for _, id := range slices.Sorted(maps.Keys(w.offers)) {
		delete(w.offers, id)
		return
	}
}

// update delivers an update, not always the oldest, and now and then one twice.
func (w *world) update() {
	if !w.connected || len(w.updates) == 0 {
		return
	}
	i := w.between(0, min(len(w.updates)-1, 2))
	u := w.updates[i]
	// Updates of one task keep their order.
	for j := range i {
		if w.updates[j].Task == u.Task {
			i, u = j, w.updates[j]
			break
		}
	}
	if !w.chance(10) {
		w.updates = slices.Delete(w.updates, i, i+1)
	}
	w.step(u)
}

// progress moves a task or its host on.
func (w *world) progress() {
	for _, name := range w.someOf(slices.Sorted(maps.Keys(w.tasks))) {
		t := w.tasks[name]
		h := w.hosts[name]
		switch {
		case t.state == TaskStaging && w.agents[t.agent].up:
			t.state = TaskRunning
			w.updates = append(w.updates, Update{Task: name, Agent: t.agent, State: TaskRunning})
		case t.state == TaskRunning && h != nil && h.Status != queue.HostOK:
			h.Status, h.IdleSince, h.LostAt = queue.HostOK, w.now, time.Time{}
		}
	}
}

func (w *world) someOf(names []string) []string {
	if len(names) == 0 {
		return nil
	}
	return names[w.between(0, len(names)-1):]
}

func (w *world) submit() {
	d := queue.Demand{Slots: w.between(1, 4), Count: 1}
	d.Need.OneHost = w.chance(2)
	if d.Need.GPUs = pick(w, []int{0, 0, 0, 0, 1}); d.Need.GPUs == 0 {
		d.Need.HostGPUs = pick(w, []int{0, 0, 0, 0, 1})
	}
	d.Need.MemMiB = pick(w, []int{0, 0, 0, 1024})
	d.Need.Exclusive = w.chance(8)
	d.Need.Rerunnable = w.chance(3)
	w.pending = append(w.pending, d)
}

// dispatch starts a pending job on some open host.
func (w *world) dispatch() {
	for _, name := range w.someOf(slices.Sorted(maps.Keys(w.hosts))) {
		h := w.hosts[name]
		for i, d := range w.pending {
			if h.Revocable && !d.Need.Rerunnable {
				continue
			}
			if h.Status == queue.HostOK && h.Closed == 0 && h.Slots-h.Used >= d.Slots && h.GPUs >= d.Need.GPUsFor(d.Slots) {
				h.Used += d.Slots
				h.IdleSince = time.Time{}
				w.pending = slices.Delete(w.pending, i, i+1)
				return
			}
		}
	}
}

func (w *world) finish() {
	for _, name := range w.someOf(slices.Sorted(maps.Keys(w.hosts))) {
		if h := w.hosts[name]; h.Used > 0 {
			h.Used, h.IdleSince = 0, w.now
			return
		}
	}
}

func (w *world) flipAgent() {
	for _, id := range w.someOf(slices.Sorted(maps.Keys(w.agents))) {
		a := w.agents[id]
		a.up = !a.up
		if !a.up && w.chance(2) {
			w.step(AgentLost{Agent: id})
		}
		for _, name := range slices.Sorted(maps.Keys(w.tasks)) {
			t := w.tasks[name]
			if t.agent != id || t.state.ended() {
				continue
			}
			state := t.state
			if !a.up {
				state = TaskUnreachable
			}
			w.updates = append(w.updates, Update{Task: name, Agent: id, State: state})
			if h := w.hosts[name]; h != nil && !a.up && h.Status == queue.HostOK {
				h.Status, h.LostAt = queue.HostUnavailable, w.now
			}
		}
		return
	}
}

// fail ends a task by itself. Its jobs are lost with it, which is not the fleet's doing.
func (w *world) fail() {
	for _, name := range w.someOf(slices.Sorted(maps.Keys(w.tasks))) {
		if t := w.tasks[name]; !t.state.ended() && w.agents[t.agent].up {
			w.end(name, TaskFailed)
			if h := w.hosts[name]; h != nil {
				h.Used = 0
			}
			return
		}
	}
}

// settle lets the world come to rest without demand: all must be given back.
func (w *world) settle() {
	w.goal, w.floor, w.pending, w.crashes = 0, 0, nil, 0
	for _, a := range w.agents {
		a.up = true
	}
	for range 400 {
		w.pass(w.cfg.ForgetAfter / 100)
		if !w.connected {
			w.connect()
		}
		for _, h := range w.hosts {
			if h.Used > 0 {
				h.Used, h.IdleSince = 0, w.now
			}
		}
		w.poll()
		for len(w.snapshots) > 0 {
			w.deliverSnapshot()
		}
		w.step(Tick{})
		for len(w.ops) > 0 {
			w.batch()
		}
		w.progress()
		for len(w.updates) > 0 {
			w.update()
		}
		if len(w.fleet.order) == 0 && len(w.hosts) == 0 && len(w.stored) == 0 {
			break
		}
	}
	for name, t := range w.tasks {
		if !t.state.ended() {
			w.Errorf("task %s is left, %v", name, t.state)
		}
	}
	for _, m := range w.fleet.order {
		w.Errorf("host %s is left: %+v, view %+v, missing %d", m.Name(), m.Host, m.view, m.missing)
	}
	if len(w.hosts) > 0 || len(w.stored) > 0 {
		w.Errorf("left in the batch system: %v, stored: %v", w.hosts, w.stored)
	}
}

// TestFleetInvariants drives random worlds with crashes between any two effects and checks every decision: never more
// than the goal, no offer held, one agent and role per launch, no job killed, drains cancelled first, suppressed when
// nothing is wanted, revived rarely; and that in the end all is given back and nothing is left behind.
func TestFleetInvariants(t *testing.T) {
	launches, reopens := 0, 0
	rapid.Check(t, func(t *rapid.T) {
		cfg := Config{
			HostsPerAgent: rapid.IntRange(1, 2).Draw(t, "hosts per agent"),
			MaxHostSlots:  rapid.SampledFrom([]int{0, 0, 3}).Draw(t, "max host slots"),
			SlotCPUs:      rapid.SampledFrom([]float64{1, 0.5}).Draw(t, "slot cpus"),
			Revocable:     rapid.Bool().Draw(t, "revocable"),
			Constraints: mustConstraints(t, rapid.SampledFrom([][]string{
				nil, nil, nil, {"rack:NOT_IN:c"}, {"rack:UNIQUE"}, {"rack:MAX_PER:2"}, {"rack:GROUP_BY"}, {"rack:NOT_IN:c", "rack:GROUP_BY"},
			}).Draw(t, "constraints")...),
			HostTTL:     rapid.SampledFrom([]time.Duration{0, 0, 10 * time.Minute}).Draw(t, "host ttl"),
			DemandDelay: rapid.SampledFrom([]time.Duration{0, 0, 10 * time.Second}).Draw(t, "demand delay"),
			IdleTimeout: 30 * time.Second, JoinTimeout: 45 * time.Second, UnreachableAfter: 40 * time.Second,
		}
		w := newWorld(t, cfg)
		w.floor = pick(w, []int{0, 0, 2})
		w.connect()
		for range w.between(20, 500) {
			w.act()
		}
		w.settle()
		launches += w.launches
		reopens += w.reopens
	})
	if launches == 0 || reopens == 0 {
		t.Errorf("the worlds were too dull: %d launches, %d reopened", launches, reopens)
	}
}
