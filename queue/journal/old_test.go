package journal

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"sluice/queue"
)

// oldEvents are events as a version without job groups wrote them.
func oldEvents(t *testing.T) (events []queue.Event) {
	t.Helper()
	file, err := os.Open("testdata/old/before-groups.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	for lines := bufio.NewScanner(file); lines.Scan(); {
		var e queue.Event
		if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
			t.Fatal(err)
		}
		events = append(events, e)
	}
	return events
}

func jobLines(q *queue.Queue) string {
	var b strings.Builder
	jobs, _ := q.Jobs(queue.Filter{}, queue.ID{}, 1000)
	for _, j := range jobs {
		fmt.Fprintln(&b, j.ID, j.State, j.Spec.Name, j.Spec.Queue, j.Spec.Group, j.Attempt, j.ExitCode)
	}
	return b.String()
}

// TestOldJournal replays the journal of a former version, goes on with it, compacts, and replays what is there then.
func TestOldJournal(t *testing.T) {
	ctx := context.Background()
	j := open(t, filepath.Join(memoryDir(t), "journal.db"), Options{})
	if err := j.Append(ctx, oldEvents(t)); err != nil {
		t.Fatal(err)
	}
	restarted := func() *queue.Queue {
		t.Helper()
		q, err := queue.New(queue.Config{KeepFinished: time.Hour})
		if err != nil {
			t.Fatal(err)
		}
		if err := j.Replay(ctx, q.Apply); err != nil {
			t.Fatal(err)
		}
		return q
	}
	const want = `2[1] RUN arr normal  2 0
2[3] PEND arr normal  0 0
2[5] PEND arr normal  0 0
3 RUN renamed normal  1 0
4 PSUSP  short  0 0
`
	q := restarted()
	if got := jobLines(q); got != want {
		t.Fatalf("jobs are\n%swant\n%s", got, want)
	}
	late := restarted()
	late.Tick(time.Unix(1_700_000_000, 0).Add(31 * time.Hour))
	if !slices.ContainsFunc(late.Take(nil), func(e queue.Event) bool {
		return e.Kind == queue.JobKillAsked && e.Job == queue.ID{Job: 2, Index: 1} && e.ExitCode == 140
	}) {
		t.Error("the run limit of a job that ran does not hold any more")
	}
	now, ann, limit := time.Unix(1_700_010_000, 0).UTC(), queue.Actor{User: "ann"}, 2
	if err := q.Modify(now, ann, queue.ID{Job: 4}, func(s *queue.Spec) { s.Group = "/a/b" }); err != nil {
		t.Fatal(err)
	}
	for range 2 { // the first one is for compaction
		if err := q.SetGroupLimit(now, ann, "/a", &limit); err != nil {
			t.Fatal(err)
		}
	}
	if err := j.Append(ctx, q.Take(nil)); err != nil {
		t.Fatal(err)
	}
	if n, err := j.Compact(ctx); n != 1 || err != nil {
		t.Fatalf("compaction deleted %d events: %v", n, err)
	}
	again := restarted()
	if diff := cmp.Diff(jobLines(q), jobLines(again)); diff != "" {
		t.Errorf("jobs after compaction: %s", diff)
	}
	if diff := cmp.Diff(q.Groups(), again.Groups()); diff != "" || len(again.Groups()) != 2 {
		t.Errorf("groups after compaction: %s", diff)
	}
}
