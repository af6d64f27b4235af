package framework

import (
	"errors"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/mesos/mesos-go/api/v1/lib/scheduler"

	"sluice/framework/minimesos"
	"sluice/queue"
)

// Each test here is named for what users of other frameworks reported; see docs/adr and the framework's invariants.

// tap records the calls that reach the master, and decides what becomes of them.
type tap struct {
	mu     sync.Mutex
	calls  []*scheduler.Call
	decide func(call *scheduler.Call) minimesos.Verdict
}

func (c *tap) onCall(call *scheduler.Call) minimesos.Verdict {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.calls = append(c.calls, call)
	if c.decide != nil {
		return c.decide(call)
	}
	return minimesos.Verdict{}
}

func (c *tap) of(t scheduler.Call_Type) (found []*scheduler.Call) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, call := range c.calls {
		if call.Type == t {
			found = append(found, call)
		}
	}
	return found
}

func (c *tap) all() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.calls)
}

// marathon#1931: declines for the default 5 s make the allocator go round and round with us, and others starve.
func TestPainShortDeclines(t *testing.T) {
	var calls tap
	r := newRig(t, minimesos.Config{OnCall: calls.onCall})
	r.start()
	r.want(2)
	r.wait("a decline", func() bool { return len(calls.of(scheduler.Call_DECLINE)) > 0 })
	for _, c := range calls.of(scheduler.Call_DECLINE) {
		if s := c.Decline.Filters.GetRefuseSeconds(); s < 60 {
			t.Errorf("declined for %v s", s)
		}
	}
	for _, c := range calls.of(scheduler.Call_ACCEPT) {
		if s := c.Accept.Filters.GetRefuseSeconds(); s < 60 {
			t.Errorf("the rest refused for %v s", s)
		}
	}
}

// mesos/storm#50, Singularity#1532, Cook#267: the cluster is held though nothing is submitted, offers are kept or
// forgotten. Another framework must get everything while we need nothing.
func TestPainClusterHeldWithoutNeed(t *testing.T) {
	r := newRig(t, minimesos.Config{})
	r.start()
	r.wait("the subscription", func() bool { return r.fw.Status().Connected })
	other := &rig{T: t, cluster: r.cluster, cfg: r.cfg, batch: newFakeBatch(t), store: newMemStore()}
	other.cfg.Name = "other"
	other.start()
	t.Cleanup(func() { other.fw.Stop() })
	other.want(12)
	other.goal = 8
	other.wait("some given back", func() bool { return len(other.tasks()) == 2 })
	r.want(4)
	for _, f := range r.state().Frameworks {
		if len(f.Offers) > 0 {
			t.Errorf("framework %s holds %d offers", f.ID, len(f.Offers))
		}
	}
}

// mesos/elasticsearch#575: offers are hogged while tasks sit in STAGING. What is in flight counts.
func TestPainLaunchingAgainWhileStaging(t *testing.T) {
	r := newRig(t, minimesos.Config{LaunchDelay: 500 * time.Millisecond})
	r.start()
	r.want(4)
	if s := r.fw.Status(); s.Launches != 1 {
		t.Errorf("%d launches for one host", s.Launches)
	}
}

// mesos/storm#5: one launch with the offers of several agents is TASK_LOST.
func TestPainLaunchOverSeveralAgents(t *testing.T) {
	var calls tap
	r := newRig(t, minimesos.Config{OnCall: calls.onCall})
	r.start()
	r.want(9)
	if n := len(calls.of(scheduler.Call_ACCEPT)); n != 3 {
		t.Errorf("%d ACCEPTs for 9 slots on agents of 4", n)
	}
	r.batch.mu.Lock()
	defer r.batch.mu.Unlock()
	if len(r.batch.removed) > 0 {
		t.Errorf("hosts died: %v", r.batch.removed)
	}
}

// mesos/elasticsearch#530 and marathon#1553: a stop wipes the state and a second framework appears, or the next start
// kills what runs.
func TestPainRestartForgetsOrKills(t *testing.T) {
	r := newRig(t, minimesos.Config{})
	r.start()
	r.want(6)
	r.batch.busy(true)
	id, before := r.store.id(), r.tasks()
	for range 3 {
		r.fw.Stop()
		r.fw.Stop() // again does nothing
		r.start()
		r.wait("the hosts", func() bool { s := r.fw.Status(); return s.Connected && s.Hosts["open"] == len(before) })
	}
	if now := r.tasks(); !slices.Equal(now, before) {
		t.Errorf("tasks %v → %v", before, now)
	}
	state := r.state()
	if len(state.Frameworks) != 1 || len(state.Completed) > 0 || state.Frameworks[0].ID != id || r.fw.Status().FrameworkID != id {
		t.Errorf("framework id %s, mesos has %+v", id, state.Frameworks)
	}
}

// chronos#520: after a change of master the framework comes back with an empty id.
func TestPainNewMasterNewID(t *testing.T) {
	r := newRig(t, minimesos.Config{})
	r.start()
	r.want(6)
	id, before := r.store.id(), r.tasks()
	if err := r.cluster.RestartMaster(); err != nil {
		t.Fatal(err)
	}
	r.wait("the new master to know the tasks", func() bool { return slices.Equal(r.tasks(), before) && r.fw.Status().Connected })
	r.want(6)
	r.want(10)
	if r.store.id() != id || len(r.state().Frameworks) != 1 {
		t.Errorf("framework id %s → %s", id, r.store.id())
	}
	for _, name := range before {
		if !slices.Contains(r.tasks(), name) {
			t.Errorf("task %s did not survive the master", name)
		}
	}
}

// marathon#787: a defeated leader goes on taking offers.
func TestPainDefeatedLeaderGoesOn(t *testing.T) {
	var calls tap
	r := newRig(t, minimesos.Config{OnCall: calls.onCall})
	first := r.start()
	r.want(2)
	second := r.start()
	t.Cleanup(second.Stop)
	select {
	case <-first.Done():
	case <-time.After(until):
		t.Fatal("the first instance goes on")
	}
	if !errors.Is(first.Err(), ErrFailedOver) {
		t.Errorf("stood down for %v", first.Err())
	}
	first.Stop()
	r.wait("the second", func() bool { return second.Status().Connected })
	before := calls.all()
	first.SetGoal(12, queue.Snapshot{At: time.Now(), Demand: []queue.Demand{{Slots: 1, Count: 12}}})
	r.want(2)
	for _, c := range calls.of(scheduler.Call_ACCEPT)[1:] {
		t.Errorf("accepted again: %v", c)
	}
	_ = before
}

// mesos-go#277: the connection is half open and nobody notices that heartbeats stay away.
func TestPainHeartbeatsLost(t *testing.T) {
	var mu sync.Mutex
	silent := true
	r := newRig(t, minimesos.Config{HeartbeatInterval: 50 * time.Millisecond, OnEvent: func(_ string, e *scheduler.Event) minimesos.Verdict {
		mu.Lock()
		defer mu.Unlock()
		return minimesos.Verdict{Drop: silent && e.Type == scheduler.Event_HEARTBEAT}
	}})
	r.start()
	r.wait("a second subscription", func() bool { return r.fw.Status().Reconnects > 0 })
	mu.Lock()
	silent = false
	mu.Unlock()
	r.want(4)
	if n := len(r.state().Frameworks); n != 1 {
		t.Errorf("%d frameworks", n)
	}
}

// Cook PR 44: reconciliation answers itself and goes round for ever.
func TestPainReconcileLoop(t *testing.T) {
	var calls tap
	r := newRig(t, minimesos.Config{OnCall: calls.onCall})
	r.start()
	r.want(12)
	r.fw.Stop()
	r.start()
	r.want(12)
	r.wait("some turns", func() bool { return r.fw.Status().Updates >= 6 })
	if n := len(calls.of(scheduler.Call_RECONCILE)); n > 6 {
		t.Errorf("%d reconciliations for two subscriptions", n)
	}
}

// marathon#5284: a rebooted agent has a new id, and its task stays unreachable for ever.
func TestPainRebootedAgent(t *testing.T) {
	t.Parallel()
	r := newRig(t, minimesos.Config{Agents: agents(1), AgentTimeout: 300 * time.Millisecond})
	r.cfg.Fleet.ForgetAfter = 2 * time.Second
	r.start()
	r.want(4)
	lost := r.tasks()
	if err := r.cluster.CrashAgent(r.cluster.Agents()[0]); err != nil {
		t.Fatal(err)
	}
	r.batch.lose(lost...)
	if _, err := r.cluster.AddAgent(agents(1)[0]); err != nil {
		t.Fatal(err)
	}
	r.wait("another host", func() bool { now := r.tasks(); return len(now) == 1 && now[0] != lost[0] && r.batch.open() == 4 })
	r.wait("the lost one forgotten", func() bool { return len(r.batch.names()) == 1 })
	if r.batch.wasRemoved(lost[0]) != "maybe alive" {
		t.Errorf("the lost host was removed as %s", r.batch.wasRemoved(lost[0]))
	}
}

// An agent that is lost and returns: its host is replaced, and when it is back, it is used or released, not both.
func TestPainAgentReturns(t *testing.T) {
	t.Parallel()
	r := newRig(t, minimesos.Config{Agents: agents(2), AgentTimeout: 300 * time.Millisecond})
	r.start()
	r.want(4)
	host := r.tasks()[0]
	var lost string
	for _, id := range r.cluster.Agents() {
		if r.agentOf(host) == id {
			lost = id
		}
	}
	if err := r.cluster.LoseAgent(lost); err != nil {
		t.Fatal(err)
	}
	r.batch.lose(host)
	r.wait("a replacement", func() bool { return r.batch.open() == 4 })
	if err := r.cluster.ReturnAgent(lost); err != nil {
		t.Fatal(err)
	}
	r.batch.find(host)
	r.wait("one of the two released", func() bool { return len(r.tasks()) == 1 && r.batch.open() == 4 && r.fw.Status().Supply == 4 })
}

// marathon#1594: a kill is lost, and the task lives on as a zombie.
func TestPainZombieAfterKill(t *testing.T) {
	t.Parallel()
	var calls tap
	dropped := false
	calls.decide = func(call *scheduler.Call) minimesos.Verdict {
		if call.Type == scheduler.Call_KILL && !dropped {
			dropped = true
			return minimesos.Verdict{Drop: true}
		}
		return minimesos.Verdict{}
	}
	r := newRig(t, minimesos.Config{OnCall: calls.onCall})
	r.start()
	r.want(2)
	r.goal = 0
	r.batch.need(nil)
	r.wait("nothing left", r.empty)
	if n := len(calls.of(scheduler.Call_KILL)); n < 2 {
		t.Errorf("%d kills", n)
	}
}

// jenkinsci/mesos-plugin#15: hosts are launched after the demand is gone.
func TestPainLaunchAfterDemand(t *testing.T) {
	var calls tap
	r := newRig(t, minimesos.Config{OnCall: calls.onCall})
	r.start()
	r.wait("the subscription", func() bool { return r.fw.Status().Connected })
	r.goal = 12 // the controller still remembers a load that the snapshot no longer shows
	r.batch.need(nil)
	for range 20 {
		r.poll()
		if held := r.offersHeld(); held > 0 {
			t.Fatalf("%d offers held without demand", held)
		}
	}
	r.batch.need([]queue.Demand{{Slots: 1, Count: 1}})
	r.wait("the one slot that is needed", func() bool { return r.batch.open() > 0 })
	if n := r.fw.Status().Supply; n != 1 {
		t.Errorf("%d slots for one job", n)
	}
}

// jenkinsci/mesos-plugin#256: jobs die on the idle timeout.
func TestPainIdleTimeoutKillsJobs(t *testing.T) {
	t.Parallel()
	r := newRig(t, minimesos.Config{})
	r.start()
	r.want(2)
	r.batch.busy(true)
	r.batch.need(nil)
	r.goal = 2
	began := time.Now()
	before := r.tasks()
	r.wait("many idle timeouts", func() bool { return time.Since(began) > 4*r.cfg.Fleet.IdleTimeout })
	if now := r.tasks(); !slices.Equal(now, before) {
		t.Errorf("tasks %v → %v", before, now)
	}
}

// Cook#765: no offers come from agents with GPUs; and jobs without need of them must not take them.
func TestPainNoGPUOffers(t *testing.T) {
	list := agents(1)
	gpu := minimesos.AgentConfig{Hostname: "gpu0", CPUs: 4, MemMiB: 2048, GPUs: 2}
	r := newRig(t, minimesos.Config{Agents: append(list, gpu)})
	r.start()
	r.want(3, queue.Demand{Slots: 1, Count: 1}, queue.Demand{Slots: 2, Count: 1, Need: queue.Need{GPUs: 1}})
	for _, h := range r.poll().Hosts {
		if (h.Location == "gpu0") != (h.GPUs > 0) || h.GPUs > 0 && (h.GPUs != 2 || h.Slots != 2) {
			t.Errorf("host %+v", h)
		}
	}
}

// Cook#107: a job that cannot be placed anywhere blocks those behind it.
func TestPainUnschedulableJobBlocks(t *testing.T) {
	r := newRig(t, minimesos.Config{})
	r.start()
	r.goal = 64
	r.batch.need([]queue.Demand{{Slots: 60, Count: 1, Need: queue.Need{OneHost: true}}, {Slots: 1, Count: 4}})
	r.wait("the four small jobs served", func() bool { return r.batch.open() == 4 })
}

// An operator ends the framework. Its id is dead; a new one is taken only where that was allowed.
func TestPainRemovedFramework(t *testing.T) {
	r := newRig(t, minimesos.Config{})
	r.start()
	r.want(2)
	id := r.store.id()
	res, err := http.PostForm(r.cluster.URL()+"/master/teardown", url.Values{"frameworkId": {id}})
	if err != nil || res.StatusCode != http.StatusOK {
		t.Fatal(err, res)
	}
	defer res.Body.Close()
	select {
	case <-r.fw.Done():
	case <-time.After(until):
		t.Fatal("the framework goes on")
	}
	if !errors.Is(r.fw.Err(), ErrRemoved) || r.store.id() != id {
		t.Fatalf("err %v, id %s → %s", r.fw.Err(), id, r.store.id())
	}
	r.fw.Stop()
	r.cfg.NewFrameworkID = true
	r.start()
	r.wait("hosts under a new id", func() bool { return r.batch.open() == 2 && r.store.id() != id && r.store.id() != "" })
}

// An idle framework that restarts must not be offered the whole cluster once more.
func TestPainIdleRestartIsSilent(t *testing.T) {
	var calls tap
	r := newRig(t, minimesos.Config{OnCall: calls.onCall, OnEvent: func(_ string, e *scheduler.Event) minimesos.Verdict {
		if e.Type == scheduler.Event_OFFERS {
			t.Error("offers for an idle framework")
		}
		return minimesos.Verdict{}
	}})
	for range 2 {
		r.start()
		r.wait("the subscription", func() bool { return r.fw.Status().Connected })
		r.fw.Stop()
	}
	if n := len(calls.of(scheduler.Call_REVIVE)); n > 0 {
		t.Errorf("%d revives", n)
	}
}
