package queue_test

import (
	"testing"

	"sluice/queue"
)

// A job that ends by the signal that ends its host runs again if it may, whatever words the host has for it; one that ends otherwise,
// or on a host that goes on, does not.
func TestEndedWithItsHost(t *testing.T) {
	for _, tt := range []struct {
		name          string
		asked, again  bool
		code          int
		reason        string
		wantsToBeSeen queue.State
	}{
		{"signalled", true, true, 143, "killed by signal 15", queue.Pending},
		{"killed by the host", true, true, 137, "the host was asked to end", queue.Pending},
		{"nothing said", true, true, 143, "", queue.Pending},
		{"not to run again", true, false, 143, "killed by signal 15", queue.Exited},
		{"the host goes on", false, true, 143, "killed by signal 15", queue.Exited},
		{"its own end", true, true, 15, "", queue.Exited},
		{"its memory limit", true, true, 137, "TERM_MEMLIMIT: job killed after reaching LSF memory usage limit", queue.Exited},
	} {
		t.Run(tt.name, func(t *testing.T) {
			q := newQueue(t, queue.Config{}, 1, 4)
			s := simple(1)
			s.Rerunnable = tt.again
			submit(t, q, s)
			q.Schedule(epoch)
			job, ok := q.Job(queue.ID{Job: 1})
			if !ok || len(job.Placement) != 1 {
				t.Fatalf("not started: %+v", job)
			}
			if tt.asked {
				must(t, q.CloseHost(epoch, job.Placement[0].Host, queue.ClosedExit))
			}
			must(t, q.Finished(epoch, queue.ID{Job: 1}, 1, queue.Result{ExitCode: tt.code, Reason: tt.reason}))
			if job, _ = q.Job(queue.ID{Job: 1}); job.State != tt.wantsToBeSeen {
				t.Errorf("job is %v, %s", job.State, job.Reason)
			}
		})
	}
}
