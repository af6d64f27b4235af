package daemon

import (
	"context"
	"time"

	"sluice/queue"
	"sluice/queue/wire"
)

// Signals that suspend and resume a job.
const (
	sigCont = 18
	sigStop = 19
)

// effect does what durable events call for: it tells hosts and wakes who waits.
func (d *Daemon) effect(events []queue.Event) {
	for i := range events {
		e := &events[i]
		switch e.Kind {
		case queue.JobStarted:
			d.sendStart(queue.Attempt{ID: e.Job, Attempt: e.Attempt}, e.Placement)
			d.notify(e)
		case queue.JobKillAsked:
			d.sendSignal(e, e.Signal)
		case queue.JobStopAsked:
			d.sendSignal(e, sigStop)
		case queue.JobResumed:
			d.sendSignal(e, sigCont)
		case queue.JobModified:
			for _, a := range d.q.Placed(e.Job.Job) {
				d.sendChange(a)
			}
		case queue.JobFinished:
			d.endTerminal(e)
			d.wake(e.Job.Job)
			d.notify(e)
		case queue.HostRemoved:
			d.dismiss(e.HostName)
		}
	}
}

// sendStart has the host of an attempt run it. A host without a session gets it when it joins.
func (d *Daemon) sendStart(a queue.Attempt, placement []queue.Placement) {
	s := d.sessions[placement[0].Host]
	job, ok := d.q.Job(a.ID)
	if s == nil || !ok {
		return
	}
	d.launch(s, &job, a, placement)
}

// launch has a host run an attempt.
func (d *Daemon) launch(s *session, job *queue.Job, a queue.Attempt, placement []queue.Placement) {
	if job.Spec.Input != "" && !s.inputs {
		go d.giveUp(a, "the host is of an older version, which gives jobs no copies of their input files")
		return
	}
	s.send(start(d.startMessage(*job, a, placement)))
	if job.Spec.Interactive != "" {
		d.startTerminal(a, s.host)
	}
}

// sendChange tells the host of an attempt what of it has changed since it was started. A host without a session is told when it joins.
func (d *Daemon) sendChange(a queue.Attempt) {
	job, ok := d.q.Job(a.ID)
	if !ok || job.Attempt != a.Attempt || len(job.Placement) == 0 {
		return
	}
	s := d.sessions[job.Placement[0].Host]
	if s == nil || !s.changes {
		return // an older host goes on with what it was told
	}
	limits := d.q.LimitsOf(a.ID)
	s.send(&wire.DaemonMessage{Body: &wire.DaemonMessage_Change{Change: &wire.JobChange{
		Attempt: attemptMessage(a), Limits: limitsMessage(&limits),
		Stdout: expandPath(job.Spec.Stdout, a.ID), Stderr: expandPath(job.Spec.Stderr, a.ID),
		TruncateStdout: job.Spec.TruncateStdout, TruncateStderr: job.Spec.TruncateStderr,
	}}})
}

// giveUp ends an attempt that its host was never told of.
func (d *Daemon) giveUp(a queue.Attempt, reason string) {
	err := d.post(context.Background(), &request{apply: func(q *queue.Queue, now time.Time) error {
		return q.Finished(now, a.ID, a.Attempt, queue.Result{ExitCode: exitNotStarted, Reason: reason})
	}})
	if err != nil {
		d.log.WithError(err).WithField("job", a.ID.String()).Debug("the end of a job is not noted: the daemon is ending")
	}
}

// exitNotStarted is the exit code of a job that could not be run, as shells give it.
const exitNotStarted = 126

// sendSignal has the host of a placed job signal its processes. A host without a session is told what still matters when it
// joins.
func (d *Daemon) sendSignal(e *queue.Event, number int) {
	job, ok := d.q.Job(e.Job)
	if !ok || e.Attempt == 0 || len(job.Placement) == 0 {
		return
	}
	if s := d.sessions[job.Placement[0].Host]; s != nil {
		m := d.endSignal(queue.Attempt{ID: e.Job, Attempt: e.Attempt}, e.ExitCode, e.Reason)
		m.Signal = int32(number)
		s.send(signal(m))
	}
}

// endSignal asks for the end of an attempt.
func (d *Daemon) endSignal(a queue.Attempt, exitCode int, reason string) *wire.Signal {
	return &wire.Signal{
		Attempt: attemptMessage(a), ExitCode: int32(exitCode), Reason: reason, WarningNs: int64(d.cfg.LimitWarning),
	}
}

// dismiss tells the host of a removed name to end.
func (d *Daemon) dismiss(name string) {
	delete(d.fresh, name)
	if s := d.sessions[name]; s != nil {
		delete(d.sessions, name)
		s.send(leave())
	}
}

func attemptMessage(a queue.Attempt) *wire.Attempt {
	return &wire.Attempt{Job: a.ID.Job, Index: int32(a.ID.Index), Attempt: int32(a.Attempt)}
}

func attemptOf(a *wire.Attempt) queue.Attempt {
	return queue.Attempt{ID: queue.ID{Job: a.GetJob(), Index: int(a.GetIndex())}, Attempt: int(a.GetAttempt())}
}
