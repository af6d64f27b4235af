package framework

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"sluice/framework/fleet"
	"sluice/queue"
)

// kinds is all that a framework does to the world outside.
var kinds = []string{
	"put framework", "put fleet", "batch add", "batch close", "batch open", "batch remove",
	"call SUBSCRIBE", "call REVIVE", "call SUPPRESS", "call ACCEPT", "call DECLINE", "call ACKNOWLEDGE", "call RECONCILE", "call KILL",
}

// TestKilledAtEveryEffect kills the framework (kill -9) before the n-th thing that it does to the world, and again after that thing
// has happened and its answer was lost, for every n of a life in which all kinds of effects occur. The next instance must know every
// task, end none whose host has a job, launch none twice, and bring the life to its end.
func TestKilledAtEveryEffect(t *testing.T) {
	whole := lifeKilledAt(t, -1, false)
	for _, kind := range kinds {
		if !strings.Contains(strings.Join(whole, "\n"), kind) {
			t.Errorf("a whole life has no %q", kind)
		}
	}
	for n := range whole {
		for _, happened := range []bool{false, true} {
			lifeKilledAt(t, n, happened)
		}
		if t.Failed() {
			return
		}
	}
	t.Logf("killed at each of %d effects", len(whole))
}

// lifeKilledAt gives the effects of a life, in order.
func lifeKilledAt(t *testing.T, n int, happened bool) (effects []string) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1, false)
		defer w.close()
		w.endFaults()
		w.onRelease = func(o *op) bool {
			effects = append(effects, o.key)
			if len(effects)-1 != n {
				return false
			}
			if happened {
				w.release(o, isLost)
			}
			w.kill()
			return true
		}
		w.want(5)
		w.rest("hosts", 5*time.Minute, w.full)
		w.occupy()
		w.want(0)
		w.rest("drains", 5*time.Minute, func() string { return w.all(fleet.Closed) })
		w.want(9)
		w.rest("drains cancelled, and further hosts", 5*time.Minute, w.full)
		w.vacate()
		w.want(0)
		w.rest("nothing", 10*time.Minute, w.nothing)
		if len(w.wrong) > 0 {
			t.Errorf("killed at effect %d (happened: %t)\n%s", n, happened, w.report())
		}
	})
	return effects
}

// occupy gives every host that is open a job on each slot; vacate ends all jobs.
func (w *world) occupy() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, h := range w.batch.hosts {
		if h.Status == queue.HostOK && h.Closed == 0 {
			h.Used, h.IdleSince = h.Slots, time.Time{}
		}
	}
}

func (w *world) vacate() {
	for _, h := range w.batch.hosts {
		w.finish(h)
	}
}

// all says which host is not in a state, in the store and, for Closed, in the batch system.
func (w *world) all(state fleet.State) string {
	w.mu.Lock()
	defer w.mu.Unlock()
	for name, h := range w.batch.hosts {
		if w.ledger.states[name] != state || state == fleet.Closed && h.Closed == 0 {
			return "host " + name + " is " + w.ledger.states[name].String()
		}
	}
	return ""
}
