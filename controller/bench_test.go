package controller

import (
	"testing"
	"time"
)

// A step costs at most 200 ns and no allocation.
func BenchmarkStep(b *testing.B) {
	c := newController(b, func(c *Config) { c.ScaleInDelay = time.Minute })
	now := epoch
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		now = now.Add(time.Second)
		load := Load{Running: 300 + i%50, Pending: 1000 - i%90, FirstNeed: 4, Supply: 320, InFlight: 8}
		if _, err := c.Step(now, load); err != nil {
			b.Fatal(err)
		}
	}
}

func TestStepDoesNotAllocate(t *testing.T) {
	c := newController(t, nil)
	now, i := epoch, 0
	if n := testing.AllocsPerRun(1000, func() {
		now = now.Add(time.Second)
		i++
		if _, err := c.Step(now, Load{Running: i % 7 * 10, Pending: i % 11 * 10, Supply: i % 80}); err != nil {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Errorf("%v allocations per step", n)
	}
}

// steadyOuter steps an outer loop in steady state, with a job that started and one that ended each second; a move a minute.
func steadyOuter(tb testing.TB) (o *Outer, step func()) {
	tb.Helper()
	cfg := DefaultOuterConfig()
	cfg.Intent = Intent{Wait: 10 * time.Minute, Percentile: 95}
	o, err := NewOuter(cfg, time.Second, 1)
	if err != nil {
		tb.Fatal(err)
	}
	ev := Evidence{Waits: make([]int64, buckets), Bounds: func(i int) time.Duration { return time.Duration(i+1) * 10 * time.Second }}
	rec := Record{At: epoch, Load: Load{Supply: 10}, Goal: 10}
	return o, func() {
		rec.At = rec.At.Add(time.Second)
		ev.Started, ev.StartedSlots, ev.WaitSlotSeconds = ev.Started+1, ev.StartedSlots+1, ev.WaitSlotSeconds+300
		ev.Finished, ev.FinishedSlots, ev.RunSlotSeconds = ev.Finished+1, ev.FinishedSlots+1, ev.RunSlotSeconds+100
		ev.Waits[30]++
		o.Step(&rec, time.Second, &ev)
	}
}

// A step of the outer loop costs little beside the controller's, in the mean over its moves, and does not allocate.
func BenchmarkOuterStep(b *testing.B) {
	_, step := steadyOuter(b)
	b.ReportAllocs()
	for b.Loop() {
		step()
	}
}

func TestOuterStepDoesNotAllocate(t *testing.T) {
	o, step := steadyOuter(t)
	for range 100_000 {
		step()
	}
	if n := testing.AllocsPerRun(10_000, step); n != 0 {
		t.Errorf("%v allocations per step: %+v", n, o.Last())
	}
}
