package host

import (
	"errors"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"sluice/queue/wire"
)

// handle does what the session asks for.
func (k *keeper) handle(f *frame) {
	switch body := f.body.(type) {
	case *wire.Start:
		k.accept(body)
		return
	case *wire.Signal:
		k.signal(body)
		return
	case *wire.Peek:
		k.peek(body)
		return
	case *wire.Attempt:
		if j := k.jobs[keyOf(body)]; j != nil {
			j.disown()
			k.end(j, atOnce("no longer this host's"))
		}
		return
	}
	switch f.kind {
	case frameRenew:
		k.lease = f.number
	case frameEndAll:
		k.endAll(f.text, false)
	case frameDisownAll:
		k.endAll(f.text, true)
	default:
		k.warn("the session sent a message that is not for the keeper: kind %d", f.kind)
	}
}

func (k *keeper) accept(s *wire.Start) {
	j := &job{key: keyOf(s.GetAttempt()), start: s, written: make(chan struct{})}
	if k.jobs[j.key] != nil {
		return
	}
	k.jobs[j.key] = j
	go func() {
		ready, err := k.prepare(s, j.key)
		j.ready = ready
		if err != nil {
			j.fail(err, time.Now())
		}
		k.ready <- j
	}()
}

// fork starts the main process of a job that is prepared.
func (k *keeper) fork(j *job) {
	now := time.Now()
	switch {
	case j.failed: // could not be prepared
	case j.kill != nil:
		j.fail(errors.New(j.kill.reason), now)
		if j.exitCode = j.kill.exitCode; j.exitCode == 0 {
			j.exitCode = 128 + int(unix.SIGKILL)
		}
	default:
		j.started = now
		if err := k.forkMain(j); err != nil {
			j.fail(err, now)
		}
	}
	if err := j.ready.releaseInputs(); err != nil {
		k.warn("start job %s: %v", j.key, err)
	}
	if j.pid == 0 {
		k.toFinish(j)
		return
	}
	j.phase = running
	k.mains[j.pid] = j
	if isWatched(j.start.GetLimits()) {
		k.watched++
	}
	k.sampleSoon(j, now)
	k.out.send(&frame{kind: frameStarted, body: &wire.Started{
		Attempt: j.key.wire(), Pid: int32(j.pid), AtUnixNs: now.UnixNano(),
	}})
}

// markBase makes marks numbers that nobody would set as a limit.
const markBase = 1 << 40

// forkMain forks on this thread, whose working directory and umask are its own. The mark is a resource limit that Linux has
// but does not use: children get it, and a change of session or environment does not lose it.
func (k *keeper) forkMain(j *job) (err error) {
	p := &j.ready
	if err := unix.Fchdir(p.cwdFD); err != nil {
		return err
	}
	unix.Umask(int(j.start.GetUmask() & 0o777))
	defer func() { err = errors.Join(err, unix.Chdir("/")) }()
	k.lastMark++
	j.mark = markBase + k.lastMark
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_LOCKS, &limit); err != nil {
		return err
	}
	if limit.Max >= j.mark {
		limit.Cur = j.mark
		if err := unix.Setrlimit(unix.RLIMIT_LOCKS, &limit); err != nil {
			return err
		}
	}
	attributes := &syscall.ProcAttr{
		Env:   p.env,
		Files: []uintptr{p.stdin.Fd(), p.stdout.Fd(), p.stderr.Fd()},
		Sys:   &syscall.SysProcAttr{Setsid: true, Pdeathsig: syscall.SIGKILL},
	}
	if !p.account.own {
		attributes.Sys.Credential = &syscall.Credential{Uid: p.account.uid, Gid: p.account.gid, Groups: p.account.groups}
	}
	pid, err := syscall.ForkExec(p.argv[0], p.argv, attributes)
	if err != nil {
		return os.NewSyscallError("start process", err)
	}
	j.pid = pid
	k.marks[j.mark] = j
	return nil
}

// toFinish lets the output of a job be delivered. No process of it is left.
func (k *keeper) toFinish(j *job) {
	j.phase = finishing
	delete(k.mains, j.pid)
	delete(k.marks, j.mark)
	delete(k.ending, j)
	if j.pid != 0 && isWatched(j.start.GetLimits()) {
		k.watched--
	}
	go func() {
		k.finish(j)
		close(j.written)
		k.finished <- j
	}()
}

// done reports the end of a job and forgets it.
func (k *keeper) done(j *job) {
	delete(k.jobs, j.key)
	k.out.send(&frame{kind: frameEnded, body: j.endedMessage()})
}

// signal does what the daemon asks. A job that has no process yet can be ended only.
func (k *keeper) signal(s *wire.Signal) {
	j := k.jobs[keyOf(s.GetAttempt())]
	if j == nil {
		return // it has ended, and the daemon will hear of that
	}
	number := unix.Signal(s.GetSignal())
	switch {
	case number == 0:
		k.end(j, j.orderOf(int(s.GetExitCode()), s.GetReason(), time.Duration(s.GetWarningNs())))
	case number < 0 || number > 64:
		k.warn("signal job %s: there is no signal %d", j.key, number)
	case number == unix.SIGKILL:
		k.end(j, atOnce(s.GetReason()))
	case number == unix.SIGSTOP || number == unix.SIGCONT:
		for range 2 { // the second time finds what the first one's processes forked meanwhile
			k.signalJob(j, number)
		}
	case j.phase == running: // only then is the number of the group surely still its own
		if err := ignoreGone(unix.Kill(-j.pid, number)); err != nil {
			k.warn("signal job %s: %v", j.key, err)
		}
	}
}
