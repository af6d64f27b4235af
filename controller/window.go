package controller

import "time"

// windowSize is how many values a window tells apart.
const windowSize = 32

// window is the greatest of the values that were seen within a time. A surplus
// has lasted a delay exactly as far as it is above the window's greatest value.
//
// It keeps a value only until a greater one comes: what is left falls from the
// oldest to the newest. When there are more than it can hold, a value takes the
// place of the one before it, which then counts as seen later than it was: the
// window errs on the side of keeping.
type window struct {
	seen  [windowSize]seenValue
	from  int // of the oldest
	count int
	clock time.Duration // since reset
}

type seenValue struct {
	at    time.Duration
	value int
}

// reset forgets everything but v, seen now.
func (w *window) reset(v int) {
	w.from, w.count, w.clock = 0, 1, 0
	w.seen[0] = seenValue{0, v}
}

// push adds v, seen elapsed after the last value, and forgets what is older
// than length.
func (w *window) push(elapsed, length time.Duration, v int) {
	w.clock += elapsed
	for w.count > 0 && w.last().value <= v {
		w.count--
	}
	if w.count == windowSize {
		w.last().at = w.clock
	} else {
		w.count++
		*w.last() = seenValue{w.clock, v}
	}
	for w.count > 1 && w.clock-w.seen[w.from].at > length {
		w.from = (w.from + 1) % windowSize
		w.count--
	}
}

func (w *window) last() *seenValue { return &w.seen[(w.from+w.count-1)%windowSize] }

// greatest returns the greatest value in the window.
func (w *window) greatest() int {
	if w.count == 0 {
		return 0
	}
	return w.seen[w.from].value
}

// single says that one value is all that there is in it.
func (w *window) single() bool { return w.count == 1 }

// pass lets time go by in which a single value was seen again and again.
func (w *window) pass(elapsed time.Duration) {
	w.clock += elapsed
	w.last().at = w.clock
}
