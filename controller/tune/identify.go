package tune

import (
	"fmt"
	"math"
	"slices"

	"gonum.org/v1/gonum/optimize"
	"gonum.org/v1/gonum/stat"
)

// Fit is a model with how well it explains the samples.
type Fit struct {
	Model
	// Offset is the output for no input.
	Offset float64 `json:"offset"`
	// R2 is the explained share of the variance of the output, ≤ 1.
	R2 float64 `json:"r2"`
	// Samples is how many were fitted.
	Samples int `json:"samples"`
}

// Limits of an identification.
const (
	minSamples = 10     // unmasked
	maxSamples = 20_000 // the stretch of so many samples with the liveliest input is used
	minSwing   = 0.02   // least range of the input, as a share of N
	minR2      = 0.3    // least share of the variance that the model must explain
)

// Identify fits a first-order lag with dead time to the samples, which are in
// the order of time. The input may be anything that moves: a step, or the goal
// of a controller at work. K and the offset follow from T and L by linear least
// squares; over T and L the sum of squares is minimised by a coarse grid and
// Nelder–Mead from its best points.
//
// The error is an ErrExcitation.
func Identify(samples []Sample) (Fit, error) {
	samples = liveliest(samples)
	f, err := newFitter(samples)
	if err != nil {
		return Fit{}, err
	}
	var best candidate
	for i, start := range f.grid() {
		if c := f.refine(start); i == 0 || c.rss < best.rss {
			best = c
		}
	}
	fit := Fit{
		Model: Model{K: best.gain, T: best.lag, L: math.Max(best.dead, f.step/shortest)}, Offset: best.offset,
		R2: 1 - best.rss/f.total, Samples: f.count,
	}
	if err := fit.Validate(); err != nil || !(fit.R2 >= minR2) {
		return Fit{}, fmt.Errorf("%w: what runs does not follow the goal: record while the cluster is not full and jobs are pending", ErrExcitation)
	}
	return fit, nil
}

// liveliest cuts samples to the stretch whose input varies most.
func liveliest(samples []Sample) []Sample {
	if len(samples) <= maxSamples {
		return samples
	}
	best, from := -1.0, 0
	for at := 0; at+maxSamples <= len(samples); at += maxSamples / 4 {
		inputs := make([]float64, 0, maxSamples)
		for _, s := range samples[at : at+maxSamples] {
			if !s.Masked {
				inputs = append(inputs, s.U)
			}
		}
		if len(inputs) < minSamples {
			continue
		}
		if v := stat.Variance(inputs, nil) * float64(len(inputs)); v > best {
			best, from = v, at
		}
	}
	return samples[from : from+maxSamples]
}

// fitter is the least-squares problem.
type fitter struct {
	samples []Sample
	weights []float64 // 0 where masked
	outputs []float64
	model   []float64 // scratch
	count   int
	total   float64 // Σ(y − mean)²
	step    float64 // median time between samples
	span    float64
}

// shortest is the least lag or dead time, as a part of the time between
// samples: nothing shorter can be told apart.
const shortest = 4

// candidate is a point of the problem.
type candidate struct{ lag, dead, gain, offset, rss float64 }

func newFitter(samples []Sample) (*fitter, error) {
	n := len(samples)
	f := &fitter{samples: samples, weights: make([]float64, n), outputs: make([]float64, n), model: make([]float64, n)}
	low, high := math.Inf(1), math.Inf(-1)
	for i, s := range samples {
		f.outputs[i] = s.Y
		if s.Masked {
			continue
		}
		f.weights[i] = 1
		f.count++
		low, high = math.Min(low, s.U), math.Max(high, s.U)
	}
	switch {
	case f.count < minSamples:
		return nil, fmt.Errorf("%w: %d usable samples of %d, want %d or more with jobs pending and the goal granted: record for longer under load",
			ErrExcitation, f.count, n, minSamples)
	case !(high-low >= minSwing):
		return nil, fmt.Errorf("%w: the goal moves by %.1f %% of the jobs' slots, want %.0f %% or more: change --target while recording, or record a burst of jobs",
			ErrExcitation, 100*(high-low), 100*minSwing)
	}
	f.step, f.span = medianStep(samples), samples[n-1].At-samples[0].At
	_, variance := stat.MeanVariance(f.outputs, f.weights)
	f.total = variance * float64(f.count-1)
	if !(f.total > 0) || !(f.step > 0) {
		return nil, fmt.Errorf("%w: what runs never changes: record while the cluster is not full", ErrExcitation)
	}
	return f, nil
}

func medianStep(samples []Sample) float64 {
	steps := make([]float64, 0, len(samples))
	for i := 1; i < len(samples); i++ {
		if !samples[i].Restart {
			steps = append(steps, samples[i].At-samples[i-1].At)
		}
	}
	if len(steps) == 0 {
		return 0
	}
	slices.Sort(steps)
	return steps[len(steps)/2]
}

// The state at the beginning follows from the output there, gain and offset,
// and these from the state: they are found in a few passes. A process whose gain
// is as small as minGain does not follow its input.
const (
	passes  = 3
	minGain = 1e-3
)

// at solves for gain and offset, given lag and dead time.
func (f *fitter) at(lag, dead float64) candidate {
	c := candidate{lag: lag, dead: dead, gain: 1, rss: math.Inf(1)}
	for range passes {
		rest := c
		respond(f.samples, lag, dead, func(y float64) float64 { return (y - rest.offset) / rest.gain }, f.model)
		c.offset, c.gain = stat.LinearRegression(f.model, f.outputs, f.weights, false)
		if !(c.gain > minGain) {
			return c
		}
	}
	rss := 0.0
	for i, x := range f.model {
		if f.weights[i] != 0 {
			r := f.outputs[i] - c.offset - c.gain*x
			rss += r * r
		}
	}
	if !math.IsNaN(rss) {
		c.rss = rss
	}
	return c
}

// Sizes of the grid, and how many of its points are refined.
const (
	gridLags, gridDeads = 12, 16
	refined             = 3
)

// grid returns the best points of a coarse grid, spaced by equal factors.
func (f *fitter) grid() []candidate {
	var points []candidate
	for i := range gridLags {
		lag := spaced(f.step/shortest, f.span/2, i, gridLags)
		for j := range gridDeads {
			points = append(points, f.at(lag, spaced(f.step/shortest, f.span/2, j, gridDeads)))
		}
	}
	slices.SortStableFunc(points, func(a, b candidate) int {
		switch {
		case a.rss < b.rss:
			return -1
		case a.rss > b.rss:
			return 1
		}
		return 0
	})
	return points[:refined]
}

func spaced(low, high float64, i, n int) float64 {
	return low * math.Pow(high/low, float64(i)/float64(n-1))
}

// refine minimises from a point on, over the logarithms of lag and dead time.
func (f *fitter) refine(start candidate) candidate {
	best := start
	low, high := math.Log(f.step/shortest), math.Log(f.span)
	problem := optimize.Problem{Func: func(x []float64) float64 {
		lag, dead := math.Min(math.Max(x[0], low), high), math.Min(math.Max(x[1], low), high)
		c := f.at(math.Exp(lag), math.Exp(dead))
		if c.rss < best.rss {
			best = c
		}
		return c.rss * (1 + math.Abs(x[0]-lag) + math.Abs(x[1]-dead))
	}}
	settings := optimize.Settings{
		FuncEvaluations: 300,
		Converger:       &optimize.FunctionConverge{Absolute: 1e-9 * f.total, Iterations: 30},
	}
	from := []float64{math.Log(start.lag), math.Log(start.dead)}
	// The best point is kept above, whatever ends the search.
	if _, err := optimize.Minimize(problem, from, &settings, &optimize.NelderMead{SimplexSize: 0.3}); err != nil {
		return best
	}
	return best
}
