package journal

import (
	"context"
	"fmt"
	"path/filepath"
	"testing"

	"pgregory.net/rapid"

	"sluice/queue"
)

func hostEvent(kind queue.EventKind, name string) queue.Event {
	e := queue.Event{Kind: kind, HostName: name}
	if kind == queue.HostCreated {
		e.HostName, e.Host = "", &queue.HostSpec{Name: name, Slots: 1}
	}
	return e
}

func startedOn(job int64, host string) queue.Event {
	e := about(queue.JobStarted, job, 0)
	e.Placement = []queue.Placement{{Host: host, Slots: 1}}
	return e
}

func arraySubmitted(job int64, elements int) queue.Event {
	e := submitted(job, "ARRAY=1")
	e.Spec.Array = &queue.Array{Ranges: []queue.Range{{First: 1, Last: elements, Step: 1}}}
	return e
}

func TestCompactSparesWhatJobsWaitFor(t *testing.T) {
	ctx := context.Background()
	named := func(job int64, name string, after *queue.Condition) queue.Event {
		e := submitted(job)
		e.Spec.Name, e.Spec.After = name, after
		return e
	}
	byName := func(name string) *queue.Condition { return &queue.Condition{Op: queue.OpDone, Name: name} }
	byJob := func(job int64) *queue.Condition { return &queue.Condition{Op: queue.OpEnded, Job: queue.ID{Job: job}} }
	j := open(t, filepath.Join(memoryDir(t), "journal.db"), Options{})
	events := []queue.Event{
		named(1, "deep", nil),              // 3 waited for it, and 3 stays
		named(2, "unrelated", byJob(1)),    // nobody waits for it
		named(3, "prep_a", byName("deep")), // 6 waits for it by prefix
		named(4, "exact", nil),             // 6 waits for it by name
		named(5, "number", nil),            // 6 waits for it by number
		named(6, "waits", &queue.Condition{Op: queue.OpAnd, Args: []*queue.Condition{
			byName("prep_*"), {Op: queue.OpNot, Args: []*queue.Condition{byName("exact")}}, byJob(5),
		}}),
	}
	for job := range int64(5) {
		events = append(events, about(queue.JobForgotten, job+1, 0))
	}
	if err := j.Append(ctx, events); err != nil {
		t.Fatal(err)
	}
	if _, err := j.Compact(ctx); err != nil {
		t.Fatal(err)
	}
	left := make(map[int64]int)
	for _, e := range replay(t, j) {
		left[e.Job.Job]++
	}
	if got, want := fmt.Sprint(left), "map[1:2 3:2 4:2 5:2 6:1]"; got != want {
		t.Errorf("events left by job: %s, want %s", got, want)
	}
}

func TestCompact(t *testing.T) {
	j := open(t, filepath.Join(memoryDir(t), "journal.db"), Options{})
	events := []struct {
		kept bool
		queue.Event
	}{
		{true, hostEvent(queue.HostCreated, "h1")},  // job 2 ran there
		{false, hostEvent(queue.HostCreated, "h2")}, // only forgotten jobs ran there
		{false, submitted(1, "ONLY=1")},
		{true, submitted(2, "SHARED=1")},
		{false, startedOn(1, "h2")},
		{true, startedOn(2, "h1")},
		{false, about(queue.JobForgotten, 1, 0)},
		{true, hostEvent(queue.HostRemoved, "h1")},
		{false, hostEvent(queue.HostRemoved, "h2")},
		{true, hostEvent(queue.HostCreated, "h2")}, // again, and there
		{false, arraySubmitted(3, 2)},
		{false, about(queue.JobForgotten, 3, 1)},
		{false, about(queue.JobForgotten, 3, 2)},
		{true, arraySubmitted(4, 2)},
		{true, about(queue.JobForgotten, 4, 2)}, // the array is still remembered
		{true, submitted(5, "LAST=1")},
		{true, about(queue.JobForgotten, 5, 0)}, // keeps its number
	}
	var all, kept []queue.Event
	for _, e := range events {
		all = append(all, e.Event)
		if e.kept {
			kept = append(kept, e.Event)
		}
	}
	ctx := context.Background()
	if err := j.Append(ctx, all); err != nil {
		t.Fatal(err)
	}
	j.envs = envCache{} // as after a restart: what Append may still name is not deleted
	deleted, err := j.Compact(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if got := replay(t, j); text(t, got) != text(t, kept) || deleted != len(all)-len(kept) {
		t.Errorf("deleted %d, replayed\n%s\nwant\n%s", deleted, text(t, got), text(t, kept))
	}
	for table, want := range map[string]int{"envs": 3, "dropped": 0} {
		rows, err := j.numbers(ctx, "SELECT rowid FROM "+table)
		if err != nil || len(rows) != want {
			t.Errorf("%d rows in %s, want %d (%v)", len(rows), table, want, err)
		}
	}
	if deleted, err := j.Compact(ctx); deleted != 0 || err != nil {
		t.Errorf("nothing was left, but %d were deleted (%v)", deleted, err)
	}
}

// TestCompactCutShort stops a compaction at each of its transactions: what is replayed then is either all or the kept events
// of each job, never a part.
func TestCompactCutShort(t *testing.T) {
	ctx := context.Background()
	step := 1
	if testing.Short() || !thorough {
		step = 5
	}
	for stop := 0; ; stop += step {
		j := open(t, filepath.Join(memoryDir(t), "journal.db"), Options{})
		var live []queue.Event
		for job := range int64(4) {
			events := []queue.Event{arraySubmitted(job+1, 1100)}
			for index := range 1100 {
				events = append(events, about(queue.JobFinished, job+1, index+1))
			}
			if job%2 == 1 {
				live = append(live, events...)
			} else {
				events = append(events, about(queue.JobForgotten, job+1, 0))
			}
			if err := j.Append(ctx, events); err != nil {
				t.Fatal(err)
			}
		}
		limited := &stoppingContext{Context: ctx, left: stop}
		_, err := j.Compact(limited)
		got := replay(t, j)
		var gotLive []queue.Event
		dead := make(map[int64]int)
		for _, e := range got {
			if e.Job.Job%2 == 0 {
				gotLive = append(gotLive, e)
			} else {
				dead[e.Job.Job]++
			}
		}
		if text(t, gotLive) != text(t, live) {
			t.Fatalf("stop %d: remembered jobs were changed", stop)
		}
		for job, n := range dead {
			if n != 1102 {
				t.Fatalf("stop %d: %d events of job %d are left", stop, n, job)
			}
		}
		if err == nil {
			if len(dead) > 0 {
				t.Fatalf("forgotten jobs are left: %v", dead)
			}
			if stop < 5 {
				t.Fatalf("only %d transactions: the test does not cut", stop)
			}
			return
		}
		if _, err := j.Compact(ctx); err != nil {
			t.Fatal(err)
		}
		if got := replay(t, j); text(t, got) != text(t, live) {
			t.Fatalf("stop %d: compacted again, %d events are left, want %d", stop, len(got), len(live))
		}
		if err := j.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// stoppingContext is done after its error was asked for some times.
type stoppingContext struct {
	context.Context
	left int
}

func (c *stoppingContext) Err() error {
	if c.left--; c.left < 0 {
		return context.Canceled
	}
	return nil
}

// TestCompactWhileAppending keeps what is appended between the pages of a compaction, environments included.
func TestCompactWhileAppending(t *testing.T) {
	dir, n := memoryDir(t), 0
	rapid.Check(t, func(t *rapid.T) {
		n++
		ctx := context.Background()
		j, err := Open(filepath.Join(dir, fmt.Sprintf("%d.db", n)), Options{})
		if err != nil {
			t.Fatal(err)
		}
		want := make(map[int64]bool)
		job := int64(0)
		add := func() {
			job++
			events := []queue.Event{submitted(job, fmt.Sprintf("E=%d", rapid.IntRange(0, 3).Draw(t, "env")))}
			want[job] = true
			if rapid.Bool().Draw(t, "forgotten") {
				events = append(events, about(queue.JobForgotten, job, 0))
				want[job] = false
			}
			if err := j.Append(ctx, events); err != nil {
				t.Fatal(err)
			}
		}
		for range rapid.IntRange(0, 20).Draw(t, "before") {
			add()
		}
		if rapid.Bool().Draw(t, "restarted") {
			j.envs = envCache{}
		}
		if _, err := j.Compact(&appendingContext{Context: ctx, add: add}); err != nil {
			t.Fatal(err)
		}
		err = j.Replay(ctx, func(e queue.Event) error {
			if e.Kind == queue.JobSubmitted && len(e.Spec.Env.Strings()) != 1 {
				t.Fatalf("job %v lost its environment", e.Job)
			}
			delete(want, e.Job.Job)
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		for job, live := range want {
			if live {
				t.Fatalf("job %d is gone", job)
			}
		}
		if err := j.Close(); err != nil {
			t.Fatal(err)
		}
	})
}

// appendingContext appends between the steps of whoever asks for its error.
type appendingContext struct {
	context.Context
	add  func()
	busy bool
}

func (c *appendingContext) Err() error {
	if !c.busy {
		c.busy = true
		c.add()
		c.busy = false
	}
	return nil
}
