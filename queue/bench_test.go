package queue_test

import (
	"fmt"
	"testing"
	"time"

	"sluice/queue"
)

var epoch = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

func simple(slots int) queue.Spec {
	return queue.Spec{User: "ann", Command: "true", MinSlots: slots}
}

func newQueue(tb testing.TB, cfg queue.Config, hosts, slots int) *queue.Queue {
	tb.Helper()
	q, err := queue.New(cfg)
	if err != nil {
		tb.Fatal(err)
	}
	for i := range hosts {
		name := fmt.Sprintf("h%05d", i)
		must(tb, q.AddHost(epoch, queue.HostSpec{Name: name, Slots: slots}))
		_, err := q.JoinHost(epoch, name, "s", nil)
		must(tb, err)
	}
	return q
}

func must(tb testing.TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
}

func submit(tb testing.TB, q *queue.Queue, s queue.Spec) queue.ID {
	tb.Helper()
	id, err := q.Submit(epoch, s)
	must(tb, err)
	return id
}

func BenchmarkSubmit(b *testing.B) {
	q := newQueue(b, queue.Config{MaxJobs: 1 << 30}, 0, 0)
	buf := make([]queue.Event, 0, 1024)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		submit(b, q, simple(1))
		if i%1000 == 0 {
			buf = q.Take(buf[:0])
		}
	}
}

func BenchmarkSubmitArray(b *testing.B) {
	for _, size := range []int{1000, 1_000_000} {
		b.Run(fmt.Sprintf("size=%d", size), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				q := newQueue(b, queue.Config{}, 0, 0)
				s := simple(1)
				s.Array = &queue.Array{Ranges: []queue.Range{{First: 1, Last: size, Step: 1}}}
				submit(b, q, s)
				q.Take(nil)
			}
		})
	}
}

// The whole life of a job on a cluster that is full: a job ends, the next one starts.
func BenchmarkLife(b *testing.B) {
	for _, hosts := range []int{1, 100, 10_000} {
		b.Run(fmt.Sprintf("size=%d", hosts), func(b *testing.B) {
			q := newQueue(b, queue.Config{MaxJobs: 1 << 30, KeepFinished: time.Second}, hosts, 8)
			now := epoch
			buf := make([]queue.Event, 0, 1024)
			var running []queue.ID
			for range hosts * 8 {
				submit(b, q, simple(1))
			}
			q.Schedule(now)
			for _, ev := range q.Take(nil) {
				if ev.Kind == queue.JobStarted {
					running = append(running, ev.Job)
				}
			}
			b.ReportAllocs()
			b.ResetTimer()
			for i := 0; b.Loop(); i++ {
				now = now.Add(time.Millisecond)
				if _, err := q.Submit(now, simple(1)); err != nil {
					b.Fatal(err)
				}
				must(b, q.Finished(now, running[i%len(running)], 1, queue.Result{}))
				q.Tick(now)
				q.Schedule(now)
				buf = q.Take(buf[:0])
				for e := range buf {
					if buf[e].Kind == queue.JobStarted {
						running[i%len(running)] = buf[e].Job
					}
				}
			}
		})
	}
}
