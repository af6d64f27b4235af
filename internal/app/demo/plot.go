package demo

import (
	"io"
	"path/filepath"
	"strings"

	"sluice/internal/app"
	"sluice/internal/sim/plot"
)

// Picture writes the samples as a picture of three panels over time, SVG or PNG by the name's end: ratio and target, goal and
// supply, running and pending. The file appears whole or not at all.
func Picture(path string, samples []Sample) error {
	points := make([]plot.Point, len(samples))
	for i, s := range samples {
		points[i] = plot.Point{At: s.At, Target: s.Target, Goal: s.Goal, Supply: s.Supply, Running: s.Running, Pending: s.Pending, Waiting: s.Waiting}
	}
	format := strings.TrimPrefix(filepath.Ext(path), ".")
	return app.WriteWhole(path, func(w io.Writer) error { return plot.Timeline(w, format, points) })
}
