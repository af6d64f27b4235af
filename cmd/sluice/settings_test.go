package main

import (
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// TestSystemScripts runs scripts that start and stop whole systems on an embedded cluster. Each has a state dir of its own,
// $STATE, and the command `ready`, which waits until the system there answers and its
// master does.
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
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"ready": ready},
	})
}

func ready(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) > 0 {
		ts.Fatalf("usage: ready")
	}
	look := time.NewTicker(20 * time.Millisecond)
	defer look.Stop()
	for end := time.After(patience); ; {
		err := ts.Exec("sluice", "ctl", "status")
		if err == nil && strings.Contains(ts.ReadFile("stdout"), "(connected)") {
			return
		}
		select {
		case <-look.C:
		case <-end:
			ts.Fatalf("waited %v in vain for the system: %v", patience, err)
		}
	}
}
