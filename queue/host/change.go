package host

import (
	"time"

	"sluice/queue/wire"
)

// change changes a job that was started, see wire.JobChange.
func (k *keeper) change(c *wire.JobChange) {
	j := k.jobs[keyOf(c.GetAttempt())]
	switch {
	case j == nil, j.phase == finishing: // it has ended
	case j.phase == preparing: // others read what it was started with
		j.change = c
	default:
		k.apply(j, c)
	}
}

// apply makes a change. The job is prepared, and nobody but the keeper's loop has to do with it.
func (k *keeper) apply(j *job, c *wire.JobChange) {
	s := j.start
	if j.ready.out != nil {
		s.Stdout, s.TruncateStdout = c.GetStdout(), c.GetTruncateStdout()
	}
	if j.ready.errOut != nil && c.GetStderr() != "" { // else it goes where it went
		s.Stderr, s.TruncateStderr = c.GetStderr(), c.GetTruncateStderr()
	}
	counted := j.phase != preparing && j.stage == stageMain
	if counted && isWatched(s.GetLimits()) {
		k.watched--
	}
	s.Limits = newLimits(s.GetLimits(), c.GetLimits())
	if counted && isWatched(s.GetLimits()) {
		k.watched++
		if soon := time.Now().Add(k.sampleEvery()); soon.Before(k.nextSample) {
			k.nextSample = soon
		}
	}
	if j.group != nil {
		if err := j.group.limit(s.GetLimits().GetMemKib()); err != nil {
			k.warn("change limit of job %s: %v", j.key, err) // its memory is watched all the same
		}
	}
}

// newLimits are changed limits of a job, with those of each process as they are in force.
func newLimits(old, changed *wire.Limits) *wire.Limits {
	return &wire.Limits{
		MemKib: changed.GetMemKib(), SwapKib: changed.GetSwapKib(), CpuNs: changed.GetCpuNs(), Processes: changed.GetProcesses(),
		Threads: changed.GetThreads(),
		FileKib: old.GetFileKib(), DataKib: old.GetDataKib(), StackKib: old.GetStackKib(), CoreKib: old.GetCoreKib(),
	}
}
