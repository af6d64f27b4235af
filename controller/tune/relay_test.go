package tune

import (
	"errors"
	"math"
	"testing"
)

// relayOn runs a relay test on a process in small steps.
func relayOn(t *testing.T, r *Relay, dt float64, answer func(u float64) float64) Ultimate {
	t.Helper()
	y := answer(0)
	for i := range 1_000_000 {
		if r.Done() {
			break
		}
		y = answer(r.Step(float64(i)*dt, y))
	}
	u, err := r.Ultimate()
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func within(t *testing.T, name string, got, want, share float64) {
	t.Helper()
	if math.Abs(got-want) > share*want {
		t.Errorf("%s %.4f, want %.4f within %.0f %%", name, got, want, 100*share)
	}
}

// A relay without hysteresis makes a first-order lag with dead time swing by
// a = K·d·(1 − e^(−L/T)) with the period 2T·ln(2e^(L/T) − 1), exactly.
func TestRelayOnLagWithDeadTime(t *testing.T) {
	for _, m := range []Model{{K: 1, T: 10, L: 2}, {K: 2, T: 5, L: 5}, {K: 0.5, T: 3, L: 12}} {
		const dt, d = 0.001, 0.3
		r, err := NewRelay(0, 0, d, 0)
		if err != nil {
			t.Fatal(err)
		}
		delay := make([]float64, int(math.Round(m.L/dt)))
		x, at := 0.0, 0
		u := relayOn(t, r, dt, func(in float64) float64 {
			old := delay[at]
			delay[at] = in
			at = (at + 1) % len(delay)
			x = relax(x, old, dt, m.T)
			return m.K * x
		})
		ratio := m.L / m.T
		within(t, "period", u.Pu, 2*m.T*math.Log(2*math.Exp(ratio)-1), 0.01)
		within(t, "gain", u.Ku, 4/(math.Pi*m.K*(1-math.Exp(-ratio))), 0.01)
	}
}

// 1/(s+1)³ has the ultimate gain 8 and period 2π/√3 = 3.628; it filters the
// relay's harmonics so well that the describing function is right.
func TestRelayOnThreeLags(t *testing.T) {
	const dt = 0.001
	r, err := NewRelay(0, 0, 1, 0)
	if err != nil {
		t.Fatal(err)
	}
	var x [3]float64
	u := relayOn(t, r, dt, func(in float64) float64 {
		for i := range x {
			x[i] = relax(x[i], in, dt, 1)
			in = x[i]
		}
		return in
	})
	within(t, "period", u.Pu, 2*math.Pi/math.Sqrt(3), 0.03)
	within(t, "gain", u.Ku, 8, 0.05)
}

// The ultimate point of a model, against its definition: at ω the loop Ku·G has
// the phase −180° and the gain 1.
func TestUltimateOfModel(t *testing.T) {
	for _, m := range []Model{{K: 1, T: 10, L: 2}, {K: 3, T: 1, L: 60}} {
		u := m.Ultimate()
		omega := 2 * math.Pi / u.Pu
		within(t, "phase", omega*m.L+math.Atan(omega*m.T), math.Pi, 1e-9)
		within(t, "gain", u.Ku*m.K/math.Hypot(1, omega*m.T), 1, 1e-9)
	}
}

func TestRelayWithoutOscillation(t *testing.T) {
	if _, err := NewRelay(0, 0, 0, 0); !errors.Is(err, ErrModel) {
		t.Errorf("amplitude 0: %v", err)
	}
	if _, err := NewRelay(math.NaN(), 0, 1, 0); !errors.Is(err, ErrModel) {
		t.Errorf("set point NaN: %v", err)
	}
	r, err := NewRelay(0.5, 0.5, 0.1, 0.01)
	if err != nil {
		t.Fatal(err)
	}
	for at := range 1000 {
		r.Step(float64(at), 0.1)
	}
	if _, err := r.Ultimate(); !errors.Is(err, ErrOscillation) {
		t.Errorf("a process that does not answer: %v", err)
	}
}
