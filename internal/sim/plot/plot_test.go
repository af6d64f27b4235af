package plot

import (
	"bytes"
	"encoding/xml"
	"errors"
	"image/png"
	"io"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// What was the least and the greatest of a quantity stays in the picture, however long the run, and points stay in order.
func TestFilmKeepsExtremes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var film Film
		n := rapid.IntRange(1, 60_000).Draw(t, "points")
		spike, dip := rapid.IntRange(0, n-1).Draw(t, "spike"), rapid.IntRange(0, n-1).Draw(t, "dip")
		step := time.Duration(rapid.Int64Range(1, int64(time.Hour)).Draw(t, "step"))
		for i := range n {
			p := Point{At: time.Duration(i) * step, Goal: 50 + i%3, Running: 20}
			if i == spike {
				p.Goal = 1000
			}
			if i == dip {
				p.Running = 3
			}
			film.Add(p)
		}
		points := film.Points()
		highest, lowest := 0, 1000
		for i, p := range points {
			if i > 0 && p.At <= points[i-1].At {
				t.Fatalf("point %d at %v after %v", i, p.At, points[i-1].At)
			}
			highest, lowest = max(highest, p.Goal), min(lowest, p.Running)
		}
		if highest != 1000 || lowest != 3 || points[len(points)-1].At != time.Duration(n-1)*step || len(points) > maxFilm+maxFilm/4 {
			t.Errorf("%d of %d points: highest %d, lowest %d, last at %v", len(points), n, highest, lowest, points[len(points)-1].At)
		}
	})
}

func somePoints() []Point {
	return []Point{
		{Target: 0.3, Pending: 10},
		{At: time.Hour, Target: 0.3, Pending: 8, Running: 2, Goal: 3, Supply: 3},
		{At: 9 * time.Hour, Target: 0.3, Waiting: 3},
	}
}

var someOutcomes = []Outcome{
	{"greedy", 0.3, 6, 0.126, 22383},
	{"pid", 0.3, 2366, 0.047, 7202},
	{"pid", 10, 130, 0.05, 8552},
	{"seed", 0.3, 1085, 0.119, 16053},
	{"odd", 1, 0, 0, 0},
}

// pictures are each picture's drawing and what must be written in it.
var pictures = map[string]struct {
	draw  func(io.Writer, string) error
	words []string
}{
	"timeline": {func(w io.Writer, format string) error { return Timeline(w, format, somePoints()) }, []string{"running / pending", "goal", "hours"}},
	"empty":    {func(w io.Writer, format string) error { return Timeline(w, format, nil) }, []string{"seconds"}},
	"pareto":   {func(w io.Writer, format string) error { return Pareto(w, format, someOutcomes) }, []string{"mean wait in s", "greedy", "seed", "launches of hosts"}},
	"nothing":  {func(w io.Writer, format string) error { return Pareto(w, format, nil) }, []string{"over-allocation"}},
}

func TestPictures(t *testing.T) {
	for name, p := range pictures {
		var svg, bitmap bytes.Buffer
		if err := errors.Join(p.draw(&svg, "svg"), p.draw(&bitmap, "png")); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		for _, word := range p.words {
			if !strings.Contains(svg.String(), word) {
				t.Errorf("%s: no %q in the picture", name, word)
			}
		}
		if strings.Contains(svg.String(), "NaN") {
			t.Errorf("%s: not a number in the picture", name)
		}
		for d := xml.NewDecoder(&svg); ; {
			if _, err := d.Token(); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				t.Fatalf("%s: the picture is not XML: %v", name, err)
			}
		}
		if image, err := png.Decode(&bitmap); err != nil || image.Bounds().Dx() < 300 {
			t.Errorf("%s: %v", name, err)
		}
		if err := p.draw(io.Discard, "bmp"); err == nil {
			t.Errorf("%s: drawn in a format that is none", name)
		}
	}
}
