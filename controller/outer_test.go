package controller

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// bounds are the waits' buckets of these tests: an eighth of an octave from 0.1 s.
func bounds(i int) time.Duration {
	return time.Duration(1e8 * math.Pow(2, float64(i)/8))
}

const buckets = 200

// station runs jobs of one slot in order, as many as the goal says, at once.
type station struct {
	random        *rand.Rand
	rate, run     float64 // arrivals per second, mean run time
	limit         int     // of the cluster; 0 = none
	now, next     float64
	waiting       []float64 // since when
	ends          []float64
	ev            Evidence
	waits, starts float64
}

func newStation(seed uint64, rate, run float64) *station {
	s := &station{random: rand.New(rand.NewPCG(seed, 1)), rate: rate, run: run}
	s.ev = Evidence{Waits: make([]int64, buckets), Bounds: bounds}
	s.next = s.random.ExpFloat64() / rate
	return s
}

// second lets a second pass under a goal and gives the load.
func (s *station) second(goal int) Load {
	s.now++
	s.ends = slices.DeleteFunc(s.ends, func(end float64) bool { return end <= s.now })
	for ; s.next <= s.now; s.next += s.random.ExpFloat64() / s.rate {
		s.waiting = append(s.waiting, s.next)
	}
	supply := goal
	if s.limit > 0 {
		supply = min(supply, s.limit)
	}
	for len(s.waiting) > 0 && len(s.ends) < supply {
		wait, run := s.now-s.waiting[0], s.random.ExpFloat64()*s.run
		s.waiting = s.waiting[1:]
		s.ends = append(s.ends, s.now+run)
		s.waits += wait
		s.starts++
		s.ev.Started++
		s.ev.StartedSlots++
		s.ev.WaitSlotSeconds += wait
		bucket := 0
		for bucket < buckets-1 && bounds(bucket).Seconds() <= wait {
			bucket++
		}
		s.ev.Waits[bucket]++
		s.ev.Finished++ // known at once: a test of hours need not wait for the last
		s.ev.FinishedSlots++
		s.ev.RunSlotSeconds += run
	}
	return Load{Running: len(s.ends), Pending: len(s.waiting), FirstNeed: min(1, len(s.waiting)), Supply: supply}
}

// rig is both loops around a station.
type rig struct {
	t     testing.TB
	inner *Controller
	outer *Outer
	at    time.Time
}

func newRig(t testing.TB, intent string) *rig {
	t.Helper()
	cfg := DefaultOuterConfig()
	var err error
	if cfg.Intent, err = ParseIntent(intent); err != nil {
		t.Fatal(err)
	}
	inner := newController(t, nil)
	outer, err := NewOuter(cfg, time.Second, inner.Config().Target)
	if err != nil {
		t.Fatal(err)
	}
	return &rig{t, inner, outer, epoch}
}

func (r *rig) step(load Load, ev *Evidence) Record {
	r.t.Helper()
	r.at = r.at.Add(time.Second)
	rec, err := r.inner.Step(r.at, load)
	if err != nil {
		r.t.Fatal(err)
	}
	move := r.outer.Step(&rec, time.Second, ev)
	if cfg := r.inner.Config(); cfg.Target != move.Target {
		cfg.Target = move.Target
		if err := r.inner.Configure(r.at, cfg); err != nil {
			r.t.Fatal(err)
		}
	}
	return rec
}

// With stationary Poisson arrivals an intent is met after settling, whatever the run times are, and not by far more slots
// than it needs.
func TestIntentIsMet(t *testing.T) {
	for _, tc := range []struct {
		intent string
		limit  float64
		run    float64
		slots  float64
	}{
		{"wait<=10m", 600, 10, 30},
		{"wait<=10m", 600, 100, 60},
		{"wait<=10m", 600, 1000, 100},
		{"wait<=10m", 600, 10_000, 400},
		{"wait.p95<=30m", 1800, 100, 60},
		{"wait.p95<=30m", 1800, 3000, 200},
		{"slowdown<=2", 2, 100, 60},
		{"slowdown<=3", 3, 1000, 60},
	} {
		t.Run(fmt.Sprintf("%s/%v", tc.intent, tc.run), func(t *testing.T) {
			t.Parallel()
			r, s := newRig(t, tc.intent), newStation(7, tc.slots/tc.run, tc.run)
			seconds := int(15 * (tc.run + max(tc.limit, tc.run)))
			var ranked []int64
			for i := range 2 * seconds {
				r.step(s.second(r.inner.Goal()), &s.ev)
				if i == seconds {
					s.waits, s.starts = 0, 0
					ranked = slices.Clone(s.ev.Waits)
				}
			}
			measured := s.waits / s.starts
			switch i := r.outer.Config().Intent; {
			case i.Slowdown != 0:
				measured = 1 + measured/tc.run
			case i.Percentile != 0:
				w := starts{waits: ranked}
				measured = w.percentile(&s.ev, i.Percentile)
			}
			t.Logf("measured %.4g of %g, %+v", measured, tc.limit, r.outer.Last())
			if measured > 1.2*tc.limit || measured < 0.6*tc.limit {
				t.Errorf("measured %.4g, want %g within -40 %%, +20 %%: %+v", measured, tc.limit, r.outer.Last())
			}
			if !r.outer.Last().Known {
				t.Error("nothing measured")
			}
		})
	}
}

// A full cluster raises no target, and once it is free the goal follows at once.
func TestFullClusterDoesNotWindUp(t *testing.T) {
	r, s := newRig(t, "wait<=10m"), newStation(3, 0.5, 300)
	for range 20_000 {
		r.step(s.second(r.inner.Goal()), &s.ev)
	}
	before := r.outer.Last().Target
	s.limit = 60
	for i := range 3600 {
		r.step(s.second(r.inner.Goal()), &s.ev)
		if target := r.outer.Last().Target; i > 60 && target > before*(1+deadMove) {
			t.Fatalf("target %v after %d s of a full cluster, was %v: %+v", target, i, before, r.outer.Last())
		}
	}
	s.limit = 0
	for range 5 {
		rec := r.step(s.second(r.inner.Goal()), &s.ev)
		cfg := r.inner.Config()
		want := float64(rec.Running+rec.Pending) * cfg.setpoint()
		if math.Abs(float64(rec.Goal)-want) > 0.1*want+2 {
			t.Errorf("goal %d of a need of %.1f after the cluster was full", rec.Goal, want)
		}
	}
	for range 20_000 {
		r.step(s.second(r.inner.Goal()), &s.ev)
		if target := r.outer.Last().Target; target > 2*before {
			t.Fatalf("target %v after the cluster was free again, was %v", target, before)
		}
	}
}

// Whatever is measured and whatever the clock does, the target is within its limits and moves by no more than a step.
func TestTargetIsAlwaysWithinLimits(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		cfg := OuterConfig{Period: 10 * time.Second, TargetMin: rapid.Float64Range(0.001, 1).Draw(t, "min")}
		cfg.TargetMax = cfg.TargetMin * rapid.Float64Range(1, 1e4).Draw(t, "ratio")
		cfg.Intent = Intent{
			Wait:       time.Duration(rapid.Int64Range(int64(minWait), int64(maxDuration)).Draw(t, "wait")),
			Percentile: rapid.SampledFrom([]int{0, 50, 95, 99}).Draw(t, "percentile"),
		}
		o, err := NewOuter(cfg, time.Second, rapid.Float64Range(1e-3, 1e3).Draw(t, "target"))
		if err != nil {
			t.Fatal(err)
		}
		ev := Evidence{Waits: make([]int64, buckets), Bounds: bounds}
		now := epoch
		for range rapid.IntRange(1, 200).Draw(t, "steps") {
			jump := rapid.SampledFrom([]time.Duration{time.Second, time.Second, 9 * time.Second, time.Hour, -time.Hour, 0}).Draw(t, "dt")
			now = now.Add(jump)
			n := rapid.Int64Range(0, 100).Draw(t, "jobs")
			wait, run := rapid.Float64Range(0, 1e6).Draw(t, "waits"), rapid.Float64Range(0, 1e6).Draw(t, "runs")
			ev.Started, ev.Finished = ev.Started+n, ev.Finished+n
			ev.StartedSlots, ev.FinishedSlots = ev.StartedSlots+float64(n), ev.FinishedSlots+float64(n)
			ev.WaitSlotSeconds += wait * float64(n)
			ev.RunSlotSeconds += run * float64(n)
			ev.Waits[rapid.IntRange(0, buckets-1).Draw(t, "bucket")] += n
			told := &ev
			switch rapid.IntRange(0, 30).Draw(t, "what") {
			case 0:
				told = nil
			case 1:
				ev = Evidence{Waits: make([]int64, buckets), Bounds: bounds}
				told = &ev
			}
			rec := Record{At: now, Saturation: Saturation(rapid.IntRange(0, int(saturations)-1).Draw(t, "saturation")), Goal: rapid.IntRange(0, 9).Draw(t, "goal")}
			rec.Supply = rapid.IntRange(0, 9).Draw(t, "supply")
			before := o.Last().Target
			after := o.Step(&rec, time.Second, told).Target
			if !(after >= cfg.TargetMin && after <= cfg.TargetMax) {
				t.Fatalf("target %v outside %v to %v", after, cfg.TargetMin, cfg.TargetMax)
			}
			if move := after / before; move > maxMove*(1+1e-9) || move < (1-1e-9)/maxMove {
				t.Fatalf("target moved from %v to %v at once", before, after)
			}
			if jump <= 0 && after != before {
				t.Fatal("the target moved while the clock did not")
			}
		}
	})
}

// A clock that jumps while jobs wait and run leaves the target where it was.
func TestClockJumpIsHarmless(t *testing.T) {
	for _, jump := range []time.Duration{-24 * time.Hour, 24 * time.Hour} {
		r, s := newRig(t, "wait<=10m"), newStation(3, 0.5, 100)
		for range 20_000 {
			r.step(s.second(r.inner.Goal()), &s.ev)
		}
		before := r.outer.Last().Target
		for i := range s.waiting {
			s.waiting[i] -= jump.Seconds()
		}
		r.at = r.at.Add(jump)
		rec := r.inner.Hold(r.at)
		r.outer.Step(&rec, time.Second, &s.ev)
		for range 10_000 {
			r.step(s.second(r.inner.Goal()), &s.ev)
			if target := r.outer.Last().Target; math.Abs(math.Log(target/before)) > 0.4 {
				t.Fatalf("jump of %v: target went from %v to %v: %s", jump, before, target, r.outer.Last().Reason)
			}
		}
	}
}

// Too little evidence, and none, hold the target.
func TestTooLittleEvidenceHolds(t *testing.T) {
	ev := Evidence{Started: 9, Finished: 9, FinishedSlots: 9, RunSlotSeconds: 9e6, Waits: make([]int64, buckets), Bounds: bounds}
	for _, told := range []*Evidence{nil, &ev} {
		r := newRig(t, "wait<=10m")
		for range 600 {
			r.step(held(30, 100), told)
		}
		if move := r.outer.Last(); move.Target != 0.3 || move.Known || move.Reason == "" {
			t.Errorf("%+v, want the target held at 0.3", move)
		}
	}
}

// A slowdown needs no evidence: the law says the target.
func TestSlowdownWithoutEvidence(t *testing.T) {
	r := newRig(t, "slowdown<=2")
	for range 3600 {
		r.step(Load{Running: 30, Pending: 100, FirstNeed: 1, Supply: 130}, nil)
	}
	if move, want := r.outer.Last(), 1/(1-margin); math.Abs(move.Target-want) > 1e-9 || move.Known {
		t.Errorf("%+v, want a target of %v", move, want)
	}
}

func TestOuterConfigRefuses(t *testing.T) {
	for name, change := range map[string]func(*OuterConfig){
		"target-min":    func(c *OuterConfig) { c.TargetMin = 0 },
		"crossed":       func(c *OuterConfig) { c.TargetMin = 200 },
		"target-max":    func(c *OuterConfig) { c.TargetMax = math.Inf(1) },
		"intent-period": func(c *OuterConfig) { c.Period = time.Second },
		"intent":        func(c *OuterConfig) { c.Intent = Intent{Slowdown: 2, Wait: time.Minute} },
		"out of reach":  func(c *OuterConfig) { c.Intent = Intent{Slowdown: 1.001} },
	} {
		c := DefaultOuterConfig()
		c.Intent = Intent{Slowdown: 2}
		change(&c)
		if _, err := NewOuter(c, time.Second, 1); err == nil {
			t.Errorf("%s: %+v accepted", name, c)
		}
	}
}

// Weights move the share that runs as if pending slots counted so often; they neither starve nor ask for more than is useful.
func TestWeights(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c, err := New(drawConfig(t))
		if err != nil {
			t.Fatal(err)
		}
		now := epoch
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			now = now.Add(c.cfg.Period)
			load := drawLoad(t)
			load.Weight = rapid.Float64Range(minWeight, maxWeight).Draw(t, "weight")
			rec, err := c.Step(now, load)
			if err != nil {
				t.Fatal(err)
			}
			checkLimits(t, c, load)
			useful := c.cfg.clamp(c.cfg.whole(c.cfg.clamp(max(load.Running+load.Pending, 1))))
			if rec.Saturation != SaturationScaleIn && rec.Goal > useful {
				t.Fatalf("goal %d of %d useful (%v)", rec.Goal, useful, rec.Saturation)
			}
		}
	})
	for _, weight := range []float64{0.01, 0.5, 1, 2, 100} {
		c := newController(t, nil)
		running, total := 0, 3000
		for s := range 1000 {
			load := held(running, total-running)
			load.Weight = weight
			running = step(t, c, s, load).Goal
		}
		if want := 0.3 * weight * float64(total-running); math.Abs(float64(running)-want) > 0.05*want+3 && total-running > 100 {
			t.Errorf("weight %v: %d running of %d, want %.0f", weight, running, total, want)
		}
	}
	if _, err := newController(t, nil).Step(epoch, Load{Weight: math.NaN()}); err == nil {
		t.Error("a weight that is no number was accepted")
	}
}
