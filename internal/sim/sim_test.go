package sim

import (
	"errors"
	"fmt"
	"math"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"sluice/controller"
)

const second = time.Second

func cluster(t testing.TB, slots, perHost int) Config {
	t.Helper()
	agents, err := UniformAgents(slots, perHost)
	if err != nil {
		t.Fatal(err)
	}
	return Config{
		Agents: agents, HostsPerAgent: perHost, JoinDelay: 15 * second, IdleTimeout: 60 * second, Period: second, Target: 0.3,
	}
}

func pidPolicy(t testing.TB, change func(*controller.Config)) Policy {
	t.Helper()
	cfg := controller.DefaultConfig()
	if change != nil {
		change(&cfg)
	}
	p, err := NewPID("pid", cfg)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func run(t testing.TB, cfg Config, jobs []Job, p Policy, observe func(Sample)) Result {
	t.Helper()
	r, err := Run(cfg, jobs, p, observe)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// One job alone, by hand: submitted at 10 s, decided on at 10 s, joined 15 s
// later, released when the run is over.
func TestOneJobByHand(t *testing.T) {
	r := run(t, cluster(t, 16, 8), []Job{{Submit: 10 * second, Run: 100 * second, Slots: 3}}, pidPolicy(t, nil), nil)
	want := Result{
		Policy: "pid", Target: 0.3, Jobs: 1, MeanWait: 15, P95Wait: 15, MeanBoundedSlowdown: 1.15, WaitPerRun: 0.15,
		Makespan: 115, UsedSlotSeconds: 300, AllocatedSlotSeconds: 345, OverAllocation: 0.15,
		Launches: 1, OffersAccepted: 1, OffersDeclined: 1, IAE: 15 * (0.3 / 1.3) / 115, Settling: -1,
	}
	r.ReversalsPerHour, want.ReversalsPerHour = 0, 0
	if diff := cmp.Diff(want, r, cmp.Comparer(func(a, b float64) bool { return math.Abs(a-b) < 1e-9 })); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestSameSeedSameTrace(t *testing.T) {
	jobs := poisson(t, 500, 2*second, 100*second, 4, 7)
	trace := func() (samples []Sample, r Result) {
		r = run(t, cluster(t, 128, 8), jobs, pidPolicy(t, nil), func(s Sample) { samples = append(samples, s) })
		return samples, r
	}
	a, ra := trace()
	b, rb := trace()
	if diff := cmp.Diff(ra, rb); diff != "" {
		t.Errorf("results differ:\n%s", diff)
	}
	if diff := cmp.Diff(a, b); diff != "" {
		t.Errorf("traces differ:\n%s", diff)
	}
}

// Whatever the workload, the cluster and the policy: every job ends once, no
// more is used than allocated, no more allocated than there is.
func TestBooksBalance(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		slots := rapid.IntRange(1, 64).Draw(rt, "slots")
		perHost := rapid.IntRange(1, 8).Draw(rt, "perHost")
		cfg := cluster(t, slots, perHost)
		cfg.JoinDelay = time.Duration(rapid.IntRange(0, 30).Draw(rt, "join")) * second
		cfg.Hoard = rapid.Bool().Draw(rt, "hoard")
		cfg.Backfill = rapid.Bool().Draw(rt, "backfill")
		var jobs []Job
		var at time.Duration
		used := 0.0
		for range rapid.IntRange(1, 40).Draw(rt, "jobs") {
			at += time.Duration(rapid.IntRange(0, 100_000).Draw(rt, "gap")) * time.Millisecond
			j := Job{
				Submit: at, Run: time.Duration(rapid.IntRange(1, 200_000).Draw(rt, "run")) * time.Millisecond,
				Slots: rapid.IntRange(1, slots).Draw(rt, "need"),
			}
			jobs = append(jobs, j)
			used += j.Run.Seconds() * float64(j.Slots)
		}
		policies := []Policy{
			NewGreedy(slots), NewStatic(slots), NewHPA(0.3, perHost),
			pidPolicy(t, func(c *controller.Config) { c.MaxSlots, c.Quantum = slots, perHost }), pidPolicy(t, nil),
		}
		r, err := Run(cfg, jobs, rapid.SampledFrom(policies).Draw(rt, "policy"), func(s Sample) {
			if s.Allocated > slots || s.Supply > slots || s.Running > s.Allocated {
				rt.Fatalf("on a cluster of %d: %+v", slots, s)
			}
		})
		if err != nil {
			rt.Fatal(err)
		}
		if r.Jobs != len(jobs) || math.Abs(r.UsedSlotSeconds-used) > 1e-6*used || r.AllocatedSlotSeconds < r.UsedSlotSeconds {
			rt.Fatalf("%d of %d jobs ended, %v slot-seconds of %v, %v allocated", r.Jobs, len(jobs), r.UsedSlotSeconds, used, r.AllocatedSlotSeconds)
		}
	})
}

// poisson is a stationary stream of jobs with exponential run times.
func poisson(t testing.TB, n int, gap, mean time.Duration, slots int, seed uint64) []Job {
	t.Helper()
	jobs, err := Stream{Jobs: n, Gap: gap, Run: mean, MaxSlots: slots, Seed: seed}.Generate()
	if err != nil {
		t.Fatal(err)
	}
	return jobs
}

// Little's law, measured: the slot-weighted wait per run is 1/τ.
func TestPromiseOfSlowdown(t *testing.T) {
	for _, target := range []float64{0.3, 1, 3} {
		t.Run(fmt.Sprint(target), func(t *testing.T) {
			cfg := cluster(t, 2048, 8)
			cfg.Target = target
			r := run(t, cfg, poisson(t, 20_000, 3*second, 600*second, 1, 1), pidPolicy(t, func(c *controller.Config) { c.Target, c.Quantum = target, 8 }), nil)
			if promise := 1 / target; math.Abs(r.WaitPerRun/promise-1) > 0.15 {
				t.Errorf("wait per run %.3f, promised %.3f", r.WaitPerRun, promise)
			}
		})
	}
}

// 0 → 1,000 jobs with a join delay of 60 s: no overshoot over the steady need,
// and the ratio is there one join delay later.
func TestStepInDemand(t *testing.T) {
	cfg := cluster(t, 2000, 8)
	cfg.JoinDelay = 60 * second
	cfg.Until = 1000 * second
	jobs := make([]Job, 1000)
	for i := range jobs {
		jobs[i] = Job{Submit: second, Run: 3000 * second, Slots: 1}
	}
	r := run(t, cfg, jobs, pidPolicy(t, nil), nil)
	if r.Overshoot > 0.05 {
		t.Errorf("overshoot %.3f", r.Overshoot)
	}
	if bound := 3 * (60 + 1.0); r.Settling < 0 || r.Settling > bound {
		t.Errorf("settled after %v s, want at most %v s", r.Settling, bound)
	}
}

// Bursts of demand: one reversal of the goal per edge at most.
func TestSquareWave(t *testing.T) {
	var jobs []Job
	for edge := range 4 {
		for range 400 {
			jobs = append(jobs, Job{Submit: time.Duration(edge) * 4000 * second, Run: 200 * second, Slots: 1})
		}
	}
	goal, direction, reversals := 0, 0, 0
	run(t, cluster(t, 800, 8), jobs, pidPolicy(t, nil), func(s Sample) {
		switch d := s.Goal - goal; {
		case d > 0 && direction < 0, d < 0 && direction > 0:
			reversals++
			fallthrough
		case d != 0:
			direction = d
		}
		goal = s.Goal
	})
	if edges := 8; reversals > edges {
		t.Errorf("%d reversals at %d edges", reversals, edges)
	}
}

// Other frameworks hold the cluster for an hour and then let go.
func TestSaturatedClusterThenFree(t *testing.T) {
	cfg := cluster(t, 800, 8)
	cfg.Until = 4000 * second
	cfg.Outages = []Outage{{From: 0, To: 3600 * second, Free: 2}}
	jobs := make([]Job, 1000)
	for i := range jobs {
		jobs[i] = Job{Submit: second, Run: 10_000 * second, Slots: 1}
	}
	var during, after Sample
	run(t, cfg, jobs, pidPolicy(t, nil), func(s Sample) {
		switch s.At {
		case 3599 * second:
			during = s
		case 3605 * second:
			after = s
		}
	})
	if during.Supply != 16 {
		t.Errorf("supply %d while 2 agents of 8 slots were free", during.Supply)
	}
	if steady := 1000 * 0.3 / 1.3; math.Abs(float64(after.Goal)-steady) > 0.1*steady {
		t.Errorf("goal %d five periods after the cluster was freed, want about %.0f", after.Goal, steady)
	}
	if after.Supply < after.Goal-8 {
		t.Errorf("supply %d of %d five periods after the cluster was freed", after.Supply, after.Goal)
	}
}

// A backlog that a steady stream feeds, on hosts of one to four slots: as in
// `sluice local`.
func TestSteadyBacklogKeepsTheRatio(t *testing.T) {
	cfg := cluster(t, 64, 4)
	cfg.JoinDelay, cfg.IdleTimeout = 300*time.Millisecond, 10*second
	near, all := 0, 0
	run(t, cfg, poisson(t, 3000, 150*time.Millisecond, 3*second, 1, 3), pidPolicy(t, nil), func(s Sample) {
		if s.At < 120*second || s.Pending == 0 || s.At > 400*second {
			return
		}
		all++
		if ratio := float64(s.Running) / float64(s.Pending); math.Abs(ratio-0.3) <= 0.06 {
			near++
		}
	})
	if all < 200 || float64(near) < 0.8*float64(all) {
		t.Errorf("running/pending was within a fifth of 0.3 for %d of %d seconds", near, all)
	}
}

func TestRefusedSimulations(t *testing.T) {
	good := cluster(t, 16, 8)
	job := Job{Run: second, Slots: 1}
	for name, tc := range map[string]struct {
		change func(*Config)
		jobs   []Job
	}{
		"no agents":    {func(c *Config) { c.Agents = nil }, []Job{job}},
		"empty agent":  {func(c *Config) { c.Agents = []int{0} }, []Job{job}},
		"no period":    {func(c *Config) { c.Period = 0 }, []Job{job}},
		"no target":    {func(c *Config) { c.Target = math.NaN() }, []Job{job}},
		"past":         {func(c *Config) { c.JoinDelay = -1 }, []Job{job}},
		"bad outage":   {func(c *Config) { c.Outages = []Outage{{From: 2, To: 1}} }, []Job{job}},
		"large job":    {nil, []Job{{Run: second, Slots: 17}}},
		"endless job":  {nil, []Job{{Run: maxSpan + 1, Slots: 1}}},
		"no run time":  {nil, []Job{{Slots: 1}}},
		"out of order": {nil, []Job{{Submit: 1, Run: 1, Slots: 1}, {Run: 1, Slots: 1}}},
	} {
		cfg := good
		if tc.change != nil {
			tc.change(&cfg)
		}
		if _, err := Run(cfg, tc.jobs, NewGreedy(16), nil); !errors.Is(err, ErrConfig) {
			t.Errorf("%s: error %v", name, err)
		}
	}
	if _, err := UniformAgents(0, 8); !errors.Is(err, ErrConfig) {
		t.Errorf("no slots: %v", err)
	}
}

// A static goal that is too small for a job never ends: that is an error, not a hang.
func TestStarvingPolicyIsAnError(t *testing.T) {
	_, err := Run(cluster(t, 16, 8), []Job{{Run: second, Slots: 16}}, NewStatic(8), nil)
	if !errors.Is(err, ErrConfig) {
		t.Errorf("error %v", err)
	}
}

func ExampleRun() {
	agents, err := UniformAgents(64, 8)
	if err != nil {
		fmt.Println(err)
		return
	}
	policy, err := NewPID("pid", controller.DefaultConfig())
	if err != nil {
		fmt.Println(err)
		return
	}
	jobs, err := Stream{Jobs: 100, Run: 60 * second}.Burst()
	if err != nil {
		fmt.Println(err)
		return
	}
	r, err := Run(Config{Agents: agents, JoinDelay: 10 * second, IdleTimeout: 60 * second, Period: second, Target: 0.3}, jobs, policy, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("%d jobs, %d hosts launched, overshoot %.2f\n", r.Jobs, r.Launches, r.Overshoot)
	// Output:
	// 100 jobs, 3 hosts launched, overshoot 0.00
}

// A cluster of unequal agents, which others take from time to time, hosts that take long at random, and jobs as large as the
// cluster: every job ends, nothing is held twice, and the same seed gives the same run.
func TestRoughCluster(t *testing.T) {
	jobs, err := Lublin{Jobs: 300, Slots: 96, Kind: LublinBatch, Rate: 4, Seed: 5}.Generate()
	if err != nil {
		t.Fatal(err)
	}
	cfg := Config{
		Agents: append(slices.Repeat([]int{4}, 8), 32, 32), HostsPerAgent: 32, JoinDelay: 15 * second, JoinSpread: 4,
		IdleTimeout: 60 * second, Seed: 3, Period: second, Target: 0.3, Others: Others{Share: 0.4, Duty: 0.5, Period: 2 * time.Hour},
	}
	for _, policy := range []func() Policy{
		func() Policy { return pidPolicy(t, func(c *controller.Config) { c.MaxSlots = 96 }) },
		func() Policy { return NewGreedy(96) },
	} {
		var results [2]Result
		for i := range results {
			p := policy()
			cfg.Hoard = p.Name() == "greedy"
			results[i] = run(t, cfg, jobs, p, func(s Sample) {
				if s.Allocated > 96 || s.Running > s.Allocated {
					t.Fatalf("%s: %d slots held and %d running on 96", p.Name(), s.Allocated, s.Running)
				}
			})
		}
		if results[0].Jobs != len(jobs) || !reflect.DeepEqual(results[0], results[1]) {
			t.Errorf("%+v and %+v", results[0], results[1])
		}
	}
	for name, change := range map[string]func(*Config){
		"spread": func(c *Config) { c.JoinSpread = 0.5 }, "share": func(c *Config) { c.Others.Share = 2 }, "period": func(c *Config) { c.Others.Period = 0 },
	} {
		bad := cfg
		change(&bad)
		if _, err := Run(bad, jobs, NewGreedy(96), nil); !errors.Is(err, ErrConfig) {
			t.Errorf("%s: %v, want an ErrConfig", name, err)
		}
	}
}

// Agents are lost with all that runs there: every job ends all the same, by way of the real queue and fleet, and the slots that
// the queue thinks are in use are those of the jobs that run.
func TestAgentsAreLost(t *testing.T) {
	jobs := poisson(t, 400, 20*second, 20*time.Minute, 12, 5)
	cfg := cluster(t, 256, 8)
	cfg.AgentMTBF, cfg.HostsPerAgent = 6*time.Hour, 8
	for _, policy := range []Policy{pidPolicy(t, func(c *controller.Config) { c.MaxSlots = 256 }), NewGreedy(256)} {
		cfg.Hoard = policy.Name() == "greedy"
		r := run(t, cfg, jobs, policy, func(s Sample) {
			if s.Running > s.Allocated || s.Allocated > 256 || s.Draining > s.Running || s.Pending < 0 {
				t.Fatalf("%s: %+v", policy.Name(), s)
			}
		})
		if r.Jobs != len(jobs) || r.Reruns == 0 || !(r.LostSlotSeconds > 0) {
			t.Errorf("%s: %d of %d jobs ended, %d reruns, %.0f slot-seconds lost", policy.Name(), r.Jobs, len(jobs), r.Reruns, r.LostSlotSeconds)
		}
		again := policy
		if again.Name() == "pid" {
			again = pidPolicy(t, func(c *controller.Config) { c.MaxSlots = 256 })
		}
		if twice := run(t, cfg, jobs, again, nil); !reflect.DeepEqual(twice, r) {
			t.Errorf("%s: another run of the same seed differs: %+v and %+v", policy.Name(), r, twice)
		}
	}
	cfg.AgentMTBF = time.Minute
	if _, err := Run(cfg, []Job{{Run: 24 * time.Hour, Slots: 64}}, pidPolicy(t, nil), nil); !errors.Is(err, ErrConfig) {
		t.Errorf("a job that can never end: %v", err)
	}
}
