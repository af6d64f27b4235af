package fleet

import "time"

const (
	penaltyBase = 10 * time.Second
	penaltyMax  = 10 * time.Minute
	holdMax     = time.Minute
	// tolerated is how many launches in a row may fail, on any agents, before launching as such slows down.
	tolerated = 3
)

// trouble is what went wrong with launches. A restart forgets it.
type trouble struct {
	failures int // in a row, without any host that joined
	hold     time.Time
	// wantedSince is since when slots have been wanted without any launch; until scarceUntil they count as scarce.
	wantedSince, scarceUntil time.Time
}

// penalty keeps hosts off an agent on which they failed.
type penalty struct {
	failures int
	until    time.Time
}

// over says whether a penalty is so old that it counts no more.
func (p *penalty) over(now time.Time) bool { return now.Sub(p.until) > penaltyMax }

// diedYoung looks for the fault when a host did not live. A task that never reached its agent is not the agent's fault.
func (f *Fleet) diedYoung(m *member, u Update) {
	if u.Preempted {
		return
	}
	switch u.State {
	case TaskFailed, TaskFinished, TaskError:
		f.failed(m.on)
	case TaskDropped, TaskGone:
		f.stumble()
	default: // somebody wanted it so
	}
}

func (f *Fleet) failed(a *agent) {
	if a.over(f.now) {
		a.penalty = penalty{}
	}
	a.until = f.now.Add(backoff(penaltyBase, a.failures, penaltyMax))
	a.failures++
	f.stumble()
}

// stumble slows launching down when it fails everywhere: then the fault is not an agent's.
func (f *Fleet) stumble() {
	f.failures++
	if n := f.failures - tolerated; n >= 0 {
		f.hold = f.now.Add(backoff(time.Second, n, holdMax))
	}
}

func (f *Fleet) succeeded(a *agent) {
	a.penalty = penalty{}
	f.failures, f.hold = 0, time.Time{}
}
