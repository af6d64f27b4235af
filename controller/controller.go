package controller

import (
	"errors"
	"fmt"
	"math"
	"time"
)

// Kinds of errors of Controller.Step. Test with errors.Is.
var (
	// ErrLoad: a count is negative or absurd.
	ErrLoad = errors.New("invalid load")
	// ErrClock: time did not advance since the last step.
	ErrClock = errors.New("clock did not advance")
)

// maxPeriods is how many periods one step may count as: after a suspended
// machine or a jump of the clock, nothing is known about the time between.
const maxPeriods = 10

// drainTrust is how many tracking times it takes to believe that what drains
// will not end soon.
const drainTrust = 10

// negligible is a slope of the measured value, in 1/s, that counts as none.
const negligible = 1e-30

// rounding is how far above a whole number of slots an output still counts as
// that number: the arithmetic of N·y* is not exact.
const rounding = 1e-6

// Controller holds the state of the control loop. It is not safe for
// concurrent use: one goroutine owns it.
type Controller struct {
	cfg   Config
	last  Record
	begun bool // there was a step
	rests bool // see AtRest

	state
	scaleIn window

	at        time.Time
	changedAt time.Time // of the last Configure
	refusedAt time.Time // of the last step that time refused
}

// state is what a step leaves to the next one, but for times.
type state struct {
	goal     int
	integral float64 // I, share of N
	setpoint float64 // y*, on its way to the target's after a change
	measured float64 // the last measured value, for the derivative
	slope    float64 // filtered derivative of the measured value, 1/s
	primed   bool    // measured is of the step before
	draining float64 // slots in use on closed hosts, risen slowly
}

// New returns a controller whose goal is MinSlots. The error is an ErrConfig.
//
// The first Step takes what is held for the goal so far, so that a restart
// neither drops hosts at once nor is slowed by MaxStep.
func New(cfg Config) (*Controller, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	c := &Controller{cfg: cfg, state: state{goal: cfg.MinSlots, setpoint: cfg.setpoint()}}
	c.last = Record{Setpoint: c.setpoint, Saturation: SaturationIdle, Goal: c.goal}
	return c, nil
}

// Config returns the settings in force.
func (c *Controller) Config() Config { return c.cfg }

// Goal returns the slots to hold, as of the last step, hold or configuration.
func (c *Controller) Goal() int { return c.goal }

// Last returns the record of the last step or hold.
func (c *Controller) Last() Record { return c.last }

// Step takes the load at a time and returns the new goal with how it came
// about. A load that cannot be is an ErrLoad; a time that is not after the
// last is an ErrClock. Then the state is untouched and the record is the last
// one. A clock that was set back costs one such error: the next step is
// measured from the refused time.
func (c *Controller) Step(now time.Time, load Load) (Record, error) {
	if err := load.validate(); err != nil {
		return c.last, err
	}
	elapsed, err := c.advance(now)
	if err != nil {
		return c.last, err
	}
	if !c.begun {
		c.begun = true
		c.goal = c.cfg.clamp(load.Supply)
		c.scaleIn.reset(c.goal)
	}
	before := c.state
	if load.Running+load.Pending == 0 {
		c.idle(now, &load)
	} else {
		c.output(now, elapsed, &load)
		rec := &c.last
		c.goal, rec.Saturation = c.limit(elapsed, rec)
		if rec.Saturation == SaturationNone && load.Supply+load.Withheld < before.goal {
			rec.Saturation = SaturationSupply
		}
		rec.Goal = c.goal
		c.integrate(elapsed, rec)
	}
	c.rests = c.state == before && c.scaleIn.single() && c.sinceChange(now, elapsed) == elapsed
	return c.last, nil
}

// Hold is the step for a failed or stale poll: the goal stays, nothing is
// integrated, and the surplus does not age. It moves the clock to now.
func (c *Controller) Hold(now time.Time) Record {
	c.at, c.refusedAt = now, time.Time{}
	c.primed, c.rests = false, false
	c.last.At = now
	c.last.Saturation = SaturationHold
	c.last.Goal = c.goal
	return c.last
}

// advance moves the clock and returns the time that the step covers.
func (c *Controller) advance(now time.Time) (time.Duration, error) {
	if c.at.IsZero() {
		c.at = now
		return c.cfg.Period, nil
	}
	elapsed := now.Sub(c.at)
	if elapsed <= 0 && !c.refusedAt.IsZero() {
		elapsed = now.Sub(c.refusedAt)
	}
	if elapsed <= 0 {
		c.refusedAt, c.rests = now, false
		return 0, fmt.Errorf("%w: %v after %v", ErrClock, now.Format(time.RFC3339Nano), c.at.Format(time.RFC3339Nano))
	}
	if limit := maxPeriods * c.cfg.Period; elapsed > limit {
		elapsed = limit
		c.primed = false
	}
	c.at, c.refusedAt = now, time.Time{}
	return elapsed, nil
}

// idle is the step without jobs.
func (c *Controller) idle(now time.Time, load *Load) {
	c.goal = c.cfg.MinSlots
	c.scaleIn.reset(c.goal)
	c.integral, c.setpoint, c.draining = 0, c.cfg.setpoint(), 0
	c.slope, c.primed = 0, false
	c.last = Record{At: now, Load: *load, Setpoint: c.setpoint, Saturation: SaturationIdle, Goal: c.goal}
}

// output computes the law's terms into the last record. The integral is the
// one before this step.
func (c *Controller) output(now time.Time, elapsed time.Duration, load *Load) {
	dt := elapsed.Seconds()
	n := float64(load.Running + load.Pending)
	counted := float64(load.Running+min(load.InFlight, load.Pending)) / n
	switch {
	case c.cfg.Kd == 0 || !c.primed:
		c.slope = 0
	default:
		raw := (counted - c.measured) / dt
		c.slope += (raw - c.slope) * dt / (c.cfg.DerivativeFilter.Seconds() + dt)
		if math.Abs(c.slope) < negligible {
			c.slope = 0 // denormal numbers are slow
		}
	}
	c.measured, c.primed = counted, true
	if target := c.cfg.weighted(load.Weight); c.setpoint != target {
		c.setpoint += (target - c.setpoint) * share(c.sinceChange(now, elapsed), c.cfg.TrackingTime)
	}
	if draining := float64(min(load.Draining, load.Running)); draining < c.draining {
		c.draining = draining
	} else {
		c.draining += (draining - c.draining) * share(elapsed, drainTrust*c.cfg.TrackingTime)
	}
	rec := &c.last
	rec.At, rec.Load = now, *load
	rec.Y = float64(load.Running) / n
	rec.Setpoint, rec.Error = c.setpoint, c.setpoint-counted
	rec.P = n * c.cfg.proportional(rec.Error)
	rec.I = n * c.integral
	rec.D = -n * c.cfg.Kd * c.slope
	rec.FF = c.cfg.FeedForward * n * c.setpoint
	rec.U = rec.P + rec.I + rec.D + rec.FF
}

// sinceChange is the part of a step that is after the last Configure.
func (c *Controller) sinceChange(now time.Time, elapsed time.Duration) time.Duration {
	if since := now.Sub(c.changedAt); since >= 0 && since < elapsed {
		return since
	}
	return elapsed
}

// integrate advances the integral by the error of a step and leads it back to
// what was achieved where that is less (or more) than the output.
//
// The steady value (1−FF)·y* is what the law needs without any disturbance. It
// is not unlearned: a saturation bleeds off only what went beyond it, so that
// the goal is right in the very step in which the saturation ends.
func (c *Controller) integrate(elapsed time.Duration, rec *Record) {
	n := float64(rec.Running + rec.Pending)
	goal := float64(c.goal)
	want := rec.U - c.draining
	held := rec.Supply + rec.Withheld
	supply := float64(max(held, rec.Running-rec.Draining))

	high := want > goal+rounding || float64(held) < goal
	floor := rec.Saturation == SaturationNeed || rec.Saturation == SaturationMin
	low := floor || supply > goal

	steady := (1 - c.cfg.FeedForward) * rec.Setpoint
	grow := c.cfg.Ki * rec.Error * elapsed.Seconds()
	switch {
	case math.Abs(rec.Error)*n < 1 || (high && grow > 0):
		grow = 0
	case low && grow < 0:
		grow = math.Max(grow, math.Min(0, steady-c.integral))
	}
	c.integral += grow
	if c.cfg.Ki == 0 {
		c.integral *= 1 - share(elapsed, c.cfg.TrackingTime)
	}

	tracking := share(elapsed, c.cfg.TrackingTime) / n
	switch {
	case high && c.integral > steady:
		c.integral = math.Max(steady, c.integral+math.Min(0, math.Min(goal, supply)-want)*tracking)
	case floor && c.integral < steady:
		c.integral = math.Min(steady, c.integral+math.Max(0, goal-want)*tracking)
	}
}

// share is the part of a first-order lag that is covered in a time, in [0, 1].
func share(elapsed, constant time.Duration) float64 {
	return float64(elapsed) / float64(elapsed+constant)
}
