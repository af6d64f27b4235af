package tune

import (
	"errors"
	"math"
	"testing"

	"pgregory.net/rapid"
)

func bowl(best Gains) func(Gains) (float64, error) {
	far := func(a, b float64) float64 { d := math.Log((a + 1e-4) / (b + 1e-4)); return d * d }
	return func(g Gains) (float64, error) {
		return 1 + far(g.Kp, best.Kp) + far(g.Ki, best.Ki) + far(g.Kd, best.Kd), nil
	}
}

var wide = Search{
	Start: []Gains{{0.1, 0.003, 0}}, Low: Gains{1e-3, 1e-4, 1e-2}, High: Gains{10, 1, 100}, Evaluations: 300, Seed: 1,
}

// The best is never worse than any start, within bounds, and what it costs.
func TestSearchNeverWorse(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		gain := rapid.Float64Range(0, 20)
		s := wide
		s.Evaluations = rapid.IntRange(1, 60).Draw(t, "evaluations")
		s.Start = rapid.SliceOfN(rapid.Custom(func(t *rapid.T) Gains {
			return Gains{gain.Draw(t, "kp"), gain.Draw(t, "ki"), gain.Draw(t, "kd")}
		}), 1, 4).Draw(t, "start")
		cost := bowl(Gains{0.7, 0.02, 3})
		calls, first := 0, math.Inf(1)
		s.Cost = func(g Gains) (float64, error) {
			calls++
			c, err := cost(g)
			if calls == 1 {
				first = c
			}
			return c, err
		}
		best, err := s.Run()
		if err != nil {
			t.Fatal(err)
		}
		again, _ := cost(best.Gains)
		if best.Cost > first || again != best.Cost || calls > s.Evaluations || best.Evaluations != calls {
			t.Errorf("%+v after %d calls of %d, the start costs %v", best, calls, s.Evaluations, first)
		}
	})
}

func TestSearchFindsTheBottom(t *testing.T) {
	s := wide
	s.Cost = bowl(Gains{0.7, 0.02, 3})
	best, err := s.Run()
	if err != nil || best.Cost > 1.02 {
		t.Errorf("%+v, %v", best, err)
	}
	again, err := s.Run()
	if err != nil || again != best {
		t.Errorf("another run of the same seed: %+v, %v", again, err)
	}
}

func TestSearchEnds(t *testing.T) {
	stop := errors.New("stop")
	s := wide
	calls := 0
	s.Cost = func(Gains) (float64, error) {
		if calls++; calls > 5 {
			return 0, stop
		}
		return float64(calls), nil
	}
	best, err := s.Run()
	if !errors.Is(err, stop) || best.Cost != 1 {
		t.Errorf("%+v, %v, want the best of before the error", best, err)
	}
	for name, change := range map[string]func(*Search){
		"no start": func(s *Search) { s.Start = nil }, "bounds": func(s *Search) { s.Low.Ki = 2 }, "budget": func(s *Search) { s.Evaluations = 0 },
	} {
		s := wide
		s.Cost = bowl(Gains{})
		change(&s)
		if _, err := s.Run(); !errors.Is(err, ErrModel) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
