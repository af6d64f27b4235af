package demo

import (
	"errors"
	"fmt"
	"image/color"
	"math"
	"os"
	"path/filepath"
	"strconv"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgsvg"
)

// The colours of the picture: the quantity itself, what it is compared with, and a quiet one; from the Okabe–Ito palette,
// which colour-blind readers can tell apart.
var (
	blue   = color.NRGBA{R: 0, G: 114, B: 178, A: 255}
	orange = color.NRGBA{R: 213, G: 94, B: 0, A: 255}
	green  = color.NRGBA{R: 0, G: 158, B: 115, A: 255}
)

// line is one curve of a panel.
type line struct {
	name   string
	color  color.Color
	value  func(Sample) float64 // NaN = nothing to show
	steps  bool
	dashed bool
}

// Picture writes the samples as an SVG of three panels over time: ratio and target, goal and supply, running and pending.
// The file appears whole or not at all.
func Picture(path string, samples []Sample) error {
	panels := []*plot.Plot{}
	for _, p := range []struct {
		title string
		lines []line
	}{
		{"running / pending", []line{
			{name: "target", color: orange, value: func(s Sample) float64 { return s.Target }, dashed: true},
			{name: "ratio", color: blue, value: shownRatio},
		}},
		{"slots held", []line{
			{name: "goal", color: orange, value: func(s Sample) float64 { return float64(s.Goal) }, steps: true},
			{name: "supply", color: blue, value: func(s Sample) float64 { return float64(s.Supply) }, steps: true},
		}},
		{"slots of jobs", []line{
			{name: "pending", color: orange, value: func(s Sample) float64 { return float64(s.Pending + s.Waiting) }, steps: true},
			{name: "running", color: green, value: func(s Sample) float64 { return float64(s.Running) }, steps: true},
		}},
	} {
		panel, err := newPanel(p.title, p.lines, samples)
		if err != nil {
			return fmt.Errorf("draw %s: %w", p.title, err)
		}
		panels = append(panels, panel)
	}
	panels[len(panels)-1].X.Label.Text = "seconds"
	return writeSVG(path, panels)
}

// shownRatio hides the ratio where it says nothing: with no or almost no job pending it is undefined or huge.
func shownRatio(s Sample) float64 {
	if s.Pending == 0 || s.Ratio > 4*s.Target {
		return math.NaN()
	}
	return s.Ratio
}

func newPanel(title string, lines []line, samples []Sample) (*plot.Plot, error) {
	p := plot.New()
	p.Y.Label.Text = title
	p.Y.Min = 0
	p.Legend.Top = true
	p.Legend.Padding = vg.Points(2)
	p.Legend.XOffs = -vg.Points(6)
	p.Add(plotter.NewGrid())
	for _, l := range lines {
		for i, run := range l.runs(samples) {
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
				p.Legend.Add(l.name, curve)
			}
		}
	}
	if n := len(samples); n > 0 {
		p.X.Min, p.X.Max = 0, math.Max(samples[n-1].At.Seconds(), 1)
	}
	p.Y.Max = math.Max(p.Y.Max*1.2, 1e-3)
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
func (l line) runs(samples []Sample) []plotter.XYs {
	var runs []plotter.XYs
	open := false
	for _, s := range samples {
		y := l.value(s)
		if math.IsNaN(y) {
			open = false
			continue
		}
		if !open {
			runs, open = append(runs, nil), true
		}
		last := len(runs) - 1
		runs[last] = append(runs[last], plotter.XY{X: s.At.Seconds(), Y: y})
	}
	return runs
}

// writeSVG stacks the panels with their axes aligned.
func writeSVG(path string, panels []*plot.Plot) error {
	const width, panelHeight = 18 * vg.Centimeter, 6 * vg.Centimeter
	image := vgsvg.New(width, panelHeight*vg.Length(len(panels)))
	rows := make([][]*plot.Plot, len(panels))
	for i, p := range panels {
		rows[i] = []*plot.Plot{p}
	}
	canvas := draw.New(image)
	canvas.SetColor(color.White)
	canvas.Fill(canvas.Rectangle.Path())
	tiles := draw.Tiles{Rows: len(panels), Cols: 1, PadTop: vg.Points(6), PadRight: vg.Points(10), PadLeft: vg.Points(4), PadBottom: vg.Points(4), PadY: vg.Points(8)}
	for i, row := range plot.Align(rows, tiles, canvas) {
		panels[i].Draw(row[0])
	}
	temporary, err := os.CreateTemp(filepath.Dir(path), ".demo-*.svg")
	if err != nil {
		return fmt.Errorf("write picture: %w", err)
	}
	_, err = image.WriteTo(temporary)
	if closed := temporary.Close(); err == nil {
		err = closed
	}
	if err == nil {
		err = os.Chmod(temporary.Name(), 0o644)
	}
	if err == nil {
		err = os.Rename(temporary.Name(), path)
	}
	if err != nil {
		return fmt.Errorf("write picture: %w", errors.Join(err, os.Remove(temporary.Name())))
	}
	return nil
}
