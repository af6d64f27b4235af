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
	agents   map[string]penalty
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

// diedYoung looks for the fault when a host did not live. A task that never reached its agent is not the agent's fault.
func (f *Fleet) diedYoung(m *member, u Update) {
	if u.Preempted {
		return
	}
	switch u.State {
	case TaskFailed, TaskFinished, TaskError:
		f.failed(m.Agent)
	case TaskDropped, TaskGone:
		f.stumble()
	default: // somebody wanted it so
	}
}

func (f *Fleet) failed(agent string) {
	p := f.agents[agent]
	p.until = f.now.Add(backoff(penaltyBase, p.failures, penaltyMax))
	p.failures++
	f.agents[agent] = p
	f.stumble()
}

// stumble slows launching down when it fails everywhere: then the fault is not an agent's.
func (f *Fleet) stumble() {
	f.failures++
	if n := f.failures - tolerated; n >= 0 {
		f.hold = f.now.Add(backoff(time.Second, n, holdMax))
	}
}

func (f *Fleet) succeeded(agent string) {
	delete(f.agents, agent)
	f.failures, f.hold = 0, time.Time{}
}

func (f *Fleet) expire() {
	for agent, p := range f.agents {
		if f.now.Sub(p.until) > penaltyMax {
			delete(f.agents, agent)
		}
	}
}
