package controller

import (
	"math"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func drawIntent(t *rapid.T) Intent {
	if rapid.Bool().Draw(t, "slowdown") {
		return Intent{Slowdown: rapid.Float64Range(1.02, 50).Draw(t, "s")}
	}
	return Intent{
		Wait:       time.Duration(rapid.Int64Range(int64(time.Second), int64(100*time.Hour)).Draw(t, "wait")),
		Percentile: rapid.SampledFrom([]int{0, 50, 95, 99}).Draw(t, "percentile"),
	}
}

// history is evidence that grows.
type history struct{ Evidence }

func newHistory() *history {
	return &history{Evidence{Waits: make([]int64, buckets), Bounds: bounds}}
}

// jobs adds n jobs of one slot that waited and ran for so long.
func (h *history) jobs(n int64, wait, run float64) {
	h.Started, h.Finished = h.Started+n, h.Finished+n
	h.StartedSlots, h.FinishedSlots = h.StartedSlots+float64(n), h.FinishedSlots+float64(n)
	h.WaitSlotSeconds += wait * float64(n)
	h.RunSlotSeconds += run * float64(n)
	bucket := 0
	for bucket < buckets-1 && bounds(bucket).Seconds() <= wait {
		bucket++
	}
	h.Waits[bucket] += n
}

func (h *history) clone() *history {
	c := *h
	c.Waits = slices.Clone(h.Waits)
	return &c
}

func (o *Outer) clone() *Outer {
	c := *o
	c.window.waits, c.shown.waits = slices.Clone(o.window.waits), slices.Clone(o.shown.waits)
	return &c
}

// Whatever was learnt before: where the newest jobs waited longer, the target is not lower for it.
func TestReactionIsMonotone(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		cfg := DefaultOuterConfig()
		cfg.Intent = drawIntent(t)
		o, err := NewOuter(cfg, time.Second, rapid.Float64Range(0.01, 100).Draw(t, "target"))
		if err != nil {
			t.Fatal(err)
		}
		h, now := newHistory(), epoch
		saturation := rapid.SampledFrom([]Saturation{SaturationNone, SaturationNone, SaturationMax, SaturationNeed})
		minute := func(o *Outer, h *history, rec Record) float64 {
			for s := range 60 {
				rec.At = now.Add(time.Duration(s+1) * time.Second)
				o.Step(&rec, time.Second, &h.Evidence)
			}
			return o.Last().Target
		}
		for range rapid.IntRange(1, 120).Draw(t, "minutes") {
			n := rapid.Int64Range(0, 100).Draw(t, "jobs")
			wait, run := rapid.Float64Range(0, 1e5).Draw(t, "waits"), rapid.Float64Range(1, 1e4).Draw(t, "runs")
			rec := Record{Saturation: saturation.Draw(t, "saturation"), Load: Load{Supply: 10}, Goal: 10}
			longer, other := h.clone(), o.clone()
			longer.jobs(n, wait*rapid.Float64Range(1, 100).Draw(t, "factor"), run)
			h.jobs(n, wait, run)
			high, low := minute(other, longer, rec), minute(o, h, rec)
			if high < low*(1-1e-9) {
				t.Fatalf("target %v where jobs waited longer, else %v: %+v, %+v", high, low, other.Last(), o.Last())
			}
			now = now.Add(time.Minute)
		}
	})
}

// Evidence that cannot be moves nothing, and what comes after it counts as if it had not been.
func TestImpossibleEvidenceIsRefused(t *testing.T) {
	spoil := []func(*Evidence){
		func(v *Evidence) { v.StartedSlots = math.NaN() },
		func(v *Evidence) { v.WaitSlotSeconds = math.Inf(1) },
		func(v *Evidence) { v.WaitSlotSeconds = -1 },
		func(v *Evidence) { v.FinishedSlots = -1 },
		func(v *Evidence) { v.RunSlotSeconds = math.NaN() },
		func(v *Evidence) { v.Started = -1 },
		func(v *Evidence) { v.Finished = -1 },
		func(v *Evidence) { v.Bounds = nil },
	}
	rapid.Check(t, func(t *rapid.T) {
		cfg := DefaultOuterConfig()
		cfg.Intent = drawIntent(t)
		o, err := NewOuter(cfg, time.Second, 1)
		if err != nil {
			t.Fatal(err)
		}
		h, at := newHistory(), epoch
		for range rapid.IntRange(1, 3000).Draw(t, "steps") {
			at = at.Add(time.Second)
			h.jobs(1, rapid.Float64Range(0, 1e4).Draw(t, "wait"), 100)
			rec := Record{At: at, Load: Load{Supply: 10}, Goal: 10}
			o.Step(&rec, time.Second, &h.Evidence)
		}
		before := o.clone()
		bad := h.clone()
		rapid.SampledFrom(spoil).Draw(t, "spoil")(&bad.Evidence)
		rec := Record{At: at.Add(time.Second), Load: Load{Supply: 10}, Goal: 10}
		if move := o.Step(&rec, time.Second, &bad.Evidence); move.Target != before.move.Target || move.Reason != "held: what the batch system tells of waits cannot be" {
			t.Fatalf("%+v after evidence that cannot be, was %+v", move, before.move)
		}
		rec.At = at.Add(2 * time.Second)
		if a, b := o.Step(&rec, time.Second, &h.Evidence), before.Step(&rec, time.Second, &h.Evidence); a.Target != b.Target || o.bias != before.bias || o.window.started != before.window.started {
			t.Fatalf("%+v after a refusal, %+v without", a, b)
		}
	})
}

// A batch system that began anew, or whose counts fell, teaches nothing about the past and moves nothing at once.
func TestEvidenceThatBeganAnew(t *testing.T) {
	r, s := newRig(t, "wait<=10m"), newStation(5, 0.5, 100)
	for range 10_000 {
		r.step(s.second(r.inner.Goal()), &s.ev)
	}
	before, bias := r.outer.Last().Target, r.outer.bias
	s.ev = Evidence{Waits: make([]int64, buckets), Bounds: bounds}
	for i := range 300 {
		if r.step(s.second(r.inner.Goal()), &s.ev); i < 60 && r.outer.Last().Target != before {
			t.Fatalf("target %v at once, was %v", r.outer.Last().Target, before)
		}
	}
	if r.outer.bias != bias {
		t.Errorf("mismatch %v, was %v", r.outer.bias, bias)
	}
}

// Setting an intent, another one, or none, bends the goal and does not break it: it moves by no more than the change of target
// asks for in one tracking time's share of a step, and rounding.
func TestIntentsAreBumpless(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		cfg := DefaultConfig()
		cfg.Target = rapid.Float64Range(0.05, 20).Draw(t, "target")
		c, err := New(cfg)
		if err != nil {
			t.Fatal(err)
		}
		fixed, total := cfg.Target, rapid.IntRange(100, 100_000).Draw(t, "jobs")
		now, running := epoch, 0
		step := func() int {
			now = now.Add(cfg.Period)
			rec, err := c.Step(now, held(running, total-running))
			if err != nil {
				t.Fatal(err)
			}
			running = rec.Goal
			return rec.Goal
		}
		for range 400 {
			step()
		}
		asked := 0.0 // by the step before: a surplus goes one scale-in delay, here a step, later
		for range rapid.IntRange(1, 5).Draw(t, "changes") {
			target := fixed
			if rapid.Bool().Draw(t, "intent") {
				limits := DefaultOuterConfig()
				limits.Intent = drawIntent(t)
				start := c.Config().Target
				if rapid.Bool().Draw(t, "begins") {
					start = rapid.Float64Range(0.001, 1000).Draw(t, "start")
				}
				o, err := NewOuter(limits, cfg.Period, start)
				if err != nil {
					t.Fatal(err)
				}
				target = o.Last().Target
			}
			before, change := c.Goal(), c.Config()
			change.Target = target
			if err := c.Configure(now, change); err != nil {
				t.Fatal(err)
			}
			if c.Goal() != before {
				t.Fatalf("goal jumped from %d to %d", before, c.Goal())
			}
			for range rapid.IntRange(1, 100).Draw(t, "after") {
				previous := c.Goal()
				asks := 1.05 * math.Abs(c.setpoint-change.setpoint()) * float64(total) * share(cfg.Period, cfg.TrackingTime)
				limit := asked + asks + 0.01*float64(total) + 2
				asked = asks
				if goal := step(); math.Abs(float64(goal-previous)) > limit {
					t.Fatalf("goal from %d to %d of %d, at most %.1f asked for", previous, goal, total, limit)
				}
			}
		}
	})
}

// What was learnt is taken up again as it was, and what cannot be is not.
func TestLearntIsTakenUp(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		cfg := DefaultOuterConfig()
		cfg.Intent = drawIntent(t)
		o, err := NewOuter(cfg, time.Second, rapid.Float64Range(0.01, 100).Draw(t, "target"))
		if err != nil {
			t.Fatal(err)
		}
		o.bias += rapid.Float64Range(-maxBias, maxBias).Draw(t, "mismatch")
		other, err := NewOuter(cfg, time.Second, 1)
		if err != nil {
			t.Fatal(err)
		}
		other.Resume(o.Learnt())
		if other.move.Target != o.move.Target || math.Abs(other.bias-o.bias) > 1e-9 {
			t.Fatalf("took up %+v of %+v", other.Learnt(), o.Learnt())
		}
		wild := rapid.SampledFrom([]float64{math.NaN(), math.Inf(1), math.Inf(-1), -1, 0, 1e300, 5e-324})
		other.Resume(Learnt{wild.Draw(t, "t"), wild.Draw(t, "m")})
		if l := other.Learnt(); !(l.Target >= cfg.TargetMin && l.Target <= cfg.TargetMax) || math.Abs(other.bias-cfg.Intent.prior()) > maxBias+1e-9 {
			t.Fatalf("took up %+v", l)
		}
	})
}
