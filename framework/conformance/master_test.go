package conformance

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"net/http"
	"os"
	"os/user"
	"strings"
	"testing"
	"time"

	"sluice/framework/minimesos"
)

// prefix begins the names of all frameworks and tasks of these tests.
const prefix = "sluice-conformance-"

// settings are where the master is, and how to show oneself there.
type settings struct {
	url       string // scheme://host:port
	real      bool   // not ours
	role      string
	user      string
	principal string
	secret    string
	secrets   string // file of the secret
	address   string // of this machine, for agents
}

var master settings

var masterFlag = flag.String("master", "", "URL of the master to test; SLUICE_TEST_MASTER; an embedded one if neither is set")

func TestMain(m *testing.M) {
	flag.Parse()
	os.Exit(run(m))
}

func run(m *testing.M) int {
	end, err := open()
	if err != nil {
		fmt.Fprintln(os.Stderr, "conformance:", err)
		return 1
	}
	defer end()
	code := m.Run()
	if err := leftovers(); err != nil {
		fmt.Fprintln(os.Stderr, "conformance:", err)
		return 1
	}
	return code
}

// open reads the settings, and starts a master if none is given.
func open() (end func(), err error) {
	master = settings{
		url: *masterFlag, role: "*", principal: os.Getenv("SLUICE_TEST_PRINCIPAL"), secrets: os.Getenv("SLUICE_TEST_SECRET_FILE"),
		user: os.Getenv("SLUICE_TEST_USER"), address: "127.0.0.1",
	}
	if master.url == "" {
		master.url = os.Getenv("SLUICE_TEST_MASTER")
	}
	if role := os.Getenv("SLUICE_TEST_ROLE"); role != "" {
		master.role = role
	}
	if address := os.Getenv("SLUICE_TEST_ADDRESS"); address != "" {
		master.address = address
	}
	if master.user == "" {
		u, err := user.Current()
		if err != nil {
			return nil, err
		}
		master.user = u.Username
	}
	if master.secrets != "" {
		data, err := os.ReadFile(master.secrets)
		if err != nil {
			return nil, err
		}
		master.secret = strings.TrimSpace(string(data))
	}
	if master.real = master.url != ""; master.real {
		master.url = strings.TrimSuffix(master.url, "/")
		return func() {}, nil
	}
	cluster, err := minimesos.Start(context.Background(), minimesos.Config{
		Agents: []minimesos.AgentConfig{{Hostname: "one"}, {Hostname: "two"}}, AllocationInterval: 200 * time.Millisecond,
	})
	if err != nil {
		return nil, err
	}
	master.url = cluster.URL()
	return cluster.Stop, nil
}

// clusterState is what the master tells of itself.
type clusterState struct {
	Frameworks []struct {
		ID, Name string
		Tasks    []struct{ ID, Name, State string }
		Offers   []struct{ ID string }
	}
	Completed []struct{ ID, Name string } `json:"completed_frameworks"`
	Slaves    []struct{ ID string }
}

func state() (*clusterState, error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, master.url+"/master/state", http.NoBody)
	if err != nil {
		return nil, err
	}
	if master.principal != "" {
		req.SetBasicAuth(master.principal, master.secret)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	s := &clusterState{}
	if err := json.NewDecoder(res.Body).Decode(s); err != nil {
		return nil, fmt.Errorf("read state of the master: %s: %w", res.Status, err)
	}
	return s, nil
}

// leftovers is an error if the master still has anything of these tests.
func leftovers() error {
	s, err := state()
	if err != nil {
		return err
	}
	for _, f := range s.Frameworks {
		if strings.HasPrefix(f.Name, prefix) {
			return fmt.Errorf("framework %s (%s) is left behind", f.ID, f.Name)
		}
	}
	return nil
}

// eventually waits until a condition about the master holds.
func eventually(t *testing.T, what string, holds func(*clusterState) bool) {
	t.Helper()
	deadline := time.After(patience)
	ticker := time.NewTicker(100 * time.Millisecond)
	defer ticker.Stop()
	for {
		s, err := state()
		if err != nil {
			t.Fatal(err)
		}
		if holds(s) {
			return
		}
		select {
		case <-ticker.C:
		case <-deadline:
			t.Fatalf("waited in vain for: %s; the master has %+v", what, s.Frameworks)
		}
	}
}

// tasksOf are the tasks that a framework has, by id.
func (s *clusterState) tasksOf(framework string) map[string]string {
	states := map[string]string{}
	for _, f := range s.Frameworks {
		for _, task := range f.Tasks {
			if f.ID == framework {
				states[task.ID] = task.State
			}
		}
	}
	return states
}
