package daemon

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"sluice/queue"
	"sluice/queue/wire"
)

// TestWhatAHostIsToldToRun checks that all that a job asks for reaches its host.
func TestWhatAHostIsToldToRun(t *testing.T) {
	b := newBench(t, nil)
	h := b.host("h1", 1)
	spec := command("true")
	spec.Limits = queue.Limits{
		MemKiB: 1, SwapKiB: 2, CPU: 3, Processes: 4, Threads: 5, FileKiB: 6, DataKiB: 7, StackKiB: 8, CoreKiB: queue.NoCore,
	}
	spec.PreExec, spec.PostExec, spec.LoginShell = "pre", "post", "/bin/bash"
	b.submit(spec)
	start := h.hearStart()
	want := &wire.Limits{MemKib: 1, SwapKib: 2, CpuNs: 3, Processes: 4, Threads: 5, FileKib: 6, DataKib: 7, StackKib: 8, CoreKib: -1}
	if diff := cmp.Diff(want, start.Limits); diff != "" || !slices.Equal(start.PreExec, []string{"pre"}) || !slices.Equal(start.PostExec, []string{"post"}) || start.LoginShell != "/bin/bash" {
		t.Errorf("%v\n%s", start, diff)
	}
}

// TestPreExecIsTriedAgain follows a job whose pre-execution command fails, also over a restart.
func TestPreExecIsTriedAgain(t *testing.T) {
	b := newBench(t, func(c *Config) { c.Queue.PreExecRetries, c.Queue.PreExecPause = 2, 50*time.Millisecond })
	h := b.host("h1", 1)
	spec := command("true")
	spec.PreExec = "false"
	id := b.submit(spec)
	fail := func() {
		start := h.hearStart()
		h.tell(&wire.HostMessage{Body: &wire.HostMessage_Ended{Ended: &wire.Ended{Attempt: start.Attempt, ExitCode: 1, PreExecFailed: true}}})
		h.acknowledged(start.Attempt)
	}
	fail()
	if job := b.job(id); job.State != queue.Pending {
		t.Errorf("%v: %s", job.State, job.Reason)
	}
	fail()
	b.restart()
	job := b.jobs(wire.JobsRequest{Filter: queue.Filter{IDs: []queue.ID{id}}, Reasons: true})[0]
	if job.State != queue.HeldPending || job.Reason != "The job's pre-exec command exited with non-zero status 2 times; the job is held until it is resumed" {
		t.Errorf("%v: %s", job.State, job.Reason)
	}
	h = b.join(&wire.Hello{Host: "h1", Session: h.session})
	b.act(wire.ActRequest{Action: wire.Resume, IDs: []queue.ID{id}})
	start := h.hearStart()
	h.started(start.Attempt)
	h.ended(start.Attempt, 0)
	b.eventuallyState(id, queue.Done)
}

// TestRunLimitWarns checks that a job at its run limit is warned before it is ended.
func TestRunLimitWarns(t *testing.T) {
	b := newBench(t, func(c *Config) { c.LimitWarning = 3 * time.Minute })
	h := b.host("h1", 1)
	spec := command("sleep 100")
	spec.RunLimit = 10 * time.Millisecond
	b.submit(spec)
	h.started(h.hearStart().Attempt)
	if s := h.hearSignal(); s.Signal != 0 || s.ExitCode != 140 || s.WarningNs != int64(3*time.Minute) {
		t.Errorf("%v", s)
	}
}
