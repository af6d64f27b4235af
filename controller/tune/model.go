package tune

import (
	"errors"
	"fmt"
	"math"
)

// Kinds of errors. Test with errors.Is; the texts say what to do.
var (
	// ErrExcitation: the samples do not show how the process answers.
	ErrExcitation = errors.New("nothing to identify")
	// ErrOscillation: a relay test did not make the process oscillate.
	ErrOscillation = errors.New("no oscillation")
	// ErrModel: a number is no gain, time or period.
	ErrModel = errors.New("invalid model")
	// ErrLog: a log is no log of controller records.
	ErrLog = errors.New("invalid log")
)

// Model is a first-order lag with dead time.
type Model struct {
	// K is the static gain, dimensionless, > 0.
	K float64 `json:"k"`
	// T is the time constant and L the dead time, in seconds, > 0.
	T float64 `json:"t_s"`
	L float64 `json:"l_s"`
}

// Validate refuses what is no process that a rule can answer. The error is an ErrModel.
func (m Model) Validate() error {
	for _, v := range []float64{m.K, m.T, m.L} {
		if !(v > 0) || math.IsInf(v, 0) {
			return fmt.Errorf("%w: K %.4g, T %.4g s, L %.4g s: all must be finite and more than 0", ErrModel, m.K, m.T, m.L)
		}
	}
	return nil
}

// DeadShare is the normalised dead time L/(L+T), in (0, 1): near 0 the lag
// dominates and control is easy, near 1 the dead time does.
func (m Model) DeadShare() float64 { return m.L / (m.L + m.T) }

// Ultimate computes the ultimate point of the model: the frequency ω at which
// the phase is −180°, ω·L + atan(ω·T) = π.
func (m Model) Ultimate() Ultimate {
	low, high := math.Pi/2/m.L, math.Pi/m.L
	for range 100 {
		omega := (low + high) / 2
		if omega*m.L+math.Atan(omega*m.T) < math.Pi {
			low = omega
		} else {
			high = omega
		}
	}
	return Ultimate{Ku: math.Hypot(1, low*m.T) / m.K, Pu: 2 * math.Pi / low}
}

// Ultimate is the ultimate point of a process.
type Ultimate struct {
	// Ku is the ultimate gain, dimensionless, > 0.
	Ku float64 `json:"ku"`
	// Pu is the ultimate period in seconds, > 0.
	Pu float64 `json:"pu_s"`
}

// Sample is what went into a process and came out of it at one time.
type Sample struct {
	// At is in seconds from any beginning.
	At float64
	// U is the input from now on, Y the output now, as shares of N.
	U, Y float64
	// Masked: something else than the input holds Y here, as when nothing is
	// pending; the input still counts.
	Masked bool
	// Restart: what was before is not known; the process is taken to be at rest.
	Restart bool
}

// respond computes what a model of gain 1 answers to the samples' input, which
// is constant between them, exactly at their times. Where nothing is known of
// the time before, the process rests at state, a function of the output there.
func respond(samples []Sample, lag, dead float64, state func(y float64) float64, out []float64) {
	x, in, next := 0.0, 0.0, 0 // state; what the lag sees; the sample whose input it will see
	for k := range samples {
		if k == 0 || samples[k].Restart {
			x = state(firstOutput(samples[k:]))
			in, next = x, k
			out[k] = x
			continue
		}
		at, to := samples[k-1].At, samples[k].At
		for next < k && samples[next].At+dead < to {
			turn := math.Max(at, samples[next].At+dead)
			x = relax(x, in, turn-at, lag)
			at, in = turn, samples[next].U
			next++
		}
		x = relax(x, in, to-at, lag)
		out[k] = x
	}
}

// firstOutput is the first output that counts, before the next restart.
func firstOutput(samples []Sample) float64 {
	for i := range samples {
		if i > 0 && samples[i].Restart {
			break
		}
		if !samples[i].Masked {
			return samples[i].Y
		}
	}
	return samples[0].Y
}

// relax is where a first-order lag is after a time, on its way from x to u.
func relax(x, u, elapsed, lag float64) float64 {
	if elapsed <= 0 {
		return x
	}
	return u + (x-u)*math.Exp(-elapsed/lag)
}
