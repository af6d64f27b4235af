package fleet

import (
	"maps"
	"slices"
	"time"

	"sluice/queue"
)

// minMissing is the snapshots in a row that must lack a host before that is believed: one bad poll is no reason to act.
const minMissing = 3

func (f *Fleet) takeGoal(g *Goal) {
	if f.hasGoal && g.Snapshot.At.Before(f.snap.At) {
		return
	}
	f.goal, f.staleAt, f.hasGoal, f.snap = max(g.Slots, 0), f.now.Add(f.cfg.StaleAfter), true, g.Snapshot
	f.seenAt = f.snap.At.UnixNano()
	f.floor = min(max(g.Floor, 0), f.goal)
	f.viewed, f.unseen = false, f.unseen[:0]
	followed := f.compare()
	for _, m := range f.roster.restless {
		if followed && !m.changed && f.roster.shows(m) {
			m.look(f.now, true, f.snap.At)
			f.observe(m)
			continue
		}
		i, seen := f.find(m)
		m.look(f.now, seen, f.snap.At)
		if m.changed = false; seen {
			m.at, f.roster.places[i] = i, m
			m.view.of(&f.snap.Hosts[i])
		}
		f.observe(m)
	}
	if len(f.strangers) > 0 {
		for _, task := range slices.Sorted(maps.Keys(f.strangers)) {
			f.stranger(f.strangers[task])
		}
		clear(f.strangers)
	}
	f.settle()
}

// find gives the place of a host in the snapshot: most often that of the one before.
func (f *Fleet) find(m *member) (at int, found bool) {
	if m.at < len(f.snap.Hosts) && f.snap.Hosts[m.at].Name == m.Name() {
		return m.at, true
	}
	return f.lookup(m.Name())
}

// lookup gives the place of a name in the snapshot.
func (f *Fleet) lookup(name string) (at int, found bool) {
	if !f.viewed {
		f.viewed = true
		clear(f.views)
		for i := range f.snap.Hosts {
			f.views[f.snap.Hosts[i].Name] = i
		}
		for _, name := range f.unseen {
			delete(f.views, name)
		}
	}
	at, found = f.views[name]
	return at, found
}

func (m *member) look(now time.Time, seen bool, at time.Time) {
	switch m.seen = seen; {
	case seen || m.launching || !at.After(m.launchedAt):
		m.missing = 0
	case m.missing == 0:
		m.missing, m.missedAt = 1, now
	default:
		m.missing++
	}
}

// observe moves a host on by what the newest snapshot shows.
func (f *Fleet) observe(m *member) {
	switch m.State {
	case Launching, Joining:
		f.observeInFlight(m)
	case Open:
		f.observeOpen(m)
	case Closed:
		f.observeClosed(m)
	case Unreachable:
		if m.joined() && (m.Before == Launching || m.Before == Joining) {
			m.Before, m.Ran = Open, true
			f.touch(m)
		}
	case Releasing, Gone: // only their tasks and the batch system's answers count
	}
}

func (m *member) joined() bool { return m.seen && m.view.Status == queue.HostOK }

func (f *Fleet) observeInFlight(m *member) {
	if m.joined() {
		m.Ran = true
		f.set(m, Open, "joined")
		f.succeeded(m.on)
		f.observeOpen(m)
		return
	}
	if f.vanished(m) || !f.up || m.launching {
		return
	}
	f.cancelDrain(m)
	switch {
	case m.State == Joining && f.waited(m.Since) >= f.cfg.JoinTimeout:
		f.failed(m.on)
		f.close(m, CauseLate, "it did not join in time")
	case m.State == Launching && f.waited(m.LaunchedAt) >= f.cfg.LaunchTimeout+f.cfg.LaunchTimeout/4:
		f.failed(m.on)
		f.close(m, CauseLate, "its task did not start in time")
	}
}

// waited is the time since a moment during which Mesos could be heard, as far as that is known.
func (f *Fleet) waited(since time.Time) time.Duration {
	if f.upSince.After(since) {
		since = f.upSince
	}
	return f.now.Sub(since)
}

func (f *Fleet) observeOpen(m *member) {
	if f.vanished(m) {
		return
	}
	f.cancelDrain(m)
	if m.seen && m.view.Status == queue.HostUnavailable && m.view.Used == 0 &&
		f.snap.At.Sub(m.view.LostAt) >= f.cfg.UnreachableAfter {
		f.close(m, CauseLost, "the batch system lost it")
	}
}

// vanished releases a host that the batch system does not know any more: no job can be there.
func (f *Fleet) vanished(m *member) bool {
	if m.missing < minMissing || f.now.Sub(m.missedAt) < f.cfg.JoinTimeout {
		return false
	}
	m.Cause = CauseLost
	f.release(m, "the batch system does not know it")
	return true
}

// cancelDrain opens a host that is closed for draining though it should not be.
func (f *Fleet) cancelDrain(m *member) {
	if !m.seen || m.view.Closed&queue.ClosedDrain == 0 {
		return
	}
	c := &m.command
	stillClosed := !c.done.IsZero() && f.snap.At.After(c.done)
	if c.asked.IsZero() || stillClosed || f.overdue(c) {
		f.askOpen(m)
	}
}

func (f *Fleet) askOpen(m *member) {
	f.command(m)
	f.emit(OpenHost{Name: m.Name(), number: m.command.number})
}

// command numbers a new order, or asks again for the outstanding one.
func (f *Fleet) command(m *member) {
	if m.command.number == 0 || !m.command.done.IsZero() {
		f.numbering++
		m.command = command{number: f.numbering}
	}
	m.command.asked = f.now
}

func (f *Fleet) overdue(c *command) bool {
	return c.done.IsZero() && f.now.Sub(c.asked) >= f.cfg.KillRetry
}

// observeClosed releases the host once a snapshot that is later than its closing shows it closed and empty. Only such a
// snapshot proves that no job was dispatched in between. One that was closed only because there were too many slots is kept
// for the idle timeout.
func (f *Fleet) observeClosed(m *member) {
	c := &m.command
	if c.done.IsZero() || !f.snap.At.After(c.done) {
		return
	}
	switch {
	case !m.seen:
		if m.missing >= minMissing {
			f.release(m, m.Reason)
		}
	case m.view.Closed&queue.ClosedDrain == 0:
		f.askClose(m)
	case m.view.Used == 0 && m.Cause == CauseSurplus && m.joined() && !f.idleFor(m):
		// As any idle host: to open it again costs less than a launch.
	case m.view.Used == 0:
		f.release(m, m.Reason)
	}
}

func (f *Fleet) close(m *member, cause Cause, reason string) {
	m.Cause = cause
	f.set(m, Closed, reason)
	f.askClose(m)
}

// drain obeys an operator. What the host is already being closed or released for makes no difference to him.
func (f *Fleet) drain(host string) {
	m := f.members[host]
	if m == nil {
		return
	}
	switch m.State {
	case Launching, Joining, Open:
		f.close(m, CauseOperator, "drained by an operator")
	case Closed:
		m.Cause = CauseOperator
		f.touch(m)
	case Unreachable:
		m.Before, m.Cause = Closed, CauseOperator
		f.touch(m)
	case Releasing, Gone:
	}
}

func (f *Fleet) askClose(m *member) {
	f.command(m)
	f.emit(CloseHost{Name: m.Name(), Reason: m.Reason, number: m.command.number})
}

func (f *Fleet) release(m *member, reason string) {
	f.set(m, Releasing, reason)
	m.kills, m.killAt, m.unknowns = 0, f.now, 0
}
