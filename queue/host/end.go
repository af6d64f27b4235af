package host

import (
	"context"
	"errors"
	"fmt"
	"time"

	"sluice/queue/wire"
)

// ending is how a host comes to its end. One of a higher rank replaces one of a lower:
//
//	0 leave: when the last job has ended    1 drain: the same, but jobs are ended at a time
//	2 abort: at once                        3 refused, 4 lease over: at once, and the daemon is not told
type ending struct {
	err    error
	rank   int
	reason string    // given for the jobs that are ended
	killAt time.Time // when the jobs are ended; zero = never
	killed bool
	goneBy time.Time // the jobs, once they were killed
	idleAt time.Time // when the last job had ended; zero = not yet
	deaf   bool      // the daemon takes no reports any more
}

// draining says whether the daemon is to hear of it: not of what it wanted itself.
func (e *ending) draining() bool { return e.rank > 0 }

// times calls what is due when, after now.
func (e *ending) times(now time.Time, due func(time.Time)) {
	if !e.killAt.IsZero() && !e.killed {
		due(e.killAt)
	}
	if e.killed && e.idleAt.IsZero() {
		due(e.goneBy)
	}
	if !e.idleAt.IsZero() {
		for _, patience := range []time.Duration{ackPatience, fetchPatience} {
			if at := e.idleAt.Add(patience); at.After(now) {
				due(at)
			}
		}
	}
}

func (s *session) end(e ending) {
	if s.ending != nil && s.ending.rank >= e.rank {
		return
	}
	if s.ending != nil {
		e.idleAt = s.ending.idleAt
	}
	if told := s.ending != nil && s.ending.draining(); e.draining() && !told {
		s.tell(drainingMessage)
	}
	s.ending = &e
	s.log.WithField("jobs", s.known.running).Infof("ending: %s", e.reason)
}

// drain is what SIGTERM asks for.
func (s *session) drain(now time.Time) {
	s.end(ending{rank: 1, killAt: now.Add(s.config.DrainLimit), reason: "the host was asked to end"})
}

// expire ends the host because the daemon may have given its jobs to others.
func (s *session) expire(why string, now time.Time) {
	s.end(ending{
		err: fmt.Errorf("%w: %s", ErrLease, why), rank: 4, deaf: true, killAt: now, reason: "the host lost its lease: " + why,
	})
}

// checkEnd moves an ending host on.
func (s *session) checkEnd(now time.Time) {
	e := s.ending
	if e == nil {
		return
	}
	if !e.killed && !e.killAt.IsZero() && !now.Before(e.killAt) {
		e.killed, e.goneBy = true, now.Add(endPatience)
		kind := frameEndAll
		if e.deaf { // then the jobs may run elsewhere by now, and write there
			kind = frameDisownAll
		}
		s.runner.send(&frame{kind: kind, text: e.reason})
	}
	if s.known.running > 0 {
		if e.killed && !now.Before(e.goneBy) {
			s.finish(e, "its jobs do not end")
		}
		return
	}
	if e.idleAt.IsZero() {
		e.idleAt = now
	}
	switch unheard := s.known.unacknowledged(); {
	case e.deaf:
		s.finish(e, "")
	case unheard == 0 && s.awaitsFetch(e, now): // what its jobs wrote goes with the host
	case unheard == 0:
		s.finish(e, "")
	case e.rank > 0 && !now.Before(e.idleAt.Add(ackPatience)):
		s.finish(e, fmt.Sprintf("the daemon did not hear of the end of %d jobs", unheard))
	}
}

// awaitsFetch says whether the daemon may still fetch output. A host that was told to end at once does not wait, nor does one
// that has no keeper any more.
func (s *session) awaitsFetch(e *ending, now time.Time) bool {
	return len(s.kept) > 0 && e.rank < 2 && s.conn != nil && now.Before(e.idleAt.Add(fetchPatience))
}

func (s *session) finish(e *ending, but string) {
	s.over, s.result = true, e.err
	if but != "" {
		s.log.Warnf("ending, but %s", but)
	}
}

// runnerGone reports the end of all jobs, which ended with the keeper.
func (s *session) runnerGone() {
	now := time.Now()
	for _, key := range s.known.keys() {
		if s.known.entries[key].ended == nil {
			s.ended(&wire.Ended{
				Attempt: key.wire(), ExitCode: 137, Reason: "the keeper of the host's jobs died", AtUnixNs: now.UnixNano(),
			})
		}
	}
	err := ErrKeeper
	if s.ending != nil && s.ending.err != nil {
		err = s.ending.err
	}
	s.ending = nil
	clear(s.kept) // it had them
	s.end(ending{err: err, rank: 2, reason: "the keeper of the jobs is gone", killed: true, idleAt: now})
	s.runner = goneRunner{}
}

// goneRunner stands for a keeper that is no more.
type goneRunner struct{}

func (goneRunner) send(*frame)           {}
func (goneRunner) renew(time.Duration)   {}
func (goneRunner) events() <-chan *frame { return nil }

var _ runner = goneRunner{}

// Run joins the batch daemon and runs its jobs until it is told to leave, or ctx is cancelled and the jobs have ended or
// reached the drain limit; both give nil. Other ends give an error, see ExitCode; then, too, no process of a job is left.
//
// Run needs a process to itself: when its keeper dies, it ends all children of the process.
func Run(ctx context.Context, config Config) error {
	config, err := config.withDefaults()
	if err != nil {
		return err
	}
	keeper, err := startKeeper(config)
	if err != nil {
		return err
	}
	err = newSession(config, keeper).run(ctx)
	return errors.Join(err, keeper.stop())
}
