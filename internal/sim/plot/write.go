package plot

import (
	"fmt"
	"image/color"
	"io"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// write stacks the panels with their axes aligned.
func write(w io.Writer, format string, panels []*plot.Plot, height vg.Length) error {
	const width = 18 * vg.Centimeter
	image, err := draw.NewFormattedCanvas(width, height*vg.Length(len(panels)), format)
	if err != nil {
		return fmt.Errorf("draw %s: %w", format, err)
	}
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
	_, err = image.WriteTo(w)
	return err
}
