package plot

import "time"

// Film keeps points for a picture of any length. When it is full it makes its spans twice as long; of each span it keeps the
// points with the least and the greatest of each quantity, so that no spike is lost. The zero value is ready; it is not safe for
// concurrent use.
type Film struct {
	done []Point
	open []Point // of the span that is not over
	span time.Duration
	from time.Duration // begin of the open span
}

// maxFilm is how many points may be kept; a span has up to twice as many as quantities.
const maxFilm = 8000

// Add adds a point that is not before the last one.
func (f *Film) Add(p Point) {
	if p.At >= f.from+f.span {
		f.close()
		f.from = p.At
	}
	f.open = append(f.open, p)
	if len(f.open) > maxFilm/8 {
		f.open = extremes(f.open)
	}
}

// Points are what was kept, in the order of time.
func (f *Film) Points() []Point {
	f.close()
	return f.done
}

func (f *Film) close() {
	f.done = append(f.done, extremes(f.open)...)
	f.open = f.open[:0]
	for len(f.done) > maxFilm {
		f.span = max(2*f.span, f.done[len(f.done)-1].At/(maxFilm/4), time.Second)
		f.done = thin(f.done, f.span)
	}
}

// thin keeps the extremes of each span.
func thin(points []Point, span time.Duration) []Point {
	kept := points[:0:0]
	for from := 0; from < len(points); {
		to := from + 1
		for to < len(points) && points[to].At < points[from].At+span {
			to++
		}
		kept = append(kept, extremes(points[from:to])...)
		from = to
	}
	return kept
}

// extremes keeps the points with the least and greatest of each quantity, in order, and the last one.
func extremes(points []Point) []Point {
	if len(points) <= 2 {
		return append([]Point(nil), points...)
	}
	keep := make(map[int]bool, 16)
	keep[len(points)-1] = true
	for _, value := range []func(*Point) float64{
		func(p *Point) float64 { return float64(p.Goal) }, func(p *Point) float64 { return float64(p.Supply) },
		func(p *Point) float64 { return float64(p.Running) }, func(p *Point) float64 { return float64(p.Pending) },
		func(p *Point) float64 { return p.Target },
	} {
		low, high := 0, 0
		for i := range points {
			v := value(&points[i])
			if v < value(&points[low]) {
				low = i
			}
			if v > value(&points[high]) {
				high = i
			}
		}
		keep[low], keep[high] = true, true
	}
	kept := make([]Point, 0, len(keep))
	for i := range points {
		if keep[i] {
			kept = append(kept, points[i])
		}
	}
	return kept
}
