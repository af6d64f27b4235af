package tune

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strconv"

	"gonum.org/v1/gonum/optimize"
)

// Search looks for the gains of least cost, by Nelder–Mead on the logarithms of
// the gains, begun anew from the best point while evaluations are left: costs
// that come from simulations have steps and many small valleys.
type Search struct {
	// Start are points to begin with; the best of them is the first simplex's.
	Start []Gains
	// Low and High bound the gains, 0 < Low < High. At Low a gain is off: 0.
	Low, High Gains
	// Evaluations is how often Cost may be called, > 0.
	Evaluations int
	// Seed decides the simplices.
	Seed uint64
	// Cost is what to minimise: a number ≥ 0. An error ends the search. It is
	// asked once at most for the same gains.
	Cost func(Gains) (float64, error)
}

// Optimum is the best that a search found.
type Optimum struct {
	Gains
	Cost float64
	// Evaluations that it took in all.
	Evaluations int
}

// digits of the gains that are tried: what is printed is what was measured.
const digits = 3

// patience is how many simplices in a row may end without a better point.
const patience = 3

// Run searches. With an error of Cost it returns the best so far beside it; an
// Optimum without Evaluations is none. Other errors are an ErrModel.
func (s Search) Run() (Optimum, error) {
	if err := s.validate(); err != nil {
		return Optimum{}, err
	}
	r := searching{Search: s, known: make(map[Gains]float64), best: Optimum{Cost: math.Inf(1)}}
	for _, g := range s.Start {
		r.cost(r.toLog(g))
	}
	rng := rand.New(rand.NewPCG(s.Seed, 0x7e4e))
	for barren := 0; barren < patience && !r.over(); {
		before := r.best.Cost
		r.descend(rng)
		barren++
		if r.best.Cost < before {
			barren = 0
		}
	}
	r.best.Evaluations = len(r.known)
	return r.best, r.err
}

func (s *Search) validate() error {
	low, high := s.Low.list(), s.High.list()
	for i := range low {
		if !(low[i] > 0) || !(high[i] > low[i]) || math.IsInf(high[i], 0) {
			return fmt.Errorf("%w: gains from %v to %v", ErrModel, s.Low, s.High)
		}
	}
	if s.Evaluations < 1 || len(s.Start) == 0 || s.Cost == nil {
		return fmt.Errorf("%w: a search of %d evaluations from %d points", ErrModel, s.Evaluations, len(s.Start))
	}
	return nil
}

func (g Gains) list() [3]float64 { return [3]float64{g.Kp, g.Ki, g.Kd} }

// searching is a search at work.
type searching struct {
	Search
	known map[Gains]float64
	best  Optimum
	err   error
}

func (r *searching) over() bool { return r.err != nil || len(r.known) >= r.Evaluations }

// toLog is the point of gains; 0 is Low's.
func (r *searching) toLog(g Gains) []float64 {
	low, high, point := r.Low.list(), r.High.list(), make([]float64, 0, 3)
	for i, v := range g.list() {
		point = append(point, math.Log(math.Min(math.Max(v, low[i]), high[i])))
	}
	return point
}

// toGains is the gains of a point, within bounds, and how far out it was.
func (r *searching) toGains(point []float64) (g Gains, outside float64) {
	low, high := r.Low.list(), r.High.list()
	var values [3]float64
	for i, x := range point {
		bounded := math.Min(math.Max(x, math.Log(low[i])), math.Log(high[i]))
		outside += math.Abs(x - bounded)
		values[i] = Round(math.Exp(bounded))
		if values[i] <= low[i]*(1+1e-9) {
			values[i] = 0
		}
	}
	return Gains{values[0], values[1], values[2]}, outside
}

// Round rounds a gain to the digits in which gains are tried and printed.
func Round(gain float64) float64 {
	rounded, err := strconv.ParseFloat(strconv.FormatFloat(gain, 'g', digits, 64), 64)
	if err != nil {
		return gain // not a number: left to the caller's checks
	}
	return rounded
}

// cost evaluates a point, unless its gains are known already.
func (r *searching) cost(point []float64) float64 {
	gains, outside := r.toGains(point)
	cost, ok := r.known[gains]
	if !ok {
		if r.over() {
			return math.Inf(1)
		}
		if cost, r.err = r.Cost(gains); r.err != nil {
			return math.Inf(1)
		}
		r.known[gains] = cost
		if cost < r.best.Cost {
			r.best.Gains, r.best.Cost = gains, cost
		}
	}
	return cost * (1 + outside)
}

// descend is one run of Nelder–Mead from the best point on.
func (r *searching) descend(rng *rand.Rand) {
	start := r.toLog(r.best.Gains)
	method := &optimize.NelderMead{InitialVertices: [][]float64{start}, InitialValues: []float64{r.cost(start)}}
	low, high := r.Low.list(), r.High.list()
	for i := range start {
		vertex := append([]float64(nil), start...)
		move := 0.3 + rng.Float64() // a factor of 1.3 to 3.7
		if up := vertex[i] + move; rng.IntN(2) == 0 && up < math.Log(high[i]) || vertex[i]-move < math.Log(low[i]) {
			vertex[i] = up
		} else {
			vertex[i] -= move
		}
		method.InitialVertices = append(method.InitialVertices, vertex)
		method.InitialValues = append(method.InitialValues, r.cost(vertex))
	}
	problem := optimize.Problem{
		Func: r.cost,
		Status: func() (optimize.Status, error) {
			if r.over() {
				return optimize.FunctionEvaluationLimit, nil
			}
			return optimize.NotTerminated, nil
		},
	}
	settings := optimize.Settings{
		FuncEvaluations: 10 * r.Evaluations, // known points cost nothing, but not for ever
		Converger:       &optimize.FunctionConverge{Relative: 1e-4, Iterations: 10},
	}
	// The best point is kept by cost; an error of Minimize is no more than a simplex that can not go on.
	if _, err := optimize.Minimize(problem, start, &settings, method); err != nil {
		return
	}
}
