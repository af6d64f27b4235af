package archtest_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"

	"sluice/internal/archtest"
)

// TestRules checks the source tree that this package stands in.
func TestRules(t *testing.T) {
	tree, err := archtest.Load(os.DirFS(moduleRoot(t)))
	if err != nil {
		t.Fatal(err)
	}
	if len(tree.Packages) < 2 {
		t.Fatalf("found %d packages: this is not the tree", len(tree.Packages))
	}
	for _, rule := range archtest.Rules() {
		t.Run(rule.Name, func(t *testing.T) {
			found := rule.Check(tree)
			for _, finding := range found {
				t.Error(finding)
			}
			if len(found) > 0 {
				t.Logf("rule %s: %s", rule.Name, rule.Why)
			}
		})
	}
}

func moduleRoot(t *testing.T) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			t.Fatal("no go.mod above the test")
		}
		dir = parent
	}
}

// TestRulesCanFail runs each rule on the tree in testdata/<rule>.txtar, which holds both what the rule refuses and
// what comes close but is allowed. The file "want" of the archive lists the findings.
func TestRulesCanFail(t *testing.T) {
	for _, rule := range archtest.Rules() {
		t.Run(rule.Name, func(t *testing.T) {
			archive, err := txtar.ParseFile(filepath.Join("testdata", rule.Name+".txtar"))
			if err != nil {
				t.Fatal(err)
			}
			files, want := fstest.MapFS{}, ""
			for _, file := range archive.Files {
				if file.Name == "want" {
					want = string(file.Data)
					continue
				}
				files[file.Name] = &fstest.MapFile{Data: expand(file.Data)}
			}
			if strings.TrimSpace(want) == "" {
				t.Fatal("the archive expects no finding")
			}
			tree, err := archtest.Load(files)
			if err != nil {
				t.Fatal(err)
			}
			var got strings.Builder
			for _, finding := range rule.Check(tree) {
				fmt.Fprintln(&got, finding)
			}
			if diff := cmp.Diff(want, got.String()); diff != "" {
				t.Errorf("findings (-want +got):\n%s", diff)
			}
		})
	}
}

// expand replaces a line "//fill N" by N lines of comment, so that archives of large files stay small.
func expand(text []byte) []byte {
	var out strings.Builder
	for line := range strings.Lines(string(text)) {
		var n int
		if _, err := fmt.Sscanf(strings.TrimSpace(line), "//fill %d", &n); err == nil {
			out.WriteString(strings.Repeat("// filled\n", n))
			continue
		}
		out.WriteString(line)
	}
	return []byte(out.String())
}

// TestLoadLeavesOut shows what is no part of the tree.
func TestLoadLeavesOut(t *testing.T) {
	tree, err := archtest.Load(fstest.MapFS{
		"go.mod":                      {Data: []byte("module sluice\n")},
		"queue/doc.go":                {Data: []byte("// Package queue is kept.\npackage queue\n")},
		"queue/testdata/bad.go":       {Data: []byte("not Go")},
		"queue/testdata/x/go.mod":     {Data: []byte("module x\n")},
		"queue/_old/bad.go":           {Data: []byte("not Go")},
		"tools/go.mod":                {Data: []byte("module sluice/tools\n")},
		"tools/bad.go":                {Data: []byte("not Go")},
		"vendor/example.com/a/bad.go": {Data: []byte("not Go")},
		"bin/bad.go":                  {Data: []byte("not Go")},
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(tree.Packages) != 1 || tree.Packages[0].Path != "queue" {
		t.Errorf("packages: %+v, want queue alone", tree.Packages)
	}
}

func TestLoadReportsSyntax(t *testing.T) {
	if _, err := archtest.Load(fstest.MapFS{"queue/bad.go": {Data: []byte("package queue\nfunc {")}}); err == nil {
		t.Error("a file that is not Go was loaded")
	}
}
