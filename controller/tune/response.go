package tune

import (
	"fmt"
	"math"
	"time"

	"sluice/controller"
)

// responseSlots is N of a simulated step: large, so that whole slots do not matter.
const responseSlots = 1_000_000

// Experiment is a textbook step response: the real controller on a model, with
// a set point from the first moment on and a lasting loss of Loss of the output, as
// a share of N, from half-time on.
type Experiment struct {
	Model
	Control controller.Config
	Loss    float64
	// Steps of the controller, one a period.
	Steps int
}

// maxSteps keeps an experiment finite.
const maxSteps = 1_000_000

// Run computes the controller's records, without limits and rounding; what it is granted it has at once, and
// what it runs is the model's answer. The error is an ErrModel or the controller's.
func (x Experiment) Run() ([]controller.Record, error) {
	if err := x.Validate(); err != nil {
		return nil, err
	}
	if x.Steps < 1 || x.Steps > maxSteps || !(x.Loss >= 0 && x.Loss < 1) {
		return nil, fmt.Errorf("%w: an experiment of %d steps with a loss of %v", ErrModel, x.Steps, x.Loss)
	}
	control := x.Control
	control.MinSlots, control.MaxSlots, control.MaxStep, control.Quantum, control.Deadband = 0, 0, 0, 0, 0
	ctl, err := controller.New(control)
	if err != nil {
		return nil, err
	}
	period := x.Control.Period
	delay := int(math.Min(math.Round(x.L/period.Seconds()), maxSteps))
	inputs := make([]float64, 0, x.Steps)
	records := make([]controller.Record, 0, x.Steps)
	state, goal, now := 0.0, 0, time.Unix(0, 0).UTC()
	for k := range x.Steps {
		if k > delay {
			state = relax(state, inputs[k-delay-1], period.Seconds(), x.T)
		}
		out := x.K * state
		if k >= x.Steps/2 {
			out -= x.Loss
		}
		running := int(math.Round(responseSlots * math.Min(math.Max(out, 0), 1)))
		record, err := ctl.Step(now, controller.Load{
			Running: running, Pending: responseSlots - running, Supply: max(goal, running),
		})
		if err != nil {
			return nil, fmt.Errorf("step controller: %w", err)
		}
		goal = record.Goal
		records = append(records, record)
		inputs = append(inputs, float64(goal)/responseSlots)
		now = now.Add(period)
	}
	return records, nil
}

// ITAE gathers the integral of time-weighted absolute error. The time is that
// for which the error has lasted without a break, so that it also makes sense
// over days of jobs coming and going; for the answer to one step it is the
// textbook's up to the first crossing. The zero value is ready.
type ITAE struct {
	sum, age, last float64
	begun          bool
}

// Tolerances: what does not count as an error, and for how long one grows
// heavier: what lasts longer is not the controller's to mend.
const (
	tolerated = 0.1 // part of the set point
	maxAge    = 3600.0
)

// Add takes the load at a time in seconds, and the set point it is measured against.
func (i *ITAE) Add(at float64, load controller.Load, setpoint float64) {
	elapsed := at - i.last
	if !i.begun {
		elapsed, i.begun = 0, true
	}
	i.last = at
	n := float64(load.Running + load.Pending)
	off := math.Abs(float64(load.Running)/n - setpoint)
	if load.Pending == 0 || off*n < 1 || off <= tolerated*setpoint {
		i.age = 0
		return
	}
	i.age = math.Min(i.age+elapsed, maxAge)
	i.sum += i.age * off * elapsed
}

// Sum is the integral so far, in s².
func (i *ITAE) Sum() float64 { return i.sum }
