package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/sirupsen/logrus"

	"sluice/internal/app"
	"sluice/internal/app/demo"
	"sluice/queue"
	"sluice/queue/wire"
)

// patience bounds every wait of these tests, which are for conditions of other processes.
const patience = 60 * time.Second

// eventually waits until a condition holds.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	look := time.NewTicker(20 * time.Millisecond)
	defer look.Stop()
	for !holds() {
		select {
		case <-look.C:
		case <-ctx.Done():
			t.Fatalf("waited %v in vain: %s", patience, what)
		}
	}
}

func silentLog() *logrus.Logger {
	log := logrus.New()
	log.SetOutput(io.Discard)
	return log
}

// sluice is a command of this program, as another process.
func sluice(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return &exec.Cmd{Path: self, Args: append([]string{"sluice"}, args...), Env: os.Environ()}
}

// bsubAs submits as a process of its own.
func bsubAs(t *testing.T) func(ctx context.Context, args, environ []string) (string, error) {
	return func(_ context.Context, args, environ []string) (string, error) {
		cmd := sluice(t, append([]string{"bsub"}, args...)...)
		cmd.Env = append(cmd.Env, environ...)
		out, err := cmd.Output()
		if exit, ok := errors.AsType[*exec.ExitError](err); ok {
			err = fmt.Errorf("%w: %s", err, exit.Stderr)
		}
		return string(out), err
	}
}

// TestDemo is the whole way in one process but for the jobs: bsub, queue, controller, offers, tasks, hosts, jobs, release.
func TestDemo(t *testing.T) {
	local := demoDefaults()
	local.Log, local.Framework.Logger = silentLog(), silentLog()
	local.Framework.Fleet.IdleTimeout = 300 * time.Millisecond
	picture := filepath.Join(t.TempDir(), "demo.svg")
	t.Setenv("TMPDIR", shortTempDir(t))
	var out bytes.Buffer
	err := demo.Run(t.Context(), demo.Config{
		Local: local, Workload: demo.SampleWorkload(60, 20, 5*time.Second), Deadline: patience, Picture: picture,
		Bsub: bsubAs(t), Out: &out,
	})
	if err != nil {
		t.Fatalf("%v\n%s", err, &out)
	}
	for _, want := range []string{"85 of 85 DONE", "now suppressed: true", "Job <1> is submitted to default queue <normal>."} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in:\n%s", want, &out)
		}
	}
	if _, err := os.Stat(picture); err != nil {
		t.Error(err)
	}
	left, err := os.ReadDir(os.TempDir())
	if err != nil || len(left) > 0 {
		t.Errorf("left behind: %v (%v)", left, err)
	}
}

// shortTempDir is a directory whose path leaves room for a unix socket's, which has at most 107 bytes.
func shortTempDir(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("/tmp", "sluice-test-") //nolint:usetesting // t.TempDir is too deep for a socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// site is an embedded cluster on which `sluice run` is started, killed and started again.
type site struct {
	t       *testing.T
	cluster *app.Cluster
	dir     string   // the state dir
	more    []string // arguments
	run     *exec.Cmd
	log     *bytes.Buffer
	client  *wire.Client
}

func newSite(t *testing.T) *site {
	t.Helper()
	cfg := app.DefaultLocalConfig()
	cfg.Agents, cfg.AgentCPUs, cfg.AgentMemMiB, cfg.Log = 4, 4, 4*512, silentLog()
	cluster, err := app.OpenCluster(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := cluster.Close(); err != nil {
			t.Error(err)
		}
	})
	s := &site{t: t, cluster: cluster, dir: filepath.Join(shortTempDir(t), "state")}
	s.client, err = wire.NewClient(wire.Options{StateDir: s.dir, API: "unix://" + filepath.Join(s.dir, wire.SocketName)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.client.Close)
	return s
}

// start starts `sluice run` and waits until it is connected to the master.
func (s *site) start(listen string) {
	s.t.Helper()
	s.log = &bytes.Buffer{}
	s.run = sluice(s.t, "run", "--master", s.cluster.Master(), "--state-dir", s.dir, "--listen", listen,
		"--target", "1", "--idle-timeout", "1s", "--period", "200ms")
	s.run.Args = append(s.run.Args, s.more...)
	s.run.Stderr = s.log
	if err := s.run.Start(); err != nil {
		s.t.Fatal(err)
	}
	run := s.run
	s.t.Cleanup(func() {
		if run.ProcessState == nil {
			if err := errors.Join(run.Process.Kill(), ignoreExit(run.Wait())); err != nil {
				s.t.Error(err)
			}
		}
	})
	eventually(s.t, "sluice run connects", func() bool { status, ok := s.status(); return ok && status.Connected })
}

// lsf runs a command against the system and gives its standard output.
func (s *site) lsf(args ...string) (string, error) {
	cmd := sluice(s.t, args...)
	cmd.Env = append(cmd.Env, wire.EnvAPI+"="+s.client.API())
	out, err := cmd.Output()
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		err = fmt.Errorf("%w: %s", err, exit.Stderr)
	}
	return string(out), err
}

// must is lsf for a command that has to succeed.
func (s *site) must(args ...string) string {
	s.t.Helper()
	out, err := s.lsf(args...)
	if err != nil {
		s.t.Fatalf("%v: %v\n%s", args, err, out)
	}
	return out
}

func (s *site) kill() {
	s.t.Helper()
	if err := errors.Join(s.run.Process.Kill(), ignoreExit(s.run.Wait())); err != nil {
		s.t.Fatal(err)
	}
}

// ignoreExit leaves errors of waiting; that a killed process did not exit with 0 is none.
func ignoreExit(err error) error {
	if _, ok := errors.AsType[*exec.ExitError](err); ok {
		return nil
	}
	return err
}

func (s *site) status() (app.Status, bool) {
	data, err := s.client.Status(s.t.Context())
	if err != nil {
		return app.Status{}, false
	}
	status, err := app.UnmarshalStatus(data)
	return status, err == nil
}

// states counts jobs by state.
func (s *site) states() map[queue.State]int {
	counts := map[queue.State]int{}
	err := s.client.Jobs(s.t.Context(), wire.JobsRequest{}, func(j queue.Job) error {
		counts[j.State]++
		return nil
	})
	if err != nil {
		return nil
	}
	return counts
}

// tasks are the ids of the tasks that run on the cluster.
func (s *site) tasks() []string {
	s.t.Helper()
	answer, err := http.Get(s.cluster.Master() + "/state")
	if err != nil {
		s.t.Fatal(err)
	}
	defer answer.Body.Close()
	var state struct {
		Frameworks []struct {
			Tasks []struct{ ID, State string }
		}
	}
	if err := json.NewDecoder(answer.Body).Decode(&state); err != nil {
		s.t.Fatal(err)
	}
	var ids []string
	for _, f := range state.Frameworks {
		for _, task := range f.Tasks {
			if task.State == "TASK_RUNNING" {
				ids = append(ids, task.ID)
			}
		}
	}
	slices.Sort(ids)
	return ids
}

// TestKilledInTheMiddle kills `sluice run` with SIGKILL while jobs run, lets them end, and starts it again.
func TestKilledInTheMiddle(t *testing.T) {
	const jobs = 30
	s := newSite(t)
	work := shortTempDir(t)
	s.start("127.0.0.1:0")
	address := listenAddress(t, s)
	script := fmt.Sprintf(`echo $LSB_JOBINDEX >>%[1]s/started; while [ ! -e %[1]s/go ]; do sleep 0.05; done; echo $LSB_JOBINDEX >>%[1]s/ended`, work)
	if _, err := bsubAs(t)(t.Context(), []string{"-J", fmt.Sprintf("k[1-%d]", jobs), script}, []string{wire.EnvAPI + "=" + s.client.API()}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "15 jobs start", func() bool { return len(lines(t, work, "started")) >= 15 })
	before, _ := s.status()
	hosts := s.tasks()
	s.kill()

	running := len(lines(t, work, "started"))
	if err := os.WriteFile(filepath.Join(work, "go"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	eventually(t, "jobs end while nobody listens", func() bool { // and some may have been on their way to a host
		ended := len(lines(t, work, "ended"))
		return ended >= running && ended == len(lines(t, work, "started"))
	})
	if left := s.tasks(); !slices.Equal(left, hosts) {
		t.Errorf("tasks after the kill: %v, want those before: %v", left, hosts)
	}

	s.start(address)
	eventually(t, "all jobs are done", func() bool { return s.states()[queue.Done] == jobs })
	after, _ := s.status()
	if after.FrameworkID != before.FrameworkID {
		t.Errorf("framework id %s after the kill, want %s", after.FrameworkID, before.FrameworkID)
	}
	started := lines(t, work, "started")
	slices.Sort(started)
	if len(started) != jobs || len(slices.Compact(started)) != jobs {
		t.Errorf("%d starts of %d jobs: want each once", len(started), jobs)
	}
	eventually(t, "hosts are released and offers suppressed", func() bool {
		status, ok := s.status()
		return ok && status.Suppressed && status.Held == 0 && len(s.tasks()) == 0
	})
}

// listenAddress is where the hosts reach the daemon; a restart must listen there again.
func listenAddress(t *testing.T, s *site) string {
	t.Helper()
	status, ok := s.status()
	if !ok {
		t.Fatal("no status")
	}
	return strings.TrimPrefix(status.URL, "http://")
}

func lines(t *testing.T, dir, name string) []string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	return strings.Fields(string(data))
}

// TestSecondInstance checks that a state dir has one system at a time, and that the first is not disturbed.
func TestSecondInstance(t *testing.T) {
	s := newSite(t)
	s.start("127.0.0.1:0")
	second := sluice(t, "run", "--master", s.cluster.Master(), "--state-dir", s.dir, "--listen", "127.0.0.1:0")
	out, err := second.CombinedOutput()
	if err == nil || !strings.Contains(string(out), "in use by process") || strings.Count(string(out), "\n") != 1 {
		t.Errorf("second instance: %v, %q; want one line that names the process", err, out)
	}
	if status, ok := s.status(); !ok || !status.Connected {
		t.Error("the first instance was disturbed")
	}
	if err := s.run.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := s.run.Wait(); err != nil {
		t.Errorf("SIGTERM: %v, want a clean end\n%s", err, s.log)
	}
	if _, err := os.Stat(filepath.Join(s.dir, wire.SocketName)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("socket after the end: %v", err)
	}
}

// TestUnreachableMaster checks that a system without a master takes jobs, says what is wrong and keeps trying.
func TestUnreachableMaster(t *testing.T) {
	dir := filepath.Join(shortTempDir(t), "state")
	var log bytes.Buffer
	run := sluice(t, "run", "--master", "http://127.0.0.1:1", "--state-dir", dir, "--listen", "127.0.0.1:0")
	run.Stderr = &log
	if err := run.Start(); err != nil {
		t.Fatal(err)
	}
	client, err := wire.NewClient(wire.Options{API: "unix://" + filepath.Join(dir, wire.SocketName)})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	spec := queue.Spec{Command: "true", MinSlots: 1, MaxSlots: 1}
	eventually(t, "a job is taken", func() bool { _, err := client.Submit(t.Context(), spec); return err == nil })
	if err := run.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := run.Wait(); err != nil {
		t.Errorf("SIGTERM: %v\n%s", err, &log)
	}
	if !strings.Contains(log.String(), "connection refused") || !strings.Contains(log.String(), "retrying") {
		t.Errorf("log does not say what is wrong and that it goes on:\n%s", &log)
	}
}

// TestStatusFields checks the names that scripts rely on.
func TestStatusFields(t *testing.T) {
	s := newSite(t)
	s.start("127.0.0.1:0")
	cmd := sluice(t, "--api", s.client.API(), "ctl", "status", "--json")
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	var fields map[string]any
	if err := json.Unmarshal(out, &fields); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{
		"url", "master", "frameworkID", "running", "pending", "ratio", "target", "kp", "ki", "kd", "goal",
		"supply", "inFlight", "hosts", "offersAccepted", "offersDeclined", "suppressed", "pollAgeSeconds", "reason",
	} {
		if _, ok := fields[name]; !ok {
			t.Errorf("no field %q in %v", name, slices.Sorted(maps.Keys(fields)))
		}
	}
}
