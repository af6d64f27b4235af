package queue

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Result is how a job's process ended.
type Result struct {
	ExitCode int    // 0–255; 128+n for signal n
	Usage    Usage  //
	Reason   string // why, where the exit code does not say it; with one, the job is EXIT also with exit code 0
	// EndedAt is when, by the host's clock; zero = now. It counts where the report comes late, because nobody listened.
	EndedAt time.Time
	// PreExecFailed says that the job's pre-execution command failed, so that its own was not run: it pends again, or is held
	// when that happened too often.
	PreExecFailed bool
}

// Attempt names one start of a job or element.
type Attempt struct {
	ID      ID
	Attempt int // from 1
}

// Executing takes a host's word that it started a job's process. A report that comes again is no error; one of an older
// attempt is StaleAttempt.
func (q *Queue) Executing(now time.Time, id ID, attempt, pid int) error {
	e, err := q.reported(id, attempt)
	if err != nil || e.run == nil || e.run.executing {
		return err
	}
	ev := q.record(JobExecuting, now)
	ev.Job, ev.Attempt, ev.PID = id, attempt, pid
	q.commit(ev)
	return nil
}

// Finished takes a host's word that a job and all its processes ended. What is said of Executing's reports holds here too.
func (q *Queue) Finished(now time.Time, id ID, attempt int, result Result) error {
	e, err := q.reported(id, attempt)
	if err != nil || e.run == nil {
		return err
	}
	if e.run.requeue {
		q.requeueEnded(now, e, reasonRequeue)
		return nil
	}
	if result.PreExecFailed && !e.run.ending {
		q.preExecFailed(now, e)
		return nil
	}
	if q.runsAgain(e, &result) {
		q.requeue(now, e, fmt.Sprintf("%s%d)", reasonExitCode, result.ExitCode))
		return nil
	}
	if endedWithHost(e, &result) {
		q.requeue(now, e, reasonHostEnded)
		return nil
	}
	reason := result.Reason
	if reason == "" && result.ExitCode != 0 {
		reason = e.run.reason
	}
	ev := q.record(JobFinished, now)
	ev.Job, ev.Attempt, ev.ExitCode, ev.Usage, ev.Reason = id, attempt, result.ExitCode&0xff, result.Usage, reason
	ev.EndedAt = lateEnd(now, e.started.time(), result.EndedAt)
	q.commit(ev)
	return nil
}

// maxRequeues bounds the starts of a job that asks to run again by its exit code: one that does so for ever is broken.
const maxRequeues = 1000

// runsAgain reports whether a job that ended by itself is to run again for its exit code. What it asks for itself overrides its
// application, and that its queue.
func (q *Queue) runsAgain(e *element, result *Result) bool {
	codes := e.job.requeueExit()
	return codes.Has(result.ExitCode) && result.Reason == "" && !e.run.ending && e.attempt < maxRequeues
}

// Exit codes of what is ended by SIGKILL and SIGTERM.
const (
	exitSigkill = 128 + 9
	exitSigterm = 128 + 15
)

// endedWithHost reports whether a job that may run again was ended only because its host is: whoever ends a host's task signals all
// of its processes, the jobs too.
func endedWithHost(e *element, result *Result) bool {
	signalled := result.ExitCode == exitSigterm || result.ExitCode == exitSigkill
	why := result.Reason == "" || result.Reason == reasonHostEnded || strings.HasPrefix(result.Reason, reasonSignal)
	return signalled && why && !e.run.ending && e.run.host.closed&ClosedExit != 0 &&
		e.job.rerunnable() && e.attempt < maxRequeues
}

// lateEnd is the end that a host reports, where it lies well before now and not before the start; otherwise the end is now.
func lateEnd(now, started, ended time.Time) time.Time {
	const late = time.Second // less than that is the way of a message
	if ended.IsZero() || ended.Before(started) || now.Sub(ended) < late {
		return time.Time{}
	}
	return ended
}

func (q *Queue) requeue(now time.Time, e *element, reason string) {
	ev := q.record(JobRequeued, now)
	ev.Job, ev.Attempt, ev.Reason = e.id(), int(e.attempt), reason
	q.commit(ev)
}

// reported finds the element that a host's report is about: one that is placed, or one that has ended since.
func (q *Queue) reported(id ID, attempt int) (*element, error) {
	j := q.jobs.get(id.Job)
	if j == nil || j.array != nil && id.Index == 0 {
		return nil, noSuchJob(id)
	}
	e, ok := q.peek(j, id.Index)
	switch {
	case !ok:
		return nil, noSuchJob(id)
	case e == nil || attempt > int(e.attempt):
		return nil, &Error{KindInvalid, WrongState, id.String(), fmt.Sprintf("job %v has not started for the %d. time", id, attempt)}
	case attempt < int(e.attempt) || pends(e.state):
		return nil, &Error{KindConflict, StaleAttempt, id.String(), fmt.Sprintf("attempt %d of job %v was given up", attempt, id)}
	}
	return e, nil
}

// foldRunning is what can happen to a placed element that stays placed.
func (q *Queue) foldRunning(e *element, ev *Event) error {
	r := e.run
	if r == nil {
		return errImpossible
	}
	switch ev.Kind {
	case JobExecuting:
		r.executing = true
		e.pid, e.refused = int32(ev.PID), 0
	case JobStopAsked: // JobStopped follows
	case JobKillAsked:
		if ev.Signal != 0 && ev.Signal != sigKILL {
			break
		}
		if e.state == Unknown {
			q.turn(e, Zombie)
		}
		r.ending, r.exit, r.reason = true, int16(ev.ExitCode), ev.Reason
		r.requeue = ev.Reason == reasonRequeue || ev.Reason == reasonHold
		if r.timer >= 0 {
			q.deadlines.remove(int(r.timer))
		}
	case JobUnknown:
		if !slices.Contains([]State{Running, UserSuspended, SysSuspended}, e.state) {
			return errImpossible
		}
		if r.ending {
			q.turn(e, Zombie)
			break
		}
		q.turn(e, Unknown)
	case JobFound:
		if e.state != Unknown && e.state != Zombie {
			return errImpossible
		}
		to := Running
		if r.stopped != 0 {
			to = UserSuspended
		}
		q.turn(e, to)
	default:
		return errors.New("no such kind of event")
	}
	return nil
}

// setDeadline arms the timer of a run that starts. The run limit is the one of then: what a queue allows may have changed since.
func (q *Queue) setDeadline(r *run, limit time.Duration) {
	j := r.e.job
	if limit > 0 {
		r.deadline = r.e.started.after(limit) + r.rested
	}
	if end := stampOf(j.spec.EndBy); end != 0 && (r.deadline == 0 || end < r.deadline) {
		r.deadline = end
	}
	q.rearm(r)
}

func (q *Queue) rearm(r *run) {
	if r.deadline != 0 && !r.ending && r.stopped == 0 && r.timer < 0 {
		q.deadlines.push(r)
	}
}
