package demo

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"time"

	"sluice/internal/sim/swf"
)

// Submission is one call of bsub.
type Submission struct {
	At   time.Duration // from the start
	Args []string      // bsub's arguments
	Jobs int           // jobs it makes: an array counts its elements
}

// Workload is what a demo submits, in the order of time.
type Workload struct {
	Submissions []Submission
	Slots       int // of the largest job
}

// Jobs is the number of jobs in all.
func (w Workload) Jobs() int {
	n := 0
	for _, s := range w.Submissions {
		n += s.Jobs
	}
	return n
}

// chainLength is the number of jobs in the chain of dependent jobs.
const chainLength = 5

// SampleWorkload is the sample workload: an array of jobs and a chain of jobs that each wait for the one before, then half-way a
// second, smaller array. Each job sleeps for duration/50, so that with a target of 0.3 on some 16 slots the whole takes
// about the duration.
func SampleWorkload(jobs, burst int, duration time.Duration) Workload {
	sleep := fmt.Sprintf("%.2f", (duration / 50).Seconds())
	w := Workload{Slots: 1, Submissions: []Submission{array("sample", 0, jobs, sleep)}}
	for i := 1; i <= chainLength; i++ {
		args := []string{"-J", "chain" + strconv.Itoa(i)}
		if i > 1 {
			args = append(args, "-w", fmt.Sprintf("done(chain%d)", i-1))
		}
		w.Submissions = append(w.Submissions, Submission{Args: append(args, "-o", "/dev/null", "sleep", sleep), Jobs: 1})
	}
	w.Submissions = append(w.Submissions, array("burst", duration/2, burst, sleep))
	return w
}

func array(name string, at time.Duration, n int, sleep string) Submission {
	return Submission{At: at, Jobs: n, Args: []string{"-J", fmt.Sprintf("%s[1-%d]", name, n), "-o", "/dev/null", "sleep", sleep}}
}

// maxTraceJobs bounds what one replay submits.
const maxTraceJobs = 100_000

// Trace is the part of an SWF trace that is submitted from second from up to second to, speedup times faster: arrivals and
// run times are scaled, processors are slots. Records that name no run time or no processors are left out.
func Trace(r *swf.Reader, from, to time.Duration, speedup float64) (Workload, error) {
	var w Workload
	for {
		job, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return Workload{}, err
		}
		submit := seconds(job.Submit)
		if !job.Usable() || submit < from || submit >= to {
			continue
		}
		if len(w.Submissions) == maxTraceJobs {
			return Workload{}, fmt.Errorf("replay trace: more than %d jobs between --from and --to", maxTraceJobs)
		}
		w.Slots = max(w.Slots, job.Procs)
		w.Submissions = append(w.Submissions, Submission{
			At:   time.Duration(float64(submit-from) / speedup),
			Jobs: 1,
			Args: []string{
				"-J", fmt.Sprintf("trace%d", job.ID), "-n", strconv.Itoa(job.Procs), "-o", "/dev/null",
				"sleep", fmt.Sprintf("%.3f", job.Run/speedup),
			},
		})
	}
	if len(w.Submissions) == 0 {
		return Workload{}, errors.New("replay trace: no usable job between --from and --to")
	}
	slices.SortStableFunc(w.Submissions, func(a, b Submission) int { return int(a.At - b.At) })
	return w, nil
}

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }
