package conf

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"

	"sluice/queue"
)

// unixGroups are those of the tests.
func unixGroups(group string) ([]string, bool) {
	members, ok := map[string][]string{"web": {"www", "ann"}, "zane": {"zoe"}}[group]
	return members, ok
}

// TestScripts parses what each script's file commands have gathered, or a directory's files, and shows the outcome.
func TestScripts(t *testing.T) {
	datadriven.Walk(t, "testdata/scripts", func(t *testing.T, path string) {
		files := map[string][]byte{}
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			switch d.Cmd {
			case "file":
				files[d.CmdArgs[0].Key] = []byte(d.Input + "\n")
				return ""
			case "dir":
				clear(files)
				found, err := filepath.Glob(filepath.Join("testdata", d.CmdArgs[0].Key, "*"))
				if err != nil || len(found) == 0 {
					t.Fatal(found, err)
				}
				for _, name := range found {
					if files[filepath.Base(name)], err = os.ReadFile(name); err != nil {
						t.Fatal(err)
					}
				}
			case "queues":
				files = map[string][]byte{fileQueues: []byte(d.Input + "\n")}
			}
			defer clear(files)
			return outcome(t, files)
		})
	})
}

func outcome(t *testing.T, files map[string][]byte) string {
	config, err := Parse(Source{Files: files, Members: unixGroups})
	var b strings.Builder
	if err != nil {
		problems, ok := errors.AsType[Problems](err)
		if !ok || strings.Contains(err.Error(), "\n") {
			t.Fatalf("%#v, want one line of Problems", err)
		}
		for _, p := range problems {
			fmt.Fprintln(&b, p)
		}
		return b.String()
	}
	put := func(what string, spec any) {
		line, err := json.Marshal(spec)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&b, "%s %s\n", what, line)
	}
	for _, q := range config.Queues {
		put("queue", q)
	}
	for _, a := range config.Apps {
		put("application", a)
	}
	warnings := config.Warnings
	config.Queues, config.Apps, config.Warnings = nil, nil, nil
	said := reflect.ValueOf(*config)
	for i := range said.NumField() {
		if !said.Field(i).IsZero() {
			fmt.Fprintf(&b, "%s %v\n", said.Type().Field(i).Name, said.Field(i))
		}
	}
	for _, w := range warnings {
		fmt.Fprintf(&b, "warning %s\n", w)
	}
	return b.String()
}

// What the parser takes, a queue can be made with.
func TestQueueTakesWhatIsParsed(t *testing.T) {
	for _, dir := range []string{"openlava", "lsf10"} {
		data, err := os.ReadFile(filepath.Join("testdata", dir, fileQueues))
		if err != nil {
			t.Fatal(err)
		}
		data = []byte(strings.NewReplacer("develop", "ann", "~staff", "~ann").Replace(string(data)))
		config, err := Parse(Source{Files: map[string][]byte{fileQueues: data}})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := queue.New(queue.Config{Queues: config.Queues, DefaultQueues: config.DefaultQueues}); err != nil {
			t.Errorf("%s: %v", dir, err)
		}
	}
}

func TestProblemsInOneLine(t *testing.T) {
	one := Problem{File: "lsb.queues", Line: 3, Text: "wrong"}
	if got := (Problems{one}).Error(); got != "lsb.queues:3: wrong" {
		t.Error(got)
	}
	if got := (Problems{one, one, {File: "lsb.users", Text: "x"}}).Error(); got != "lsb.queues:3: wrong (and 2 more)" {
		t.Error(got)
	}
}

// The number of problems and of warnings is bounded, and so is a file.
func TestLimits(t *testing.T) {
	many := "Begin Queue\nQUEUE_NAME = a\n"
	for i := range 2000 {
		many += fmt.Sprintf("X%d = 1\n", i)
	}
	config, err := Parse(Source{Files: map[string][]byte{fileQueues: []byte(many + "End Queue\n")}})
	if err != nil || len(config.Warnings) != maxProblems+1 {
		t.Errorf("%v, %d warnings", err, len(config.Warnings))
	}
	_, err = Parse(Source{Files: map[string][]byte{fileQueues: make([]byte, MaxFileBytes+1)}})
	if err == nil || !strings.Contains(err.Error(), "at most") {
		t.Errorf("large file: %v", err)
	}
	long := "Begin Queue\nQUEUE_NAME = a\nDESCRIPTION = " + strings.Repeat("a \\\n", maxLineBytes/2) + "\nEnd Queue\n"
	if _, err = Parse(Source{Files: map[string][]byte{fileQueues: []byte(long)}}); err == nil || !strings.HasPrefix(err.Error(), "lsb.queues:") {
		t.Errorf("long line: %v", err)
	}
	nested := "Begin UserGroup\nGROUP_NAME GROUP_MEMBER\n"
	for i := range 200 { // 2^200 users, were groups expanded again and again
		nested += fmt.Sprintf("g%d (g%d g%d)\n", i, i+1, i+1)
	}
	nested += "g200 (zane/)\nEnd UserGroup\n"
	if _, err = Parse(Source{Files: map[string][]byte{fileUsers: []byte(nested)}, Members: unixGroups}); err == nil || !strings.Contains(err.Error(), "more than 100000 users") {
		t.Errorf("nested groups: %v", err)
	}
}
