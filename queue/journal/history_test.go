package journal

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"sluice/queue"
	"sluice/queue/history"
)

func openHistory(t interface {
	Fatal(...any)
}, dir string, j *Journal, o HistoryOptions,
) *History {
	h, err := OpenHistory(context.Background(), filepath.Join(dir, "history.db"), j, o)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func recall(t interface {
	Fatal(...any)
}, h *History, f history.Filter, events bool,
) []history.Past {
	var all []history.Past
	err := h.Recall(context.Background(), f, events, func(p *history.Past) error {
		all = append(all, *p)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// facts are what the batch system and its history must say alike of a job.
func facts(id queue.ID, s queue.State, submitted, started, ended time.Time, attempt, exit int, reason string) string {
	if s == queue.Zombie {
		s = queue.Unknown // the history does not tell the two apart
	}
	if !s.Final() {
		reason = ""
	}
	if s == queue.Pending || s == queue.HeldPending {
		started, exit = time.Time{}, 0 // of an attempt that is over
	}
	return fmt.Sprintf("%v %v submitted %d started %d ended %d attempt %d exit %d %s", id, s,
		submitted.Unix(), started.Unix(), ended.Unix(), attempt, exit, reason)
}

// TestHistoryIsWhatHappened follows a batch system whose journal is compacted, and which is killed, at any time: what it
// says of each job and element is what the batch system says, for as long as that remembers it.
func TestHistoryIsWhatHappened(t *testing.T) {
	root, n := memoryDir(t), 0
	rapid.Check(t, func(t *rapid.T) {
		n++
		dir := filepath.Join(root, fmt.Sprint(n))
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		j, err := Open(filepath.Join(dir, "journal.db"), Options{})
		if err != nil {
			t.Fatal(err)
		}
		f := &farm{T: t, journal: j, queue: newQueue(t), now: time.Unix(1_000_000, 0).UTC()}
		h := openHistory(t, dir, j, HistoryOptions{})
		defer func() {
			if err := errors.Join(h.Close(), j.Close()); err != nil {
				t.Error(err)
			}
		}()
		for range rapid.IntRange(10, 60).Draw(t, "steps") {
			f.step()
			switch rapid.IntRange(0, 12).Draw(t, "then") {
			case 0:
				if err := h.Maintain(context.Background(), f.now); err != nil {
					t.Fatal(err)
				}
			case 1, 2:
				if _, err := j.Compact(context.Background()); err != nil {
					t.Fatal(err)
				}
			case 3:
				h.forgetCache() // as after a failed transaction
			case 4:
				if err := h.Close(); err != nil {
					t.Fatal(err)
				}
				h = openHistory(t, dir, j, HistoryOptions{})
			}
		}
		if err := h.Follow(context.Background()); err != nil {
			t.Fatal(err)
		}
		want := make(map[queue.ID]string)
		jobs, _ := f.queue.Jobs(queue.Filter{States: allStates}, queue.ID{}, 1_000_000)
		for _, job := range jobs {
			want[job.ID] = facts(job.ID, job.State, job.SubmittedAt, job.StartedAt, job.EndedAt, job.Attempt, job.ExitCode, job.Reason)
		}
		seen := make(map[queue.ID]bool)
		for _, p := range recall(t, h, history.Filter{}, true) {
			if seen[p.ID] {
				t.Fatalf("job %v is there twice", p.ID)
			}
			seen[p.ID] = true
			if got := facts(p.ID, p.State, p.SubmittedAt, p.StartedAt, p.EndedAt, p.Attempt, p.ExitCode, p.Reason); want[p.ID] != "" && got != want[p.ID] {
				t.Fatalf("history %s\nbatch   %s\nevents %v", got, want[p.ID], p.Events)
			}
			again := slices.ContainsFunc(p.Events, func(e queue.Event) bool { return e.Kind == queue.JobRequeued })
			total, since := p.Until(f.now).Total(), f.now.Sub(p.SubmittedAt)
			if p.State.Final() {
				since = p.Turnaround()
			}
			if total > since || total < since && !again { // the time between an end and a requeue is in no state
				t.Fatalf("job %v: %v in states, submitted %v ago", p.ID, total, f.now.Sub(p.SubmittedAt))
			}
			if p.Events[0].Kind != queue.JobSubmitted {
				t.Fatalf("job %v begins with %v", p.ID, p.Events[0])
			}
		}
		for id := range want {
			if !seen[id] {
				t.Fatalf("job %v is in no history", id)
			}
		}
		summary, err := h.Summarize(context.Background(), history.Filter{})
		if err != nil {
			t.Fatal(err)
		}
		over := len(recall(t, h, history.Filter{States: []queue.State{queue.Done, queue.Exited}}, false))
		if summary.Jobs() != over {
			t.Fatalf("%d jobs summed up, %d ended ones recalled", summary.Jobs(), over)
		}
	})
}

var allStates = []queue.State{
	queue.Pending, queue.HeldPending, queue.Running, queue.UserSuspended, queue.SysSuspended, queue.Done, queue.Exited,
	queue.Zombie, queue.Unknown,
}

// past appends the events of a job that is submitted, starts and ends, and is forgotten by the batch system.
func past(t *testing.T, j *Journal, job int64, at time.Time, forget bool) {
	t.Helper()
	id := queue.ID{Job: job}
	events := []queue.Event{
		{Kind: queue.JobSubmitted, At: at, Job: id, Spec: &queue.Spec{Command: "true", User: "ada", Queue: "normal", MinSlots: 1, MaxSlots: 1}},
		{Kind: queue.JobStarted, At: at.Add(2 * time.Second), Job: id, Attempt: 1, Placement: []queue.Placement{{Host: "h1", Slots: 2}}},
		{Kind: queue.JobFinished, At: at.Add(12 * time.Second), Job: id, Attempt: 1, ExitCode: int(job % 2), Usage: queue.Usage{CPU: 4 * time.Second}},
	}
	if forget {
		events = append(events, queue.Event{Kind: queue.JobForgotten, At: at.Add(time.Hour), Job: id})
	}
	if err := j.Append(context.Background(), events); err != nil {
		t.Fatal(err)
	}
}

func TestHistoryOutlivesTheJournal(t *testing.T) {
	dir := memoryDir(t)
	j := open(t, filepath.Join(dir, "journal.db"), Options{})
	h := openHistory(t, dir, j, HistoryOptions{Keep: 48 * time.Hour})
	start := time.Unix(1_000_000, 0).UTC()
	for job := int64(1); job <= 10; job++ {
		past(t, j, job, start.Add(time.Duration(job)*time.Hour), true)
	}
	// What the history has not durably read stays in the journal.
	if n, err := j.Compact(t.Context()); err != nil || n > 0 {
		t.Fatalf("compacted %d events before they were read, %v", n, err)
	}
	if err := h.Maintain(t.Context(), start.Add(12*time.Hour)); err != nil {
		t.Fatal(err)
	}
	if n, err := j.Compact(t.Context()); err != nil || n == 0 {
		t.Fatalf("compacted %d events, %v", n, err)
	}
	all := recall(t, h, history.Filter{}, true)
	if len(all) != 10 || all[3].Spent.Run != 10*time.Second || len(all[3].Events) != 3 || all[3].Slots() != 2 {
		t.Fatalf("%d jobs, the fourth %+v", len(all), all[3])
	}
	summary, err := h.Summarize(t.Context(), history.Filter{Ended: history.Span{From: start.Add(6 * time.Hour)}})
	if err != nil || summary.Done != 3 || summary.Exited != 2 || summary.CPU.Sum != 20 || summary.Wait.Max != 2 || summary.Turnaround.Min != 12 {
		t.Errorf("summary %+v, %v", summary, err)
	}
	// Events that come after a compaction have numbers of their own.
	past(t, j, 11, start.Add(11*time.Hour), false)
	if err := h.Follow(t.Context()); err != nil || len(recall(t, h, history.Filter{IDs: []queue.ID{{Job: 11}}}, false)) != 1 {
		t.Errorf("job 11 is not there, %v", err)
	}
	// After Keep they are forgotten.
	if err := h.Maintain(t.Context(), start.Add((48+6)*time.Hour)); err != nil {
		t.Fatal(err)
	}
	if left := recall(t, h, history.Filter{}, false); len(left) != 6 || left[0].ID.Job != 6 {
		t.Errorf("%d jobs are left", len(left))
	}
	if err := h.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestHistoryHasALimit(t *testing.T) {
	dir := memoryDir(t)
	j := open(t, filepath.Join(dir, "journal.db"), Options{})
	h := openHistory(t, dir, j, HistoryOptions{MaxBytes: 1 << 20})
	start := time.Unix(1_000_000, 0).UTC()
	for job := int64(1); job <= 3000; job++ {
		past(t, j, job, start.Add(time.Duration(job)*time.Second), false)
	}
	if err := h.Maintain(t.Context(), start.Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	left := recall(t, h, history.Filter{}, false)
	if len(left) == 0 || len(left) >= 2500 || left[len(left)-1].ID.Job != 3000 {
		t.Errorf("%d jobs are left, want the newest that have room", len(left))
	}
	if err := h.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestHistoryOfAnotherJournal(t *testing.T) {
	dir := memoryDir(t)
	j := open(t, filepath.Join(dir, "journal.db"), Options{})
	h := openHistory(t, dir, j, HistoryOptions{})
	past(t, j, 1, time.Unix(1_000_000, 0), false)
	if err := h.Follow(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := h.Close(); err != nil {
		t.Fatal(err)
	}
	other := open(t, filepath.Join(dir, "other.db"), Options{})
	h = openHistory(t, dir, other, HistoryOptions{})
	if err := h.Follow(t.Context()); err != nil || len(recall(t, h, history.Filter{}, false)) != 0 {
		t.Errorf("jobs of another journal, or %v", err)
	}
	if _, err := os.Stat(filepath.Join(dir, "history.db.old")); err != nil {
		t.Error(err)
	}
	if err := h.Close(); err != nil {
		t.Fatal(err)
	}
	if err := h.Follow(t.Context()); err == nil || !strings.Contains(err.Error(), "closed") {
		t.Errorf("following after Close: %v", err)
	}
}

// TestHistoryOfALargeArray has one record until its elements do something of their own.
func TestHistoryOfALargeArray(t *testing.T) {
	dir := memoryDir(t)
	j := open(t, filepath.Join(dir, "journal.db"), Options{})
	h := openHistory(t, dir, j, HistoryOptions{})
	at := time.Unix(1_000_000, 0).UTC()
	array := queue.ID{Job: 1}
	element := queue.ID{Job: 1, Index: 7}
	spec := &queue.Spec{Command: "true", User: "ada", Queue: "normal", MinSlots: 1, MaxSlots: 1, Array: &queue.Array{Ranges: []queue.Range{{First: 1, Last: 99_999, Step: 2}}}}
	err := j.Append(t.Context(), []queue.Event{
		{Kind: queue.JobSubmitted, At: at, Job: array, Spec: spec},
		{Kind: queue.JobStopped, At: at.Add(time.Second), Job: array},
		{Kind: queue.JobResumed, At: at.Add(3 * time.Second), Job: element},
		{Kind: queue.JobStarted, At: at.Add(4 * time.Second), Job: element, Attempt: 1, Placement: []queue.Placement{{Host: "h", Slots: 1}}},
		{Kind: queue.JobFinished, At: at.Add(5 * time.Second), Job: array, Reason: "killed"},
		{Kind: queue.JobFinished, At: at.Add(9 * time.Second), Job: element, Attempt: 1},
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := h.Follow(t.Context()); err != nil {
		t.Fatal(err)
	}
	summary, err := h.Summarize(t.Context(), history.Filter{})
	if err != nil || summary.Done != 1 || summary.Exited != 49_999 {
		t.Errorf("summary %+v, %v", summary, err)
	}
	two := recall(t, h, history.Filter{IDs: []queue.ID{element, {Job: 1, Index: 9}}}, true)
	if len(two) != 2 || two[0].Spent != (history.Spent{Pend: 2 * time.Second, PSusp: 2 * time.Second, Run: 5 * time.Second}) ||
		two[1].Spent != (history.Spent{Pend: time.Second, PSusp: 4 * time.Second}) {
		t.Errorf("recalled %+v", two)
	}
	if len(two[0].Events) != 5 || len(two[1].Events) != 3 {
		t.Errorf("%d and %d events, want 5 and 3", len(two[0].Events), len(two[1].Events))
	}
	if all := recall(t, h, history.Filter{}, false); len(all) != 50_000 {
		t.Errorf("%d elements", len(all))
	}
	if err := h.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestDamagedHistory(t *testing.T) {
	dir := memoryDir(t)
	j := open(t, filepath.Join(dir, "journal.db"), Options{})
	path := filepath.Join(dir, "history.db")
	if err := os.WriteFile(path, []byte(strings.Repeat("no database ", 1000)), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenHistory(t.Context(), path, j, HistoryOptions{}); err == nil || !strings.Contains(err.Error(), "move it and its -wal file away") {
		t.Errorf("a damaged file: %v", err)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	past(t, j, 1, time.Unix(1_000_000, 0), false)
	h := openHistory(t, dir, j, HistoryOptions{})
	if err := h.Follow(t.Context()); err != nil || len(recall(t, h, history.Filter{}, false)) != 1 {
		t.Errorf("it does not begin anew: %v", err)
	}
	if err := h.Close(); err != nil {
		t.Fatal(err)
	}
}
