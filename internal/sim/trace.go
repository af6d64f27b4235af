package sim

import (
	"errors"
	"io"
	"time"

	"sluice/internal/sim/swf"
)

// Span is a window of a trace, in seconds of the trace's time.
type Span struct {
	// From and To bound the submissions, both included; To 0 is the end.
	From, To float64
	// Slots is the size of the cluster; a larger job is cut to it.
	Slots int
}

// Jobs reads the jobs of a window that ran, with processors as slots. Times
// count from the window's beginning. Jobs that were submitted before the one
// above them are moved to its time. Errors are those of the reader.
func (s Span) Jobs(r *swf.Reader) ([]Job, error) {
	var jobs []Job
	for {
		line, err := r.Next()
		if errors.Is(err, io.EOF) {
			return jobs, nil
		}
		if err != nil {
			return nil, err
		}
		if s.To > 0 && line.Submit > s.To || len(jobs) == maxJobs {
			return jobs, nil
		}
		if !line.Usable() || line.Submit < s.From {
			continue
		}
		job := Job{Submit: seconds(line.Submit - s.From), Run: seconds(line.Run), Slots: min(line.Procs, s.Slots)}
		if n := len(jobs); n > 0 {
			job.Submit = max(job.Submit, jobs[n-1].Submit)
		}
		jobs = append(jobs, job)
	}
}

func seconds(s float64) time.Duration {
	return time.Duration(min(s, maxSpan.Seconds()) * float64(time.Second))
}
