package daemon

import (
	"context"
	"math"
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

// What a host tells of its machine is shown while it is there; numbers that are none are not.
func TestMachineLoads(t *testing.T) {
	b := newBench(t, nil)
	r := b.host("h1", 1)
	if !r.welcome.Loads {
		t.Error("the host is not told that its load is welcome")
	}
	machine := func() *queue.MachineLoad {
		hosts, err := b.client.Hosts(context.Background())
		if err != nil || len(hosts) != 1 {
			t.Fatal(hosts, err)
		}
		return hosts[0].Machine
	}
	if m := machine(); m != nil {
		t.Errorf("it has told nothing, but is shown with %+v", m)
	}
	tell := func(m *wire.HostLoad) *queue.MachineLoad {
		r.tell(&wire.HostMessage{Body: &wire.HostMessage_Load{Load: m}})
		r.beat(1)
		return machine()
	}
	want := queue.MachineLoad{Run15s: 1, Run1m: 2, Run15m: 3, CPU: 0.5, Pages: 4, DiskKiB: 5, TmpMiB: 6, SwapMiB: 7, MemMiB: 8, Logins: 9, Idle: -1}
	got := tell(&wire.HostLoad{R15S: 1, R1M: 2, R15M: 3, Ut: 0.5, Pages: 4, IoKib: 5, TmpMib: 6, SwapMib: 7, MemMib: 8, Logins: 9, IdleNs: -1})
	if got == nil || *got != want {
		t.Errorf("shown is %+v", got)
	}
	if got := tell(&wire.HostLoad{R15S: math.NaN(), R1M: math.Inf(1), R15M: -1, Ut: 7, MemMib: -1, Logins: -1}); *got != (queue.MachineLoad{CPU: 1}) {
		t.Errorf("of strange numbers is shown %+v", got)
	}
	_ = r.conn.Close()
	b.eventually("a host that is away tells nothing", func() bool { return machine() == nil })
}
