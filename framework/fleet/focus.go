package fleet

import (
	"cmp"
	"slices"
	"time"

	"sluice/queue"
)

const (
	// gatherEvery is between two looks at what keeps the focus from being served.
	gatherEvery = 5 * time.Second
	// maxPatience is the most of it, see patience.
	maxPatience = 4 * time.Minute
	// vainMax is for how long a class that was gathered for in vain makes way for others, at most.
	vainMax = 8 * time.Hour
	maxVain = 1000
)

// focus is the class that hosts are gathered for: the first that can not start on what is free, of those that are not vain.
type focus struct {
	class class // its kind
	jobs  int
	lacks int             // the fewest slots that one of its jobs has lacked, were all hosts empty
	since time.Time       // when that was, or one of its jobs started
	next  time.Time       // look
	swept int             // how often all idle hosts have made way
	tried map[string]bool // agents where others have made way: once is enough to see whether that helps
}

// vain is a class that was gathered for without success, while others had to wait. Its jobs may need what no agent has, or what others
// hold.
type vain struct {
	until time.Time // before that nothing is taken for it
	times int
}

// kind is what stays of a class when its jobs come and go.
func (c *class) kind() class {
	k := c.ofOne()
	k.left = 0
	return k
}

// demand is what the pending jobs need, without those of vain classes; these leave room within limits for those behind them.
func (f *Fleet) demand() []queue.Demand {
	all := f.snap.Demand[:min(len(f.snap.Demand), maxClasses)]
	if len(f.vain) == 0 && !slices.ContainsFunc(all, func(d queue.Demand) bool { return d.Behind }) {
		return all
	}
	passed := slices.ContainsFunc(all, f.isVain)
	left := make([]queue.Demand, 0, len(all))
	for _, d := range all {
		if !f.isVain(d) && (passed || !d.Behind) {
			left = append(left, d)
		}
	}
	return left
}

func (f *Fleet) isVain(d queue.Demand) bool {
	if len(f.vain) == 0 {
		return false
	}
	c := f.classOf(&d)
	return f.vain[c.kind()].until.After(f.now)
}

// nextNeed is the slots of the first pending job that is not vain.
func (f *Fleet) nextNeed() int {
	for _, d := range f.demand() {
		return d.Slots
	}
	return 0
}

// patience is how long the focus may lack hosts before others make way for it.
func (f *Fleet) patience() time.Duration {
	return backoff(time.Minute, f.vain[f.focus.class].times, maxPatience)
}

// turn is for how long hosts are gathered for the focus while others wait.
func (f *Fleet) turn() time.Duration { return 4*f.patience() + f.cfg.ReviveMax }

// gather finds out whether the focus waits only for jobs to end, or for hosts that it will never get as long as those that are there
// stay: first idle ones make way for it, then others, and when that was in vain, it makes way for the class after it.
func (f *Fleet) gather(p *plan) {
	if p.first.unit == 0 {
		f.focus = focus{}
		if !slices.ContainsFunc(f.snap.Demand, func(d queue.Demand) bool { return !f.isVain(d) }) {
			f.relent()
		}
		return
	}
	o := &f.focus
	kind := p.first.kind()
	if kind != o.class {
		*o = focus{class: kind, lacks: p.first.job, since: f.now}
	}
	switch {
	case p.futile:
		o.since = f.now
	case p.jobs < o.jobs:
		o.since = f.now
		delete(f.vain, kind)
	}
	o.jobs = p.jobs
	if f.now.Sub(o.since) < f.patience() || o.next.After(f.now) {
		return
	}
	o.next = f.now.Add(gatherEvery)
	missing, busy := p.first.ofOne(), false
	for _, m := range f.order {
		if f.counts(m) {
			busy = busy || m.view.Used > 0
			missing.left -= missing.fit(&room{m: m, slots: m.Spec.Slots, empty: true})
			if missing.left <= 0 {
				break
			}
		}
	}
	if missing.left < o.lacks || missing.left <= 0 && busy {
		o.since, o.lacks, o.swept = f.now, min(o.lacks, missing.left), 0
		clear(o.tried)
		return
	}
	stuck := f.now.Sub(o.since)
	if missing.left <= 0 {
		missing.left = p.first.job // it seems to fit, but does not start
	}
	if f.held.expects(kind, f.now) {
		return // what makes way is of use only when it is gone
	}
	hopes := f.reclaim(missing, stuck)
	if stuck >= f.turn() || stuck >= 2*f.patience() && !hopes {
		f.giveWay(kind)
	}
}

// giveWay makes the focus vain, if others wait. If they all are vain, it is their turn again.
func (f *Fleet) giveWay(kind class) {
	waits := func(d queue.Demand) bool {
		c := f.classOf(&d)
		return c.kind() != kind
	}
	if !slices.ContainsFunc(f.snap.Demand, waits) {
		return
	}
	if !slices.ContainsFunc(f.snap.Demand, func(d queue.Demand) bool { return waits(d) && !f.isVain(d) }) {
		f.relent()
	}
	if f.vain == nil || len(f.vain) >= maxVain {
		f.vain = make(map[class]vain)
	}
	// Until then each of the others can have had as long a turn.
	turns := min(len(f.snap.Demand), maxClasses) + 1
	v := f.vain[kind]
	v.until = f.now.Add(min(time.Duration(turns)*f.turn(), vainMax))
	v.times++
	f.vain[kind] = v
	f.focus, f.held = focus{}, held{}
	f.counted.planned = false
}

// relent gives those that made way another chance when nobody else waits.
func (f *Fleet) relent() {
	for kind, v := range f.vain {
		if v.until = (time.Time{}); len(f.snap.Demand) > 0 {
			f.vain[kind] = v
		} else {
			delete(f.vain, kind)
		}
	}
	f.counted.planned = false
}

// yard is an agent, as far as it is known: hosts there, and what it offered beside.
type yard struct {
	agent   string
	members []*member
	gain    int // slots of the focus that one host could hold in place of these, beyond what they could
	busy    bool
	fixed   bool // some can not be closed now
}

// reclaim closes hosts on agents that could hold more of the focus without them: at first only idle ones. Then, as little may be known of
// the agents, all idle ones that the focus can not use whole, and at last all idle ones. It reports whether anything is of use to the
// focus.
func (f *Fleet) reclaim(missing class, stuck time.Duration) bool {
	lacks, of := missing.left, missing.ofOne()
	if of.job > f.goal {
		return false
	}
	hopes := missing.left < of.left
	yards := f.yards(missing)
	enough := 0
	for _, y := range yards {
		enough += max(y.gain, 0)
	}
	need := lacks
	if of.tile > 0 {
		need -= need % of.unit // for the rest there may be a smaller host
	}
	busyToo := stuck >= 2*f.patience() && enough >= need
	slices.SortStableFunc(yards, func(a, b *yard) int {
		if a.busy != b.busy {
			if a.busy {
				return 1
			}
			return -1
		}
		return cmp.Compare(b.gain, a.gain)
	})
	for _, y := range yards {
		hopes = hopes || y.gain > 0 && !f.focus.tried[y.agent]
		if lacks > 0 && y.gain > 0 && !y.fixed && (busyToo || !y.busy) && !f.focus.tried[y.agent] {
			f.focus.try(y.agent)
			lacks -= y.gain
			f.keepAgent(missing, y.agent)
			f.closeAll(y.members)
		}
	}
	if stuck < time.Duration(2+f.focus.swept)*f.patience() || f.focus.swept == 2 {
		return hopes
	}
	f.focus.swept++
	for _, m := range f.order {
		if m.State == Open && f.idlesFor(m, growAfter) && (f.focus.swept == 2 || of.fit(&room{m: m, slots: m.Spec.Slots, empty: true}) < m.Spec.Slots) {
			hopes = true
			f.keepFor(missing)
			f.closeAll([]*member{m})
		}
	}
	return hopes
}

func (o *focus) try(agent string) {
	if o.tried == nil {
		o.tried = make(map[string]bool)
	}
	o.tried[agent] = true
}

func (f *Fleet) closeAll(hosts []*member) {
	for _, m := range hosts {
		if m.State != Open {
			continue
		}
		f.close(m, CauseGrow, "a job that waits needs another host on its agent")
	}
}

// yards are the agents with hosts, and what one job of a class could have there.
func (f *Fleet) yards(c class) []*yard {
	var yards []*yard
	at := make(map[string]*yard)
	for _, m := range f.order {
		if m.State == Gone {
			continue
		}
		y := at[m.Agent]
		if y == nil {
			y = &yard{agent: m.Agent}
			at[m.Agent] = y
			yards = append(yards, y)
		}
		y.add(f, m)
	}
	for _, y := range yards {
		y.gain = f.gain(c, y.members...)
	}
	return append(yards, f.barredYards(c)...)
}

// barredYards are agents without hosts, each with the hosts elsewhere because of which constraints bar it.
func (f *Fleet) barredYards(c class) (yards []*yard) {
	f.tally(nil)
	if len(f.tallies) == 0 {
		return nil
	}
	noted := slices.SortedFunc(slices.Values(f.agents.noted), func(a, b *agent) int { return cmp.Compare(a.id, b.id) })
	for _, a := range noted {
		o := a.known()
		if a.hosts > 0 || o.barred != "" || f.near(&o.unavailable) || f.tallies.against(o) == nil {
			continue
		}
		y := &yard{agent: a.id}
		for _, m := range f.order {
			if m.State != Gone && f.tallies.same(o, m.Spec.Location, m.Spec.Attributes) {
				y.add(f, m)
			}
		}
		y.gain = f.slotsOn(o, c) - f.use(c, y.members...)
		yards = append(yards, y)
	}
	return yards
}

func (y *yard) add(f *Fleet, m *member) {
	y.members = append(y.members, m)
	y.busy = y.busy || m.view.Used > 0
	y.fixed = y.fixed || m.State != Open || !m.seen || m.view.Used == 0 && !f.idlesFor(m, growAfter)
}

// gain is how many more slots of one job of a class one host could hold in place of some on its agent.
func (f *Fleet) gain(c class, hosts ...*member) int {
	agent := spot{hostname: hosts[0].Spec.Location}
	if o := f.agents.byID[hosts[0].Agent].known(); o != nil {
		agent.free = o.free
	}
	for _, m := range hosts {
		r := m.Resources
		if m.Spec.Revocable {
			r.CPUs = 0
		}
		agent.free.add(r)
	}
	return f.slotsOn(&agent, c) - f.use(c, hosts...)
}

// use is how many slots of one job of a class hosts could hold, were they empty.
func (f *Fleet) use(c class, hosts ...*member) (use int) {
	c = c.ofOne()
	for _, m := range hosts {
		if f.counts(m) {
			use += c.fit(&room{m: m, slots: m.Spec.Slots, empty: true})
		}
	}
	return use
}

// slotsOn is how many slots of one job of a class one host could hold with all that an agent has.
func (f *Fleet) slotsOn(agent *spot, c class) int {
	if c = c.ofOne(); !c.need.allows(agent.hostname) || agent.free.GPUs > 0 && !c.need.wantsGPUs() && !f.cfg.GPUAgentsForCPU {
		return 0
	}
	n := c.within(min(f.capacity(&agent.free, &c.need), c.left), 0)
	if c.tile > 0 {
		n = min(n, c.tile)
	}
	if n < c.left {
		n -= n % c.unit
	}
	return n
}
