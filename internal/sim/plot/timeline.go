package plot

import (
	"image/color"
	"io"
	"math"
	"strconv"
	"time"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
)

// The colours of the pictures: the quantity itself, what it is compared with, and quieter ones; from the Okabe–Ito palette,
// which colour-blind readers can tell apart.
var (
	blue   = color.NRGBA{R: 0, G: 114, B: 178, A: 255}
	orange = color.NRGBA{R: 213, G: 94, B: 0, A: 255}
	green  = color.NRGBA{R: 0, G: 158, B: 115, A: 255}
	purple = color.NRGBA{R: 204, G: 121, B: 167, A: 255}
	sky    = color.NRGBA{R: 86, G: 180, B: 233, A: 255}
	yellow = color.NRGBA{R: 230, G: 159, B: 0, A: 255}
)

// Point is the state at one time; all but the target are slots.
type Point struct {
	At time.Duration
	// Target is running per pending.
	Target           float64
	Goal, Supply     int
	Running, Pending int
	// Waiting is pending and not eligible; it counts as pending in the picture of the jobs, not in the ratio.
	Waiting int
}

// line is one curve of a panel.
type line struct {
	name   string
	color  color.Color
	value  func(Point) float64 // NaN = nothing to show
	steps  bool
	dashed bool
}

// Timeline draws three panels over time: ratio and target, goal and supply, running and pending. The format is "svg" or "png".
func Timeline(w io.Writer, format string, points []Point) error {
	unit, name := timeUnit(points)
	panels := []*plot.Plot{}
	for _, p := range []struct {
		title string
		lines []line
	}{
		{"running / pending", []line{
			{name: "target", color: orange, value: func(p Point) float64 { return p.Target }, dashed: true},
			{name: "ratio", color: blue, value: shownRatio},
		}},
		{"slots held", []line{
			{name: "goal", color: orange, value: func(p Point) float64 { return float64(p.Goal) }, steps: true},
			{name: "supply", color: blue, value: func(p Point) float64 { return float64(p.Supply) }, steps: true},
		}},
		{"slots of jobs", []line{
			{name: "pending", color: orange, value: func(p Point) float64 { return float64(p.Pending + p.Waiting) }, steps: true},
			{name: "running", color: green, value: func(p Point) float64 { return float64(p.Running) }, steps: true},
		}},
	} {
		panel, err := newPanel(p.title, p.lines, points, unit)
		if err != nil {
			return err
		}
		panels = append(panels, panel)
	}
	panels[len(panels)-1].X.Label.Text = name
	return write(w, format, panels, 6*vg.Centimeter)
}

// timeUnit is the unit of the time axis and its name.
func timeUnit(points []Point) (time.Duration, string) {
	span := time.Duration(0)
	if n := len(points); n > 0 {
		span = points[n-1].At
	}
	switch {
	case span > 4*24*time.Hour:
		return 24 * time.Hour, "days"
	case span > 4*time.Hour:
		return time.Hour, "hours"
	case span > 10*time.Minute:
		return time.Minute, "minutes"
	default:
		return time.Second, "seconds"
	}
}

// shownRatio hides the ratio where it says nothing: with no or almost no job pending it is undefined or huge.
func shownRatio(p Point) float64 {
	if p.Pending == 0 {
		return math.NaN()
	}
	if ratio := float64(p.Running) / float64(p.Pending); ratio <= 4*p.Target {
		return ratio
	}
	return math.NaN()
}

func newPanel(title string, lines []line, points []Point, unit time.Duration) (*plot.Plot, error) {
	p := plot.New()
	p.Y.Label.Text = title
	p.Y.Min = 0
	p.Legend.Top = true
	p.Legend.ThumbnailWidth = vg.Points(24)
	p.Legend.Padding = vg.Points(2)
	p.Legend.XOffs = -vg.Points(6)
	p.Add(plotter.NewGrid())
	for _, l := range lines {
		for i, run := range l.runs(points, unit) {
			curve, err := plotter.NewLine(run)
			if err != nil {
				return nil, err
			}
			curve.Color, curve.Width = l.color, vg.Points(1.4)
			if l.steps {
				curve.StepStyle = plotter.PostStep
			}
			if l.dashed {
				curve.Dashes = []vg.Length{vg.Points(5), vg.Points(3)}
			}
			p.Add(curve)
			if i == 0 {
				p.Legend.Add(l.name+" ", curve)
			}
		}
	}
	p.X.Min, p.X.Max = 0, 1
	if n := len(points); n > 0 {
		p.X.Max = math.Max(float64(points[n-1].At)/float64(unit), 1e-9)
	}
	p.Y.Max = math.Max(p.Y.Max*1.25, 1e-3) // room for the legend
	p.X.Tick.Marker, p.Y.Tick.Marker = plot.TickerFunc(ticks), plot.TickerFunc(ticks)
	return p, nil
}

// ticks labels about five round numbers of an axis.
func ticks(low, high float64) []plot.Tick {
	const wanted = 5
	step := math.Pow(10, math.Floor(math.Log10((high-low)/wanted)))
	for _, factor := range []float64{5, 2} {
		if (high-low)/(step*factor) >= wanted-1 {
			step *= factor
			break
		}
	}
	var marks []plot.Tick
	for i := math.Ceil(low / step); i*step <= high; i++ {
		marks = append(marks, plot.Tick{Value: i * step, Label: strconv.FormatFloat(i*step, 'g', 6, 64)})
	}
	return marks
}

// runs is the curve cut where there is nothing to show.
func (l line) runs(points []Point, unit time.Duration) []plotter.XYs {
	var runs []plotter.XYs
	open := false
	for _, p := range points {
		y := l.value(p)
		if math.IsNaN(y) {
			open = false
			continue
		}
		if !open {
			runs, open = append(runs, nil), true
		}
		last := len(runs) - 1
		runs[last] = append(runs[last], plotter.XY{X: float64(p.At) / float64(unit), Y: y})
	}
	return runs
}
