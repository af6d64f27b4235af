package fleet

import "time"

// heldFor is for how long what hosts left that have made way for a class is for no other.
const heldFor = time.Minute

// held is what hosts have made way for.
type held struct {
	class class     // its kind
	until time.Time // before that nothing else is taken
	// agents are those that others have left to it, or are leaving; nothing else is taken there, or where a constraint would then bar
	// them, before agentsUntil.
	agents      map[string]bool
	agentsUntil time.Time
}

// keepFor keeps all that may be taken for a class.
func (f *Fleet) keepFor(c class) {
	f.holdFor(c)
	f.held.until = f.now.Add(heldFor)
}

// keepAgent keeps an agent for a class.
func (f *Fleet) keepAgent(c class, agent string) {
	f.holdFor(c)
	if f.held.agents == nil {
		f.held.agents = make(map[string]bool)
	}
	f.held.agents[agent], f.held.agentsUntil = true, f.now.Add(heldFor)
}

func (f *Fleet) holdFor(c class) {
	if kind := c.kind(); f.held.class != kind {
		f.held = held{class: kind}
	}
	f.reviveFor = 0 // what was refused so far may be of use now
}

// keepOn keeps what hosts are leaving as long as some of them have jobs.
func (f *Fleet) keepOn() {
	if f.held.class.unit == 0 {
		return
	}
	for _, hosts := range [...][]*member{f.roster.draining, f.roster.restless} {
		for _, m := range hosts {
			switch {
			case m.State != Closed && m.State != Releasing:
			case m.Cause == CauseRoom:
				f.held.until = f.now.Add(heldFor)
			case m.Cause == CauseGrow && len(f.held.agents) > 0:
				f.held.agentsUntil = f.now.Add(heldFor)
			}
		}
	}
}

// holds says whether what may be taken is for jobs of a class only.
func (f *Fleet) holds(c *class) bool { return f.held.until.After(f.now) && f.held.class == c.kind() }

// expects says whether something is kept for a class.
func (h *held) expects(kind class, now time.Time) bool {
	return h.class == kind && (h.until.After(now) || h.agentsUntil.After(now))
}

// keptFrom says whether a candidate is kept for another class.
func (f *Fleet) keptFrom(c *class, o *candidate) bool {
	if !f.held.agentsUntil.After(f.now) || f.held.class == c.kind() {
		return false
	}
	if f.held.agents[o.on.id] {
		return true
	}
	for agent := range f.held.agents {
		if kept := f.agents.byID[agent].known(); kept != nil && f.tallies.same(kept, o.hostname, o.attributes) {
			return true
		}
	}
	return false
}
