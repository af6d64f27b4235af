package main

import (
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"sluice/queue/wire"
)

// TestExamples runs what examples/ shows on one system that all share, by a script of testdata/examples for each. There are commands
// of their own: `submit EXAMPLE` submits one and sets $JOB to its number, `wait-for FILE` waits until a job has written it.
func TestExamples(t *testing.T) {
	examples, err := filepath.Abs(filepath.Join("..", "..", "examples"))
	if err != nil {
		t.Fatal(err)
	}
	checkEach(t, examples)
	api := startLocal(t)
	testscript.Run(t, testscript.Params{
		Dir: filepath.Join("testdata", "examples"),
		Setup: func(e *testscript.Env) error {
			e.Setenv(wire.EnvAPI, api)
			e.Setenv("EXAMPLES", examples)
			e.Setenv("HOME", e.WorkDir)
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"submit": submitExample, "wait-for": waitForFile},
	})
}

// checkEach wants a script for each example.
func checkEach(t *testing.T, examples string) {
	t.Helper()
	files, err := os.ReadDir(examples)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		name, kind, _ := strings.Cut(f.Name(), ".")
		if !slices.Contains([]string{"bsub", "sh"}, kind) {
			continue
		}
		if _, err := os.Stat(filepath.Join("testdata", "examples", name+".txt")); errors.Is(err, os.ErrNotExist) {
			t.Errorf("nothing tests the example %s", f.Name())
		}
	}
}

var submitted = regexp.MustCompile(`^Job <(\d+)> is submitted to .*queue <\w+>\.\n$`)

func submitExample(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: submit EXAMPLE")
	}
	err := ts.Exec("sh", "-c", `exec bsub < "$EXAMPLES/$1"`, "sh", args[0])
	said := submitted.FindStringSubmatch(ts.ReadFile("stdout"))
	if err != nil || said == nil {
		ts.Fatalf("submit %s: %v", args[0], err)
	}
	ts.Setenv("JOB", said[1])
}

func waitForFile(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: wait-for FILE")
	}
	look := time.NewTicker(20 * time.Millisecond)
	defer look.Stop()
	for end := time.After(patience); ; {
		if info, err := os.Stat(ts.MkAbs(args[0])); err == nil && info.Size() > 0 {
			return
		}
		select {
		case <-look.C:
		case <-end:
			ts.Fatalf("waited %v in vain for %s", patience, args[0])
		}
	}
}
