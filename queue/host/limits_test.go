package host

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sluice/internal/testneed"
	"sluice/queue/wire"
)

// Jobs that pass a limit of all their processes together are ended, with LSF's reason and exit code, and leave nothing.
func TestWatchedLimits(t *testing.T) {
	t.Parallel()
	testneed.Need(t, "python3")
	testneed.Need(t, "setsid")
	d := newDaemon(t)
	startHost(t, d, func(c *Config) { c.SampleEvery = 20 * time.Millisecond })
	const kiB = 1024
	for name, test := range map[string]struct {
		command string // %s: sleep with a tag
		limits  wire.Limits
		code    int32
		reason  string
	}{
		"memory": {
			`(setsid %s & ) ; python3 -c 'import time; x=bytearray(200<<20); time.sleep(1000)'`,
			wire.Limits{MemKib: 100 * kiB},
			130, "TERM_MEMLIMIT: job killed after reaching LSF memory usage limit",
		},
		"memory of several": {
			`for i in 1 2 3; do python3 -c 'import time; x=bytearray(60<<20); time.sleep(1000)' & done; (setsid %s &); wait`,
			wire.Limits{MemKib: 150 * kiB},
			130, "TERM_MEMLIMIT: job killed after reaching LSF memory usage limit",
		},
		"memory that goes on to grow": {
			`(setsid %s & ); exec python3 -c '
import signal, time
for s in (signal.SIGINT, signal.SIGTERM): signal.signal(s, signal.SIG_IGN)
x = []
while True:
    x.append(bytearray(8<<20))
    time.sleep(0.05)'`,
			wire.Limits{MemKib: 60 * kiB},
			130, "TERM_MEMLIMIT: job killed after reaching LSF memory usage limit",
		},
		"virtual memory": {
			`(setsid %s & ) ; python3 -c 'import mmap, time; x=mmap.mmap(-1, 8<<30); time.sleep(1000)'`,
			wire.Limits{SwapKib: 4 << 20},
			130, "TERM_SWAP: job killed after reaching LSF swap usage limit",
		},
		"processor time": {
			`(setsid %s & ); while :; do :; done & while :; do :; done`,
			wire.Limits{CpuNs: int64(200 * time.Millisecond)},
			152, "TERM_CPULIMIT: job killed after reaching LSF CPU usage limit",
		},
		"processor time of ended children": {
			`(setsid %s & ); while :; do python3 -c 'sum(range(1000000))'; done`,
			wire.Limits{CpuNs: int64(300 * time.Millisecond)},
			152, "TERM_CPULIMIT: job killed after reaching LSF CPU usage limit",
		},
		"processes": {
			`for i in 1 2 3 4 5; do setsid %s & done; wait`,
			wire.Limits{Processes: 4},
			130, "TERM_PROCESSLIMIT: job killed after reaching LSF process limit",
		},
		"threads": {
			`(setsid %s & ); python3 -c 'import threading, time
for i in range(8): threading.Thread(target=time.sleep, args=(1000,), daemon=True).start()
time.sleep(1000)'`,
			wire.Limits{Threads: 6},
			130, "TERM_THREADLIMIT: job killed after reaching LSF thread limit",
		},
	} {
		t.Run(name, func(t *testing.T) {
			sleep, out := tag(), filepath.Join(t.TempDir(), "out")
			command := strings.ReplaceAll(test.command, "%s", "sleep "+sleep)
			ended := d.run(newStart(command, func(s *wire.Start) {
				s.Limits, s.KillGraceNs, s.Stdout = &test.limits, int64(200*time.Millisecond), out
			}))
			if ended.ExitCode != test.code || ended.Reason != test.reason {
				t.Errorf("%v", ended)
			}
			if n := processesWith(t, "sleep "+sleep); n != 0 {
				t.Errorf("%d processes are left", n)
			}
			if want := fmt.Sprintf("\n\n%s.\nExited with exit code %d.\n", test.reason, test.code); !strings.Contains(readFile(t, out), want) {
				t.Errorf("the report does not say why: %s", readFile(t, out))
			}
		})
	}
}

// A job within its limits is left alone.
func TestWithinLimits(t *testing.T) {
	d := newDaemon(t)
	startHost(t, d, func(c *Config) { c.SampleEvery = 10 * time.Millisecond })
	ended := d.run(newStart("sleep 0.3", func(s *wire.Start) {
		s.Limits = &wire.Limits{MemKib: 1 << 20, SwapKib: 1 << 20, CpuNs: int64(time.Minute), Processes: 10, Threads: 10}
	}))
	if ended.ExitCode != 0 || ended.Reason != "" {
		t.Errorf("%v", ended)
	}
}

// Limits of single processes are in force when the job's command begins, whatever way it is run.
func TestResourceLimits(t *testing.T) {
	d := newDaemon(t)
	startHost(t, d)
	for _, head := range []string{"", "#!/bin/sh\n"} {
		out := filepath.Join(t.TempDir(), "out")
		ended := d.run(newStart(head+`for l in f d s c; do ulimit -$l; done > `+out+`; [ "$0" = "$LSB_JOBFILENAME" ] && [ "$LS_JOBPID" = $$ ]`, func(s *wire.Start) {
			s.Limits = &wire.Limits{FileKib: 1000, DataKib: 300_000, StackKib: 4000, CoreKib: -1}
		}))
		if got := readFile(t, out); ended.ExitCode != 0 || got != "2000\n300000\n4000\n0\n" {
			t.Errorf("%v: limits %q", ended, got)
		}
	}
	ended := d.run(newStart("head -c 2000000 /dev/zero > big", func(s *wire.Start) {
		s.Cwd, s.Limits = t.TempDir(), &wire.Limits{FileKib: 1000}
	}))
	if ended.ExitCode != 153 { // SIGXFSZ
		t.Errorf("a file above its limit: %v", ended)
	}
}
