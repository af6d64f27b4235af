package app

import (
	"context"
	"errors"
	"io"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sirupsen/logrus"

	"sluice/controller"
	"sluice/framework/fleet"
	"sluice/queue"
)

// fakeBatch answers polls with what it is told to.
type fakeBatch struct {
	load queue.Load
	err  error
	hang bool

	evidence *queue.Evidence
}

func (b *fakeBatch) Poll(ctx context.Context) (queue.Snapshot, error) {
	if b.hang {
		<-ctx.Done()
		return queue.Snapshot{}, ctx.Err()
	}
	return queue.Snapshot{At: time.Now(), Load: b.load, Evidence: b.evidence}, b.err
}

// fakeFleet notes the goals that it is given.
type fakeFleet struct {
	goals []int
	need  int
}

func (b *fakeBatch) Await(context.Context, int) error { return nil }

func (f *fakeFleet) SetGoal(goal int, _ queue.Snapshot) { f.goals = append(f.goals, goal) }
func (f *fakeFleet) Supply() fleet.Holding              { return fleet.Holding{Need: f.need} }
func (f *fakeFleet) last() int                          { return f.goals[len(f.goals)-1] }

func newTestLoop(t *testing.T, batch *fakeBatch) (*loop, *fakeFleet) {
	t.Helper()
	log := logrus.New()
	log.SetOutput(io.Discard)
	fleet := &fakeFleet{}
	l, err := newLoop(controller.DefaultConfig(), controller.DefaultOuterConfig(), batch, fleet, log)
	if err != nil {
		t.Fatal(err)
	}
	return l, fleet
}

// TestFailedPollHolds is the rule that a poll that fails or hangs is not a load of zero: nothing is handed over.
func TestFailedPollHolds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		batch := &fakeBatch{load: queue.Load{Pending: 100, FirstNeed: 1}}
		l, fleet := newTestLoop(t, batch)
		l.step(t.Context())
		held := fleet.last()
		if held == 0 {
			t.Fatal("100 pending jobs call for nothing")
		}
		for _, fail := range []func(){
			func() { batch.err = errors.New("mbatchd is down") },
			func() { batch.err, batch.hang = nil, true },
		} {
			fail()
			<-time.After(time.Second)
			before := len(fleet.goals)
			l.step(t.Context())
			if len(fleet.goals) != before {
				t.Errorf("a goal of %d was handed over after a failed poll", fleet.last())
			}
		}
		var s Status
		l.fill(&s)
		if s.Goal != held || s.Errors != 2 || s.PollAgeSeconds < 2 || s.Reason == "" {
			t.Errorf("status after two failed polls: goal %d (held %d), errors %d, age %.1f s, reason %q", s.Goal, held, s.Errors, s.PollAgeSeconds, s.Reason)
		}
		batch.hang, batch.load = false, queue.Load{}
		<-time.After(time.Second)
		l.step(t.Context())
		if fleet.last() != 0 {
			t.Errorf("goal %d without jobs, want 0", fleet.last())
		}
	})
}

// TestGoalAllowsForTheJobGatheredFor: where the first job can not be served, the goal is enough for the one that is.
func TestGoalAllowsForTheJobGatheredFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, fleet := newTestLoop(t, &fakeBatch{load: queue.Load{Pending: 9, FirstNeed: 1}})
		l.step(t.Context())
		if fleet.last() >= 8 {
			t.Fatalf("goal %d of 9 pending slots, want a part of them", fleet.last())
		}
		fleet.need = 8
		<-time.After(time.Second)
		l.step(t.Context())
		if fleet.last() != 8 {
			t.Errorf("goal %d, want 8", fleet.last())
		}
	})
}

func TestPauseHoldsTheGoal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		batch := &fakeBatch{load: queue.Load{Pending: 100, FirstNeed: 1}}
		l, fleet := newTestLoop(t, batch)
		l.step(t.Context())
		held := fleet.last()
		paused := true
		if err := l.apply(Control{Paused: &paused}, nil); err != nil {
			t.Fatal(err)
		}
		batch.load.Pending = 10_000
		<-time.After(time.Second)
		l.step(t.Context())
		if fleet.last() != held {
			t.Errorf("goal went from %d to %d while paused", held, fleet.last())
		}
		paused = false
		if err := l.apply(Control{Paused: &paused}, nil); err != nil {
			t.Fatal(err)
		}
		<-time.After(time.Second)
		l.step(t.Context())
		if fleet.last() <= held {
			t.Errorf("goal %d after resume with 100 times the jobs, was %d", fleet.last(), held)
		}
	})
}

// TestApplyIsAllOrNothing checks that a bad value in a change leaves the good ones alone, too.
func TestApplyIsAllOrNothing(t *testing.T) {
	l, _ := newTestLoop(t, &fakeBatch{})
	before := l.config()
	target, ki := 2.0, -1.0
	err := l.apply(Control{Target: &target, Ki: &ki}, nil)
	if queue.KindOf(err) != queue.KindInvalid {
		t.Errorf("a negative gain: %v, want a refusal", err)
	}
	if l.config() != before {
		t.Error("half of a refused change was made")
	}
	flex := -1
	if err := l.apply(Control{Flex: &flex}, nil); queue.KindOf(err) != queue.KindInvalid {
		t.Errorf("a negative minimum: %v, want a refusal", err)
	}
	if err := l.apply(Control{Target: &target}, nil); err != nil || l.config().Target != target {
		t.Errorf("target %v after a good change (%v), want %v", l.config().Target, err, target)
	}
}
