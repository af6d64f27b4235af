package fleet

import (
	"time"

	"sluice/queue"
)

const (
	// maxStrangers bounds the unknown tasks that wait for a first snapshot.
	maxStrangers = 100_000
	// minUnknowns is how often in a row a task must be called unknown before that is believed: a master that has just
	// started knows no task until the agents are back.
	minUnknowns = 3
	maxAskWait  = time.Minute
	maxKillWait = 2 * time.Minute
	// maxReconcile is the most tasks in one call.
	maxReconcile = 5000
)

func (f *Fleet) takeUpdate(u Update) {
	m := f.members[u.Task]
	if m == nil {
		if !u.State.ended() {
			f.stranger(u)
		}
		return
	}
	m.askAt, m.asks = time.Time{}, 0
	switch {
	case u.State == TaskDropped && u.InvalidOffers:
		// Also the answer to a launch that arrived twice, while the first runs: ask which it is.
		f.ask(m, f.now)
	case u.State == TaskGone && !m.Ran && m.State != Gone && m.sentUntil().Add(f.cfg.KillRetry).After(f.now):
		// Its agent does not know it: the call that launches it may still be on its way.
		f.ask(m, m.sentUntil().Add(f.cfg.KillRetry))
	case u.State.ended():
		f.ended(m, u)
	case u.State == TaskUnreachable:
		f.unreachable(m, reasonOf(u))
	case u.State == TaskUnknown:
		f.calledUnknown(m, u)
	default:
		f.alive(m, u)
	}
}

// sentUntil is when the call that launched the host was sent, at the latest.
func (m *member) sentUntil() time.Time {
	if m.launchedAt.After(m.LaunchedAt) {
		return m.launchedAt
	}
	return m.LaunchedAt
}

func reasonOf(u Update) string {
	if u.Reason == "" {
		return u.State.String()
	}
	return u.State.String() + ": " + u.Reason
}

func (f *Fleet) alive(m *member, u Update) {
	m.unknowns = 0
	if u.State == TaskRunning && !m.Ran {
		m.Ran = true
		f.touch(m)
	}
	if u.State == TaskKilling && (m.State == Launching || m.State == Joining || m.State == Open) {
		f.close(m, CauseKilled, reasonOf(u))
		return
	}
	switch m.State {
	case Launching:
		if u.State == TaskRunning {
			f.set(m, Joining, "its task runs")
		}
	case Unreachable:
		back := m.Before
		if back == Launching && m.Ran {
			back = Joining
		}
		m.Before = 0
		f.set(m, back, "it is back: "+u.State.String())
	case Gone:
		// The batch system may not have removed it yet, and give it jobs: it is ended as any other host is.
		f.close(m, CauseLost, "its task was thought to have ended")
	case Releasing:
		if u.State == TaskKilling {
			m.killAt = f.now.Add(maxKillWait)
		}
	case Joining, Open, Closed:
	}
}

func (f *Fleet) ended(m *member, u Update) {
	gone := u.State.processesGone()
	if u.State == TaskGone && !m.Ran {
		gone = false // its agent does not know it: the launch may still be on its way
	}
	if m.State == Gone {
		if gone && !m.ProcessesGone {
			m.ProcessesGone = true
			f.touch(m)
			f.askRemove(m)
		}
		return
	}
	state := m.State
	if state == Unreachable {
		state = m.Before
	}
	if state != Closed && state != Releasing && (state != Open || f.now.Sub(m.LaunchedAt) < f.cfg.JoinTimeout) {
		f.diedYoung(m, u)
	}
	f.gone(m, gone, reasonOf(u))
}

func (f *Fleet) gone(m *member, processesGone bool, reason string) {
	m.ProcessesGone, m.Before = processesGone, 0
	f.set(m, Gone, reason)
	f.askRemove(m)
}

func (f *Fleet) askRemove(m *member) {
	f.command(m)
	f.emit(RemoveHost{Name: m.Name(), Reason: m.Reason, ProcessesGone: m.ProcessesGone})
}

func (f *Fleet) unreachable(m *member, reason string) {
	m.unknowns = 0
	switch m.State {
	case Unreachable, Releasing, Gone:
	default:
		before := m.State
		f.set(m, Unreachable, reason)
		m.Before = before
	}
}

// calledUnknown doubts: TASK_UNKNOWN is also what a master says that lost its memory, before the agents are back.
func (f *Fleet) calledUnknown(m *member, u Update) {
	if m.State == Gone {
		return
	}
	if m.State != Releasing && m.State != Unreachable {
		f.unreachable(m, reasonOf(u))
		m.unknowns = 0
	}
	if m.unknowns == 0 {
		m.unknown = f.now
	}
	m.unknowns++
	lasted := min(f.now.Sub(m.unknown), f.now.Sub(f.upSince))
	believed := m.unknowns >= minUnknowns && lasted >= 2*f.cfg.UnreachableAfter
	if m.State == Releasing {
		// Nobody needs it any more, so less is at stake.
		believed = m.unknowns >= 2 && lasted >= f.cfg.KillRetry
	}
	switch {
	case believed && !m.joined():
		f.gone(m, false, reasonOf(u))
	case believed: // the batch system sees it alive: the next full reconciliation asks again
	default:
		f.ask(m, f.now.Add(backoff(2*time.Second, m.unknowns-1, maxAskWait)))
	}
}

// stranger deals with a task that no record tells of: the host is adopted when the batch system knows it, else the task
// is killed.
func (f *Fleet) stranger(u Update) {
	if u.State == TaskUnknown || u.State == TaskUnreachable {
		return // no answer that could be acted on; it returns as running
	}
	if !f.hasGoal {
		if len(f.strangers) < maxStrangers {
			f.strangers[u.Task] = u
		}
		return
	}
	h := Host{
		Spec: queue.HostSpec{Name: u.Task}, Agent: u.Agent, LaunchedAt: f.now, Since: f.now, Ran: u.State == TaskRunning,
		State: Joining,
	}
	i, known := f.lookup(u.Task)
	if known && f.snap.Hosts[i].Elastic {
		h.Spec = f.snap.Hosts[i].HostSpec
		m := f.add(h)
		m.seen, m.at, f.roster.places[i] = true, i, m
		m.view.of(&f.snap.Hosts[i])
		f.set(m, Joining, "adopted")
		f.observe(m)
		return
	}
	h.Cause = CauseStranger
	f.release(f.add(h), "no record tells of its task")
}

func (f *Fleet) agentLost(agent string) {
	for _, m := range f.order {
		if m.Agent == agent && m.State != Gone {
			f.ask(m, f.now.Add(time.Second))
		}
	}
}

// ask schedules an explicit reconciliation, not later than one that is already due.
func (f *Fleet) ask(m *member, at time.Time) {
	if m.askAt.IsZero() || at.Before(m.askAt) {
		m.askAt = at
		f.unsettle(m)
	}
}

func (f *Fleet) takeResult(r Result) {
	switch of := r.Of.(type) {
	case Launch:
		f.launchResult(of, r)
	case CloseHost:
		f.commandDone(of.Name, of.number, r.Err)
	case OpenHost:
		f.commandDone(of.Name, of.number, r.Err)
	case RemoveHost:
		if m := f.members[of.Name]; m != nil && m.State == Gone && r.Err == nil {
			f.forget(m)
		}
	}
}

func (f *Fleet) launchResult(l Launch, r Result) {
	m := f.members[l.Host.Name()]
	if m == nil {
		return
	}
	m.launching, m.launchedAt = false, f.now
	switch {
	case r.Err == nil:
	case r.Maybe:
		f.ask(m, f.now.Add(2*time.Second))
	case m.State == Gone:
	default:
		f.stumble()
		f.gone(m, true, "not launched: "+r.Err.Error())
	}
}

func (f *Fleet) commandDone(name string, number int, err error) {
	if m := f.members[name]; m != nil && err == nil && m.command.number == number {
		m.command.done = f.now
	}
}

// backoff is base doubled n times, at most limit.
func backoff(base time.Duration, n int, limit time.Duration) time.Duration {
	for ; n > 0 && base < limit; n-- {
		base *= 2
	}
	return min(base, limit)
}
