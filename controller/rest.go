package controller

import "time"

// AtRest reports that the last step changed nothing but the time: on the same
// load, and as long after it as it was after the one before, the next one will
// change nothing either. Nor will any after that; see Rest.
func (c *Controller) AtRest() bool { return c.rests }

// Rest stands for such steps, the last of them at now. Only a controller that is
// at rest may be given them.
func (c *Controller) Rest(now time.Time) {
	c.scaleIn.pass(now.Sub(c.at))
	c.at, c.last.At = now, now
}
