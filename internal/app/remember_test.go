package app

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"sluice/controller"
	"sluice/queue"
)

// Each move of the target is remembered while the loop runs, and a supply that is short is said to be why nothing helps.
func TestMovesAreRemembered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		evidence := &queue.Evidence{Finished: 1000, FinishedSlots: 1000, RunSlotSeconds: 1e6}
		batch := &fakeBatch{load: queue.Load{Running: 100, Pending: 100, FirstNeed: 1, PendingWeight: 1}, evidence: evidence}
		l, short := newTestLoop(t, batch)
		l.fleet = &ampleFleet{}
		if err := l.apply(Control{Intent: "wait<=10m"}, nil); err != nil {
			t.Fatal(err)
		}
		var kept []controller.Learnt
		l.remember = func(context.Context) {
			what, ok := l.lesson()
			if !ok || what.Intent != "wait<=10m" {
				t.Errorf("lesson %+v, %v", what, ok)
			}
			kept = append(kept, what.Learnt)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Minute)
		defer cancel()
		l.run(ctx)
		if len(kept) < 5 || kept[len(kept)-1].Target != l.config().Target || kept[0].Target > 0.4 {
			t.Errorf("remembered %+v, in force %v", kept, l.config().Target)
		}
		moves := len(kept)
		l.fleet = short
		ctx, cancel = context.WithTimeout(t.Context(), 5*time.Minute)
		defer cancel()
		l.run(ctx)
		var s Status
		if l.fill(&s); len(kept) != moves || !strings.HasSuffix(s.Reason, "; meanwhile the intent cannot be met") || !strings.HasPrefix(s.IntentReason, "cannot be met for now") {
			t.Errorf("%d moves on a full cluster; goal: %q; intent: %q", len(kept)-moves, s.Reason, s.IntentReason)
		}
	})
}
