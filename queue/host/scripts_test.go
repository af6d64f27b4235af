package host

import (
	"os"
	"path/filepath"
	"testing"
)

func TestStaleScriptsAreRemoved(t *testing.T) {
	parent := t.TempDir()
	held, err := newScriptDir(parent)
	if err != nil {
		t.Fatal(err)
	}
	lock, err := lockDir(held)
	if err != nil {
		t.Fatal(err)
	}
	defer lock.Close()
	stale, err := newScriptDir(parent)
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, filepath.Join(stale, "1.0.1"), "true")
	link := filepath.Join(parent, scriptsPattern+"link")
	elsewhere := t.TempDir()
	writeFile(t, filepath.Join(elsewhere, "precious"), "")
	if err := os.Symlink(elsewhere, link); err != nil {
		t.Fatal(err)
	}
	removeStale(parent)
	for path, want := range map[string]bool{held: true, stale: false, filepath.Join(elsewhere, "precious"): true} {
		if _, err := os.Stat(path); (err == nil) != want {
			t.Errorf("%s: %v", path, err)
		}
	}
}

// Own jobs' scripts stay in the work dir, whoever may enter it.
func TestScriptsOfOthersAreReachable(t *testing.T) {
	closed := filepath.Join(workDir(t), "closed")
	if err := os.Mkdir(closed, 0o700); err != nil {
		t.Fatal(err)
	}
	s, err := newScripts(closed)
	if err != nil {
		t.Fatal(err)
	}
	own, err := s.of(&account{own: true})
	if err != nil || filepath.Dir(own) != closed {
		t.Errorf("own: %s, %v", own, err)
	}
	others, err := s.of(&account{})
	if err != nil || !reachable(others) {
		t.Errorf("others': %s, %v", others, err)
	}
	if err := s.remove(); err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{own, others} {
		if _, err := os.Stat(dir); err == nil {
			t.Errorf("%s is left", dir)
		}
	}
}
