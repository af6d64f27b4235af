package host

import (
	"errors"
	"time"

	"golang.org/x/sys/unix"
)

// killOrder is a wish to end a job: signals one after the other, then KILL until nothing is left.
type killOrder struct {
	exitCode int // to report; 0 = as the processes say
	reason   string
	steps    []step
	kill     time.Duration // after the order
}

// step is a signal to all processes of a job, a time after the order.
type step struct {
	after  time.Duration
	signal unix.Signal
}

// atOnce ends a job with KILL.
func atOnce(reason string) killOrder { return killOrder{reason: reason} }

// orderOf ends a job as LSF does: INT, the grace, TERM, the grace, KILL; where the exit code to report is that of a warning
// (USR2 at the run limit, XCPU at the limit of processor time), that signal comes first.
func (j *job) orderOf(exitCode int, reason string, warning time.Duration) killOrder {
	grace, at := j.grace(), time.Duration(0)
	o := killOrder{exitCode: exitCode, reason: reason}
	switch first := unix.Signal(exitCode - 128); first {
	case unix.SIGUSR2, unix.SIGXCPU:
		o.steps = append(o.steps, step{0, first})
		if at = warning; at <= 0 {
			at = grace
		}
	}
	o.steps = append(o.steps, step{at, unix.SIGINT}, step{at + grace, unix.SIGTERM})
	o.kill = at + 2*grace
	return o
}

// end begins to end a job. The first order's reason counts; a later one can only hurry.
func (k *keeper) end(j *job, order killOrder) {
	now := time.Now()
	repeated := j.kill != nil && order.reason != "" && j.kill.reason == order.reason && order.kill > 0
	if j.kill == nil && j.phase <= running {
		j.kill = &order
		close(j.abandoned)
	}
	if repeated || j.phase != running && j.phase != sweeping {
		return
	}
	k.press(j, order, now)
}

// press follows an order, unless one that is in force ends the job sooner.
func (k *keeper) press(j *job, order killOrder, now time.Time) {
	if killAt := now.Add(order.kill); j.killAt.IsZero() || killAt.Before(j.killAt) {
		j.killAt, j.steps = killAt, order.steps
		j.pressedAt = now
	}
	k.ending[j] = true
	k.due(j, now)
}

// due does what is due of a job's end.
func (k *keeper) due(j *job, now time.Time) {
	for len(j.steps) > 0 && !now.Before(j.pressedAt.Add(j.steps[0].after)) {
		k.signalJob(j, j.steps[0].signal)
		k.signalJob(j, unix.SIGCONT) // a stopped process takes no signal
		j.steps = j.steps[1:]
	}
	if !now.Before(j.killAt) && !now.Before(j.nextRound) {
		k.killRound(j, now)
	}
}

// nextDue is when due has something to do.
func (j *job) nextDue() time.Time {
	if len(j.steps) > 0 {
		return j.pressedAt.Add(j.steps[0].after)
	}
	if j.nextRound.After(j.killAt) {
		return j.nextRound
	}
	return j.killAt
}

// endAll ends all jobs at once; silent ones write no output, because they are no longer ours.
func (k *keeper) endAll(reason string, silent bool) {
	k.closing = true
	for _, j := range k.jobs {
		if silent {
			j.disown()
		}
		k.end(j, atOnce(reason))
	}
}

func (k *keeper) signalJob(j *job, number unix.Signal) {
	tree, err := k.treeOf(j)
	if err == nil {
		err = signalTree(tree, number)
	}
	if err != nil {
		k.warn("signal job %s: %v", j.key, err)
	}
}

// killRound kills what is there now; what is forked meanwhile is the next round's.
func (k *keeper) killRound(j *job, now time.Time) {
	tree, err := k.treeOf(j)
	if err == nil {
		err = killTree(tree, unix.Getpgrp())
	}
	if j.group != nil {
		err = errors.Join(err, j.group.kill())
	}
	if err != nil && j.round == 0 { // once: the other rounds would say the same
		k.warn("kill job %s: %v", j.key, err)
	}
	j.round = min(max(2*j.round, firstRound), lastRound)
	j.nextRound = now.Add(j.round)
}

// sweep looks whether a job whose main process ended has left any behind, and ends those.
func (k *keeper) sweep(j *job) {
	left, err := k.hasOrphans(j)
	if err != nil {
		k.warn("look for processes of job %s: %v", j.key, err)
		left = true // look again later
	}
	if !left {
		k.stageOver(j)
		return
	}
	if j.phase == running {
		j.phase = sweeping
		k.press(j, killOrder{steps: []step{{0, unix.SIGTERM}}, kill: min(j.grace(), sweepGrace)}, time.Now())
	}
}
