package testneed_test

import (
	"runtime"
	"testing"

	"sluice/internal/testneed"
)

// recorder is a test that notes how it was ended.
type recorder struct {
	testing.TB
	end string
}

func (r *recorder) Helper() {}

func (r *recorder) Fatalf(string, ...any) { r.finish("failed") }

func (r *recorder) Skipf(string, ...any) { r.finish("skipped") }

func (r *recorder) finish(how string) {
	r.end = how
	runtime.Goexit()
}

func TestNeed(t *testing.T) {
	for _, test := range []struct{ name, ci, program, want string }{
		{"present", "true", "go", ""},
		{"missing at home", "", "no-such-program", "skipped"},
		{"missing with CI off", "false", "no-such-program", "skipped"},
		{"missing in CI", "true", "no-such-program", "failed"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Setenv("CI", test.ci)
			r := &recorder{TB: t}
			path, done := "", make(chan struct{})
			go func() {
				defer close(done)
				path = testneed.Need(r, test.program)
			}()
			<-done
			if r.end != test.want {
				t.Errorf("test ended %q, want %q", r.end, test.want)
			}
			if (path != "") != (test.want == "") {
				t.Errorf("path %q for a test that ended %q", path, r.end)
			}
		})
	}
}
