package testneed

import (
	"os"
	"os/exec"
	"testing"
)

// Need gives the path of a program. Where the program is missing, the test ends: skipped, or failed in CI, where
// scripts/ci-deps has to install it. Call it from the goroutine of the test.
func Need(t testing.TB, program string) string {
	t.Helper()
	path, err := exec.LookPath(program)
	if err == nil {
		return path
	}
	if os.Getenv("CI") == "true" {
		t.Fatalf("find program (add it to scripts/ci-deps): %v", err)
	}
	t.Skipf("needs a program: %v", err)
	return ""
}
