package lsfbridge

import (
	"strings"
	"testing"
	"time"

	"sluice/queue"
)

// What a job uses is shown as LSF shows it: below a paragraph of its own while it runs, and in a block for its memory.
func TestUsageIsShown(t *testing.T) {
	start := time.Date(2026, 11, 20, 22, 48, 11, 0, time.UTC)
	job := &queue.Job{
		ID: queue.ID{Job: 7}, Spec: &queue.Spec{Command: "solve", User: "ann", Queue: "normal"}, State: queue.Running, PID: 100,
		SubmittedAt: start, StartedAt: start, Placement: []queue.Placement{{Host: "h1", Slots: 1}},
		Live: &queue.Live{
			At: start.Add(5 * time.Second), CPU: 4900 * time.Millisecond, RSSMiB: 3, MaxRSSMiB: 11, AvgRSSMiB: 6, SwapMiB: 100, Threads: 4,
			PIDs: []int{100, 101},
		},
	}
	show := func() string {
		var out strings.Builder
		p := NewJobPrinter(&out, &JobQuery{Form: FormLong}, start.In(time.FixedZone("east", 3600)))
		if err := p.Print(job); err != nil {
			t.Fatal(err)
		}
		if err := p.Close(); err != nil {
			t.Fatal(err)
		}
		_, rest, _ := strings.Cut(out.String(), "Started on <h1>;\n")
		shown, _, _ := strings.Cut(rest, "\n"+schedulingTitle)
		return shown
	}
	same(t, show(), `Fri Nov 20 23:48:16: Resource usage collected.
                     The CPU time used is 4 seconds.
                     MEM: 3 Mbytes;  SWAP: 100 Mbytes;  NTHREAD: 4
                     PGID: 100;  PIDs: 100 101 

 MEMORY USAGE:
 MAX MEM: 11 Mbytes;  AVG MEM: 6 Mbytes
`)
	fields, delimiter, err := ParseFields("cpu_used mem max_mem avg_mem swap nthreads pids delimiter=','")
	if err != nil {
		t.Fatal(err)
	}
	same(t, string(AppendFields(nil, job, fields, delimiter, start)), "4.9 second(s),3 Mbytes,11 Mbytes,6 Mbytes,100 Mbytes,4,100,101\n")

	job.State, job.EndedAt, job.Live = queue.Done, start.Add(time.Minute), nil
	job.Usage = queue.Usage{CPU: 9 * time.Second, MaxRSSMiB: 12, AvgRSSMiB: 5, MaxSwapMiB: 101, Threads: 6}
	same(t, show(), `Fri Nov 20 23:49:11: Done successfully. The CPU time used is 9.0 seconds.

 MEMORY USAGE:
 MAX MEM: 12 Mbytes;  AVG MEM: 5 Mbytes
`)
	same(t, string(AppendFields(nil, job, fields, delimiter, start)), "9.0 second(s),12 Mbytes,12 Mbytes,5 Mbytes,101 Mbytes,6,100\n")
}
