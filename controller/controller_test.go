package controller

import (
	"encoding/json"
	"errors"
	"math"
	"testing"
	"time"
)

var epoch = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

func newController(t testing.TB, change func(*Config)) *Controller {
	t.Helper()
	cfg := DefaultConfig()
	if change != nil {
		change(&cfg)
	}
	c, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// held is a load whose supply is just what runs.
func held(running, pending int) Load {
	return Load{Running: running, Pending: pending, FirstNeed: min(1, pending), Supply: running}
}

func step(t testing.TB, c *Controller, second int, load Load) Record {
	t.Helper()
	rec, err := c.Step(epoch.Add(time.Duration(second)*time.Second), load)
	if err != nil {
		t.Fatal(err)
	}
	return rec
}

// The worked examples of the article that the law descends from, at τ = 0.3.
func TestWorkedExamples(t *testing.T) {
	for _, tc := range []struct {
		name             string
		running, pending int
		min, max         int
	}{
		{"10 of 100 rises", 10, 100, 11, 110},
		{"30 of 100 is steady", 30, 100, 29, 31},
		{"30 of 50 falls", 30, 50, 1, 29},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c := newController(t, nil)
			for s := range 60 {
				rec := step(t, c, s, held(tc.running, tc.pending))
				if s > 10 && (rec.Goal < tc.min || rec.Goal > tc.max) {
					t.Fatalf("second %d: goal %d, want %d to %d", s, rec.Goal, tc.min, tc.max)
				}
			}
		})
	}
}

// plant runs what it is given: supply follows the goal after join periods, and
// each running slot ends with a chance of 1/job per period (in the mean).
type plant struct {
	running, pending, supply float64
	join                     []float64
	job, arrivals            float64
	cap                      float64
}

func (p *plant) step(goal int) Load {
	want := math.Min(float64(goal), p.cap)
	inFlight := 0.0
	for _, j := range p.join {
		inFlight += j
	}
	arriving := math.Max(0, want-p.supply-inFlight)
	p.join = append(p.join, arriving)
	p.supply += p.join[0]
	p.join = p.join[1:]
	p.supply = math.Max(math.Min(p.supply, want), 0)
	ended := p.running / p.job
	p.running -= ended
	p.pending += p.arrivals
	start := math.Max(0, math.Min(p.pending, p.supply-p.running))
	p.running += start
	p.pending -= start
	inFlight = 0
	for _, j := range p.join {
		inFlight += j
	}
	return Load{
		Running: int(math.Round(p.running)), Pending: int(math.Round(p.pending)), FirstNeed: 1,
		Supply: int(math.Round(p.supply + inFlight)), InFlight: int(math.Round(inFlight)),
	}
}

// Job lengths changed tenfold either way: the same target without retuning.
func TestJobLengthsReachTheSameTarget(t *testing.T) {
	for _, job := range []float64{6, 60, 600} {
		c := newController(t, nil)
		p := plant{pending: 400, job: job, arrivals: 100 / job, cap: 1e6, join: make([]float64, 5)}
		load := p.step(0)
		for s := range int(60 * job) {
			load = p.step(step(t, c, s, load).Goal)
		}
		ratio := float64(load.Running) / float64(load.Pending)
		if math.Abs(ratio-0.3) > 0.03 {
			t.Errorf("jobs of %vs: running/pending %v, want 0.3 within a tenth", job, ratio)
		}
		if math.Abs(float64(load.Running)-100) > 5 {
			t.Errorf("jobs of %vs: %d running, want 100 within 5", job, load.Running)
		}
	}
}

// 0 → 1,000 jobs with a join delay of a minute: what is in flight counts.
func TestStepInDemandDoesNotOvershoot(t *testing.T) {
	c := newController(t, nil)
	p := plant{pending: 1000, job: 1e9, cap: 1e6, join: make([]float64, 60)}
	load := p.step(0)
	steady := 1000 * 0.3 / 1.3
	peak := 0
	for s := range 300 {
		load = p.step(step(t, c, s, load).Goal)
		peak = max(peak, load.Supply)
	}
	if float64(peak) > steady*1.05 {
		t.Errorf("supply peaked at %d, more than 5%% above %.0f", peak, steady)
	}
	if math.Abs(float64(load.Running)-steady) > steady*0.02 {
		t.Errorf("%d running after 300s, want %.0f", load.Running, steady)
	}
}

// A cluster that is full for an hour and then free: the goal follows at once.
func TestNoWindupWhileClusterIsFull(t *testing.T) {
	for _, ff := range []float64{0, 0.5, 1} {
		c := newController(t, func(c *Config) { c.FeedForward = ff; c.Ki = 0.1 })
		p := plant{pending: 1000, job: 1e9, cap: 1e6, join: make([]float64, 2)}
		load := p.step(0)
		s := 0
		for ; s < 600; s++ {
			load = p.step(step(t, c, s, load).Goal)
		}
		free := c.Goal()
		p.cap, p.running, p.supply, p.pending = 20, 20, 20, 980
		load = p.step(c.Goal())
		for ; s < 4200; s++ {
			load = p.step(step(t, c, s, load).Goal)
		}
		if load.Running != 20 {
			t.Fatalf("ff %v: %d running on a cluster of 20", ff, load.Running)
		}
		p.cap = 1e6
		for range 5 {
			load = p.step(step(t, c, s, load).Goal)
			s++
		}
		if got := c.Goal(); math.Abs(float64(got-free)) > 0.1*float64(free) {
			t.Errorf("ff %v: goal %d five periods after the cluster was freed, want about %d", ff, got, free)
		}
		// And down, when the demand goes away instead.
		load = Load{Running: 3, Pending: 10, FirstNeed: 1, Supply: 3}
		for range 5 {
			step(t, c, s, load)
			s++
		}
		if got := c.Goal(); got > 5 {
			t.Errorf("ff %v: goal %d five periods after the demand fell to 13 slots", ff, got)
		}
	}
}

func TestIdleGoesToMinimum(t *testing.T) {
	c := newController(t, func(c *Config) { c.MinSlots = 2 })
	for s := range 50 {
		step(t, c, s, held(10, 100))
	}
	rec := step(t, c, 50, Load{Supply: 30})
	if rec.Goal != 2 || rec.Saturation != SaturationIdle || rec.U != 0 || rec.Y != 0 {
		t.Errorf("idle: %+v", rec)
	}
	rec = step(t, c, 51, Load{Pending: 130, FirstNeed: 1, Supply: 2})
	if want := 30.0; math.Abs(rec.U-want) > 1e-9 {
		t.Errorf("first output after idle %v, want %v: the state was not reset", rec.U, want)
	}
}

func TestLimits(t *testing.T) {
	for _, tc := range []struct {
		name   string
		change func(*Config)
		load   Load
		goal   int
		sat    Saturation
	}{
		{"max", func(c *Config) { c.MaxSlots = 50 }, Load{Pending: 1000, FirstNeed: 1, Supply: 0}, 50, SaturationMax},
		{"min", func(c *Config) { c.MinSlots = 5 }, Load{Pending: 4, FirstNeed: 1, Supply: 5}, 5, SaturationMin},
		{"step", func(c *Config) { c.MaxStep = 7 }, Load{Pending: 1000, FirstNeed: 1}, 7, SaturationStep},
		{"need", nil, Load{Pending: 64, FirstNeed: 64}, 64, SaturationNeed},
		{"need is not delayed by step", func(c *Config) { c.MaxStep = 7 }, Load{Pending: 64, FirstNeed: 64}, 64, SaturationNeed},
		{"starved", func(c *Config) { c.MaxSlots = 50 }, Load{Pending: 64, FirstNeed: 64}, 50, SaturationStarved},
		{"pending counts as a need of one", nil, Load{Pending: 1, Supply: 1}, 1, SaturationNone},
		{"whole hosts", func(c *Config) { c.Quantum = 8 }, Load{Pending: 130, FirstNeed: 1}, 32, SaturationNone},
		{"first step starts from the supply", nil, Load{Running: 90, Pending: 10, FirstNeed: 1, Supply: 100}, 100, SaturationScaleIn},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c := newController(t, func(c *Config) {
				c.Kp = 0
				if tc.change != nil {
					tc.change(c)
				}
			})
			if rec := step(t, c, 0, tc.load); rec.Goal != tc.goal || rec.Saturation != tc.sat {
				t.Errorf("goal %d (%v), want %d (%v)", rec.Goal, rec.Saturation, tc.goal, tc.sat)
			}
		})
	}
}

func TestScaleInWaitsForALastingSurplus(t *testing.T) {
	c := newController(t, func(c *Config) {
		c.Kp, c.Ki, c.ScaleInDelay, c.Deadband = 0, 0, 10*time.Second, 2
	})
	s := 0
	next := func(pending int) int {
		t.Helper()
		rec := step(t, c, s, Load{Running: 30, Pending: pending, FirstNeed: 1, Supply: 30})
		s++
		return rec.Goal
	}
	if got := next(100); got != 30 {
		t.Fatalf("goal %d, want 30", got)
	}
	for range 10 {
		if got := next(40); got != 30 {
			t.Fatalf("second %d: goal %d fell before the delay", s, got)
		}
	}
	if got, want := next(40), 17; got != want {
		t.Errorf("goal %d after the delay, want %d", got, want)
	}
	// A dip that is interrupted by demand does not count.
	for i := range 40 {
		pending := 100
		if i%8 != 0 {
			pending = 40
		}
		next(pending)
		if i > 0 && c.Goal() != 30 {
			t.Fatalf("dip %d: goal %d, want 30", i, c.Goal())
		}
	}
	// Within the deadband it stays for good.
	for range 100 {
		if got := next(92); got != 30 {
			t.Fatalf("goal %d: a surplus of two slots is within the deadband", got)
		}
	}
}

// What runs on closed hosts is less to hold: slowly when it begins, at once
// when it ends.
func TestDrainingSlotsCount(t *testing.T) {
	c := newController(t, func(c *Config) { c.Kp, c.Ki, c.Deadband, c.ScaleInDelay = 0, 0, 0, 0 })
	load := Load{Running: 30, Pending: 100, FirstNeed: 1, Supply: 30}
	step(t, c, 0, load)
	load.Supply, load.Draining = 18, 12
	if got := step(t, c, 1, load).Goal; got < 29 {
		t.Errorf("goal %d one second after hosts were closed, want 29 or 30", got)
	}
	s := 2
	for ; s < 3600; s++ {
		step(t, c, s, load)
	}
	if got := c.Goal(); got != 19 {
		t.Errorf("goal %d, want 18 and a part of one beside the 12 slots in use on closed hosts", got)
	}
	load.Draining = 0
	if got := step(t, c, s, load).Goal; got != 30 {
		t.Errorf("goal %d after the closed hosts are gone, want 30", got)
	}
}

func TestRefusedStepsLeaveTheStateAlone(t *testing.T) {
	c := newController(t, nil)
	step(t, c, 0, held(10, 100))
	before := step(t, c, 1, held(12, 100))
	for _, load := range []Load{
		{Running: -1}, {Pending: -1}, {FirstNeed: -1}, {Supply: -1}, {InFlight: -1}, {Running: math.MaxInt},
	} {
		rec, err := c.Step(epoch.Add(2*time.Second), load)
		if !errors.Is(err, ErrLoad) || rec != before || c.Goal() != before.Goal {
			t.Errorf("%+v: error %v, record %+v", load, err, rec)
		}
	}
	for _, back := range []time.Duration{0, time.Second, time.Hour} {
		rec, err := c.Step(epoch.Add(time.Second-back), held(12, 100))
		if !errors.Is(err, ErrClock) || rec != before {
			t.Errorf("clock back by %v: error %v", back, err)
		}
	}
	// A clock that was set back by an hour costs one period, not an hour.
	rec, err := c.Step(epoch.Add(2*time.Second-time.Hour), held(12, 100))
	if err != nil || rec.Goal < before.Goal {
		t.Errorf("step after the clock was set back: %v, goal %d", err, rec.Goal)
	}
}

func TestClockJumpForwardCountsAsTenPeriods(t *testing.T) {
	near, far := newController(t, nil), newController(t, nil)
	load := Load{Running: 10, Pending: 100, FirstNeed: 1, Supply: 200}
	step(t, near, 0, load)
	step(t, far, 0, load)
	step(t, near, 10, load)
	step(t, far, 1e9, load)
	a, b := step(t, near, 11, load), step(t, far, 1e9+1, load)
	if a.I != b.I || a.I == 0 {
		t.Errorf("integral %v after a jump of 1e9 s, %v after 10 s", b.I, a.I)
	}
}

func TestHold(t *testing.T) {
	c := newController(t, nil)
	step(t, c, 0, held(10, 100))
	before := c.Goal()
	integral := c.integral
	for s := 1; s < 3600; s++ {
		rec := c.Hold(epoch.Add(time.Duration(s) * time.Second))
		if rec.Goal != before || rec.Saturation != SaturationHold {
			t.Fatalf("held record %+v", rec)
		}
	}
	if c.integral != integral {
		t.Error("the integral moved while the load was not known")
	}
	step(t, c, 3600, held(10, 100))
	// The first use after New, and a clock that goes back.
	c = newController(t, func(c *Config) { c.MinSlots = 3 })
	if rec := c.Hold(epoch); rec.Goal != 3 {
		t.Errorf("goal %d, want 3", rec.Goal)
	}
	c.Hold(epoch.Add(-time.Hour))
	step(t, c, 0, held(1, 1))
}

func TestDerivativeIsOnTheFilteredMeasurement(t *testing.T) {
	c := newController(t, func(c *Config) { c.Kd, c.DerivativeFilter = 1, 4*time.Second })
	if rec := step(t, c, 0, held(10, 90)); rec.D != 0 {
		t.Errorf("first D %v", rec.D)
	}
	rec := step(t, c, 1, held(20, 80))
	if want := -100 * 0.1 / 5; math.Abs(rec.D-want) > 1e-9 {
		t.Errorf("D %v, want %v", rec.D, want)
	}
	cfg := c.Config()
	cfg.Target = 1
	if err := c.Configure(epoch.Add(time.Second), cfg); err != nil {
		t.Fatal(err)
	}
	next := step(t, c, 2, held(20, 80))
	if want := rec.D * 4 / 5; math.Abs(next.D-want) > 1e-9 {
		t.Errorf("D %v after a new target, want %v: no derivative kick", next.D, want)
	}
}

func TestRecordAddsUpAndEncodes(t *testing.T) {
	c := newController(t, func(c *Config) { c.Kd = 0.5 })
	step(t, c, 0, held(10, 100))
	rec := step(t, c, 1, Load{Running: 12, Pending: 100, FirstNeed: 1, Supply: 20, InFlight: 8})
	if sum := rec.P + rec.I + rec.D + rec.FF; math.Abs(sum-rec.U) > 1e-9 {
		t.Errorf("terms add up to %v, U is %v", sum, rec.U)
	}
	if want := rec.Setpoint - 20.0/112; math.Abs(rec.Error-want) > 1e-12 {
		t.Errorf("error %v, want %v: capacity in flight counts", rec.Error, want)
	}
	if ratio, ok := rec.Ratio(); !ok || ratio != 0.12 {
		t.Errorf("ratio %v %v", ratio, ok)
	}
	text, err := json.Marshal(rec)
	if err != nil {
		t.Fatal(err)
	}
	var back Record
	if err := json.Unmarshal(text, &back); err != nil {
		t.Fatal(err)
	}
	if !back.At.Equal(rec.At) {
		t.Errorf("time %v, want %v", back.At, rec.At)
	}
	back.At = rec.At
	if back != rec {
		t.Errorf("read back %+v, want %+v", back, rec)
	}
}

func TestSaturationWords(t *testing.T) {
	seen := map[string]bool{}
	for s := range saturations {
		if s.String() == "" || seen[s.String()] {
			t.Errorf("saturation %d has no word of its own", s)
		}
		seen[s.String()] = true
	}
	if got := saturations.String(); got != "saturation(11)" {
		t.Errorf("unknown saturation %q", got)
	}
	var s Saturation
	if err := s.UnmarshalText([]byte("windy")); !errors.Is(err, ErrConfig) {
		t.Errorf("unknown word: %v", err)
	}
}

// What the fleet leaves of the goal on purpose is no shortage: the integral goes on, and in the end lifts the goal to where the
// first job can start.
func TestWithheldIsNoShortage(t *testing.T) {
	goals := map[int]int{}
	for _, withheld := range []int{0, 1} {
		c := newController(t, func(c *Config) { c.Ki = 0.01 })
		for s := range 600 {
			goal := c.Goal()
			load := Load{Running: 10, Pending: 90, FirstNeed: 30, Supply: 10, Withheld: withheld * max(0, goal-10)}
			goals[withheld] = step(t, c, s, load).Goal
		}
	}
	if goals[0] > 31 || goals[1] < 40 {
		t.Errorf("goal %d with a shortage and %d without, want about 30 and more than 40", goals[0], goals[1])
	}
}
