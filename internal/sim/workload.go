package sim

import (
	"fmt"
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

func (s *Stream) validate() error {
	if s.Jobs < 1 || s.Jobs > maxJobs || s.Gap < 0 || s.Gap > maxSpan || s.Run <= 0 || s.Run > maxSpan || s.MaxSlots < 0 || s.MaxSlots > slotsLimit {
		return fmt.Errorf("%w: a stream of %d jobs of %v, %v apart, of up to %d slots", ErrConfig, s.Jobs, s.Run, s.Gap, s.MaxSlots)
	}
	return nil
}

// Generate returns the jobs in the order of submission. The error is an ErrConfig.
func (s Stream) Generate() ([]Job, error) {
	if err := s.validate(); err != nil {
		return nil, err
	}
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
	return jobs, nil
}

// Burst returns the jobs all at once, a second after the beginning, each of
// MaxSlots slots and of the run time. The error is an ErrConfig.
func (s Stream) Burst() ([]Job, error) {
	if err := s.validate(); err != nil {
		return nil, err
	}
	jobs := make([]Job, s.Jobs)
	for i := range jobs {
		jobs[i] = Job{Submit: time.Second, Run: s.Run, Slots: max(1, s.MaxSlots)}
	}
	return jobs, nil
}
