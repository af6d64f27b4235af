package queue

import (
	"reflect"
	"time"
)

// whileRunning takes over of a spec what can be changed of a job that holds slots.
func whileRunning(from, changed *Spec) Spec {
	spec := *from
	spec.RunLimit, spec.EndBy, spec.Rerunnable = changed.RunLimit, changed.EndBy, changed.Rerunnable
	return spec
}

// modifyRunning is Modify of a job of which something runs: its run limit, its termination deadline and whether it runs again when its host
// is lost.
func (q *Queue) modifyRunning(now time.Time, j *job, spec *Spec) error {
	id := ID{Job: j.number}
	if !reflect.DeepEqual(whileRunning(j.spec, spec), *spec) {
		return wrongState(id, Running, "only its run limit, its termination deadline and whether it is rerunnable can be modified now")
	}
	if err := j.queue.suits(spec); err != nil {
		return err
	}
	if err := checkSpec(spec); err != nil {
		return err
	}
	ev := q.record(JobModified, now)
	ev.Job, ev.Spec, ev.RunLimit = id, spec, runLimitIn(j.queue, spec)
	q.commit(ev)
	return nil
}

// foldModifiedRunning gives a job that holds slots another spec. Its runs get the new run limit, counted from their start without the
// time for which they were suspended.
func (q *Queue) foldModifiedRunning(j *job, ev *Event) error {
	if !reflect.DeepEqual(whileRunning(j.spec, ev.Spec), *ev.Spec) {
		return errImpossible
	}
	q.withdraw(j)
	j.spec = ev.Spec
	reset := func(e *element) {
		r := e.run
		if r == nil {
			return
		}
		if r.timer >= 0 {
			q.deadlines.remove(int(r.timer))
		}
		r.deadline = 0
		q.setDeadline(r, ev.RunLimit)
	}
	if j.array == nil {
		reset(&j.one)
	} else {
		j.array.records(func(_ int32, e *element) { reset(e) })
	}
	q.watchEnd(j)
	q.settle(j)
	return nil
}
