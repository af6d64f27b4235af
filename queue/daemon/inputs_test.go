package daemon

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sluice/queue"
	"sluice/queue/spool"
	"sluice/queue/wire"
)

// spooling is a bench that keeps input files.
func spooling(t *testing.T, change func(*Config)) (*bench, *spool.Store) {
	t.Helper()
	store, err := spool.Open(filepath.Join(t.TempDir(), "input"), spool.Limits{File: wire.MaxInput})
	if err != nil {
		t.Fatal(err)
	}
	return newBench(t, func(c *Config) {
		c.Inputs = store
		if change != nil {
			change(c)
		}
	}), store
}

func (b *bench) keep(content string) string {
	b.t.Helper()
	name, err := b.client.KeepInput(context.Background(), strings.NewReader(content))
	if err != nil {
		b.t.Fatal(err)
	}
	return name
}

func reading(name string) queue.Spec {
	s := command("cat")
	s.Stdin, s.Input = "data.%J", name
	return s
}

// inputHost joins a host that asks for input.
func (b *bench) inputHost(name string, slots int) *robot {
	b.t.Helper()
	return b.join(&wire.Hello{Host: name, Token: b.addHost(name, slots), Inputs: true})
}

// fetchInput asks for all of a job's input.
func (r *robot) fetchInput(a *wire.Attempt) (content string, problem string) {
	r.t.Helper()
	for {
		r.tell(&wire.HostMessage{Body: &wire.HostMessage_AskInput{AskInput: &wire.AskInput{Attempt: a, Offset: int64(len(content))}}})
		m := r.hear().GetInput()
		switch {
		case m == nil || *m.Attempt != *a || m.Offset != int64(len(content)):
			r.t.Fatalf("heard %v", m)
		case m.Problem != "" || len(m.Data) == 0:
			return content, m.Problem
		}
		content += string(m.Data)
	}
}

// The input that a job was submitted with is what its host gets, after a restart of the daemon and a requeue, too.
func TestInputReachesHosts(t *testing.T) {
	b, _ := spooling(t, nil)
	content := strings.Repeat("0123456789abcde\n", 3*wire.MaxPiece/32) // a piece and a half
	name := b.keep(content)
	if sum := sha256.Sum256([]byte(content)); name != hex.EncodeToString(sum[:]) {
		t.Errorf("the copy is called %s", name)
	}
	id := b.submit(reading(name))
	b.restart()
	r := b.inputHost("h1", 1)
	check := func(s *wire.Start) {
		t.Helper()
		if s.Input != name || s.Stdin != "data.%J" || variable(s.Env, "LSB_INPUTFILE") != "data.%J" {
			t.Errorf("started with input %q, stdin %q", s.Input, s.Stdin)
		}
		if got, problem := r.fetchInput(s.Attempt); got != content || problem != "" {
			t.Errorf("the host got %d bytes of %d: %s", len(got), len(content), problem)
		}
	}
	first := r.hearStart()
	check(first)
	b.restart()
	r = b.join(&wire.Hello{Host: "h1", Session: r.session, Inputs: true, Known: []*wire.Attempt{first.Attempt}})
	check(first)
	r.ended(first.Attempt, 1)
	r.acknowledged(first.Attempt)
	if err := b.act(wire.ActRequest{Action: wire.Requeue, IDs: []queue.ID{id}})[id]; err != nil {
		t.Fatal(err)
	}
	second := r.hearStart()
	check(second)
	r.ended(second.Attempt, 0)
	r.acknowledged(second.Attempt)
	b.eventuallyState(id, queue.Done)
}

// A host gets the input of its own jobs only; one that has none is told so.
func TestInputOfOthers(t *testing.T) {
	b, _ := spooling(t, nil)
	b.submit(reading(b.keep("x")))
	first := b.inputHost("h1", 1).hearStart()
	b.submit(command("true"))
	other := b.inputHost("h2", 1)
	plain := other.hearStart()
	for _, a := range []*wire.Attempt{first.Attempt, plain.Attempt, {Job: 99, Attempt: 1}} {
		if got, problem := other.fetchInput(a); got != "" || problem == "" {
			t.Errorf("%v: got %q, %q", a, got, problem)
		}
	}
}

// Copies that nobody has put cannot be referred to, and those of jobs go with them.
func TestInputsAreClaimedAndSwept(t *testing.T) {
	b, store := spooling(t, nil)
	_, err := b.client.Submit(context.Background(), reading(strings.Repeat("0", 64)))
	wantCode(t, err, queue.BadSpec)
	_, err = b.client.Submit(context.Background(), reading("../x"))
	wantCode(t, err, queue.BadSpec)
	left, used := b.keep("left"), b.keep("used")
	id := b.submit(reading(used))
	sweep := func() {
		t.Helper()
		if err := b.sweepInputs(context.Background(), time.Now().Add(inputGrace+time.Minute)); err != nil {
			t.Fatal(err)
		}
	}
	if err := b.sweepInputs(context.Background(), time.Now()); err != nil || store.Claim(me(), left) != nil {
		t.Errorf("a copy that has just come is removed: %v", err)
	}
	sweep()
	if err := store.Claim(me(), left); !errors.Is(err, spool.ErrNotKept) {
		t.Errorf("a copy of no job is kept: %v", err)
	}
	other := b.keep("other")
	if err := b.act(wire.ActRequest{Action: wire.Modify, IDs: []queue.ID{id}, Fields: []wire.Field{wire.FieldStdin}, Spec: &queue.Spec{Stdin: "f", Input: other}})[id]; err != nil {
		t.Fatal(err)
	}
	sweep()
	if store.Claim(me(), used) == nil || store.Claim(me(), other) != nil {
		t.Error("after bmod -is the former copy is kept, or the new one is not")
	}
	b.act(wire.ActRequest{Action: wire.Kill, IDs: []queue.ID{id}})
	b.eventuallyState(id, queue.Exited)
	sweep()
	if err := store.Claim(me(), other); err != nil {
		t.Errorf("the copy of a job that is remembered is gone: %v", err)
	}
	b.restart()
	if inputs := b.inputs(); len(inputs) != 1 || inputs[queue.Input{User: me(), Name: other}] != 1 {
		t.Errorf("the queue refers to %v", inputs)
	}
}

func (b *bench) inputs() (inputs map[queue.Input]int) {
	b.t.Helper()
	if err := b.read(context.Background(), func(q *queue.Queue, _ time.Time) error {
		inputs = q.Inputs()
		return nil
	}); err != nil {
		b.t.Fatal(err)
	}
	return inputs
}

// The copy goes when its job is forgotten.
func TestInputOfForgottenJob(t *testing.T) {
	b, _ := spooling(t, func(c *Config) { c.Queue.KeepFinished = time.Millisecond })
	id := b.submit(reading(b.keep("x")))
	b.act(wire.ActRequest{Action: wire.Kill, IDs: []queue.ID{id}})
	b.eventually("no job refers to the copy", func() bool { return len(b.inputs()) == 0 })
}

// A job that its host cannot give its input does not run without.
func TestInputAndOlderHosts(t *testing.T) {
	b, _ := spooling(t, nil)
	id := b.submit(reading(b.keep("x")))
	b.host("h1", 1)
	b.eventuallyState(id, queue.Exited)
	if job := b.job(id); job.ExitCode != exitNotStarted || !strings.Contains(job.Reason, "older version") {
		t.Errorf("it ended with %d, %q", job.ExitCode, job.Reason)
	}
}

func TestInputsTooLargeOrNone(t *testing.T) {
	b, _ := spooling(t, nil)
	_, err := b.client.KeepInput(context.Background(), io.LimitReader(zeros{}, wire.MaxInput+1))
	wantCode(t, err, queue.BadSpec)
	none := newBench(t, nil)
	if _, err := none.client.KeepInput(context.Background(), strings.NewReader("x")); queue.KindOf(err) != queue.KindUnavailable {
		t.Errorf("a daemon that keeps none: %v", err)
	}
	if _, err := none.client.Submit(context.Background(), reading(strings.Repeat("0", 64))); queue.KindOf(err) != queue.KindUnavailable {
		t.Errorf("a daemon that keeps none: %v", err)
	}
}

type zeros struct{}

func (zeros) Read(b []byte) (int, error) {
	clear(b)
	return len(b), nil
}
