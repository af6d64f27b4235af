package journal

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"sluice/queue"
	"sluice/queue/history"
)

// A chronicle has what happened in a time, in order, of jobs, hosts and queues; it forgets what is old.
func TestChronicle(t *testing.T) {
	ctx := context.Background()
	j, err := Open(filepath.Join(t.TempDir(), "journal.db"), Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = j.Close() })
	h, err := OpenHistory(ctx, filepath.Join(t.TempDir(), "history.db"), j, HistoryOptions{Keep: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = h.Close() })
	begin := time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
	at := func(minutes float64) time.Time { return begin.Add(time.Duration(minutes * float64(time.Minute))) }
	spec := &queue.Spec{Command: "true", User: "ann", Queue: "normal", MinSlots: 1, MaxSlots: 1, Env: queue.NewEnv([]string{"SECRET=x"})}
	events := []queue.Event{
		{Kind: queue.HostCreated, At: at(0), Host: &queue.HostSpec{Name: "h1", Slots: 1, TokenHash: "secret"}},
		{Kind: queue.JobSubmitted, At: at(1), Job: queue.ID{Job: 1}, Spec: spec},
		{Kind: queue.HostJoined, At: at(2), HostName: "h1", SessionHash: "secret"},
		{Kind: queue.JobStarted, At: at(3), Job: queue.ID{Job: 1}, Attempt: 1, Placement: []queue.Placement{{Host: "h1", Slots: 1}}},
		{Kind: queue.JobSubmitted, At: at(4), Job: queue.ID{Job: 2}, Spec: spec},
		{Kind: queue.QueueSwitched, At: at(5.5), QueueName: "normal", Active: true},
		{Kind: queue.JobFinished, At: at(6), Job: queue.ID{Job: 1}, Attempt: 1},
		{Kind: queue.HostRemoved, At: at(7), HostName: "h1", Reason: "idle"},
	}
	if err := j.Append(ctx, events); err != nil {
		t.Fatal(err)
	}
	if err := h.Follow(ctx); err != nil {
		t.Fatal(err)
	}
	tell := func(from, to time.Time) (told string) {
		t.Helper()
		err := h.Chronicle(ctx, history.Span{From: from, To: to}, func(one *history.Happening) error {
			if one.SessionHash != "" || one.Host != nil || one.Spec != nil && len(one.Spec.Env.Strings()) > 0 {
				t.Errorf("a secret is told: %+v", one)
			}
			if (one.Spec == nil) != (one.Job.Job == 0) {
				t.Errorf("%+v has spec %v", one.Event, one.Spec)
			}
			told += fmt.Sprintf("%v %s %v\n", one.At.Sub(begin).Minutes(), one.Kind, one.Job)
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		return told
	}
	const middle = "3 job_started 1\n4 job_submitted 2\n5.5 queue_switched 0\n"
	if got := tell(at(2.5), at(5.5)); got != middle {
		t.Errorf("in the middle:\n%s", got)
	}
	if got, want := tell(time.Time{}, time.Time{}), "1 job_submitted 1\n2 host_joined 0\n"+middle+"6 job_finished 1\n7 host_removed 0\n"; got != want {
		t.Errorf("of all time:\n%s", got)
	}
	if err := h.Maintain(ctx, at(66.5)); err != nil {
		t.Fatal(err)
	}
	if got := tell(time.Time{}, time.Time{}); got != "4 job_submitted 2\n7 host_removed 0\n" {
		t.Errorf("after an hour:\n%s", got)
	}
	broken := errors.New("broken off")
	if err := h.Chronicle(ctx, history.Span{}, func(*history.Happening) error { return broken }); !errors.Is(err, broken) {
		t.Errorf("broken off with %v", err)
	}
}
