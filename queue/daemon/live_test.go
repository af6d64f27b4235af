package daemon

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"sluice/queue"
	"sluice/queue/wire"
)

// TestRunningJobsAreMeasured follows what a host says of a job's use, from its start to its end.
func TestRunningJobsAreMeasured(t *testing.T) {
	b := newBench(t, nil)
	h := b.host("h1", 1)
	if !h.welcome.Usages {
		t.Error("the host is not told that its readings are welcome")
	}
	id := b.submit(command("solve"))
	start := h.hearStart()
	h.started(start.Attempt)
	at := time.Unix(1e9, 5).UTC()
	usage := &wire.Usage{
		Attempt: start.Attempt, AtUnixNs: at.UnixNano(), CpuNs: 3e9, RssMib: 3, MaxRssMib: 4, AvgRssMib: 2, SwapMib: 9, Threads: 5, Pids: []int32{7, 8},
	}
	other := &wire.Usage{Attempt: &wire.Attempt{Job: id.Job, Attempt: 2}, RssMib: 99}
	h.tell(&wire.HostMessage{Body: &wire.HostMessage_Usages{Usages: &wire.Usages{Usages: []*wire.Usage{usage, other}}}})
	h.beat(1)
	want := &queue.Live{At: at, CPU: 3 * time.Second, RSSMiB: 3, MaxRSSMiB: 4, AvgRSSMiB: 2, SwapMiB: 9, Threads: 5, PIDs: []int{7, 8}}
	if diff := cmp.Diff(want, b.job(id).Live); diff != "" {
		t.Error(diff)
	}
	h.tell(&wire.HostMessage{Body: &wire.HostMessage_Ended{Ended: &wire.Ended{
		Attempt: start.Attempt, CpuNs: 4e9, MaxRssMib: 5, AvgRssMib: 3, MaxSwapMib: 10, Processes: 2, Threads: 6,
	}}})
	h.acknowledged(start.Attempt)
	job := b.job(id)
	if job.Live != nil || job.Usage != (queue.Usage{CPU: 4 * time.Second, MaxRSSMiB: 5, AvgRSSMiB: 3, MaxSwapMiB: 10, Processes: 2, Threads: 6}) {
		t.Errorf("after its end: %+v, %+v", job.Live, job.Usage)
	}
}
