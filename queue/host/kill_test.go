package host

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"sluice/internal/testneed"
	"sluice/queue/wire"
)

var nextTag atomic.Int64

// tag is a number of seconds that names a test's processes: sleep TAG.
func tag() string { return fmt.Sprintf("%d.%d", 100000+nextTag.Add(1), os.Getpid()) }

// escapes are ways in which a job's processes try to stay. Each says "ready" in the file $READY when all are there; %s is the
// command that must be gone in the end.
var escapes = map[string]string{
	"child":                      `%s & echo >$READY; wait`,
	"forked twice":               `( %s & ) ; echo >$READY; sleep 1000`,
	"new session":                `setsid %s & echo >$READY; wait`,
	"daemon":                     `( setsid setsid -f /bin/sh -c 'echo >'$READY'; exec %s' & ); sleep 1000`,
	"daemon without environment": `( setsid env -i /bin/sh -c '(trap "" TERM HUP; setsid %s & echo >'$READY') &' & ) ; sleep 1000`,
	"ignores TERM":               `trap "" TERM HUP INT; %s & echo >$READY; wait; %s`,
	"stopped":                    `%s & kill -STOP $!; echo >$READY; kill -STOP $$`,
	"fills output":               `%s & echo >$READY; yes`,
	"forks":                      `f() { while :; do (%s) & sleep 0.01; done; }; f & f & %s & echo >$READY; wait`,
}

func escape(t *testing.T, way, ready, sleep string) *wire.Start {
	t.Helper()
	testneed.Need(t, "setsid")
	command := strings.ReplaceAll(way, "%s", "sleep "+sleep)
	return newStart(command, func(s *wire.Start) {
		s.Env = append(s.Env, "READY="+ready)
		s.KillGraceNs = 1 // so that nothing ends of itself first
	})
}

// Two jobs at a time, so that the host must tell whose a process is.
func TestKillLeavesNoProcess(t *testing.T) {
	d := newDaemon(t)
	startHost(t, d)
	bystander := tag()
	other := d.begin(newStart("setsid sleep " + bystander + " & sleep " + bystander))
	eventually(t, "the other job runs", func() bool { return processesWith(t, "sleep "+bystander) >= 2 })
	for name, way := range escapes {
		t.Run(name, func(t *testing.T) {
			sleep, ready := tag(), filepath.Join(t.TempDir(), "ready")
			key := d.begin(escape(t, way, ready, sleep))
			awaitFile(t, ready)
			d.signal(key, 0, 130, "killed by its owner")
			ended := d.end(key)
			if ended.ExitCode != 130 || ended.Reason != "killed by its owner" {
				t.Errorf("%v", ended)
			}
			if n := processesWith(t, "sleep "+sleep); n != 0 {
				t.Errorf("%d processes are left after Ended", n)
			}
			if processesWith(t, "sleep "+bystander) < 2 {
				t.Error("another job's processes were ended too")
			}
		})
	}
	d.signal(other, 9, 0, "")
	if ended := d.end(other); ended.ExitCode != 137 {
		t.Errorf("%v", ended)
	}
}

// What a job leaves behind when its main process ends is ended too, before the daemon hears of the end.
func TestEndLeavesNoProcess(t *testing.T) {
	d := newDaemon(t)
	startHost(t, d)
	for name, way := range map[string]string{
		"background":   `sleep %s & exit 3`,
		"daemon":       `setsid -f setsid -f sleep %s; exit 3`,
		"ignores TERM": `trap "" TERM; sleep %s & setsid sleep %s & exit 3`,
		"bare":         `( env -i setsid sleep %s & ); exit 3`,
	} {
		t.Run(name, func(t *testing.T) {
			sleep := tag()
			ended := d.run(newStart(strings.ReplaceAll(way, "%s", sleep), func(s *wire.Start) { s.KillGraceNs = 1 }))
			if ended.ExitCode != 3 {
				t.Errorf("%v", ended)
			}
			if n := processesWith(t, "sleep "+sleep); n != 0 {
				t.Errorf("%d processes are left after Ended", n)
			}
		})
	}
}

// A job that is to end hears INT, TERM and KILL, after the signal of a limit that it has reached, with time to act on each.
func TestSignalsOfTheEnd(t *testing.T) {
	t.Parallel()
	d := newDaemon(t)
	startHost(t, d)
	for exitCode, order := range map[int32][]string{
		130: {"INT", "TERM"}, 140: {"USR2", "INT", "TERM"}, 152: {"XCPU", "INT", "TERM"}, 3: {"INT", "TERM"},
	} {
		for i, last := range order {
			dir := t.TempDir()
			var script strings.Builder
			for _, name := range order[:i] {
				fmt.Fprintf(&script, "trap 'echo %s >> heard' %s; ", name, name)
			}
			fmt.Fprintf(&script, "trap 'echo %s >> heard; exit 9' %s; echo > ready; while :; do sleep 0.01; done", last, last)
			key := d.begin(newStart(script.String(), func(s *wire.Start) { s.Cwd, s.KillGraceNs = dir, int64(300*time.Millisecond) }))
			awaitFile(t, filepath.Join(dir, "ready"))
			d.signal(key, 0, exitCode, "why")
			d.signal(key, 0, exitCode, "why") // as after a reconnection: nothing is heard twice
			if ended := d.end(key); ended.ExitCode != exitCode || ended.Reason != "why" {
				t.Errorf("%v: %v", order, ended)
			}
			if got, want := readFile(t, filepath.Join(dir, "heard")), strings.Join(order[:i+1], "\n")+"\n"; got != want {
				t.Errorf("exit code %d: heard %q, want %q", exitCode, got, want)
			}
		}
	}
}

// The time after the warning at the run limit is its own, and bkill does not wait for its end.
func TestKillAfterWarning(t *testing.T) {
	d := newDaemon(t)
	startHost(t, d)
	dir := t.TempDir()
	key := d.begin(newStart(`trap "echo > warned" USR2; echo > ready; while :; do sleep 0.01; done`, func(s *wire.Start) { s.Cwd, s.KillGraceNs = dir, 1 }))
	awaitFile(t, filepath.Join(dir, "ready"))
	d.send(&wire.DaemonMessage{Body: &wire.DaemonMessage_Signal{Signal: &wire.Signal{
		Attempt: key.wire(), ExitCode: 140, Reason: "run limit", WarningNs: int64(time.Hour),
	}}})
	awaitFile(t, filepath.Join(dir, "warned"))
	d.signal(key, 0, 130, "killed by its owner")
	if ended := d.end(key); ended.ExitCode != 140 || ended.Reason != "run limit" {
		t.Errorf("%v", ended)
	}
}

func TestSignals(t *testing.T) {
	d := newDaemon(t)
	startHost(t, d)
	dir := t.TempDir()
	// No command in the loop: a shell that is stopped between vfork and exec of one does not look stopped.
	key := d.begin(newStart(`trap "echo > usr1; exit 7" USR1; echo > ready; while :; do :; done`, func(s *wire.Start) { s.Cwd = dir }))
	awaitFile(t, filepath.Join(dir, "ready"))
	pid := d.pid(key)
	d.signal(key, int32(unix.SIGSTOP), 0, "")
	eventually(t, "the job is stopped", func() bool { return stateOf(t, pid) == 'T' })
	d.signal(key, int32(unix.SIGCONT), 0, "")
	eventually(t, "the job is continued", func() bool { return stateOf(t, pid) != 'T' })
	d.signal(key, 9999, 0, "")
	d.signal(key, int32(unix.SIGUSR1), 0, "")
	if ended := d.end(key); ended.ExitCode != 7 || ended.Reason != "" {
		t.Errorf("%v", ended)
	}
	awaitFile(t, filepath.Join(dir, "usr1"))
}

// A job that is to be ended before it runs does not run.
func TestKillBeforeStart(t *testing.T) {
	d := newDaemon(t)
	startHost(t, d)
	for range 50 {
		// A dash that is about to run a command may lose INT.
		s := newStart("sleep 1000", func(s *wire.Start) { s.KillGraceNs = int64(10 * time.Millisecond) })
		key := d.begin(s)
		d.signal(key, 0, 130, "killed by its owner")
		if ended := d.end(key); ended.ExitCode != 130 || ended.Reason != "killed by its owner" {
			t.Fatalf("%v", ended)
		}
	}
}

func TestHostKilledLeavesNoProcess(t *testing.T) {
	for name, way := range escapes {
		t.Run(name, func(t *testing.T) {
			d := newDaemon(t)
			cmd := hostProcess(t, d)
			sleep, ready := tag(), filepath.Join(t.TempDir(), "ready")
			key := d.begin(escape(t, way, ready, sleep))
			awaitFile(t, ready)
			d.pid(key)
			if err := cmd.Process.Signal(syscall.SIGKILL); err != nil {
				t.Fatal(err)
			}
			eventually(t, "no process of the job is left", func() bool { return processesWith(t, "sleep "+sleep) == 0 })
		})
	}
}

func TestKeeperKilledLeavesNoProcess(t *testing.T) {
	for name, way := range escapes {
		t.Run(name, func(t *testing.T) {
			d := newDaemon(t)
			cmd := hostProcess(t, d)
			sleep, ready := tag(), filepath.Join(t.TempDir(), "ready")
			key := d.begin(escape(t, way, ready, sleep))
			awaitFile(t, ready)
			table, err := readProcesses()
			if err != nil || len(table.children[cmd.Process.Pid]) != 1 {
				t.Fatalf("children of the host: %v (%v)", table.children[cmd.Process.Pid], err)
			}
			if err := syscall.Kill(table.children[cmd.Process.Pid][0], syscall.SIGKILL); err != nil {
				t.Fatal(err)
			}
			if ended := d.end(key); ended.ExitCode != 137 || ended.Reason != "the keeper of the host's jobs died" {
				t.Errorf("%v", ended)
			}
			if n := processesWith(t, "sleep "+sleep); n != 0 {
				t.Errorf("%d processes are left after Ended", n)
			}
			if code := exitCodeOf(cmd); code != 4 {
				t.Errorf("exit code %d, want 4", code)
			}
		})
	}
}

func awaitFile(t *testing.T, path string) {
	t.Helper()
	eventually(t, "the file "+path, func() bool { _, err := os.Stat(path); return err == nil })
}

func stateOf(t *testing.T, pid int) byte {
	t.Helper()
	stat := readFile(t, fmt.Sprintf("/proc/%d/stat", pid))
	return stat[strings.LastIndexByte(stat, ')')+2]
}
