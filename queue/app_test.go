package queue_test

import (
	"errors"
	"reflect"
	"testing"
	"time"

	"sluice/queue"
)

// What a job says goes before what its application says, and that before what its queue says; a queue's limits nobody passes.
func TestAppPrecedence(t *testing.T) {
	cfg := queue.Config{
		Queues: []queue.QueueSpec{{Name: "q", Default: true, Terms: queue.Terms{
			Nice: 1, JobSlots: 8, SlotsDefault: 2, RunLimit: time.Hour, RunDefault: time.Minute, Rerunnable: true,
			Limits: queue.Limits{MemKiB: 1000, CPU: time.Hour}, DefaultLimits: queue.Limits{MemKiB: 10, Processes: 7},
			NeedDefault: queue.Need{GPUs: 1, MemMiB: 5}, PreExec: "q before", PostExec: "q after", JobStarter: "q start",
		}}},
		Apps: []queue.AppSpec{{Name: "a", NotRerunnable: true, Terms: queue.Terms{
			Nice: 2, LeastJob: 3, JobSlots: 6, RunDefault: 2 * time.Hour, DefaultLimits: queue.Limits{MemKiB: 2000, CPU: time.Minute},
			NeedDefault: queue.Need{MemMiB: 6}, PreExec: "a before", PostExec: "a after", JobStarter: "a start",
		}}},
	}
	q, now := site(t, cfg, 20)
	if err := q.AddHost(now, queue.HostSpec{Name: "gpus", Slots: 20, GPUs: 20}); err != nil {
		t.Fatal(err)
	}
	if _, err := q.JoinHost(now, "gpus", "", nil); err != nil {
		t.Fatal(err)
	}
	plain := submitted(t, q, now, queue.Spec{})
	app := submitted(t, q, now, queue.Spec{App: "a"})
	own := submitted(t, q, now, queue.Spec{
		App: "a", MinSlots: 4, RunLimit: time.Second, Rerunnable: true, PreExec: "own before", PostExec: "own after",
		Limits: queue.Limits{MemKiB: 30, CPU: 3}, Need: queue.Need{MemMiB: 9},
	})
	q.Schedule(now)
	type facts struct {
		Slots, Mem, GPUs int
		Limits           queue.Limits
		Around           queue.Around
	}
	for id, want := range map[queue.ID]facts{
		plain: {2, 5, 1, queue.Limits{MemKiB: 10, CPU: time.Hour, Processes: 7}, queue.Around{
			Pre: []string{"q before"}, Post: []string{"q after"}, Starter: "q start", Nice: 1,
		}},
		app: {3, 6, 1, queue.Limits{MemKiB: 1000, CPU: time.Minute, Processes: 7}, queue.Around{
			Pre: []string{"q before", "a before"}, Post: []string{"a after", "q after"}, Starter: "a start", Nice: 2,
		}},
		own: {4, 9, 1, queue.Limits{MemKiB: 30, CPU: 3, Processes: 7}, queue.Around{
			Pre: []string{"q before", "own before"}, Post: []string{"own after", "q after"}, Starter: "a start", Nice: 2,
		}},
	} {
		job, _ := q.Job(id)
		s := job.Spec
		got := facts{s.MinSlots, s.Need.MemMiB, s.Need.GPUs, q.LimitsOf(id), q.Around(id)}
		if !reflect.DeepEqual(got, want) || job.State != queue.Running {
			t.Errorf("job %v is %v and has\n%+v, want\n%+v", id, job.State, got, want)
		}
	}
	for _, ev := range q.Take(nil) {
		if want := map[queue.ID]time.Duration{plain: time.Minute, app: time.Hour, own: time.Second}[ev.Job]; ev.Kind == queue.JobStarted && ev.RunLimit != want {
			t.Errorf("job %v may run for %v, want %v", ev.Job, ev.RunLimit, want)
		}
	}
	if err := q.HostDied(now, "gpus", "gone"); err != nil {
		t.Fatal(err)
	}
	for id, want := range map[queue.ID]queue.State{plain: queue.Pending, app: queue.Exited, own: queue.Pending} {
		if job, _ := q.Job(id); job.State != want {
			t.Errorf("job %v is %v when its host is lost, want %v", id, job.State, want)
		}
	}
	info := q.Apps()[0]
	if info.Pend != 4 || info.Run != 0 || info.Name != "a" || info.Default {
		t.Errorf("%+v", info)
	}
}

// Jobs outside of what their application allows are refused; one that is gone is as if it had never been, until it comes back.
func TestAppsComeAndGo(t *testing.T) {
	with := queue.Config{
		Queues:     []queue.QueueSpec{{Name: "q", Default: true, Terms: queue.Terms{LeastJob: 2}}},
		Apps:       []queue.AppSpec{{Name: "a", Terms: queue.Terms{JobSlots: 1}}, {Name: "b", Terms: queue.Terms{LeastJob: 4, Nice: 5}}},
		DefaultApp: "b",
	}
	q, now := site(t, with, 20)
	for app, want := range map[string]queue.Code{"a": queue.TooManySlots, "b": queue.TooFewSlots, "": queue.TooFewSlots, "c": queue.NoSuchApp} {
		_, err := q.Submit(now, queue.Spec{Command: "x", User: "ann", App: app, MinSlots: 2, MaxSlots: 3})
		if !errors.Is(err, &queue.Error{Code: want}) {
			t.Errorf("application %q: %v, want %s", app, err, want)
		}
	}
	id := submitted(t, q, now, queue.Spec{MinSlots: 4})
	without := with
	without.Apps, without.DefaultApp = nil, ""
	for _, step := range []struct {
		cfg  queue.Config
		nice int
	}{{without, 0}, {with, 5}} {
		if err := q.Reconfigure(step.cfg); err != nil {
			t.Fatal(err)
		}
		if job, _ := q.Job(id); job.Spec.App != "b" || q.Around(id).Nice != step.nice {
			t.Errorf("%d applications: %+v, nice %d", len(step.cfg.Apps), job.Spec, q.Around(id).Nice)
		}
	}
	owner := queue.Actor{User: "ann"}
	to := func(app string) error {
		return q.Modify(now, owner, id, func(s *queue.Spec) { s.App, s.MinSlots, s.MaxSlots = app, 0, 0 })
	}
	if err := to("c"); !errors.Is(err, &queue.Error{Code: queue.NoSuchApp}) {
		t.Errorf("%v", err)
	}
	with.DefaultApp = ""
	if err := q.Reconfigure(with); err != nil {
		t.Fatal(err)
	}
	if err := to(""); err != nil {
		t.Fatal(err)
	}
	if job, _ := q.Job(id); job.Spec.App != "" || job.Spec.MinSlots != 2 || q.Apps()[1].Pend != 0 {
		t.Errorf("%+v, %+v", job.Spec, q.Apps())
	}
	for name, cfg := range map[string]queue.Config{
		"twice": {Apps: []queue.AppSpec{{Name: "a"}, {Name: "a"}}}, "nameless": {Apps: []queue.AppSpec{{}}}, "no default": {DefaultApp: "a"},
		"both": {Apps: []queue.AppSpec{{Name: "a", NotRerunnable: true, Terms: queue.Terms{Rerunnable: true}}}},
		"bad":  {Apps: []queue.AppSpec{{Name: "a", Terms: queue.Terms{JobSlots: -1}}}},
	} {
		if _, err := queue.New(cfg); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}
