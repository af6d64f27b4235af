package daemon

import (
	"context"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"sluice/queue"
	"sluice/queue/wire"
)

func (b *bench) groups() []queue.GroupInfo {
	b.t.Helper()
	groups, err := b.client.Groups(context.Background())
	if err != nil {
		b.t.Fatal(err)
	}
	return groups
}

func (b *bench) changeGroups(ask wire.GroupRequest) wire.GroupChange {
	b.t.Helper()
	done, err := b.client.ChangeGroups(context.Background(), ask)
	if err != nil {
		b.t.Fatal(err)
	}
	return done
}

func TestGroups(t *testing.T) {
	b := newBench(t, nil)
	limit := 1
	b.changeGroups(wire.GroupRequest{Action: wire.AddGroup, Name: "/a", Limit: &limit})
	if _, err := b.client.ChangeGroups(context.Background(), wire.GroupRequest{Action: wire.AddGroup, Name: "/a"}); err == nil {
		t.Error("a group was made twice")
	} else {
		wantCode(t, err, queue.GroupExists)
	}
	if _, err := b.client.ChangeGroups(context.Background(), wire.GroupRequest{Action: "burn", Name: "/a"}); queue.KindOf(err) != queue.KindInvalid {
		t.Errorf("unknown action: %v", err)
	}
	h := b.host("h1", 8)
	spec := command("a")
	spec.Group = "/a/b"
	first, second := b.submit(spec), b.submit(spec)
	start := h.hearStart()
	h.started(start.Attempt)
	b.eventuallyState(first, queue.Running)
	in := b.jobs(wire.JobsRequest{Filter: queue.Filter{Group: "/a/b"}, Reasons: true})
	if len(in) != 2 || in[1].ID != second || in[1].Reason != "The specified job group has reached its job limit" {
		t.Errorf("jobs of the group are %+v", in)
	}
	if in := b.jobs(wire.JobsRequest{Filter: queue.Filter{Group: "/a"}}); in != nil {
		t.Errorf("jobs of the group above are %+v", in)
	}
	one := queue.GroupCounts{Pend: 1, Run: 1}
	want := []queue.GroupInfo{
		{Name: "/a", Owner: me(), Limit: &limit, Started: 1, Jobs: one, Slots: one},
		{Name: "/a/b", Owner: me(), Limit: &limit, Started: 1, Jobs: one, Slots: one},
	}
	if diff := cmp.Diff(want, b.groups()); diff != "" {
		t.Error(diff)
	}
	b.restart()
	if diff := cmp.Diff(want, b.groups()); diff != "" {
		t.Errorf("after a restart: %s", diff)
	}
	b.changeGroups(wire.GroupRequest{Action: wire.LimitGroup, Name: "/a"})
	h = b.join(&wire.Hello{Host: "h1", Session: h.session, Known: []*wire.Attempt{start.Attempt}})
	if got := h.hearStart().Attempt.Job; got != second.Job {
		t.Errorf("without a limit job %d started", got)
	}
	b.changeGroups(wire.GroupRequest{Action: wire.AddGroup, Name: "/c/d"})
	if diff := cmp.Diff([]string{"/c/d", "/c"}, b.changeGroups(wire.GroupRequest{Action: wire.CleanGroups}).Removed); diff != "" {
		t.Error(diff)
	}
	b.changeGroups(wire.GroupRequest{Action: wire.AddGroup, Name: "/e"})
	b.changeGroups(wire.GroupRequest{Action: wire.RemoveGroup, Name: "/e"})
	if got := len(b.groups()); got != 2 {
		t.Errorf("%d groups are left", got)
	}
}

func TestForceRun(t *testing.T) {
	b := newBench(t, nil)
	h := b.host("h1", 2)
	spec := command("later")
	spec.BeginAt = time.Now().Add(time.Hour)
	id := b.submit(spec)
	force := wire.ActRequest{Action: wire.ForceRun, IDs: []queue.ID{id}, Hosts: []queue.Placement{{Host: "h1"}}}
	if err := b.act(force)[id]; err != nil {
		t.Fatal(err)
	}
	if got := h.hearStart().Attempt.Job; got != id.Job {
		t.Errorf("job %d started", got)
	}
	wantCode(t, b.act(force)[id], queue.WrongState)
	force.Hosts = nil
	wantCode(t, b.act(force)[id], queue.WrongState)
}

func TestModifyOfRunningJob(t *testing.T) {
	b := newBench(t, nil)
	h := b.host("h1", 1)
	id := b.submit(command("a"))
	h.started(h.hearStart().Attempt)
	b.eventuallyState(id, queue.Running)
	ask := wire.ActRequest{
		Action: wire.Modify, IDs: []queue.ID{id}, Fields: []wire.Field{wire.FieldRunLimit}, Spec: &queue.Spec{RunLimit: time.Nanosecond},
	}
	if err := b.act(ask)[id]; err != nil {
		t.Fatal(err)
	}
	if s := h.hearSignal(); s.GetExitCode() != 140 {
		t.Errorf("heard %v, want the end by the run limit", s)
	}
	ask.Fields, ask.Spec = []wire.Field{wire.FieldName}, &queue.Spec{Name: "x"}
	wantCode(t, b.act(ask)[id], queue.WrongState)
}
