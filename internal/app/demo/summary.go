package demo

import (
	"fmt"
	"strings"
	"time"

	"sluice/internal/app"
	"sluice/queue"
)

// Summary is what came of a demo.
type Summary struct {
	Elapsed time.Duration
	Last    app.Status

	Jobs, Done, Exited int
	// WaitSlotSeconds and RunSlotSeconds are the waiting and run times of the jobs that ended DONE, weighted by slots.
	WaitSlotSeconds, RunSlotSeconds float64
	// HeldSlotSeconds is the slots of all hosts over time.
	HeldSlotSeconds float64
	PeakHeld        int
	Picture         string
}

func newSummary(samples []Sample, jobs int) Summary {
	s := Summary{Jobs: jobs}
	var last Sample
	for _, sample := range samples {
		s.PeakHeld = max(s.PeakHeld, sample.Held)
		s.HeldSlotSeconds += float64(last.Held) * (sample.At - last.At).Seconds()
		last = sample
	}
	s.Elapsed, s.Last = last.At, last.Status
	return s
}

// count adds a job.
func (s *Summary) count(j queue.Job) {
	switch j.State {
	case queue.Done:
		s.Done++
	case queue.Exited:
		s.Exited++
	default:
		return
	}
	if j.StartedAt.IsZero() {
		return
	}
	slots := 0
	for _, p := range j.Placement {
		slots += p.Slots
	}
	s.WaitSlotSeconds += float64(slots) * j.StartedAt.Sub(j.SubmittedAt).Seconds()
	s.RunSlotSeconds += float64(slots) * j.EndedAt.Sub(j.StartedAt).Seconds()
}

// String is the summary for people, several lines.
func (s Summary) String() string {
	var b strings.Builder
	row := func(name, format string, args ...any) {
		fmt.Fprintf(&b, "  %-10s %s\n", name, fmt.Sprintf(format, args...))
	}
	fmt.Fprintln(&b)
	row("jobs", "%d of %d DONE, %d EXIT, in %.1f s", s.Done, s.Jobs, s.Exited, s.Elapsed.Seconds())
	if s.RunSlotSeconds > 0 {
		row("waiting", "%.2f times the run time (weighted by slots); the target %.4g promises %.2f while the cluster has room",
			s.WaitSlotSeconds/s.RunSlotSeconds, s.Last.Target, 1/s.Last.Target)
		row("slots", "at most %d held at once; %.0f slot-seconds held for %.0f of work (%.0f %% over)",
			s.PeakHeld, s.HeldSlotSeconds, s.RunSlotSeconds, 100*(s.HeldSlotSeconds/s.RunSlotSeconds-1))
	}
	row("hosts", "%d launched, %d left", s.Last.Launches, s.Last.Hosts)
	row("offers", "%d accepted, %d declined; now suppressed: %v", s.Last.OffersAccepted, s.Last.OffersDeclined, s.Last.Suppressed)
	if s.Picture != "" {
		row("picture", "%s", s.Picture)
	}
	return b.String()
}
