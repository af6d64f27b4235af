package lsfbridge

import (
	"strings"
	"testing"
	"time"

	"sluice/queue"
)

func TestLimitOptions(t *testing.T) {
	got, err := ParseSubmission(strings.Fields("-c 1:30/fast -M 20000 -v 1.5GB -p 5 -T 6 -F 1000 -D 30000 -S 4M -C 0 true"), place(""))
	want := queue.Limits{
		CPU: 90 * time.Minute, MemKiB: 20000, SwapKiB: 3 << 19, Processes: 5, Threads: 6,
		FileKiB: 1000, DataKiB: 30000, StackKiB: 4096, CoreKiB: queue.NoCore,
	}
	if err != nil || got.Spec.Limits != want {
		t.Errorf("%+v, %v", got, err)
	}
	if got.Spec.Need.MemMiB != 20 { // 19.5, reserved because nothing else is
		t.Errorf("reserves %d MiB", got.Spec.Need.MemMiB)
	}
	if got, err = ParseSubmission(strings.Fields("-M 3! -R rusage[mem=7] true"), place("")); err != nil || got.Spec.Limits.MemKiB != 3 || got.Spec.Need.MemMiB != 7 {
		t.Errorf("%+v, %v", got, err)
	}
	for command, want := range map[string]string{
		"-c abc":                 "abc: Bad CPULIMIT specification. Job not submitted.",
		"-M abc":                 "abc: MEMLIMT value should be a positive integer. Job not submitted.",
		"-M -1":                  "-1: MEMLIMT value should be a positive integer. Job not submitted.",
		"-v 0":                   "0: SWAPLIMT value should be a positive integer. Job not submitted.",
		"-F 1X":                  "1X: FILELIMT value should be a positive integer. Job not submitted.",
		"-D 99999999999999999EB": "99999999999999999EB: DATALIMT value should be a positive integer. Job not submitted.",
		"-S NaN":                 "NaN: STACKLIMT value should be a positive integer. Job not submitted.",
		"-C -1":                  "-1: CORELIMT value should be a positive integer. Job not submitted.",
		"-p 0":                   "0: PROCESSLIMT value should be a positive integer. Job not submitted.",
		"-T 3000000000":          "3000000000: THREADLIMT value should be a positive integer. Job not submitted.",
	} {
		if _, err := ParseSubmission(append(strings.Fields(command), "true"), place("")); err == nil || err.Error() != want {
			t.Errorf("%s: got %v, want %q", command, err, want)
		}
	}
	m, err := ParseModification(strings.Fields("-Mn -c 5 -C 10 7"), time.Now(), 1)
	if err != nil || strings.Join(m.Options, " ") != "M c C" || m.Spec.Limits != (queue.Limits{CPU: 5 * time.Minute, CoreKiB: 10}) {
		t.Errorf("bmod: %+v, %v", m, err)
	}
}

// The blocks are those that OpenLava 2.2 was recorded with, but for the host by which it normalises times.
func TestRecordedLimits(t *testing.T) {
	const recorded = `
 CPULIMIT                 RUNLIMIT                
 10.0 min of olmaster     20.0 min of olmaster    

 FILELIMIT DATALIMIT STACKLIMIT CORELIMIT MEMLIMIT
   1000 K   30000 K    4000 K        0 K   20000 K
`
	submission, err := ParseSubmission(strings.Fields("-c 10 -F 1000 -M 20000 -D 30000 -S 4000 -C 0 -W 20 sleep 600"), place(""))
	if err != nil {
		t.Fatal(err)
	}
	want := strings.ReplaceAll(recorded, " of olmaster", strings.Repeat(" ", len(" of olmaster")))
	same(t, string(appendLimits(nil, limitLines(&submission.Spec))), want)
}

// A value that fills its column is not cut.
func TestLargeLimits(t *testing.T) {
	spec := &queue.Spec{Limits: queue.Limits{FileKiB: 123456789012, MemKiB: 1234567890123}}
	if lines := limitLines(spec); lines[1] != "123456789012 K 1234567890123 K" {
		t.Errorf("large limits are %q", lines)
	}
}
