package queue_test

import (
	"errors"
	"slices"
	"testing"
	"time"

	"sluice/queue"
)

// site is a queue with some hosts that have joined, each on a machine m1.site, m2.site, … of so many slots.
func site(t *testing.T, cfg queue.Config, slots ...int) (*queue.Queue, time.Time) {
	t.Helper()
	q, now := queuesOf(t, cfg), time.Unix(1000, 0)
	for i, n := range slots {
		name := "h" + string(rune('1'+i))
		h := queue.HostSpec{Name: name, Location: "m" + string(rune('1'+i)) + ".site", Slots: n}
		if err := q.AddHost(now, h); err != nil {
			t.Fatal(err)
		}
		if _, err := q.JoinHost(now, name, "", nil); err != nil {
			t.Fatal(err)
		}
	}
	return q, now
}

func submitted(t *testing.T, q *queue.Queue, now time.Time, spec queue.Spec) queue.ID {
	t.Helper()
	spec.Command, spec.User = "x", "ann"
	id, err := q.Submit(now, spec)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// placed are the slots that a job holds, by host.
func placed(q *queue.Queue, id queue.ID) map[string]int {
	held := map[string]int{}
	job, _ := q.Job(id)
	if job.State == queue.Running {
		for _, p := range job.Placement {
			held[p.Host] += p.Slots
		}
	}
	return held
}

// A limit of slots on a host spreads a queue's jobs, keeps off what can never fit, and holds up no other queue.
func TestHostLimit(t *testing.T) {
	q, now := site(t, queue.Config{Queues: []queue.QueueSpec{{Name: "two", Priority: 9, HostSlots: 2}, {Name: "any", Default: true}}}, 4, 4)
	wide := submitted(t, q, now, queue.Spec{Queue: "two", MinSlots: 3})
	never := submitted(t, q, now, queue.Spec{Queue: "two", MinSlots: 3, Need: queue.Need{OneHost: true}})
	whole := submitted(t, q, now, queue.Spec{Queue: "two", MinSlots: 2, Need: queue.Need{OneHost: true}})
	later := submitted(t, q, now, queue.Spec{Queue: "two"})
	other := submitted(t, q, now, queue.Spec{MinSlots: 4})
	q.Schedule(now)
	if held := placed(q, wide); len(held) != 2 || max(held["h1"], held["h2"]) != 2 {
		t.Errorf("3 slots, at most 2 on a host: %v", held)
	}
	if len(placed(q, whole)) != 0 || len(placed(q, later)) != 0 {
		t.Errorf("jobs started beyond the limit, or ahead of one that waits for it: %v, %v", placed(q, whole), placed(q, later))
	}
	if len(placed(q, other)) == 0 {
		t.Errorf("a job of another queue waits: %v", q.PendReasons(other))
	}
	const limit = "Queue's per-host job slot limit reached"
	if why := q.PendReasons(never); !slices.Equal(why, []string{limit}) {
		t.Errorf("a job that no host may ever run waits because of %v", why)
	}
	if why := q.PendReasons(whole); len(why) == 0 || why[0] != limit+": 2 hosts" {
		t.Errorf("a job waits because of %v", why)
	}
	for _, d := range q.Demand(0) {
		if d.Need.HostLimit != 2 || d.Slots == 3 {
			t.Errorf("hosts are asked for %+v", d)
		}
	}
	if err := q.Finished(now, wide, 1, queue.Result{}); err != nil {
		t.Fatal(err)
	}
	q.Schedule(now)
	if len(placed(q, whole)) != 1 || len(placed(q, later)) != 1 {
		t.Errorf("after the first one: %v, %v", q.PendReasons(whole), q.PendReasons(later))
	}
	info := q.Queues()[0]
	if info.Run != 3 || info.HostSlots != 2 {
		t.Errorf("%+v", info)
	}
}

// A queue's hosts are those of its jobs, together with what these say.
func TestQueueHosts(t *testing.T) {
	cfg := queue.Config{Queues: []queue.QueueSpec{
		{Name: "some", Hosts: []string{"m2", "m3.site"}, Default: true}, {Name: "not", Hosts: []string{"~m2.other"}},
	}}
	for _, c := range []struct {
		queue, hosts string
		want         []string
	}{
		{"some", "", []string{"h2", "h3"}},
		{"some", "m3,m1", []string{"h3"}},
		{"some", "h2", []string{"h2"}},
		{"not", "", []string{"h1", "h3"}},
		{"not", "~m1", []string{"h3"}},
	} {
		q, now := site(t, cfg, 1, 1, 1)
		id := submitted(t, q, now, queue.Spec{Queue: c.queue, MinSlots: 1, MaxSlots: 3, Need: queue.Need{Hosts: c.hosts}})
		q.Schedule(now)
		for _, h := range []string{"h1", "h2", "h3"} {
			if got := placed(q, id)[h] > 0; got != slices.Contains(c.want, h) {
				t.Errorf("queue %s, job's hosts %q: on %s %v, want %v", c.queue, c.hosts, h, got, c.want)
			}
		}
	}
	q, now := site(t, cfg, 1, 1, 1)
	for _, hosts := range []string{"m1", "h1", "nowhere"} {
		_, err := q.Submit(now, queue.Spec{Command: "x", User: "ann", Need: queue.Need{Hosts: hosts}})
		if !errors.Is(err, &queue.Error{Code: queue.HostNotUsed}) {
			t.Errorf("a job for %s: %v", hosts, err)
		}
	}
	id := submitted(t, q, now, queue.Spec{Queue: "not", Need: queue.Need{Hosts: "m1"}})
	if err := q.Switch(now, queue.Actor{User: "ann"}, id, "some"); !errors.Is(err, &queue.Error{Code: queue.HostNotUsed}) {
		t.Errorf("a job for m1 moves to a queue without it: %v", err)
	}
}

// Around a job are its queue's commands as they are when it starts.
func TestAround(t *testing.T) {
	terms := queue.Terms{PreExec: "before", PostExec: "after", JobStarter: "nice", Nice: 3}
	q := queuesOf(t, queue.Config{Queues: []queue.QueueSpec{{Name: "a", Default: true, Terms: terms}, {Name: "b"}}})
	now := time.Unix(1000, 0)
	both := submitted(t, q, now, queue.Spec{PreExec: "own before", PostExec: "own after"})
	plain := submitted(t, q, now, queue.Spec{Queue: "b"})
	a := q.Around(both)
	if !slices.Equal(a.Pre, []string{"before", "own before"}) || !slices.Equal(a.Post, []string{"own after", "after"}) || a.Starter != "nice" || a.Nice != 3 {
		t.Errorf("%+v", a)
	}
	if a := q.Around(plain); len(a.Pre)+len(a.Post) > 0 || a.Starter != "" {
		t.Errorf("%+v", a)
	}
	if err := q.Reconfigure(queue.Config{Queues: []queue.QueueSpec{{Name: "a", Default: true}}}); err != nil {
		t.Fatal(err)
	}
	if a := q.Around(both); !slices.Equal(a.Pre, []string{"own before"}) || a.Nice != 0 {
		t.Errorf("after a reconfiguration: %+v", a)
	}
}
