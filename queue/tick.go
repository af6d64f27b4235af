package queue

import (
	"cmp"
	"fmt"
	"slices"
	"time"
)

// alarm is a time at which a pending job changes: its begin time, its termination deadline, or when its condition could be met no more.
type alarm struct {
	at  stamp
	job int64
}

// retired is a job whose last element ended; it may be forgotten when it was in the list for KeepFinished.
type retired struct {
	at    stamp // since when it is in the list
	ended stamp
	job   int64
}

// maxForgotten bounds the jobs that one Tick lets go.
const maxForgotten = 10_000

// Tick does what time alone brings: begin times come, run limits and deadlines pass, jobs on lost hosts become UNKWN and are
// given up when the lease is over, ended jobs are forgotten.
func (q *Queue) Tick(now time.Time) {
	at := stampOf(now)
	q.begin(now, at)
	for q.deadlines.len() > 0 && q.deadlines.items[0].deadline <= at {
		e := q.deadlines.items[0].e
		if end := stampOf(e.job.spec.EndBy); end != 0 && end <= at {
			q.askKill(now, e, 0, exitKilled, reasonEndBy)
		} else {
			q.askKill(now, e, 0, exitRunLimit, reasonLimit)
		}
	}
	for _, h := range slices.Clone(q.lost) {
		q.tickLost(now, at, h)
	}
	q.begin(now, at) // the deadline of a job that pends again may be over
	for n := 0; n < maxForgotten && q.ended.len() > 0 && q.ended.first().at.after(q.cfg.KeepFinished) <= at; n++ {
		q.forget(now, at)
	}
}

// begin lets jobs whose begin time came be eligible, and ends pending ones whose deadline passed. It may be called at any time: the
// former is no event, because it follows from the time.
func (q *Queue) begin(now time.Time, at stamp) {
	for q.alarms.len() > 0 && q.alarms.items[0].at <= at {
		a := q.alarms.pop()
		j := q.jobs.get(a.job)
		if j == nil {
			continue
		}
		if j.begin != 0 && j.begin <= at {
			j.begin, j.paused = 0, false
			q.settle(j)
		}
		switch end := stampOf(j.spec.EndBy); {
		case !q.pending(j):
		case end == a.at:
			q.finish(now, ID{Job: j.number}, 0, 0, reasonEndBy)
		case j.orphanAt == a.at && j.need != nil && j.need.verdict == isNever:
			q.finish(now, ID{Job: j.number}, 0, 0, reasonOrphan)
		}
	}
}

// pending reports that elements of a job pend or are held.
func (q *Queue) pending(j *job) bool {
	if j.array == nil {
		return pends(j.one.state)
	}
	return j.array.count[Pending]+j.array.count[HeldPending] > 0
}

// tickLost shows the jobs of a host as UNKWN when it has been unavailable for some time, and gives them up when it must have
// ended them itself.
func (q *Queue) tickLost(now time.Time, at stamp, h *host) {
	if !h.shown && h.lostAt.after(q.cfg.UnknownAfter) <= at {
		h.shown = true
		runs, guests := h.jobs()
		for _, r := range append(runs, guests...) {
			switch r.e.state {
			case Running, UserSuspended, SysSuspended:
				q.simple(now, JobUnknown, r.e.id(), int(r.e.attempt))
			}
		}
	}
	if !h.given && q.leaseEnd(h) <= at {
		h.given = true
		q.loseJobs(now, h, fmt.Sprintf("host %s was lost: it has been unavailable for longer than its lease", h.spec.Name))
	}
}

// leaseEnd is when the host has surely ended its jobs, by the lease that it knows of.
func (q *Queue) leaseEnd(h *host) stamp {
	return h.lostAt.after(cmp.Or(h.lease, q.cfg.Lease)).after(q.cfg.LeaseMargin)
}

// forget lets the job go that ended first, unless another one still depends on it.
func (q *Queue) forget(now time.Time, at stamp) {
	r := q.ended.pop()
	j := q.jobs.get(r.job)
	switch {
	case j == nil || j.open > 0 || j.endedLast != r.ended:
	case j.watched():
		q.ended.push(retired{at, r.ended, r.job})
	default:
		q.simple(now, JobForgotten, ID{Job: r.job}, 0)
	}
}

func (q *Queue) foldForgotten(j *job) error {
	if j.open > 0 {
		return errImpossible
	}
	q.tasks--
	if a := j.array; a != nil {
		q.tasks -= int(a.size - a.pristine)
	}
	known := j.listed // by the class
	q.withdraw(j)
	q.regroup(j, nil)
	u := j.user
	u.dropName(j)
	if u.jobs--; u.jobs == 0 {
		delete(q.users, u.name)
	}
	q.refer(j.spec, -1)
	q.jobs.remove(j.number)
	if !known {
		q.reuse(j)
	}
	return nil
}

// maxBlank bounds the records of jobs that are kept to be used again.
const maxBlank = 4096

// reuse keeps the record of a job that was forgotten for another one, if nothing can still lead to it.
func (q *Queue) reuse(j *job) {
	if j.strewn || j.array != nil || j.watchers != nil || len(q.blank) == maxBlank {
		return
	}
	*j = job{}
	q.blank = append(q.blank, j)
}

// newJob is an empty record.
func (q *Queue) newJob() *job {
	last := len(q.blank) - 1
	if last < 0 {
		return new(job)
	}
	j := q.blank[last]
	q.blank[last] = nil
	q.blank = q.blank[:last]
	return j
}

// foldMoved changes a job's queue or its place in the order.
func (q *Queue) foldMoved(j *job, ev *Event) error {
	q.withdraw(j)
	if ev.Kind == JobReprioritised {
		j.order = ev.Order
		q.order = max(q.order, ev.Order+1)
		q.settle(j)
		return nil
	}
	from, to := j.queue, q.queueOf(ev.QueueName)
	j.tally(func(s State, slots int) {
		from.add(s, -slots, j.user)
		to.add(s, slots, j.user)
	})
	j.held(func(h *host, slots int) {
		h.hold(from, -slots)
		h.hold(to, slots)
	})
	j.queue = to
	spec := *j.spec // who holds the former one keeps it
	spec.Queue = ev.QueueName
	j.spec = &spec
	q.dirty = true
	q.settle(j)
	return nil
}

// NextWake is the earliest time at which Tick or Schedule could do something without any other call before; the zero time if
// there is none.
func (q *Queue) NextWake() time.Time {
	at := q.retryAt
	if q.alarms.len() > 0 {
		at = min(at, q.alarms.items[0].at)
	}
	if q.deadlines.len() > 0 {
		at = min(at, q.deadlines.items[0].deadline)
	}
	if q.ended.len() > 0 {
		at = min(at, q.ended.first().at.after(q.cfg.KeepFinished))
	}
	for _, h := range q.lost {
		if len(h.runs)+len(h.guests) == 0 {
			continue
		}
		if unknown := h.lostAt.after(q.cfg.UnknownAfter); !h.shown {
			at = min(at, unknown)
		}
		if !h.given {
			at = min(at, q.leaseEnd(h))
		}
	}
	return wake(at)
}
