package minimesos

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	mesos "github.com/mesos/mesos-go/api/v1/lib"
	"github.com/mesos/mesos-go/api/v1/lib/scheduler"
)

// The forms and texts are those that were recorded of a real master (10b).
func TestWeights(t *testing.T) {
	t.Parallel()
	c := startCluster(t, func(conf *Config) { conf.Agents = make([]AgentConfig, 3) })
	web := subscribe(t, c.URL(), strings.Replace(defaultInfo, `"*"`, `"web"`, 1), "")
	for _, tt := range []struct {
		method, path, body, want string
		status                   int
	}{
		{"POST", "/api/v1", `{"type":"GET_WEIGHTS"}`, `{"type":"GET_WEIGHTS"}`, 200},
		{"GET", "/weights", ``, `[]`, 200},
		{"POST", "/api/v1", `{"type":"UPDATE_WEIGHTS","update_weights":{"weight_infos":[{"role":"web","weight":1.0},{"role":"db","weight":2.0}]}}`, ``, 200},
		{"POST", "/api/v1", `{"type":"GET_WEIGHTS"}`, `{"type":"GET_WEIGHTS","get_weights":{"weight_infos":[{"weight":2.0,"role":"db"},{"weight":1.0,"role":"web"}]}}`, 200},
		{"GET", "/weights", ``, `[{"role":"db","weight":2.0},{"role":"web","weight":1.0}]`, 200},
		{"PUT", "/weights", `[{"role": "web", "weight": -1}]`, `Failed to validate update weights request JSON for role 'web': Invalid weight '-1': Weights must be positive`, 400},
		{"PUT", "/weights", `[{"role": "a b", "weight": 1}]`, `Failed to validate update weights request JSON: Invalid role 'a b': Role component 'a b' is invalid because it contains backspace or whitespace`, 400},
		{"POST", "/api/v1", `{"type":"UPDATE_WEIGHTS"}`, `Failed to validate master::Call: Expecting 'update_weights' to be present`, 400},
	} {
		if got := ask(t, tt.method, c.URL()+tt.path, tt.body, "", ""); got.status != tt.status || got.body != tt.want {
			t.Errorf("%s %s %s: %d %s", tt.method, tt.path, tt.body, got.status, got.body)
		}
	}
	// The offers were taken back, and the registry keeps the weights.
	web.await(scheduler.Event_RESCIND)
	if err := c.RestartMaster(); err != nil {
		t.Fatal(err)
	}
	if got := ask(t, "GET", c.URL()+"/weights", "", "", ""); got.body != `[{"role":"db","weight":2.0},{"role":"web","weight":1.0}]` {
		t.Errorf("after a restart: %s", got.body)
	}
}

// Roles share by their weights: of three agents the role of twice the weight gets two.
func TestWeightsShare(t *testing.T) {
	a := newAllocator(time.Second)
	for i := range 3 {
		a.addAgent(fmt.Sprintf("S%d", i), agentResources(AgentConfig{CPUs: 4, MemMiB: 1024, PortFirst: 1, PortLast: 2}))
	}
	for _, role := range []string{"web", "db"} {
		a.setFramework(role, []string{role}, nil, false)
		a.setFrameworkActive(role, true)
	}
	a.weights["db"] = 2
	got := map[string]int{}
	for _, given := range a.allocate(time.Unix(1e9, 0)) {
		got[given.role]++
	}
	if got["db"] != 2 || got["web"] != 1 {
		t.Errorf("%v", got)
	}
}

const oneMachine = `{"windows":[{"machine_ids":[{"hostname":"n1","ip":"127.0.0.1"}],"unavailability":{"start":{"nanoseconds":4000000000000000000}}}]}`

// A schedule, and a machine that is down, outlive the master; an agent of that machine stays out until it is up again.
func TestMaintenanceOutlivesTheMaster(t *testing.T) {
	t.Parallel()
	c := startCluster(t, func(conf *Config) { conf.Agents = []AgentConfig{{Hostname: "n1"}, {Hostname: "n2"}} })
	post := func(path, body string) {
		t.Helper()
		if got := ask(t, http.MethodPost, c.URL()+path, body, "", ""); got.status != http.StatusOK {
			t.Fatalf("%s: %+v", path, got)
		}
	}
	s := subscribe(t, c.URL(), defaultInfo, "")
	post("/maintenance/schedule", oneMachine)
	asked := s.await(scheduler.Event_INVERSE_OFFERS)
	agent := asked.InverseOffers.InverseOffers[0].AgentID.Value
	post("/machine/down", `[{"hostname":"N1","ip":"127.0.0.1"}]`)
	if err := c.RestartMaster(); err != nil {
		t.Fatal(err)
	}
	const down = `{"down_machines":[{"hostname":"n1","ip":"127.0.0.1"}]}`
	if got := ask(t, http.MethodGet, c.URL()+"/maintenance/status", "", "", ""); got.body != down {
		t.Errorf("after a restart: %s", got.body)
	}
	if err := c.ReturnAgent(agent); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ path, body, want string }{
		{"/maintenance/schedule", `{"windows":[]}`, `Machine '{"hostname":"n1","ip":"127.0.0.1"}' is deactivated and cannot be removed from the schedule`},
		{"/machine/down", `[{"hostname":"n1","ip":"127.0.0.1"}]`, `Machine '{"hostname":"n1","ip":"127.0.0.1"}' is not in DRAINING mode and cannot be brought down`},
		{"/machine/down", `[]`, `List of machines is empty`},
		{"/machine/down", `[{}]`, `Both 'hostname' and 'ip' for a machine are empty`},
		{"/machine/up", `{}`, `Expecting a JSON array`},
	} {
		if got := ask(t, http.MethodPost, c.URL()+tt.path, tt.body, "", ""); got.status != http.StatusBadRequest || got.body != tt.want {
			t.Errorf("%s %s: %+v", tt.path, tt.body, got)
		}
	}
	again := subscribe(t, c.URL(), defaultInfo, s.id)
	if o := again.offer(); o.Hostname != "n2" {
		t.Errorf("offer of %s", o.Hostname)
	}
	post("/machine/up", `[{"hostname":"n1","ip":"127.0.0.1"}]`)
	if err := c.ReturnAgent(agent); err != nil {
		t.Fatal(err)
	}
	if o := again.offer(); o.Hostname != "n1" || o.Unavailability != nil {
		t.Errorf("offer %v", o)
	}
}

// Resources that may be taken back go whole to a task, or not at all.
func TestRevocable(t *testing.T) {
	t.Parallel()
	c := startCluster(t, func(conf *Config) { conf.Agents[0].Revocable = Reservation{CPUs: 2} })
	s := subscribe(t, c.URL(), strings.Replace(defaultInfo, `[{"type"`, `[{"type":"REVOCABLE_RESOURCES"},{"type"`, 1), "")
	offer := s.offer()
	mixed := shellTask("mixed", "true", offer)
	mixed.Resources = nil
	for _, r := range offer.Resources {
		if r.Name == "cpus" {
			r.Scalar = &mesos.Value_Scalar{Value: 1}
			mixed.Resources = append(mixed.Resources, r)
		}
	}
	if len(mixed.Resources) != 2 {
		t.Fatalf("offered %v", offer.Resources)
	}
	s.launch(offer, 0, mixed)
	status := s.status("mixed", mesos.TASK_ERROR)
	if got := status.GetMessage(); got != "Cannot use both revocable and non-revocable 'cpus' at the same time" {
		t.Error(got)
	}
	offer = s.offer()
	firm := shellTask("firm", "sleep 100", offer)
	for i := range firm.Resources {
		if firm.Resources[i].Name == "cpus" {
			firm.Resources[i].Revocable = &mesos.Resource_RevocableInfo{}
		}
	}
	s.launch(offer, 0, firm)
	s.status("firm", mesos.TASK_RUNNING)
}
