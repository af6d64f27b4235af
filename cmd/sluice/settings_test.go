package main

import (
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// TestSystemScripts runs scripts that start and stop whole systems on an embedded cluster. Each has a state dir of its own,
// $STATE, and the commands `ready`, which waits until the system there answers and its master does, `queue NAME`, which waits
// until there is such a queue, `wait-for FILE`, which waits until that is there and not empty, and `hangup`, which sends SIGHUP to the command in the background.
func TestSystemScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata/system",
		Setup: func(e *testscript.Env) error {
			dir := shortTempDir(t)
			e.Setenv("STATE", dir)
			e.Setenv("SLUICE_API", "unix://"+dir+"/api.sock")
			e.Setenv("HOME", e.WorkDir)
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"ready": ready, "queue": hasQueue, "hangup": hangup, "wait-for": waitForFile},
	})
}

// ready waits until the system answers and its master does.
func ready(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) > 0 {
		ts.Fatalf("usage: ready")
	}
	await(ts, "the system", "(connected)", "sluice", "ctl", "status")
}

// hasQueue waits until there is a queue.
func hasQueue(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: queue NAME")
	}
	await(ts, "queue "+args[0], args[0], "sluice", "bqueues", args[0])
}

// hangup sends SIGHUP, which testscript's kill does not know.
func hangup(ts *testscript.TestScript, neg bool, args []string) {
	running := ts.BackgroundCmds()
	if neg || len(args) > 0 || len(running) != 1 {
		ts.Fatalf("usage: hangup, with one command in the background")
	}
	ts.Check(running[0].Process.Signal(syscall.SIGHUP))
}

// await runs a command until it says something.
func await(ts *testscript.TestScript, what, text, name string, args ...string) {
	look := time.NewTicker(20 * time.Millisecond)
	defer look.Stop()
	for end := time.After(patience); ; {
		err := ts.Exec(name, args...)
		if err == nil && strings.Contains(ts.ReadFile("stdout"), text) {
			return
		}
		select {
		case <-look.C:
		case <-end:
			ts.Fatalf("waited %v in vain for %s: %v", patience, what, err)
		}
	}
}
