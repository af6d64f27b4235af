package minimesos

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	mesos "github.com/mesos/mesos-go/api/v1/lib"
	"github.com/mesos/mesos-go/api/v1/lib/scheduler"
)

func TestWhatIsNotSupportedIsRefused(t *testing.T) {
	c := startCluster(t, nil)
	s := subscribe(t, c.URL(), defaultInfo, "")
	offer := s.offer()
	custom := shellTask("custom", "", offer)
	custom.Executor = &mesos.ExecutorInfo{ExecutorID: mesos.ExecutorID{Value: "e"}, Command: custom.Command}
	custom.Command = nil
	id := &mesos.OperationID{Value: "reserve"}
	s.call(&scheduler.Call{Type: scheduler.Call_ACCEPT, Accept: &scheduler.Call_Accept{
		OfferIDs: []mesos.OfferID{offer.ID},
		Operations: []mesos.Offer_Operation{
			{Type: mesos.Offer_Operation_RESERVE, ID: id, Reserve: &mesos.Offer_Operation_Reserve{}},
			{Type: mesos.Offer_Operation_RESERVE, Reserve: &mesos.Offer_Operation_Reserve{}}, // silent without an id
			{Type: mesos.Offer_Operation_LAUNCH_GROUP, LaunchGroup: &mesos.Offer_Operation_LaunchGroup{
				Executor:  mesos.ExecutorInfo{ExecutorID: mesos.ExecutorID{Value: "g"}},
				TaskGroup: mesos.TaskGroupInfo{Tasks: []mesos.TaskInfo{shellTask("grouped", "true", offer)}},
			}},
			{Type: mesos.Offer_Operation_LAUNCH, Launch: &mesos.Offer_Operation_Launch{TaskInfos: []mesos.TaskInfo{custom}}},
		},
	}})
	op := s.await(scheduler.Event_UPDATE_OPERATION_STATUS).UpdateOperationStatus.Status
	if op.OperationID.Value != "reserve" || op.State != mesos.OPERATION_ERROR {
		t.Errorf("%v", op)
	}
	if u := s.status("grouped", mesos.TASK_ERROR); u.GetReason() != mesos.REASON_TASK_GROUP_INVALID {
		t.Errorf("%v", u)
	}
	if u := s.status("custom", mesos.TASK_ERROR); u.GetReason() != mesos.REASON_TASK_INVALID {
		t.Errorf("%v", u)
	}
	s.call(&scheduler.Call{Type: scheduler.Call_RECONCILE_OPERATIONS, ReconcileOperations: &scheduler.Call_ReconcileOperations{
		Operations: []scheduler.Call_ReconcileOperations_Operation{{OperationID: *id}},
	}})
	op = s.await(scheduler.Event_UPDATE_OPERATION_STATUS).UpdateOperationStatus.Status
	if op.State != mesos.OPERATION_UNKNOWN || op.GetMessage() != "Reconciliation: Operation is unknown" {
		t.Errorf("%v", op)
	}
}

func TestTooMuchIsRefused(t *testing.T) {
	c := startCluster(t, nil)
	body := strings.NewReader(strings.Repeat(" ", maxBodyBytes+1))
	res, err := http.Post(c.URL()+"/api/v1/scheduler", mediaJSON, body)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusRequestEntityTooLarge {
		t.Errorf("status %s", res.Status)
	}
}

// TestSlowReaderIsCut: events for a framework that does not read do not pile up without end.
func TestSlowReaderIsCut(t *testing.T) {
	sub := newSubscription(mediaJSON, time.Hour)
	for range maxQueuedEvents + 1 {
		sub.send(heartbeatEvent())
	}
	if sub.serve(context.Background(), httptest.NewRecorder()) {
		t.Error("the stream ended as if it were complete")
	}
}

func TestStartRefusesBadConfigurations(t *testing.T) {
	for name, conf := range map[string]Config{
		"duration": {AllocationInterval: -1},
		"cpus":     {Agents: []AgentConfig{{CPUs: -1}}},
		"gpus":     {Agents: []AgentConfig{{GPUs: 0.5}}},
		"ports":    {Agents: []AgentConfig{{PortFirst: 5, PortLast: 4}}},
		"role":     {Agents: []AgentConfig{{Reserved: map[string]Reservation{"a b": {CPUs: 1}}}}},
		"address":  {Listen: "nonsense"},
		"workdir":  {WorkDir: "/dev/null/x"},
	} {
		if c, err := Start(context.Background(), conf); err == nil {
			c.Stop()
			t.Errorf("%s: accepted", name)
		}
	}
}

func TestContextStopsTheCluster(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	c, err := Start(ctx, Config{Agents: []AgentConfig{{}}, Listen: "0.0.0.0:0"})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Stop()
	if !strings.HasPrefix(c.URL(), "http://127.0.0.1:") {
		t.Errorf("URL %s cannot be reached", c.URL())
	}
	cancel()
	eventually(t, "the cluster has stopped", func() bool {
		_, err := c.AddAgent(AgentConfig{})
		return err != nil
	})
	if err := c.RestartMaster(); err == nil {
		t.Error("a stopped master was started again")
	}
}

func TestStateOfTheMaster(t *testing.T) {
	c := startCluster(t, func(conf *Config) {
		conf.Agents = []AgentConfig{{CPUs: 2, Attributes: map[string]string{"rack": "r1"}}}
	})
	s := subscribe(t, c.URL(), defaultInfo, "")
	offer := s.offer()
	s.launch(offer, 1000, shellTask("run", "sleep 1000", offer), shellTask("fin", "true", offer))
	s.status("run", mesos.TASK_RUNNING)
	eventually(t, "fin is completed", func() bool {
		select {
		case e := <-s.events:
			if u := e.GetUpdate(); u != nil && len(u.Status.UUID) > 0 {
				s.ack(u.Status)
			}
		default:
		}
		return strings.Contains(frameworkState(t, c, "completed_tasks"), "fin")
	})
	state := getJSON(t, c.URL()+"/master/state")
	leader := "master@" + strings.TrimPrefix(c.URL(), "http://")
	if state["version"] != version || state["activated_slaves"] != 1.0 || state["leader"] != leader {
		t.Errorf("%v", state)
	}
	if text := frameworkState(t, c, "tasks"); !strings.Contains(text, "id:run") || !strings.Contains(text, "TASK_RUNNING") {
		t.Errorf("tasks: %s", text)
	}
}

// frameworkState prints a member of the only framework in the master's state.
func frameworkState(t testing.TB, c *Cluster, member string) string {
	t.Helper()
	list, _ := getJSON(t, c.URL()+"/state")["frameworks"].([]any)
	if len(list) != 1 {
		t.Fatalf("%d frameworks", len(list))
	}
	f, _ := list[0].(map[string]any)
	return fmt.Sprint(f[member])
}
