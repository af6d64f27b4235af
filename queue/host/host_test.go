package host

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"sluice/queue/wire"
)

func ExampleRun() {
	config := Config{
		Name:  "h1",
		Token: os.Getenv(TokenVariable),
		Dial: func(ctx context.Context) (Conn, error) {
			return wire.DialHost(ctx, "https://batch.example:7440", nil)
		},
	}
	if err := Run(context.Background(), config); err != nil {
		os.Exit(ExitCode(err))
	}
}

func TestConfigIsChecked(t *testing.T) {
	dial := dialSocket("/nowhere")
	for name, config := range map[string]Config{
		"no name": {Dial: dial}, "no daemon": {Name: "h"}, "negative": {Name: "h", Dial: dial, MaxJobs: -1},
	} {
		if err := Run(context.Background(), config); err == nil || !strings.HasPrefix(err.Error(), "configure host: ") || ExitCode(err) != 1 {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, change := range map[string]func(*Config){
		"no program":     func(c *Config) { c.KeeperCommand = []string{"/no/such/program"} },
		"wrong program":  func(c *Config) { c.KeeperCommand = []string{"/bin/true"} },
		"no work dir":    func(c *Config) { c.WorkDir = "/dev/null/x" },
		"file in place ": func(c *Config) { c.WorkDir = "/etc/passwd" },
	} {
		config := Config{Name: "h", Dial: dial}
		change(&config)
		if err := Run(context.Background(), config); !errors.Is(err, ErrKeeper) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Jobs go on while the connection is away, and what ended meanwhile is told.
func TestReconnectKeepsJobs(t *testing.T) {
	d := newDaemon(t)
	startHost(t, d)
	dir := t.TempDir()
	d.set(func(d *daemon) { d.keep = true })
	key := d.begin(newStart("echo > ready; while [ ! -e go ]; do sleep 0.01; done; exit 5", func(s *wire.Start) { s.Cwd = dir }))
	awaitFile(t, filepath.Join(dir, "ready"))
	d.drop()
	writeFile(t, filepath.Join(dir, "go"), "")
	if ended := d.end(key); ended.ExitCode != 5 {
		t.Errorf("%v", ended)
	}
	d.drop()
	d.await("second report", func() bool { return d.reports[key] >= 2 && len(d.hellos) >= 3 })
	d.set(func(d *daemon) { d.keep = false })
	d.drop()
	d.await("third report", func() bool { return d.reports[key] >= 3 })
	d.mu.Lock()
	defer d.mu.Unlock()
	if hello := d.hellos[len(d.hellos)-1]; hello.Session != "secret" || hello.Token != "" {
		t.Errorf("came back as %v", hello)
	}
}

func TestDrainWaitsForJobs(t *testing.T) {
	d := newDaemon(t)
	h := startHost(t, d, func(c *Config) { c.DrainLimit = testPatience })
	dir := t.TempDir()
	key := d.begin(newStart("echo > ready; while [ ! -e go ]; do sleep 0.01; done; exit 5", func(s *wire.Start) { s.Cwd = dir }))
	awaitFile(t, filepath.Join(dir, "ready"))
	h.stop()
	d.await("draining", func() bool { return d.drains == 1 })
	writeFile(t, filepath.Join(dir, "go"), "")
	if ended := d.end(key); ended.ExitCode != 5 {
		t.Errorf("%v", ended)
	}
	if err := h.wait(t); err != nil {
		t.Error(err)
	}
}

func TestDrainLimitEndsJobs(t *testing.T) {
	d := newDaemon(t)
	h := startHost(t, d, func(c *Config) { c.DrainLimit = 50 * time.Millisecond })
	sleep := tag()
	key := d.begin(newStart("setsid sleep " + sleep + " & sleep " + sleep))
	d.pid(key)
	h.stop()
	if ended := d.end(key); ended.ExitCode != 137 || ended.Reason != "the host was asked to end" {
		t.Errorf("%v", ended)
	}
	if err := h.wait(t); err != nil || processesWith(t, "sleep "+sleep) != 0 {
		t.Errorf("%v; processes left: %d", err, processesWith(t, "sleep "+sleep))
	}
}

func TestLeaveEndsHost(t *testing.T) {
	d := newDaemon(t)
	h := startHost(t, d)
	d.send(&wire.DaemonMessage{Body: &wire.DaemonMessage_Leave{Leave: &wire.Leave{}}})
	if err := h.wait(t); err != nil {
		t.Error(err)
	}
}

func TestLeaseLeavesNoProcess(t *testing.T) {
	d := newDaemon(t)
	d.set(func(d *daemon) {
		d.welcome.LeaseNs, d.welcome.HeartbeatNs, d.mute = int64(300*time.Millisecond), int64(100*time.Millisecond), true
	})
	h := startHost(t, d)
	sleep, out := tag(), filepath.Join(t.TempDir(), "out")
	d.begin(newStart("setsid sleep "+sleep+" & sleep "+sleep, func(s *wire.Start) { s.Stdout = out }))
	_ = d.listener.Close()
	if err := h.wait(t); !errors.Is(err, ErrLease) {
		t.Error(err)
	}
	if n := processesWith(t, "sleep "+sleep); n != 0 {
		t.Errorf("%d processes are left", n)
	}
	if _, err := os.Stat(out); err == nil {
		t.Error("output was written after the lease, when the job may run elsewhere")
	}
}

// The keeper knows the lease too: a session that is stopped cannot keep jobs alive.
func TestLeaseOfStoppedHost(t *testing.T) {
	d := newDaemon(t)
	d.set(func(d *daemon) {
		d.welcome.LeaseNs, d.welcome.HeartbeatNs = int64(2*time.Second), int64(100*time.Millisecond)
	})
	cmd := hostProcess(t, d)
	sleep := tag()
	key := d.begin(newStart("setsid sleep " + sleep + " & sleep " + sleep))
	d.pid(key)
	eventually(t, "both processes of the job are there", func() bool { return processesWith(t, "sleep "+sleep) >= 2 })
	if err := cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	eventually(t, "no process of the job is left", func() bool { return processesWith(t, "sleep "+sleep) == 0 })
	if err := cmd.Process.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	if code := exitCodeOf(cmd); code != 3 {
		t.Errorf("exit code %d, want 3", code)
	}
}

// A host that is not root runs its own user's jobs, and nobody else's. Root becomes nobody for that.
func TestHostOfOrdinaryUser(t *testing.T) {
	d := newDaemon(t)
	for _, path := range []string{filepath.Dir(d.socket), d.socket} {
		if err := os.Chmod(path, 0o777); err != nil {
			t.Fatal(err)
		}
	}
	program := filepath.Join(workDir(t), "host")
	if out, err := exec.Command("cp", os.Args[0], program).CombinedOutput(); err != nil {
		t.Fatalf("copy: %s", out)
	}
	dir := workDir(t)
	own, uid := ownUser(), os.Getuid()
	hostProcess(t, d, func(cmd *exec.Cmd, h *testHost) {
		cmd.Path, h.WorkDir = program, dir
		if uid == 0 {
			own, uid = "nobody", 65534
			cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
			if err := os.Chown(dir, uid, uid); err != nil {
				t.Fatal(err)
			}
		}
	})
	ended := d.run(newStart(fmt.Sprintf("[ $(id -u) = %d ]", uid), func(s *wire.Start) { s.User = own }))
	if ended.ExitCode != 0 {
		t.Errorf("own user: %v", ended)
	}
	ended = d.run(newStart("true", func(s *wire.Start) { s.User = "root" }))
	if ended.ExitCode != exitNotStarted || !strings.Contains(ended.Reason, fmt.Sprintf("runs as uid %d and not as root", uid)) {
		t.Errorf("other user: %v", ended)
	}
}
