package fleet

import (
	"cmp"
	"maps"
	"slices"
	"time"
)

const (
	// inverseRetry is how long the master waits before it asks again about an agent that is not vacated yet.
	inverseRetry = 30 * time.Second
	// inverseDone is how long it waits at least after we said yes.
	inverseDone = 10 * time.Minute
)

// InverseOffer is the master's wish to have an agent back for a maintenance.
type InverseOffer struct {
	ID, Agent string
	// From and Until are the time of the maintenance; a zero Until = it has no known end.
	From, Until time.Time
}

// InverseOffers is inverse offers that arrived together.
type InverseOffers []InverseOffer

// RescindInverse says that an inverse offer is void.
type RescindInverse struct{ ID string }

// AnswerInverse answers inverse offers: yes once no host is left on the agent, or all that are left are empty and being ended;
// no when the maintenance begins and jobs still run there.
type AnswerInverse struct {
	IDs    []string
	Accept bool
	// Refuse is how long the master shall not ask again.
	Refuse time.Duration
}

func (InverseOffers) input()  {}
func (RescindInverse) input() {}
func (AnswerInverse) effect() {}

// window is a maintenance of an agent that the master has told of.
type window struct {
	offer       string // inverse offer that is not answered yet; "" = none is
	from, until time.Time
}

// maintenance is the windows by agent. A restart forgets them: the master tells of them again.
type maintenance struct{ windows map[string]window }

// over says whether nothing is to be feared of the window any more.
func (w window) over(now time.Time) bool { return !w.until.IsZero() && !now.Before(w.until) }

// near says whether hosts on the agent are to be vacated.
func (f *Fleet) near(w *window) bool {
	return !w.from.IsZero() && !w.over(f.now) && w.from.Before(f.now.Add(f.cfg.MaintenanceLead))
}

func (f *Fleet) takeInverse(offers InverseOffers) {
	if !f.up {
		return // void, as offers of a lost subscription are
	}
	if f.windows == nil {
		f.windows = make(map[string]window)
	}
	for _, o := range offers {
		f.windows[o.Agent] = window{offer: o.ID, from: o.From, until: o.Until}
	}
	f.maintain()
}

// rescindInverse forgets a window whose inverse offer was not answered: it is cancelled or changed. Hosts that were closed for
// it may serve again.
func (f *Fleet) rescindInverse(id string) {
	for agent, w := range f.windows {
		if w.offer == id && id != "" {
			f.cancelWindow(agent)
		}
	}
}

// seeWindow takes what an offer says of its agent: of a maintenance whose inverse offers were answered, nothing else tells that it
// is cancelled.
func (f *Fleet) seeWindow(o *Offer) {
	if w, known := f.windows[o.Agent]; known && w.offer == "" && o.UnavailableFrom.IsZero() {
		f.cancelWindow(o.Agent)
	}
}

func (f *Fleet) cancelWindow(agent string) {
	delete(f.windows, agent)
	for _, m := range f.order {
		if m.Agent == agent && m.Cause == CauseMaintenance && m.State == Closed {
			m.Cause = CauseSurplus
			f.touch(m)
		}
	}
}

// voidInverse forgets what can not be answered any more, because the subscription is lost.
func (f *Fleet) voidInverse() {
	for agent, w := range f.windows {
		w.offer = ""
		f.windows[agent] = w
	}
}

// maintain closes the hosts on agents whose maintenance is near, as many at once as may be, and answers the master.
func (f *Fleet) maintain() {
	if len(f.windows) == 0 {
		return
	}
	on := make(map[string][]*member)
	for _, m := range f.order {
		if _, ok := f.windows[m.Agent]; ok && m.State != Gone {
			on[m.Agent] = append(on[m.Agent], m)
		}
	}
	var yes, no AnswerInverse
	left := f.disruptable()
	for _, agent := range f.byWindow() {
		w := f.windows[agent]
		if w.over(f.now) {
			delete(f.windows, agent)
			continue
		}
		if f.near(&w) && f.fresh() {
			left = f.vacate(on[agent], w, left)
		}
		switch {
		case w.offer == "" || !f.up:
			continue
		case vacated(on[agent]):
			yes.IDs = append(yes.IDs, w.offer)
		case !f.now.Before(w.from):
			no.IDs = append(no.IDs, w.offer)
		default:
			continue // answered when the agent is vacated
		}
		w.offer = ""
		f.windows[agent] = w
	}
	if len(yes.IDs) > 0 {
		yes.Accept, yes.Refuse = true, inverseDone
		f.emit(yes)
	}
	if len(no.IDs) > 0 {
		no.Refuse = inverseRetry
		f.emit(no)
	}
}

// byWindow gives the agents, that with the earliest maintenance first.
func (f *Fleet) byWindow() []string {
	return slices.SortedFunc(maps.Keys(f.windows), func(a, b string) int {
		return cmp.Or(f.windows[a].from.Compare(f.windows[b].from), cmp.Compare(a, b))
	})
}

func vacated(hosts []*member) bool {
	return !slices.ContainsFunc(hosts, func(m *member) bool { return m.State != Releasing })
}

// vacate closes hosts for a maintenance, as long as some are left to be closed. Once it has begun all are: the machine may go any
// time. It gives what is left.
func (f *Fleet) vacate(hosts []*member, w window, left int) int {
	reason := "maintenance of its agent from " + w.from.UTC().Format(time.RFC3339)
	for _, m := range hosts {
		switch {
		case m.State == Closed && m.Cause.reopenable():
			m.Cause, m.Reason = CauseMaintenance, reason
			f.touch(m)
		case m.State != Launching && m.State != Joining && m.State != Open || m.launching:
		case left <= 0 && f.now.Before(w.from):
			return left
		default:
			left--
			f.close(m, CauseMaintenance, reason)
		}
	}
	return left
}

// disruptable is how many more hosts may be taken from use for a reason that can wait. One may be at any time.
func (f *Fleet) disruptable() int {
	hosts, disrupted := 0, 0
	for _, m := range f.order {
		switch {
		case m.State == Gone:
			continue
		case m.State == Unreachable, (m.State == Closed || m.State == Releasing) && m.Cause.voluntary():
			disrupted++
		}
		hosts++
	}
	return max(0, max(1, int(f.cfg.MaxDisruption*float64(hosts)+epsilon))-disrupted)
}
