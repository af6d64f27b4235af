package history_test

import (
	"fmt"
	"testing"
	"time"

	"sluice/queue"
	"sluice/queue/history"
)

var at = time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)

func submitted(spec queue.Spec) *history.Record {
	spec.Command, spec.User, spec.Queue = "run.sh", "ada", "normal"
	return history.NewRecord(&queue.Event{Kind: queue.JobSubmitted, At: at, Job: queue.ID{Job: 1}, Spec: &spec})
}

func ExampleRecord_Apply() {
	r := submitted(queue.Spec{})
	r.Apply(&queue.Event{Kind: queue.JobStarted, At: at.Add(2 * time.Second), Attempt: 1, Placement: []queue.Placement{{Host: "h", Slots: 4}}})
	r.Apply(&queue.Event{Kind: queue.JobStopped, At: at.Add(5 * time.Second)})
	r.Apply(&queue.Event{Kind: queue.JobResumed, At: at.Add(6 * time.Second)})
	r.Apply(&queue.Event{Kind: queue.JobFinished, At: at.Add(10 * time.Second), Usage: queue.Usage{CPU: 5 * time.Second}})
	fmt.Println(r.State, "pending", r.Spent.Pend, "running", r.Spent.Run, "suspended", r.Spent.USusp)
	fmt.Println("slots", r.Slots(), "wait", r.Wait(), "turnaround", r.Turnaround(), "hog factor", r.HogFactor())
	// Output:
	// DONE pending 2s running 7s suspended 1s
	// slots 4 wait 2s turnaround 10s hog factor 0.5
}

func TestElementsLeaveTheArraysRecord(t *testing.T) {
	all := submitted(queue.Spec{Array: &queue.Array{Ranges: []queue.Range{{First: 1, Last: 9, Step: 2}}}})
	one := all.Element(3)
	if all.Elements != 4 || one.Elements != 1 || one.ID.Index != 3 {
		t.Fatalf("%d elements are left, the one is %+v", all.Elements, one)
	}
	one.Apply(&queue.Event{Kind: queue.JobStarted, At: at, Job: one.ID, Attempt: 1})
	array := queue.ID{Job: 1}
	for _, c := range []struct {
		event    queue.Event
		all, one bool
	}{
		{queue.Event{Kind: queue.JobFinished, Job: array}, true, false}, // of those that pend
		{queue.Event{Kind: queue.JobStopped, Job: array}, true, false},
		{queue.Event{Kind: queue.JobRequeued, Job: array}, false, false},
		{queue.Event{Kind: queue.JobQueueMoved, Job: array}, true, true},
		{queue.Event{Kind: queue.JobFinished, Job: one.ID}, false, true},
		{queue.Event{Kind: queue.JobFinished, Job: queue.ID{Job: 2, Index: 3}}, false, false},
	} {
		if got, gotOne := all.Concerns(&c.event), one.Concerns(&c.event); got != c.all || gotOne != c.one {
			t.Errorf("%s of %v concerns the array %v, the element %v", c.event.Kind, c.event.Job, got, gotOne)
		}
	}
}

func TestFilter(t *testing.T) {
	r := submitted(queue.Spec{Name: "sweep"})
	r.Apply(&queue.Event{Kind: queue.JobStarted, At: at.Add(time.Minute), Attempt: 1, Placement: []queue.Placement{{Host: "h1", Slots: 1}}})
	r.Apply(&queue.Event{Kind: queue.JobFinished, At: at.Add(2 * time.Minute), ExitCode: 1})
	span := func(from, to int) history.Span {
		return history.Span{From: at.Add(time.Duration(from) * time.Second), To: at.Add(time.Duration(to) * time.Second)}
	}
	for _, c := range []struct {
		filter history.Filter
		want   bool
	}{
		{history.Filter{}, true},
		{history.Filter{Users: []string{"bob", "ada"}, Queues: []string{"normal"}, Projects: []string{"default"}, Hosts: []string{"h1"}}, true},
		{history.Filter{Users: []string{"bob"}}, false},
		{history.Filter{Projects: []string{"p"}}, false},
		{history.Filter{Hosts: []string{"h2"}}, false},
		{history.Filter{Name: "sw*"}, true},
		{history.Filter{Name: "sw"}, false},
		{history.Filter{IDs: []queue.ID{{Job: 1}}}, true},
		{history.Filter{IDs: []queue.ID{{Job: 1, Index: 2}}}, false},
		{history.Filter{States: []queue.State{queue.Done}}, false},
		{history.Filter{States: []queue.State{queue.Done, queue.Exited}}, true},
		{history.Filter{Submitted: span(-1, 1), Dispatched: span(60, 61), Ended: span(120, 120)}, true},
		{history.Filter{Ended: span(0, 119)}, false},
		{history.Filter{Dispatched: history.Span{From: at.Add(time.Hour)}}, false},
	} {
		if got := c.filter.Job(1, r.Spec, r.SubmittedAt) && c.filter.Record(r); got != c.want {
			t.Errorf("%+v selects it: %v", c.filter, got)
		}
	}
	if pending := submitted(queue.Spec{}); (&history.Filter{Ended: history.Span{To: at.Add(time.Hour)}}).Record(pending) {
		t.Error("what has not ended ended in a span")
	}
}

func TestSummary(t *testing.T) {
	var s history.Summary
	killed := submitted(queue.Spec{Array: &queue.Array{Ranges: []queue.Range{{First: 1, Last: 10, Step: 1}}}})
	killed.Apply(&queue.Event{Kind: queue.JobFinished, At: at.Add(4 * time.Second), Reason: "killed"})
	s.Add(killed)
	ran := submitted(queue.Spec{})
	ran.Apply(&queue.Event{Kind: queue.JobStarted, At: at.Add(time.Second), Attempt: 1})
	ran.Apply(&queue.Event{Kind: queue.JobFinished, At: at.Add(11 * time.Second), Usage: queue.Usage{CPU: 11 * time.Second}})
	s.Add(ran)
	want := history.Summary{
		Done: 1, Exited: 10, CPU: history.Range{Sum: 11, Max: 11}, Wait: history.Range{Sum: 41, Min: 1, Max: 4},
		Turnaround: history.Range{Sum: 51, Min: 4, Max: 11}, Hog: history.Range{Sum: 1, Max: 1},
		Begin: at.Add(4 * time.Second), End: at.Add(11 * time.Second),
	}
	if s != want {
		t.Errorf("summary\n%+v, want\n%+v", s, want)
	}
}
