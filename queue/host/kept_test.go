package host

import (
	"path/filepath"
	"strings"
	"testing"

	"sluice/queue/wire"
)

// fetch asks for what is kept of a job.
func (d *daemon) fetch(key attemptKey, stderr bool, offset int64) *wire.Output {
	d.t.Helper()
	d.asked++
	number := d.asked
	d.send(&wire.DaemonMessage{Body: &wire.DaemonMessage_Peek{Peek: &wire.Peek{
		Number: number, Attempt: key.wire(), Stderr: stderr, Offset: offset, Limit: maxPeek,
	}}})
	d.await("answer", func() bool { return d.outputs[number] != nil })
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.outputs[number]
}

func (d *daemon) fetched(key attemptKey) {
	d.send(&wire.DaemonMessage{Body: &wire.DaemonMessage_Fetched{Fetched: &wire.Fetched{Attempt: key.wire()}}})
}

func keeping(bytes int64) func(*wire.Start) { return func(s *wire.Start) { s.KeepBytes = bytes } }

// The end of what a job wrote is kept, over reconnections, until the daemon has it; whether it also went to a file or not.
func TestOutputIsKept(t *testing.T) {
	t.Parallel()
	d := newDaemon(t)
	startHost(t, d)
	dir := t.TempDir()
	toFiles := func(s *wire.Start) { s.Stdout, s.Stderr = filepath.Join(dir, "o"), filepath.Join(dir, "e") }
	ended := d.run(newStart("echo hello; echo oops >&2; exit 3", keeping(100), toFiles))
	key := keyOf(ended.Attempt)
	if k := ended.GetKept(); k.GetOutBytes() != 6 || k.GetErrBytes() != 5 || *k.Attempt != *ended.Attempt {
		t.Errorf("%v", ended)
	}
	if out := d.fetch(key, false, 2); string(out.Data) != "llo\n" || out.Kept != 6 || !out.Separate || out.Absent || out.Skipped != 0 {
		t.Errorf("%v", out)
	}
	if out := d.fetch(key, true, 0); string(out.Data) != "oops\n" {
		t.Errorf("%v", out)
	}
	hellos := len(d.hellos)
	d.drop()
	d.await("another hello", func() bool { return len(d.hellos) > hellos })
	d.mu.Lock()
	kept := d.hellos[len(d.hellos)-1].Kept
	d.mu.Unlock()
	if len(kept) != 1 || kept[0].OutBytes != 6 || kept[0].ErrBytes != 5 {
		t.Errorf("says it keeps %v", kept)
	}
	if out := d.fetch(key, false, 0); string(out.Data) != "hello\n" {
		t.Errorf("%v", out)
	}
	d.fetched(key)
	if out := d.fetch(key, false, 0); !out.Absent {
		t.Errorf("after it was fetched: %v", out)
	}

	for size, head := range map[string]int64{"300000": memoryOutput, "5000": 1000} { // in a file, in memory
		ended = d.run(newStart("head -c "+size+" /dev/zero | tr '\\0' x; echo end", keeping(head)))
		out := d.fetch(keyOf(ended.Attempt), false, 0)
		if int64(len(out.Data)) != head || !strings.HasSuffix(string(out.Data), "xxend\n") || out.Kept != out.Skipped+head {
			t.Errorf("%s bytes: %d bytes, kept %d, skipped %d", size, len(out.Data), out.Kept, out.Skipped)
		}
	}
	for name, s := range map[string]*wire.Start{
		"nothing":      newStart("true", keeping(100)),
		"not wanted":   newStart("echo hello"),
		"pre-exec":     newStart("echo hello", keeping(100), func(s *wire.Start) { s.PreExec = []string{"false"} }),
		"to /dev/null": newStart("echo hello", keeping(100), func(s *wire.Start) { s.Stdout = "/dev/null" }),
	} {
		if ended := d.run(s); ended.Kept != nil {
			t.Errorf("%s: %v", name, ended)
		}
	}
}

// A host that is told to leave waits until its jobs' output is fetched.
func TestLeaveWaitsForOutput(t *testing.T) {
	d := newDaemon(t)
	h := startHost(t, d)
	key := keyOf(d.run(newStart("echo hello", keeping(100))).Attempt)
	d.send(&wire.DaemonMessage{Body: &wire.DaemonMessage_Leave{Leave: &wire.Leave{}}})
	if out := d.fetch(key, false, 0); string(out.Data) != "hello\n" {
		t.Errorf("%v", out)
	}
	d.fetched(key)
	if err := h.wait(t); err != nil {
		t.Error(err)
	}
}

// What nobody fetches is bounded: the oldest goes.
func TestKeptIsBounded(t *testing.T) {
	k := &keeper{kept: map[attemptKey]*keptOutput{}, out: &outbox{wake: make(chan struct{}, 1)}}
	data := make([]byte, maxKeepBytes)
	const most = maxKeptBytes / maxKeepBytes
	for i := range int32(most + 2) {
		k.keep(attemptKey{attempt: i}, &keptOutput{out: tail{data: data}})
	}
	if k.keptBytes != maxKeptBytes || len(k.kept) != most || len(k.keptOrder) != most || k.kept[attemptKey{attempt: 1}] != nil {
		t.Errorf("%d bytes of %d jobs, %d in order", k.keptBytes, len(k.kept), len(k.keptOrder))
	}
	for i := int32(most + 1); i >= 0; i-- {
		k.fetched(attemptKey{attempt: i})
	}
	if k.keptBytes != 0 || len(k.kept) != 0 || len(k.keptOrder) != 0 {
		t.Errorf("left: %d bytes, %v", k.keptBytes, k.keptOrder)
	}
}
