package controller

import (
	"math"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func drawConfig(t *rapid.T) Config {
	duration := func(name string, least, most time.Duration) time.Duration {
		return time.Duration(rapid.Int64Range(int64(least), int64(most)).Draw(t, name))
	}
	cfg := Config{
		Target:           rapid.Float64Range(0.01, 100).Draw(t, "target"),
		Kp:               rapid.Float64Range(0, 3).Draw(t, "kp"),
		Ki:               rapid.Float64Range(0, 1).Draw(t, "ki"),
		Kd:               rapid.Float64Range(0, 10).Draw(t, "kd"),
		FeedForward:      rapid.Float64Range(0, 2).Draw(t, "ff"),
		DerivativeFilter: duration("filter", 0, time.Minute),
		TrackingTime:     duration("tracking", time.Millisecond, time.Minute),
		Period:           duration("period", time.Millisecond, time.Minute),
		MinSlots:         rapid.IntRange(0, 20).Draw(t, "min"),
		MaxStep:          rapid.IntRange(0, 30).Draw(t, "step"),
		ScaleInDelay:     duration("delay", 0, time.Minute),
		Deadband:         rapid.IntRange(0, 8).Draw(t, "deadband"),
		Quantum:          rapid.IntRange(0, 9).Draw(t, "quantum"),
	}
	if rapid.Bool().Draw(t, "limited") {
		cfg.MaxSlots = cfg.MinSlots + rapid.IntRange(1, 500).Draw(t, "max")
	}
	return cfg
}

func drawLoad(t *rapid.T) Load {
	l := Load{
		Running: rapid.IntRange(0, 1000).Draw(t, "running"),
		Pending: rapid.IntRange(0, 1000).Draw(t, "pending"),
		Supply:  rapid.IntRange(0, 1000).Draw(t, "supply"),
	}
	if l.Pending > 0 {
		l.FirstNeed = rapid.IntRange(1, l.Pending).Draw(t, "need")
	}
	l.InFlight = rapid.IntRange(0, l.Supply).Draw(t, "inflight")
	return l
}

// Whatever happens, the goal is within the limits, no more than useful, never
// less than the first pending job needs, and rises by no more than a step.
func TestGoalIsAlwaysWithinLimits(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c, err := New(drawConfig(t))
		if err != nil {
			t.Fatal(err)
		}
		now := epoch
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			now = now.Add(time.Duration(rapid.Int64Range(1, int64(20*time.Second)).Draw(t, "dt")))
			before, began := c.Goal(), c.begun
			switch rapid.IntRange(0, 9).Draw(t, "what") {
			case 0:
				if rec := c.Hold(now); rec.Goal != before {
					t.Fatalf("goal %d held as %d", before, rec.Goal)
				}
				continue
			case 1:
				if err := c.Configure(now, drawConfig(t)); err != nil {
					t.Fatal(err)
				}
				checkLimits(t, c, Load{})
				continue
			case 2:
				if _, err := c.Step(now.Add(-time.Hour), drawLoad(t)); err == nil && began {
					now = now.Add(-time.Hour)
				}
				continue
			}
			load := drawLoad(t)
			rec, err := c.Step(now, load)
			if err != nil {
				t.Fatal(err)
			}
			if rec.Goal != c.Goal() || math.IsNaN(rec.U) || math.IsInf(rec.U, 0) {
				t.Fatalf("record %+v, goal %d", rec, c.Goal())
			}
			checkLimits(t, c, load)
			floor := c.cfg.clamp(c.cfg.whole(max(1, load.FirstNeed)))
			if step := c.cfg.MaxStep; began && step > 0 && rec.Goal > max(before+step, floor) {
				t.Fatalf("goal rose from %d to %d, step %d", before, rec.Goal, step)
			}
		}
	})
}

func checkLimits(t *rapid.T, c *Controller, load Load) {
	t.Helper()
	cfg, goal := c.Config(), c.Goal()
	if goal < cfg.MinSlots || (cfg.MaxSlots > 0 && goal > cfg.MaxSlots) {
		t.Fatalf("goal %d outside %d..%d", goal, cfg.MinSlots, cfg.MaxSlots)
	}
	if load.Pending > 0 && goal < max(1, load.FirstNeed) && goal != cfg.MaxSlots {
		t.Fatalf("goal %d starves a job of %d slots", goal, load.FirstNeed)
	}
}

// The same ratio at a greater backlog never gives a smaller goal, but for the
// surplus that the deadband and whole hosts tolerate.
func TestMonotoneInBacklogForFixedRatio(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		cfg := drawConfig(t)
		small, errSmall := New(cfg)
		large, errLarge := New(cfg)
		if errSmall != nil || errLarge != nil {
			t.Fatal(errSmall, errLarge)
		}
		running := rapid.IntRange(0, 50).Draw(t, "running")
		pending := rapid.IntRange(1, 50).Draw(t, "pending")
		factor := rapid.IntRange(1, 40).Draw(t, "factor")
		now := epoch
		for range rapid.IntRange(1, 40).Draw(t, "steps") {
			now = now.Add(cfg.Period)
			a, errA := small.Step(now, held(running, pending))
			b, errB := large.Step(now, held(running*factor, pending*factor))
			if errA != nil || errB != nil {
				t.Fatal(errA, errB)
			}
			if b.Goal < a.Goal-cfg.Deadband-cfg.Quantum {
				t.Fatalf("goal %d at %d times the backlog of goal %d\n%+v\n%+v", b.Goal, factor, a.Goal, b, a)
			}
		}
	})
}

// One job of any size, alone, with any target, gets what it needs: at once but
// for what a full cluster delays.
func TestLargeJobDoesNotStarve(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		cfg := drawConfig(t)
		cfg.MaxSlots = 0
		c, err := New(cfg)
		if err != nil {
			t.Fatal(err)
		}
		need := rapid.IntRange(1, 100000).Draw(t, "need")
		supply, now := 0, epoch
		for range 5 {
			now = now.Add(cfg.Period)
			rec, err := c.Step(now, Load{Pending: need, FirstNeed: need, Supply: supply})
			if err != nil {
				t.Fatal(err)
			}
			if rec.Goal < need {
				t.Fatalf("goal %d for a job of %d", rec.Goal, need)
			}
			supply = rec.Goal / 2
		}
	})
}

// New settings leave the output where it was, whatever they are and whenever
// they come.
func TestChangesAreBumpless(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		cfg := drawConfig(t)
		c, err := New(cfg)
		if err != nil {
			t.Fatal(err)
		}
		now := epoch
		load := drawLoad(t)
		load.Pending++
		for range rapid.IntRange(1, 20).Draw(t, "steps") {
			now = now.Add(cfg.Period)
			if _, err := c.Step(now, load); err != nil {
				t.Fatal(err)
			}
		}
		n := float64(load.Running + load.Pending)
		answer := func(c *Controller) float64 {
			e := c.setpoint - c.measured
			return c.cfg.proportional(e) + c.integral - c.cfg.Kd*c.slope + c.cfg.FeedForward*c.setpoint
		}
		for range rapid.IntRange(1, 3).Draw(t, "changes") {
			before := answer(c)
			if err := c.Configure(now, drawConfig(t)); err != nil {
				t.Fatal(err)
			}
			if after := answer(c); math.Abs(after-before)*n > 1e-6*n {
				t.Fatalf("output %v became %v", before*n, after*n)
			}
		}
	})
}

// A change of target reaches the new steady state, with and without an integral.
func TestTargetChangeTakesEffect(t *testing.T) {
	for _, ki := range []float64{0, 0.02} {
		c := newController(t, func(c *Config) { c.Ki = ki })
		p := plant{pending: 1000, job: 1e9, cap: 1e6, join: make([]float64, 3)}
		load := p.step(0)
		s := 0
		for ; s < 100; s++ {
			load = p.step(step(t, c, s, load).Goal)
		}
		cfg := c.Config()
		cfg.Target, cfg.Kp = 1, cfg.Kp*2
		before := c.Goal()
		if err := c.Configure(epoch.Add(99*time.Second), cfg); err != nil {
			t.Fatal(err)
		}
		previous := before
		for ; s < 400; s++ {
			rec := step(t, c, s, load)
			if rise := rec.Goal - previous; rise > 60 {
				t.Fatalf("ki %v: goal jumped by %d", ki, rise)
			}
			previous = rec.Goal
			load = p.step(rec.Goal)
		}
		if math.Abs(float64(load.Running)-500) > 15 {
			t.Errorf("ki %v: %d running at τ = 1, want 500 of 1000 (from %d)", ki, load.Running, before)
		}
	}
}
