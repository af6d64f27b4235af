package fleet

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"sluice/queue"
)

// script is a fleet with a clock.
type script struct {
	*testing.T
	fleet *Fleet
	now   time.Time
}

func newScript(t *testing.T) *script {
	s := &script{T: t, fleet: New(Config{}, rand.New(rand.NewPCG(1, 2)), nil), now: time.Unix(1e9, 0)}
	s.step(Connection{Up: true, Suppressed: true})
	return s
}

func (s *script) step(in Input) Output {
	s.now = s.now.Add(time.Millisecond)
	return s.fleet.Step(s.now, in)
}

func (s *script) goal(slots int, hosts ...queue.Host) Output {
	snapshot := queue.Snapshot{At: s.now.Add(time.Microsecond), Hosts: hosts}
	if slots > 0 {
		snapshot.Demand = []queue.Demand{{Slots: 1, Count: slots}}
	}
	return s.step(Goal{Slots: slots, Snapshot: snapshot})
}

// after gives the time that passes, with a goal each second, until an effect of the kind of want comes.
func (s *script) after(slots int, want Effect, limit time.Duration) time.Duration {
	s.Helper()
	for began := s.now; s.now.Sub(began) < limit; {
		s.now = s.now.Add(time.Second)
		if slices.Contains(s.goal(slots).Effects, want) {
			return s.now.Sub(began)
		}
	}
	s.Errorf("no %T within %v", want, limit)
	return limit
}

// A REVIVE that was lost, or overtaken by the SUPPRESS before it, leaves the master with nothing to offer. It is repeated, but
// rarely.
func TestLostReviveIsRepeated(t *testing.T) {
	s := newScript(t)
	if out := s.goal(4); !slices.Contains(out.Effects, Effect(Revive{})) {
		t.Fatalf("no revive: %v", out.Effects)
	}
	for range 3 {
		if d := s.after(4, Revive{}, 3*time.Minute); d < time.Minute {
			t.Errorf("revived again after %v", d)
		}
	}
}

// Offers that come long after a SUPPRESS show that it was lost.
func TestLostSuppressIsRepeated(t *testing.T) {
	s := newScript(t)
	s.goal(4)
	if out := s.goal(0); !slices.Contains(out.Effects, Effect(Suppress{})) {
		t.Fatalf("no suppress: %v", out.Effects)
	}
	offers := Offers{{ID: "O1", Agent: "S1", Free: Resources{CPUs: 4, MemMiB: 4096}}}
	if out := s.step(offers); slices.Contains(out.Effects, Effect(Suppress{})) {
		t.Error("an offer that was on its way made us suppress again")
	}
	s.now = s.now.Add(10 * time.Second)
	if out := s.step(offers); !slices.Contains(out.Effects, Effect(Suppress{})) {
		t.Errorf("not suppressed again: %v", out.Effects)
	}
}

// A host was given up, and then its task runs after all: the call that launched it was late. The batch system may still know
// the host and have given it a job, so that it is drained before its task is killed.
func TestHostThatWasGivenUpIsDrained(t *testing.T) {
	s := newScript(t)
	s.goal(2)
	out := s.step(Offers{{ID: "O1", Agent: "S1", Free: Resources{CPUs: 4, MemMiB: 4096}}})
	i := slices.IndexFunc(out.Effects, func(e Effect) bool { _, ok := e.(Launch); return ok })
	if i < 0 {
		t.Fatalf("not launched: %v", out.Effects)
	}
	launch := out.Effects[i].(Launch) //nolint:errcheck // as above
	s.step(Result{Of: launch})
	name := launch.Host.Name()
	s.step(Update{Task: name, Agent: "S1", State: TaskGone})
	if got := s.fleet.Hosts()[0].State; got != Launching {
		t.Fatalf("%v: its launch may still be on its way", got)
	}
	s.now = s.now.Add(time.Minute)
	s.step(Update{Task: name, Agent: "S1", State: TaskGone})
	if got := s.fleet.Hosts()[0]; got.State != Gone || got.ProcessesGone {
		t.Fatalf("host %+v", got)
	}
	late := s.step(Update{Task: name, Agent: "S1", State: TaskRunning})
	busy := queue.Host{HostSpec: launch.Host.Spec, Status: queue.HostOK, Used: 1}
	kills := func(out Output) bool { return slices.Contains(out.Effects, Effect(Kill{Task: name, Agent: "S1"})) }
	if kills(late) || kills(s.goal(0, busy)) {
		t.Fatal("killed with a job")
	}
	for _, e := range late.Effects {
		if c, ok := e.(CloseHost); ok {
			s.step(Result{Of: c})
		}
	}
	busy.Closed = queue.ClosedDrain
	if kills(s.goal(0, busy)) {
		t.Fatal("killed with a job")
	}
	busy.Used = 0
	if !kills(s.goal(0, busy)) {
		t.Error("not ended once it was empty")
	}
}
