package sim

import (
	"errors"
	"fmt"
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

// Unlike counts the jobs of a window that are not simulated as the trace has them.
type Unlike struct {
	// NotRun is those left out: without a run time or processors, as when they were cancelled.
	NotRun int
	// Cut is those that wanted more slots than the cluster has, and get all of it.
	Cut int
}

// Jobs reads the jobs of a window that ran, with processors as slots. Times
// count from the window's beginning. Jobs that were submitted before the one
// above them are moved to its time. Errors are those of the reader, and ErrConfig.
func (s Span) Jobs(r *swf.Reader) (jobs []Job, unlike Unlike, err error) {
	for {
		line, err := r.Next()
		if errors.Is(err, io.EOF) {
			return jobs, unlike, nil
		}
		if err != nil {
			return nil, unlike, err
		}
		if s.To > 0 && line.Submit > s.To {
			return jobs, unlike, nil
		}
		if line.Submit < s.From {
			continue
		}
		if !line.Usable() {
			unlike.NotRun++
			continue
		}
		if len(jobs) == maxJobs {
			return nil, unlike, fmt.Errorf("%w: more than %d jobs: want a smaller window", ErrConfig, maxJobs)
		}
		if line.Procs > s.Slots {
			unlike.Cut++
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
