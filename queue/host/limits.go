package host

import (
	"fmt"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"sluice/queue/wire"
)

// watchEvery is how often the jobs are measured while one of them has a limit that is watched.
const watchEvery = 500 * time.Millisecond

// isWatched says whether a limit is of all processes of a job together, so that we must add up what they use.
func isWatched(l *wire.Limits) bool {
	return l.GetMemKib() > 0 || l.GetSwapKib() > 0 || l.GetCpuNs() > 0 || l.GetProcesses() > 0 || l.GetThreads() > 0
}

// watch ends a job that uses more than it may. One that goes on to grow while it is being ended for its memory is killed at
// once: the memory is others'.
func (k *keeper) watch(j *job, u use) {
	l := j.start.GetLimits()
	if !isWatched(l) || j.phase != running {
		return
	}
	switch {
	case j.kill == nil:
		if order, over := j.breach(u); over {
			k.end(j, order)
		}
	case l.GetMemKib() > 0 && u.rssKiB > l.GetMemKib()+l.GetMemKib()/4:
		k.end(j, atOnce(j.kill.reason))
	}
}

// use is what the processes of a job use at one time.
type use struct {
	rssKiB, swapKiB    int64
	cpu                time.Duration
	processes, threads int
}

func (j *job) useOf(tree []process) use {
	u := use{cpu: j.cpu, processes: len(tree)}
	for _, p := range tree {
		u.rssKiB += p.rssKiB
		u.swapKiB += p.swapKiB
		u.cpu += p.cpu
		u.threads += p.threads
	}
	return u
}

const reasonMemory = "TERM_MEMLIMIT: job killed after reaching LSF memory usage limit"

// Exit codes that LSF reports of jobs that passed a limit: those of the first signal that it sends.
const (
	exitInterrupted = 128 + int(unix.SIGINT)
	exitCPU         = 128 + int(unix.SIGXCPU)
)

// breach is the order to end a job that uses more than its limits allow.
func (j *job) breach(u use) (order killOrder, over bool) {
	l := j.start.GetLimits()
	passed := func(limit, used int64) bool { return limit > 0 && used > limit }
	reached := func(reason string, exitCode int) (killOrder, bool) { return j.orderOf(exitCode, reason, 0), true }
	switch {
	case passed(l.GetMemKib(), u.rssKiB):
		return reached(reasonMemory, exitInterrupted)
	case passed(l.GetSwapKib(), u.swapKiB):
		return reached("TERM_SWAP: job killed after reaching LSF swap usage limit", exitInterrupted)
	case passed(l.GetCpuNs(), int64(u.cpu)):
		return reached("TERM_CPULIMIT: job killed after reaching LSF CPU usage limit", exitCPU)
	case passed(l.GetProcesses(), int64(u.processes)):
		return reached("TERM_PROCESSLIMIT: job killed after reaching LSF process limit", exitInterrupted)
	case passed(l.GetThreads(), int64(u.threads)):
		return reached("TERM_THREADLIMIT: job killed after reaching LSF thread limit", exitInterrupted)
	}
	return order, false
}

// limitedCommand has a shell set the limits that the system enforces on each process, and become the command then. A
// resource limit of ours would be in force for us too, if only for a moment, so they cannot be set before the fork.
func limitedCommand(l *wire.Limits, argv []string) ([]string, error) {
	var script strings.Builder
	for _, r := range []struct {
		option   string
		resource int
		kib      int64
		unit     int64 // of the option, bytes: POSIX counts files and core files in blocks
	}{
		{"f", unix.RLIMIT_FSIZE, l.GetFileKib(), 512},
		{"d", unix.RLIMIT_DATA, l.GetDataKib(), 1024},
		{"s", unix.RLIMIT_STACK, l.GetStackKib(), 1024},
		{"c", unix.RLIMIT_CORE, l.GetCoreKib(), 512},
	} {
		if r.kib == 0 {
			continue
		}
		var own unix.Rlimit
		if err := unix.Getrlimit(r.resource, &own); err != nil {
			return nil, fmt.Errorf("read resource limits: %w", err)
		}
		limit := min(uint64(max(r.kib, 0))*1024, own.Max) // nobody may have more
		fmt.Fprintf(&script, "ulimit -%s %d && ", r.option, limit/uint64(r.unit))
	}
	if script.Len() == 0 {
		return argv, nil
	}
	script.WriteString(`exec "$@"`)
	return append([]string{shell, "-c", script.String(), shell}, argv...), nil
}
