package queue

import (
	"fmt"
	"time"
)

// Reasons why a job ended or was asked to end. Other reasons name a host.
const (
	reasonOwner   = "TERM_OWNER: job killed by owner"
	reasonAdmin   = "TERM_ADMIN: job killed by root or LSF administrator"
	reasonForce   = "TERM_FORCE_OWNER: job killed by owner without time for cleanup"
	reasonLimit   = "TERM_RUNLIMIT: job killed after reaching LSF run time limit"
	reasonEndBy   = "TERM_DEADLINE: job killed after reaching its termination deadline"
	reasonOrphan  = "TERM_ORPHAN_SYSTEM: the job's dependency can be met no more"
	reasonRequeue = "requeued"
	reasonHold    = "requeued, to be held" // asks for it; then the job's reason is reasonRequeue
	// reasonHostEnded is what a host says of the jobs that end with it.
	reasonHostEnded = "the host was asked to end"
	// reasonSignal is what a host says of jobs that a signal ended which was not the daemon's; its number follows.
	reasonSignal = "killed by signal "
	// reasonExitCode is followed by the code and a bracket.
	reasonExitCode = "Requeued job is waiting for rescheduling;(exit code "
	reasonGroup    = "The specified job group has reached its job limit"
	reasonPreExec  = "The job's pre-exec command exited with non-zero status"
)

// Exit codes of jobs that were made to end, as LSF reports them.
const (
	exitKilled   = 130
	exitRunLimit = 140
)

// What bkill -s sends that means more than a signal.
const (
	sigINT, sigQUIT, sigKILL, sigTERM    = 2, 3, 9, 15
	sigCONT, sigSTOP, sigTSTP, maxSignal = 18, 19, 20, 64
)

// command finds what a command is about, for someone who may give it. e is nil for a whole array and for a pristine element.
func (q *Queue) command(by Actor, id ID) (j *job, e *element, err error) {
	j = q.jobs.get(id.Job)
	if j == nil {
		return nil, nil, noSuchJob(id)
	}
	if j.array == nil || id.Index != 0 {
		var ok bool
		if e, ok = q.peek(j, id.Index); !ok {
			return nil, nil, noSuchJob(id)
		}
	}
	if !by.Admin && by.User != j.spec.User {
		return nil, nil, &Error{KindDenied, NotYours, id.String(), fmt.Sprintf("job %v belongs to %q: permission denied", id, j.spec.User)}
	}
	return j, e, nil
}

func noSuchJob(id ID) error {
	return &Error{KindNotFound, NoSuchJob, id.String(), fmt.Sprintf("job %v is not found", id)}
}

func finished(id ID) error {
	return &Error{KindConflict, AlreadyFinished, id.String(), fmt.Sprintf("job %v has already finished", id)}
}

func wrongState(id ID, s State, what string) error {
	return &Error{KindConflict, WrongState, id.String(), fmt.Sprintf("job %v is %v: %s", id, s, what)}
}

// stateOf is the state of an element, with a record or without.
func stateOf(j *job, e *element) State {
	if e != nil {
		return e.state
	}
	return j.array.state
}

// each does something to one element, or to those of a whole array: once for all that have no slots, through one event of
// the array's own number, and to each placed one. It reports how many elements there were in the states asked for.
func (q *Queue) each(j *job, id ID, e *element, unplaced func(State) bool, bulk func(ID), placed func(*element) bool) (n int) {
	if j.array == nil || id.Index != 0 {
		switch s := stateOf(j, e); {
		case unplaced(s):
			bulk(id)
			return 1
		case s.Placed() && placed(e):
			return 1
		}
		return 0
	}
	for s := Pending; s <= Unknown; s++ {
		if unplaced(s) {
			n += int(j.array.count[s])
		}
	}
	if n > 0 {
		bulk(id)
	}
	if j.placed > 0 {
		j.array.records(func(_ int32, e *element) {
			if e.run != nil && placed(e) {
				n++
			}
		})
	}
	return n
}

func pends(s State) bool { return s == Pending || s == HeldPending }

// Kill signals a job, or all elements of an array. Signal 0 ends it: with TERM, a grace and KILL. A pending job ends at once,
// by any signal that ends processes; a running one when its host reports so. Stop and continue signals do what Stop and
// Resume do.
func (q *Queue) Kill(now time.Time, by Actor, id ID, signal int) error {
	j, e, err := q.command(by, id)
	if err != nil {
		return err
	}
	reason := reasonOwner
	if by.User != j.spec.User {
		reason = reasonAdmin
	}
	switch signal {
	case sigSTOP, sigTSTP:
		return q.Stop(now, by, id)
	case sigCONT:
		return q.Resume(now, by, id)
	}
	if signal < 0 || signal > maxSignal {
		return &Error{KindInvalid, BadSpec, id.String(), fmt.Sprintf("signal %d: want 0 to %d", signal, maxSignal)}
	}
	ends := signal == 0 || signal == sigINT || signal == sigQUIT || signal == sigKILL || signal == sigTERM
	n := q.each(j, id, e, func(s State) bool { return ends && pends(s) },
		func(id ID) { q.finish(now, id, 0, 0, reason) },
		func(e *element) bool {
			away := e.state == Unknown || e.state == Zombie
			switch {
			case away && !ends:
				return false
			case away:
				q.askKill(now, e, 0, exitKilled, reason) // which its host is told when it is back
			default:
				q.askKill(now, e, signal, exitKilled, reason)
			}
			return true
		})
	s := stateAll(j, id, e)
	switch {
	case n > 0:
		return nil
	case s.Final():
		return finished(id)
	}
	return wrongState(id, s, "it has no process to signal")
}

// stateAll is stateOf for arrays, too; one that has open elements counts as pending.
func stateAll(j *job, id ID, e *element) State {
	if j.array != nil && id.Index == 0 {
		if j.open == 0 {
			return Exited
		}
		return Pending
	}
	return stateOf(j, e)
}

func (q *Queue) askKill(now time.Time, e *element, signal, exit int, reason string) {
	ev := q.record(JobKillAsked, now)
	ev.Job, ev.Attempt, ev.Signal = e.id(), int(e.attempt), signal
	switch signal {
	case 0:
		ev.ExitCode, ev.Reason = exit, reason
	case sigKILL:
		ev.ExitCode, ev.Reason = 128+sigKILL, reason
	}
	q.commit(ev)
}

func (q *Queue) finish(now time.Time, id ID, attempt, exit int, reason string) {
	ev := q.record(JobFinished, now)
	ev.Job, ev.Attempt, ev.ExitCode, ev.Reason = id, attempt, exit, reason
	q.commit(ev)
}

// ForceKill ends a job at once, whatever its host says. Its host is still asked to end it.
func (q *Queue) ForceKill(now time.Time, by Actor, id ID) error {
	j, e, err := q.command(by, id)
	if err != nil {
		return err
	}
	n := q.each(j, id, e, pends,
		func(id ID) { q.finish(now, id, 0, 0, reasonOwner) },
		func(e *element) bool {
			q.askKill(now, e, 0, exitKilled, reasonForce)
			q.finish(now, e.id(), int(e.attempt), exitKilled, reasonForce)
			return true
		})
	if n == 0 {
		return finished(id)
	}
	return nil
}

// Stop suspends a job: a pending one will not start, a running one is stopped by its host.
func (q *Queue) Stop(now time.Time, by Actor, id ID) error {
	j, e, err := q.command(by, id)
	if err != nil {
		return err
	}
	n := q.each(j, id, e, func(s State) bool { return s == Pending },
		func(id ID) { q.simple(now, JobStopped, id, 0) },
		func(e *element) bool {
			if e.state != Running {
				return e.state == UserSuspended // is stopped already
			}
			q.simple(now, JobStopAsked, e.id(), int(e.attempt))
			q.simple(now, JobStopped, e.id(), int(e.attempt))
			return true
		})
	return q.judge(n, j, id, e, "it cannot be stopped", HeldPending)
}

// Resume is the way back from Stop, and lets a job start that was submitted to be held.
func (q *Queue) Resume(now time.Time, by Actor, id ID) error {
	j, e, err := q.command(by, id)
	if err != nil {
		return err
	}
	n := q.each(j, id, e, func(s State) bool { return s == HeldPending },
		func(id ID) { q.simple(now, JobResumed, id, 0) },
		func(e *element) bool {
			if e.state != UserSuspended {
				return e.state == Running // was resumed already
			}
			q.simple(now, JobResumed, e.id(), int(e.attempt))
			return true
		})
	return q.judge(n, j, id, e, "it cannot be resumed", Pending)
}

// judge is the answer to a command that did something to n elements, or found them in the state that it wanted.
func (q *Queue) judge(n int, j *job, id ID, e *element, what string, wanted State) error {
	s := stateAll(j, id, e)
	switch {
	case n > 0 || s == wanted:
		return nil
	case s.Final():
		return finished(id)
	}
	return wrongState(id, s, what)
}

func (q *Queue) simple(now time.Time, kind EventKind, id ID, attempt int) {
	ev := q.record(kind, now)
	ev.Job, ev.Attempt = id, attempt
	q.commit(ev)
}

// Switch moves a job to another queue. An array moves as a whole.
func (q *Queue) Switch(now time.Time, by Actor, id ID, queue string) error {
	j, _, err := q.command(by, id)
	if err != nil {
		return err
	}
	to := q.named[queue]
	switch {
	case to == nil:
		return &Error{KindNotFound, NoSuchQueue, queue, fmt.Sprintf("queue %q: no such queue", queue)}
	case id.Index != 0:
		return &Error{KindInvalid, BadSpec, id.String(), fmt.Sprintf("job %v: elements change queues only together, switch job %d", id, id.Job)}
	case j.open == 0:
		return finished(id)
	case to == j.queue:
		return nil
	}
	if err := to.accepts(j.spec, j.app); err != nil {
		return err
	}
	if err := q.usesHosts(j.spec, &to.spec); err != nil {
		return err
	}
	ev := q.record(JobQueueMoved, now)
	ev.Job, ev.QueueName = ID{Job: id.Job}, queue
	q.commit(ev)
	return nil
}

// SetQueue opens or closes a queue to new jobs and says whether it starts jobs. Only an administrator may.
func (q *Queue) SetQueue(now time.Time, by Actor, name string, open, active bool) error {
	s := q.named[name]
	switch {
	case s == nil:
		return &Error{KindNotFound, NoSuchQueue, name, fmt.Sprintf("queue %q: no such queue", name)}
	case !by.Admin:
		return &Error{KindDenied, QueueDenied, name, "only an administrator may change a queue: permission denied"}
	case s.open == open && s.active == active:
		return nil
	}
	ev := q.record(QueueSwitched, now)
	ev.QueueName, ev.Open, ev.Active = name, open, active
	q.commit(ev)
	return nil
}
