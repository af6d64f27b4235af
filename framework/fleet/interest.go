package fleet

import "time"

// connection is the subscription, and whether offers are wanted from it.
type connection struct {
	up         bool
	upSince    time.Time
	suppressed bool
	// suppressedAt is when the master was told so.
	suppressedAt time.Time
	// refused says that offers, or parts of them, were refused since the last revive: Mesos keeps these back.
	refused   bool
	revivedAt time.Time
	reviveFor int           // slots wanted at the last revive
	reviveGap time.Duration // until the next revive for the same need
}

func (f *Fleet) connect(c Connection) {
	f.voidInverse()
	if !c.Up {
		f.up = false
		return
	}
	// A new subscription knows neither filters nor the old suppression.
	f.up, f.upSince, f.suppressed, f.refused = true, f.now, c.Suppressed, false
	f.suppressedAt = f.now
	f.nextFull = f.now
	for _, m := range f.order {
		m.asks, m.unknowns = 0, 0
		if m.State == Releasing {
			m.killAt = f.now
		}
	}
}

// wanted is the slots that would be taken if they were offered.
func (f *Fleet) wanted() int {
	if f.hold.After(f.now) {
		return 0
	}
	p := f.ripe(f.plan())
	return p.total()
}

// interest tells the master whether offers are wanted: never when nothing is, and again when something is. While the same
// need stays unserved the revives become rarer, because what becomes free is offered in spite of the filters.
func (f *Fleet) interest() {
	if !f.up {
		return
	}
	wanted := f.wanted()
	if wanted == 0 {
		if !f.suppressed {
			f.suppressed, f.suppressedAt = true, f.now
			f.emit(Suppress{})
		}
		f.reviveFor = 0
		return
	}
	gap := f.reviveGap
	switch {
	case !f.suppressed && !f.refused:
		gap = f.cfg.ReviveMax // nothing is kept back from us, but the last revive may have been lost
	case f.suppressed || wanted > f.reviveFor:
		gap = f.cfg.ReviveEvery
	}
	if !f.revivedAt.IsZero() && f.now.Sub(f.revivedAt) < gap {
		return
	}
	f.reviveGap = f.cfg.ReviveEvery
	if !f.suppressed && wanted <= f.reviveFor {
		f.reviveGap = min(2*gap, f.cfg.ReviveMax)
	}
	f.suppressed, f.refused, f.revivedAt, f.reviveFor = false, false, f.now, wanted
	f.agents.forgetOffers()
	f.emit(Revive{})
}
