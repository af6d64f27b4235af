package sim

import (
	"math/rand/v2"
	"time"
)

// Stream is a stationary workload: submissions at random (a Poisson process),
// exponential run times, slots from 1 to MaxSlots with equal chance.
type Stream struct {
	// Jobs is how many are submitted.
	Jobs int
	// Gap is the mean time between submissions, Run the mean run time.
	Gap, Run time.Duration
	// MaxSlots is the largest job; 0 is 1.
	MaxSlots int
	// Seed decides everything that is random.
	Seed uint64
}

// Generate returns the jobs in the order of submission.
func (s Stream) Generate() []Job {
	rng := rand.New(rand.NewPCG(s.Seed, 0x57bea4))
	jobs := make([]Job, s.Jobs)
	var at time.Duration
	for i := range jobs {
		at += time.Duration(rng.ExpFloat64() * float64(s.Gap))
		jobs[i] = Job{
			Submit: at,
			Run:    max(time.Millisecond, time.Duration(rng.ExpFloat64()*float64(s.Run))),
			Slots:  1 + rng.IntN(max(1, s.MaxSlots)),
		}
	}
	return jobs
}
