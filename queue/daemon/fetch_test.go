package daemon

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"sluice/queue"
	"sluice/queue/output"
	"sluice/queue/wire"
)

// storing is a bench that keeps output.
func storing(t *testing.T, change func(*Config)) *bench {
	t.Helper()
	store, err := output.Open(filepath.Join(t.TempDir(), "output"), output.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	b := newBench(t, func(c *Config) {
		c.Outputs = store
		if change != nil {
			change(c)
		}
	})
	t.Cleanup(func() {
		b.Stop()
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	})
	return b
}

// answer is what a robot says to the next question about output, which it gives.
func (r *robot) answer(m *wire.Output) *wire.Peek {
	r.t.Helper()
	question := r.hearQuestion()
	m.Number = question.GetNumber()
	r.tell(&wire.HostMessage{Body: &wire.HostMessage_Output{Output: m}})
	return question
}

// hearQuestion is the next question about output; acknowledgements may come before.
func (r *robot) hearQuestion() *wire.Peek {
	r.t.Helper()
	for {
		m := r.hear()
		if q := m.GetPeek(); q != nil {
			return q
		}
		if m.GetEndedAck() == nil {
			r.t.Fatalf("heard %v", m)
		}
	}
}

// endKept says that a job has ended and that its output is kept.
func (r *robot) endKept(a *wire.Attempt) {
	r.tell(&wire.HostMessage{Body: &wire.HostMessage_Ended{Ended: &wire.Ended{Attempt: a, Kept: &wire.Kept{Attempt: a, OutBytes: 1}}}})
}

// hearFetched is the attempt that the host need not keep any more; acknowledgements may come before.
func (r *robot) hearFetched() *wire.Attempt {
	r.t.Helper()
	for {
		m := r.hear()
		if f := m.GetFetched(); f != nil {
			return f.GetAttempt()
		}
		if m.GetEndedAck() == nil {
			r.t.Fatalf("heard %v", m)
		}
	}
}

func TestOutputOfEndedJobs(t *testing.T) {
	b := storing(t, nil)
	host := b.join(&wire.Hello{Host: "h1", Token: b.addHost("h1", 2), Peeks: true})
	id := b.submit(command("talk"))
	start := host.hearStart()
	if start.KeepBytes != 1<<20 {
		t.Errorf("the host keeps %d bytes", start.KeepBytes)
	}
	host.started(start.Attempt)
	host.endKept(start.Attempt)
	if q := host.answer(&wire.Output{Data: []byte("hel"), Kept: 105, Skipped: 100, Separate: true}); q.Offset != 0 || q.Stderr {
		t.Errorf("asked %v", q)
	}
	if q := host.answer(&wire.Output{Data: []byte("lo"), Kept: 105, Skipped: 100, Separate: true, Dropped: true}); q.Offset != 103 || q.Stderr {
		t.Errorf("asked %v", q)
	}
	if q := host.answer(&wire.Output{Data: []byte("oops"), Kept: 4, Separate: true}); q.Offset != 0 || !q.Stderr {
		t.Errorf("asked %v", q)
	}
	if a := attemptOf(host.hearFetched()); a != (queue.Attempt{ID: id, Attempt: 1}) {
		t.Errorf("fetched %v", a)
	}
	for range 2 {
		p, err := b.client.Peek(context.Background(), id, wire.PeekRequest{})
		if err != nil || string(p.Data) != "hello" || p.Kept != 105 || p.Skipped != 100 || !p.Dropped || !p.Separate || !p.Ended || p.Attempt != 1 {
			t.Errorf("%+v, %v", p, err)
		}
		p, err = b.client.Peek(context.Background(), id, wire.PeekRequest{Offset: 102, Limit: 2})
		if err != nil || string(p.Data) != "ll" {
			t.Errorf("%+v, %v", p, err)
		}
		if p, err = b.client.Peek(context.Background(), id, wire.PeekRequest{Stderr: true, Offset: 2}); err != nil || string(p.Data) != "ps" {
			t.Errorf("%+v, %v", p, err)
		}
		b.restart()
	}
	if _, err := b.keptOf(queue.Actor{User: "mallory"}, id, 0); !errors.Is(err, &queue.Error{Code: queue.NotYours}) {
		t.Errorf("to another user: %v", err)
	}
	if r, err := b.keptOf(queue.Actor{User: me()}, id, 2); r != nil || err != nil {
		t.Errorf("of another start: %v, %v", r, err)
	}
}

// What could not be fetched is fetched when its host comes back, also after a restart; and shown from the host until then.
func TestOutputIsFetchedLater(t *testing.T) {
	b := storing(t, nil)
	host := b.join(&wire.Hello{Host: "h1", Token: b.addHost("h1", 2), Peeks: true})
	id := b.submit(command("talk"))
	start := host.hearStart()
	host.started(start.Attempt)
	host.endKept(start.Attempt)
	host.hearQuestion()
	b.eventuallyState(id, queue.Done)
	b.restart() // with the question open
	if p, err := b.client.Peek(context.Background(), id, wire.PeekRequest{}); err != nil || len(p.Data) > 0 || !p.Ended {
		t.Errorf("while the host is away: %+v, %v", p, err)
	}
	stray := &wire.Attempt{Job: 99, Attempt: 1}
	host = b.join(&wire.Hello{Host: "h1", Session: host.session, Peeks: true, Kept: []*wire.Kept{
		{Attempt: stray, OutBytes: 1}, {Attempt: start.Attempt, OutBytes: 2},
	}})
	if a := attemptOf(host.hearFetched()); a.ID.Job != 99 {
		t.Errorf("of a job that is not known: fetched %v", a)
	}
	fetching := host.hearQuestion() // the fetcher's question is not answered yet
	shown := make(chan string)
	go func() {
		p, err := b.client.Peek(context.Background(), id, wire.PeekRequest{})
		shown <- string(p.Data) + " " + must(err)
	}()
	host.answer(&wire.Output{Data: []byte("hi"), Kept: 2})
	if got := <-shown; got != "hi " {
		t.Errorf("from the host: %q", got)
	}
	host.tell(&wire.HostMessage{Body: &wire.HostMessage_Output{Output: &wire.Output{Number: fetching.GetNumber(), Data: []byte("hi"), Kept: 2}}})
	host.hearFetched()
	if p, err := b.client.Peek(context.Background(), id, wire.PeekRequest{}); err != nil || string(p.Data) != "hi" {
		t.Errorf("%+v, %v", p, err)
	}
}

func must(err error) string {
	if err != nil {
		return err.Error()
	}
	return ""
}

// A host that sends more than it was asked for has nothing kept, and is not asked for ever.
func TestTooMuchOutput(t *testing.T) {
	b := storing(t, func(c *Config) { c.OutputBytes = 10 })
	host := b.join(&wire.Hello{Host: "h1", Token: b.addHost("h1", 2), Peeks: true})
	id := b.submit(command("talk"))
	start := host.hearStart()
	host.started(start.Attempt)
	host.endKept(start.Attempt)
	host.answer(&wire.Output{Data: []byte(strings.Repeat("x", 11)), Kept: 1 << 40})
	host.tell(&wire.HostMessage{Body: &wire.HostMessage_Heartbeat{Heartbeat: &wire.Heartbeat{Number: 1}}})
	for m := host.hear(); m.GetHeartbeatAck() == nil; m = host.hear() { // it is still connected
		if m.GetEndedAck() == nil {
			t.Fatalf("heard %v", m)
		}
	}
	if r, err := b.keptOf(queue.Actor{User: me()}, id, 0); r != nil || err != nil {
		t.Errorf("%v, %v", r, err)
	}
}
