package host

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sluice/internal/testneed"
	"sluice/queue/wire"
)

func (d *daemon) change(key attemptKey, c *wire.JobChange) {
	d.t.Helper()
	c.Attempt = key.wire()
	d.send(&wire.DaemonMessage{Body: &wire.DaemonMessage_Change{Change: c}})
}

// A running job over a limit that is lowered is ended for it, one whose limit is raised in time goes on.
func TestLimitsOfRunningJobsChange(t *testing.T) {
	t.Parallel()
	testneed.Need(t, "python3")
	d := newDaemon(t)
	startHost(t, d) // measured every 5 seconds: a limit has that done more often
	dir := t.TempDir()
	grown := filepath.Join(dir, "grown")
	sleep := tag()
	soon := func(s *wire.Start) { s.KillGraceNs = int64(200 * time.Millisecond) }
	over := d.begin(newStart(`(setsid sleep `+sleep+` &); python3 -c 'import time; x=bytearray(200<<20); open("`+grown+`","w").close(); time.sleep(1000)'`, soon))
	eventually(t, "the job has grown", func() bool { _, err := os.Stat(grown); return err == nil })
	d.change(over, &wire.JobChange{Limits: &wire.Limits{MemKib: 100 << 10}})
	if ended := d.end(over); ended.ExitCode != 130 && ended.ExitCode != 137 || ended.Reason != reasonMemory {
		t.Errorf("over its new limit it ended with %d, %q", ended.ExitCode, ended.Reason)
	}
	if n := processesWith(t, "sleep "+sleep); n != 0 {
		t.Errorf("%d processes are left", n)
	}
	raised := d.begin(newStart(`until [ -e `+dir+`/go ]; do sleep 0.02; done; python3 -c 'import time; x=bytearray(200<<20); time.sleep(1.5)'`, func(s *wire.Start) {
		s.Limits = &wire.Limits{MemKib: 60 << 10, CpuNs: int64(time.Hour)}
	}))
	d.pid(raised)
	d.change(raised, &wire.JobChange{})
	plain := d.begin(newStart("sleep 0.1")) // what came before it has been taken
	d.pid(plain)
	if err := os.WriteFile(filepath.Join(dir, "go"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if ended := d.end(raised); ended.ExitCode != 0 {
		t.Errorf("without its limit it ended with %d, %q", ended.ExitCode, ended.Reason)
	}
	cpu := d.begin(newStart("while :; do :; done", soon))
	d.pid(cpu)
	d.change(cpu, &wire.JobChange{Limits: &wire.Limits{CpuNs: int64(10 * time.Millisecond)}})
	if ended := d.end(cpu); ended.ExitCode != 152 || !strings.HasPrefix(ended.Reason, "TERM_CPULIMIT") {
		t.Errorf("over its new processor time it ended with %d, %q", ended.ExitCode, ended.Reason)
	}
}

// The output of a running job goes where it is to go when it ends.
func TestOutputOfRunningJobsChanges(t *testing.T) {
	t.Parallel()
	d := newDaemon(t)
	startHost(t, d)
	dir := t.TempDir()
	path := func(name string) string { return filepath.Join(dir, name) }
	if err := os.WriteFile(path("new.err"), []byte("old\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	key := d.begin(newStart(`echo to stdout; echo to stderr >&2; until [ -e `+path("go")+` ]; do sleep 0.02; done`, func(s *wire.Start) {
		s.Stdout, s.Stderr = path("out"), path("err")
	}))
	d.pid(key)
	d.change(key, &wire.JobChange{Stdout: path("new.out"), Stderr: path("new.err"), TruncateStderr: true})
	// A job may be changed before it has a process, too.
	early := d.begin(newStart("echo early", func(s *wire.Start) { s.Stdout = path("out") }))
	d.change(early, &wire.JobChange{Stdout: path("early.out")})
	d.end(early)
	if err := os.WriteFile(path("go"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	d.end(key)
	read := func(name string) string {
		data, err := os.ReadFile(path(name))
		if err != nil {
			t.Error(err)
		}
		return string(data)
	}
	if got := read("new.out"); !strings.Contains(got, "follows:\n\nto stdout\n") || !strings.Contains(got, "Read file <"+path("new.err")+">") {
		t.Errorf("the new output file holds %q", got)
	}
	if got := read("new.err"); got != "to stderr\n" {
		t.Errorf("the new error file holds %q", got)
	}
	for _, name := range []string{"out", "err"} {
		if _, err := os.Stat(path(name)); err == nil && name == "err" {
			t.Errorf("there is a file %s", name)
		}
	}
}
