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
