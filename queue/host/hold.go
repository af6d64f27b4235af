package host

import (
	"time"

	"golang.org/x/sys/unix"

	"sluice/queue/wire"
)

// holdFor is how long the end of a job by a SIGTERM that is not ours is kept back. Whoever ends a host's task signals all of its
// processes at once; the daemon is to hear first that the host was asked to end, because such jobs may run again.
const holdFor = 300 * time.Millisecond

// held is the ends that are kept back.
type held struct {
	ends  []*wire.Ended
	until time.Time
}

// hold keeps an end back, if it may be for the host's own end.
func (s *session) hold(m *wire.Ended, now time.Time) bool {
	e := s.known.entries[keyOf(m.GetAttempt())]
	if s.ending != nil || e == nil || e.signalled || m.GetExitCode() != 128+int32(unix.SIGTERM) {
		return false
	}
	if len(s.held.ends) == 0 {
		s.held.until = now.Add(holdFor)
	}
	s.held.ends = append(s.held.ends, m)
	return true
}

// release passes on what was kept back.
func (s *session) release(now time.Time) {
	if len(s.held.ends) == 0 || s.ending == nil && now.Before(s.held.until) {
		return
	}
	ends := s.held.ends
	s.held = held{}
	for _, m := range ends {
		s.ended(m)
	}
}
