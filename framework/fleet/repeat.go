package fleet

import "time"

// lateAsk is between the questions about a task that should have started.
const lateAsk = 15 * time.Second

// repeat does what time makes due: kills, orders and questions that were not answered.
func (f *Fleet) repeat() {
	f.fullReconciliation()
	var asked []TaskRef
	for _, m := range f.roster.restless {
		f.repeatCommand(m)
		f.giveUp(m)
		if !f.up || m.State == Gone || m.launching {
			continue
		}
		if m.State == Launching && f.waited(m.LaunchedAt) >= f.cfg.LaunchTimeout && m.askAt.IsZero() {
			f.ask(m, f.now.Add(lateAsk))
		}
		if m.State == Releasing && !m.killAt.After(f.now) {
			m.killAt = f.now.Add(backoff(f.cfg.KillRetry, m.kills, maxKillWait))
			m.kills++
			f.emit(Kill{Task: m.Name(), Agent: m.Agent})
		}
		if !m.askAt.IsZero() && !m.askAt.After(f.now) {
			m.askAt = f.now.Add(backoff(time.Second, m.asks, maxAskWait))
			m.asks++
			if asked == nil {
				asked = make([]TaskRef, 0, len(f.roster.restless))
			}
			asked = append(asked, TaskRef{Task: m.Name(), Agent: m.Agent})
		}
	}
	for len(asked) > 0 {
		n := min(len(asked), maxReconcile)
		f.emit(Reconcile{Tasks: asked[:n:n]})
		asked = asked[n:]
	}
}

// fullReconciliation asks for every task by name, and for those that no record tells of.
func (f *Fleet) fullReconciliation() {
	if !f.up || f.nextFull.After(f.now) {
		return
	}
	f.nextFull = f.now.Add(f.jitter(f.cfg.ReconcileEvery, 0.1))
	for _, m := range f.order {
		if m.State != Gone {
			f.ask(m, f.now)
		}
	}
	f.emit(Reconcile{})
}

func (f *Fleet) repeatCommand(m *member) {
	if m.State != Closed && m.State != Gone || !f.overdue(&m.command) {
		return
	}
	if m.State == Gone {
		f.askRemove(m)
		return
	}
	f.askClose(m)
}

// giveUp ends the wait for a host that neither Mesos nor the batch system has heard of for long.
func (f *Fleet) giveUp(m *member) {
	if m.State != Unreachable && m.State != Releasing || f.now.Sub(m.Since) < f.cfg.ForgetAfter || m.joined() || !f.fresh() {
		return
	}
	f.gone(m, false, "no sign of it for too long: "+m.Reason)
}

// jitter is d ± part of it.
func (f *Fleet) jitter(d time.Duration, part float64) time.Duration {
	return time.Duration(float64(d) * (1 + part*(2*f.rng.Float64()-1)))
}
