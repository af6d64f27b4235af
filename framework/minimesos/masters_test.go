package minimesos

import (
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-zookeeper/zk"
	mesos "github.com/mesos/mesos-go/api/v1/lib"

	"sluice/internal/testneed"
)

// answer is a response without its event stream.
type answer struct {
	status         int
	location, body string
	challenge      string
}

// ask sends one request without following redirects.
func ask(t *testing.T, method, url, body, principal, secret string) answer {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", mediaJSON)
	if principal != "" {
		req.SetBasicAuth(principal, secret)
	}
	req.Close = true // a master that has died in between leaves no connection to reuse
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	res, err := client.Do(req)
	if err != nil {
		return answer{status: -1}
	}
	defer res.Body.Close()
	a := answer{status: res.StatusCode, location: res.Header.Get("Location"), challenge: res.Header.Get("WWW-Authenticate")}
	if res.Header.Get(streamIDHeader) == "" {
		text, err := io.ReadAll(res.Body)
		if err != nil {
			t.Fatal(err)
		}
		a.body = string(text)
	}
	return a
}

const anySubscribe = `{"type": "SUBSCRIBE", "subscribe": {"framework_info": {"user": "root", "name": "x"}}}`

// A master that stands by answers as was recorded of a real one (02j), with a leader and without.
func TestStandby(t *testing.T) {
	t.Parallel()
	c := startCluster(t, func(conf *Config) { conf.Masters, conf.ElectionTime = 3, time.Hour })
	standby, leader := c.URLs()[1], strings.TrimPrefix(c.URL(), "http:")
	scheduler := leader + "/master/api/v1/scheduler"
	for _, test := range []struct {
		method, path, body string
		status             int
		location           string
	}{
		{http.MethodPost, "/api/v1/scheduler", anySubscribe, 307, scheduler},
		{http.MethodPost, "/api/v1/scheduler?a=b", anySubscribe, 307, scheduler + "?a=b"},
		{http.MethodPost, "/master/api/v1/scheduler", anySubscribe, 307, scheduler},
		{http.MethodGet, "/api/v1/scheduler", "", 307, scheduler},
		{http.MethodPost, "/api/v1/scheduler", "garbage", 307, scheduler},
		{http.MethodGet, "/state", "", 307, leader + "/master/state"},
		{http.MethodGet, "/master/state", "", 307, leader + "/master/state"},
		{http.MethodGet, "/slaves", "", 307, leader + "/master/slaves"},
		{http.MethodPost, "/api/v1", `{"type": "GET_MASTER"}`, 307, leader + "/master/api/v1"},
		{http.MethodGet, "/redirect", "", 307, leader},
		{http.MethodGet, "/master/redirect", "", 307, leader},
		{http.MethodGet, "/health", "", 200, ""},
		{http.MethodGet, "/version", "", 200, ""},
	} {
		a := ask(t, test.method, standby+test.path, test.body, "", "")
		if a.status != test.status || a.location != test.location || test.status == 307 && a.body != "" {
			t.Errorf("%s %s: %+v", test.method, test.path, a)
		}
	}
	if a := ask(t, http.MethodGet, c.URL()+"/redirect", "", "", ""); a.status != 307 || a.location != leader {
		t.Errorf("redirect of the leader: %+v", a)
	}
	if err := c.RestartMaster(); err != nil { // the election takes an hour: nobody leads
		t.Fatal(err)
	}
	for path, want := range map[string]answer{
		"/api/v1/scheduler": {status: 503, body: "No leader elected"},
		"/state":            {status: 503, body: "No leader elected"},
		"/redirect":         {status: 503, body: "No leader elected"},
		"/api/v1":           {status: 503, body: "No leader elected"},
		"/health":           {status: 200},
	} {
		if a := ask(t, http.MethodPost, c.URLs()[0]+path, "", "", ""); a != want {
			t.Errorf("%s without a leader: %+v", path, a)
		}
	}
}

// The leader dies again and again: the framework finds the next one by any of the others, its task runs on.
func TestNextMasterLeads(t *testing.T) {
	t.Parallel()
	c := startCluster(t, func(conf *Config) { conf.Masters, conf.ElectionTime = 3, 20*time.Millisecond })
	s := subscribe(t, c.URL(), defaultInfo, "")
	offer := s.offer()
	s.launch(offer, 0, shellTask("one", "sleep 600", offer))
	s.status("one", mesos.TASK_RUNNING)
	for range 3 {
		old := c.URL()
		if err := c.KillMaster(); err != nil {
			t.Fatal(err)
		}
		eventually(t, "another leader", func() bool { return c.URL() != old })
		again := subscribe(t, c.URL(), defaultInfo, s.id)
		if again.id != s.id {
			t.Fatalf("framework %s, was %s", again.id, s.id)
		}
		eventually(t, "the task at the new leader", func() bool {
			return strings.Contains(ask(t, http.MethodGet, c.URL()+"/tasks", "", "", "").body, "TASK_RUNNING")
		})
		if err := c.KillMaster(); err != nil { // also the only one that lives may die
			t.Fatal(err)
		}
		if err := c.RestartMaster(); err != nil {
			t.Fatal(err)
		}
		eventually(t, "a leader", func() bool { return ask(t, http.MethodGet, c.URL()+"/state", "", "", "").status == 200 })
	}
}

// What was recorded of a master's registration (02j).
const recordedMember = `{"address":{"hostname":"127.0.0.1","ip":"127.0.0.1","port":16050},"capabilities":[{"type":"AGENT_UPDATE"},` +
	`{"type":"AGENT_DRAINING"},{"type":"QUOTA_V2"}],"hostname":"127.0.0.1","id":"0bcbed6a-adf8-4ed9-a21a-d5f3fdb3191b",` +
	`"ip":16777343,"pid":"master@127.0.0.1:16050","port":16050,"version":"1.12.0"}`

func TestMemberData(t *testing.T) {
	data, err := memberData(masterInfo("0bcbed6a-adf8-4ed9-a21a-d5f3fdb3191b", "127.0.0.1:16050"))
	if err != nil || string(data) != recordedMember {
		t.Errorf("%s %v", data, err)
	}
}

// Masters register in ZooKeeper as real ones do: the lowest node leads; a killed leader is replaced when its session ends; when
// ZooKeeper is away for longer than that the leader ends and nobody leads until it is back. Tasks are not touched.
func TestMastersInZooKeeper(t *testing.T) {
	t.Parallel()
	server := testneed.StartZooKeeper(t)
	at := "zk://mesos:pw@" + server.Address() + "/prod/mesos"
	c := startCluster(t, func(conf *Config) { conf.Masters, conf.ZooKeeper, conf.ZooKeeperTimeout = 2, at, 800*time.Millisecond })
	conn, _, err := zk.Connect([]string{server.Address()}, 5*time.Second, zk.WithLogger(quiet{c.conf.Logger}))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	nodes := func() []string {
		children, _, err := conn.Children("/prod/mesos")
		if err != nil {
			return nil
		}
		slices.Sort(children)
		return children
	}
	eventually(t, "two nodes", func() bool { return len(nodes()) == 2 })
	before := nodes()
	if before[0] != "json.info_0000000000" || before[1] != "json.info_0000000001" {
		t.Errorf("nodes %v", before)
	}
	data, _, err := conn.Get("/prod/mesos/" + before[0])
	if err != nil || !strings.Contains(string(data), strings.TrimPrefix(c.URL(), "http://")) {
		t.Errorf("the first node is not the leader %s: %s %v", c.URL(), data, err)
	}
	s := subscribe(t, c.URL(), defaultInfo, "")
	offer := s.offer()
	s.launch(offer, 0, shellTask("one", "sleep 600", offer))
	s.status("one", mesos.TASK_RUNNING)
	first := c.URL()
	if err := c.KillMaster(); err != nil {
		t.Fatal(err)
	}
	other := c.URLs()[1]
	if first == other {
		other = c.URLs()[0]
	}
	if a := ask(t, http.MethodGet, other+"/state", "", "", ""); a.status != 307 || a.location != strings.TrimPrefix(first, "http:")+"/master/state" {
		t.Errorf("the standby does not point to the dead leader: %+v", a)
	}
	eventually(t, "the other leads", func() bool { return c.URL() == other })
	if err := c.RestartMaster(); err != nil { // the new leader dies, both are started
		t.Fatal(err)
	}
	running := func() bool {
		return strings.Contains(ask(t, http.MethodGet, c.URL()+"/tasks", "", "", "").body, "TASK_RUNNING")
	}
	eventually(t, "the task at a leader", running)
	server.Stop()
	eventually(t, "no leader", func() bool {
		return !slices.ContainsFunc(c.URLs(), func(url string) bool { return ask(t, http.MethodGet, url+"/state", "", "", "").status != 503 })
	})
	server.Start()
	eventually(t, "the task at a leader again", running)
}

// Authentication as recorded (02g).
func TestAuthentication(t *testing.T) {
	t.Parallel()
	c := startCluster(t, func(conf *Config) {
		conf.Credentials, conf.Masters = map[string]string{"alice": "wonder", "bob": "builder"}, 2
	})
	const path = "/api/v1/scheduler"
	info := func(principal string) string {
		return strings.Replace(anySubscribe, `"name"`, `"principal": "`+principal+`", "name"`, 1)
	}
	refused := answer{status: 401, body: "401 Unauthorized.", challenge: `Basic realm="mesos-master-scheduler"`}
	for _, test := range []struct {
		name, body, principal, secret string
		want                          answer
	}{
		{"no header", anySubscribe, "", "", refused},
		{"wrong password", anySubscribe, "alice", "x", refused},
		{"unknown user", anySubscribe, "mallory", "x", refused},
		{"no principal in FrameworkInfo", anySubscribe, "alice", "wonder", answer{status: 200}},
		{"the same principal", info("alice"), "alice", "wonder", answer{status: 200}},
		{"another principal", info("bob"), "alice", "wonder", answer{
			status: 400,
			body:   "Failed to validate scheduler::Call: Authenticated principal 'alice' does not match principal 'bob' set in `FrameworkInfo`",
		}},
	} {
		if a := ask(t, http.MethodPost, c.URL()+path, test.body, test.principal, test.secret); a != test.want {
			t.Errorf("%s: %+v", test.name, a)
		}
	}
	if a := ask(t, http.MethodPost, c.URLs()[1]+path, anySubscribe, "", ""); a != refused {
		t.Errorf("standby: %+v", a)
	}
	for _, url := range []string{c.URL() + "/health", c.URL() + "/state"} {
		if a := ask(t, http.MethodGet, url, "", "", ""); a.status != 200 {
			t.Errorf("%s: %+v", url, a)
		}
	}
	c.SetCredentials(map[string]string{"alice": "new"})
	if a := ask(t, http.MethodPost, c.URL()+path, anySubscribe, "alice", "wonder"); a != refused {
		t.Errorf("old secret: %+v", a)
	}
}

// Another principal may neither call for a framework nor take it over.
func TestOnePrincipal(t *testing.T) {
	t.Parallel()
	c := startCluster(t, nil)
	s := subscribe(t, c.URL(), strings.Replace(defaultInfo, "{", `{"principal":"alice",`, 1), "")
	c.SetCredentials(map[string]string{"alice": "wonder", "bob": "builder"})
	body := `{"framework_id": {"value": "` + s.id + `"}, "type": "REVIVE"}`
	want := answer{status: 400, body: "Authenticated principal 'bob' does not match principal 'alice' set in `FrameworkInfo`"}
	if a := ask(t, http.MethodPost, c.URL()+schedulerPath, body, "bob", "builder"); a != want {
		t.Errorf("bob calls: %+v", a)
	}
}
