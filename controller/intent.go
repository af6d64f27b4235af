package controller

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// Intent is what an operator wants of waits, from which an Outer finds the
// target. The zero Intent is none: the target is the operator's. It is
// comparable plain data.
type Intent struct {
	// Slowdown is the mean (wait+run)/run not to exceed, > 1, weighted by slots; 0 = the intent is about waits.
	Slowdown float64
	// Wait is the wait not to exceed, from 1 ms to a year.
	Wait time.Duration
	// Percentile of the waits that Wait is about, 50 to 99; 0 = their mean.
	Percentile int
}

const minWait = time.Millisecond

// ParseIntent reads "slowdown<=2", "wait<=10m" (the mean), "wait.p95<=30m" (a
// percentile from 50 to 99), or "none". The error is an ErrConfig of one line.
func ParseIntent(text string) (Intent, error) {
	bad := func(why string) (Intent, error) {
		return Intent{}, fmt.Errorf("%w: intent %.60q: %s, as in slowdown<=2, wait<=10m, wait.p95<=30m or none", ErrConfig, text, why)
	}
	if strings.TrimSpace(text) == "none" {
		return Intent{}, nil
	}
	name, limit, found := strings.Cut(text, "<=")
	if !found {
		return bad("want a quantity, <= and its limit")
	}
	name, limit = strings.TrimSpace(name), strings.TrimSpace(limit)
	if name == "slowdown" {
		s, err := strconv.ParseFloat(limit, 64)
		if err != nil {
			return bad("the limit of a slowdown is a number above 1")
		}
		if _, err := TargetForSlowdown(s); err != nil {
			return bad("the limit of a slowdown is a number above 1")
		}
		return Intent{Slowdown: s}, nil
	}
	var i Intent
	switch percentile, is := strings.CutPrefix(name, "wait.p"); {
	case name == "wait":
	case is && len(percentile) == 2:
		n, err := strconv.ParseUint(percentile, 10, 8)
		if err != nil || n < 50 {
			return bad("a percentile is from p50 to p99")
		}
		i.Percentile = int(n)
	default:
		return bad("the quantity is slowdown, wait or wait.p50 to wait.p99")
	}
	wait, err := time.ParseDuration(limit)
	if err != nil || wait < minWait || wait > maxDuration {
		return bad("the limit of a wait is a duration from 1ms to 8760h")
	}
	i.Wait = wait
	return i, nil
}

// String is what ParseIntent reads.
func (i Intent) String() string {
	switch {
	case i == (Intent{}):
		return "none"
	case i.Slowdown != 0:
		return "slowdown<=" + strconv.FormatFloat(i.Slowdown, 'g', -1, 64)
	}
	limit := i.Wait.String()
	if strings.HasSuffix(limit, "m0s") {
		limit = strings.TrimSuffix(limit, "0s")
	}
	if strings.HasSuffix(limit, "h0m") {
		limit = strings.TrimSuffix(limit, "0m")
	}
	if i.Percentile != 0 {
		return fmt.Sprintf("wait.p%d<=%s", i.Percentile, limit)
	}
	return "wait<=" + limit
}

// valid says whether ParseIntent could have given it.
func (i Intent) valid() bool {
	back, err := ParseIntent(i.String())
	return err == nil && back == i
}

// Limit is the number that the intent's quantity is not to exceed: seconds, or a slowdown.
func (i Intent) Limit() float64 {
	if i.Slowdown != 0 {
		return i.Slowdown
	}
	return i.Wait.Seconds()
}

// Measure is the intent's quantity between two times, in seconds or as a
// slowdown; 0 where nothing started or, for a slowdown, ended between them. A zero
// since is the beginning.
func (i Intent) Measure(since, now *Evidence) float64 {
	var w starts
	if w.begin(since); len(w.waits) == 0 {
		w.waits = make([]int64, len(now.Waits))
	}
	if !since.valid() || !now.valid() || len(w.waits) != len(now.Waits) || now.Started <= since.Started {
		return 0
	}
	wait, _ := w.quantity(now, i)
	if i.Slowdown == 0 {
		return wait
	}
	ran, slots := now.RunSlotSeconds-since.RunSlotSeconds, now.FinishedSlots-since.FinishedSlots
	if !(ran > 0) || !(slots > 0) {
		return 0
	}
	return 1 + wait*slots/ran
}

// prior is the logarithm of what is taken for percentile/mean of the waits
// before any was seen: that of exponential waits.
func (i Intent) prior() float64 {
	if i.Percentile == 0 {
		return 0
	}
	return math.Log(-math.Log(1 - float64(i.Percentile)/100))
}

// enough is the number of starts from which on the intent's quantity is believed.
func (i Intent) enough() float64 {
	return math.Max(minJobs, tailJobs/(1-float64(i.Percentile)/100))
}
