package host

import (
	"crypto/sha256"
	"encoding/hex"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sluice/queue/wire"
)

// inputOf has a job read an input that the daemon keeps.
func inputOf(content string) func(*wire.Start) {
	sum := sha256.Sum256([]byte(content))
	return func(s *wire.Start) { s.Input = hex.EncodeToString(sum[:]) }
}

// giveInput answers the next question of a job for its input.
func (d *daemon) giveInput(key attemptKey, content string, offset, size int) {
	d.t.Helper()
	d.await("question of job "+key.String(), func() bool { return d.askedInput[key] != nil && d.askedInput[key].GetOffset() == int64(offset) })
	end := min(offset+size, len(content))
	d.send(&wire.DaemonMessage{Body: &wire.DaemonMessage_Input{Input: &wire.Input{
		Attempt: key.wire(), Offset: int64(offset), Data: []byte(content[offset:end]), Whole: int64(len(content)),
	}}})
}

func (d *daemon) giveAll(key attemptKey, content string, size int) {
	d.t.Helper()
	for offset := 0; offset < len(content); offset += size {
		d.giveInput(key, content, offset, size)
	}
	d.giveInput(key, content, len(content), 0)
}

func spooled(t *testing.T, h *runningHost) (paths []string) {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(h.workDir, "sluice-spool-*", "input.*"))
	if err != nil {
		t.Fatal(err)
	}
	return paths
}

// Jobs read the input that the daemon keeps, each from its beginning; it comes in pieces, once, and across connections.
func TestInputComesFromTheDaemon(t *testing.T) {
	t.Parallel()
	d := newDaemon(t)
	h := startHost(t, d)
	content := strings.Repeat("some input\n", 1000)
	out := filepath.Join(t.TempDir(), "out")
	read := inputOf(content)
	first := d.begin(newStart("cat; cat /dev/stdin | wc -c", read, func(s *wire.Start) { s.Stdout = out + ".1" }))
	d.giveInput(first, content, 0, 5000)
	d.await("second question", func() bool { return d.askedInput[first].GetOffset() == 5000 })
	d.set(func(d *daemon) { delete(d.askedInput, first) })
	d.drop() // it asks again on the next connection
	d.giveInput(first, content, 5000, 6000)
	d.giveInput(first, content, len(content), 0)
	if ended := d.end(first); ended.ExitCode != 0 {
		t.Fatalf("it ended with %d, %q", ended.ExitCode, ended.Reason)
	}
	second := d.begin(newStart("cat", read, func(s *wire.Start) { s.Stdout = out + ".2" }))
	if ended := d.end(second); ended.ExitCode != 0 || d.askedInput[second] != nil {
		t.Errorf("the second job ended with %d, %q, having asked %v", ended.ExitCode, ended.Reason, d.askedInput[second])
	}
	for _, name := range []string{".1", ".2"} {
		data, err := os.ReadFile(out + name)
		if err != nil || !strings.Contains(string(data), "follows:\n\n"+content) {
			t.Errorf("output%s has %d bytes (%v)", name, len(data), err)
		}
	}
	if n := len(spooled(t, h)); n != 1 {
		t.Errorf("%d inputs are kept", n)
	}
}

// A job whose input cannot be had does not run, and another one may still get it.
func TestInputThatCannotBeHad(t *testing.T) {
	t.Parallel()
	d := newDaemon(t)
	h := startHost(t, d)
	left := filepath.Join(t.TempDir(), "ran")
	start := func() *wire.Start { return newStart("touch "+left, inputOf("right")) }
	wrong := d.begin(start())
	d.giveAll(wrong, "wrong", 3)
	if ended := d.end(wrong); ended.ExitCode != exitNotStarted || !strings.Contains(ended.Reason, "checksum") {
		t.Errorf("with another input it ended with %d, %q", ended.ExitCode, ended.Reason)
	}
	none := d.begin(start())
	d.await("question", func() bool { return d.askedInput[none] != nil })
	d.send(&wire.DaemonMessage{Body: &wire.DaemonMessage_Input{Input: &wire.Input{Attempt: none.wire(), Problem: "it is gone"}}})
	if ended := d.end(none); ended.ExitCode != exitNotStarted || !strings.Contains(ended.Reason, "it is gone") {
		t.Errorf("without input it ended with %d, %q", ended.ExitCode, ended.Reason)
	}
	if _, err := os.Stat(left); err == nil {
		t.Error("one of them ran")
	}
	if n := len(spooled(t, h)); n != 0 {
		t.Errorf("%d inputs are kept", n)
	}
	// Two wait for one input; the first is killed while it is fetched in its name.
	killed := d.begin(start())
	d.await("question", func() bool { return d.askedInput[killed] != nil })
	waiting := d.begin(start())
	d.signal(killed, 0, 130, "bkill")
	if ended := d.end(killed); ended.ExitCode != 130 {
		t.Errorf("the killed one ended with %d, %q", ended.ExitCode, ended.Reason)
	}
	d.giveAll(waiting, "right", 2)
	if ended := d.end(waiting); ended.ExitCode != 0 {
		t.Errorf("the other one ended with %d, %q", ended.ExitCode, ended.Reason)
	}
}

// What nobody reads goes when there is too much of it.
func TestUnusedInputsAreBounded(t *testing.T) {
	in := newInputs(t.TempDir(), func(*wire.AskInput) { t.Error("it asked") })
	var files []*inputFile
	for _, sum := range []string{"a", "b", "c"} {
		f, fresh := in.file(inputKey{"ann", sum})
		if !fresh {
			t.Fatal("an input is known that nobody had")
		}
		if err := os.WriteFile(f.path, nil, 0o400); err != nil {
			t.Fatal(err)
		}
		f.size = maxUnused / 2
		in.settle(f)
		files = append(files, f)
	}
	release := func(f *inputFile) {
		t.Helper()
		if err := in.release(f); err != nil {
			t.Fatal(err)
		}
	}
	release(files[0])
	release(files[1])
	if f, fresh := in.file(inputKey{"ann", "a"}); f != files[0] || fresh || len(in.unused) != 1 {
		t.Errorf("the unused input is not found again: fresh %v, unused %d", fresh, len(in.unused))
	}
	release(files[0])
	release(files[2])
	if _, err := os.Stat(files[1].path); err == nil || len(in.files) != 2 || in.bytes != maxUnused {
		t.Errorf("the oldest is kept: %d files, %d bytes", len(in.files), in.bytes)
	}
}
