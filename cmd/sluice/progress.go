package main

import (
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"sluice/internal/sim"
)

// progress is a line on a terminal that is written over itself: how far, and how long it will take. Elsewhere it is nothing.
type progress struct {
	out   io.Writer
	live  bool
	began time.Time
	shown time.Time
}

func newProgress(out io.Writer) *progress {
	return &progress{out: out, live: out == os.Stderr && isTerminal(os.Stderr), began: time.Now()}
}

// progressEvery is how often the line is written at most.
const progressEvery = 200 * time.Millisecond

// show tells the part that is done, from 0 to 1, and what of.
func (p *progress) show(part float64, what string) {
	now := time.Now()
	if !p.live || now.Sub(p.shown) < progressEvery {
		return
	}
	p.shown = now
	left := "?"
	if part > 0 {
		left = time.Duration(float64(now.Sub(p.began)) * (1/part - 1)).Round(time.Second).String()
	}
	fmt.Fprintf(p.out, "\r\x1b[K%3.0f %% of %s, about %s left", 100*part, what, left)
}

// end takes the line away.
func (p *progress) end() {
	if p.live {
		fmt.Fprint(p.out, "\r\x1b[K")
	}
}

// watch is the progress of simulations that run beside each other. It is safe for concurrent use.
type watch struct {
	mu    sync.Mutex
	line  *progress
	span  time.Duration // of the submissions
	parts []float64
	count int
}

// watchEvery is how many samples are between two looks at the clock.
const watchEvery = 10_000

func newWatch(out io.Writer, runs int, jobs []sim.Job) *watch {
	w := &watch{line: newProgress(out), parts: make([]float64, runs), span: 1}
	if n := len(jobs); n > 0 {
		w.span = max(jobs[n-1].Submit, 1)
	}
	return w
}

// at tells how far a run is. Most of one is over with the last submission.
func (w *watch) at(run int, now time.Duration) {
	if !w.line.live {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.count++; w.count%watchEvery == 0 {
		w.parts[run] = min(0.99, float64(now)/float64(w.span))
		w.show()
	}
}

func (w *watch) done(run int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.parts[run] = 1
	w.show()
}

func (w *watch) show() {
	sum := 0.0
	for _, part := range w.parts {
		sum += part
	}
	w.line.show(sum/float64(len(w.parts)), fmt.Sprintf("%d simulations", len(w.parts)))
}

func (w *watch) end() { w.line.end() }
