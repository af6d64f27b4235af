package minimesos

import (
	"cmp"
	"slices"
	"time"

	mesos "github.com/mesos/mesos-go/api/v1/lib"
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
// Roles share by dominant share, by their weights, the frameworks of a role likewise; the free part of an agent goes whole to the first
// framework in that order which wants it. What is returned waits for the next call of allocate.
type allocator struct {
	interval   time.Duration // shorter refusals last this long
	agents     map[string]*allocAgent
	order      []string // agents, by age
	frameworks map[string]*allocFramework
	weights    map[string]float64 // of roles; 1 where there is none
}

type allocAgent struct {
	total  bundle
	free   bundle
	active bool
	remote bool // in another region than the master
}

type allocFramework struct {
	active     bool
	gpus       bool // wants agents with GPUs
	revocable  bool // wants resources that may be taken back
	regions    bool // wants agents of other regions
	roles      map[string]bool
	suppressed map[string]bool
	filters    map[filterKey][]filter
	held       map[string]amounts // by role: offered or used
	count      map[string]int     // by role: allocations so far, breaks ties
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
	return &allocator{
		interval: interval, agents: map[string]*allocAgent{}, frameworks: map[string]*allocFramework{}, weights: map[string]float64{},
	}
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
		f = &allocFramework{filters: map[filterKey][]filter{}, held: map[string]amounts{}, count: map[string]int{}}
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

// setAbilities says what else a framework can use.
func (a *allocator) setAbilities(id string, revocable, regions bool) {
	f := a.frameworks[id]
	f.revocable, f.regions = revocable, regions
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
		f.held[role] = f.held[role].add(res, 1)
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
	f.held[back.role] = f.held[back.role].add(back.resources, -1)
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
		if !agent.active {
			continue
		}
		tried := map[candidate]bool{}
		for allocatable(agent.free) {
			c, ok := a.next(tried, capacity)
			if !ok {
				break
			}
			tried[c] = true
			res := agent.free.usableBy(c.role)
			if !a.frameworks[c.framework].revocable {
				res = res.firm()
			}
			if !a.wants(c, id, agent, res) {
				continue
			}
			f := a.frameworks[c.framework]
			agent.free = agent.free.minus(res)
			f.held[c.role] = f.held[c.role].add(res, 1)
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
	if agent.total.scalar("gpus") > 0 && !f.gpus || agent.remote && !f.regions {
		return false
	}
	covers := func(x filter) bool { return x.refused.contains(res) }
	return !slices.ContainsFunc(f.filters[filterKey{c.role, id}], covers)
}

// amounts are thousandths of scalar resources by name.
type amounts map[string]int64

// add adds the scalars of b, sign times, and returns the sum: a is changed, unless it is nil.
func (a amounts) add(b bundle, sign int64) amounts {
	if a == nil {
		a = amounts{}
	}
	for _, r := range b {
		if r.kind == mesos.SCALAR {
			a[r.name] += sign * r.milli
		}
	}
	return a
}

// share is the greatest part of a capacity.
func (a amounts) share(capacity amounts) float64 {
	share := 0.0
	for name, held := range a {
		if total := capacity[name]; total > 0 {
			share = max(share, float64(held)/float64(total))
		}
	}
	return share
}

// candidate is a framework in one of its roles.
type candidate struct{ role, framework string }

// standing is what decides about a candidate's turn, the first difference counting.
type standing struct {
	roleShare float64
	roleCount int
	ownShare  float64
	ownCount  int
	candidate
}

func compareStandings(x, y standing) int {
	return cmp.Or(
		cmp.Compare(x.roleShare, y.roleShare), cmp.Compare(x.roleCount, y.roleCount), cmp.Compare(x.role, y.role),
		cmp.Compare(x.ownShare, y.ownShare), cmp.Compare(x.ownCount, y.ownCount), cmp.Compare(x.framework, y.framework),
	)
}

// next returns the candidate that is next in the order of fairness and has not been tried yet: by the share of the
// role, then by that of the framework within it; ties go to who was given less often, then to the first name.
func (a *allocator) next(tried map[candidate]bool, capacity amounts) (candidate, bool) {
	roleHeld, roleCount := map[string]amounts{}, map[string]int{}
	for _, f := range a.frameworks {
		for role, held := range f.held {
			sum := roleHeld[role]
			if sum == nil {
				sum = amounts{}
				roleHeld[role] = sum
			}
			for name, n := range held {
				sum[name] += n
			}
			roleCount[role] += f.count[role]
		}
	}
	var best standing
	found := false
	for id, f := range a.frameworks {
		for role := range f.roles {
			c := candidate{role, id}
			if !f.active || f.suppressed[role] || tried[c] {
				continue
			}
			s := standing{
				roleHeld[role].share(capacity) / a.weight(role), roleCount[role], f.held[role].share(capacity), f.count[role], c,
			}
			if !found || compareStandings(s, best) < 0 {
				best, found = s, true
			}
		}
	}
	return best.candidate, found
}

func (a *allocator) capacity() amounts {
	sum := amounts{}
	for _, agent := range a.agents {
		sum.add(agent.total, 1)
	}
	return sum
}
