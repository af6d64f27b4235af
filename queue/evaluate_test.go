package queue_test

import (
	"testing"

	"sluice/queue"
)

func TestEvaluate(t *testing.T) {
	q, err := queue.New(queue.Config{})
	must(t, err)
	id, err := q.Submit(epoch, queue.Spec{Command: "x", User: "ann", Name: "a", Array: &queue.Array{Ranges: []queue.Range{{First: 1, Last: 3, Step: 1}}}})
	must(t, err)
	ended := &queue.Condition{Op: queue.OpEnded, Job: id}
	done := &queue.Condition{Op: queue.OpDone, Name: "a"}
	third := &queue.Condition{Op: queue.OpEnded, Job: queue.ID{Job: id.Job, Index: 3}}
	either := &queue.Condition{Op: queue.OpOr, Args: []*queue.Condition{third, done}}
	want := func(when string, c *queue.Condition, outcome queue.Outcome) {
		t.Helper()
		if got, err := q.Evaluate("ann", c); err != nil || got != outcome {
			t.Errorf("%s: %+v, %v; want %+v", when, got, err, outcome)
		}
	}
	want("submitted", ended, queue.Outcome{})
	want("submitted", done, queue.Outcome{})
	want("no condition", nil, queue.Outcome{Met: true})
	must(t, q.Kill(epoch, ann, queue.ID{Job: id.Job, Index: 3}, 0))
	want("one element killed", ended, queue.Outcome{})
	want("one element killed", done, queue.Outcome{Never: true})
	want("one element killed", third, queue.Outcome{Met: true})
	want("one element killed", either, queue.Outcome{Met: true})
	must(t, q.Kill(epoch, ann, id, 0))
	want("killed", ended, queue.Outcome{Met: true})
	for _, c := range []*queue.Condition{
		{Op: queue.OpDone, Name: "nosuch"}, {Op: queue.OpDone, Job: queue.ID{Job: 99}}, {Op: queue.OpDone, Name: "a", Each: true}, {Op: "x", Name: "a"},
	} {
		if _, err := q.Evaluate("ann", c); err == nil {
			t.Errorf("%+v is not refused", c)
		}
	}
	if _, err := q.Evaluate("bob", done); err == nil {
		t.Error("a name is that of another user's job")
	}
}
