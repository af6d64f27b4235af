package host

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sluice/queue/wire"
)

func TestOutputIsAppendedOrTruncated(t *testing.T) {
	d := newDaemon(t)
	startHost(t, d)
	out := filepath.Join(t.TempDir(), "out")
	write := func(text string, truncate bool) string {
		d.run(newStart("echo "+text, func(s *wire.Start) { s.Stdout, s.TruncateStdout = out, truncate }))
		return readFile(t, out)
	}
	write("one", false)
	if got := write("two", false); strings.Count(got, "Sender:") != 2 || !strings.Contains(got, "\none\n") || !strings.HasSuffix(got, "\ntwo\n") {
		t.Errorf("appended: %q", got)
	}
	if got := write("three", true); strings.Count(got, "Sender:") != 1 || !strings.HasSuffix(got, "\nthree\n") {
		t.Errorf("truncated: %q", got)
	}
}

// Reports of jobs that end at the same time do not mix, however long their output is.
func TestOutputsDoNotMix(t *testing.T) {
	t.Parallel()
	d := newDaemon(t)
	startHost(t, d)
	out := filepath.Join(t.TempDir(), "out")
	var keys []attemptKey
	for _, letter := range []string{"a", "b", "c", "d", "e", "f"} {
		keys = append(keys, d.begin(newStart("yes "+letter+" | head -c 2000000", func(s *wire.Start) { s.Stdout = out })))
	}
	for _, key := range keys {
		if ended := d.end(key); ended.ExitCode != 0 || ended.Reason != "" {
			t.Errorf("%v", ended)
		}
	}
	for i, part := range strings.Split(readFile(t, out), "Sender: ")[1:] {
		_, body, _ := strings.Cut(part, "follows:\n\n")
		if len(body) != 2000000 || strings.Count(body, body[:2]) != 1000000 {
			t.Errorf("report %d holds %d bytes of several jobs", i, len(body))
		}
	}
}

func TestOutputThatCannotBeWrittenIsKept(t *testing.T) {
	d := newDaemon(t)
	h := startHost(t, d)
	ended := d.run(newStart("echo precious; exit 4", func(s *wire.Start) { s.Stdout = "/no/such/dir/f" }))
	if ended.ExitCode != 4 || !strings.Contains(ended.Reason, "open output file /no/such/dir/f: no such file or directory; output kept in ") {
		t.Fatalf("%v", ended)
	}
	kept, err := filepath.Glob(filepath.Join(h.workDir, "undelivered", "*"))
	if err != nil || len(kept) != 1 || readFile(t, kept[0]) != "precious\n" {
		t.Errorf("kept: %v, %v", kept, err)
	}
	// As in LSF, that is no failure of the job.
	ended = d.run(newStart("echo precious", func(s *wire.Start) { s.Stdout = "/no/such/dir/f" }))
	if ended.ExitCode != 0 || ended.Reason != "" {
		t.Errorf("%v", ended)
	}
	out := filepath.Join(t.TempDir(), "out")
	ended = d.run(newStart("echo to err >&2", func(s *wire.Start) { s.Stdout, s.Stderr = out, "/no/such/dir/f" }))
	if report := readFile(t, out); ended.ExitCode != 0 || !strings.HasSuffix(report, "\n\nPS:\n\nFail to open stderr file /no/such/dir/f: no such file or directory.\n\n") {
		t.Errorf("%v\n%s", ended, report)
	}
}

func TestOutputLimit(t *testing.T) {
	d := newDaemon(t)
	h := startHost(t, d, func(c *Config) { c.SpoolBytes = 100_000 })
	out := filepath.Join(t.TempDir(), "out")
	ended := d.run(newStart("yes | head -c 1000000; exit 3", func(s *wire.Start) { s.Stdout = out }))
	report := readFile(t, out)
	if ended.ExitCode != 3 || strings.Count(report, "y\n") != 50_000 || !strings.Contains(report, "The last 900000 bytes of the output were dropped: the limit is 100000 bytes.") {
		t.Errorf("%v, report of %d bytes", ended, len(report))
	}
	ended = d.run(newStart("yes | head -c 1000000")) // to nowhere
	if ended.ExitCode != 0 {
		t.Errorf("%v", ended)
	}
	spool, err := filepath.Glob(filepath.Join(h.workDir, "sluice-spool-*", "*"))
	if err != nil || len(spool) != 0 {
		t.Errorf("the spool still holds %v (%v)", spool, err)
	}
}

// A FIFO that nobody reads must hold up neither the host nor the job.
func TestOutputToFIFO(t *testing.T) {
	d := newDaemon(t)
	startHost(t, d)
	fifo := filepath.Join(t.TempDir(), "fifo")
	makeFIFO(t, fifo)
	ended := d.run(newStart("echo x; exit 2", func(s *wire.Start) { s.Stdout = fifo }))
	if ended.ExitCode != 2 || !strings.Contains(ended.Reason, "open output file") {
		t.Errorf("%v", ended)
	}
	ended = d.run(newStart("cat", func(s *wire.Start) { s.Stdin = fifo }))
	if ended.ExitCode != 0 {
		t.Errorf("a FIFO without writer as input: %v", ended)
	}
}

func TestHostLeavesNoFiles(t *testing.T) {
	d := newDaemon(t)
	h := startHost(t, d)
	d.run(newStart("echo x"))
	h.stop()
	if err := h.wait(t); err != nil {
		t.Fatal(err)
	}
	left, err := os.ReadDir(h.workDir)
	if err != nil || len(left) != 0 {
		t.Errorf("left: %v (%v)", left, err)
	}
}
