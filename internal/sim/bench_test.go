package sim

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"sluice/controller"
)

// An event is a submission, a start or an end of a job.
const eventsPerJob = 3

func benchmark(b *testing.B, slots int, jobs []Job) {
	b.Helper()
	cfg := cluster(b, slots, 8)
	cfg.HostsPerAgent = 8
	b.ReportAllocs()
	for b.Loop() {
		control := controller.DefaultConfig()
		control.MaxSlots, control.Quantum = slots, 2
		policy, err := NewPID("pid", control)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := Run(cfg, jobs, policy, nil); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(eventsPerJob*len(jobs)*b.N)/b.Elapsed().Seconds(), "events/s")
}

func BenchmarkSimulate(b *testing.B) {
	const jobs = 100_000
	for _, slots := range []int{512, 4000} {
		run := 10 * time.Minute
		gap := time.Duration(float64(run) / (0.7 * float64(slots)))
		stream, err := Stream{Jobs: jobs, Gap: gap, Run: run, Seed: 1}.Generate()
		if err != nil {
			b.Fatal(err)
		}
		b.Run(fmt.Sprintf("stream/slots=%d/jobs=%d", slots, jobs), func(b *testing.B) { benchmark(b, slots, stream) })
	}
	// As sparse as HPC2N: days of seconds in which a few jobs of some slots run for hours.
	rng := rand.New(rand.NewPCG(1, 1))
	sparse := make([]Job, 2000)
	at := time.Duration(0)
	for i := range sparse {
		at += time.Duration(rng.ExpFloat64() * 540 * float64(time.Second))
		sparse[i] = Job{Submit: at, Run: time.Duration((1 + rng.ExpFloat64()*5000) * float64(time.Second)), Slots: 1 << rng.IntN(5)}
	}
	b.Run(fmt.Sprintf("sparse/slots=240/jobs=%d", len(sparse)), func(b *testing.B) { benchmark(b, 240, sparse) })
}
