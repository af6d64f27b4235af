package controller

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

// A controller at rest that is told so is as one that made all the steps.
func TestRestStandsForSteps(t *testing.T) {
	rests := 0
	rapid.Check(t, func(t *rapid.T) {
		cfg := drawConfig(t)
		if rapid.Bool().Draw(t, "no derivative") {
			cfg.Kd = 0
		}
		stepped, err := New(cfg)
		if err != nil {
			t.Fatal(err)
		}
		rested := *stepped
		now := epoch
		for range rapid.IntRange(1, 20).Draw(t, "loads") {
			load := drawLoad(t)
			switch rapid.IntRange(0, 4).Draw(t, "kind") {
			case 0:
				load.Running, load.Pending = 0, 0
			case 1: // just what the law wants, so that there is nothing to do
				load.Pending = int(float64(load.Running) / cfg.Target)
				load.Supply, load.InFlight = load.Running, 0
			}
			n := rapid.IntRange(1, 300).Draw(t, "steps")
			for i := range n {
				now = now.Add(cfg.Period)
				if _, err := stepped.Step(now, load); err != nil {
					t.Fatal(err)
				}
				if i > 0 && rested.AtRest() {
					rests++
					continue
				}
				if _, err := rested.Step(now, load); err != nil {
					t.Fatal(err)
				}
			}
			if rested.AtRest() && rested.at.Before(now) {
				rested.Rest(now)
			}
			if rested.Last() != stepped.Last() || rested.state != stepped.state || rested.scaleIn.greatest() != stepped.scaleIn.greatest() {
				t.Fatalf("rested:\n%+v\nstepped:\n%+v", rested, *stepped)
			}
			if rapid.IntRange(0, 5).Draw(t, "configure") == 0 {
				cfg.Target = rapid.Float64Range(0.01, 100).Draw(t, "target")
				for _, c := range []*Controller{stepped, &rested} {
					if err := c.Configure(now.Add(-time.Duration(rapid.Int64Range(0, int64(cfg.Period)).Draw(t, "ago"))), cfg); err != nil {
						t.Fatal(err)
					}
				}
			}
		}
	})
	if rests == 0 {
		t.Error("none ever was at rest")
	}
	t.Log(rests, "steps left out")
}
