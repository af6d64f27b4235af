package journal

import (
	"context"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"sluice/queue"
)

func groupEvent(kind queue.EventKind, path string, limit ...int) queue.Event {
	e := queue.Event{Kind: kind, GroupName: path}
	if kind == queue.GroupAdded {
		e.Owner = "ann"
	}
	if len(limit) > 0 {
		e.Limit = &limit[0]
	}
	return e
}

func inGroup(job int64, path string) queue.Event {
	e := submitted(job)
	e.Spec.Group = path
	return e
}

func TestCompactGroups(t *testing.T) {
	j := open(t, filepath.Join(memoryDir(t), "journal.db"), Options{})
	events := []struct {
		kept bool
		queue.Event
	}{
		{true, groupEvent(queue.GroupAdded, "/a")}, // job 2 was below it
		{true, groupEvent(queue.GroupAdded, "/a/b", 7)},
		{false, groupEvent(queue.GroupAdded, "/c", 1)},
		{false, groupEvent(queue.GroupLimited, "/c", 2)},
		{false, inGroup(1, "/c")},
		{true, inGroup(2, "/a/b")},
		{false, about(queue.JobForgotten, 1, 0)},
		{true, groupEvent(queue.GroupRemoved, "/a/b")},
		{true, groupEvent(queue.GroupRemoved, "/a")},
		{false, groupEvent(queue.GroupRemoved, "/c")},
		{true, groupEvent(queue.GroupAdded, "/c")}, // again, and there
		{false, groupEvent(queue.GroupLimited, "/c", 2)},
		{false, groupEvent(queue.GroupLimited, "/c")},
		{true, groupEvent(queue.GroupLimited, "/c", 0)},
		{true, submitted(3)},
	}
	var all, kept []queue.Event
	for _, e := range events {
		all = append(all, e.Event)
		if e.kept {
			kept = append(kept, e.Event)
		}
	}
	if err := j.Append(context.Background(), all); err != nil {
		t.Fatal(err)
	}
	deleted, err := j.Compact(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	if got := replay(t, j); text(t, got) != text(t, kept) || deleted != len(all)-len(kept) {
		t.Errorf("deleted %d, replayed\n%s\nwant\n%s", deleted, text(t, got), text(t, kept))
	}
}

// TestGroupsSurviveCompaction does anything with groups and jobs in them, compacts, and looks whether a restart finds the same.
func TestGroupsSurviveCompaction(t *testing.T) {
	ctx, n := context.Background(), 0
	dir := memoryDir(t)
	rapid.Check(t, func(r *rapid.T) {
		n++
		j := open(t, filepath.Join(dir, fmt.Sprint(n, ".db")), Options{})
		now, ann := time.Unix(1_000_000, 0).UTC(), queue.Actor{User: "ann"}
		q := emptyQueue(r)
		paths := []string{"/a", "/a/b", "/a/b/c", "/d"}
		for range rapid.IntRange(1, 40).Draw(r, "steps") {
			path, limit := rapid.SampledFrom(paths).Draw(r, "path"), rapid.IntRange(0, 3).Draw(r, "limit")
			switch rapid.IntRange(0, 5).Draw(r, "what") {
			case 0, 1:
				if _, err := q.Submit(now, queue.Spec{User: "ann", Command: "c", Group: path}); err != nil {
					r.Fatal(err)
				}
			case 2:
				now = now.Add(2 * time.Hour) // ended jobs are forgotten
				for _, job := range pendingJobs(q) {
					if err := q.Kill(now, ann, job, 0); err != nil {
						r.Fatal(err)
					}
					q.Tick(now)
				}
				now = now.Add(2 * time.Hour)
				q.Tick(now)
			case 3:
				_ = q.RemoveGroup(now, ann, path) // refused where it is not empty
			case 4:
				_ = q.SetGroupLimit(now, ann, path, &limit)
			case 5:
				_ = q.AddGroup(now, ann, path, &limit)
			}
			if err := j.Append(ctx, q.Take(nil)); err != nil {
				r.Fatal(err)
			}
			if rapid.IntRange(0, 4).Draw(r, "compact") > 0 {
				continue
			}
			if _, err := j.Compact(ctx); err != nil {
				r.Fatal(err)
			}
			again := emptyQueue(r)
			if err := j.Replay(ctx, again.Apply); err != nil {
				r.Fatal(err)
			}
			if diff := cmp.Diff(q.Groups(), again.Groups()); diff != "" {
				r.Fatalf("after compaction and restart: %s", diff)
			}
		}
	})
}

func emptyQueue(t *rapid.T) *queue.Queue {
	q, err := queue.New(queue.Config{})
	if err != nil {
		t.Fatal(err)
	}
	return q
}

func pendingJobs(q *queue.Queue) []queue.ID {
	jobs, _ := q.Jobs(queue.Filter{States: []queue.State{queue.Pending}}, queue.ID{}, 1000)
	ids := make([]queue.ID, len(jobs))
	for i := range jobs {
		ids[i] = jobs[i].ID
	}
	return ids
}
