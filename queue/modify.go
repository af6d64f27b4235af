package queue

import (
	"fmt"
	"reflect"
	"time"
)

// Modify changes a job: change is called with a copy of its spec. Whose the job is, the indices of an array, where it was submitted
// and whether it is held stay as they are. With another queue it moves there. While it, or an element of it, holds slots, only what
// whileRunning names can be changed.
func (q *Queue) Modify(now time.Time, by Actor, id ID, change func(*Spec)) error {
	j, _, err := q.command(by, id)
	switch {
	case err != nil:
		return err
	case id.Index != 0:
		return &Error{KindInvalid, BadSpec, id.String(), fmt.Sprintf("job %v: elements change only together, modify job %d", id, id.Job)}
	case j.open == 0:
		return finished(id)
	}
	spec := *j.spec
	change(&spec)
	spec.User, spec.Array, spec.Hold, spec.SubmitHost, spec.Env = j.spec.User, j.spec.Array, j.spec.Hold, j.spec.SubmitHost, j.spec.Env
	if j.placed > 0 {
		return q.modifyRunning(now, j, &spec)
	}
	to := q.named[spec.Queue]
	if to == nil {
		return &Error{KindNotFound, NoSuchQueue, spec.Queue, fmt.Sprintf("queue %q: no such queue", spec.Queue)}
	}
	if to != j.queue && !to.open {
		return &Error{KindUnavailable, QueueClosed, spec.Queue, fmt.Sprintf("queue %q has been closed", spec.Queue)}
	}
	app := j.app
	if spec.App != j.spec.App {
		if app, err = q.appFor(&spec); err != nil {
			return err
		}
	}
	to.fill(&spec, app)
	if err := to.suits(&spec, app); err != nil {
		return err
	}
	if err := q.fits(&spec, to, app); err != nil {
		return err
	}
	if err := q.rebindable(j, &spec); err != nil {
		return err
	}
	if err := q.makeGroup(now, &spec); err != nil {
		return err
	}
	if to != j.queue {
		ev := q.record(JobQueueMoved, now)
		ev.Job, ev.QueueName = ID{Job: id.Job}, spec.Queue
		q.commit(ev)
	}
	ev := q.record(JobModified, now)
	ev.Job, ev.Spec = ID{Job: id.Job}, &spec
	q.commit(ev)
	return nil
}

// rebindable checks a new dependency condition.
func (q *Queue) rebindable(j *job, spec *Spec) error {
	if reflect.DeepEqual(spec.After, j.spec.After) {
		return nil
	}
	need, err := q.bind(spec)
	if err != nil {
		return err
	}
	if j.array != nil && (j.array.each || need != nil && need.each()) {
		return badDependency("", "one with [*] cannot be changed, submit the array anew")
	}
	if need != nil && need.watches(j) {
		return badDependency("", "job %d would wait for itself", j.number)
	}
	return nil
}

func (d *dependency) each() bool {
	for _, l := range d.leaves {
		if l.each {
			return true
		}
	}
	return false
}

func (d *dependency) watches(j *job) bool {
	for _, l := range d.leaves {
		for _, w := range l.jobs {
			if w == j {
				return true
			}
		}
	}
	return false
}

// foldModified gives a job another spec.
func (q *Queue) foldModified(j *job, ev *Event) error {
	spec := ev.Spec
	switch {
	case spec == nil || j.open == 0:
		return errImpossible
	case j.placed > 0:
		return q.foldModifiedRunning(j, ev)
	}
	if err := checkSpec(spec); err != nil {
		return err
	}
	to, err := q.groupFor(spec)
	if err != nil {
		return err
	}
	need := j.need
	rebound := !reflect.DeepEqual(spec.After, j.spec.After)
	if rebound {
		if need, err = q.bind(spec); err != nil {
			return err
		}
	}
	q.withdraw(j)
	q.regroup(j, to)
	j.app.moveTo(q.apps[spec.App], j)
	q.resize(j, spec.MinSlots-j.spec.MinSlots)
	if spec.Name != j.spec.Name {
		j.user.dropName(j)
		old := *j.spec // who holds the former one keeps it
		old.Name = spec.Name
		j.spec = &old
		j.user.addName(j)
	}
	if rebound {
		if j.need != nil {
			q.detach(j)
		}
		if j.need = need; need != nil {
			q.attach(j)
		}
	}
	if begin := stampOf(spec.BeginAt); begin != stampOf(j.spec.BeginAt) {
		j.begin, j.paused = 0, false
		if begin > q.at {
			j.begin = begin
			q.alarms.push(alarm{at: begin, job: j.number})
		}
		j.since = max(j.since, begin)
	}
	q.refer(j.spec, -1)
	q.refer(spec, 1)
	j.spec = spec
	q.watchEnd(j)
	q.settle(j)
	return nil
}

// resize accounts for pending elements that each want more slots than before, or fewer.
func (q *Queue) resize(j *job, more int) {
	for _, s := range []State{Pending, HeldPending} {
		n := 0
		switch {
		case j.array != nil:
			n = int(j.array.count[s])
		case j.one.state == s:
			n = 1
		}
		q.slots[s] += n * more
		j.queue.add(s, n*more, j.user)
		j.app.add(s, n*more)
		j.group.add(s, 0, n*more)
	}
}
