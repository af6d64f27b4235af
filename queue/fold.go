package queue

import (
	"cmp"
	"errors"
	"slices"
	"time"
)

func (q *Queue) foldSubmitted(ev *Event) error {
	spec := ev.Spec
	if spec == nil || ev.Job.Job <= q.last || ev.Job.Index != 0 {
		return errImpossible
	}
	if known := q.alike.find(spec); known != nil {
		spec = known
	} else if err := checkSpec(spec); err != nil {
		return err
	} else {
		q.alike.keep(spec)
	}
	need, err := q.bind(spec)
	if err != nil {
		return err
	}
	j := q.newJob()
	j.number, j.spec, j.queue, j.user = ev.Job.Job, spec, q.queueOf(spec.Queue), q.user(spec.User)
	j.app = q.apps[spec.App]
	j.order, j.submitted, j.need = cmp.Or(ev.Order, q.order), q.at, need
	if j.group, err = q.groupFor(spec); err != nil {
		return err
	}
	j.since = max(j.submitted, stampOf(spec.BeginAt))
	if err := q.jobs.put(j); err != nil {
		return err
	}
	q.last = j.number
	q.order = max(q.order, j.order+1)
	q.tasks++
	j.open = 1
	state := Pending
	if spec.Hold {
		state = HeldPending
	}
	if spec.Array != nil {
		j.array = newArray(spec.Array)
		j.array.state = state
		j.open = j.array.size
	} else {
		j.one.job, j.one.state = j, state
	}
	j.user.jobs++
	j.group.enter(1)
	j.user.addName(j)
	if begin := stampOf(spec.BeginAt); begin > j.submitted {
		j.begin = begin
		q.alarms.push(alarm{at: begin, job: j.number})
	}
	q.watchEnd(j)
	q.account(j, nil, 0, state, j.open, 0, int(j.open)*spec.MinSlots)
	if need != nil {
		q.attach(j)
	}
	q.refer(spec, 1)
	q.settle(j)
	return nil
}

// watchEnd sees to it that elements which pend at their job's termination deadline, or come to pend after it, are ended.
func (q *Queue) watchEnd(j *job) {
	if end := stampOf(j.spec.EndBy); end != 0 {
		q.alarms.push(alarm{at: end, job: j.number})
	}
}

// account moves n elements of a job, which hold or want some slots, from one state to another; 0 is no state. e is the
// element, if it is just one with a record.
func (q *Queue) account(j *job, e *element, from, to State, n int32, fromSlots, toSlots int) {
	if from != 0 {
		q.slots[from] -= fromSlots
		j.queue.add(from, -fromSlots, j.user)
		j.app.add(from, -fromSlots)
		j.group.add(from, -int(n), -fromSlots)
	}
	q.slots[to] += toSlots
	j.queue.add(to, toSlots, j.user)
	j.app.add(to, toSlots)
	j.group.add(to, int(n), toSlots)
	if j.array != nil {
		j.array.count[from] -= n
		j.array.count[to] += n
	}
	wasPending, isPending := from == Pending || from == HeldPending, to == Pending || to == HeldPending
	switch {
	case isPending && !wasPending:
		j.user.pending += int(n)
		q.pend += int(n)
	case wasPending && !isPending:
		j.user.pending -= int(n)
		q.pend -= int(n)
	}
	if j.watchers != nil && from != 0 {
		q.notify(j, e, from, to, n)
	}
}

// turn moves one element to another state and settles its job. Its run, if any, must be as it was before the change; fold
// functions that start or end a run account for its slots themselves.
func (q *Queue) turn(e *element, to State) {
	slots := e.job.spec.MinSlots
	if e.run != nil {
		slots = int(e.run.slots)
		q.count(e.run, e.place, e.state, to)
	}
	q.shift(e, to, slots, slots)
	q.settle(e.job)
}

func (q *Queue) shift(e *element, to State, fromSlots, toSlots int) {
	j, from := e.job, e.state
	e.state = to
	if a := j.array; a != nil {
		if from == Pending && !e.barred {
			a.waiting--
		}
		e.barred = to == Pending && a.each && e.attempt == 0 && j.need != nil && j.need.at(int(e.index)) != isTrue
		if to == Pending && !e.barred {
			a.admit(e)
		}
	}
	switch {
	case to.Final() && !from.Final():
		j.open--
	case from.Final() && !to.Final():
		j.open++
	}
	q.account(j, e, from, to, 1, fromSlots, toSlots)
}

func (q *Queue) foldStarted(e *element, ev *Event) error {
	if e.state != Pending || ev.Attempt != int(e.attempt)+1 || len(ev.Placement) == 0 {
		return errImpossible
	}
	r := q.newRun()
	for i, p := range ev.Placement {
		h := q.hosts[p.Host]
		if h == nil || p.Slots < 1 {
			q.spare = append(q.spare, r)
			return errors.New("placed on no such host")
		}
		if i == 0 {
			r.host = h
		} else {
			r.others = append(r.others, h)
		}
		r.slots += int32(p.Slots)
	}
	j := e.job
	e.run, r.e = r, e
	e.attempt++
	e.place, e.started, e.ended = ev.Placement, stampOf(ev.At), 0
	e.exit, e.pid, e.usage, e.reason, e.forced = 0, 0, Usage{}, "", false
	j.begin, j.paused = 0, false
	j.placed++
	r.host.seat(r)
	r.host.begun(e.started)
	q.take(r.host, ev.Placement[0].Slots, j)
	for i, h := range r.others {
		h.guests = append(h.guests, r)
		h.begun(e.started)
		q.take(h, ev.Placement[i+1].Slots, j)
	}
	q.setDeadline(r, cmp.Or(ev.RunLimit, j.spec.RunLimit)) // events of former versions do not tell it
	q.noteWait(e, int(r.slots), q.at)
	q.count(r, e.place, 0, Running)
	q.shift(e, Running, j.spec.MinSlots, int(r.slots))
	if j.array == nil && j.need != nil {
		q.detach(j)
	}
	q.settle(j)
	return nil
}

func (q *Queue) newRun() *run {
	if n := len(q.spare); n > 0 {
		r := q.spare[n-1]
		q.spare = q.spare[:n-1]
		*r = run{others: r.others[:0], timer: -1}
		return r
	}
	return &run{timer: -1}
}

// vacate takes a run's slots back.
func (q *Queue) vacate(e *element, at stamp) {
	r := e.run
	if r.timer >= 0 {
		q.deadlines.remove(int(r.timer))
	}
	q.count(r, e.place, e.state, 0)
	r.host.unseat(r)
	r.host.over(e.started)
	q.give(r.host, e.place[0].Slots, e.job, at)
	for i, h := range r.others {
		h.guests = slices.DeleteFunc(h.guests, func(g *run) bool { return g == r })
		h.over(e.started)
		q.give(h, e.place[i+1].Slots, e.job, at)
	}
	clear(r.others)
	e.job.placed--
	e.run = nil
	r.host, r.e = nil, nil
	q.spare = append(q.spare, r)
}

// foldElement is what can happen to one element, placed or not.
func (q *Queue) foldElement(e *element, ev *Event) error {
	switch {
	case ev.Kind == JobFinished && !e.state.Final():
		q.end(e, ev)
	case ev.Kind == JobRequeued && (e.state.Final() || e.run != nil):
		q.again(e, ev)
	case ev.Kind == JobStopped && e.state == Pending:
		q.turn(e, HeldPending)
	case ev.Kind == JobStopped && e.state == Running:
		e.run.stopped = stampOf(ev.At)
		if e.run.timer >= 0 {
			q.deadlines.remove(int(e.run.timer))
		}
		q.turn(e, UserSuspended)
	case ev.Kind == JobResumed && e.state == HeldPending:
		e.since, e.refused = q.at, 0
		q.turn(e, Pending)
	case ev.Kind == JobResumed && e.state == UserSuspended:
		rest := stampOf(ev.At) - e.run.stopped
		e.run.stopped = 0
		e.run.rested += rest
		if e.run.deadline != 0 {
			e.run.deadline += rest
			q.rearm(e.run)
		}
		q.turn(e, Running)
	default:
		return errImpossible
	}
	return nil
}

// end makes an element DONE or EXIT.
func (q *Queue) end(e *element, ev *Event) {
	j, at, slots, to := e.job, stampOf(ev.At), e.job.spec.MinSlots, Exited
	e.exit, e.usage, e.reason, e.ended = int16(ev.ExitCode), ev.Usage, ev.Reason, at
	if !ev.EndedAt.IsZero() {
		e.ended = stampOf(ev.EndedAt)
	}
	if e.run != nil {
		slots = int(e.run.slots)
		e.forced = ev.Reason == reasonForce
		q.work += time.Duration(e.ended-e.started).Seconds() * float64(slots)
		q.evidence.finish(slots, e.started, e.ended)
		if ev.ExitCode == 0 && ev.Reason == "" {
			to = Done
		}
		q.vacate(e, at)
	}
	q.shift(e, to, slots, 0)
	q.settle(j)
	q.close(j, at)
}

// close notes that a job's last element ended, if it did.
func (q *Queue) close(j *job, at stamp) {
	if j.open > 0 {
		return
	}
	j.endedLast = at
	if j.need != nil {
		q.detach(j)
	}
	q.ended.push(retired{at, at, j.number})
}

// again brings a placed or ended element back to PEND.
func (q *Queue) again(e *element, ev *Event) {
	slots := 0
	if e.run != nil {
		slots = int(e.run.slots)
		q.vacate(e, stampOf(ev.At))
	}
	e.since = q.at
	if !ev.NotBefore.IsZero() {
		q.foldPause(e, stampOf(ev.NotBefore))
	}
	q.shift(e, Pending, slots, e.job.spec.MinSlots)
	e.reason, e.exit, e.pid, e.ended = ev.Reason, 0, 0, 0
	q.watchEnd(e.job)
	q.settle(e.job)
}

// foldArray is what can happen to all elements of an array that have a state: JobFinished to those that pend, JobStopped and
// JobResumed likewise, JobRequeued to those that ended.
func (q *Queue) foldArray(j *job, ev *Event) error {
	var from [2]State
	var to State
	switch ev.Kind {
	case JobFinished:
		from, to = [2]State{Pending, HeldPending}, Exited
	case JobStopped:
		from, to = [2]State{Pending}, HeldPending
	case JobResumed:
		from, to = [2]State{HeldPending}, Pending
	case JobRequeued:
		from, to = [2]State{Done, Exited}, Pending
	default:
		return errImpossible
	}
	a := j.array
	var err error
	a.records(func(_ int32, e *element) {
		if (e.state == from[0] || e.state == from[1]) && err == nil {
			one := *ev
			one.Job.Index = int(e.index)
			err = q.foldElement(e, &one)
		}
	})
	if a.pristine > 0 && (a.state == from[0] || a.state == from[1]) {
		if to == Pending {
			j.since = q.at
		}
		q.shiftPristine(j, to, ev)
	}
	q.settle(j)
	return err
}

func (q *Queue) shiftPristine(j *job, to State, ev *Event) {
	a := j.array
	from, n := a.state, a.pristine
	a.state, a.ended, a.reason = to, 0, ""
	fromSlots, toSlots := int(n)*j.spec.MinSlots, int(n)*j.spec.MinSlots
	switch {
	case to == Exited:
		a.ended, a.reason, toSlots = stampOf(ev.At), ev.Reason, 0
		j.open -= n
	case from == Exited:
		fromSlots = 0
		j.open += n
		q.watchEnd(j)
	}
	q.account(j, nil, from, to, n, fromSlots, toSlots)
	switch {
	case to == Exited:
		q.close(j, a.ended)
	case to == Pending && a.each:
		q.ready(j)
	}
}
