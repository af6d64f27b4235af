package journal

import (
	"context"
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"sluice/queue"
)

// farm is a Queue whose events are journaled, and the hosts and jobs that a test has made in it.
type farm struct {
	*rapid.T
	journal *Journal
	queue   *queue.Queue
	now     time.Time
	hosts   int
	jobs    []queue.ID
}

func farmConfig() queue.Config {
	return queue.Config{KeepFinished: 30 * time.Second, Lease: 20 * time.Second, LeaseMargin: time.Second}
}

func newQueue(t *rapid.T) *queue.Queue {
	q, err := queue.New(farmConfig())
	if err != nil {
		t.Fatal(err)
	}
	return q
}

// do journals what a command did. A refused command changes nothing.
func (f *farm) do(err error) {
	events := f.queue.Take(nil)
	if err != nil && len(events) > 0 {
		f.Fatalf("refused (%v), but it did %v", err, events)
	}
	if err := f.journal.Append(context.Background(), events); err != nil {
		f.Fatal(err)
	}
}

func (f *farm) host() string {
	return fmt.Sprintf("h%d", rapid.IntRange(1, max(1, f.hosts)).Draw(f.T, "host"))
}

func (f *farm) job() queue.ID {
	if len(f.jobs) == 0 {
		return queue.ID{Job: 1}
	}
	return rapid.SampledFrom(f.jobs).Draw(f.T, "job")
}

func (f *farm) submit() {
	spec := queue.Spec{
		Command: "true", User: rapid.SampledFrom([]string{"ada", "bob"}).Draw(f.T, "user"), MinSlots: 1, MaxSlots: 1,
		Name: rapid.SampledFrom([]string{"", "prep", "prep_b", "run"}).Draw(f.T, "name"), Rerunnable: rapid.Bool().Draw(f.T, "rerunnable"),
		Env: queue.NewEnv([]string{fmt.Sprintf("E=%d", rapid.IntRange(0, 2).Draw(f.T, "env"))}),
	}
	if rapid.IntRange(0, 3).Draw(f.T, "array") == 0 {
		spec.Array = &queue.Array{Ranges: []queue.Range{{First: 1, Last: rapid.IntRange(1, 4).Draw(f.T, "size"), Step: 1}}}
	}
	switch rapid.IntRange(0, 4).Draw(f.T, "after") {
	case 0:
		spec.After = &queue.Condition{Op: queue.OpEnded, Name: rapid.SampledFrom([]string{"prep", "prep*", "run"}).Draw(f.T, "waits for")}
	case 1:
		spec.After = &queue.Condition{Op: queue.OpNot, Args: []*queue.Condition{{Op: queue.OpExit, Job: queue.ID{Job: f.job().Job}}}}
	}
	id, err := f.queue.Submit(f.now, spec)
	f.do(err)
	if err != nil {
		return
	}
	if spec.Array == nil {
		f.jobs = append(f.jobs, id)
		return
	}
	for index := 1; index <= spec.Array.Len(); index++ {
		f.jobs = append(f.jobs, queue.ID{Job: id.Job, Index: index})
	}
}

// modify is a way to change a job.
func (f *farm) modify() func(*queue.Spec) {
	after := &queue.Condition{Op: queue.OpEnded, Name: rapid.SampledFrom([]string{"prep", "run*"}).Draw(f.T, "waits for")}
	name := rapid.SampledFrom([]string{"prep", "run"}).Draw(f.T, "name")
	return func(s *queue.Spec) {
		if s.Priority++; s.Priority%2 == 0 {
			s.Name = name
			return
		}
		s.After = after
	}
}

// step does one random thing.
func (f *farm) step() {
	f.now = f.now.Add(time.Duration(rapid.SampledFrom([]int{0, 1, 3, 5, 40}).Draw(f.T, "seconds")) * time.Second)
	by := queue.Actor{User: "root", Admin: true}
	switch rapid.IntRange(0, 13).Draw(f.T, "step") {
	case 13:
		f.do(f.queue.Modify(f.now, by, queue.ID{Job: f.job().Job}, f.modify()))
	case 0, 1, 2:
		f.submit()
	case 3:
		f.hosts++
		f.do(f.queue.AddHost(f.now, queue.HostSpec{Name: fmt.Sprintf("h%d", f.hosts), Slots: 2}))
		_, err := f.queue.JoinHost(f.now, fmt.Sprintf("h%d", f.hosts), "hash", nil)
		f.do(err)
	case 4:
		f.do(f.queue.LoseHost(f.now, f.host()))
	case 5:
		f.do(f.queue.RemoveHost(f.now, f.host()))
	case 6:
		f.do(f.queue.HostDied(f.now, f.host(), "gone"))
	case 7:
		f.do(f.queue.Kill(f.now, by, f.job(), 0))
	case 8:
		f.do(f.queue.Requeue(f.now, by, f.job(), queue.Rerun{Hold: rapid.Bool().Draw(f.T, "hold")}))
	default:
		id := f.job()
		if job, ok := f.queue.Job(id); ok && job.State == queue.Running {
			f.do(f.queue.Finished(f.now, id, job.Attempt, queue.Result{ExitCode: rapid.IntRange(0, 1).Draw(f.T, "exit")}))
		}
	}
	f.queue.Tick(f.now)
	f.queue.Schedule(f.now)
	f.do(nil)
}

// view is what can be seen of a Queue. Since when a host is idle may be older when the jobs that it ran are forgotten.
func view(t *rapid.T, q *queue.Queue) string {
	jobs, _ := q.Jobs(queue.Filter{}, queue.ID{}, 1_000_000)
	hosts := q.Hosts()
	for i := range hosts {
		hosts[i].IdleSince = time.Time{}
	}
	data, err := json.Marshal(map[string]any{"jobs": jobs, "hosts": hosts, "queues": q.Queues(), "demand": q.Demand(0)})
	if err != nil {
		t.Fatal(err)
	}
	return strings.ReplaceAll(string(data), "},{", "},\n{")
}

// doings is what a Queue did last. When it forgets a job is not the same after a replay, where others depended on the job;
// nor is which of several equal hosts it takes, where events of earlier ones are gone.
func doings(t *rapid.T, q *queue.Queue) string {
	events := slices.DeleteFunc(q.Take(nil), func(e queue.Event) bool { return e.Kind == queue.JobForgotten })
	for i := range events {
		events[i].Placement = nil
	}
	data, err := json.Marshal(events)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// TestReplayEqualsLive runs a batch system with a journal that is compacted at any time: what is replayed is the live state, and
// both go on alike. No number is given out twice.
func TestReplayEqualsLive(t *testing.T) {
	dir, n := memoryDir(t), 0
	rapid.Check(t, func(t *rapid.T) {
		n++
		j, err := Open(filepath.Join(dir, fmt.Sprintf("%d.db", n)), Options{})
		if err != nil {
			t.Fatal(err)
		}
		f := &farm{T: t, journal: j, queue: newQueue(t), now: time.Unix(1_000_000, 0).UTC()}
		for range rapid.IntRange(10, 80).Draw(t, "steps") {
			f.step()
			if rapid.IntRange(0, 9).Draw(t, "compact") == 0 {
				if _, err := j.Compact(context.Background()); err != nil {
					t.Fatal(err)
				}
			}
		}
		replayed := newQueue(t)
		if err := j.Replay(context.Background(), replayed.Apply); err != nil {
			t.Fatal(err)
		}
		if live, again := view(t, f.queue), view(t, replayed); live != again {
			t.Fatalf("live\n%s\nreplayed\n%s", live, again)
		}
		f.now = f.now.Add(time.Second)
		for _, q := range []*queue.Queue{f.queue, replayed} {
			if _, err := q.Submit(f.now, queue.Spec{Command: "next", User: "ada", MinSlots: 1, MaxSlots: 1}); err != nil {
				t.Fatal(err)
			}
			q.Tick(f.now)
			q.Schedule(f.now)
		}
		if live, again := doings(t, f.queue), doings(t, replayed); live != again {
			t.Fatalf("live goes on with\n%s\nreplayed with\n%s", live, again)
		}
		if err := j.Close(); err != nil {
			t.Fatal(err)
		}
	})
}
