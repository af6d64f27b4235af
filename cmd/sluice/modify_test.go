package main

import (
	"os"
	"path/filepath"
	"testing"
)

// TestModifyRunningJobs is what users see of bmod while a job runs.
func TestModifyRunningJobs(t *testing.T) {
	u := newUser(t)
	grown := filepath.Join(u.work, "grown")
	u.must("bsub", "-R", "rusage[mem=100]", "-o", "old.out", `touch grown; head -c 150000000 /dev/zero | tail | sleep 1000`)
	eventually(t, "the job runs", func() bool { _, err := os.Stat(grown); return err == nil })
	contains(t, u.must("bmod", "-o", "new.%J", "-W", "60", "1"), "Parameters of job <1> are being changed")
	contains(t, u.must("bmod", "-R", "rusage[mem=120]", "1"), "Parameters of job <1> are being changed")
	containsLong(t, u.long("bjobs", "1"), "Output File <new.%J>", "Requested Resources <rusage[mem=120/task]>")
	for _, refused := range [][]string{{"-n", "2"}, {"-J", "x"}, {"-C", "5"}, {"-R", "rusage[mem=99999999]"}} {
		if out, err := u.try(append(append([]string{"bmod"}, refused...), "1")...); err == nil {
			t.Errorf("bmod %v is taken: %s", refused, out)
		}
	}
	u.must("bmod", "-M", "50000", "1")
	u.must("bwait", "-w", "exit(1)")
	containsLong(t, u.long("bjobs", "1"), "MEMLIMIT", "50000 K", "TERM_MEMLIMIT: job killed after reaching LSF memory usage limit")
	contains(t, u.read("new.1"), "TERM_MEMLIMIT")
	if old := u.read("old.out"); old != "" {
		t.Errorf("the old output file holds %q", old)
	}
}
