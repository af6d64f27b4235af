package queue_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"

	"sluice/queue"
)

// bench is one job, or one host, in one state, and what may happen to it.
type bench struct {
	q   *queue.Queue
	now time.Time
	id  queue.ID
}

var (
	ann     = queue.Actor{User: "ann"}
	unknown = 20 * time.Second
	lease   = 80 * time.Second
)

func newBench(t *testing.T, rerunnable bool) *bench {
	b := &bench{q: newQueue(t, queue.Config{Queues: []queue.QueueSpec{{Name: "normal", Default: true}, {Name: "other"}}}, 0, 0), now: epoch}
	s := simple(1)
	s.Rerunnable = rerunnable
	b.id = submit(t, b.q, s)
	must(t, b.q.AddHost(b.now, queue.HostSpec{Name: "h", Slots: 1}))
	return b
}

// reach brings the job into a state.
func (b *bench) reach(t *testing.T, state string) {
	join := func() {
		_, err := b.q.JoinHost(b.now, "h", "s", nil)
		must(t, err)
		b.q.Schedule(b.now)
	}
	lost := func() {
		must(t, b.q.LoseHost(b.now, "h"))
		b.now = b.now.Add(unknown)
		b.q.Tick(b.now)
	}
	switch state {
	case "PEND":
	case "PSUSP":
		must(t, b.q.Stop(b.now, ann, b.id))
	case "RUN":
		join()
	case "RUN+pid":
		join()
		must(t, b.q.Executing(b.now, b.id, 1, 7))
	case "RUN+kill":
		join()
		must(t, b.q.Executing(b.now, b.id, 1, 7))
		must(t, b.q.Kill(b.now, ann, b.id, 0))
	case "RUN+requeue":
		join()
		must(t, b.q.Requeue(b.now, ann, b.id, queue.Rerun{}))
	case "USUSP":
		join()
		must(t, b.q.Stop(b.now, ann, b.id))
	case "UNKWN":
		join()
		must(t, b.q.Executing(b.now, b.id, 1, 7))
		lost()
	case "ZOMBI":
		join()
		lost()
		must(t, b.q.Kill(b.now, ann, b.id, 0))
	case "DONE":
		join()
		must(t, b.q.Finished(b.now, b.id, 1, queue.Result{}))
	case "EXIT":
		join()
		must(t, b.q.Finished(b.now, b.id, 1, queue.Result{ExitCode: 3}))
	case "killed":
		must(t, b.q.Kill(b.now, ann, b.id, 0))
	case "forced":
		join()
		must(t, b.q.ForceKill(b.now, ann, b.id))
	case "PEND again":
		join()
		must(t, b.q.HostDied(b.now, "h", "gone"))
		must(t, b.q.AddHost(b.now, queue.HostSpec{Name: "h", Slots: 1}))
	default:
		t.Fatalf("no state %q", state)
	}
}

type action struct {
	name string
	do   func(b *bench) error
}

func jobActions() []action {
	finished := func(attempt, code int, reason string) func(b *bench) error {
		return func(b *bench) error {
			return b.q.Finished(b.now, b.id, attempt, queue.Result{ExitCode: code, Reason: reason})
		}
	}
	rejoin := func(known ...int) func(b *bench) error {
		return func(b *bench) error {
			var list []queue.Attempt
			for _, a := range known {
				list = append(list, queue.Attempt{ID: b.id, Attempt: a})
			}
			_, err := b.q.JoinHost(b.now, "h", "s", list)
			return err
		}
	}
	after := func(d time.Duration) func(b *bench) error {
		return func(b *bench) error {
			if h, ok := b.q.Host("h"); ok && h.LostAt.IsZero() {
				if err := b.q.LoseHost(b.now, "h"); err != nil {
					return err
				}
			}
			b.q.Tick(b.now.Add(d))
			return nil
		}
	}
	return []action{
		{"kill", func(b *bench) error { return b.q.Kill(b.now, ann, b.id, 0) }},
		{"kill -9", func(b *bench) error { return b.q.Kill(b.now, ann, b.id, 9) }},
		{"kill -USR1", func(b *bench) error { return b.q.Kill(b.now, ann, b.id, 10) }},
		{"force kill", func(b *bench) error { return b.q.ForceKill(b.now, ann, b.id) }},
		{"stop", func(b *bench) error { return b.q.Stop(b.now, ann, b.id) }},
		{"resume", func(b *bench) error { return b.q.Resume(b.now, ann, b.id) }},
		{"requeue", func(b *bench) error { return b.q.Requeue(b.now, ann, b.id, queue.Rerun{}) }},
		{"switch", func(b *bench) error { return b.q.Switch(b.now, ann, b.id, "other") }},
		{"modify", func(b *bench) error {
			return b.q.Modify(b.now, ann, b.id, func(s *queue.Spec) { s.Priority, s.User = 7, "bob" })
		}},
		{"top", func(b *bench) error {
			_, err := b.q.Move(b.now, ann, b.id, true, 1)
			return err
		}},
		{"schedule", func(b *bench) error { b.q.Schedule(b.now); return nil }},
		{"executing", func(b *bench) error { return b.q.Executing(b.now, b.id, 1, 7) }},
		{"finished 0", finished(1, 0, "")},
		{"finished 3", finished(1, 3, "")},
		{"finished 0 why", finished(1, 0, "no such directory")},
		{"finished #2", finished(2, 0, "")},
		{"host lost", after(0)},
		{"host away", after(unknown)},
		{"lease over", after(lease)},
		{"host died", func(b *bench) error { return b.q.HostDied(b.now, "h", "gone") }},
		{"rejoin", rejoin()},
		{"rejoin #1", rejoin(1)},
		{"tick 2h", func(b *bench) error { b.q.Tick(b.now.Add(2 * time.Hour)); return nil }},
	}
}

// outcome is the state after, the events on the way, and the error's code.
func (b *bench) outcome(err error) string {
	var words []string
	for _, ev := range b.q.Take(nil) {
		if ev.Job != (queue.ID{}) {
			words = append(words, strings.TrimPrefix(string(ev.Kind), "job_"))
		}
	}
	state := "-"
	if j, ok := b.q.Job(b.id); ok {
		state = j.State.String()
	}
	if e := (*queue.Error)(nil); errors.As(err, &e) {
		words = append(words, "!"+string(e.Code))
	} else if err != nil {
		words = append(words, err.Error())
	}
	return strings.TrimSpace(state + " " + strings.Join(words, ","))
}

// TestTransitions is the full matrix of states and what may happen, once for jobs that run again and once for others.
func TestTransitions(t *testing.T) {
	states := []string{"PEND", "PEND again", "PSUSP", "RUN", "RUN+pid", "RUN+kill", "RUN+requeue", "USUSP", "UNKWN", "ZOMBI", "DONE", "EXIT", "killed", "forced"}
	datadriven.RunTest(t, "testdata/transitions.txt", func(t *testing.T, d *datadriven.TestData) string {
		var out strings.Builder
		if d.Cmd == "hosts" {
			return hostMatrix(t)
		}
		for _, state := range states {
			if state == "PEND again" && d.Cmd != "rerunnable" {
				continue
			}
			fmt.Fprintf(&out, "%s\n", state)
			for _, a := range jobActions() {
				b := newBench(t, d.Cmd == "rerunnable")
				b.reach(t, state)
				b.q.Take(nil)
				fmt.Fprintf(&out, "  %-14s -> %s\n", a.name, b.outcome(a.do(b)))
			}
		}
		return out.String()
	})
}

func hostMatrix(t *testing.T) string {
	states := map[string]func(b *bench){
		"added": func(*bench) {},
		"ok":    func(b *bench) { b.reach(t, "DONE") },
		"busy":  func(b *bench) { b.reach(t, "RUN") },
		"closed": func(b *bench) {
			b.reach(t, "DONE")
			must(t, b.q.CloseHost(b.now, "h", queue.ClosedAdmin|queue.ClosedExit))
		},
		"unavail":      func(b *bench) { b.reach(t, "DONE"); must(t, b.q.LoseHost(b.now, "h")) },
		"unavail busy": func(b *bench) { b.reach(t, "UNKWN") },
		"gone":         func(b *bench) { must(t, b.q.RemoveHost(b.now, "h")) },
	}
	actions := []action{
		{"add", func(b *bench) error { return b.q.AddHost(b.now, queue.HostSpec{Name: "h", Slots: 2}) }},
		{"join", func(b *bench) error { _, err := b.q.JoinHost(b.now, "h", "s", nil); return err }},
		{"join anew", func(b *bench) error { _, err := b.q.JoinHost(b.now, "h", "other", nil); return err }},
		{"lose", func(b *bench) error { return b.q.LoseHost(b.now, "h") }},
		{"close admin", func(b *bench) error { return b.q.CloseHost(b.now, "h", queue.ClosedAdmin) }},
		{"close drain", func(b *bench) error { return b.q.CloseHost(b.now, "h", queue.ClosedDrain) }},
		{"open admin", func(b *bench) error { return b.q.OpenHost(b.now, "h", queue.ClosedAdmin) }},
		{"remove", func(b *bench) error { return b.q.RemoveHost(b.now, "h") }},
		{"died", func(b *bench) error { return b.q.HostDied(b.now, "h", "gone") }},
		{"lease over", func(b *bench) error { b.q.Tick(b.now.Add(lease)); return nil }},
	}
	var out strings.Builder
	for _, name := range []string{"added", "ok", "busy", "closed", "unavail", "unavail busy", "gone"} {
		fmt.Fprintf(&out, "%s\n", name)
		for _, a := range actions {
			b := newBench(t, false)
			states[name](b)
			b.q.Take(nil)
			err := a.do(b)
			var kinds []string
			for _, ev := range b.q.Take(nil) {
				kinds = append(kinds, string(ev.Kind))
			}
			after := "gone"
			if h, ok := b.q.Host("h"); ok {
				after = fmt.Sprintf("status=%d closed=%d used=%d", h.Status, h.Closed, h.Used)
			}
			if e := (*queue.Error)(nil); errors.As(err, &e) {
				kinds = append(kinds, "!"+string(e.Code))
			}
			fmt.Fprintf(&out, "  %-12s -> %s %s\n", a.name, after, strings.Join(kinds, ","))
		}
	}
	return out.String()
}
