package host

import (
	"path/filepath"
	"testing"
	"time"

	"sluice/internal/testneed"
	"sluice/queue/wire"
)

// A limit of run time or memory ends jobs that try to stay as bkill does; see escapes.
func TestLimitsLeaveNoProcess(t *testing.T) {
	t.Parallel()
	testneed.Need(t, "python3")
	d := newDaemon(t)
	startHost(t, d, func(c *Config) { c.SampleEvery = 20 * time.Millisecond })
	const hog = `(until [ -e $READY ]; do sleep 0.01; done; exec python3 -c 'import time; x=bytearray(300<<20); time.sleep(1000)') & `
	for name, way := range escapes {
		t.Run(name, func(t *testing.T) {
			sleep, ready := tag(), filepath.Join(t.TempDir(), "ready")
			key := d.begin(escape(t, way, ready, sleep))
			awaitFile(t, ready)
			d.send(&wire.DaemonMessage{Body: &wire.DaemonMessage_Signal{Signal: &wire.Signal{
				Attempt: key.wire(), ExitCode: 140, Reason: "TERM_RUNLIMIT", WarningNs: 1,
			}}})
			start := escape(t, hog+way, ready+"2", sleep+"1")
			start.Limits = &wire.Limits{MemKib: 150 << 10}
			hungry := d.begin(start) // beside the check of the other
			if ended := d.end(key); ended.ExitCode != 140 || ended.Reason != "TERM_RUNLIMIT" {
				t.Errorf("run limit: %v", ended)
			}
			if n := processesWith(t, "sleep "+sleep+" "); n != 0 {
				t.Errorf("run limit: %d processes are left after Ended", n)
			}
			if ended := d.end(hungry); ended.ExitCode != 130 || ended.Reason != "TERM_MEMLIMIT: job killed after reaching LSF memory usage limit" {
				t.Errorf("memory limit: %v", ended)
			}
			if n := processesWith(t, "sleep "+sleep+"1 "); n != 0 {
				t.Errorf("memory limit: %d processes are left after Ended", n)
			}
		})
	}
}

// A host that is drained ends what is left of its jobs at the drain limit, and only then itself.
func TestDrainLeavesNoProcess(t *testing.T) {
	d := newDaemon(t)
	h := startHost(t, d, func(c *Config) { c.DrainLimit = 50 * time.Millisecond })
	keys, sleeps := map[string]attemptKey{}, map[string]string{}
	for name, way := range escapes {
		sleep, ready := tag(), filepath.Join(t.TempDir(), "ready")
		keys[name], sleeps[name] = d.begin(escape(t, way, ready, sleep)), sleep
		awaitFile(t, ready)
	}
	h.stop()
	if err := h.wait(t); err != nil {
		t.Error(err)
	}
	for name, key := range keys {
		if ended := d.end(key); ended.ExitCode != 137 || ended.Reason != "the host was asked to end" {
			t.Errorf("%s: %v", name, ended)
		}
		if n := processesWith(t, "sleep "+sleeps[name]); n != 0 {
			t.Errorf("%s: %d processes are left", name, n)
		}
	}
}
