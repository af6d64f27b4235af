package daemon

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"sluice/queue"
	"sluice/queue/wire"
)

// shown is all that clients see of jobs, queues and hosts, but for what only time tells.
type shown struct {
	Jobs   []queue.Job
	Queues []queue.QueueInfo
	Hosts  []queue.Host
	Load   queue.Load
}

func (b *bench) shown() shown {
	b.t.Helper()
	queues, err := b.client.Queues(context.Background())
	if err != nil {
		b.t.Fatal(err)
	}
	s, err := b.Poll(context.Background())
	if err != nil {
		b.t.Fatal(err)
	}
	return shown{b.jobs(wire.JobsRequest{Reasons: true}), queues, s.Hosts, s.Load}
}

func (b *bench) wantShown(what string, want shown) {
	b.t.Helper()
	if diff := cmp.Diff(want, b.shown(), cmp.Comparer(func(x, y queue.Env) bool { return x == y })); diff != "" {
		b.t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

// Settings that change while jobs run and pend: nothing is lost, what may start now does, jobs of a queue that is no more wait in
// lost_and_found, and a daemon that starts with the same settings has the same state.
func TestReconfigure(t *testing.T) {
	queues := []queue.QueueSpec{{Name: "a", Default: true, MaxSlots: 1}, {Name: "b"}}
	b := newBench(t, func(c *Config) { c.Queue.Queues = queues })
	r := b.host("h1", 4)
	running, waiting := b.submit(command("1")), b.submit(command("2"))
	first := r.hearStart()
	r.started(first.Attempt)
	other := command("3")
	other.Queue, other.Hold = "b", true
	held := b.submit(other)
	if err := b.SetWeights(context.Background(), map[string]float64{"a": 3, "b": 4}); err != nil {
		t.Fatal(err)
	}
	b.eventually("the job runs", func() bool { return b.job(running).PID != 0 })

	// The limit rises: the second job starts, on the connection that there is. Queue b is no more, c is new.
	next := Settings{
		Queue:   queue.Config{Queues: []queue.QueueSpec{{Name: "a", MaxSlots: 2}, {Name: "c"}}, DefaultQueues: []string{"c", "a"}},
		Cluster: "anew", Admins: []string{"carol"}, Project: "p", KillGrace: 3 * time.Second,
	}
	if err := b.Reconfigure(context.Background(), next); err != nil {
		t.Fatal(err)
	}
	second := r.hearStart()
	if second.Attempt.Job != waiting.Job || second.KillGraceNs != int64(3*time.Second) || second.Report.Cluster != "anew" {
		t.Errorf("started %+v", second)
	}
	r.started(second.Attempt)
	b.eventually("the second job runs", func() bool { return b.job(waiting).PID != 0 })
	if job := b.job(held); job.State != queue.HeldPending || job.Spec.Queue != "lost_and_found" {
		t.Errorf("job of a queue that is no more: %v in %s", job.State, job.Spec.Queue)
	}
	if job := b.job(b.submit(command("4"))); job.Spec.Queue != "c" || job.Spec.Project != "p" {
		t.Errorf("new job is in queue %s of project %s", job.Spec.Queue, job.Spec.Project)
	}
	cluster, err := b.client.Cluster(context.Background())
	if err != nil || cluster.Name != "anew" || !slices.Contains(cluster.Admins, "carol") || !slices.Contains(cluster.Admins, me()) {
		t.Errorf("cluster %+v, %v", cluster, err)
	}
	params, err := b.client.Params(context.Background())
	if err != nil || !slices.Equal(params.DefaultQueues, []string{"c", "a"}) || params.KillGrace != 3*time.Second {
		t.Errorf("params %+v, %v", params, err)
	}
	third := r.hearStart()
	r.started(third.Attempt)
	r.ended(first.Attempt, 0)
	r.acknowledged(first.Attempt)
	b.eventuallyState(running, queue.Done)

	// Started anew with the same settings: the same. The host is away until it joins again, and weights are not the daemon's to keep.
	b.eventually("the third job runs", func() bool { return b.job(queue.ID{Job: third.Attempt.Job}).PID != 0 })
	if err := b.SetWeights(context.Background(), map[string]float64{"a": 1}); err != nil {
		t.Fatal(err)
	}
	want := b.shown()
	b.config.Queue, b.config.Cluster, b.config.Admins, b.config.Project, b.config.KillGrace = next.Queue, next.Cluster, next.Admins, next.Project, next.KillGrace
	b.config.Queue.Queues = slices.Clone(next.Queue.Queues)
	b.config.Queue.Queues[0].Weight = 1
	b.restart()
	got := b.shown()
	want.Hosts[0].Status, want.Hosts[0].LostAt = got.Hosts[0].Status, got.Hosts[0].LostAt
	b.wantShown("after a restart", want)

	// The queue is back: its job returns to it.
	next.Queue.Queues = append(next.Queue.Queues, queue.QueueSpec{Name: "b"})
	if err := b.Reconfigure(context.Background(), next); err != nil {
		t.Fatal(err)
	}
	if job := b.job(held); job.Spec.Queue != "b" {
		t.Errorf("queue b is back, its job is in %s", job.Spec.Queue)
	}
}

// Settings that cannot be, and a journal that cannot be read or written, change nothing.
func TestReconfigureRefused(t *testing.T) {
	disk := &faulty{}
	b := newBenchOn(t, nil, func(j Journal) Journal {
		disk.Journal = j
		return disk
	})
	b.submit(command("a"))
	if err := b.SetWeights(context.Background(), map[string]float64{"short": 3}); err != nil {
		t.Fatal(err)
	}
	want := b.shown()
	for what, s := range map[string]Settings{
		"twice the same queue":  {Queue: queue.Config{Queues: []queue.QueueSpec{{Name: "a"}, {Name: "a"}}}},
		"no such default queue": {Queue: queue.Config{DefaultQueues: []string{"nosuch"}}},
		"negative grace":        {KillGrace: -1},
	} {
		if err := b.Reconfigure(context.Background(), s); err == nil {
			t.Errorf("%s: accepted", what)
		}
		b.wantShown(what, want)
	}
	good := Settings{Queue: queue.Config{Queues: []queue.QueueSpec{{Name: "normal", Default: true}}}}
	disk.full.Store(true)
	_, err := b.client.Submit(context.Background(), command("lost"))
	wantCode(t, err, queue.JournalUnwritable)
	wantCode(t, b.Reconfigure(context.Background(), good), queue.JournalUnwritable)
	disk.full.Store(false)
	b.eventually("the journal can be written", func() bool { return b.Reconfigure(context.Background(), good) == nil })
	if s := b.shown(); len(s.Queues) != 1 || len(s.Jobs) != 1 {
		t.Errorf("%d queues, %d jobs; want one each", len(s.Queues), len(s.Jobs))
	}
	b.stop()
	if err := b.Reconfigure(context.Background(), good); !errors.Is(err, errStopping) {
		t.Errorf("after the end: %v", err)
	}
}
