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
		jobs[i] = s.job(at, rng)
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

// Step returns a stream whose mean time between submissions changes from Gap to then at a time. The error is an ErrConfig.
func (s Stream) Step(then, at time.Duration) ([]Job, error) {
	if then < 0 || at < 0 || then > maxSpan || at > maxSpan {
		return nil, fmt.Errorf("%w: a step to a gap of %v at %v", ErrConfig, then, at)
	}
	return s.vary(func(now time.Duration) (time.Duration, time.Duration) {
		if now < at {
			return s.Gap, at
		}
		return then, never
	})
}

// Square returns a stream that comes for a time and pauses for a time, in turn. The error is an ErrConfig.
func (s Stream) Square(on, off time.Duration) ([]Job, error) {
	if on <= 0 || off <= 0 || on > maxSpan || off > maxSpan {
		return nil, fmt.Errorf("%w: a square wave of %v and %v of rest: both must be more than 0", ErrConfig, on, off)
	}
	return s.vary(func(now time.Duration) (time.Duration, time.Duration) {
		cycle := now - now%(on+off)
		if now-cycle < on {
			return s.Gap, cycle + on
		}
		return never, cycle + on + off
	})
}

// rampSteps is in how many steps a ramp rises.
const rampSteps = 100

// Ramp returns a stream whose rate rises evenly from nothing to one submission per Gap, over a time, and stays there. The error
// is an ErrConfig.
func (s Stream) Ramp(over time.Duration) ([]Job, error) {
	if over < rampSteps || over > maxSpan {
		return nil, fmt.Errorf("%w: a ramp over %v: must be more than 0", ErrConfig, over)
	}
	tread := over / rampSteps
	return s.vary(func(now time.Duration) (time.Duration, time.Duration) {
		next := min(int64(now/tread), rampSteps-1) + 1
		if next == rampSteps {
			return s.Gap, never
		}
		return time.Duration(float64(s.Gap) * rampSteps / float64(next)), tread * time.Duration(next)
	})
}

// vary is Generate with a mean time between submissions that pace gives for a time, with until when it holds: never is none at
// all. Because such a process has no memory, a submission that would come later is drawn anew there.
func (s Stream) vary(pace func(now time.Duration) (gap, until time.Duration)) ([]Job, error) {
	if err := s.validate(); err != nil {
		return nil, err
	}
	rng := rand.New(rand.NewPCG(s.Seed, 0x57bea4))
	jobs := make([]Job, 0, s.Jobs)
	for at := time.Duration(0); len(jobs) < s.Jobs; {
		gap, until := pace(at)
		next := until
		if gap != never {
			next = at + time.Duration(rng.ExpFloat64()*float64(gap))
		}
		if at = min(next, until); at > maxSpan || at < 0 {
			return nil, fmt.Errorf("%w: job %d of %d would come after %v", ErrConfig, len(jobs), s.Jobs, maxSpan)
		}
		if next < until || until == never {
			jobs = append(jobs, s.job(at, rng))
		}
	}
	return jobs, nil
}

func (s *Stream) job(at time.Duration, rng *rand.Rand) Job {
	return Job{
		Submit: at,
		Run:    max(time.Millisecond, time.Duration(rng.ExpFloat64()*float64(s.Run))),
		Slots:  1 + rng.IntN(max(1, s.MaxSlots)),
	}
}
