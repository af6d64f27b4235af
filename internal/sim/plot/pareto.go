package plot

import (
	"cmp"
	"fmt"
	"image/color"
	"io"
	"math"
	"slices"
	"strconv"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// Outcome is how a policy did with one target.
type Outcome struct {
	// Policy is its name without the target: outcomes of one name make a curve.
	Policy string
	Target float64
	// Wait is the mean wait in seconds, Excess the slots held in vain as a part of those used.
	Wait, Excess float64
	Launches     int
}

// leastWait is where the logarithmic axis of waits begins, in seconds.
const leastWait = 0.1

// Pareto draws the mean wait against over-allocation and against launches of hosts, all on logarithmic axes: the nearer to the lower
// left, the better. The format is "svg" or "png".
func Pareto(w io.Writer, format string, outcomes []Outcome) error {
	var panels []*plot.Plot
	for _, axis := range []struct {
		title string
		value func(*Outcome) float64
	}{
		{"over-allocation", func(o *Outcome) float64 { return math.Max(o.Excess, 1e-3) }},
		{"launches of hosts", func(o *Outcome) float64 { return math.Max(float64(o.Launches), 1) }},
	} {
		panel, err := paretoPanel(axis.title, axis.value, outcomes)
		if err != nil {
			return fmt.Errorf("draw %s: %w", axis.title, err)
		}
		panels = append(panels, panel)
	}
	return write(w, format, panels, 9*vg.Centimeter)
}

func paretoPanel(title string, value func(*Outcome) float64, outcomes []Outcome) (*plot.Plot, error) {
	p := plot.New()
	p.X.Label.Text, p.Y.Label.Text = "mean wait in s", title
	p.X.Scale, p.Y.Scale = plot.LogScale{}, plot.LogScale{}
	p.X.Tick.Marker, p.Y.Tick.Marker = plot.TickerFunc(decades), plot.TickerFunc(decades)
	p.Legend.Top, p.Legend.Padding, p.Legend.ThumbnailWidth = true, vg.Points(2), vg.Points(24)
	p.Legend.XOffs = -vg.Points(6)
	p.Add(plotter.NewGrid())
	colors := []color.Color{blue, orange, green, purple, sky, yellow}
	for i, name := range policies(outcomes) {
		var points plotter.XYs
		for k := range outcomes {
			if o := &outcomes[k]; o.Policy == name {
				points = append(points, plotter.XY{X: math.Max(o.Wait, leastWait), Y: value(o)})
			}
		}
		slices.SortFunc(points, func(a, b plotter.XY) int { return cmp.Compare(a.X, b.X) })
		curve, dots, err := plotter.NewLinePoints(points)
		if err != nil {
			return nil, err
		}
		curve.Color, dots.Color = colors[i%len(colors)], colors[i%len(colors)]
		dots.Shape = []draw.GlyphDrawer{draw.CircleGlyph{}, draw.SquareGlyph{}, draw.TriangleGlyph{}, draw.CrossGlyph{}, draw.RingGlyph{}, draw.PyramidGlyph{}}[i%6]
		dots.Radius = vg.Points(3)
		p.Add(curve, dots)
		p.Legend.Add(name+" ", curve, dots)
	}
	p.X.Min, p.X.Max = widen(p.X.Min, p.X.Max)
	p.X.Max *= math.Pow(p.X.Max/p.X.Min, 0.25) // the legend is at the right
	p.Y.Min, p.Y.Max = widen(p.Y.Min, p.Y.Max)
	return p, nil
}

// policies are the names, in the order in which they come.
func policies(outcomes []Outcome) (names []string) {
	for i := range outcomes {
		if !slices.Contains(names, outcomes[i].Policy) {
			names = append(names, outcomes[i].Policy)
		}
	}
	return names
}

// widen gives room around a range.
func widen(low, high float64) (from, to float64) {
	if !(low > 0) || math.IsInf(low, 0) || !(high >= low) || math.IsInf(high, 0) {
		return 0.1, 1
	}
	return low / 1.5, high * 1.5
}

// decades labels powers of ten, and twice and five times those where there are few, with unlabelled marks between.
func decades(low, high float64) []plot.Tick {
	var marks []plot.Tick
	for decade := math.Pow(10, math.Floor(math.Log10(low))); decade <= high*1.001; decade *= 10 {
		for i := 1.0; i < 10; i++ {
			label := ""
			if i == 1 || (i == 2 || i == 5) && high < 1000*low {
				label = strconv.FormatFloat(i*decade, 'g', 6, 64)
			}
			marks = append(marks, plot.Tick{Value: i * decade, Label: label})
		}
	}
	return marks
}
