package tune

import (
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// process answers inputs that last a second each as a model does, with noise.
func process(m Model, inputs []float64, noise float64, rng *rand.Rand) []Sample {
	samples := make([]Sample, len(inputs))
	for i, u := range inputs {
		samples[i] = Sample{At: float64(i), U: u}
	}
	out := make([]float64, len(inputs))
	respond(samples, m.T, m.L, func(float64) float64 { return inputs[0] }, out)
	for i, y := range out {
		samples[i].Y = m.K*y + noise*rng.NormFloat64()
	}
	return samples
}

// steps is a staircase up and down with long treads.
func steps(tread, count int) []float64 {
	inputs := make([]float64, 0, tread*count)
	for i := range count {
		for range tread {
			inputs = append(inputs, 0.2+0.3*float64(i%2))
		}
	}
	return inputs
}

func TestIdentifyFindsTheModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := Model{
			K: rapid.Float64Range(0.5, 2).Draw(t, "k"),
			T: rapid.Float64Range(3, 30).Draw(t, "t"),
			L: rapid.Float64Range(2, 30).Draw(t, "l"),
		}
		rng := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 1))
		fit, err := Identify(process(m, steps(200, 4), 0.003*m.K, rng))
		if err != nil {
			t.Fatal(err)
		}
		near := func(name string, got, want, tolerance float64) {
			if math.Abs(got-want) > tolerance {
				t.Errorf("%s %.3f, want %.3f ± %.3f (%+v of %+v)", name, got, want, tolerance, fit, m)
			}
		}
		near("K", fit.K, m.K, 0.02*m.K)
		near("T", fit.T, m.T, 0.05*m.T+0.3)
		near("L", fit.L, m.L, 0.05*m.L+0.3)
		if fit.R2 < 0.98 {
			t.Errorf("R² %.3f of a first-order process", fit.R2)
		}
	})
}

// What is masked does not count, however wrong it is.
func TestIdentifySkipsWhatIsMasked(t *testing.T) {
	m := Model{K: 1, T: 10, L: 15}
	samples := process(m, steps(300, 4), 0, rand.New(rand.NewPCG(1, 1)))
	for i := range samples {
		if i%7 == 0 {
			samples[i].Masked, samples[i].Y = true, 9
		}
	}
	fit, err := Identify(samples)
	if err != nil || math.Abs(fit.T-m.T) > 0.5 || math.Abs(fit.L-m.L) > 0.5 {
		t.Errorf("%+v, %v, want %+v", fit, err, m)
	}
}

func TestNothingToIdentify(t *testing.T) {
	flat := process(Model{K: 1, T: 1, L: 1}, make([]float64, 100), 0, rand.New(rand.NewPCG(1, 1)))
	dead := process(Model{K: 1, T: 1, L: 1}, steps(50, 4), 0, rand.New(rand.NewPCG(1, 1)))
	for i := range dead {
		dead[i].Y = 0.5
	}
	uneven := slices.Concat(steps(60, 2), steps(130, 1), steps(20, 2), steps(90, 2), steps(35, 3))
	against := process(Model{K: 1, T: 1, L: 1}, uneven, 0, rand.New(rand.NewPCG(1, 1)))
	for i := range against {
		against[i].Y = 1 - against[i].Y
	}
	for name, samples := range map[string][]Sample{
		"none": nil, "few": flat[:5], "input at rest": flat, "output at rest": dead, "output against the input": against,
	} {
		if _, err := Identify(samples); !errors.Is(err, ErrExcitation) {
			t.Errorf("%s: %v, want an ErrExcitation", name, err)
		}
	}
}
