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

// Move is what the outer loop last said, for status and traces.
type Move struct {
	// Target is τ now, within the limits.
	Target float64 `json:"target"`
	// Measured is the intent's quantity in the latest starts, seconds or a
	// slowdown; Known is false before there were enough.
	Measured float64 `json:"measured"`
	Known    bool    `json:"known"`
	// Run is the mean run time that was learnt, in seconds; 0 = not known.
	Run float64 `json:"run"`
	// Bound: supply is short of the goal, so that no target would help.
	Bound bool `json:"bound"`
	// Reason is why the target is what it is, in one line.
	Reason string `json:"reason"`
}

// Limits of what the outer loop believes and does at once.
const (
	minJobs    = 20.0  // ended jobs, or starts, before anything is concluded
	tailJobs   = 5.0   // starts beyond a percentile before it is believed
	memoryJobs = 300.0 // ended jobs that the mean run time remembers
	margin     = 0.04  // part of the limit that is kept in hand: what is aimed at is met in the mean only
	maxMove    = 1.25  // factor of the target in one move
	deadMove   = 0.02  // logarithm of a move that is not worth it, downwards; upwards a tenth of it
	excessGain = 0.6   // share of a mismatch that is learnt from one window: of too long waits,
	slackGain  = 0.4   // and of too short ones
	maxLearn   = 0.4   // of it at once
	maxBias    = 1.4   // logarithm: the model is trusted within a factor of 4
	boundShare = 0.25  // of the steps, from which on a period tells of a bound, not of the target
)

// Outer moves the target so that an intent holds: a slow loop around a
// Controller. It is pure, owned by one goroutine, and is stepped right after
// each step of the Controller.
//
// Its model is Little's law (Little 1961, Operations Research 9:383): in steady
// state wait/run = pending/running = 1/τ, so with S the mean run time of what
// ended and a part of each limit kept in hand (margin)
//
//	slowdown ≤ s:       τ = b/(s−1)
//	mean wait ≤ W:      τ = b·S/W
//	percentile ≤ W:     τ = b·S/W, b beginning at percentile/mean of exponential waits
//
// The model knows the gain, so S sets τ by itself (internal model control, Garcia
// and Morari 1982); b, the mismatch of model and measurement, is learnt with a
// share of the newest error from one window of starts after the other. A window
// is as long as two times the plant's time constant, which is the time in system,
// and begins only when the target has settled for as long. Excess is answered
// sooner than slack: a window that shows it ends at half its length, and more of it
// is learnt.
//
// Anti-windup is by construction and by rule: b compares with the targets that
// were in force, so that limits and steps are no error; a period in which supply
// was short of the goal or the maximum bound raises no target and teaches nothing,
// nor does the time after it, two times as long, in which the backlog goes;
// one in which the need of the first job or the minimum held more than the target
// calls for teaches no smaller b. Without evidence, with evidence that cannot be, with
// stale polls and after a jump of the clock (until what waited or ran across it is
// gone) the target is held.
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

	known  time.Duration // for how long run times have been known
	settle time.Duration // until windows count
	jumped bool          // settle is for a jump of the clock

	last                    Evidence // at the last move; its Waits are not kept
	jobs, runSlots, runTime float64  // what ended, forgotten by number of jobs

	nothing Evidence // stays empty
	window  starts
	shown   starts
	bias    float64 // logarithm of b
	logs    float64 // sum of the logarithm of the targets in the window
	periods int     // in the window
	length  time.Duration
}

// NewOuter returns an outer loop that begins at a target. The error is an ErrConfig.
func NewOuter(cfg OuterConfig, inner time.Duration, target float64) (*Outer, error) {
	if err := cfg.Validate(inner); err != nil {
		return nil, err
	}
	o := &Outer{cfg: cfg, bias: cfg.Intent.prior()}
	o.move = Move{Target: math.Min(math.Max(target, cfg.TargetMin), cfg.TargetMax), Reason: "nothing measured yet"}
	return o, nil
}

// Learnt is what an outer loop knows of its plant, to be kept over a restart.
type Learnt struct {
	// Target is τ, and Mismatch the measured by the modelled wait.
	Target   float64 `json:"target"`
	Mismatch float64 `json:"mismatch"`
}

// Learnt returns what is known now.
func (o *Outer) Learnt() Learnt { return Learnt{o.move.Target, math.Exp(o.bias)} }

// Resume takes what an outer loop of the same intent had learnt, within the
// limits; what cannot be is left out. Call it before the first Step.
func (o *Outer) Resume(l Learnt) {
	if l.Target > 0 && l.Target <= maxTarget {
		o.move.Target = math.Min(math.Max(l.Target, o.cfg.TargetMin), o.cfg.TargetMax)
	}
	if bias := math.Log(l.Mismatch); l.Mismatch > 0 && l.Mismatch <= math.MaxFloat64 {
		prior := o.cfg.Intent.prior()
		o.bias = math.Min(math.Max(bias, prior-maxBias), prior+maxBias)
	}
}

// Config returns the settings in force.
func (o *Outer) Config() OuterConfig { return o.cfg }

// Last returns the last move.
func (o *Outer) Last() Move { return o.move }

// Step takes the record of the Controller's step or hold, the inner period and
// the evidence at that time (nil = not known), and returns the target to
// configure, which changes once a Period at most.
func (o *Outer) Step(rec *Record, inner time.Duration, ev *Evidence) Move {
	if ev == nil && o.cfg.Intent.Slowdown != 0 {
		ev = &o.nothing // the law needs none
	}
	if ev != nil && !ev.valid() {
		o.move.Reason = "held: what the batch system tells of waits cannot be"
		return o.move
	}
	if !o.begun || ev == nil || !o.follows(ev) {
		o.begin(rec, ev)
		return o.move
	}
	elapsed := rec.At.Sub(o.at)
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
	if rec.Supply+rec.Withheld < o.goal || rec.Saturation == SaturationMax || rec.Saturation == SaturationStarved {
		o.bound++
	}
	o.goal = rec.Goal
	if o.into += elapsed; o.into >= o.cfg.Period {
		o.period(ev)
		o.into, o.steps, o.bound, o.raised = 0, 0, 0, 0
	}
	return o.move
}

// follows reports whether evidence continues what was seen: the batch system did not begin anew.
func (o *Outer) follows(ev *Evidence) bool {
	w, l := &o.window, &o.last
	return ev.Started >= w.started && ev.StartedSlots >= w.slots && ev.WaitSlotSeconds >= w.wait && len(ev.Waits) == len(w.waits) &&
		ev.Finished >= l.Finished && ev.FinishedSlots >= l.FinishedSlots && ev.RunSlotSeconds >= l.RunSlotSeconds
}

// begin takes what is known at the first step, or after the batch system began
// anew: run times of all the past, but no waits, which were under other targets.
func (o *Outer) begin(rec *Record, ev *Evidence) {
	o.at, o.goal, o.into, o.steps, o.bound, o.raised = rec.At, rec.Goal, 0, 0, 0, 0
	if o.begun = ev != nil; !o.begun {
		o.move.Reason = "held: the batch system tells no waits"
		return
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

// aim is what to aim at, in seconds: of the mean or the percentile.
func (o *Outer) aim() float64 {
	if s := o.cfg.Intent.Slowdown; s != 0 {
		return (1 - margin) * (s - 1) * o.run()
	}
	return (1 - margin) * o.cfg.Intent.Wait.Seconds()
}

// constant is the plant's time constant, the time in system; at most a day.
func (o *Outer) constant() time.Duration {
	t := math.Max(o.run()+o.aim()/math.Exp(o.cfg.Intent.prior()), o.cfg.Period.Seconds())
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
	o.move.Run = o.run()
	o.measure(ev)
	o.move.Bound = float64(o.bound) >= boundShare*float64(o.steps)
	o.learn(ev)
	o.decide()
}

// measure brings what is shown up to date, from the newest starts.
func (o *Outer) measure(ev *Evidence) {
	wait, jobs := o.shown.quantity(ev, o.cfg.Intent)
	if jobs < minJobs {
		return
	}
	if o.move.Measured = wait; o.cfg.Intent.Slowdown != 0 {
		if o.run() <= 0 {
			return
		}
		o.move.Measured = 1 + wait/o.run()
	}
	o.move.Known = true
	o.shown.begin(ev)
}

// learn corrects the model by a window of starts, when that is long enough.
func (o *Outer) learn(ev *Evidence) {
	if o.run() > 0 {
		o.known += o.into
	}
	if o.known < 3*o.constant() { // the jobs that end first are the short ones
		o.restart(ev)
		return
	}
	if o.move.Bound { // the backlog that grows will wait for longer than the target calls for
		o.settle = max(o.settle, min(o.settle+3*o.into, 2*o.constant()))
	}
	if o.settle > 0 {
		if o.settle -= o.into; o.settle <= 0 {
			o.settle, o.jumped = 0, false
		}
		o.restart(ev)
		return
	}
	o.logs += math.Log(o.move.Target)
	o.periods++
	o.length += o.into
	run, aim := o.run(), o.aim()
	if o.length < o.constant() || run <= 0 {
		return
	}
	wait, jobs := o.window.quantity(ev, o.cfg.Intent)
	if jobs < o.cfg.Intent.enough() || wait <= aim && o.length < 2*o.constant() {
		return
	}
	seen := math.Log(math.Max(wait, 1e-3*aim)/run) + o.logs/float64(o.periods)
	gain := slackGain
	if seen > o.bias {
		gain = excessGain
	}
	step := math.Min(math.Max(gain*(seen-o.bias), -maxLearn), maxLearn)
	if step > 0 || float64(o.raised) < boundShare*float64(o.steps) {
		prior := o.cfg.Intent.prior()
		o.bias = math.Min(math.Max(o.bias+step, prior-maxBias), prior+maxBias)
	}
	o.restart(ev)
}

// want is the target that the model answers, unlimited; ok is false where the run times are not known.
func (o *Outer) want() (target float64, ok bool) {
	if s := o.cfg.Intent.Slowdown; s != 0 {
		return math.Exp(o.bias) / ((1 - margin) * (s - 1)), true
	}
	run := o.run()
	return run * math.Exp(o.bias) / o.aim(), run > 0
}

// decide moves the target toward the model's answer.
func (o *Outer) decide() {
	want, ok := o.want()
	if !ok {
		o.move.Reason = fmt.Sprintf("held: %.0f jobs ended, want %.0f", o.jobs, minJobs)
		return
	}
	now := o.move.Target
	limited := math.Min(math.Max(want, o.cfg.TargetMin), o.cfg.TargetMax)
	far := math.Log(limited / now)
	switch {
	case o.move.Bound && far > -deadMove:
		o.move.Reason = "cannot be met for now: supply is short of the goal, and no target would change that"
	case o.jumped:
		o.move.Reason = "held: the clock jumped"
	case far > -deadMove && far < deadMove/10:
		o.move.Reason = "the target that the intent needs"
		if limited != want {
			o.move.Reason = fmt.Sprintf("at its limit: the intent needs %.4g", want)
		}
	case math.Abs(far) > math.Log(maxMove):
		o.settle = max(o.settle, o.constant())
		o.move.Target = math.Min(math.Max(now*math.Exp(math.Copysign(math.Log(maxMove), far)), o.cfg.TargetMin), o.cfg.TargetMax)
		o.move.Reason = fmt.Sprintf("on its way to %.4g", limited)
	default:
		o.move.Target = limited
		o.move.Reason = "moved to what the intent needs"
	}
}
