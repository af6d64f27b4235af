package tune

import (
	"fmt"
	"math"
	"slices"
)

// Relay is the relay test of Åström and Hägglund (Automatic tuning of simple
// regulators, 1984): the input is switched between two values, so that the
// process oscillates near its ultimate period.
//
//	     y < set point − hysteresis
//	  ┌───────────────────────────────┐
//	  │                               v
//	low: U = center − amplitude     high: U = center + amplitude
//	  ^                               │
//	  └───────────────────────────────┘
//	     y > set point + hysteresis
//
// The first cycles are the way there and not counted.
type Relay struct {
	setpoint, center, amplitude, hysteresis float64

	high      bool
	rises     []float64 // times at which the input went up
	low, top  float64   // extremes since the last rise
	swings    []float64 // top − low of each cycle
	evaluated bool      // there was a step
}

// Cycles that a relay test takes: those that are not counted, and those that are.
const (
	settlingCycles = 2
	countedCycles  = 4
	maxCycles      = 40
	// alike is how far the swings of the counted cycles may be apart before
	// maxCycles, as a part of the greatest: an oscillation builds up.
	alike = 0.02
)

// NewRelay starts a test that holds an output at a set point by switching the
// input by amplitude (> 0) around center, the input that would hold it. The
// hysteresis (≥ 0) is to be more than the noise. The error is an ErrModel.
func NewRelay(setpoint, center, amplitude, hysteresis float64) (*Relay, error) {
	for _, v := range []float64{setpoint, center, amplitude, hysteresis} {
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return nil, fmt.Errorf("%w: a relay at %v ± %v around %v", ErrModel, center, amplitude, setpoint)
		}
	}
	if !(amplitude > 0) || hysteresis < 0 {
		return nil, fmt.Errorf("%w: a relay of amplitude %v and hysteresis %v", ErrModel, amplitude, hysteresis)
	}
	return &Relay{
		setpoint: setpoint, center: center, amplitude: amplitude, hysteresis: hysteresis,
		low: math.Inf(1), top: math.Inf(-1),
	}, nil
}

// Step takes the output at a time in seconds and returns the input from then on.
func (r *Relay) Step(at, y float64) float64 {
	r.low, r.top = math.Min(r.low, y), math.Max(r.top, y)
	switch {
	case !r.evaluated:
		r.high, r.evaluated = y <= r.setpoint, true
	case r.high && y > r.setpoint+r.hysteresis:
		r.high = false
	case !r.high && y < r.setpoint-r.hysteresis:
		r.high = true
		if len(r.rises) > 0 {
			r.swings = append(r.swings, r.top-r.low)
		}
		r.rises = append(r.rises, at)
		r.low, r.top = y, y
	}
	if r.high {
		return r.center + r.amplitude
	}
	return r.center - r.amplitude
}

// Done says whether there were cycles enough, and as good as equal ones.
func (r *Relay) Done() bool {
	n := len(r.swings)
	if n < settlingCycles+countedCycles {
		return false
	}
	counted := r.swings[n-countedCycles:]
	return n >= maxCycles || slices.Max(counted)-slices.Min(counted) <= alike*slices.Max(counted)
}

// Ultimate estimates the ultimate point from the cycles by the describing
// function of a relay with hysteresis, Ku = 4d/(π·√(a² − ε²)), with a half of
// what the output swings. It takes the first harmonic for the whole: for a
// first-order lag with dead time the gain can be off by a quarter and more, the
// period by less. The error is an ErrOscillation.
func (r *Relay) Ultimate() (Ultimate, error) {
	if !r.Done() {
		return Ultimate{}, fmt.Errorf("%w: %d of %d cycles of the relay test: give it longer, or a larger amplitude",
			ErrOscillation, len(r.swings), settlingCycles+countedCycles)
	}
	last := len(r.rises) - 1
	period := (r.rises[last] - r.rises[last-countedCycles]) / countedCycles
	swing := 0.0
	for _, s := range r.swings[len(r.swings)-countedCycles:] {
		swing += s / countedCycles
	}
	amplitude := math.Sqrt(swing*swing/4 - r.hysteresis*r.hysteresis)
	if !(amplitude > 0) || !(period > 0) {
		return Ultimate{}, fmt.Errorf("%w: the output swings no more than the hysteresis: give a larger amplitude", ErrOscillation)
	}
	return Ultimate{Ku: 4 * r.amplitude / (math.Pi * amplitude), Pu: period}, nil
}
