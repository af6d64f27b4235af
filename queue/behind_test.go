package queue_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"sluice/queue"
)

// TestDemandBehindLimits: what limits leave is the first jobs', but those behind them are told of, because the first may never start.
func TestDemandBehindLimits(t *testing.T) {
	q := newQueue(t, queue.Config{Queues: []queue.QueueSpec{{Name: "limited", Default: true, MaxSlots: 4}}}, 0, 0)
	first, second, never := simple(4), simple(1), simple(5)
	first.Need.MemMiB = 1 << 20
	for _, s := range []queue.Spec{never, first, second, second} {
		s.Queue = "limited"
		submit(t, q, s)
	}
	want := []queue.Demand{
		{Need: first.Need, Slots: 4, Count: 1, Strict: true},
		{Slots: 1, Count: 1, Strict: true, Behind: true},
	}
	if diff := cmp.Diff(want, q.Demand(0)); diff != "" {
		t.Errorf("demand (-want +got):\n%s", diff)
	}
	if load := q.Load(); load.Pending != 4 || load.FirstNeed != 4 {
		t.Errorf("load %+v: want the 4 slots of the first job", load)
	}
}
