package minimesos

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	mesos "github.com/mesos/mesos-go/api/v1/lib"
	"github.com/mesos/mesos-go/api/v1/lib/scheduler"
)

func (s *testScheduler) reconcile(tasks ...string) {
	s.t.Helper()
	r := &scheduler.Call_Reconcile{}
	for _, id := range tasks {
		r.Tasks = append(r.Tasks, scheduler.Call_Reconcile_Task{TaskID: mesos.TaskID{Value: id}})
	}
	s.call(&scheduler.Call{Type: scheduler.Call_RECONCILE, Reconcile: r})
}

// ended waits for the end of the stream and tells whether it was a proper one.
func (s *testScheduler) ended() bool {
	s.t.Helper()
	select {
	case whole := <-s.whole:
		return whole
	case <-time.After(patience):
		s.t.Fatal("the stream does not end")
	}
	return false
}

func TestTasksSurviveTheMaster(t *testing.T) {
	c := startCluster(t, nil)
	s := subscribe(t, c.URL(), defaultInfo, "")
	offer := s.offer()
	s.launch(offer, 0, shellTask("long", "sleep 1000", offer))
	s.status("long", mesos.TASK_RUNNING)
	before := getJSON(t, c.URL()+"/state")["id"]
	if err := c.RestartMaster(); err != nil {
		t.Fatal(err)
	}
	if s.ended() {
		t.Error("the stream of a killed master must be cut")
	}
	if after := getJSON(t, c.URL()+"/state")["id"]; after == before {
		t.Error("the new master has the old id")
	}
	again := subscribe(t, c.URL(), defaultInfo, s.id)
	if again.id != s.id {
		t.Fatalf("id %s, was %s", again.id, s.id)
	}
	eventually(t, "the agent has registered again", func() bool {
		slaves, _ := getJSON(t, c.URL()+"/slaves")["slaves"].([]any)
		return len(slaves) == 1
	})
	again.reconcile("long", "never")
	known := again.status("long", mesos.TASK_RUNNING)
	if known.GetReason() != mesos.REASON_RECONCILIATION || known.AgentID.Value != offer.AgentID.Value {
		t.Errorf("%v", known)
	}
	again.status("never", mesos.TASK_UNKNOWN)
	again.kill("long")
	again.status("long", mesos.TASK_KILLED)
}

func TestNoAnswerAboutAgentsThatAreMissing(t *testing.T) {
	c := startCluster(t, func(conf *Config) { conf.ReregisterDelay = time.Hour })
	s := subscribe(t, c.URL(), defaultInfo, "")
	if err := c.RestartMaster(); err != nil {
		t.Fatal(err)
	}
	again := subscribe(t, c.URL(), defaultInfo, s.id)
	again.reconcile("t")
	again.call(&scheduler.Call{Type: scheduler.Call_RECONCILE, Reconcile: &scheduler.Call_Reconcile{
		Tasks: []scheduler.Call_Reconcile_Task{{TaskID: mesos.TaskID{Value: "u"}, AgentID: &mesos.AgentID{Value: "x"}}},
	}})
	// The second question is about an agent that never was: its answer is the only one.
	if u := again.await(scheduler.Event_UPDATE).Update.Status; u.TaskID.Value != "u" {
		t.Errorf("answer about %s", u.TaskID.Value)
	}
}

func TestMasterIsAwayForAWhile(t *testing.T) {
	c := startCluster(t, func(conf *Config) { conf.RecoveryTime = 200 * time.Millisecond })
	s := subscribe(t, c.URL(), defaultInfo, "")
	offer := s.offer()
	s.launch(offer, 0, shellTask("t", "echo ready; sleep 1000", offer))
	s.status("t", mesos.TASK_RUNNING)
	for range 2 { // killing a dead master is nothing new
		if err := c.KillMaster(); err != nil {
			t.Fatal(err)
		}
	}
	if s.ended() {
		t.Error("the stream of a killed master must be cut")
	}
	if res, err := http.Get(c.URL() + "/health"); err == nil {
		t.Errorf("a dead master answers; closed: %v", res.Body.Close())
	}
	id, err := c.AddAgent(AgentConfig{CPUs: 3})
	if err != nil || id != "" {
		t.Errorf("an agent has the id %q without a master, %v", id, err)
	}
	if err := c.RestartMaster(); err != nil {
		t.Fatal(err)
	}
	if status, text := s.try(&scheduler.Call{Type: scheduler.Call_REVIVE}); status != 503 || text != "Master has not finished recovery" {
		t.Errorf("%d %s", status, text)
	}
	eventually(t, "both agents have registered", func() bool { return !slices.Contains(c.Agents(), "") })
	again := subscribe(t, c.URL(), defaultInfo, s.id)
	again.reconcile("t")
	again.status("t", mesos.TASK_RUNNING)
}

func TestLostAgentComesBack(t *testing.T) {
	c := startCluster(t, func(conf *Config) { conf.AgentTimeout = 50 * time.Millisecond })
	s := subscribe(t, c.URL(), defaultInfo, "")
	offer := s.offer()
	s.launch(offer, 0, shellTask("t", "sleep 1000", offer))
	s.status("t", mesos.TASK_RUNNING)
	rest := s.offer()
	agent := c.Agents()[0]
	if err := c.LoseAgent(agent); err != nil {
		t.Fatal(err)
	}
	if got := s.await(scheduler.Event_RESCIND).Rescind.OfferID.Value; got != rest.ID.Value {
		t.Errorf("rescinded %s, want %s", got, rest.ID.Value)
	}
	u := s.status("t", mesos.TASK_UNREACHABLE)
	if u.GetUnreachableTime() == nil || u.GetReason() != mesos.REASON_AGENT_REMOVED {
		t.Errorf("%v", u)
	}
	s.await(scheduler.Event_FAILURE)
	if err := c.ReturnAgent(agent); err != nil {
		t.Fatal(err)
	}
	if u := s.status("t", mesos.TASK_RUNNING); u.GetReason() != mesos.REASON_AGENT_REREGISTERED {
		t.Errorf("%v", u)
	}
	s.kill("t")
	s.status("t", mesos.TASK_KILLED)
}

func TestCrashedAgentTakesItsTasks(t *testing.T) {
	c := startCluster(t, func(conf *Config) { conf.AgentTimeout = 20 * time.Millisecond })
	s := subscribe(t, c.URL(), defaultInfo, "")
	offer := s.offer()
	s.launch(offer, 0, shellTask("t", "setsid sleep 1000", offer))
	s.status("t", mesos.TASK_RUNNING)
	if err := c.CrashAgent(offer.AgentID.Value); err != nil {
		t.Fatal(err)
	}
	if left := family(nil, offer.AgentID.Value); len(left) > 0 {
		t.Errorf("processes left: %v", left)
	}
	s.status("t", mesos.TASK_UNREACHABLE)
	if err := c.CrashAgent("nobody"); !errors.Is(err, ErrUnknownAgent) {
		t.Errorf("unknown agent: %v", err)
	}
	id, err := c.AddAgent(AgentConfig{CPUs: 1})
	if err != nil {
		t.Fatal(err)
	}
	for o := s.offer(); o.AgentID.Value != id; o = s.offer() {
		if o.AgentID != offer.AgentID {
			t.Errorf("offer of %s", o.AgentID.Value)
		}
	}
}

func TestFailoverTimeoutKillsTasks(t *testing.T) {
	c := startCluster(t, nil)
	info := strings.Replace(defaultInfo, `"failover_timeout":60`, `"failover_timeout":0.05`, 1)
	s := subscribe(t, c.URL(), info, "")
	offer := s.offer()
	s.launch(offer, 0, shellTask("t", "sleep 1000", offer))
	run := s.status("t", mesos.TASK_RUNNING)
	s.close()
	eventually(t, "the task is gone", func() bool { return len(family(nil, "/"+run.ContainerStatus.ContainerID.Value)) == 0 })
	again := subscribe(t, c.URL(), info, s.id)
	if again.id != "" || !again.ended() {
		t.Error("a removed framework could subscribe")
	}
	if status, text := s.try(&scheduler.Call{Type: scheduler.Call_REVIVE}); status != 400 || text != "Framework cannot be found" {
		t.Errorf("%d %s", status, text)
	}
}

func TestFaultHooks(t *testing.T) {
	var dropped, seen atomic.Int32
	c := startCluster(t, func(conf *Config) {
		conf.AckRetry = 30 * time.Millisecond
		conf.OnEvent = func(_ string, e *scheduler.Event) Verdict {
			switch {
			case e.Type == scheduler.Event_UPDATE && dropped.Add(1) == 1:
				return Verdict{Drop: true}
			case e.Type == scheduler.Event_UPDATE:
				return Verdict{Copies: 1}
			}
			return Verdict{}
		}
		conf.OnCall = func(call *scheduler.Call) Verdict {
			switch {
			case call.Type == scheduler.Call_REVIVE:
				return Verdict{Status: 503}
			case call.Type == scheduler.Call_KILL && seen.Add(1) == 1:
				return Verdict{Drop: true}
			case call.Type == scheduler.Call_KILL:
				return Verdict{Delay: time.Millisecond}
			}
			return Verdict{}
		}
	})
	s := subscribe(t, c.URL(), defaultInfo, "")
	offer := s.offer()
	s.launch(offer, 0, shellTask("t", "sleep 1000", offer))
	first := s.await(scheduler.Event_UPDATE).Update.Status // the re-delivery of what was dropped
	if second := s.await(scheduler.Event_UPDATE).Update.Status; !bytes.Equal(first.UUID, second.UUID) {
		t.Error("no copy")
	}
	s.ack(first)
	s.status("t", mesos.TASK_RUNNING)
	if status, _ := s.try(&scheduler.Call{Type: scheduler.Call_REVIVE}); status != 503 {
		t.Errorf("status %d", status)
	}
	s.kill("t") // lost
	s.kill("t")
	s.status("t", mesos.TASK_KILLED)
}

func TestOneRecordIsOneChunk(t *testing.T) {
	c := startCluster(t, func(conf *Config) { conf.HeartbeatInterval = 20 * time.Millisecond })
	conn, err := net.Dial("tcp", strings.TrimPrefix(c.URL(), "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	body := `{"type":"SUBSCRIBE","subscribe":{"framework_info":` + defaultInfo + `}}`
	request := "POST /api/v1/scheduler HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: " +
		itoa(len(body)) + "\r\n\r\n" + body
	if _, err := conn.Write([]byte(request)); err != nil {
		t.Fatal(err)
	}
	in := bufio.NewReader(conn)
	for line := ""; line != "\r\n"; {
		if line, err = in.ReadString('\n'); err != nil {
			t.Fatal(err)
		}
	}
	var types []string
	for range 6 {
		size, err := in.ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		record, err := readRecord(in)
		if err != nil {
			t.Fatal(err)
		}
		if want := len(itoa(len(record))) + 1 + len(record); strings.TrimSpace(size) != hex(want) {
			t.Errorf("chunk of %s bytes, want %s", strings.TrimSpace(size), hex(want))
		}
		if _, err := in.ReadString('\n'); err != nil {
			t.Fatal(err)
		}
		types = append(types, strings.SplitN(eventKey(record), `"`, 2)[0])
	}
	if got := strings.Join(types, " "); got != "SUBSCRIBED HEARTBEAT OFFERS HEARTBEAT HEARTBEAT HEARTBEAT" {
		t.Errorf("events: %s", got)
	}
}

// TestTasksDieWithTheProcess runs this test binary again as the owner of a cluster and kills it.
func TestTasksDieWithTheProcess(t *testing.T) {
	if dir := os.Getenv("MINIMESOS_OWNER"); dir != "" {
		ownCluster(t, dir)
		return
	}
	cmd := exec.Command(os.Args[0], "-test.run=^TestTasksDieWithTheProcess$")
	cmd.Env = append(os.Environ(), "MINIMESOS_OWNER="+t.TempDir())
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	agent, ok := strings.CutPrefix(strings.TrimSpace(line), "agent ")
	if err != nil || !ok {
		t.Fatalf("%q, %v", line, err)
	}
	if len(family(nil, agent)) == 0 {
		t.Error("no task runs")
	}
	if err := cmd.Process.Signal(syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // killed
	eventually(t, "the tasks are gone", func() bool { return len(family(nil, agent)) == 0 })
}

func ownCluster(t *testing.T, dir string) {
	c, err := Start(context.Background(), Config{Agents: []AgentConfig{{}}, WorkDir: dir})
	if err != nil {
		t.Fatal(err)
	}
	s := subscribe(t, c.URL(), defaultInfo, "")
	offer := s.offer()
	s.launch(offer, 0, shellTask("t", "trap '' TERM HUP; (setsid sleep 1000 &); echo ready; sleep 1000", offer))
	s.status("t", mesos.TASK_RUNNING)
	ready(t, c, s, offer, "t")
	fmt.Println("agent " + offer.AgentID.Value)
	select {} // until killed
}
