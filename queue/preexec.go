package queue

import "time"

// maxPreExecPause is the longest pause after a pre-execution command that failed.
const maxPreExecPause = 5 * time.Minute

// preExecFailed takes a job back whose pre-execution command failed: it pends, after a pause, because the reason will seldom
// have gone at once; or it is held when that happened too often.
func (q *Queue) preExecFailed(now time.Time, e *element) {
	pause := q.cfg.PreExecPause
	for range min(e.refused, 10) {
		pause = min(2*pause, maxPreExecPause)
	}
	ev := q.record(JobRequeued, now)
	ev.Job, ev.Attempt, ev.Reason, ev.NotBefore = e.id(), int(e.attempt), reasonPreExec, now.Add(pause)
	q.commit(ev)
	if int(e.refused) >= q.cfg.PreExecRetries {
		q.simple(now, JobStopped, e.id(), 0)
	}
}

// foldPause keeps a job from starting until then. An array waits as a whole: its elements share the command.
func (q *Queue) foldPause(e *element, until stamp) {
	e.refused = min(e.refused, 1<<14) + 1
	j := e.job
	j.begin, j.paused = max(j.begin, until), true
	q.alarms.push(alarm{at: until, job: j.number})
}
