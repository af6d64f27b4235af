package fleet

import (
	"slices"
	"time"

	"sluice/queue"
)

// maxClasses bounds the classes of demand that are looked at; later ones wait until earlier ones are served.
const maxClasses = 1000

// class is what is still missing for one class of demand.
type class struct {
	need shape
	unit int // slots that must be on one host; 1 = any
	left int // slots missing
	job  int // slots of each job
	// tile is how many slots of one host are of use, because each job takes only so many there and the goal allows only so many jobs;
	// 0 = as many as it has.
	tile int
	// most is the slots of a job that tolerates no other on its hosts: more on one host would lie idle; 0 = no matter.
	most int
	// limit is how many slots of one host jobs of its queue may hold at once; 0 = all.
	limit int
}

// shape is what a slot needs of its host.
type shape struct {
	memMiB, gpus int
	hostGPUs     int // for each job on the host, that has at most so many slots there
	hostShare    int
	hosts        string
	rerunnable   bool   // may be on resources that can be taken back
	profile      string // kind of host
}

func (s *shape) wantsGPUs() bool { return s.gpus > 0 || s.hostGPUs > 0 }

// gpusFor is how many GPUs so many slots need.
func (s *shape) gpusFor(slots int) int {
	if s.hostGPUs == 0 {
		return slots * s.gpus
	}
	return (slots + s.hostShare - 1) / s.hostShare * s.hostGPUs
}

// served is slots, or as many of them as there are GPUs for.
func (s *shape) served(slots, gpus int) int {
	switch {
	case s.hostGPUs > 0:
		return min(slots, gpus/s.hostGPUs*s.hostShare)
	case s.gpus > 0:
		return min(slots, gpus/s.gpus)
	}
	return slots
}

func (f *Fleet) classOf(d *queue.Demand) class {
	c := class{
		need: shape{
			memMiB: max(d.Need.MemMiB, f.profile(d.Need.Profile).SlotMemMiB), gpus: d.Need.GPUs, hosts: d.Need.Hosts,
			rerunnable: d.Need.Rerunnable && f.cfg.Revocable, profile: d.Need.Profile,
		},
		unit: 1,
		job:  max(d.Slots, 1), limit: d.Need.HostLimit,
		left: max(d.Slots, 1) * max(d.Count, 0),
	}
	if d.Need.Exclusive {
		c.most = max(d.Slots, 1)
	}
	if d.Need.OneHost {
		c.unit = max(d.Slots, 1)
	}
	if each := d.Need.PerHost; each > 0 {
		c.unit, c.tile = min(each, c.job), each*max(min(d.Count, f.goal/c.job), 1)
	}
	if n := d.Need.HostGPUs; n > 0 {
		c.need.hostGPUs, c.need.hostShare = n, c.job
		if c.tile > 0 {
			c.need.hostShare = c.unit
		}
	}
	return c
}

// least is how many slots must be on the next host: a unit, or what is left of a job that is spread evenly.
func (c *class) least() int {
	if c.tile > 0 && c.left > 0 {
		return min(c.unit, c.left)
	}
	return c.unit
}

// plan is what may be taken now.
type plan struct {
	budget  int     // slots up to the goal, but for those withheld
	futile  bool    // all that the goal allows would start nothing yet
	first   class   // what is missing for the first job that can not start on free slots; no unit = for none
	jobs    int     // of its class
	classes []class // what is missing and may be taken, in order
}

// total is the slots that would be taken if they were offered.
func (p *plan) total() int {
	sum := 0
	for _, c := range p.classes {
		if c.least() <= p.budget {
			sum += c.left
		}
		if sum >= p.budget {
			return p.budget
		}
	}
	return sum
}

// plan sets the demand against the free slots of the supply, once for each census. What is launched by it voids it: who goes on with
// it then takes a copy first.
func (f *Fleet) plan() *plan {
	if !f.fresh() {
		return &plan{}
	}
	c := f.census()
	if !c.planned {
		f.setAgainst(&c.plan, c.supply, c.free)
		c.planned = true
	}
	return &c.plan
}

// setAgainst makes a plan that sets the demand against a supply with free slots.
func (f *Fleet) setAgainst(p *plan, supply int, free []room) {
	*p = plan{budget: f.goal - supply, futile: f.futile(supply, free)}
	if p.futile {
		p.budget = max(f.floor, min(supply, f.goal)) - supply
	}
	free = slices.Clone(free)
	missing := 0
	demand := f.demand()
	for i := range demand {
		d := &demand[i]
		c := f.classOf(d)
		rest := f.restOf(&c, free, p.first.unit != 0)
		free = c.settle(free)
		if c.left > 0 && p.first.unit == 0 {
			p.first, p.jobs = c, d.Count
			if p.budget <= 0 {
				return
			}
			if rest.left > 0 {
				p.classes = append(p.classes, rest)
			}
		}
		if c.left > 0 {
			p.classes = append(p.classes, c)
			missing += c.left
		}
		if missing >= p.budget && len(p.classes) > 1 {
			break
		}
		if p.first.unit != 0 && f.holds(&p.first) {
			return
		}
	}
	if p.budget <= 0 {
		return
	}
	if warm := f.floor - supply - missing; warm > 0 {
		p.classes = append(p.classes, class{need: shape{memMiB: f.cfg.SlotMemMiB}, unit: 1, left: warm})
	}
	if first := p.heldFor(f); first > 0 {
		p.classes = p.classes[:first]
	}
}

// heldFor is 1 when all of the budget must be left to the first class: its jobs do not fit into what is left of the goal,
// and taking slots for others would keep it so. A job that no agent seen so far could hold does not block others.
func (p *plan) heldFor(f *Fleet) int {
	if len(p.classes) == 0 || p.classes[0].least() <= p.budget || p.classes[0].least() > f.goal || !f.plausible(p.classes[0]) {
		return 0
	}
	return 1
}

// futile says that slots up to the goal would lie idle, because the first pending job could not start even with all of
// them: too many are in use by others, and no later job may pass. They are better left with Mesos until enough have become
// free. Not so where Mesos had less to give than the goal: then what can be had is gathered.
func (f *Fleet) futile(supply int, free []room) bool {
	if len(f.snap.Demand) == 0 || f.scarceUntil.After(f.now) {
		return false
	}
	d := &f.snap.Demand[0]
	if f.isVain(*d) {
		return false
	}
	if !d.Strict || d.Need.OneHost || d.Need.PerHost > 0 || d.Need.Exclusive || d.Need.HostLimit > 0 || d.Need.Hosts != "" || d.Need.WantsGPUs() {
		return false
	}
	c := f.classOf(d)
	usable := max(0, f.goal-supply)
	for i := range free {
		if free[i].empty || c.suits(free[i].m) {
			usable += free[i].slots // or it can make way
		}
	}
	return usable < d.Slots && d.Slots <= f.goal
}

// scarceAfter is how long slots must have been wanted in vain to count as scarce, and scarceFor for how long they do.
const (
	scarceAfter = time.Minute
	scarceFor   = time.Hour
)

// noteScarcity follows for how long slots have been wanted without any launch.
func (f *Fleet) noteScarcity(p *plan) {
	switch {
	case p.total() == 0:
		f.wantedSince = time.Time{}
	case f.wantedSince.IsZero():
		f.wantedSince = f.now
	case f.now.Sub(f.wantedSince) >= scarceAfter:
		f.scarceUntil = f.now.Add(scarceFor)
		f.counted.planned = false
	}
}

// room is what is free on a host of the supply.
type room struct {
	m     *member
	slots int
	empty bool
}

func roomOf(m *member) room {
	return room{m: m, slots: m.Spec.Slots - m.view.Used, empty: m.view.Used == 0}
}

// ofOne is what is missing for one job of the class on no host at all.
func (c *class) ofOne() class {
	one := *c
	one.left = c.job
	if c.tile > 0 {
		one.tile = c.unit
	}
	return one
}

// restOf is what one job of a class that is spread evenly still lacks, if that is only a host for its rest: that may be a smaller one. For
// the focus, hosts that others use count, too: they are its own in the end.
func (f *Fleet) restOf(c *class, free []room, later bool) class {
	if c.tile == 0 || later {
		return class{}
	}
	one := c.ofOne()
	if one.settle(slices.Clone(free)); one.left >= one.unit && one.kind() == f.focus.class && f.now.Sub(f.focus.since) >= f.patience() {
		one = c.ofOne()
		for _, m := range f.order {
			if f.counts(m) && one.left > 0 {
				one.left -= one.fit(&room{m: m, slots: m.Spec.Slots, empty: true})
			}
		}
	}
	if one.left <= 0 || one.left >= one.unit {
		return class{}
	}
	return one
}

// settle takes the slots of the class's jobs out of free and gives what is left of free.
func (c *class) settle(free []room) []room {
	used := false
	for i := range free {
		r := &free[i]
		if c.left <= 0 {
			break
		}
		n := c.fit(r)
		if n == 0 {
			continue
		}
		c.left -= min(n, c.left)
		r.slots -= n
		if c.most > 0 {
			r.slots = 0
		}
		r.empty = false
		used = used || r.slots <= 0
	}
	if !used {
		return free
	}
	return slices.DeleteFunc(free, func(r room) bool { return r.slots <= 0 })
}

// fit is how many slots of the class r can hold now.
func (c *class) fit(r *room) int {
	if c.most > 0 && !r.empty || !c.suits(r.m) {
		return 0
	}
	used := r.m.view.Used
	if r.empty {
		used = 0 // or thought to be
	}
	n := c.within(min(r.slots, c.left), used)
	if c.most > 0 {
		n = min(n, c.most)
	}
	// The snapshot does not tell the free memory and GPUs: each used slot is taken to use its share.
	if perSlot := r.m.Spec.MemMiB / max(r.m.Spec.Slots, 1); c.need.memMiB > perSlot {
		n = min(n, r.slots*perSlot/c.need.memMiB)
	}
	n = c.need.served(n, r.m.Spec.GPUs*r.slots/max(r.m.Spec.Slots, 1))
	if c.tile > 0 {
		n = min(n, c.tile)
	}
	if n == c.left {
		return n // what is left of a job that is spread evenly may be less than a unit
	}
	return n - n%c.unit
}

// within is n slots, or as many as the limit of the class's queue leaves of a host of which so many are used. Whose these are the
// snapshot does not tell. But if they were another queue's, no job that could use the host would pend.
func (c *class) within(n, used int) int {
	if c.limit == 0 {
		return n
	}
	return min(n, max(c.limit-used, 0))
}

// suits says whether an empty host could run a job of the class.
func (c *class) suits(m *member) bool {
	s := &m.Spec
	return s.Slots >= c.least() && s.MemMiB >= c.least()*c.need.memMiB && s.GPUs >= c.need.gpusFor(c.least()) &&
		c.need.allows(s.Name, s.Location) && (!s.Revocable || c.need.rerunnable) && s.Profile == c.need.profile
}

// allows says whether a host of one of the names may be used.
func (s *shape) allows(names ...string) bool {
	return s.hosts == "" || queue.HostsAllow(s.hosts, names...)
}

// useless says that no pending job could run on m, though some are pending.
func (f *Fleet) useless(m *member) bool {
	demand := f.demand()
	for i := range demand {
		if c := f.classOf(&demand[i]); c.suits(m) {
			return false
		}
	}
	return len(demand) > 0
}

// first is the class that waits at the head, and since when.
type first struct {
	class class
	since time.Time
}

func (f *Fleet) noteFirst(p *plan) {
	if p.first.unit == 0 {
		f.first = first{}
		return
	}
	c := p.first.kind()
	if c != f.first.class || f.first.since.IsZero() {
		f.first = first{class: c, since: f.now}
	}
}
