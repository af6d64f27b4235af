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
				if err := q.Finished(now, running[i%len(running)], 1, queue.Result{}); err != nil {
					b.Fatal(err)
				}
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

// A pass over 100,000 pending jobs in 100 classes: hosts are full but for one slot each, which only one class
// can use.
func BenchmarkSchedulePass(b *testing.B) {
	for _, hosts := range []int{1000, 10_000} {
		b.Run(fmt.Sprintf("size=%d", hosts), func(b *testing.B) {
			q := newQueue(b, queue.Config{MaxJobs: 1 << 30, Backfill: true}, hosts, 8)
			for range hosts {
				s := simple(7)
				s.Need.OneHost = true
				submit(b, q, s)
			}
			q.Schedule(epoch)
			for i := range 100_000 {
				s := simple(2 + i%99)
				s.Need.OneHost = true
				submit(b, q, s)
			}
			q.Take(nil)
			now := epoch
			one := simple(1)
			one.Need.Hosts, one.Priority = "h00000", 1
			id := submit(b, q, one)
			if q.Schedule(now) != 1 {
				b.Fatal("it did not start")
			}
			b.ReportAllocs()
			b.ResetTimer()
			for b.Loop() {
				now = now.Add(time.Millisecond)
				must(b, q.Finished(now, id, 1, queue.Result{}))
				if id, _ = q.Submit(now, one); q.Schedule(now) != 1 {
					b.Fatal("it did not start")
				}
				q.Take(nil)
			}
		})
	}
}

// 100,000 jobs in 100 classes of all shapes start on empty hosts; the time is that of all.
func BenchmarkScheduleAll(b *testing.B) {
	for _, hosts := range []int{1000, 10_000} {
		b.Run(fmt.Sprintf("size=%d", hosts), func(b *testing.B) {
			for b.Loop() {
				b.StopTimer()
				q := newQueue(b, queue.Config{}, hosts, 16)
				for i := range 100_000 {
					s := simple(1 + i%10)
					s.Need.MemMiB = i % 100 / 10
					submit(b, q, s)
				}
				b.StartTimer()
				b.ReportMetric(float64(q.Schedule(epoch)), "starts")
			}
		})
	}
}

func BenchmarkJobs(b *testing.B) {
	for _, size := range []int{1000, 1_000_000} {
		for _, array := range []bool{false, true} {
			b.Run(fmt.Sprintf("size=%d/array=%v", size, array), func(b *testing.B) {
				q := newQueue(b, queue.Config{}, 0, 0)
				s := simple(1)
				if array {
					s.Array = &queue.Array{Ranges: []queue.Range{{First: 1, Last: size, Step: 1}}}
					submit(b, q, s)
				}
				for i := 0; !array && i < size; i++ {
					submit(b, q, s)
				}
				q.Take(nil)
				after := queue.ID{}
				b.ReportAllocs()
				b.ResetTimer()
				for b.Loop() { // a page of 1000, in the middle and at the end
					page, more := q.Jobs(queue.Filter{}, after, 1000)
					after = queue.ID{}
					if more {
						after = page[len(page)-1].ID
					}
				}
			})
		}
	}
}

// Rare jobs among many.
func BenchmarkJobsFiltered(b *testing.B) {
	q := newQueue(b, queue.Config{}, 1, 8)
	for range 1_000_000 {
		submit(b, q, simple(1))
	}
	q.Schedule(epoch)
	q.Take(nil)
	b.ResetTimer()
	for b.Loop() {
		if page, _ := q.Jobs(queue.Filter{User: "ann", States: []queue.State{queue.Running}}, queue.ID{}, 1000); len(page) != 8 {
			b.Fatal(len(page))
		}
	}
}

func BenchmarkReplay(b *testing.B) {
	const size = 1_000_000
	q := newQueue(b, queue.Config{}, 100, 8)
	now := epoch
	var events []queue.Event
	for len(events) < size {
		now = now.Add(time.Second)
		for range 800 {
			submit(b, q, simple(1))
		}
		q.Schedule(now)
		batch := q.Take([]queue.Event{})
		for i := range batch {
			if ev := &batch[i]; ev.Kind == queue.JobStarted {
				must(b, q.Executing(now, ev.Job, 1, 1))
				must(b, q.Finished(now, ev.Job, 1, queue.Result{}))
			}
		}
		events = append(append(events, batch...), q.Take(nil)...)
	}
	b.Run(fmt.Sprintf("size=%d", size), func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			fresh := newQueue(b, queue.Config{}, 0, 0)
			for i := range size {
				if err := fresh.Apply(events[i]); err != nil {
					b.Fatal(err)
				}
			}
		}
	})
}

// Pending jobs are killed one by one; each has one that waits for it.
func BenchmarkDependants(b *testing.B) {
	q := newQueue(b, queue.Config{MaxJobs: 1 << 30}, 0, 0)
	for b.Loop() {
		first := submit(b, q, simple(1))
		s := simple(1)
		s.After = &queue.Condition{Op: queue.OpEnded, Job: first}
		second := submit(b, q, s)
		must(b, q.Kill(epoch, queue.Actor{Admin: true}, first, 0))
		must(b, q.Kill(epoch, queue.Actor{Admin: true}, second, 0))
		q.Take(nil)
	}
}

// BenchmarkReconfigure is a changed limit of a queue with many pending jobs.
func BenchmarkReconfigure(b *testing.B) {
	for _, jobs := range []int{1000, 100_000} {
		b.Run(fmt.Sprintf("jobs=%d", jobs), func(b *testing.B) {
			cfg := queue.Config{Users: []queue.UserSpec{{Name: "ann", MaxSlots: 10}}}
			q := newQueue(b, cfg, 10, 8)
			for range jobs {
				submit(b, q, simple(1))
			}
			q.Schedule(epoch)
			for n := 0; b.Loop(); n++ {
				cfg.Users[0].MaxSlots = 10 + n%2
				must(b, q.Reconfigure(cfg))
			}
		})
	}
}
