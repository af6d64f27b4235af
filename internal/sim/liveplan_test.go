package sim_test

import (
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"sluice/controller"
	"sluice/framework/fleet"
	"sluice/queue"
)

// livePlan is all that a seed decides about a world: the cluster, the settings and the jobs.
type livePlan struct {
	agents  []*liveAgent
	fleet   fleet.Config
	control controller.Config
	queue   queue.Config
	jobs    []*liveJob
	spread  string   // operator of the constraint that spreads hosts over racks; "" = none
	barred  string   // rack that a constraint bars; "" = none
	perRack int      // hosts of a rack that spread allows for certain
	preempt int      // hosts that are taken back
	large   *liveJob // that must not starve; nil = none
}

// liveAgent is an agent. All of its offers are of one role.
type liveAgent struct {
	id, hostname, role string
	rack               string
	total, used        fleet.Resources
	spare              float64   // CPUs that may be taken back
	from, until        time.Time // of its maintenance
	told, down         bool
	refused            fleet.Resources // what was refused,
	refusedSpare       float64
	refusedUntil       time.Time // until then
}

// liveJob is a job and how long each of its elements runs.
type liveJob struct {
	spec   queue.Spec
	at     time.Duration
	run    time.Duration
	after  *liveJob // that must have ended before
	can    bool     // an empty cluster could run it, for certain
	number int64
	open   int // elements that have not ended
}

var liveStart = time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)

const liveSlotMem = 512

// plan makes a world. All its numbers are small: what waits for ever waits so among few.
func plan(rng *rand.Rand) *livePlan {
	p := &livePlan{}
	p.settings(rng)
	p.cluster(rng)
	p.queues(rng)
	last := time.Duration(0)
	for range 1 + rng.IntN(14) {
		if rng.IntN(3) > 0 {
			last += time.Duration(rng.IntN(240)) * time.Second
		}
		p.add(p.job(rng), last)
	}
	return p
}

func one[T any](rng *rand.Rand, from ...T) T { return from[rng.IntN(len(from))] }

func (p *livePlan) settings(rng *rand.Rand) {
	c := controller.DefaultConfig()
	c.Target = math.Round(1000*0.1*math.Pow(150, rng.Float64())) / 1000
	c.MinSlots = one(rng, 0, 0, 0, 2, 5)
	c.MaxSlots = one(rng, 0, 0, 6, 10)
	c.MaxStep = one(rng, 0, 0, 2)
	c.Quantum = one(rng, 0, 0, 4)
	c.ScaleInDelay = one(rng, time.Second, 30*time.Second)
	p.control = c
	p.fleet = fleet.Config{
		HostPrefix: "h", SlotCPUs: one(rng, 1, 1, 0.5), SlotMemMiB: liveSlotMem,
		MaxHostSlots: one(rng, 0, 0, 3), HostsPerAgent: one(rng, 1, 1, 2), GPUAgentsForCPU: one(rng, true, false),
		Revocable: one(rng, true, false), MaintenanceLead: 5 * time.Minute,
		HostTTL: one(rng, 0, 0, 0, 8*time.Minute), DemandDelay: one(rng, 0, 0, 10*time.Second), MaxDisruption: one(rng, 0.25, 1),
		Roles: one(rng, nil, []string{"a", "b"}), IdleTimeout: one(rng, 10*time.Second, time.Minute, 5*time.Minute),
		Profiles: map[string]fleet.Profile{"fat": {SlotCPUs: 2, SlotMemMiB: 1024}, "tiny": {MaxHostSlots: 2}},
	}
	switch rng.IntN(8) {
	case 0:
		p.spread, p.perRack = "rack:UNIQUE", 1
	case 1:
		p.spread, p.perRack = "rack:MAX_PER:2", 2
	case 2:
		p.spread, p.perRack = "rack:GROUP_BY", 1
	}
	if rng.IntN(6) == 0 {
		p.barred = "c"
	}
	var texts []string
	if p.spread != "" {
		texts = append(texts, p.spread)
	}
	if p.barred != "" {
		texts = append(texts, "rack:NOT_IN:"+p.barred)
	}
	for _, text := range texts {
		k, err := fleet.ParseConstraint(text)
		if err != nil {
			panic(err)
		}
		p.fleet.Constraints = append(p.fleet.Constraints, k)
	}
}

func (p *livePlan) cluster(rng *rand.Rand) {
	for i := range 1 + rng.IntN(5) {
		a := &liveAgent{id: fmt.Sprintf("S%d", i), hostname: fmt.Sprintf("node%d.example", i), role: one(rng, "a", "b"), rack: one(rng, "a", "b", "c")}
		a.total = fleet.Resources{CPUs: float64(1 + rng.IntN(8)), MemMiB: 512 * float64(1+rng.IntN(16)), DiskMiB: 10000}
		a.total.GPUs = one(rng, 0, 0, 0, 2, 4)
		if p.fleet.Revocable {
			a.spare = one(rng, 0.0, 0, 3)
		}
		if rng.IntN(5) == 0 {
			a.from = liveStart.Add(time.Duration(rng.IntN(3600)) * time.Second)
			a.until = a.from.Add(time.Duration(60+rng.IntN(600)) * time.Second)
		}
		p.agents = append(p.agents, a)
	}
	if p.fleet.Revocable {
		p.preempt = rng.IntN(3)
	}
}

func (p *livePlan) queues(rng *rand.Rand) {
	p.queue = queue.Config{
		Backfill: one(rng, true, false), ReserveFor: one(rng, 0, 30*time.Second, 100*24*time.Hour), KeepFinished: 1000 * time.Hour,
		Queues: []queue.QueueSpec{
			{Name: "normal", Priority: 30, Default: true},
			{Name: "high", Priority: 40, MaxSlots: one(rng, 0, 4)},
			{Name: "fat", Priority: 30, Profile: "fat"},
			{Name: "tiny", Priority: 35, Profile: "tiny"},
			{Name: "low", Priority: 20, UserSlots: one(rng, 0, 3), HostSlots: one(rng, 0, 0, 2), Terms: queue.Terms{Rerunnable: true}},
		},
		Users: []queue.UserSpec{{Name: "ann", MaxSlots: one(rng, 0, 5)}},
	}
}

// add finds out whether the cluster could run a job, and takes it.
func (p *livePlan) add(j *liveJob, at time.Duration) {
	j.at, j.open = at, 1
	if a := j.spec.Array; a != nil {
		j.open = a.Len()
	}
	j.can = p.could(&j.spec) && (j.after == nil || j.after.can)
	p.jobs = append(p.jobs, j)
}

func (p *livePlan) job(rng *rand.Rand) *liveJob {
	s := queue.Spec{
		Command: ":", User: one(rng, "ann", "bob"), Queue: one(rng, "normal", "normal", "normal", "high", "fat", "tiny", "low"),
		Priority: one(rng, 0, 0, 1), Rerunnable: one(rng, true, false),
	}
	s.MinSlots = 1 + rng.IntN(one(rng, 1, 3, 9))
	s.MaxSlots = s.MinSlots + one(rng, 0, 0, 0, 3)
	switch rng.IntN(5) {
	case 0:
		s.Need.OneHost = true
	case 1:
		s.Need.PerHost = 1 + rng.IntN(4)
	}
	s.Need.Exclusive = rng.IntN(6) == 0
	s.Need.MemMiB = one(rng, 0, 0, 0, 0, 700, 1024, 3000)
	s.Need.GPUs = one(rng, 0, 0, 0, 0, 0, 1)
	if s.Need.GPUs == 0 {
		s.Need.HostGPUs = one(rng, 0, 0, 0, 0, 0, 1)
	}
	switch rng.IntN(30) {
	case 0:
		s.Need.GPUs, s.Need.HostGPUs = 3, 0
	case 1:
		s.Need.MemMiB = 1 << 20
	case 2:
		s.Need.Hosts = "nowhere"
	case 3:
		s.MinSlots, s.MaxSlots = 1000, 1000
	case 4, 5, 6:
		s.Need.Hosts = one(rng, p.agents...).hostname
	}
	j := &liveJob{run: time.Duration(math.Pow(300, rng.Float64())) * time.Second}
	if p.queue.Backfill && rng.IntN(2) == 0 {
		s.RunLimit = j.run + time.Duration(rng.IntN(600))*time.Second
	}
	if rng.IntN(5) == 0 {
		s.Array = &queue.Array{Ranges: []queue.Range{{First: 1, Last: 1 + rng.IntN(8), Step: 1}}, Limit: one(rng, 0, 0, 2)}
	}
	if len(p.jobs) > 0 && rng.IntN(5) == 0 {
		j.after = one(rng, p.jobs...)
	}
	j.spec = s
	return j
}

// could says that an empty cluster can run a job for certain, as it is when no maintenance is: one host on each agent, of the hosts
// that a constraint may let it have the worst.
func (p *livePlan) could(s *queue.Spec) bool {
	q := p.queue.Queues[slices.IndexFunc(p.queue.Queues, func(q queue.QueueSpec) bool { return q.Name == s.Queue })]
	limits := []int{p.control.MaxSlots, q.MaxSlots, q.UserSlots}
	if s.User == p.queue.Users[0].Name {
		limits = append(limits, p.queue.Users[0].MaxSlots)
	}
	for _, most := range limits {
		if most > 0 && s.MinSlots > most {
			return false
		}
	}
	byRack := map[string][]int{}
	best := 0
	for _, a := range p.agents {
		n := p.holds(a, s, q.Profile)
		if q.HostSlots > 0 {
			n = min(n, q.HostSlots)
		}
		if n > 0 {
			byRack[a.rack] = append(byRack[a.rack], n)
			best = max(best, n)
		}
	}
	n, each := s.MinSlots, s.Need.PerHost
	if s.Need.OneHost || each >= n {
		return best >= n
	}
	var hosts []int
	for _, rack := range slices.Sorted(maps.Keys(byRack)) {
		in := byRack[rack]
		if slices.Sort(in); p.perRack > 0 {
			in = in[:min(len(in), max(1, p.perRack/p.fleet.HostsPerAgent))] // others of them may be on one agent
		}
		hosts = append(hosts, in...)
	}
	if each == 0 {
		for _, h := range hosts {
			n -= h
		}
		return n <= 0
	}
	slices.SortFunc(hosts, func(a, b int) int { return b - a })
	full, rest := n/each, n%each
	if len(hosts) < full || hosts[full-1] < each {
		return false
	}
	return rest == 0 || len(hosts) > full && hosts[full] >= rest
}

// holds is how many slots of a job the largest host on an agent can have.
func (p *livePlan) holds(a *liveAgent, s *queue.Spec, profile string) int {
	if a.rack == p.barred || s.Need.Hosts != "" && s.Need.Hosts != a.hostname || a.total.GPUs > 0 && !s.Need.WantsGPUs() && !p.fleet.GPUAgentsForCPU {
		return 0
	}
	kind := p.fleet.Profiles[profile]
	cpus, mem, most := p.fleet.SlotCPUs, liveSlotMem, p.fleet.MaxHostSlots
	if kind.SlotCPUs > 0 {
		cpus = kind.SlotCPUs
	}
	if kind.SlotMemMiB > 0 {
		mem = kind.SlotMemMiB
	}
	if kind.MaxHostSlots > 0 {
		most = kind.MaxHostSlots
	}
	n := min(int(a.total.CPUs/cpus), int(a.total.MemMiB)/max(mem, s.Need.MemMiB))
	if most > 0 {
		n = min(n, most)
	}
	if s.Need.GPUs > 0 {
		n = min(n, a.total.GPUs/s.Need.GPUs)
	}
	if s.Need.HostGPUs > a.total.GPUs {
		return 0
	}
	return n
}

// String tells of a world, for people who look for what is wrong.
func (p *livePlan) String() string {
	var b strings.Builder
	for _, a := range p.agents {
		fmt.Fprintf(&b, "%s %s rack %s role %s: %+v, %v to be taken back", a.id, a.hostname, a.rack, a.role, a.total, a.spare)
		if !a.from.IsZero() {
			fmt.Fprintf(&b, ", maintenance from %v for %v", a.from.Sub(liveStart), a.until.Sub(a.from))
		}
		b.WriteString("\n")
	}
	c := p.control
	fmt.Fprintf(&b, "target %v, slots %d to %d, step %d, quantum %d, scale-in %v\n", c.Target, c.MinSlots, c.MaxSlots, c.MaxStep, c.Quantum, c.ScaleInDelay)
	f := p.fleet
	fmt.Fprintf(&b, "slot cpus %v, host slots %d, hosts per agent %d, gpu agents %t, revocable %t, ttl %v, delay %v, disruption %v, idle %v, constraints %v\n",
		f.SlotCPUs, f.MaxHostSlots, f.HostsPerAgent, f.GPUAgentsForCPU, f.Revocable, f.HostTTL, f.DemandDelay, f.MaxDisruption, f.IdleTimeout, f.Constraints)
	fmt.Fprintf(&b, "backfill %t, reserve %v", p.queue.Backfill, p.queue.ReserveFor)
	for _, q := range p.queue.Queues {
		if q.MaxSlots > 0 || q.UserSlots > 0 || q.HostSlots > 0 {
			fmt.Fprintf(&b, ", %s: %d slots, %d of a user, %d on a host", q.Name, q.MaxSlots, q.UserSlots, q.HostSlots)
		}
	}
	fmt.Fprintf(&b, ", ann: %d slots\n", p.queue.Users[0].MaxSlots)
	for i, j := range p.jobs {
		s := j.spec
		fmt.Fprintf(&b, "job %d at %v runs %v: %s/%s, %d to %d slots, %+v, limit %v, priority %d, rerunnable %t, could %t", i+1, j.at, j.run, s.User, s.Queue, s.MinSlots, s.MaxSlots, s.Need, s.RunLimit, s.Priority, s.Rerunnable, j.can)
		if s.Array != nil {
			fmt.Fprintf(&b, ", %d elements, %d at once", s.Array.Len(), s.Array.Limit)
		}
		if j.after != nil {
			fmt.Fprintf(&b, ", after %d", slices.Index(p.jobs, j.after)+1)
		}
		b.WriteString("\n")
	}
	return b.String()
}
