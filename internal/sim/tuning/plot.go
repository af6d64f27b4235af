package tuning

import (
	"fmt"
	"io"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/plotutil"
	"gonum.org/v1/plot/vg"

	"sluice/controller"
)

// Picture draws how the model answers with the gains of each row, as "svg" or "png": a step of the set point at 0, a loss of
// running slots at half-time. The best row's line is the thick one.
func (r *Report) Picture(w io.Writer, format string, control controller.Config) error {
	p := plot.New()
	p.Title.Text = fmt.Sprintf("Step response of K %.3g, T %.3g s, L %.3g s", r.Fit.K, r.Fit.T, r.Fit.L)
	p.X.Label.Text, p.Y.Label.Text = "time in s", "running / (running + pending)"
	p.Legend.Padding, p.Legend.XOffs, p.Legend.YOffs = vg.Points(3), -vg.Points(8), vg.Points(8)
	p.Add(plotter.NewGrid())
	for i := range r.Rows {
		row := &r.Rows[i]
		if row.Reason != "" {
			continue
		}
		at, y, err := r.Response(control, row)
		if err != nil {
			return fmt.Errorf("respond with the gains of %s: %w", row.Rule, err)
		}
		points := make(plotter.XYs, len(at))
		for k := range points {
			points[k] = plotter.XY{X: at[k].Seconds(), Y: y[k]}
		}
		line, err := plotter.NewLine(points)
		if err != nil {
			return fmt.Errorf("draw %s: %w", row.Rule, err)
		}
		line.Color, line.Dashes = plotutil.Color(i), plotutil.Dashes(i/len(plotutil.DefaultColors))
		line.Width = vg.Points(1.2)
		if i == r.Best {
			line.Width = vg.Points(2.4)
		}
		p.Add(line)
		p.Legend.Add(row.Rule, line)
	}
	p.Y.Min = 0
	p.X.Max *= 1.25 // room for the legend
	picture, err := p.WriterTo(24*vg.Centimeter, 14*vg.Centimeter, format)
	if err != nil {
		return fmt.Errorf("draw step responses: %w", err)
	}
	_, err = picture.WriteTo(w)
	return err
}
