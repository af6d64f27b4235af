package daemon

import (
	"testing"
	"time"

	"sluice/queue"
	"sluice/queue/wire"
)

func (r *robot) hearChange() *wire.JobChange {
	r.t.Helper()
	m := r.hear()
	if m.GetChange() == nil {
		r.t.Fatalf("host %s: heard %v, want a change", r.name, m)
	}
	return m.GetChange()
}

// The host of a running job is told of what is changed: at once, or when it is there again. An older one is not.
func TestModifiedRunningJobs(t *testing.T) {
	b := newBench(t, nil)
	spec := command("sleep 1000")
	spec.Stdout, spec.Limits.MemKiB, spec.Limits.CoreKiB = "out", 5000, 7
	id := b.submit(spec)
	r := b.join(&wire.Hello{Host: "h1", Token: b.addHost("h1", 1), Changes: true})
	s := r.hearStart()
	r.started(s.Attempt)
	modify := func(change func(*queue.Spec), fields ...wire.Field) error {
		to := queue.Spec{}
		change(&to)
		return b.act(wire.ActRequest{Action: wire.Modify, IDs: []queue.ID{id}, Fields: fields, Spec: &to})[id]
	}
	err := modify(func(s *queue.Spec) { s.Limits.MemKiB = 3000; s.Stdout, s.TruncateStdout = "new.%J", true }, wire.FieldMemLimit, wire.FieldStdout)
	if err != nil {
		t.Fatal(err)
	}
	first := r.hearChange()
	if first.Limits.MemKib != 3000 || first.Limits.CoreKib != 7 || first.Stdout != "new.1" || !first.TruncateStdout || *first.Attempt != *s.Attempt {
		t.Errorf("heard %v", first)
	}
	if err := modify(func(s *queue.Spec) { s.RunLimit = time.Hour }, wire.FieldRunLimit); err != nil {
		t.Fatal(err)
	}
	r.hearChange()
	b.restart()
	if err := modify(func(*queue.Spec) {}, wire.FieldMemLimit); err != nil {
		t.Fatal(err)
	}
	r = b.join(&wire.Hello{Host: "h1", Session: r.session, Known: []*wire.Attempt{s.Attempt}, Changes: true})
	if again := r.hearChange(); again.Limits.GetMemKib() != 0 || again.Stdout != "new.1" {
		t.Errorf("heard %v on joining again", again)
	}
	old := b.join(&wire.Hello{Host: "h1", Session: r.session, Known: []*wire.Attempt{s.Attempt}})
	old.beat(1)
	if err := modify(func(s *queue.Spec) { s.Limits.MemKiB = 9 }, wire.FieldMemLimit); err != nil {
		t.Fatal(err)
	}
	old.beat(2)
}
