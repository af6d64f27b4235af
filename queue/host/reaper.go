package host

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// reap takes leave of all children that have ended.
func (k *keeper) reap() {
	now := time.Now()
	orphaned := false
	for {
		var status unix.WaitStatus
		var usage unix.Rusage
		pid, err := unix.Wait4(-1, &status, unix.WNOHANG, &usage)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil || pid <= 0 {
			break
		}
		orphaned = k.reaped(pid, status, &usage, now) || orphaned
	}
	for _, j := range k.mains {
		if j.reaped && (orphaned || j.phase == running) {
			k.sweep(j)
		}
	}
}

// reaped says whether the process was one that a job left behind.
func (k *keeper) reaped(pid int, status unix.WaitStatus, usage *unix.Rusage, now time.Time) bool {
	if h := k.helpers[pid]; h != nil {
		delete(k.helpers, pid)
		h.done <- status
		return false
	}
	if j := k.mains[pid]; j != nil && !j.reaped {
		j.mainEnded(status, usage, now)
		return false
	}
	if j := k.orphans[pid]; j != nil && j.stage == stageMain {
		j.addUsage(usage)
	}
	delete(k.orphans, pid)
	return true
}

// hasOrphans says whether children of this process come from a job. When the job's main process has been reaped, those are
// the roots of all that is left of it: whatever loses its parent becomes ours in the same moment.
func (k *keeper) hasOrphans(j *job) (bool, error) {
	if err := k.adopt(); err != nil {
		return false, err
	}
	for _, of := range k.orphans {
		if of == j {
			return true, nil
		}
	}
	return false, nil
}

// adopt finds out where each new child comes from.
func (k *keeper) adopt() error {
	children, err := ownChildren(k.threads, k.buffer)
	if err != nil {
		return err
	}
	for _, pid := range children {
		if j := k.mains[pid]; j != nil && !j.reaped || k.helpers[pid] != nil {
			continue
		}
		of, seen := k.orphans[pid]
		if of != nil {
			continue
		}
		k.orphans[pid] = k.attribute(pid)
		if k.orphans[pid] == nil {
			k.killStray(pid, !seen)
		}
	}
	return nil
}

// attribute finds the job that a process comes from: by its session, by the mark among its resource limits, or by its
// environment, each of which survives what may lose the others.
func (k *keeper) attribute(pid int) *job {
	if len(k.mains) == 1 {
		for _, j := range k.mains {
			return j
		}
	}
	p, err := readProcess(pid)
	if err != nil {
		return nil
	}
	if j := k.mains[p.sid]; j != nil {
		return j
	}
	if j := k.mains[p.pgid]; j != nil {
		return j
	}
	if j := k.marks[markOf(pid)]; j != nil {
		return j
	}
	environ, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/environ")
	if err != nil {
		return nil
	}
	for variable := range bytes.SplitSeq(environ, []byte{0}) {
		if script, ok := bytes.CutPrefix(variable, []byte("LSB_JOBFILENAME=")); ok {
			for _, j := range k.mains {
				if j.ready.script == string(script) {
					return j
				}
			}
		}
	}
	return nil
}

// markOf is the mark among a process's resource limits, 0 for none.
func markOf(pid int) uint64 {
	var limit unix.Rlimit
	if err := unix.Prlimit(pid, unix.RLIMIT_LOCKS, nil, &limit); err != nil {
		return 0
	}
	return limit.Cur
}

// killStray kills a process that took off every sign of its job, which does not happen by accident.
func (k *keeper) killStray(pid int, first bool) {
	table, err := readProcesses()
	if err == nil {
		err = killTree(table.tree([]int{pid}), unix.Getpgrp())
	}
	if first {
		k.warn("killed process %d, which hid what job it came from (error: %v)", pid, err)
	}
}

// treeOf is every process of a job, at one time.
func (k *keeper) treeOf(j *job) ([]process, error) {
	if err := k.adopt(); err != nil {
		return nil, err
	}
	table, err := readProcesses()
	if err != nil {
		return nil, err
	}
	return table.tree(k.rootsOf(j)), nil
}

func (k *keeper) rootsOf(j *job) []int {
	var roots []int
	if !j.reaped && j.pid != 0 {
		roots = append(roots, j.pid)
	}
	for pid, of := range k.orphans {
		if of == j {
			roots = append(roots, pid)
		}
	}
	return roots
}

// untilNext is the time to the next thing that happens by itself.
func (k *keeper) untilNext(now time.Time) time.Duration {
	next := k.nextSample
	for j := range k.ending {
		if at := j.nextDue(); at.Before(next) {
			next = at
		}
	}
	for _, h := range k.helpers {
		if h.until.Before(next) {
			next = h.until
		}
	}
	wait := next.Sub(now)
	if k.lease != 0 { // looked at often, because timers stand still while the machine is suspended
		wait = min(wait, time.Second, time.Duration(k.lease-bootClock()))
	}
	return max(wait, 0)
}

// pass does what is due.
func (k *keeper) pass(now time.Time) {
	if k.lease != 0 && bootClock() >= k.lease {
		k.lease = 0
		k.endAll("the host lost its lease", true)
		k.out.send(&frame{kind: frameExpired})
	}
	for j := range k.ending {
		if now.Before(j.nextDue()) {
			continue
		}
		k.due(j, now)
		if j.reaped {
			k.sweep(j)
		}
	}
	for pid, h := range k.helpers {
		if now.After(h.until) { // its number is its own until it is reaped, here
			h.until = now.Add(lookupTimeout)
			if err := ignoreGone(unix.Kill(pid, unix.SIGKILL)); err != nil {
				k.warn("end %s: %v", h.argv[0], err)
			}
		}
	}
	if !now.Before(k.nextSample) {
		k.lastSample, k.nextSample = now, now.Add(k.sampleEvery())
		if len(k.mains) > 0 {
			go func() {
				table, err := readProcesses()
				k.samples <- sample{table, err}
			}()
		}
	}
}

const (
	// youngSample is when a new job is measured first, and sampleRest the least time between two readings of all processes.
	youngSample = 200 * time.Millisecond
	sampleRest  = time.Second
)

// sampleSoon takes a first measure of a new job, for those that end before the next sample, and brings that forward.
func (k *keeper) sampleSoon(j *job, now time.Time) {
	if p, err := readProcess(j.pid); err == nil {
		j.read(j.useOf([]process{p}))
	}
	soon := now.Add(youngSample)
	if rest := k.lastSample.Add(min(sampleRest, k.sampleEvery())); soon.Before(rest) {
		soon = rest
	}
	if soon.Before(k.nextSample) {
		k.nextSample = soon
	}
}

func (k *keeper) sampleEvery() time.Duration {
	if k.watched > 0 {
		return min(k.config.SampleEvery, watchEvery)
	}
	return k.config.SampleEvery
}

// hostGonePatience is how long the last processes may take to die before the keeper ends without them.
const hostGonePatience = time.Minute

// hostGone ends every process there is below this one.
func (k *keeper) hostGone(children <-chan os.Signal) error {
	k.closing = true
	for _, j := range k.jobs {
		j.disown()
	}
	var problem error
	until := time.Now().Add(hostGonePatience)
	for wait := firstRound; ; wait = min(2*wait, lastRound) {
		k.reap()
		left, err := ownChildren(k.threads, k.buffer)
		if err == nil && len(left) == 0 {
			break
		}
		table, readErr := readProcesses()
		if err = errors.Join(err, readErr, killTree(table.tree(left), unix.Getpgrp())); time.Now().After(until) {
			problem = fmt.Errorf("end jobs: processes %v are left: %w", left, err)
			break
		}
		select {
		case <-children:
		case <-k.finished:
		case <-time.After(wait):
		}
	}
	for _, j := range k.jobs {
		k.leaveGroup(j)
	}
	k.awaitOutputs()
	return errors.Join(problem, k.scripts.remove(), os.RemoveAll(k.spool))
}

// awaitOutputs lets jobs that ended before the host write their reports to the end.
func (k *keeper) awaitOutputs() {
	patience := time.After(lockPatience)
	for _, j := range k.jobs {
		if j.phase != finishing || j.discard {
			continue
		}
		select {
		case <-j.written:
		case <-patience:
			return
		}
	}
}
