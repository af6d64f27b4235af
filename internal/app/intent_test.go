package app

import (
	"testing"
	"testing/synctest"
	"time"

	"sluice/framework/fleet"
	"sluice/queue"
)

// TestIntentMovesTheTarget follows an intent from its order to the status, and back to the target that was set.
func TestIntentMovesTheTarget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		batch := &fakeBatch{load: queue.Load{Running: 30, Pending: 100, FirstNeed: 1, PendingWeight: 1}, evidence: &queue.Evidence{}}
		l, _ := newTestLoop(t, batch)
		if err := l.apply(Control{Intent: "wait<=10m"}, nil); err != nil {
			t.Fatal(err)
		}
		for range 600 { // jobs run 1000 s and wait 1000 s: τ must rise towards 1000/600
			batch.load.Running, batch.load.Pending = 65, 65
			v := *batch.evidence
			v.Started, v.StartedSlots, v.WaitSlotSeconds = v.Started+1, v.StartedSlots+1, v.WaitSlotSeconds+1000
			v.Finished, v.FinishedSlots, v.RunSlotSeconds = v.Finished+1, v.FinishedSlots+1, v.RunSlotSeconds+1000
			v.Waits[100]++
			batch.evidence = &v
			l.step(t.Context())
			<-time.After(time.Second)
		}
		var s Status
		l.fill(&s)
		if s.Intent != "wait<=10m" || s.IntentMeasured == nil || *s.IntentMeasured != 1000 || s.IntentReason == "" {
			t.Errorf("status %q, measured %v, %q", s.Intent, s.IntentMeasured, s.IntentReason)
		}
		if held := l.config().Target; held != 0.3 {
			t.Errorf("target %v although supply is short of the goal all the time, want 0.3", held)
		}
		wide := l.limits
		l.fleet = &ampleFleet{}
		for range 1200 {
			v := *batch.evidence
			v.Finished, v.FinishedSlots, v.RunSlotSeconds = v.Finished+1, v.FinishedSlots+1, v.RunSlotSeconds+1000
			batch.evidence = &v
			l.step(t.Context())
			<-time.After(time.Second)
		}
		if target := l.config().Target; target < 1.5 || target > 1.8 || l.limits != wide {
			t.Errorf("target %v, want 1000/600", target)
		}
		target := 2.0
		if err := l.apply(Control{Target: &target}, nil); queue.KindOf(err) != queue.KindInvalid {
			t.Errorf("a target under an intent: %v, want a refusal", err)
		}
		if err := l.apply(Control{Intent: "wait<=soon"}, nil); queue.KindOf(err) != queue.KindInvalid {
			t.Errorf("a bad intent: %v, want a refusal", err)
		}
		if err := l.apply(Control{Intent: "none"}, nil); err != nil || l.config().Target != 0.3 {
			t.Errorf("target %v after the intent ended (%v), want the fixed 0.3", l.config().Target, err)
		}
	})
}

// ampleFleet has all that is asked for.
type ampleFleet struct{ goal int }

func (f *ampleFleet) SetGoal(goal int, _ queue.Snapshot) { f.goal = goal }
func (f *ampleFleet) Supply() fleet.Holding              { return fleet.Holding{Supply: max(f.goal, 65)} }
