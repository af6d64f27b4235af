package queue

import (
	"fmt"
	"reflect"
	"slices"
	"time"
)

// whileRunning takes over of a spec what can be changed of a job that holds slots.
func whileRunning(from, changed *Spec) Spec {
	spec := *from
	spec.RunLimit, spec.EndBy, spec.Rerunnable = changed.RunLimit, changed.EndBy, changed.Rerunnable
	spec.NotRerunnable = changed.NotRerunnable
	limits := changed.Limits
	limits.FileKiB, limits.DataKiB, limits.StackKiB, limits.CoreKiB = from.Limits.FileKiB, from.Limits.DataKiB, from.Limits.StackKiB, from.Limits.CoreKiB
	spec.Limits = limits
	spec.Stdout, spec.TruncateStdout = changed.Stdout, changed.TruncateStdout
	spec.Stderr, spec.TruncateStderr = changed.Stderr, changed.TruncateStderr
	if spec.Need.MemMiB = changed.Need.MemMiB; spec.Need.MemMiB != from.Need.MemMiB {
		spec.ResReq = "" // it says no more what the job needs
	}
	return spec
}

// modifyRunning is Modify of a job of which something runs: its run limit, its termination deadline, whether it runs again when its host
// is lost, the limits of all its processes together, the files of its output, and the memory that its slots need. Of other needs nothing
// is changed: where it runs is settled.
func (q *Queue) modifyRunning(now time.Time, j *job, spec *Spec) error {
	id := ID{Job: j.number}
	memory := spec.Need.MemMiB
	spec.Need, spec.ResReq = j.spec.Need, j.spec.ResReq
	if memory != spec.Need.MemMiB {
		spec.Need.MemMiB, spec.ResReq = memory, ""
	}
	if !reflect.DeepEqual(whileRunning(j.spec, spec), *spec) {
		return wrongState(id, Running, "only limits, output files, memory and whether it is rerunnable can be modified now")
	}
	if err := j.queue.suits(spec, j.app); err != nil {
		return err
	}
	if err := checkSpec(spec); err != nil {
		return err
	}
	if err := q.hasRoom(j, spec); err != nil {
		return err
	}
	ev := q.record(JobModified, now)
	ev.Job, ev.Spec, ev.RunLimit = id, spec, runLimitIn(j.queue, j.app, spec)
	q.commit(ev)
	return nil
}

// held calls each for every host of which a job holds slots, once for each run, with the number of slots.
func (j *job) held(each func(h *host, slots int)) {
	j.runs(func(e *element) {
		each(e.run.host, e.place[0].Slots)
		for i, h := range e.run.others {
			each(h, e.place[i+1].Slots)
		}
	})
}

// runs calls each for the elements of a job that hold slots.
func (j *job) runs(each func(*element)) {
	visit := func(_ int32, e *element) {
		if e.run != nil {
			each(e)
		}
	}
	if j.array == nil {
		visit(0, &j.one)
		return
	}
	j.array.records(visit)
}

// hasRoom refuses more memory than the hosts have that a job runs on.
func (q *Queue) hasRoom(j *job, spec *Spec) error {
	more := q.memOf(&spec.Need) - q.memOf(&j.spec.Need)
	if more <= 0 {
		return nil
	}
	wanted := make(map[*host]int)
	j.held(func(h *host, slots int) { wanted[h] += slots * more })
	short := ""
	for h, mem := range wanted {
		if h.spec.MemMiB > 0 && h.mem+mem > h.spec.MemMiB && (short == "" || h.spec.Name < short) {
			short = h.spec.Name
		}
	}
	if short != "" {
		return &Error{KindConflict, BadSpec, short, fmt.Sprintf("host %s has not so much memory left", short)}
	}
	return nil
}

// foldModifiedRunning gives a job that holds slots another spec. Its runs get the new run limit, counted from their start without the
// time for which they were suspended, and take the memory that it says.
func (q *Queue) foldModifiedRunning(j *job, ev *Event) error {
	if !reflect.DeepEqual(whileRunning(j.spec, ev.Spec), *ev.Spec) {
		return errImpossible
	}
	q.withdraw(j)
	more := q.memOf(&ev.Spec.Need) - q.memOf(&j.spec.Need)
	j.spec = ev.Spec
	j.held(func(h *host, slots int) {
		q.book.mark(h)
		h.mem += slots * more
	})
	q.dirty = q.dirty || more != 0
	j.runs(func(e *element) {
		r := e.run
		r.modified = true
		if r.timer >= 0 {
			q.deadlines.remove(int(r.timer))
		}
		r.deadline = 0
		q.setDeadline(r, ev.RunLimit)
	})
	q.watchEnd(j)
	q.settle(j)
	return nil
}

// Placed are the attempts of a job that hold slots, by index.
func (q *Queue) Placed(job int64) []Attempt {
	j := q.jobs.get(job)
	if j == nil {
		return nil
	}
	var placed []Attempt
	j.runs(func(e *element) { placed = append(placed, Attempt{e.id(), int(e.attempt)}) })
	slices.SortFunc(placed, func(a, b Attempt) int { return compareID(a.ID, b.ID) })
	return placed
}
