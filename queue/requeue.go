package queue

import (
	"cmp"
	"fmt"
	"slices"
	"time"
)

// Rerun says which elements Requeue runs again, and how.
type Rerun struct {
	// From are the states that they must be in; none = those that hold slots or, if there is none, those that ended.
	From []State
	Hold bool // they pend held (PSUSP) until they are resumed
}

var placedStates = []State{Running, UserSuspended, SysSuspended, Unknown, Zombie}

// Requeue runs a job, or elements of an array, again. A placed one is first ended by its host, an ended one pends at once.
func (q *Queue) Requeue(now time.Time, by Actor, id ID, how Rerun) error {
	j, e, err := q.command(by, id)
	if err != nil {
		return err
	}
	if len(how.From) > 0 {
		n := q.requeuePlaced(now, j, id, e, how)
		m, err := q.requeueFinal(now, j, id, e, how)
		if n > 0 || m > 0 {
			return nil
		}
		return cmp.Or(err, q.notIn(j, id, e, how.From))
	}
	how.From = placedStates
	if q.requeuePlaced(now, j, id, e, how) > 0 {
		return nil
	}
	how.From = []State{Done, Exited}
	n, err := q.requeueFinal(now, j, id, e, how)
	if n > 0 {
		return nil
	}
	return cmp.Or(err, wrongState(id, stateAll(j, id, e), "it has not started, so it cannot be requeued"))
}

// notIn is the answer where no element is in a state asked for.
func (q *Queue) notIn(j *job, id ID, e *element, from []State) error {
	s := stateAll(j, id, e)
	if s.Final() {
		return finished(id)
	}
	return wrongState(id, s, fmt.Sprintf("it is in none of the states %v", from))
}

func (q *Queue) requeuePlaced(now time.Time, j *job, id ID, e *element, how Rerun) int {
	reason := reasonRequeue
	if how.Hold {
		reason = reasonHold
	}
	return q.each(j, id, e, func(State) bool { return false }, nil, func(e *element) bool {
		if !slices.Contains(how.From, e.state) {
			return false
		}
		q.askKill(now, e, 0, exitKilled, reason)
		return true
	})
}

// requeueFinal brings ended elements back. The error is that of elements that may still have processes.
func (q *Queue) requeueFinal(now time.Time, j *job, id ID, e *element, how Rerun) (n int, err error) {
	again := func(id ID) {
		ev := q.record(JobRequeued, now)
		ev.Job, ev.Reason = id, reasonRequeue
		q.commit(ev)
		if how.Hold {
			q.simple(now, JobStopped, id, 0)
		}
		n++
	}
	wanted := func(s State) bool { return s.Final() && slices.Contains(how.From, s) }
	forced := wrongState(id, Exited, "it was killed by force and its processes may still be running")
	if j.array == nil || id.Index != 0 {
		switch {
		case !wanted(stateOf(j, e)):
		case e != nil && e.forced:
			err = forced
		default:
			again(id)
		}
		return n, err
	}
	var indices []int
	whole := !how.Hold // which would hold those that pend already, too
	for o := range j.array.size {
		s, e := j.array.state, j.array.at(o)
		if e != nil {
			s = e.state
		}
		switch {
		case e != nil && e.forced && wanted(s):
			err, whole = forced, false
		case wanted(s):
			indices = append(indices, int(j.array.index(o)))
		case s.Final():
			whole = false
		}
	}
	if whole && len(indices) > 0 {
		again(id)
		return len(indices), nil
	}
	for _, index := range indices {
		again(ID{Job: id.Job, Index: index})
	}
	return n, err
}

// requeueEnded brings back an element whose host ended it so that it runs again.
func (q *Queue) requeueEnded(now time.Time, e *element, reason string) {
	hold := e.run.reason == reasonHold
	q.requeue(now, e, reason)
	if hold {
		q.simple(now, JobStopped, e.id(), 0)
	}
}
