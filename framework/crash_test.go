package framework

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mesos/mesos-go/api/v1/lib/scheduler"

	"sluice/framework/minimesos"
)

// fuse lets the first effects of a framework happen (writes, orders to the batch system, calls to the master) and none
// after them, as a kill -9 would.
type fuse struct {
	mu    sync.Mutex
	left  int // effects that still happen; < 0 = all
	blown bool
	trace []string
}

func (f *fuse) effect(what string) (happens bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.left == 0 {
		f.blown = true
		return false
	}
	f.left--
	f.trace = append(f.trace, what)
	return true
}

func (f *fuse) error(what string) error {
	if !f.effect(what) {
		return errTest
	}
	return nil
}

// happened is what has happened so far. A call of a framework that was stopped may still be on its way.
func (f *fuse) happened() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.trace)
}

// mend says whether the fuse had blown, and lets everything happen from now on.
func (f *fuse) mend() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	blown := f.blown
	if blown {
		f.left, f.blown = -1, false
	}
	return blown
}

// TestKilledBetweenAnyTwoEffects runs hosts through their whole life and kills the framework after its n-th effect, for
// every n: the next one must keep the framework id, know every task, kill none with a job and launch none twice.
func TestKilledBetweenAnyTwoEffects(t *testing.T) {
	effects := killedAfter(t, -1)
	if effects < 15 {
		t.Fatalf("only %d effects in a whole life", effects)
	}
	for n := range effects {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			t.Parallel()
			killedAfter(t, n)
		})
	}
}

func killedAfter(t *testing.T, n int) (effects int) {
	f := &fuse{left: n}
	r := newRig(t, minimesos.Config{Agents: agents(2), OnCall: func(call *scheduler.Call) minimesos.Verdict {
		return minimesos.Verdict{Drop: !f.effect(call.Type.String())}
	}})
	r.cfg.Fleet.IdleTimeout = 50 * time.Millisecond
	r.batch.hook = func(op, _ string) error { return f.error(op) }
	r.store.hook = func(bucket string) error { return f.error("put " + bucket) }
	var mustLive []string
	restarts := 0
	r.turn = func() {
		tasks := r.tasks()
		for _, name := range mustLive {
			if !slices.Contains(tasks, name) && len(tasks) > 0 {
				t.Errorf("task %s with a job is gone; after %s", name, strings.Join(f.happened(), ", "))
			}
		}
		if len(tasks) > 2 {
			t.Errorf("%d tasks for 2 hosts", len(tasks))
		}
		r.fw.Status()
		f.mu.Lock()
		blown := f.blown
		f.mu.Unlock()
		if blown {
			r.fw.Stop()
			f.mend()
			restarts++
			r.start()
		}
	}
	r.start()
	r.want(4)
	r.batch.busy(true)
	mustLive = r.tasks()
	r.want(8)
	id := r.store.id()
	r.goal = 4
	r.wait("the idle host gone", func() bool { return len(r.tasks()) == 1 && r.batch.open() == 4 })
	mustLive = nil
	r.batch.busy(false)
	r.batch.need(nil)
	r.goal = 0
	r.wait("nothing left", r.empty)
	if r.store.id() != id || id == "" {
		t.Errorf("framework id %q → %q", id, r.store.id())
	}
	if restarts > 1 || n < 0 && restarts > 0 { // the last effects may come together, and be fewer than the first time
		t.Errorf("killed %d times", restarts)
	}
	for name, times := range r.batch.ever {
		if times > 1 {
			t.Errorf("host %s was added %d times", name, times)
		}
	}
	for _, fw := range r.state().Frameworks {
		if len(fw.Tasks) > 0 && fw.ID != id {
			t.Errorf("framework %s has tasks, ours is %s", fw.ID, id)
		}
	}
	return len(f.happened())
}
