package queue_test

import (
	"testing"

	"sluice/queue"
)

// Jobs of a queue with a profile run on elastic hosts of that profile only, and no others there; hosts that are not elastic are for
// all.
func TestProfile(t *testing.T) {
	q, err := queue.New(queue.Config{Queues: []queue.QueueSpec{{Name: "normal", Default: true}, {Name: "big", Profile: "fat"}}})
	must(t, err)
	for _, spec := range []queue.HostSpec{
		{Name: "fat1", Slots: 1, Elastic: true, Profile: "fat"},
		{Name: "plain1", Slots: 1, Elastic: true},
		{Name: "fat2", Slots: 1, Elastic: true, Profile: "fat"},
	} {
		must(t, q.AddHost(epoch, spec))
		_, err := q.JoinHost(epoch, spec.Name, "session", nil)
		must(t, err)
	}
	where := func(id int64) string {
		job, _ := q.Job(queue.ID{Job: id})
		if len(job.Placement) == 0 {
			return ""
		}
		return job.Placement[0].Host
	}
	big := simple(1)
	big.Queue = "big"
	submit(t, q, simple(1)) // 1
	submit(t, q, simple(1)) // 2
	submit(t, q, big)       // 3
	q.Schedule(epoch)
	if where(1) != "plain1" || where(2) != "" || where(3) != "fat1" && where(3) != "fat2" {
		t.Fatalf("jobs on %q, %q, %q", where(1), where(2), where(3))
	}
	demand := q.Demand(0)
	if len(demand) != 1 || demand[0].Need.Profile != "" {
		t.Errorf("demand %+v", demand)
	}
	// Moved to the other queue, it is for the other hosts.
	must(t, q.Switch(epoch, queue.Actor{Admin: true}, queue.ID{Job: 2}, "big"))
	q.Schedule(epoch)
	if got := where(2); got != "fat1" && got != "fat2" {
		t.Errorf("switched job on %q", got)
	}
	must(t, q.AddHost(epoch, queue.HostSpec{Name: "fixed", Slots: 2}))
	_, err = q.JoinHost(epoch, "fixed", "session", nil)
	must(t, err)
	submit(t, q, simple(1)) // 4
	submit(t, q, big)       // 5
	q.Schedule(epoch)
	if where(4) != "fixed" || where(5) != "fixed" {
		t.Errorf("jobs on %q, %q", where(4), where(5))
	}
}
