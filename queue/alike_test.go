package queue_test

import (
	"testing"
	"time"

	"sluice/queue"
)

// Equal jobs share a spec, by themselves or after a restart; what is changed about one of them is not changed about another.
func TestEqualJobsShareASpec(t *testing.T) {
	q := newQueue(t, queue.Config{}, 0, 0)
	one := submit(t, q, simple(1))
	other := simple(1)
	other.Name = "other"
	submit(t, q, other)
	same := submit(t, q, simple(1))
	fresh := newQueue(t, queue.Config{}, 0, 0)
	for _, ev := range q.Take(nil) {
		spec := *ev.Spec
		ev.Spec = &spec
		must(t, fresh.Apply(ev))
	}
	for _, q := range []*queue.Queue{q, fresh} {
		a, _ := q.Job(one)
		b, _ := q.Job(same)
		if a.Spec != b.Spec || a.Spec.Name != "" {
			t.Errorf("equal jobs have %p and %p: %+v", a.Spec, b.Spec, a.Spec)
		}
		must(t, q.Modify(epoch.Add(time.Second), queue.Actor{User: "ann"}, same, func(s *queue.Spec) { s.Priority = 7 }))
		a, _ = q.Job(one)
		b, _ = q.Job(same)
		if a.Spec.Priority != 0 || b.Spec.Priority != 7 {
			t.Errorf("priorities are %d and %d", a.Spec.Priority, b.Spec.Priority)
		}
	}
}

// A queue that does not take a job leaves it as it was given to the next one.
func TestDefaultQueuesFillInAnew(t *testing.T) {
	wide, narrow := queue.QueueSpec{Name: "wide", Users: []string{"bob"}}, queue.QueueSpec{Name: "narrow"}
	wide.SlotsDefault, narrow.SlotsDefault = 4, 2
	q := newQueue(t, queue.Config{DefaultQueues: []string{"wide", "narrow"}, Queues: []queue.QueueSpec{wide, narrow}}, 0, 0)
	id := submit(t, q, simple(0))
	if j, _ := q.Job(id); j.Spec.Queue != "narrow" || j.Spec.MinSlots != 2 || j.Spec.MaxSlots != 2 {
		t.Errorf("submitted %+v", j.Spec)
	}
}
