package controller

import (
	"math"
	"time"
)

// Evidence is what a batch system has seen of starts and ends since some
// beginning, weighted by slots. The numbers only grow; when one falls the batch
// system began anew. An Outer does not keep or change Waits.
type Evidence struct {
	Started         int64   // jobs whose wait is known
	StartedSlots    float64 //
	WaitSlotSeconds float64
	Finished        int64
	FinishedSlots   float64
	RunSlotSeconds  float64
	// Waits is started slots by wait. Bucket i ends at Bounds(i).
	Waits  []int64
	Bounds func(bucket int) time.Duration
}

// valid refuses numbers that nothing can have counted.
func (v *Evidence) valid() bool {
	for _, n := range [...]float64{v.StartedSlots, v.WaitSlotSeconds, v.FinishedSlots, v.RunSlotSeconds} {
		if !(n >= 0 && n <= math.MaxFloat64) {
			return false
		}
	}
	return v.Started >= 0 && v.Finished >= 0 && (len(v.Waits) == 0 || v.Bounds != nil)
}

// starts is the evidence of starts at the beginning of a window.
type starts struct {
	started     int64
	slots, wait float64
	waits       []int64
}

func (w *starts) begin(ev *Evidence) {
	w.started, w.slots, w.wait = ev.Started, ev.StartedSlots, ev.WaitSlotSeconds
	w.waits = append(w.waits[:0], ev.Waits...)
}

// quantity is what an intent is about, since the beginning: the mean or the
// percentile of the waits, in seconds, with the number of starts.
func (w *starts) quantity(ev *Evidence, i Intent) (wait, jobs float64) {
	jobs = float64(ev.Started - w.started)
	if i.Percentile != 0 {
		return w.percentile(ev, i.Percentile), jobs
	}
	return (ev.WaitSlotSeconds - w.wait) / math.Max(ev.StartedSlots-w.slots, 1), jobs
}

// percentile of the waits since the beginning, in seconds, between its bucket's
// ends. A bucket that fell counts as empty.
func (w *starts) percentile(ev *Evidence, p int) float64 {
	total := int64(0)
	for i := range ev.Waits {
		total += max(ev.Waits[i]-w.waits[i], 0)
	}
	rank, below := float64(total)*float64(p)/100, 0.0
	low := 0.0
	for i := range ev.Waits {
		high := ev.Bounds(i).Seconds()
		n := float64(max(ev.Waits[i]-w.waits[i], 0))
		if n > 0 && below+n >= rank {
			return low + (high-low)*(rank-below)/n
		}
		below, low = below+n, high
	}
	return low
}
