package main

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"sluice/framework/minimesos"
	"sluice/internal/app"
	"sluice/internal/testneed"
	"sluice/queue"
	"sluice/queue/wire"
)

// logBuffer is what a process says while it runs.
type logBuffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *logBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *logBuffer) has(parts ...string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	for line := range strings.Lines(b.text.String()) {
		if !slices.ContainsFunc(parts, func(part string) bool { return !strings.Contains(line, part) }) {
			return true
		}
	}
	return false
}

// instance is one of several processes of `sluice run` with the same state dir.
type instance struct {
	*exec.Cmd
	log *logBuffer
}

func startInstance(t *testing.T, s *site, args ...string) *instance {
	t.Helper()
	i := &instance{log: &logBuffer{}}
	i.Cmd = sluice(t, append([]string{"run", "--state-dir", s.dir, "--target", "1", "--idle-timeout", "1s", "--period", "200ms"}, args...)...)
	i.Stderr = i.log
	if err := i.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if i.ProcessState == nil {
			i.kill(t)
		}
		if t.Failed() {
			t.Logf("process %d:\n%s", i.Process.Pid, &i.log.text)
		}
	})
	return i
}

func (i *instance) kill(t *testing.T) {
	t.Helper()
	if err := errors.Join(i.Process.Kill(), ignoreExit(i.Wait())); err != nil {
		t.Error(err)
	}
}

func (i *instance) signal(t *testing.T, sig syscall.Signal) {
	t.Helper()
	if err := i.Process.Signal(sig); err != nil {
		t.Fatal(err)
	}
}

// leads waits until a process serves the state dir and is connected to a master.
func (s *site) leads(i *instance, frameworkID string) app.Status {
	s.t.Helper()
	var status app.Status
	eventually(s.t, fmt.Sprintf("process %d leads", i.Process.Pid), func() bool {
		var ok bool
		status, ok = s.status()
		return ok && status.Connected && i.log.has("ready for bsub") && (frameworkID == "" || status.FrameworkID == frameworkID)
	})
	return status
}

func freeAddress(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().String()
}

func newBareSite(t *testing.T) *site {
	t.Helper()
	s := &site{t: t, dir: filepath.Join(shortTempDir(t), "state")}
	var err error
	s.client, err = wire.NewClient(wire.Options{StateDir: s.dir, API: "unix://" + filepath.Join(s.dir, wire.SocketName)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.client.Close)
	return s
}

// The masters and the instances of Sluice are elected in ZooKeeper. The leading instance is killed with SIGKILL while jobs run,
// then its successor is frozen until it has lost the election: each time the other takes over the framework, the hosts and the
// jobs, and no job starts twice.
func TestTakeover(t *testing.T) {
	t.Parallel()
	const jobs = 12
	server := testneed.StartZooKeeper(t)
	at := "zk://mesos:pw@" + server.Address() + "/mesos"
	cluster, err := minimesos.Start(t.Context(), minimesos.Config{
		Masters: 2, ZooKeeper: at, ZooKeeperTimeout: 2 * time.Second, AllocationInterval: 100 * time.Millisecond,
		Agents: []minimesos.AgentConfig{{Hostname: "n1", CPUs: 4}, {Hostname: "n2", CPUs: 4}, {Hostname: "n3", CPUs: 4}},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer cluster.Stop()
	s := newBareSite(t)
	args := []string{"--master", at, "--listen", freeAddress(t), "--election-timeout", "2s"}
	first := startInstance(t, s, args...)
	id := s.leads(first, "").FrameworkID
	second := startInstance(t, s, args...)
	eventually(t, "the second waits and says so", func() bool { return second.log.has("waiting: ", "leads", "/sluice/sluice") })
	eventually(t, "the first knows who waits", func() bool {
		status, ok := s.status()
		return ok && status.Election != nil && status.Election.State == "leading" && len(status.Election.Behind) == 1
	})
	work := shortTempDir(t)
	script := fmt.Sprintf(`echo $LSB_JOBINDEX >>%[1]s/started; while [ ! -e %[1]s/go ]; do sleep 0.05; done`, work)
	if _, err := bsubAs(t)(t.Context(), []string{"-J", fmt.Sprintf("k[1-%d]", jobs), script}, []string{wire.EnvAPI + "=" + s.client.API()}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "6 jobs start", func() bool { return len(lines(t, work, "started")) >= jobs/2 })

	first.kill(t)
	died := time.Now()
	s.leads(second, id)
	t.Logf("taken over %v after SIGKILL, with an election timeout of 2 s", time.Since(died).Round(time.Millisecond))

	third := startInstance(t, s, args...)
	eventually(t, "the third waits", func() bool { return third.log.has("waiting: ", "leads") })
	second.signal(t, syscall.SIGSTOP)
	eventually(t, "the third is elected and waits for the state dir", func() bool {
		return third.log.has("elected: this instance leads") && third.log.has("waiting: state dir", fmt.Sprint("in use by process ", second.Process.Pid))
	})
	second.signal(t, syscall.SIGCONT)
	s.leads(third, id)
	eventually(t, "the defeated one waits again", func() bool { return second.log.has("this one has stopped and waits again") })

	if err := os.WriteFile(filepath.Join(work, "go"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	eventually(t, "all jobs are done", func() bool { return s.states()[queue.Done] == jobs })
	started := lines(t, work, "started")
	slices.Sort(started)
	if len(started) != jobs || len(slices.Compact(started)) != jobs {
		t.Errorf("%d starts of %d jobs: want each once", len(started), jobs)
	}
	third.signal(t, syscall.SIGTERM)
	if err := third.Wait(); err != nil {
		t.Errorf("SIGTERM: %v", err)
	}
	s.leads(second, id)
}

// On one machine without ZooKeeper a standby waits for the state dir.
func TestStandby(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	args := []string{"--master", s.cluster.Master(), "--listen", freeAddress(t), "--standby"}
	first := startInstance(t, s, args...)
	id := s.leads(first, "").FrameworkID
	second := startInstance(t, s, args...)
	eventually(t, "the second waits and says so", func() bool {
		return second.log.has("waiting: state dir", fmt.Sprint("in use by process ", first.Process.Pid, "; taking over when that ends"))
	})
	first.kill(t)
	s.leads(second, id)
}

// What is wrong with the masters or the election is one line and exit code 2 or 1, before anything is waited for.
func TestBadMasters(t *testing.T) {
	t.Parallel()
	dir := shortTempDir(t)
	for want, args := range map[string][]string{
		"it names no path":                         {"--master", "zk://h:2181"},
		"election: read ZooKeeper address":         {"--master", "http://h:5050", "--election", "zk://h:2181"},
		"election-timeout 1ms":                     {"--master", "http://h:5050", "--election-timeout", "1ms"},
		"read CA file":                             {"--master", "https://h:5050", "--ca-file", "/no/such/file"},
		"give both the certificate and its key":    {"--master", "https://h:5050", "--client-cert", "/no/such/file"},
		"read secret of principal p":               {"--master", "https://h:5050", "--principal", "p", "--secret-file", "/no/such/file"},
		"read ZooKeeper address: open /no/such":    {"--master", "file:///no/such/file"},
		"zk://host:port,…/path":                    {"--master", "http://h:5050,zk://h/m"},
		"invalid argument \"x\" for \"--election-": {"--master", "http://h:5050", "--election-timeout", "x"},
	} {
		out, err := sluice(t, append([]string{"run", "--state-dir", dir, "--listen", "127.0.0.1:0"}, args...)...).CombinedOutput()
		if _, ok := errors.AsType[*exec.ExitError](err); !ok || !strings.Contains(string(out), want) || strings.Count(string(out), "\n") != 1 {
			t.Errorf("%v: %v, %q; want one line with %q", args, err, out, want)
		}
	}
}

// TestTornDown has an operator tear the framework down while jobs run: that is said, and no new id is taken but by order. Then the job
// that may run again does, the other one is EXIT.
func TestTornDown(t *testing.T) {
	s := newSite(t)
	work := shortTempDir(t)
	s.start("127.0.0.1:0")
	address := listenAddress(t, s)
	for _, args := range [][]string{{"-r"}, nil} {
		script := fmt.Sprintf(`echo x >>%[1]s/started; while [ ! -e %[1]s/go ]; do sleep 0.05; done`, work)
		if _, err := bsubAs(t)(t.Context(), append(args, script), []string{wire.EnvAPI + "=" + s.client.API()}); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, "both jobs run", func() bool { return len(lines(t, work, "started")) == 2 })
	before, _ := s.status()
	answer, err := http.PostForm(s.cluster.Master()+"/master/teardown", url.Values{"frameworkId": {before.FrameworkID}})
	if err != nil {
		t.Fatal(err)
	}
	if err := answer.Body.Close(); err != nil || answer.StatusCode != http.StatusOK {
		t.Fatal(answer.Status, err)
	}
	wanted := "sluice: the master has removed the framework, and with it all hosts: --new-framework-id goes on with the jobs that are left\n"
	if err := s.run.Wait(); err == nil || !strings.HasSuffix(s.log.String(), wanted) {
		t.Fatalf("after the teardown: %v\n%s", err, s.log)
	}
	if err := os.WriteFile(filepath.Join(work, "go"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	s.more = []string{"--new-framework-id"}
	s.start(address)
	eventually(t, "one job is done, the other EXIT", func() bool {
		states := s.states()
		return states[queue.Done] == 1 && states[queue.Exited] == 1
	})
	after, _ := s.status()
	if after.FrameworkID == before.FrameworkID {
		t.Errorf("framework id is still %s", after.FrameworkID)
	}
	if started := lines(t, work, "started"); len(started) != 3 {
		t.Errorf("%d starts, want one of each job and one more", len(started))
	}
}
