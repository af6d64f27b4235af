package queue_test

import (
	"errors"
	"reflect"
	"testing"

	"sluice/queue"
)

// held is a queue in which two elements of an array run on a host of 1000 MiB, with 300 each, and a third one pends.
func held(t *testing.T) (*queue.Queue, queue.ID) {
	t.Helper()
	q, err := queue.New(queue.Config{})
	must(t, err)
	must(t, q.AddHost(epoch, queue.HostSpec{Name: "h", Slots: 2, MemMiB: 1000}))
	_, err = q.JoinHost(epoch, "h", "session", nil)
	must(t, err)
	id, err := q.Submit(epoch, queue.Spec{
		User: "ann", Command: "c", ResReq: "rusage[mem=300] span[hosts=1]", Need: queue.Need{MemMiB: 300, OneHost: true},
		Array: &queue.Array{Ranges: []queue.Range{{First: 1, Last: 3, Step: 1}}},
	})
	must(t, err)
	q.Schedule(epoch)
	return q, id
}

func memory(mib int) func(*queue.Spec) {
	return func(s *queue.Spec) { s.Need = queue.Need{MemMiB: mib}; s.ResReq = "rusage[mem]" }
}

// The memory of what runs can be changed, as far as its hosts have it, and others start in what is given back.
func TestModifyMemoryOfRunning(t *testing.T) {
	q, id := held(t)
	ann := queue.Actor{User: "ann"}
	if err := q.Modify(epoch, ann, id, memory(501)); !errors.Is(err, &queue.Error{Code: queue.BadSpec}) {
		t.Errorf("more memory than the host has: %v", err)
	}
	must(t, q.Modify(epoch, ann, id, memory(500)))
	job, _ := q.Job(queue.ID{Job: id.Job, Index: 1})
	if s := job.Spec; s.Need.MemMiB != 500 || !s.Need.OneHost || s.ResReq != "" {
		t.Errorf("the job is now %+v", s)
	}
	if err := q.Modify(epoch, ann, id, memory(501)); err == nil {
		t.Error("more memory than the host has left")
	}
	must(t, q.Modify(epoch, ann, id, func(s *queue.Spec) { s.Need = queue.Need{} })) // what they need besides is settled
	must(t, q.Modify(epoch, ann, id, memory(400)))
	other, err := q.Submit(epoch, queue.Spec{User: "bob", Command: "c", Need: queue.Need{MemMiB: 250}, Priority: 9})
	must(t, err)
	must(t, q.Finished(epoch, queue.ID{Job: id.Job, Index: 1}, 1, queue.Result{}))
	must(t, q.Modify(epoch, ann, id, memory(700)))
	q.Schedule(epoch)
	if job, _ := q.Job(other); job.State != queue.Running {
		t.Errorf("a job of 250 MiB beside one of 700 is %v", job.State)
	}
	if err := q.Modify(epoch, ann, id, memory(751)); err == nil {
		t.Error("751 MiB beside a job of 250")
	}
	must(t, q.Finished(epoch, queue.ID{Job: id.Job, Index: 2}, 1, queue.Result{}))
	must(t, q.Finished(epoch, other, 1, queue.Result{}))
	replayed := replayOf(t, q)
	for _, q := range []*queue.Queue{q, replayed} {
		last, err := q.Submit(epoch, queue.Spec{User: "bob", Command: "c", Need: queue.Need{MemMiB: 1000}, Priority: 99})
		must(t, err)
		q.Schedule(epoch)
		if job, _ := q.Job(last); job.State != queue.Running {
			t.Errorf("on an empty host a job of all its memory is %v", job.State)
		}
	}
}

// replayOf is a queue that was made of the events of another one.
func replayOf(t *testing.T, q *queue.Queue) *queue.Queue {
	t.Helper()
	again, err := queue.New(queue.Config{})
	must(t, err)
	for _, ev := range q.Take(nil) {
		must(t, again.Apply(ev))
	}
	return again
}

// Limits of all processes and the files of output can be changed while a job runs, limits of each process cannot. The host is to be told
// when it comes back.
func TestModifyLimitsOfRunning(t *testing.T) {
	q, id := held(t)
	ann := queue.Actor{User: "ann"}
	must(t, q.Modify(epoch, ann, id, func(s *queue.Spec) {
		s.Limits.MemKiB, s.Limits.CPU, s.Stdout, s.TruncateStdout, s.Stderr = 5, 6, "out", true, "err"
	}))
	first := queue.ID{Job: id.Job, Index: 1}
	if got := q.LimitsOf(first); got != (queue.Limits{MemKiB: 5, CPU: 6}) {
		t.Errorf("the limits are %+v", got)
	}
	for name, change := range map[string]func(*queue.Spec){
		"core":  func(s *queue.Spec) { s.Limits.CoreKiB = 1 },
		"file":  func(s *queue.Spec) { s.Limits.FileKiB = 1 },
		"stdin": func(s *queue.Spec) { s.Stdin = "x" },
	} {
		if err := q.Modify(epoch, ann, id, change); !errors.Is(err, &queue.Error{Code: queue.WrongState}) {
			t.Errorf("%s: %v", name, err)
		}
	}
	placed := q.Placed(id.Job)
	want := []queue.Attempt{{ID: first, Attempt: 1}, {ID: queue.ID{Job: id.Job, Index: 2}, Attempt: 1}}
	if !reflect.DeepEqual(placed, want) {
		t.Errorf("placed are %v", placed)
	}
	must(t, q.LoseHost(epoch, "h"))
	rejoin, err := q.JoinHost(epoch, "h", "session", placed[:1])
	must(t, err)
	if !reflect.DeepEqual(rejoin.Change, placed[:1]) || !reflect.DeepEqual(rejoin.Start, placed[1:]) {
		t.Errorf("on rejoin: %+v", rejoin)
	}
}
