package queue_test

import (
	"math"
	"testing"
	"time"

	"sluice/queue"
)

// TestEvidence checks which waits count, and that they are in the right bucket.
func TestEvidence(t *testing.T) {
	q := newQueue(t, queue.Config{}, 1, 4)
	late := simple(2)
	late.BeginAt = epoch.Add(time.Hour)
	submit(t, q, late)
	capped := simple(1)
	capped.Array = &queue.Array{Ranges: []queue.Range{{First: 1, Last: 2, Step: 1}}, Limit: 1}
	submit(t, q, capped)
	start := epoch.Add(time.Hour + 90*time.Second)
	if n := q.Schedule(start); n != 2 {
		t.Fatalf("%d started, want 2", n)
	}
	must(t, q.Finished(start.Add(time.Minute), queue.ID{Job: 1}, 1, queue.Result{}))
	v := q.Evidence()
	if v.Started != 1 || v.StartedSlots != 2 || v.WaitSlotSeconds != 180 {
		t.Errorf("%d starts of %d slots waited %v slot-seconds, want 1, 2, 180: the array's limit tells nothing, the begin time is no wait", v.Started, v.StartedSlots, v.WaitSlotSeconds)
	}
	if v.Finished != 1 || v.FinishedSlots != 2 || v.RunSlotSeconds != 120 {
		t.Errorf("%d ends of %d slots ran %v slot-seconds, want 1, 2, 120", v.Finished, v.FinishedSlots, v.RunSlotSeconds)
	}
	for i, n := range v.Waits {
		in := queue.WaitBound(i) > 90*time.Second && (i == 0 || queue.WaitBound(i-1) <= 90*time.Second)
		if in != (n == 2) || !in && n != 0 {
			t.Errorf("bucket %d to %v holds %d", i, queue.WaitBound(i), n)
		}
	}
}

func TestWeightOfPendingSlots(t *testing.T) {
	specs := queue.DefaultQueues()
	specs[2].Weight = 2.5
	q := newQueue(t, queue.Config{Queues: specs}, 0, 0)
	if l := q.Load(); l.PendingWeight != 1 {
		t.Errorf("weight %v with nothing pending, want 1", l.PendingWeight)
	}
	submit(t, q, simple(1)) // normal
	other := simple(2)
	other.Queue = "idle"
	submit(t, q, other)
	if l := q.Load(); l.PendingWeight != 1.5 || l.Pending != 3 {
		t.Errorf("weight %v of %d pending, want 1.5 of 3", l.PendingWeight, l.Pending)
	}
	must(t, q.SetWeight("idle", 4))
	if l := q.Load(); l.PendingWeight != 3.5 {
		t.Errorf("weight %v after a change, want 3.5", l.PendingWeight)
	}
	for _, err := range []error{q.SetWeight("nosuch", 2), q.SetWeight("idle", 0), q.SetWeight("idle", math.NaN())} {
		if err == nil {
			t.Error("a weight that cannot be was set")
		}
	}
	specs[2].Weight = 101
	if _, err := queue.New(queue.Config{Queues: specs}); err == nil {
		t.Error("a weight of 101 was accepted")
	}
}
