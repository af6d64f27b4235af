package queue

import (
	"math/bits"
	"time"
)

// Evidence is what the starts and ends of jobs have told since the first event, weighted by slots. Every number only grows:
// who wants those of a window subtracts. It is a fold of the events, with the times in them, and of fixed size; ends and starts of
// jobs whose events are compacted away are missing after a restart.
//
// The wait of a start is the time since the job was last eligible: submitted, begin time come, dependency met, released, requeued,
// its queue active. Starts that a limit may have delayed (of an array, of a queue) tell nothing of hosts and do not count.
type Evidence struct {
	Started         int64   `json:"started"` // jobs and elements whose wait counts
	StartedSlots    int64   `json:"startedSlots"`
	WaitSlotSeconds float64 `json:"waitSlotSeconds"`
	Finished        int64   `json:"finished"` // attempts that ran to an end, whatever the end
	FinishedSlots   int64   `json:"finishedSlots"`
	RunSlotSeconds  float64 `json:"runSlotSeconds"`
	// Waits is StartedSlots by wait: bucket i holds waits from WaitBound(i-1) up to WaitBound(i).
	Waits [WaitBuckets]int64 `json:"waits"`
}

// The buckets are those of an HDR histogram (Tene, hdrhistogram.org): octaves of time, each divided evenly, so that a quantile
// is known to an eighth from 67 ms to half a year. A bucket is found by shifts, without logarithms.
const (
	waitShift   = 26 // 2^26 ns is the first bucket
	waitOctaves = 28
	waitParts   = 8

	// WaitBuckets is the number of buckets of Evidence.Waits.
	WaitBuckets = 1 + waitOctaves*waitParts
)

// WaitBound is the upper end of a bucket of Evidence.Waits; the last bucket also holds all that is longer.
func WaitBound(bucket int) time.Duration {
	if bucket < 1 {
		return 1 << waitShift
	}
	octave, part := (bucket-1)/waitParts, (bucket-1)%waitParts
	return time.Duration(waitParts+part+1) << (octave + waitShift - 3)
}

// waitBucket is the bucket of a wait.
func waitBucket(wait time.Duration) int {
	if wait < 1<<waitShift {
		return 0
	}
	octave := bits.Len64(uint64(wait)) - 1 - waitShift
	if octave >= waitOctaves {
		return WaitBuckets - 1
	}
	return 1 + octave*waitParts + int(uint64(wait)>>(octave+waitShift-3))&(waitParts-1)
}

// Evidence is what starts and ends have told so far.
func (q *Queue) Evidence() Evidence { return q.evidence }

// start notes that something which waited since a time starts. A clock that was set back makes no negative wait.
func (v *Evidence) start(slots int, since, at stamp) {
	wait := time.Duration(max(at-since, 0))
	v.Started++
	v.StartedSlots += int64(slots)
	v.WaitSlotSeconds += wait.Seconds() * float64(slots)
	v.Waits[waitBucket(wait)] += int64(slots)
}

// finish notes that an attempt ended.
func (v *Evidence) finish(slots int, started, ended stamp) {
	v.Finished++
	v.FinishedSlots += int64(slots)
	v.RunSlotSeconds += time.Duration(max(ended-started, 0)).Seconds() * float64(slots)
}

// noteWait notes the wait of an element that starts, if it tells anything.
func (q *Queue) noteWait(e *element, slots int, at stamp) {
	j := e.job
	s := &j.queue.spec
	if s.MaxSlots > 0 || s.UserSlots > 0 || s.HostSlots > 0 || j.user.quotas != nil || j.array != nil && j.array.limit > 0 {
		return
	}
	q.evidence.start(slots, max(j.since, e.since, j.queue.since), at)
}
