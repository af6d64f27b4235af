package daemon

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"sluice/queue"
	"sluice/queue/wire"
)

// shellEnv is an environment of common size.
func shellEnv() queue.Env {
	var env []string
	for i := range 40 {
		env = append(env, fmt.Sprintf("VARIABLE_%02d=/some/path/of/common/length:/and/another/one/%d", i, i))
	}
	return queue.NewEnv(env)
}

func BenchmarkSubmitDurable(b *testing.B) {
	for _, clients := range []int{1, 16} {
		b.Run(fmt.Sprintf("clients=%d", clients), func(b *testing.B) {
			d := newBench(b, nil)
			spec := command("true")
			spec.Env = shellEnv()
			var left atomic.Int64
			left.Store(int64(b.N))
			b.ResetTimer()
			var wg sync.WaitGroup
			for range clients {
				wg.Go(func() {
					for left.Add(-1) >= 0 {
						if _, err := d.client.Submit(context.Background(), spec); err != nil {
							b.Error(err)
							return
						}
					}
				})
			}
			wg.Wait()
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "submits/s")
		})
	}
}

func BenchmarkSubmitArray(b *testing.B) {
	b.Run("size=1e6", func(b *testing.B) {
		for range b.N {
			b.StopTimer()
			d := newBench(b, nil)
			b.StartTimer()
			d.submit(arrayOf(1_000_000))
		}
	})
}

func BenchmarkSubmitBatch(b *testing.B) {
	const size = 1000
	d := newBench(b, nil)
	specs := make([]queue.Spec, size)
	for i := range specs {
		specs[i] = command(fmt.Sprintf("echo %d", i))
		specs[i].Env = shellEnv()
	}
	for b.Loop() {
		done, err := d.client.SubmitBatch(context.Background(), specs)
		if err != nil || done[size-1].Error != nil {
			b.Fatal(err, done[size-1].Error.Err())
		}
	}
	b.ReportMetric(float64(b.N*size)/b.Elapsed().Seconds(), "submits/s")
}

func BenchmarkJobsStream(b *testing.B) {
	const size = 100_000
	b.Run(fmt.Sprintf("size=%d", size), func(b *testing.B) {
		d := newBench(b, nil)
		specs := make([]queue.Spec, wire.MaxBatch)
		for i := range specs {
			specs[i] = command(fmt.Sprintf("echo %d", i))
			specs[i].Env = shellEnv()
		}
		for range size / len(specs) {
			if _, err := d.client.SubmitBatch(context.Background(), specs); err != nil {
				b.Fatal(err)
			}
		}
		var first time.Duration
		for b.Loop() {
			begin, n := time.Now(), 0
			err := d.client.Jobs(context.Background(), wire.JobsRequest{}, func(queue.Job) error {
				if n++; n == 1 {
					first += time.Since(begin)
				}
				return nil
			})
			if err != nil || n != size {
				b.Fatal(n, err)
			}
		}
		b.ReportMetric(float64(first.Microseconds())/float64(b.N)/1e3, "ms-to-first")
	})
}

// BenchmarkRun runs jobs of no length on one host of 8 slots: what the daemon costs of each job.
func BenchmarkRun(b *testing.B) {
	d := newBench(b, nil)
	token := d.addHost("h1", 8)
	if b.N > 1 {
		d.submit(arrayOf(b.N))
	}
	conn, err := wire.DialHost(context.Background(), "unix://"+d.socket(), nil)
	if err != nil {
		b.Fatal(err)
	}
	b.ResetTimer()
	if err := conn.Send(&wire.HostMessage{Body: &wire.HostMessage_Hello{Hello: &wire.Hello{Host: "h1", Token: token}}}); err != nil {
		b.Fatal(err)
	}
	for n := 0; n < b.N && b.N > 1; {
		m := new(wire.DaemonMessage)
		if err := conn.Receive(m, patience); err != nil {
			b.Fatal(err)
		}
		switch {
		case m.GetStart() != nil:
			a := m.GetStart().Attempt
			started := &wire.HostMessage{Body: &wire.HostMessage_Started{Started: &wire.Started{Attempt: a, Pid: 1}}}
			if err := conn.Send(started, endedMessage(a, 0)); err != nil {
				b.Fatal(err)
			}
		case m.GetEndedAck() != nil:
			n++
		}
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "jobs/s")
}
