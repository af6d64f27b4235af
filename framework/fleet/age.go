package fleet

import (
	"hash/fnv"
	"math"
	"time"
)

// retireEvery is between two looks for hosts that have reached their age.
const retireEvery = 5 * time.Second

// age is what time alone decides.
type age struct {
	retireAt    time.Time // next look
	neededSince time.Time // since when slots have been wanted without a pause; zero = they are not
}

// retire closes hosts that have reached their age, the oldest first and as many at once as may be. What is still needed is
// launched anew.
func (f *Fleet) retire() {
	if f.cfg.HostTTL <= 0 || !f.fresh() || f.retireAt.After(f.now) {
		return
	}
	f.retireAt = f.now.Add(retireEvery)
	left := -1
	for _, m := range f.order {
		if m.State != Open || f.now.Sub(m.LaunchedAt) < f.lifetime(m.Name()) {
			continue
		}
		if left < 0 {
			left = f.disruptable()
		}
		if left == 0 {
			return
		}
		left--
		f.close(m, CauseAge, "it is as old as hosts may get")
	}
}

// lifetime is the age at which a host is closed: up to a tenth less than HostTTL, so that hosts that were launched together do
// not end together. It is the same after a restart.
func (f *Fleet) lifetime(host string) time.Duration {
	h := fnv.New32a()
	h.Write([]byte(host))
	part := float64(h.Sum32()) / math.MaxUint32
	return time.Duration(float64(f.cfg.HostTTL) * (1 - part/10))
}

// noteNeed follows for how long slots have been wanted.
func (f *Fleet) noteNeed(p *plan) {
	switch {
	case p.total() == 0:
		f.neededSince = time.Time{}
	case f.neededSince.IsZero():
		f.neededSince = f.now
	}
}

// ripe is the part of a plan that offers may be taken for: what has been wanted for DemandDelay without a pause, and the floor.
func (f *Fleet) ripe(p *plan) *plan {
	if f.cfg.DemandDelay <= 0 || !f.neededSince.IsZero() && f.now.Sub(f.neededSince) >= f.cfg.DemandDelay {
		return p
	}
	part := *p
	if part.budget = min(p.budget, f.floor-f.census().supply); part.budget <= 0 {
		return &plan{}
	}
	return &part
}
