package demo

import (
	"time"

	"sluice/internal/app"
)

// Sample is the system at one time of a demo.
type Sample struct {
	At time.Duration // from the start
	app.Status
}

// recording is the samples of a demo, bounded: when it is full, every second sample is dropped and the interval doubled.
type recording struct {
	samples  []Sample
	interval time.Duration
	next     time.Duration
}

// maxSamples keeps a picture of a long replay as small as that of a short one.
const maxSamples = 4000

func newRecording(interval time.Duration) *recording { return &recording{interval: interval} }

// add keeps the sample if it is due.
func (r *recording) add(s Sample) {
	if s.At < r.next {
		return
	}
	r.samples = append(r.samples, s)
	if len(r.samples) == maxSamples {
		half := r.samples[:0]
		for i := 0; i < maxSamples; i += 2 {
			half = append(half, r.samples[i])
		}
		r.samples = half
		r.interval *= 2
	}
	r.next = s.At + r.interval
}

// close keeps the last sample, due or not.
func (r *recording) close(s Sample) { r.samples = append(r.samples, s) }
