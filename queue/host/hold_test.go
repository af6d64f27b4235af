package host

import (
	"testing"
	"time"
)

// Who ends a host's task signals its jobs, too. The daemon hears first that the host ends, in whatever order the host learns of it.
func TestDrainIsToldBeforeTheJobsItEnds(t *testing.T) {
	tell(t, func(s *story) {
		s.join()
		s.answers = true
		job, other := attemptOf(1), attemptOf(2)
		s.say(start(job))
		s.say(start(other))
		s.runner.says <- endFrame(job, 143)
		s.runner.says <- endFrame(other, 143)
		s.stop()
		if m := s.hear(); m.GetDraining() == nil {
			t.Fatalf("first heard of %v", m)
		}
		s.ended(job)
		s.ended(other)
		go func() {
			s.say(acknowledge(job))
			s.say(acknowledge(other))
		}()
		if err := s.over(); err != nil {
			t.Errorf("ended with %v", err)
		}
	})
}

// A job that ends so on a host that goes on is only a little late.
func TestEndBySigtermIsToldSoon(t *testing.T) {
	tell(t, func(s *story) {
		s.join()
		s.answers = true
		job := attemptOf(1)
		s.say(start(job))
		began := time.Now()
		s.runner.says <- endFrame(job, 143)
		s.ended(job)
		if late := time.Since(began); late != holdFor {
			t.Errorf("told after %v", late)
		}
		s.say(acknowledge(job))
	})
}
