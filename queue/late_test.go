package queue_test

import (
	"testing"
	"time"

	"sluice/queue"
)

// TestLateReport checks that a job which ended while nobody listened has the end that its host tells, if that can be true.
func TestLateReport(t *testing.T) {
	start := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	now := start.Add(time.Hour)
	for _, test := range []struct {
		name        string
		told, shown time.Time
	}{
		{"late", start.Add(time.Minute), start.Add(time.Minute)},
		{"not told", time.Time{}, now},
		{"before the start", start.Add(-time.Minute), now},
		{"in the future", now.Add(time.Minute), now},
		{"just now", now.Add(-time.Millisecond), now},
	} {
		t.Run(test.name, func(t *testing.T) {
			q, id := runningJob(t, start)
			if err := q.Finished(now, id, 1, queue.Result{EndedAt: test.told}); err != nil {
				t.Fatal(err)
			}
			replayed, err := queue.New(queue.Config{})
			if err != nil {
				t.Fatal(err)
			}
			for _, ev := range q.Take(nil) {
				if err := replayed.Apply(ev); err != nil {
					t.Fatal(err)
				}
			}
			for _, q := range []*queue.Queue{q, replayed} {
				job, _ := q.Job(id)
				if !job.EndedAt.Equal(test.shown) || job.State != queue.Done {
					t.Errorf("%v at %v, want DONE at %v", job.State, job.EndedAt, test.shown)
				}
				if got, want := q.Load().CompletedSlotSeconds, test.shown.Sub(start).Seconds(); got != want {
					t.Errorf("%v slot-seconds, want %v", got, want)
				}
			}
		})
	}
}

// runningJob is a job that runs since start on a host of its own.
func runningJob(t *testing.T, start time.Time) (*queue.Queue, queue.ID) {
	t.Helper()
	q, err := queue.New(queue.Config{})
	if err != nil {
		t.Fatal(err)
	}
	if err := q.AddHost(start, queue.HostSpec{Name: "h", Slots: 1}); err != nil {
		t.Fatal(err)
	}
	if _, err := q.JoinHost(start, "h", "session", nil); err != nil {
		t.Fatal(err)
	}
	id, err := q.Submit(start, queue.Spec{Command: "true", User: "alice", MinSlots: 1, MaxSlots: 1})
	if err != nil {
		t.Fatal(err)
	}
	if q.Schedule(start) != 1 {
		t.Fatal("the job did not start")
	}
	return q, id
}

// A start in the journal of a former version does not tell the run limit: the job's own holds.
func TestRunLimitOfFormerVersions(t *testing.T) {
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	q, id := runningJob(t, start)
	fresh, err := queue.New(queue.Config{})
	if err != nil {
		t.Fatal(err)
	}
	for _, ev := range q.Take(nil) {
		if ev.Spec != nil {
			spec := *ev.Spec
			spec.RunLimit, ev.Spec = time.Minute, &spec
		}
		ev.RunLimit = 0
		if err := fresh.Apply(ev); err != nil {
			t.Fatal(err)
		}
	}
	fresh.Tick(start.Add(time.Minute))
	if out := fresh.Take(nil); len(out) != 1 || out[0].Kind != queue.JobKillAsked || out[0].Job != id {
		t.Errorf("after the run limit: %+v", out)
	}
}
