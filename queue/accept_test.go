package queue_test

import (
	"errors"
	"testing"
	"time"

	"sluice/queue"
)

func TestQueueFillsInWhatAJobLeavesOpen(t *testing.T) {
	q := newQueue(t, queue.Config{Queues: []queue.QueueSpec{{
		Name:  "strict",
		Terms: queue.Terms{LeastJob: 2, SlotsDefault: 3, JobSlots: 4, NeedDefault: queue.Need{MemMiB: 7, GPUs: 1, OneHost: true}},
	}}, DefaultQueues: []string{"strict"}}, 0, 0)
	id := submit(t, q, queue.Spec{User: "ann", Command: "true"})
	job, _ := q.Job(id)
	if s := job.Spec; s.Queue != "strict" || s.MinSlots != 3 || s.MaxSlots != 3 || s.Need != (queue.Need{MemMiB: 7, GPUs: 1, OneHost: true}) {
		t.Errorf("filled in %+v", *s)
	}
	id = submit(t, q, queue.Spec{User: "ann", Command: "true", MinSlots: 2, Need: queue.Need{MemMiB: 1, PerHost: 1}})
	job, _ = q.Job(id)
	if s := job.Spec; s.MinSlots != 2 || s.Need != (queue.Need{MemMiB: 1, GPUs: 1, PerHost: 1}) {
		t.Errorf("filled in %+v over what the job says", *s)
	}
	must(t, q.Modify(epoch, queue.Actor{Admin: true}, id, func(s *queue.Spec) { s.MinSlots, s.MaxSlots = 0, 0 }))
	if job, _ = q.Job(id); job.Spec.MinSlots != 3 {
		t.Errorf("modified to %+v, want the queue's", *job.Spec)
	}
	whole := newQueue(t, queue.Config{Queues: []queue.QueueSpec{{Name: "a", Default: true, Terms: queue.Terms{MemDefault: 10}}}}, 0, 0)
	if job, _ := whole.Job(submit(t, whole, simple(4))); job.Spec.Need.MemMiB != 3 {
		t.Errorf("each of 4 slots needs %d MiB, want a fourth of 10", job.Spec.Need.MemMiB)
	}
}

func TestQuotasOfUsers(t *testing.T) {
	q := newQueue(t, queue.Config{
		Queues: []queue.QueueSpec{{Name: "a", Default: true}, {Name: "b", Priority: 1}},
		Users: []queue.UserSpec{
			{Name: "ann", MaxSlots: 3},
			{Name: "vip", Members: []string{"vic"}, Each: true, MaxSlots: 4},
			{Name: "lab", Members: []string{"ann", "bob", "ann"}, MaxSlots: 5},
			{Name: queue.DefaultUser, MaxSlots: 4, MaxPending: 20},
		},
	}, 8, 4)
	as := func(user, into string, n int) {
		t.Helper()
		for range n {
			spec := simple(1)
			spec.User, spec.Queue = user, into
			submit(t, q, spec)
		}
	}
	as("ann", "a", 2)
	as("ann", "b", 4)
	as("bob", "a", 10)
	as("vic", "b", 10)
	as("dan", "a", 10)
	if l := q.Load(); l.Pending != 3+2+4+4 {
		t.Errorf("%d slots could start, want 13: %+v", l.Pending, l)
	}
	q.Schedule(epoch)
	want := map[string]int{"ann": 3, "bob": 2, "vic": 4, "dan": 4, "lab": 5, "vip": 4}
	for _, u := range q.Users() {
		if u.Run != want[u.Name] {
			t.Errorf("%s runs %d slots, want %d", u.Name, u.Run, want[u.Name])
		}
		if u.Name == "lab" && !(u.Group && u.MaxSlots == 5 && u.Pend == 11) || u.Name == queue.DefaultUser && !u.Default {
			t.Errorf("user %+v", u)
		}
	}
	for id, want := range map[int64]string{6: "The user has reached his/her job slot limit", 16: "One of the user's groups has reached its job slot limit"} {
		if got := q.PendReasons(queue.ID{Job: id}); len(got) != 1 || got[0] != want {
			t.Errorf("job %d pends: %q, want %q", id, got, want)
		}
	}
	for n := range 21 {
		_, err := q.Submit(epoch, queue.Spec{User: "dan", Command: "true"})
		if refused := errors.Is(err, &queue.Error{Code: queue.TooManyJobs}); refused != (n >= 14) {
			t.Fatalf("job %d more of dan: %v", n, err)
		}
	}
}

func TestMaxPending(t *testing.T) {
	q := newQueue(t, queue.Config{MaxPending: 3}, 1, 2)
	submit(t, q, simple(1))
	submit(t, q, queue.Spec{User: "bob", Command: "true", Array: &queue.Array{Ranges: []queue.Range{{First: 1, Last: 2, Step: 1}}}})
	if _, err := q.Submit(epoch, simple(1)); !errors.Is(err, &queue.Error{Code: queue.TooManyJobs}) {
		t.Fatalf("a fourth pending element: %v", err)
	}
	q.Schedule(epoch)
	submit(t, q, simple(1))
}

// A changed configuration holds for what pends, at once; what runs goes on as it began.
func TestReconfigure(t *testing.T) {
	cfg := queue.Config{Queues: []queue.QueueSpec{
		{Name: "normal", Default: true}, {Name: "night", MaxSlots: 1, Terms: queue.Terms{RunLimit: time.Hour}},
	}}
	q := newQueue(t, cfg, 1, 8)
	in := func(name string) queue.ID {
		spec := simple(1)
		spec.Queue = name
		return submit(t, q, spec)
	}
	first, second := in("night"), in("night")
	if n := q.Schedule(epoch); n != 1 {
		t.Fatalf("%d jobs started", n)
	}
	must(t, q.SetQueue(epoch, queue.Actor{Admin: true}, "night", false, true))

	bad := cfg
	bad.Queues = []queue.QueueSpec{{Name: "x"}, {Name: "x"}}
	if err := q.Reconfigure(bad); queue.KindOf(err) != queue.KindInvalid {
		t.Errorf("a bad configuration: %v", err)
	}
	bad = cfg
	bad.Backfill = true
	if err := q.Reconfigure(bad); queue.KindOf(err) != queue.KindInvalid {
		t.Errorf("what cannot change: %v", err)
	}
	if len(q.Queues()) != 2 || q.Config().Backfill {
		t.Fatalf("a refused configuration changed %+v", q.Queues())
	}

	without := cfg
	without.Queues = cfg.Queues[:1]
	must(t, q.Reconfigure(without))
	if queues := q.Queues(); queues[len(queues)-1].Name != "lost_and_found" || queues[len(queues)-1].Run != 1 || queues[len(queues)-1].Pend != 1 {
		t.Errorf("without the queue there is %+v", queues)
	}
	if n := q.Schedule(epoch); n != 0 {
		t.Errorf("%d jobs of a removed queue started", n)
	}
	if _, err := q.Submit(epoch, queue.Spec{User: "ann", Command: "true", Queue: "night"}); !errors.Is(err, &queue.Error{Code: queue.NoSuchQueue}) {
		t.Errorf("submitted to a removed queue: %v", err)
	}

	more := cfg
	more.Queues = []queue.QueueSpec{cfg.Queues[0], {Name: "night", MaxSlots: 2, Terms: queue.Terms{RunLimit: time.Minute}}}
	must(t, q.Reconfigure(more))
	if info := q.Queues()[1]; info.Open || !info.Active {
		t.Errorf("a queue that came back is not as it was left: %+v", info)
	}
	if n := q.Schedule(epoch); n != 1 {
		t.Errorf("%d jobs started when the limit was raised", n)
	}
	q.Tick(epoch.Add(2 * time.Minute))
	for _, ev := range q.Take(nil) {
		if ev.Kind == queue.JobKillAsked && ev.Job != second {
			t.Errorf("the new run limit ended %v, which began under another", ev.Job)
		}
	}
	q.Tick(epoch.Add(time.Hour))
	if out := q.Take(nil); len(out) != 1 || out[0].Kind != queue.JobKillAsked || out[0].Job != first {
		t.Errorf("after the hour that the first job had: %+v", out)
	}
}

// What is left of a quota is kept for a job that needs more of it, for a while.
func TestBlockedJobKeepsWhatIsLeftOfItsQuota(t *testing.T) {
	q := newQueue(t, queue.Config{Users: []queue.UserSpec{{Name: "ann", MaxSlots: 4}}, ReserveFor: time.Minute}, 2, 8)
	submit(t, q, simple(3))
	q.Schedule(epoch)
	submit(t, q, simple(3))
	small := submit(t, q, simple(1))
	if n := q.Schedule(epoch); n != 0 {
		t.Fatalf("%d jobs passed one that is blocked by the user's quota", n)
	}
	if n := q.Schedule(epoch.Add(time.Minute)); n != 1 {
		t.Fatalf("%d jobs started after the time for which slots are kept", n)
	}
	if job, _ := q.Job(small); job.State != queue.Running {
		t.Errorf("the small job is %v", job.State)
	}
}
