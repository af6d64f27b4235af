package queue_test

import (
	"fmt"
	"time"

	"sluice/queue"
)

// A driver submits a job, lets it start and reports its end; the events say what to do and what to keep.
func ExampleQueue_Schedule() {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	q, err := queue.New(queue.Config{})
	if err != nil {
		fmt.Println(err)
		return
	}
	id, err := q.Submit(now, queue.Spec{User: "ann", Command: "sleep 10", MinSlots: 2})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("job", id, "pends with", q.Load().Pending, "slots")
	if err := q.AddHost(now, queue.HostSpec{Name: "h1", Slots: 8}); err != nil {
		fmt.Println(err)
	}
	if _, err := q.JoinHost(now, "h1", "session", nil); err != nil {
		fmt.Println(err)
	}
	fmt.Println("started:", q.Schedule(now))
	if err := q.Finished(now.Add(10*time.Second), id, 1, queue.Result{}); err != nil {
		fmt.Println(err)
	}
	for _, ev := range q.Take(nil) {
		fmt.Println(ev.Kind, ev.Placement)
	}
	// Output:
	// job 1 pends with 2 slots
	// started: 1
	// job_submitted []
	// host_created []
	// host_joined []
	// job_started [{h1 2}]
	// job_finished []
}

func ExampleQueue_Submit() {
	q, err := queue.New(queue.Config{})
	if err != nil {
		fmt.Println(err)
		return
	}
	_, err = q.Submit(time.Now(), queue.Spec{User: "ann", Command: "true", Queue: "nosuch"})
	fmt.Println(err, queue.KindOf(err) == queue.KindNotFound)
	id, err := q.Submit(time.Now(), queue.Spec{
		User: "ann", Command: "true",
		Array: &queue.Array{Ranges: []queue.Range{{First: 1, Last: 1000, Step: 1}}, Limit: 10},
	})
	fmt.Println(id, err, q.Load().Pending, q.Load().Waiting)
	// Output:
	// queue "nosuch": no such queue true
	// 1 <nil> 10 990
}
