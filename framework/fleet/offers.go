package fleet

import (
	"maps"
	"math"
	"slices"
	"strconv"
	"time"

	"sluice/queue"
)

const (
	// restFor keeps the rest of an agent away while more hosts could still be placed on it.
	restFor = time.Second
	// maxShapes bounds the kinds of host that are looked for in one Step; others get their turn after the next revive.
	maxShapes = 16
	// maxTogether is how many further classes are looked at to fill a host.
	maxTogether = 16
	// epsilon absorbs rounding of resource amounts, which Mesos keeps to three decimals.
	epsilon = 1e-6
)

// largest is the most that one agent offered so far.
type largest struct {
	slots int
	Resources
}

// spot is where a host could be put: what one agent offers for one role.
type spot struct {
	hostname    string
	attributes  map[string]string
	free        Resources
	unavailable window
	barred      string // the constraint that its agent breaks in any case
}

// candidate is a spot with all the offers that make it.
type candidate struct {
	spot
	on       *agent
	role     string
	offers   []string
	reserved bool
	next     *candidate // of the agent, for another role
	taken    bool
	// Of resources that may be taken back, all but perhaps the memory, and which candidate shares the offers.
	revocable, revocableMem bool
	twin                    *candidate
	// What it holds of the shape that was asked for last.
	asked shape
	holds int
	known bool
}

// grouping is the memory of group: what it gives is good until the next time.
type grouping struct {
	all        []candidate
	candidates []*candidate
	ids        []string // of the first offer of each
}

// takeOffers answers all the offers: with a launch or a decline.
func (f *Fleet) takeOffers(offers []Offer) {
	if !f.up || len(offers) == 0 {
		return // offers of a lost subscription are void
	}
	if f.suppressed && f.now.Sub(f.suppressedAt) >= f.cfg.ReviveEvery {
		f.suppressed = false // the call was lost: it is repeated if it still holds
	}
	candidates := f.group(offers)
	f.tally(candidates)
	decline := f.jitter(f.cfg.DeclineFor, 0.2)
	f.reopen()
	p := *f.ripe(f.plan())
	if f.hold.After(f.now) {
		p = plan{}
	}
	wanting := p.total() > 0
	if wanting {
		f.allocate(&p, candidates, decline)
		f.grow(&p, candidates)
	}
	f.declineRest(&p, wanting, candidates, decline)
}

func (f *Fleet) group(offers []Offer) []*candidate {
	g := &f.grouping
	f.agents.round++
	candidates, all, ids := g.candidates[:0], slices.Grow(g.all[:0], len(offers)), slices.Grow(g.ids[:0], len(offers))
	for i := range offers {
		o := &offers[i]
		f.seeWindow(o)
		a := f.agent(o.Agent)
		first := a.first(f.agents.round)
		c := first
		for c != nil && c.role != o.Role {
			c = c.next
		}
		if c == nil {
			ids = append(ids, o.ID)
			all = all[:len(all)+1]
			c = &all[len(all)-1]
			*c = candidate{} // filled in there: it is large
			c.on, c.role, c.next, c.offers = a, o.Role, first, ids[len(ids)-1:len(ids):len(ids)]
			c.hostname, c.attributes = o.Hostname, o.Attributes
			c.unavailable.from, c.unavailable.until = o.UnavailableFrom, o.UnavailableUntil
			a.newest, a.round = c, f.agents.round
			candidates = append(candidates, c)
		} else {
			c.offers = append(c.offers, o.ID)
		}
		c.free.add(o.Free)
		c.reserved = c.reserved || o.ReservedCPUs > 0
	}
	g.candidates, g.all, g.ids = candidates, all, ids
	ordinary := shape{memMiB: f.cfg.SlotMemMiB}
	for _, c := range candidates {
		if k := f.barredBy(c); k != nil {
			c.barred = k.String()
			continue
		}
		f.largest.slots = max(f.largest.slots, f.room(c, &ordinary))
		l := &f.largest.Resources
		l.CPUs, l.MemMiB, l.DiskMiB, l.GPUs = max(l.CPUs, c.free.CPUs), max(l.MemMiB, c.free.MemMiB), max(l.DiskMiB, c.free.DiskMiB), max(l.GPUs, c.free.GPUs)
	}
	f.noteOffered(candidates)
	return f.spare(candidates, offers)
}

// noteOffered remembers the most that each agent offered for one role, while a job waits that gets no hosts.
func (f *Fleet) noteOffered(candidates []*candidate) {
	if f.first.since.IsZero() || f.now.Sub(f.first.since) < growAfter {
		return
	}
	for _, c := range candidates {
		f.agents.note(c)
	}
}

func (r *Resources) add(o Resources) {
	r.CPUs += o.CPUs
	r.MemMiB += o.MemMiB
	r.DiskMiB += o.DiskMiB
	r.GPUs += o.GPUs
	r.Ports += o.Ports
}

// capacity is how many slots of a shape free resources can hold.
func (f *Fleet) capacity(free *Resources, s *shape) int {
	n, p := math.MaxInt32, f.profile(s.profile)
	if p.MaxHostSlots > 0 {
		n = p.MaxHostSlots
	}
	n = min(n, portions(free.CPUs, p.SlotCPUs), portions(free.MemMiB, float64(s.memMiB)))
	if p.SlotDiskMiB > 0 {
		n = min(n, portions(free.DiskMiB, float64(p.SlotDiskMiB)))
	}
	if p.SlotPorts > 0 {
		n = min(n, free.Ports/p.SlotPorts)
	}
	return s.served(n, free.GPUs)
}

// room is capacity for all of what was offered, which does not change: it is counted anew where another shape is asked for.
func (f *Fleet) room(c *candidate, s *shape) int {
	if !c.known || c.asked != *s {
		c.asked, c.holds, c.known = *s, f.capacity(&c.free, s), true
	}
	return c.holds
}

func portions(have, each float64) int {
	return int(min(math.Floor(have/each+epsilon), math.MaxInt32))
}

// usable says whether a host may be put on the candidate's agent now.
func (f *Fleet) usable(c *candidate) bool {
	return !c.taken && c.barred == "" && !f.near(&c.unavailable) && c.on.hosts < f.cfg.HostsPerAgent && !c.on.until.After(f.now)
}

// allocate launches hosts for the classes in order.
func (f *Fleet) allocate(p *plan, candidates []*candidate, decline time.Duration) {
	type key struct {
		shape
		kept bool // what hosts have made way for is for it
	}
	choices := make(map[key][]tier)
	launches := 0
	for i := range p.classes {
		c := &p.classes[i]
		k := key{c.need, f.held.class == c.kind()}
		for c.left > 0 && p.budget >= c.least() && launches < f.cfg.MaxLaunchesPerStep {
			tiers, ok := choices[k]
			if !ok && len(choices) == maxShapes {
				break
			}
			if !ok {
				tiers = f.tiers(c, candidates)
				choices[k] = tiers
			}
			want := min(c.left, p.budget)
			if c.most > 0 {
				want = min(want, c.most)
			}
			if c.tile > 0 {
				want = min(want, c.tile)
			}
			want = c.within(want, 0)
			want = max(want-want%c.least(), c.least())
			chosen, n := f.choose(candidates, tiers, want, c.least())
			if chosen == nil {
				break
			}
			f.launch(p, i, chosen, min(n, want), decline)
			launches++
		}
	}
}

// tier is candidates that are equally welcome, by rising capacity, then in the order in which they were offered: the
// capacity in the upper, the index in the lower half of each number.
type tier []uint64

const indexBits = 32

func (t tier) capacity(i int) int { return int(t[i] >> indexBits) }

// tiers sorts the candidates for a class: what may be taken back first, as it costs nobody anything, then reserved resources first, then by role, agents whose GPUs would lie idle last.
func (f *Fleet) tiers(class *class, candidates []*candidate) []tier {
	s := class.need
	roles := len(f.cfg.Roles) + 1
	tiers := make([]tier, 1+4*roles)
	for i, c := range candidates {
		wastes := c.free.GPUs > 0 && !s.wantsGPUs()
		n := f.room(c, &s)
		if c.revocable && f.narrow(c, s, n) {
			continue
		}
		if n < 1 || wastes && !f.cfg.GPUAgentsForCPU || !s.allows(c.hostname) || !c.kind(s) || !f.usable(c) || f.keptFrom(class, c) {
			continue
		}
		rank := 0
		if !c.revocable {
			rank = 1 + f.rank(c.role)
			if !c.reserved {
				rank += roles
			}
			if wastes {
				rank += 2 * roles
			}
		}
		if tiers[rank] == nil {
			tiers[rank] = make(tier, 0, len(candidates)-i)
		}
		tiers[rank] = append(tiers[rank], uint64(n)<<indexBits|uint64(i))
	}
	for _, t := range tiers {
		slices.Sort(t)
	}
	return tiers
}

// rank is the place of a role among those that are preferred.
func (f *Fleet) rank(role string) int {
	if i := slices.Index(f.cfg.Roles, role); i >= 0 {
		return i
	}
	return len(f.cfg.Roles)
}

// choose gives the smallest candidate that holds all that is wanted, else the largest that holds a unit.
func (f *Fleet) choose(candidates []*candidate, tiers []tier, want, unit int) (*candidate, int) {
	if len(f.tallies) > 0 {
		return f.chooseSpread(candidates, tiers, want, unit)
	}
	for i, t := range tiers {
		for len(t) > 0 && !f.usable(candidates[uint32(t[len(t)-1])]) {
			t = t[:len(t)-1]
		}
		tiers[i] = t
		at, _ := slices.BinarySearch(t, uint64(want)<<indexBits)
		for ; at < len(t); at++ {
			if c := candidates[uint32(t[at])]; f.usable(c) {
				return c, t.capacity(at)
			}
		}
		if last := len(t) - 1; last >= 0 && t.capacity(last) >= unit {
			return candidates[uint32(t[last])], t.capacity(last) - t.capacity(last)%unit
		}
	}
	return nil, 0
}

// launch puts a host of n slots for the class at i, and what fits beside of the classes after it, on a candidate.
func (f *Fleet) launch(p *plan, i int, c *candidate, n int, decline time.Duration) {
	spec := queue.HostSpec{Name: f.newName(), Elastic: true, Attributes: maps.Clone(c.attributes), Location: c.hostname, Revocable: c.revocable}
	spec.Profile = p.classes[i].need.profile
	kind := f.profile(spec.Profile)
	spec.SlotPorts = kind.SlotPorts
	use := Resources{}
	free := c.free
	take := func(cl *class, n int) {
		part := Resources{
			CPUs: float64(n) * kind.SlotCPUs, MemMiB: float64(n * cl.need.memMiB),
			DiskMiB: float64(n * kind.SlotDiskMiB), GPUs: cl.need.gpusFor(n), Ports: n * kind.SlotPorts,
		}
		use.add(part)
		free.add(Resources{CPUs: -part.CPUs, MemMiB: -part.MemMiB, DiskMiB: -part.DiskMiB, GPUs: -part.GPUs, Ports: -part.Ports})
		spec.Slots += n
		cl.left -= min(n, cl.left)
		p.budget -= n
	}
	take(&p.classes[i], n)
	for j := i + 1; j < min(len(p.classes), i+1+maxTogether) && p.budget > p.classes[i].left && p.classes[i].most == 0; j++ {
		cl := &p.classes[j]
		if cl.most > 0 || !cl.need.allows(c.hostname) || !c.kind(cl.need) || cl.need.profile != spec.Profile {
			continue
		}
		more := cl.within(min(f.capacity(&free, &cl.need), cl.left, p.budget-p.classes[i].left), 0)
		if kind.MaxHostSlots > 0 {
			more = min(more, kind.MaxHostSlots-spec.Slots)
		}
		if more -= more % cl.unit; more > 0 {
			take(cl, more)
		}
	}
	spec.MemMiB, spec.GPUs = int(use.MemMiB), use.GPUs
	if noted := c.on.known(); noted != nil {
		noted.free = free
	}
	h := Host{
		Spec: spec, Agent: c.on.id, Role: c.role, Resources: use, State: Launching, Since: f.now, LaunchedAt: f.now,
		Reason: "offer taken", RevocableMem: c.revocableMem,
	}
	m := f.add(h)
	m.launching = true
	f.wantedSince = f.now
	f.touch(m)
	c.take()
	f.tallies.launched(c)
	refuse := decline
	if p.total() > 0 && c.on.hosts < f.cfg.HostsPerAgent {
		refuse = restFor
	}
	f.refused = true
	f.emit(Launch{Host: h, Offers: slices.Clone(c.offers), Refuse: refuse})
}

// newName makes a name that was never used: names are task ids, and those must be unique for ever.
func (f *Fleet) newName() string {
	for {
		name := f.cfg.HostPrefix + "-" + strconv.FormatUint(f.rng.Uint64()%(1<<40)|1<<40, 36)
		if f.members[name] == nil {
			return name
		}
	}
}

func (f *Fleet) declineRest(p *plan, wanting bool, candidates []*candidate, decline time.Duration) {
	rest := make([]string, 0, len(candidates))
	why, like := whyNothing, 0 // offers that are declined for the same reason
	for _, c := range candidates {
		if c.taken || c.revocable {
			continue // the one that shares its offers answers them
		}
		if wanting {
			if now := f.whyNot(p, c); now != why {
				f.note(why, like)
				why, like = now, 0
			}
		}
		like += len(c.offers)
		if until := c.on.until; until.After(f.now) && until.Sub(f.now) < decline {
			// The agent is to be tried again when its penalty is over.
			f.emit(Decline{Offers: slices.Clone(c.offers), Refuse: until.Sub(f.now)})
			continue
		}
		rest = append(rest, c.offers...)
	}
	f.note(why, like)
	if len(rest) > 0 {
		f.refused = true
		f.emit(Decline{Offers: rest, Refuse: decline})
	}
}
