package controller

import (
	"errors"
	"fmt"
	"math"
	"time"
)

// ErrConfig is the kind of every error of Config.Validate, New,
// Controller.Configure and TargetForSlowdown. Test with errors.Is.
var ErrConfig = errors.New("invalid setting")

// Bounds of what a configuration may ask for. They are far outside of what is
// useful; they keep the arithmetic finite.
const (
	minTarget   = 1e-6
	maxTarget   = 1e6
	maxGain     = 1e6
	maxFF       = 2
	maxDuration = 365 * 24 * time.Hour
	maxSlots    = math.MaxInt32
)

// Config is what an operator may set. The zero value is not valid; start from
// DefaultConfig. A Config is plain data and may be copied.
type Config struct {
	// Target is τ, running slots per pending slot, > 0. In steady state jobs
	// wait 1/τ times their run time.
	Target float64
	// Kp is the proportional gain: share of N per unit of error. Dimensionless, ≥ 0.
	Kp float64
	// Ki is the integral gain in 1/s, ≥ 0.
	Ki float64
	// Kd is the derivative gain in seconds, ≥ 0.
	Kd float64
	// FeedForward is the share of the model's answer N·y* that is given at once,
	// from 0 (pure PID) to 2; 1 is exact for a plant that runs what it is given.
	FeedForward float64
	// DerivativeFilter is the time constant of the low-pass filter on the
	// derivative; 0 is no filter.
	DerivativeFilter time.Duration
	// TrackingTime is the time constant with which the integral is led back to
	// what was really achieved (anti-windup), a change of target takes effect;
	// > 0. Ten times as long it takes to believe that Load.Draining lasts.
	TrackingTime time.Duration
	// Period is the nominal time between steps, > 0. A step after a longer time
	// counts as at most ten periods.
	Period time.Duration
	// MinSlots is held even when idle, ≥ 0.
	MinSlots int
	// MaxSlots is never exceeded, ≥ MinSlots; 0 is unlimited.
	MaxSlots int
	// MaxStep is how many slots the goal may rise in one step; 0 is unlimited.
	MaxStep int
	// ScaleInDelay is how long a surplus must have lasted before the goal falls, ≥ 0.
	ScaleInDelay time.Duration
	// Deadband is the surplus in slots that is tolerated for good, ≥ 0.
	Deadband int
	// Quantum rounds the goal up to whole hosts of so many slots, within
	// MaxSlots; 0 and 1 are no rounding. Without it a goal that creeps up makes
	// many small hosts.
	Quantum int
}

// DefaultConfig returns the settings that docs/control.md justifies.
func DefaultConfig() Config {
	return Config{
		Target:           0.3,
		Kp:               0.1,
		Ki:               0.003,
		Kd:               0,
		FeedForward:      1,
		DerivativeFilter: 5 * time.Second,
		TrackingTime:     30 * time.Second,
		Period:           time.Second,
		ScaleInDelay:     time.Second,
		Deadband:         1,
	}
}

// Slowdown returns the slowdown that the target promises in steady state,
// (wait + run) / run = 1 + 1/τ, weighted by slots (Little's law).
func (c Config) Slowdown() float64 { return 1 + 1/c.Target }

// TargetForSlowdown returns the target τ = 1/(slowdown−1) that promises the
// slowdown (wait + run) / run. The slowdown must be finite and more than 1.
func TargetForSlowdown(slowdown float64) (float64, error) {
	target := 1 / (slowdown - 1)
	if !(slowdown > 1) || !(target >= minTarget && target <= maxTarget) {
		return 0, fmt.Errorf("%w: target-slowdown %v: must be more than 1, as in 2 for waiting as long as running", ErrConfig, slowdown)
	}
	return target, nil
}

// Validate says in one line what is wrong and what is allowed, in the names
// of the command line's flags; nil if nothing is. The error is an ErrConfig.
func (c Config) Validate() error {
	if !(c.Target >= minTarget && c.Target <= maxTarget) {
		return fmt.Errorf("%w: target %v: must be a number of running per pending slots from %v to %v", ErrConfig, c.Target, minTarget, maxTarget)
	}
	for _, g := range [...]struct {
		name     string
		val, max float64
	}{
		{"kp", c.Kp, maxGain}, {"ki", c.Ki, maxGain}, {"kd", c.Kd, maxGain}, {"feed-forward", c.FeedForward, maxFF},
	} {
		if !(g.val >= 0 && g.val <= g.max) {
			return fmt.Errorf("%w: %s %v: must be a number from 0 to %v", ErrConfig, g.name, g.val, g.max)
		}
	}
	for _, d := range [...]struct {
		name     string
		val, min time.Duration
	}{
		{"period", c.Period, 1},
		{"tracking-time", c.TrackingTime, 1},
		{"derivative-filter", c.DerivativeFilter, 0},
		{"scale-in-delay", c.ScaleInDelay, 0},
	} {
		switch {
		case d.val < d.min && d.min > 0:
			return fmt.Errorf("%w: %s %v: must be more than 0", ErrConfig, d.name, d.val)
		case d.val < 0:
			return fmt.Errorf("%w: %s %v: must not be negative", ErrConfig, d.name, d.val)
		case d.val > maxDuration:
			return fmt.Errorf("%w: %s %v: must be at most %v", ErrConfig, d.name, d.val, maxDuration)
		}
	}
	return c.validateLimits()
}

func (c Config) validateLimits() error {
	for _, n := range [...]struct {
		name string
		val  int
	}{
		{"min-slots", c.MinSlots}, {"max-slots", c.MaxSlots}, {"max-step", c.MaxStep}, {"deadband", c.Deadband}, {"quantum", c.Quantum},
	} {
		if n.val < 0 || n.val > maxSlots {
			return fmt.Errorf("%w: %s %d: must be from 0 to %d", ErrConfig, n.name, n.val, maxSlots)
		}
	}
	if c.MaxSlots != 0 && c.MinSlots > c.MaxSlots {
		return fmt.Errorf("%w: min-slots %d: must not exceed max-slots %d", ErrConfig, c.MinSlots, c.MaxSlots)
	}
	return nil
}

// setpoint is y* = τ/(1+τ).
func (c *Config) setpoint() float64 { return c.Target / (1 + c.Target) }

// weighted is the set point where pending slots count so often: running =
// τ·weight·pending. 0 counts as 1.
func (c *Config) weighted(weight float64) float64 {
	if weight == 0 || weight == 1 {
		return c.setpoint()
	}
	return c.Target * weight / (1 + c.Target*weight)
}

// proportional is the proportional term's share of N. A shortage is first the
// feed-forward's to answer, and is not answered twice.
func (c *Config) proportional(e float64) float64 {
	if e > 0 {
		e *= max(0, 1-c.FeedForward)
	}
	return c.Kp * e
}

// whole rounds a goal up to whole hosts.
func (c *Config) whole(goal int) int {
	if c.Quantum <= 1 {
		return goal
	}
	return (goal + c.Quantum - 1) / c.Quantum * c.Quantum
}

// clamp limits a goal to MinSlots..MaxSlots.
func (c *Config) clamp(goal int) int {
	if c.MaxSlots != 0 && goal > c.MaxSlots {
		goal = c.MaxSlots
	}
	return max(goal, c.MinSlots)
}
