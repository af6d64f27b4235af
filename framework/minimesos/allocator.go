package minimesos

import (
	"cmp"
	"slices"
	"time"
)

// An agent whose free part has neither of these is not offered.
const (
	minAllocatableCPUMilli = 10
	minAllocatableMemMilli = 32000
)

// maxRefusal is the longest time a filter lasts.
const maxRefusal = 365 * 24 * time.Hour

// allocator decides which framework is offered what. It is pure: time is an argument, and the offers are returned.
//
// Roles share by dominant share, the frameworks of a role likewise; the free part of an agent goes whole to the first
// framework in that order which wants it. What is returned waits for the next call of allocate.
type allocator struct {
	interval   time.Duration // shorter refusals last this long
	agents     map[string]*allocAgent
	order      []string // agents, by age
	frameworks map[string]*allocFramework
}

type allocAgent struct {
	total  bundle
	free   bundle
	active bool
}

type allocFramework struct {
	active     bool
	gpus       bool // wants agents with GPUs
	roles      map[string]bool
	suppressed map[string]bool
	filters    map[filterKey][]filter
	held       map[string]bundle // by role: offered or used
	count      map[string]int    // by role: allocations so far, breaks ties
}

type filterKey struct{ role, agent string }

// filter hides an agent from a framework until it expires, unless more is free there than was refused.
type filter struct {
	refused bundle
	expires time.Time
}

type allocation struct {
	framework, role, agent string
	resources              bundle
}

func newAllocator(interval time.Duration) *allocator {
	return &allocator{interval: interval, agents: map[string]*allocAgent{}, frameworks: map[string]*allocFramework{}}
}

func (a *allocator) addAgent(id string, total bundle) {
	a.agents[id] = &allocAgent{total: total, free: total, active: true}
	a.order = append(a.order, id)
}

func (a *allocator) removeAgent(id string) {
	delete(a.agents, id)
	a.order = slices.DeleteFunc(a.order, func(o string) bool { return o == id })
	for _, f := range a.frameworks {
		for key := range f.filters {
			if key.agent == id {
				delete(f.filters, key)
			}
		}
	}
}

func (a *allocator) setAgentActive(id string, active bool) {
	if agent := a.agents[id]; agent != nil {
		agent.active = active
	}
}

// setFramework adds a framework or changes its roles; suppression becomes exactly the given one.
func (a *allocator) setFramework(id string, roles, suppressed []string, gpus bool) {
	f := a.frameworks[id]
	if f == nil {
		f = &allocFramework{filters: map[filterKey][]filter{}, held: map[string]bundle{}, count: map[string]int{}}
		a.frameworks[id] = f
	}
	f.gpus, f.roles, f.suppressed = gpus, map[string]bool{}, map[string]bool{}
	for _, r := range roles {
		f.roles[r] = true
	}
	for _, r := range suppressed {
		f.suppressed[r] = true
	}
	for key := range f.filters {
		if !f.roles[key.role] {
			delete(f.filters, key)
		}
	}
}

// setFrameworkActive lets a framework take part or not. Its filters are forgotten either way.
func (a *allocator) setFrameworkActive(id string, active bool) {
	if f := a.frameworks[id]; f != nil {
		f.active = active
		clear(f.filters)
	}
}

func (a *allocator) removeFramework(id string) { delete(a.frameworks, id) }

// suppress and revive act on the given roles that the framework has, or on all of its roles when none is given.
func (a *allocator) suppress(id string, roles []string) {
	if f := a.frameworks[id]; f != nil {
		for _, role := range f.chosen(roles) {
			f.suppressed[role] = true
		}
	}
}

func (a *allocator) revive(id string, roles []string) {
	f := a.frameworks[id]
	if f == nil {
		return
	}
	for _, role := range f.chosen(roles) {
		delete(f.suppressed, role)
		for key := range f.filters {
			if key.role == role {
				delete(f.filters, key)
			}
		}
	}
}

func (f *allocFramework) chosen(roles []string) []string {
	var out []string
	for role := range f.roles {
		if len(roles) == 0 || slices.Contains(roles, role) {
			out = append(out, role)
		}
	}
	return out
}

// charge takes resources of an agent for a framework without an offer: tasks that a master learns of from an agent.
func (a *allocator) charge(framework, role, agent string, res bundle) {
	if g := a.agents[agent]; g != nil {
		g.free = g.free.minus(res)
	}
	if f := a.frameworks[framework]; f != nil {
		f.held[role] = f.held[role].plus(res)
	}
}

// recover returns resources. A positive refusal installs a filter that lasts at least one interval.
func (a *allocator) recover(now time.Time, back allocation, refusal time.Duration) {
	if back.resources.empty() {
		return
	}
	if g := a.agents[back.agent]; g != nil {
		g.free = g.free.plus(back.resources)
	}
	f := a.frameworks[back.framework]
	if f == nil {
		return
	}
	f.held[back.role] = f.held[back.role].minus(back.resources)
	if refusal > 0 && f.roles[back.role] && a.agents[back.agent] != nil {
		key := filterKey{back.role, back.agent}
		expires := now.Add(min(max(refusal, a.interval), maxRefusal))
		f.filters[key] = append(f.filters[key], filter{back.resources, expires})
	}
}

// allocate gives away what is free and wanted.
func (a *allocator) allocate(now time.Time) []allocation {
	var out []allocation
	a.expireFilters(now)
	capacity := a.capacity()
	for _, id := range a.order {
		agent := a.agents[id]
		if !agent.active || !allocatable(agent.free) {
			continue
		}
		tried := map[candidate]bool{}
		for {
			c, ok := a.next(tried, capacity)
			if !ok {
				break
			}
			tried[c] = true
			res := agent.free.usableBy(c.role)
			if !a.wants(c, id, agent, res) {
				continue
			}
			f := a.frameworks[c.framework]
			agent.free = agent.free.minus(res)
			f.held[c.role] = f.held[c.role].plus(res)
			f.count[c.role]++
			out = append(out, allocation{c.framework, c.role, id, res})
		}
	}
	return out
}

func (a *allocator) expireFilters(now time.Time) {
	for _, f := range a.frameworks {
		for key, list := range f.filters {
			list = slices.DeleteFunc(list, func(x filter) bool { return !x.expires.After(now) })
			if f.filters[key] = list; len(list) == 0 {
				delete(f.filters, key)
			}
		}
	}
}

func allocatable(res bundle) bool {
	return res.scalar("cpus") >= minAllocatableCPUMilli || res.scalar("mem") >= minAllocatableMemMilli
}

func (a *allocator) wants(c candidate, id string, agent *allocAgent, res bundle) bool {
	if !allocatable(res) {
		return false
	}
	f := a.frameworks[c.framework]
	if agent.total.scalar("gpus") > 0 && !f.gpus {
		return false
	}
	covers := func(x filter) bool { return x.refused.contains(res) }
	return !slices.ContainsFunc(f.filters[filterKey{c.role, id}], covers)
}

// candidate is a framework in one of its roles.
type candidate struct{ role, framework string }

// next returns the candidate that is next in the order of fairness and has not been tried yet: by the share of the
// role, then by that of the framework within it; ties go to who was given less often, then to the first name.
func (a *allocator) next(tried map[candidate]bool, capacity map[string]int64) (candidate, bool) {
	roleHeld, roleCount := map[string]bundle{}, map[string]int{}
	var candidates []candidate
	for id, f := range a.frameworks {
		for role, held := range f.held {
			roleHeld[role] = roleHeld[role].plus(held)
			roleCount[role] += f.count[role]
		}
		for role := range f.roles {
			c := candidate{role, id}
			if f.active && !f.suppressed[role] && !tried[c] {
				candidates = append(candidates, c)
			}
		}
	}
	if len(candidates) == 0 {
		return candidate{}, false
	}
	return slices.MinFunc(candidates, func(x, y candidate) int {
		fx, fy := a.frameworks[x.framework], a.frameworks[y.framework]
		if x.role != y.role {
			return cmp.Or(
				cmp.Compare(dominantShare(roleHeld[x.role], capacity), dominantShare(roleHeld[y.role], capacity)),
				cmp.Compare(roleCount[x.role], roleCount[y.role]),
				cmp.Compare(x.role, y.role))
		}
		return cmp.Or(
			cmp.Compare(dominantShare(fx.held[x.role], capacity), dominantShare(fy.held[y.role], capacity)),
			cmp.Compare(fx.count[x.role], fy.count[y.role]),
			cmp.Compare(x.framework, y.framework))
	}), true
}

func (a *allocator) capacity() map[string]int64 {
	sum := map[string]int64{}
	for _, agent := range a.agents {
		for _, r := range agent.total {
			sum[r.name] += r.milli
		}
	}
	return sum
}

func dominantShare(held bundle, capacity map[string]int64) float64 {
	share := 0.0
	for _, r := range held {
		if total := capacity[r.name]; total > 0 {
			share = max(share, float64(held.scalar(r.name))/float64(total))
		}
	}
	return share
}
