package host

import (
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
	case *wire.Terminal:
		k.terminal(body)
		return
	case *wire.JobChange:
		k.change(body)
		return
	case *wire.Input:
		k.inputs.answered(body)
		return
	case *wire.Fetched:
		k.fetched(keyOf(body.GetAttempt()))
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
	j := &job{key: keyOf(s.GetAttempt()), start: s, written: make(chan struct{}), abandoned: make(chan struct{})}
	if k.jobs[j.key] != nil {
		return
	}
	k.jobs[j.key] = j
	var lacking error
	j.holds, j.own, lacking = k.lots.takeFor(s)
	j.tty = newTerminal(j.key, s.GetTerminal(), func(f *frame) { k.out.send(f) })
	go func() {
		ready, err := prepared{cwdFD: -1}, lacking
		if err == nil {
			ready, err = k.prepare(s, j)
		}
		j.ready = ready
		if err != nil {
			j.fail(err, time.Now())
		}
		k.ready <- j
	}()
}

// toFinish lets the output of a job be delivered. No process of it is left.
func (k *keeper) toFinish(j *job) {
	j.phase = finishing
	delete(k.mains, j.pid)
	delete(k.marks, j.mark)
	delete(k.ending, j)
	if err := j.ready.releaseInputs(); err != nil {
		k.warn("start job %s: %v", j.key, err)
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
	k.lots.takeBack(j.holds)
	if j.kept != nil {
		k.keep(j.key, j.kept)
	}
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
