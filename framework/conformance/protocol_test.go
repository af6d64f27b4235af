package conformance

import (
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	mesos "github.com/mesos/mesos-go/api/v1/lib"
	"github.com/mesos/mesos-go/api/v1/lib/scheduler"
	"github.com/mesos/mesos-go/api/v1/lib/scheduler/calls"
)

// Each test here is something that package framework takes for granted of a master.

func TestSubscribe(t *testing.T) {
	t.Parallel()
	c := connect(t, calls.Subscribe(master.info("subscribe")))
	first := c.next()
	if first.Type != scheduler.Event_SUBSCRIBED || first.Subscribed.FrameworkID.GetValue() == "" || c.stream == "" {
		t.Fatalf("stream id %q, first event %v", c.stream, first)
	}
	t.Cleanup(func() { endFramework(t, first.Subscribed.FrameworkID.GetValue()) })
	if s := first.Subscribed.GetHeartbeatIntervalSeconds(); s <= 0 || s > 60 {
		t.Errorf("heartbeats every %v s", s)
	}
	if first.Subscribed.MasterInfo == nil {
		t.Error("no word of who the master is")
	}
}

// A second subscription takes over: the first hears why, its stream ends, its calls are refused in a way that says so.
func TestFailover(t *testing.T) {
	t.Parallel()
	info := master.info("failover")
	first := subscribe(t, info)
	agent := first.run("failover")
	info.ID = &mesos.FrameworkID{Value: first.id}
	second := subscribe(t, info)
	if second.id != first.id || second.stream == first.stream {
		t.Fatalf("framework %s/%s, streams %s/%s", first.id, second.id, first.stream, second.stream)
	}
	last := first.await(func(e *scheduler.Event) bool { return e.Type == scheduler.Event_ERROR })
	if last.Error.Message != "Framework failed over" {
		t.Errorf("the first instance hears %q", last.Error.Message)
	}
	if status, said := first.try(calls.Revive(), first.stream); status != http.StatusBadRequest || !strings.Contains(said, "stream ID") {
		t.Errorf("call of the first instance: %d %s", status, said)
	}
	if s := second.asks("failover", agent); s.GetState() != mesos.TASK_RUNNING {
		t.Errorf("after the failover the task is %v", s.GetState())
	}
}

// A framework whose connection broke keeps its tasks, and hears of them when it is back.
func TestReturn(t *testing.T) {
	t.Parallel()
	info := master.info("return")
	first := subscribe(t, info)
	agent := first.run("return")
	first.hangUp()
	eventually(t, "calls refused", func(*clusterState) bool {
		status, said := first.try(calls.Revive(), first.stream)
		return status == http.StatusForbidden && strings.Contains(said, "not subscribed")
	})
	info.ID = &mesos.FrameworkID{Value: first.id}
	again := subscribe(t, info)
	if s := again.asks("return", agent); again.id != first.id || s.GetState() != mesos.TASK_RUNNING {
		t.Errorf("framework %s became %s, its task is %v", first.id, again.id, s.GetState())
	}
}

// A framework id that the master has never seen is taken as one from before its time; one that it has removed is refused for
// good; a call of a framework that does not exist says so.
func TestUnknownFramework(t *testing.T) {
	t.Parallel()
	info := master.info("unknown")
	info.ID = &mesos.FrameworkID{Value: "00000000-aaaa-bbbb-cccc-" + time.Now().Format("060102150405") + "-0000"}
	c := subscribe(t, info, silently)
	if c.id != info.ID.Value {
		t.Fatalf("an unknown id became %s", c.id)
	}
	endFramework(t, c.id)
	c.ends()
	again := connect(t, calls.Subscribe(info))
	if e := again.next(); e.Type != scheduler.Event_ERROR || e.Error.Message != "Framework has been removed" {
		t.Errorf("a removed id: %v", e)
	}
	if status, said := c.try(calls.Revive(), c.stream); status != http.StatusBadRequest || !strings.Contains(said, "Framework cannot be found") {
		t.Errorf("call without a framework: %d %s", status, said)
	}
}

func TestBadFrameworkInfo(t *testing.T) {
	t.Parallel()
	info := master.info("bad")
	info.Roles = []string{"-no-role"}
	if e := connect(t, calls.Subscribe(info)).next(); e.Type != scheduler.Event_ERROR || !strings.Contains(e.Error.Message, "role") {
		t.Errorf("a bad role: %v", e)
	}
	good := master.info("principal")
	c := subscribe(t, good)
	other := "somebody-else"
	good.ID, good.Principal = &mesos.FrameworkID{Value: c.id}, &other
	subscribeCall := calls.Subscribe(good)
	res := post(t, t.Context(), subscribeCall, "")
	if res.StatusCode != http.StatusOK { // with authentication, another principal than ours is refused at once
		if said := text(res); master.principal == "" || res.StatusCode != http.StatusBadRequest {
			t.Errorf("another principal: %s %s", res.Status, said)
		}
		return
	}
	if err := res.Body.Close(); err != nil {
		t.Error(err)
	}
	if e := connect(t, subscribeCall).next(); e.Type != scheduler.Event_ERROR {
		t.Errorf("another principal: %v", e)
	}
}

// A declined agent stays away for as long as was asked, and not for much longer.
func TestDeclineFilter(t *testing.T) {
	t.Parallel()
	c := subscribe(t, master.info("decline"))
	o := c.offer()
	const refuse = 2 * time.Second
	declined := time.Now()
	c.do(calls.Decline(o.ID).With(calls.RefuseSeconds(refuse)))
	var next time.Time
	c.await(func(e *scheduler.Event) bool {
		if !offers(e) {
			return false
		}
		for _, again := range e.Offers.Offers {
			if again.AgentID == o.AgentID && again.ID != o.ID {
				next = time.Now()
			}
		}
		return !next.IsZero()
	})
	if d := next.Sub(declined); d < refuse {
		t.Errorf("offered again after %v", d)
	}
}

// SUPPRESS ends offers, REVIVE brings them back in spite of filters; a framework may begin suppressed.
func TestSuppressAndRevive(t *testing.T) {
	t.Parallel()
	info := master.info("suppress")
	c := subscribe(t, info, silently)
	c.silent(offers)
	c.do(calls.Revive())
	o := c.offer()
	c.do(calls.Decline(o.ID).With(calls.RefuseSeconds(time.Hour)))
	c.do(calls.SuppressWith([]string{c.role}))
	c.asks("what-was-on-its-way", o.AgentID.Value) // the answer comes after it
	c.silent(offers)
	c.do(calls.ReviveWith([]string{c.role}))
	c.offer()
}

// Updates come one at a time: the next when the last is acknowledged. KILL ends the task, and what has ended is not known any
// more.
func TestTaskLife(t *testing.T) {
	t.Parallel()
	c := subscribe(t, master.info("life"))
	agent := c.run("life")
	if s := c.asks("life", agent); s.GetState() != mesos.TASK_RUNNING || len(s.UUID) > 0 || !has([]mesos.TaskStatus_Reason{mesos.REASON_RECONCILIATION}, s) {
		t.Errorf("asked by name: %v", s)
	}
	c.do(calls.Reconcile())
	if s := c.status("life"); s.GetState() != mesos.TASK_RUNNING || len(s.UUID) > 0 {
		t.Errorf("asked for all: %v", s)
	}
	c.do(calls.Kill(prefix+"life", agent))
	c.sees("life", mesos.TASK_KILLING, mesos.TASK_KILLED)
	eventually(t, "the task gone from the master", func(s *clusterState) bool { return len(s.tasksOf(c.id)) == 0 })
	if s := c.asks("life", agent); s.GetState() != mesos.TASK_GONE {
		t.Errorf("the end acknowledged: %v", s.GetState())
	}
	if s := c.asks("never", agent); s.GetState() != mesos.TASK_GONE {
		t.Errorf("a task that its agent never had: %v", s.GetState())
	}
	if s := c.asks("nowhere", "no-such-agent"); s.GetState() != mesos.TASK_UNKNOWN {
		t.Errorf("a task of an unknown agent: %v", s.GetState())
	}
	c.do(calls.Kill(prefix+"never-killed", agent))
	if s := c.status("never-killed"); s.GetState() != mesos.TASK_GONE {
		t.Errorf("kill of a task that never was: %v", s.GetState())
	}
}

// An offer serves once; offers of two agents serve no launch.
func TestInvalidOffers(t *testing.T) {
	t.Parallel()
	c := subscribe(t, master.info("invalid"))
	o := c.offer()
	c.accept(c.task(o, "first", "exec sleep 600"), o.ID)
	c.accept(c.task(o, "second", "exec sleep 600"), o.ID)
	s := c.status("second")
	if s.GetState() != mesos.TASK_DROPPED || !has([]mesos.TaskStatus_Reason{mesos.REASON_INVALID_OFFERS}, s) {
		t.Errorf("an offer that was used: %v", s)
	}
	c.sees("first", mesos.TASK_STARTING)
	c.do(calls.Revive())
	byAgent := map[string]mesos.Offer{}
	c.await(func(e *scheduler.Event) bool {
		if !offers(e) {
			return false
		}
		for _, o := range e.Offers.Offers {
			if byAgent[o.AgentID.Value] = o; len(byAgent) > 2 {
				delete(byAgent, o.AgentID.Value)
				c.do(calls.Decline(o.ID))
			}
		}
		return len(byAgent) == 2
	})
	var both []mesos.OfferID
	for _, o = range byAgent {
		both = append(both, o.ID)
	}
	c.accept(c.task(o, "both", "exec sleep 600"), both...)
	if s := c.status("both"); s.GetState() != mesos.TASK_DROPPED || !has([]mesos.TaskStatus_Reason{mesos.REASON_INVALID_OFFERS}, s) {
		t.Errorf("offers of two agents: %v", s)
	}
}

// A command that fails is told as failed, with its exit status.
func TestFailingCommand(t *testing.T) {
	t.Parallel()
	c := subscribe(t, master.info("failing"))
	o := c.offer()
	c.accept(c.task(o, "failing", "exit 3"), o.ID)
	c.sees("failing", mesos.TASK_STARTING, mesos.TASK_RUNNING)
	if s := c.status("failing"); s.GetState() != mesos.TASK_FAILED || !strings.Contains(s.GetMessage(), "3") {
		t.Errorf("%v %q", s.GetState(), s.GetMessage())
	}
}

// Agents fetch a host's program from us, make it executable and give it the name that was asked for.
func TestFetcher(t *testing.T) {
	t.Parallel()
	var fetched atomic.Int32
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fetched.Add(1)
		_, err := w.Write([]byte("#!/bin/sh\nexit 0\n"))
		if err != nil {
			t.Error(err)
		}
	}))
	listener, err := net.Listen("tcp", net.JoinHostPort(master.address, "0"))
	if err != nil {
		t.Fatal(err)
	}
	server.Listener = listener
	server.Start()
	t.Cleanup(server.Close)
	c := subscribe(t, master.info("fetcher"))
	o := c.offer()
	task := c.task(o, "fetcher", "./program")
	yes, no, name := true, false, "program"
	task.Command.URIs = []mesos.CommandInfo_URI{
		{Value: server.URL + "/program-" + c.id, Executable: &yes, Extract: &no, Cache: &yes, OutputFile: &name},
	}
	c.accept(task, o.ID)
	c.sees("fetcher", mesos.TASK_STARTING, mesos.TASK_RUNNING, mesos.TASK_FINISHED)
	if fetched.Load() == 0 {
		t.Error("nothing was fetched")
	}
}

// TEARDOWN ends the tasks and the framework, and its stream.
func TestTeardown(t *testing.T) {
	t.Parallel()
	c := subscribe(t, master.info("teardown"))
	c.run("teardown")
	c.do(&scheduler.Call{Type: scheduler.Call_TEARDOWN})
	c.ends()
	eventually(t, "the framework completed", func(s *clusterState) bool {
		done := false
		for _, f := range s.Completed {
			done = done || f.ID == c.id
		}
		return done && len(s.tasksOf(c.id)) == 0
	})
}
