package controller

import (
	"fmt"
	"time"
)

// Load is what the batch system and the fleet hold at one time, in slots.
type Load struct {
	// Running slots, on open and on draining hosts.
	Running int `json:"running"`
	// Pending slots that are eligible: not held, dependencies met, queue open.
	Pending int `json:"pending"`
	// FirstNeed is what the first eligible pending job in order needs. It is
	// ignored while nothing is pending, and counts as at least 1 otherwise.
	FirstNeed int `json:"firstNeed"`
	// Supply is what is held: in flight and open. Draining hosts do not count.
	Supply int `json:"supply"`
	// InFlight is the part of Supply that has not joined yet. It counts as if it
	// ran already, so that a long join delay causes no overshoot. Leave it 0
	// where it is not known.
	InFlight int `json:"inFlight"`
	// Withheld is what the fleet leaves of the goal on purpose, because no job
	// could start on it yet. It is no shortage: to the integral it counts as held.
	Withheld int `json:"withheld,omitempty"`
	// Draining is the part of Running on closed hosts. These slots are used but
	// not part of Supply, so the goal is less by them. Leave it 0 where it is not
	// known.
	Draining int `json:"draining"`
	// Weight is how much a pending slot counts, in the mean, 0.01 to 100; 0 is 1.
	// It is a preference: see the package comment.
	Weight float64 `json:"weight,omitempty"`
}

const minWeight, maxWeight = 0.01, 100

// validate refuses what cannot be a load; the message names the field.
func (l *Load) validate() error {
	if l.Weight != 0 && !(l.Weight >= minWeight && l.Weight <= maxWeight) {
		return fmt.Errorf("%w: weight %v: must be from %v to %v", ErrLoad, l.Weight, minWeight, maxWeight)
	}
	if inRange(l.Running) && inRange(l.Pending) && inRange(l.FirstNeed) && inRange(l.Supply) && inRange(l.InFlight) &&
		inRange(l.Withheld) && inRange(l.Draining) {
		return nil
	}
	for _, f := range [...]struct {
		name string
		val  int
	}{
		{"running", l.Running},
		{"pending", l.Pending},
		{"first need", l.FirstNeed},
		{"supply", l.Supply},
		{"in flight", l.InFlight},
		{"withheld", l.Withheld},
		{"draining", l.Draining},
	} {
		if !inRange(f.val) {
			return fmt.Errorf("%w: %s %d: must be from 0 to %d slots", ErrLoad, f.name, f.val, maxSlots)
		}
	}
	return nil
}

func inRange(slots int) bool { return slots >= 0 && slots <= maxSlots }

// Saturation says what kept the goal from being the output of the law.
type Saturation uint8

// The causes. At most one is reported: the one that fixed the goal, or else
// the one that binds the integral.
const (
	// SaturationNone: the goal is the output, rounded up.
	SaturationNone Saturation = iota
	// SaturationIdle: no jobs; the goal is MinSlots.
	SaturationIdle
	// SaturationHold: no fresh load; the goal is held.
	SaturationHold
	// SaturationMin: MinSlots holds the goal up.
	SaturationMin
	// SaturationMax: MaxSlots holds the goal down.
	SaturationMax
	// SaturationStep: MaxStep delays the rise.
	SaturationStep
	// SaturationSupply: Mesos has not granted the last goal yet.
	SaturationSupply
	// SaturationNeed: the first pending job holds the goal up.
	SaturationNeed
	// SaturationStarved: the first pending job needs more than MaxSlots: it
	// cannot start.
	SaturationStarved
	// SaturationDemand: the jobs could not use more.
	SaturationDemand
	// SaturationScaleIn: a surplus is kept for ScaleInDelay or within Deadband.
	SaturationScaleIn

	saturations
)

var saturationNames = [saturations]string{
	"none", "idle", "hold", "min", "max", "step", "supply", "need", "starved", "demand", "scale-in",
}

// String returns the word that traces, metrics and the dashboard show.
func (s Saturation) String() string {
	if s >= saturations {
		return fmt.Sprintf("saturation(%d)", uint8(s))
	}
	return saturationNames[s]
}

// MarshalText makes a Saturation its word in JSON.
func (s Saturation) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads the word back. The error is an ErrConfig.
func (s *Saturation) UnmarshalText(text []byte) error {
	for i, name := range saturationNames {
		if name == string(text) {
			*s = Saturation(i)
			return nil
		}
	}
	return fmt.Errorf("%w: unknown saturation %q", ErrConfig, text)
}

// Record is one step, for metrics, the dashboard, the trace file and plots.
// P, I, D, FF and U are in slots and U is the sum of the others.
type Record struct {
	// At is the time that the step was given.
	At time.Time `json:"at"`
	Load
	// Y is the measured value Running/(Running+Pending); 0 when idle.
	Y float64 `json:"y"`
	// Setpoint is y* = τ/(1+τ), or on its way there after a change of target.
	Setpoint float64 `json:"setpoint"`
	// Error is Setpoint − Y, with capacity in flight counted into Y.
	Error float64 `json:"error"`
	// P, I, D and FF are the proportional, integral, derivative and feed-forward terms.
	P  float64 `json:"p"`
	I  float64 `json:"i"`
	D  float64 `json:"d"`
	FF float64 `json:"ff"`
	// U is the output: the slots that should be in use, before rounding and limits.
	U float64 `json:"u"`
	// Saturation is what kept the goal from U.
	Saturation Saturation `json:"saturation"`
	// Goal is the number of slots to hold open or in flight: U less Draining,
	// rounded up and limited.
	Goal int `json:"goal"`
}

// Ratio is running per pending slots, the quantity that Config.Target is
// about; ok is false while nothing is pending.
func (r *Record) Ratio() (ratio float64, ok bool) {
	if r.Pending == 0 {
		return 0, false
	}
	return float64(r.Running) / float64(r.Pending), true
}
