package history

import (
	"time"

	"sluice/queue"
)

// Summary is the sums over ended jobs that bacct shows.
type Summary struct {
	Done   int `json:"done"`
	Exited int `json:"exited"`

	CPU        Range `json:"cpu"`
	Wait       Range `json:"wait"`
	Turnaround Range `json:"turnaround"`
	Hog        Range `json:"hog"` // CPU time by turnaround time

	Begin time.Time `json:"begin,omitzero"` // of the first end
	End   time.Time `json:"end,omitzero"`   // of the last
}

// Range is a sum over jobs, with the least and the most of one; times are in seconds.
type Range struct {
	Sum float64 `json:"sum"`
	Min float64 `json:"min"`
	Max float64 `json:"max"`
}

// Jobs is the number of jobs.
func (s *Summary) Jobs() int { return s.Done + s.Exited }

// Add counts an ended record.
func (s *Summary) Add(r *Record) {
	first := s.Jobs() == 0
	if r.State == queue.Done {
		s.Done += r.Elements
	} else {
		s.Exited += r.Elements
	}
	cpu, turnaround := r.Usage.CPU.Seconds(), r.Turnaround().Seconds()
	s.CPU.add(first, cpu, r.Elements)
	s.Wait.add(first, r.Wait().Seconds(), r.Elements)
	s.Turnaround.add(first, turnaround, r.Elements)
	s.Hog.add(first, r.HogFactor(), r.Elements)
	if first || r.EndedAt.Before(s.Begin) {
		s.Begin = r.EndedAt
	}
	if r.EndedAt.After(s.End) {
		s.End = r.EndedAt
	}
}

// HogFactor is the CPU time by the turnaround time, 0 where there was none.
func (r *Record) HogFactor() float64 {
	if t := r.Turnaround(); t > 0 {
		return r.Usage.CPU.Seconds() / t.Seconds()
	}
	return 0
}

func (r *Range) add(first bool, value float64, n int) {
	r.Sum += value * float64(n)
	if first {
		r.Min, r.Max = value, value
	}
	r.Min, r.Max = min(r.Min, value), max(r.Max, value)
}
