package lsfbridge

import (
	"strings"
	"testing"
	"time"

	"sluice/queue"
)

// The limits of a queue stand in bqueues -l as in the recorded outputs; defaults before them.
func TestPrintQueueLimits(t *testing.T) {
	most := queue.Limits{
		CPU: 15 * time.Minute, FileKiB: 2_000_000, DataKiB: 5_000_000, StackKiB: 20480, CoreKiB: queue.NoCore,
		MemKiB: 5_000_000, SwapKiB: 8_000_000, Processes: 50,
	}
	spec := queue.QueueSpec{Name: "short", Terms: queue.Terms{RunLimit: time.Minute, JobSlots: 2, Limits: most}, Users: []string{"~eve", "~bob"}}
	const recorded = `
 CPULIMIT                 RUNLIMIT                 PROCLIMIT               
 15.0 min                 1.0 min                  2

 FILELIMIT DATALIMIT STACKLIMIT CORELIMIT MEMLIMIT SWAPLIMIT PROCESSLIMIT
 2000000 K  5000000 K   20480 K        0 K  5000000 K 8000000 K      50`
	text := string(PrintLongQueues([]queue.QueueInfo{{QueueSpec: spec}}))
	tidy := func(s string) string { // a blank at the end of a line says nothing
		lines := strings.Split(s, "\n")
		for i := range lines {
			lines[i] = strings.TrimRight(lines[i], " ")
		}
		return strings.Join(lines, "\n")
	}
	for _, want := range []string{recorded, "USERS: all ~eve ~bob \n"} {
		if !strings.Contains(tidy(text), tidy(want)) {
			t.Errorf("no\n%s\nin\n%s", want, text)
		}
	}
	spec.RunDefault, spec.LeastJob = 30*time.Second, 1
	text = string(PrintLongQueues([]queue.QueueInfo{{QueueSpec: spec}}))
	const both = "\nDEFAULT LIMITS:\n\n RUNLIMIT\n 0.5 min\n\nMAXIMUM LIMITS:\n\n CPULIMIT                 RUNLIMIT                 PROCLIMIT\n" +
		" 15.0 min                 1.0 min                  1 2\n"
	if !strings.Contains(tidy(text), both) {
		t.Errorf("no\n%s\nin\n%s", both, text)
	}
}
