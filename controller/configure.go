package controller

import "time"

// Configure puts new settings in force without a bump: the output stays where
// it is. What other gains would answer goes into the integral (where Ki is 0 it
// leaks away with TrackingTime); the set point of another target is approached
// with TrackingTime, from now on. Only new limits act at once: the goal is
// brought within them.
//
// The error is an ErrConfig and leaves everything as it was.
func (c *Controller) Configure(now time.Time, cfg Config) error {
	if err := cfg.Validate(); err != nil {
		return err
	}
	old := c.cfg
	c.changedAt, c.rests = now, false
	c.cfg = cfg
	if c.primed {
		e := c.setpoint - c.measured
		c.integral += old.proportional(e) - cfg.proportional(e) - (old.Kd-cfg.Kd)*c.slope +
			(old.FeedForward-cfg.FeedForward)*c.setpoint
	}
	if c.begun {
		c.goal = cfg.clamp(c.goal)
	} else {
		c.goal = cfg.MinSlots
	}
	return nil
}

// Resume takes a goal that was in force before a restart, within the limits: a
// Hold before the first Step keeps it. Call it before the first Step.
func (c *Controller) Resume(goal int) {
	c.begun, c.rests = true, false
	c.goal = c.cfg.clamp(max(goal, 0))
	c.scaleIn.reset(c.goal)
	c.last.Goal = c.goal
}
