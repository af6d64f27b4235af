package minimesos

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// allocatorModel drives an allocator at random and knows who holds what.
type allocatorModel struct {
	a       *allocator
	now     time.Time
	totals  map[string]bundle
	held    []allocation
	active  map[string]bool
	muted   map[string]map[string]bool // framework, role: suppressed
	refused []refusedPart
	next    int
}

type refusedPart struct {
	allocation
	until time.Time
}

func newAllocatorModel() *allocatorModel {
	return &allocatorModel{
		a: newAllocator(time.Second), now: time.Unix(1e9, 0), totals: map[string]bundle{}, active: map[string]bool{},
		muted: map[string]map[string]bool{},
	}
}

var modelRoles = []string{"a", "a/b", "c"}

func (m *allocatorModel) addAgent(t *rapid.T) {
	id := fmt.Sprintf("S%d", m.next)
	m.next++
	cfg := AgentConfig{
		CPUs:      float64(rapid.IntRange(1, 8000).Draw(t, "millicpus")) / 1000,
		MemMiB:    float64(rapid.IntRange(0, 4096).Draw(t, "mem")),
		DiskMiB:   10,
		PortFirst: 31000, PortLast: 31000 + rapid.Uint64Range(0, 100).Draw(t, "ports"),
	}
	if rapid.Bool().Draw(t, "reserves") {
		cfg.Reserved = map[string]Reservation{"a": {CPUs: 1, MemMiB: 64}}
	}
	m.totals[id] = agentResources(cfg)
	m.a.addAgent(id, m.totals[id])
}

func (m *allocatorModel) addFramework(t *rapid.T) {
	id := fmt.Sprintf("F%d", m.next)
	m.next++
	roles := rapid.SliceOfNDistinct(rapid.SampledFrom(modelRoles), 1, 3, rapid.ID).Draw(t, "roles")
	m.a.setFramework(id, roles, nil, false)
	m.a.setFrameworkActive(id, true)
	m.active[id], m.muted[id] = true, map[string]bool{}
	for _, r := range modelRoles {
		m.muted[id][r] = !slices.Contains(roles, r)
	}
}

// giveBack returns a part of something held, with or without a refusal.
func (m *allocatorModel) giveBack(t *rapid.T) {
	if len(m.held) == 0 {
		return
	}
	i := rapid.IntRange(0, len(m.held)-1).Draw(t, "which")
	back := m.held[i]
	m.held = slices.Delete(m.held, i, i+1)
	if keep := (bundle{scalarResource("cpus", 0.5)}); rapid.Bool().Draw(t, "part") && back.resources.contains(keep) {
		m.held = append(m.held, allocation{back.framework, back.role, back.agent, keep})
		back.resources = back.resources.minus(keep)
	}
	refusal := time.Duration(rapid.IntRange(0, 5).Draw(t, "refusal")) * time.Second
	m.a.recover(m.now, back, refusal)
	if refusal > 0 && !back.resources.empty() && m.active[back.framework] {
		m.refused = append(m.refused, refusedPart{back, m.now.Add(refusal)})
	}
}

func (m *allocatorModel) revive(t *rapid.T) {
	for id := range m.active {
		if rapid.Bool().Draw(t, "revive") {
			m.a.revive(id, nil)
			m.refused = slices.DeleteFunc(m.refused, func(r refusedPart) bool { return r.framework == id })
		}
	}
}

// allocate runs the allocator and checks what it gives away.
func (m *allocatorModel) allocate(t *rapid.T) {
	m.now = m.now.Add(time.Duration(rapid.IntRange(0, 2000).Draw(t, "elapsed")) * time.Millisecond)
	for _, got := range m.a.allocate(m.now) {
		if !m.active[got.framework] || m.muted[got.framework][got.role] {
			t.Fatalf("%s was offered to %s in role %s, which does not want it", got.agent, got.framework, got.role)
		}
		if foreign := got.resources.minus(got.resources.usableBy(got.role)); !foreign.empty() {
			t.Fatalf("%s got %v, reserved for others", got.role, foreign)
		}
		if !allocatable(got.resources) {
			t.Fatalf("offered too little: %v", got.resources)
		}
		for _, r := range m.refused {
			same := r.framework == got.framework && r.role == got.role && r.agent == got.agent
			if same && m.now.Before(r.until) && r.resources.contains(got.resources) {
				t.Fatalf("%v is offered %v before the refusal of %v ends", got.framework, got.resources, r.resources)
			}
		}
		m.held = append(m.held, got)
	}
}

// check: what is held and what is free is exactly what there is, so nothing is given away twice or lost.
func (m *allocatorModel) check(t *rapid.T) {
	for id, total := range m.totals {
		var sum bundle
		for _, h := range m.held {
			if h.agent != id {
				continue
			}
			for _, r := range h.resources {
				for _, s := range r.spans {
					if i := sum.find(r.resourceKey); i >= 0 && len(cutSpan(sum[i].spans, s)) != len(sum[i].spans) {
						t.Fatalf("ports %v of %s are held twice", s, id)
					}
				}
			}
			sum = sum.plus(h.resources)
		}
		sum = sum.plus(m.a.agents[id].free)
		if !sum.contains(total) || !total.contains(sum) {
			t.Fatalf("%s: held and free make %v of %v", id, sum, total)
		}
	}
}

func TestAllocatorProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := newAllocatorModel()
		t.Repeat(map[string]func(*rapid.T){
			"addAgent":     m.addAgent,
			"addFramework": m.addFramework,
			"giveBack":     m.giveBack,
			"revive":       m.revive,
			"allocate":     m.allocate,
			"":             m.check,
		})
	})
}

// TestAllocatorAlternates: two frameworks that refuse everything for no time get an agent in turn.
func TestAllocatorAlternates(t *testing.T) {
	a := newAllocator(time.Second)
	a.addAgent("S0", agentResources(AgentConfig{CPUs: 4, MemMiB: 64, PortFirst: 1, PortLast: 2}))
	for _, id := range []string{"F0", "F1"} {
		a.setFramework(id, []string{"*"}, nil, false)
		a.setFrameworkActive(id, true)
	}
	now, got := time.Unix(1e9, 0), ""
	for range 6 {
		offers := a.allocate(now)
		if len(offers) != 1 {
			t.Fatalf("%d offers", len(offers))
		}
		got += offers[0].framework + " "
		a.recover(now, offers[0], 0)
	}
	if got != "F0 F1 F0 F1 F0 F1 " {
		t.Errorf("order: %s", got)
	}
}

func TestAllocatorHidesGPUs(t *testing.T) {
	a := newAllocator(time.Second)
	a.addAgent("S0", agentResources(AgentConfig{CPUs: 4, MemMiB: 64, GPUs: 2, PortFirst: 1, PortLast: 2}))
	a.setFramework("plain", []string{"*"}, nil, false)
	a.setFramework("gpus", []string{"*"}, nil, true)
	a.setFrameworkActive("plain", true)
	if got := a.allocate(time.Unix(1e9, 0)); len(got) != 0 {
		t.Errorf("offered to %s", got[0].framework)
	}
	a.setFrameworkActive("gpus", true)
	if got := a.allocate(time.Unix(1e9, 0)); len(got) != 1 || got[0].framework != "gpus" {
		t.Errorf("got %v", got)
	}
}

func BenchmarkAllocate(b *testing.B) {
	a := newAllocator(time.Second)
	for i := range 1000 {
		a.addAgent(fmt.Sprintf("S%d", i), agentResources(AgentConfig{CPUs: 4, MemMiB: 1024, PortFirst: 31000, PortLast: 31999}))
	}
	for i := range 4 {
		id := fmt.Sprintf("F%d", i)
		a.setFramework(id, []string{"*"}, nil, false)
		a.setFrameworkActive(id, true)
	}
	now := time.Unix(1e9, 0)
	for b.Loop() {
		for _, o := range a.allocate(now) {
			a.recover(now, o, 0)
		}
	}
}
