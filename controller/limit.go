package controller

import (
	"math"
	"time"
)

// limit turns the output of a step into the goal and says what decided it.
func (c *Controller) limit(elapsed time.Duration, rec *Record) (int, Saturation) {
	goal, floor, sat := c.bound(rec)
	c.scaleIn.push(elapsed, c.cfg.ScaleInDelay, goal)
	switch {
	case goal > c.goal:
		if limit := max(c.goal+c.cfg.MaxStep, floor); c.cfg.MaxStep != 0 && goal > limit {
			return limit, SaturationStep
		}
	case goal < c.goal:
		keep := min(c.scaleIn.greatest(), c.goal)
		if c.goal-keep <= c.cfg.Deadband {
			keep = c.goal
		}
		if keep = c.cfg.clamp(keep); keep > goal {
			return keep, SaturationScaleIn
		}
	}
	return goal, sat
}

// bound applies the limits that hold at any time: demand, need, min and max.
// The floor is what neither MaxStep nor anything else may delay.
func (c *Controller) bound(rec *Record) (goal, floor int, sat Saturation) {
	draining := min(rec.Draining, rec.Running)
	demand := rec.Running + rec.Pending - draining
	need := 0
	if rec.Pending > 0 {
		need = max(1, rec.FirstNeed)
	}
	floor = c.cfg.clamp(need)
	switch u := math.Ceil(rec.U - rounding - float64(draining)); {
	case u > float64(max(demand, need)):
		goal, sat = max(demand, need), SaturationDemand
	case u < float64(need):
		goal, sat = need, SaturationNeed
	default:
		goal = int(math.Max(0, u))
	}
	if c.cfg.MaxSlots != 0 && need > c.cfg.MaxSlots {
		return floor, floor, SaturationStarved
	}
	switch limited := c.cfg.clamp(goal); {
	case limited > goal:
		return limited, floor, SaturationMin
	case limited < goal:
		return limited, floor, SaturationMax
	}
	return goal, floor, sat
}
