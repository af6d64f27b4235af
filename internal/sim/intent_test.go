package sim

import (
	"errors"
	"testing"
	"time"

	"sluice/controller"
	"sluice/queue"
)

func intentPolicy(t testing.TB, text string, change func(*controller.Config)) Policy {
	t.Helper()
	cfg, limits := controller.DefaultConfig(), controller.DefaultOuterConfig()
	if change != nil {
		change(&cfg)
	}
	var err error
	if limits.Intent, err = controller.ParseIntent(text); err != nil {
		t.Fatal(err)
	}
	p, err := NewIntent(cfg, limits)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// On a stationary load the promise is kept, and not by far more than is needed.
func TestIntentIsKept(t *testing.T) {
	for _, tc := range []struct {
		intent   string
		gap, run time.Duration
		slots    int
	}{
		{"wait<=10m", 6 * second, 600 * second, 1},
		{"wait<=10m", 12 * second, 600 * second, 4},
		{"wait.p95<=30m", 6 * second, 600 * second, 1},
		{"slowdown<=2", 6 * second, 600 * second, 1},
		{"slowdown<=4", 12 * second, 600 * second, 4},
	} {
		t.Run(tc.intent, func(t *testing.T) {
			t.Parallel()
			r := run(t, cluster(t, 2048, 8), poisson(t, 12_000, tc.gap, tc.run, tc.slots, 1),
				intentPolicy(t, tc.intent, func(c *controller.Config) { c.Quantum = 8 }), nil)
			v := r.Intent
			t.Logf("%+v, over-allocation %.3f", *v, r.OverAllocation)
			if v.Settled > v.Limit || v.Settled < 0.85*v.Limit {
				t.Errorf("%.4g of %.4g once settled, want 0.85 to 1 of it: %+v", v.Settled, v.Limit, *v)
			}
			if v.Measured > 1.02*v.Limit {
				t.Errorf("%.4g of %.4g over the whole run: %+v", v.Measured, v.Limit, *v)
			}
			if r.OverAllocation > 0.12 {
				t.Errorf("over-allocation %.3f", r.OverAllocation)
			}
		})
	}
}

// An intent on a cluster that is too small for the load raises the target no further, says so, and is kept again once the
// cluster is large enough.
func TestIntentThatCannotBeMet(t *testing.T) {
	jobs := poisson(t, 12_000, 6*second, 600*second, 1, 2) // 100 slots' worth of work
	cfg := cluster(t, 400, 8)
	free := 20_000 * second
	cfg.Outages = []Outage{{To: free, Free: 10}} // 80 slots
	p, ok := intentPolicy(t, "wait<=10m", func(c *controller.Config) { c.Quantum = 8 }).(*intent)
	if !ok {
		t.Fatal("not an intent")
	}
	var during, highest float64
	said := ""
	r := run(t, cfg, jobs, p, func(s Sample) {
		switch last := p.outer.Last(); {
		case s.At < free:
			if during = max(during, last.Target); last.Bound {
				said = last.Reason
			}
		case s.At < 50_000*second:
			highest = max(highest, last.Target)
		}
	})
	needed := 600.0 / 600
	t.Logf("target at most %.3f on a full cluster and %.3f after: %+v", during, highest, *r.Intent)
	if during > 1.1*needed || highest > 1.5*needed {
		t.Errorf("target at most %.3f on a full cluster, %.3f after, needed %.3f: windup", during, highest, needed)
	}
	if v := r.Intent; v.Settled > v.Limit {
		t.Errorf("not kept after the cluster was free: %+v", *v)
	}
	if said != "cannot be met for now: supply is short of the goal, and no target would change that" {
		t.Errorf("said %q while the cluster was full", said)
	}
}

// A queue's weight is a preference: with more of it the jobs of the queue wait less, and those of the others not more.
func TestWeightIsAPreference(t *testing.T) {
	queues := func(weight float64) []queue.QueueSpec {
		return []queue.QueueSpec{
			{Name: "heavy", Priority: 30, Weight: weight},
			{Name: "light", Priority: 30, Default: true},
		}
	}
	t.Run("mixed", func(t *testing.T) {
		t.Parallel()
		jobs := poisson(t, 6000, 6*second, 600*second, 1, 3)
		for i := range jobs {
			jobs[i].Queue = [2]string{"heavy", "light"}[i%2]
		}
		var waits []map[string]float64
		for _, weight := range []float64{1, 4} {
			cfg := cluster(t, 1024, 8)
			cfg.Queues = queues(weight)
			waits = append(waits, run(t, cfg, jobs, pidPolicy(t, nil), nil).Queues)
		}
		t.Logf("weight 1: %v, weight 4: %v", waits[0], waits[1])
		for name, wait := range waits[1] {
			if wait > 0.7*waits[0][name] {
				t.Errorf("%s waited %.0f s with a weight of 1 and %.0f s with 4", name, waits[0][name], wait)
			}
		}
	})
	t.Run("in turns", func(t *testing.T) {
		t.Parallel()
		jobs := poisson(t, 12_000, 6*second, 600*second, 1, 4)
		for i := range jobs {
			jobs[i].Queue = [2]string{"heavy", "light"}[int(jobs[i].Submit/(20_000*second))%2]
		}
		cfg := cluster(t, 1024, 8)
		cfg.Queues = queues(2)
		waits := run(t, cfg, jobs, pidPolicy(t, func(c *controller.Config) { c.Target = 1 }), nil).Queues
		t.Logf("%v", waits)
		if ratio := waits["heavy"] / waits["light"]; ratio < 0.4 || ratio > 0.75 {
			t.Errorf("waits %v: a weight of 2 makes %.2f of the wait, want about a half", waits, ratio)
		}
	})
}

func TestIntentRefused(t *testing.T) {
	if _, err := NewIntent(controller.DefaultConfig(), controller.DefaultOuterConfig()); !errors.Is(err, controller.ErrConfig) {
		t.Errorf("no intent: error %v", err)
	}
}
