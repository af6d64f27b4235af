package sim

import "time"

// rester is a policy that can tell that it is at rest: that on the same load, a
// period later, it would decide the same, and nothing in it would change but the
// time, and so on.
type rester interface {
	AtRest() bool
	// Rest stands for such decisions, the last of them at now.
	Rest(now time.Time)
}

var _ rester = (*pid)(nil)

// AtRest is as in rester.
func (p *pid) AtRest() bool { return p.ctl.AtRest() }

// Rest is as in rester.
func (p *pid) Rest(now time.Time) { p.ctl.Rest(now) }

// coast leaves out the decisions that come before anything can happen, as long
// as they all are the last one again: of what they do only the time counts. It
// returns when the next decision is due.
func (e *engine) coast(tick time.Duration) time.Duration {
	idle := e.batch.pending > 0 && e.batch.running == 0 // run counts for how long
	if idle || !e.rester.AtRest() || e.measure() != e.load {
		return tick
	}
	n := int((e.calm-1-tick)/e.cfg.Period) + 1
	e.advance(tick)
	e.meter.passAgain(n-1, e.cfg.Period, e.batch, e.fleet.totals().allocated)
	e.meter.decidedAgain(n, e.cfg.Period, tick)
	for range n {
		e.show(tick)
		e.now, tick = tick, tick+e.cfg.Period
	}
	e.rester.Rest(date(e.now))
	return tick
}
