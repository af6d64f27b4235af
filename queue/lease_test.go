package queue_test

import (
	"testing"
	"time"

	"sluice/queue"
)

// A host keeps its jobs for the lease that it was promised when it joined, whatever a restart has made of the lease since: a job must
// never run twice at once.
func TestLeaseAsPromised(t *testing.T) {
	for _, tt := range []struct {
		name             string
		promised, now    time.Duration
		joinsAgain       bool
		first, surelyEnd time.Duration // after the loss: when it may still run there, when not
	}{
		{"shorter since", time.Hour, time.Minute, false, time.Hour, time.Hour + 15*time.Second},
		{"longer since", time.Minute, time.Hour, false, time.Minute, time.Minute + 15*time.Second},
		{"told of the new one", time.Hour, time.Minute, true, time.Minute, time.Minute + 15*time.Second},
	} {
		t.Run(tt.name, func(t *testing.T) {
			before := newQueue(t, queue.Config{Lease: tt.promised}, 1, 4)
			s := simple(1)
			s.Rerunnable = true
			id := submit(t, before, s)
			before.Schedule(epoch)
			job, _ := before.Job(id)
			name := job.Placement[0].Host
			must(t, before.Executing(epoch, id, 1, 1))
			q := newQueue(t, queue.Config{Lease: tt.now}, 0, 0)
			for _, ev := range before.Take([]queue.Event{}) {
				must(t, q.Apply(ev))
			}
			must(t, q.LoseHost(epoch, name))
			if tt.joinsAgain {
				if _, err := q.JoinHost(epoch, name, "again", []queue.Attempt{{ID: id, Attempt: 1}}); err != nil {
					t.Fatal(err)
				}
				must(t, q.LoseHost(epoch, name))
			}
			q.Tick(epoch.Add(tt.first))
			if job, _ = q.Job(id); job.State != queue.Unknown {
				t.Errorf("after %v the job is %v, want UNKWN", tt.first, job.State)
			}
			q.Tick(epoch.Add(tt.surelyEnd))
			if job, _ = q.Job(id); job.State != queue.Pending {
				t.Errorf("after %v the job is %v, want PEND again", tt.surelyEnd, job.State)
			}
		})
	}
}
