package queue_test

import (
	"errors"
	"testing"
	"time"

	"sluice/queue"
)

func queuesOf(t *testing.T, cfg queue.Config) *queue.Queue {
	t.Helper()
	q, err := queue.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return q
}

// A job that names no queue goes to the first default queue that takes it.
func TestDefaultQueues(t *testing.T) {
	q := queuesOf(t, queue.Config{
		Queues: []queue.QueueSpec{
			{Name: "wide", Priority: 9, Terms: queue.Terms{LeastJob: 4}}, {Name: "staff", Users: []string{"ann"}}, {Name: "rest", Terms: queue.Terms{JobSlots: 2}},
		},
		DefaultQueues: []string{"staff", "rest", "wide"},
	})
	now := time.Unix(1000, 0)
	for _, c := range []struct {
		user  string
		slots int
		want  string
	}{{"ann", 1, "staff"}, {"bob", 1, "rest"}, {"bob", 3, ""}, {"bob", 4, "wide"}} {
		id, err := q.Submit(now, queue.Spec{Command: "x", User: c.user, MinSlots: c.slots})
		if c.want == "" {
			if !errors.Is(err, &queue.Error{Code: queue.QueueDenied}) {
				t.Errorf("%s, %d slots: %v, want the refusal of the first queue", c.user, c.slots, err)
			}
			continue
		}
		job, _ := q.Job(id)
		if err != nil || job.Spec.Queue != c.want {
			t.Errorf("%s, %d slots: queue %q, %v; want %s", c.user, c.slots, job.Spec.Queue, err, c.want)
		}
	}
	if got := q.Config().DefaultQueues; len(got) != 3 || got[0] != "staff" {
		t.Errorf("default queues %v", got)
	}
	for _, info := range q.Queues() {
		if !info.Default {
			t.Errorf("queue %s is not shown as a default queue", info.Name)
		}
	}
}

func TestQueueUsers(t *testing.T) {
	for _, c := range []struct {
		users []string
		user  string
		want  bool
	}{
		{nil, "ann", true},
		{[]string{"ann", "bob"}, "bob", true},
		{[]string{"ann", "bob"}, "eve", false},
		{[]string{"~eve"}, "ann", true},
		{[]string{"~eve"}, "eve", false},
		{[]string{"ann", "~ann"}, "eve", false},
	} {
		spec := queue.QueueSpec{Name: "q", Default: true, Users: c.users}
		q := queuesOf(t, queue.Config{Queues: []queue.QueueSpec{spec}})
		_, err := q.Submit(time.Unix(1000, 0), queue.Spec{Command: "x", User: c.user})
		if spec.Allows(c.user) != c.want || (err == nil) != c.want {
			t.Errorf("users %v: Allows(%s) is %v, Submit %v; want %v", c.users, c.user, spec.Allows(c.user), err, c.want)
		}
	}
}

// What a job asks for is held against its queue's limits, and what it does not ask for is the queue's.
func TestQueueLimits(t *testing.T) {
	spec := queue.QueueSpec{
		Name:        "q",
		Default:     true,
		Terms:       queue.Terms{LeastJob: 2, JobSlots: 8, RunLimit: time.Hour, RunDefault: time.Minute, Limits: queue.Limits{MemKiB: 100, CPU: time.Hour, Processes: 9, CoreKiB: queue.NoCore}, DefaultLimits: queue.Limits{MemKiB: 50, Threads: 7}},
		NoExclusive: true,
	}
	q := queuesOf(t, queue.Config{Queues: []queue.QueueSpec{spec}})
	now := time.Unix(1000, 0)
	submit := func(change func(*queue.Spec)) (queue.ID, error) {
		s := queue.Spec{Command: "x", User: "ann", MinSlots: 2}
		change(&s)
		return q.Submit(now, s)
	}
	for name, c := range map[string]struct {
		change func(*queue.Spec)
		want   queue.Code
	}{
		"one slot":  {func(s *queue.Spec) { s.MinSlots = 1 }, queue.TooFewSlots},
		"many":      {func(s *queue.Spec) { s.MinSlots = 9 }, queue.TooManySlots},
		"exclusive": {func(s *queue.Spec) { s.Need.Exclusive = true }, queue.ExclusiveDenied},
		"run limit": {func(s *queue.Spec) { s.RunLimit = 2 * time.Hour }, queue.RunLimitTooLarge},
		"memory":    {func(s *queue.Spec) { s.Limits.MemKiB = 101 }, queue.LimitTooLarge},
		"core":      {func(s *queue.Spec) { s.Limits.CoreKiB = 1 }, queue.LimitTooLarge},
	} {
		if _, err := submit(c.change); !errors.Is(err, &queue.Error{Code: c.want}) {
			t.Errorf("%s: %v, want %s", name, err, c.want)
		}
	}
	plain, err := submit(func(s *queue.Spec) { s.MinSlots, s.MaxSlots = 1, 20 })
	if err != nil {
		t.Fatal(err)
	}
	job, _ := q.Job(plain)
	if job.Spec.MinSlots != 2 || job.Spec.MaxSlots != 8 {
		t.Errorf("1 to 20 slots became %d to %d, want 2 to 8", job.Spec.MinSlots, job.Spec.MaxSlots)
	}
	want := queue.Limits{MemKiB: 50, CPU: time.Hour, Processes: 9, Threads: 7, CoreKiB: queue.NoCore}
	if got := q.LimitsOf(plain); got != want {
		t.Errorf("limits %+v, want the queue's %+v", got, want)
	}
	own, err := submit(func(s *queue.Spec) { s.Limits = queue.Limits{MemKiB: 90, Threads: 30} })
	want.MemKiB, want.Threads = 90, 30
	if got := q.LimitsOf(own); err != nil || got != want {
		t.Errorf("limits %+v, %v; want %+v", got, err, want)
	}
}

// The default run limit ends a job that says none; one that says more gets it.
func TestRunDefault(t *testing.T) {
	q := queuesOf(t, queue.Config{Queues: []queue.QueueSpec{{Name: "q", Default: true, Terms: queue.Terms{RunLimit: time.Hour, RunDefault: time.Minute}}}})
	now := time.Unix(1000, 0)
	if err := q.AddHost(now, queue.HostSpec{Name: "h", Slots: 2}); err != nil {
		t.Fatal(err)
	}
	if _, err := q.JoinHost(now, "h", "s", nil); err != nil {
		t.Fatal(err)
	}
	for _, limit := range []time.Duration{0, 30 * time.Minute} {
		if _, err := q.Submit(now, queue.Spec{Command: "x", User: "ann", RunLimit: limit}); err != nil {
			t.Fatal(err)
		}
	}
	q.Schedule(now)
	q.Take(nil)
	for _, c := range []struct {
		after time.Duration
		job   int64
	}{{time.Minute, 1}, {30 * time.Minute, 2}} {
		q.Tick(now.Add(c.after - time.Second))
		if events := q.Take(nil); len(events) > 0 {
			t.Errorf("a second before %v: %+v", c.after, events)
		}
		q.Tick(now.Add(c.after))
		if events := q.Take(nil); len(events) != 1 || events[0].Kind != queue.JobKillAsked || events[0].Job.Job != c.job {
			t.Errorf("after %v: %+v, want the end of job %d", c.after, events, c.job)
		}
	}
}
