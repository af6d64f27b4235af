package controller

import (
	"fmt"
	"math"
	"time"
)

// OuterConfig is what an operator may set of the outer loop. Start from
// DefaultOuterConfig; plain data.
type OuterConfig struct {
	// Intent is what to find a target for; zero = the target is left alone.
	Intent Intent
	// TargetMin and TargetMax are the limits of the target τ, > 0.
	TargetMin, TargetMax float64
	// Period is the time between moves of the target; at least ten periods of
	// the inner loop.
	Period time.Duration
}

// DefaultOuterConfig returns no intent, targets from 0.01 to 100 and a move a minute.
func DefaultOuterConfig() OuterConfig {
	return OuterConfig{TargetMin: 0.01, TargetMax: 100, Period: time.Minute}
}

// Validate says in one line what is wrong, in the names of the flags, for an
// inner loop of a period. The error is an ErrConfig.
func (c OuterConfig) Validate(inner time.Duration) error {
	switch {
	case !c.Intent.valid():
		return fmt.Errorf("%w: intent %v: not one that can be parsed", ErrConfig, c.Intent)
	case !(c.TargetMin >= minTarget && c.TargetMin <= c.TargetMax && c.TargetMax <= maxTarget):
		return fmt.Errorf("%w: target-min %v: must be from %v to target-max %v, and that at most %v", ErrConfig, c.TargetMin, minTarget, c.TargetMax, maxTarget)
	case c.Period > maxDuration || c.Intent != (Intent{}) && c.Period < maxPeriods*inner:
		return fmt.Errorf("%w: intent-period %v: must be from %d periods of the control loop (%v) to %v", ErrConfig, c.Period, maxPeriods, maxPeriods*inner, maxDuration)
	}
	if s := c.Intent.Slowdown; s != 0 {
		if need := 1 / (s - 1); need < c.TargetMin || need > c.TargetMax {
			return fmt.Errorf("%w: intent %v: needs a target of %.4g, outside target-min %v to target-max %v", ErrConfig, c.Intent, need, c.TargetMin, c.TargetMax)
		}
	}
	return nil
}

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

// Move is what the outer loop last said, for status and traces.
type Move struct {
	// Target is τ now, within the limits.
	Target float64 `json:"target"`
	// Measured is the intent's quantity in the latest starts, seconds or a
	// slowdown; Known is false before there were enough.
	Measured float64 `json:"measured"`
	Known    bool    `json:"known"`
	// Reason is why the target is what it is, in one line.
	Reason string `json:"reason"`
}

// Limits of what the outer loop believes and does at once.
const (
	minJobs    = 20.0  // ended jobs, or starts, before anything is concluded
	memoryJobs = 300.0 // ended jobs that the mean run time remembers
	maxMove    = 1.25  // factor of the target in one move
	deadMove   = 0.02  // logarithm of a move that is not worth it
	biasGain   = 0.5   // share of a mismatch that is learnt from one window
	maxLearn   = 0.4   // of it at once
	maxBias    = 1.4   // logarithm: the model is trusted within a factor of 4
	boundShare = 0.25  // of the steps, from which on a period tells of a bound, not of the target
)

// Outer moves the target so that an intent holds: a slow loop around a
// Controller. It is pure, owned by one goroutine, and is stepped right after
// each step of the Controller.
//
// Its model is Little's law (Little 1961, Operations Research 9:383): in steady
// state wait/run = pending/running = 1/τ, so
//
//	slowdown ≤ s:       τ = 1/(s−1), exactly
//	mean wait ≤ W:      τ = S·b/W, with S the mean run time of what ended
//	percentile ≤ W:     τ = S·b·r/W, with r = percentile/mean of the waits
//
// The model knows the gain, so S sets τ by itself (internal model control, Garcia
// and Morari 1982); b, the mismatch of model and measurement, and r are learnt
// with half of the newest error from one window of starts after the other. A
// window is as long as two times the plant's time constant, which is the time
// in system S+W, and begins only when the target has settled for as long.
//
// Anti-windup is by construction and by rule: b compares with the targets that
// were in force, so that limits and steps are no error; a period in which supply
// was short of the goal or the maximum bound raises no target and teaches nothing;
// one in which the need of the first job or the minimum held more than the target
// calls for teaches no smaller b. Without evidence, with stale polls and after a
// jump of the clock (until what waited or ran across it is gone) the target is held.
type Outer struct {
	cfg  OuterConfig
	move Move

	begun  bool
	at     time.Time
	into   time.Duration // the period
	goal   int           // of the step before
	steps  int
	bound  int // of them, short of supply
	raised int // of them, held up by need or minimum

	settle time.Duration // until windows count
	jumped bool          // settle is for a jump of the clock

	last                    Evidence // at the last move; its Waits are not kept
	jobs, runSlots, runTime float64  // what ended, forgotten by number of jobs

	window  starts
	shown   starts
	bias    float64 // logarithm of b
	ratio   float64 // r
	logs    float64 // sum of the logarithm of the targets in the window
	periods int     // in the window
	length  time.Duration
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

// mean wait since the beginning, in seconds, and the number of starts.
func (w *starts) mean(ev *Evidence) (mean, jobs float64) {
	return (ev.WaitSlotSeconds - w.wait) / math.Max(ev.StartedSlots-w.slots, 1), float64(ev.Started - w.started)
}

// percentile of the waits since the beginning, in seconds, between its bucket's ends.
func (w *starts) percentile(ev *Evidence, p int) float64 {
	total := int64(0)
	for i := range ev.Waits {
		total += ev.Waits[i] - w.waits[i]
	}
	rank, below := float64(total)*float64(p)/100, 0.0
	low := 0.0
	for i := range ev.Waits {
		high := ev.Bounds(i).Seconds()
		n := float64(ev.Waits[i] - w.waits[i])
		if n > 0 && below+n >= rank {
			return low + (high-low)*(rank-below)/n
		}
		below, low = below+n, high
	}
	return low
}

// NewOuter returns an outer loop that begins at a target. The error is an ErrConfig.
func NewOuter(cfg OuterConfig, inner time.Duration, target float64) (*Outer, error) {
	if err := cfg.Validate(inner); err != nil {
		return nil, err
	}
	o := &Outer{cfg: cfg, ratio: cfg.Intent.ratio()}
	o.move = Move{Target: math.Min(math.Max(target, cfg.TargetMin), cfg.TargetMax), Reason: "nothing measured yet"}
	return o, nil
}

// Config returns the settings in force.
func (o *Outer) Config() OuterConfig { return o.cfg }

// Last returns the last move.
func (o *Outer) Last() Move { return o.move }

// Step takes the record of the Controller's step or hold, the inner period and
// the evidence at that time (nil = not known), and returns the target to
// configure, which changes once a Period at most.
func (o *Outer) Step(rec *Record, inner time.Duration, ev *Evidence) Move {
	elapsed := rec.At.Sub(o.at)
	if !o.begun || ev == nil || ev.Started < o.window.started || ev.Finished < o.last.Finished || len(ev.Waits) != len(o.window.waits) {
		o.begin(rec, ev)
		return o.move
	}
	if elapsed <= 0 || elapsed > maxPeriods*inner {
		o.settle, o.jumped = 3*o.constant(), true
	}
	elapsed = min(max(elapsed, 0), maxPeriods*inner)
	o.at = rec.At
	if rec.Saturation == SaturationHold {
		return o.move
	}
	o.steps++
	switch rec.Saturation {
	case SaturationNeed, SaturationMin, SaturationDemand, SaturationIdle:
		o.raised++
	}
	if rec.Supply < o.goal || rec.Saturation == SaturationMax || rec.Saturation == SaturationStarved {
		o.bound++
	}
	o.goal = rec.Goal
	if o.into += elapsed; o.into >= o.cfg.Period {
		o.period(ev)
		o.into, o.steps, o.bound, o.raised = 0, 0, 0, 0
	}
	return o.move
}

// begin takes what is known at the first step, or after the batch system began
// anew: run times of all the past, but no waits, which were under other targets.
func (o *Outer) begin(rec *Record, ev *Evidence) {
	o.at, o.goal, o.into, o.steps, o.bound, o.raised = rec.At, rec.Goal, 0, 0, 0, 0
	if o.begun = ev != nil; !o.begun {
		if o.cfg.Intent.Slowdown == 0 {
			o.move.Reason = "held: the batch system tells no waits"
			return
		}
		ev = &Evidence{}
	}
	if ev.Finished > 0 && o.jobs == 0 {
		share := math.Min(1, memoryJobs/float64(ev.Finished))
		o.jobs, o.runSlots, o.runTime = share*float64(ev.Finished), share*ev.FinishedSlots, share*ev.RunSlotSeconds
	}
	o.last = *ev
	o.last.Waits = nil
	o.shown.begin(ev)
	o.restart(ev)
}

// restart begins a window.
func (o *Outer) restart(ev *Evidence) {
	o.window.begin(ev)
	o.logs, o.periods, o.length = 0, 0, 0
}

// run is the mean run time in seconds, 0 = not known.
func (o *Outer) run() float64 {
	if o.jobs < minJobs || o.runSlots <= 0 {
		return 0
	}
	return o.runTime / o.runSlots
}

// aim is the mean wait to aim at, in seconds.
func (o *Outer) aim() float64 { return o.cfg.Intent.Wait.Seconds() / o.ratio }

// constant is the plant's time constant, the time in system; at most a day.
func (o *Outer) constant() time.Duration {
	t := math.Max(o.run()+o.aim(), o.cfg.Period.Seconds())
	return time.Duration(math.Min(t, 86400) * float64(time.Second))
}

// period learns from a period and makes a move.
func (o *Outer) period(ev *Evidence) {
	if !o.jumped {
		ended := float64(ev.Finished - o.last.Finished)
		keep := math.Exp(-ended / memoryJobs)
		o.jobs = o.jobs*keep + ended
		o.runSlots = o.runSlots*keep + ev.FinishedSlots - o.last.FinishedSlots
		o.runTime = o.runTime*keep + ev.RunSlotSeconds - o.last.RunSlotSeconds
	}
	o.last = *ev
	o.last.Waits = nil
	o.measure(ev)
	bound := float64(o.bound) >= boundShare*float64(o.steps)
	o.learn(ev, bound)
	o.decide(bound)
}

// measure brings what is shown up to date, from the newest starts.
func (o *Outer) measure(ev *Evidence) {
	mean, jobs := o.shown.mean(ev)
	if jobs < minJobs {
		return
	}
	switch i := o.cfg.Intent; {
	case i.Slowdown != 0:
		if o.run() <= 0 {
			return
		}
		o.move.Measured = 1 + mean/o.run()
	case i.Percentile != 0:
		o.move.Measured = o.shown.percentile(ev, i.Percentile)
	default:
		o.move.Measured = mean
	}
	o.move.Known = true
	o.shown.begin(ev)
}

// learn corrects the model by a window of starts, when that is long enough.
func (o *Outer) learn(ev *Evidence, bound bool) {
	if o.cfg.Intent.Slowdown != 0 {
		return
	}
	if bound || o.settle > 0 {
		if o.settle -= o.into; o.settle <= 0 {
			o.settle, o.jumped = 0, false
		}
		o.restart(ev)
		return
	}
	o.logs += math.Log(o.move.Target)
	o.periods++
	o.length += o.into
	mean, jobs := o.window.mean(ev)
	need := minJobs
	if o.cfg.Intent.Percentile != 0 {
		need *= 3
	}
	run := o.run()
	if o.length < 2*o.constant() || jobs < need || run <= 0 {
		return
	}
	seen := math.Log(math.Max(mean, 1e-3*o.aim())/run) + o.logs/float64(o.periods)
	step := math.Min(math.Max(biasGain*(seen-o.bias), -maxLearn), maxLearn)
	if step > 0 || float64(o.raised) < boundShare*float64(o.steps) {
		o.bias = math.Min(math.Max(o.bias+step, -maxBias), maxBias)
	}
	if p := o.cfg.Intent.Percentile; p != 0 && mean > 0 {
		ratio := math.Min(math.Max(o.window.percentile(ev, p)/mean, 0.1), 100)
		o.ratio *= math.Pow(ratio/o.ratio, biasGain)
	}
	o.restart(ev)
}

// decide moves the target toward the model's answer.
func (o *Outer) decide(bound bool) {
	var want float64
	if s := o.cfg.Intent.Slowdown; s != 0 {
		want = 1 / (s - 1)
	} else {
		run := o.run()
		if run <= 0 {
			o.move.Reason = fmt.Sprintf("held: %.0f jobs ended, want %.0f", o.jobs, minJobs)
			return
		}
		want = run * math.Exp(o.bias) / o.aim()
	}
	now := o.move.Target
	limited := math.Min(math.Max(want, o.cfg.TargetMin), o.cfg.TargetMax)
	far := math.Log(limited / now)
	switch {
	case bound && far > 0:
		o.move.Reason = "held: supply is short of the goal, a higher target would change nothing"
	case o.jumped:
		o.move.Reason = "held: the clock jumped"
	case math.Abs(far) < deadMove:
		o.move.Reason = "the target that the intent needs"
		if limited != want {
			o.move.Reason = fmt.Sprintf("at its limit: the intent needs %.4g", want)
		}
	case math.Abs(far) > math.Log(maxMove):
		o.settle = o.constant()
		o.move.Target = math.Min(math.Max(now*math.Exp(math.Copysign(math.Log(maxMove), far)), o.cfg.TargetMin), o.cfg.TargetMax)
		o.move.Reason = fmt.Sprintf("on its way to %.4g", limited)
	default:
		o.move.Target = limited
		o.move.Reason = "moved to what the intent needs"
	}
}
