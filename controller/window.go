package controller

import "time"

// windowSpans is the resolution of a window: its length is divided so often.
const windowSpans = 32

// window is the greatest of the values that were seen within a time. A surplus
// has lasted a delay exactly as far as it is above the window's greatest value.
// The ring has one more bucket than spans, so that a value that is as old as
// the window is still in it.
type window struct {
	buckets [windowSpans + 1]int
	pos     int
	into    time.Duration // into the bucket at pos
}

// reset forgets everything but v, seen now.
func (w *window) reset(v int) { *w = window{buckets: [windowSpans + 1]int{v}} }

// push adds v, seen elapsed after the last value, and forgets what is older
// than length.
func (w *window) push(elapsed, length time.Duration, v int) {
	span := length / windowSpans
	if span <= 0 {
		w.reset(v)
		return
	}
	w.into += elapsed
	if w.into >= span {
		steps := int(min(int64(w.into/span), int64(len(w.buckets))))
		w.into %= span
		w.turn(steps)
	}
	w.buckets[w.pos] = max(w.buckets[w.pos], v)
}

// turn moves the ring on by up to its length and empties the buckets that it
// comes over.
func (w *window) turn(steps int) {
	next := w.pos + 1
	tail := min(steps, len(w.buckets)-next)
	clear(w.buckets[next : next+tail])
	clear(w.buckets[:steps-tail])
	w.pos = (w.pos + steps) % len(w.buckets)
}

// greatest returns the greatest value in the window.
func (w *window) greatest() int {
	greatest := 0
	for _, b := range w.buckets {
		greatest = max(greatest, b)
	}
	return greatest
}
