package controller

import (
	"math"
	"time"
)

// limit turns the output of a step into the goal and says what decided it.
func (c *Controller) limit(elapsed time.Duration, rec *Record) (int, Saturation) {
	want, floor, sat := c.bound(rec)
	c.scaleIn.push(elapsed, c.cfg.ScaleInDelay, want)
	goal := c.cfg.clamp(c.cfg.whole(want))
	switch {
	case goal > c.goal:
		if limit := max(c.goal+c.cfg.MaxStep, floor); c.cfg.MaxStep != 0 && goal > limit {
			return limit, SaturationStep
		}
	case goal < c.goal:
		keep := min(c.scaleIn.greatest(), c.goal)
		if c.cfg.whole(keep+c.cfg.Deadband) >= c.goal {
			keep = c.goal
		}
		if keep = min(c.cfg.clamp(c.cfg.whole(keep)), c.goal); keep > goal {
			return keep, SaturationScaleIn
		}
	}
	return goal, sat
}

// bound applies the limits that hold at any time: demand, need, min and max.
// The floor is what neither MaxStep nor anything else may delay.
func (c *Controller) bound(rec *Record) (want, floor int, sat Saturation) {
	draining := int(c.draining)
	demand := rec.Running + rec.Pending - draining
	need := 0
	if rec.Pending > 0 {
		need = max(1, rec.FirstNeed)
	}
	floor = c.cfg.clamp(c.cfg.whole(need))
	switch u := math.Ceil(rec.U - rounding - float64(draining)); {
	case u > float64(max(demand, need)):
		want, sat = max(demand, need), SaturationDemand
	case u < float64(need):
		want, sat = need, SaturationNeed
	default:
		want = int(math.Max(0, u))
	}
	if c.cfg.MaxSlots != 0 && need > c.cfg.MaxSlots {
		return floor, floor, SaturationStarved
	}
	switch limited := c.cfg.clamp(want); {
	case limited > want:
		return limited, floor, SaturationMin
	case limited < want:
		return limited, floor, SaturationMax
	}
	return want, floor, sat
}
