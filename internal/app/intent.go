package app

import (
	"time"

	"sluice/controller"
	"sluice/queue"
)

// move lets the outer loop look at a step and configures the target that it wants. The lock is held.
func (l *loop) move(record *controller.Record, evidence *queue.Evidence) error {
	if l.outer == nil {
		return nil
	}
	cfg := l.controller.Config()
	target := l.outer.Step(record, cfg.Period, evidenceOf(evidence)).Target
	if target == cfg.Target {
		return nil
	}
	cfg.Target, l.moved = target, true
	return l.controller.Configure(record.At, cfg)
}

// takeMoved reports whether the intent has moved the target since the last call.
func (l *loop) takeMoved() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	moved := l.moved
	l.moved = false
	return moved
}

// hold makes a goal that a pause held before a restart the one that it holds now.
func (l *loop) hold(goal int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.controller.Resume(goal)
	l.last.Goal = l.controller.Goal()
}

// evidenceOf shows the queue's evidence to the outer loop.
func evidenceOf(v *queue.Evidence) *controller.Evidence {
	if v == nil {
		return nil
	}
	return &controller.Evidence{
		Started: v.Started, StartedSlots: float64(v.StartedSlots), WaitSlotSeconds: v.WaitSlotSeconds,
		Finished: v.Finished, FinishedSlots: float64(v.FinishedSlots), RunSlotSeconds: v.RunSlotSeconds,
		Waits: v.Waits[:], Bounds: queue.WaitBound,
	}
}

// intend is the outer loop and the fixed target after a change, which is also where a new intent begins; it changes nothing.
// The lock is held.
func (l *loop) intend(c Control) (outer *controller.Outer, fixed float64, err error) {
	outer, fixed = l.outer, l.fixed
	if c.Target != nil {
		fixed = *c.Target
	}
	start := l.controller.Config().Target
	if c.Target != nil {
		start = *c.Target
	}
	if c.Intent == "" {
		if outer != nil && c.Target != nil {
			return nil, 0, invalid("target: the intent %v moves it; give --intent none, too, to fix it", outer.Config().Intent)
		}
		return outer, fixed, nil
	}
	limits := l.limits
	if limits.Intent, err = controller.ParseIntent(c.Intent); err != nil {
		return nil, 0, invalid("%v", err)
	}
	if limits.Intent == (controller.Intent{}) {
		return nil, fixed, nil
	}
	if outer != nil && outer.Config().Intent == limits.Intent && c.Target == nil {
		return outer, fixed, nil // what it has learnt stays
	}
	if outer, err = controller.NewOuter(limits, l.controller.Config().Period, start); err != nil {
		return nil, 0, invalid("%v", err)
	}
	return outer, fixed, nil
}

// fillIntent writes what the outer loop knows into s. The lock is held.
func (l *loop) fillIntent(s *Status) {
	s.Intent, s.Weight = controller.Intent{}.String(), l.load.PendingWeight
	if l.outer == nil {
		return
	}
	last, limits := l.outer.Last(), l.outer.Config()
	s.Intent, s.IntentReason, s.IntentLimit = limits.Intent.String(), last.Reason, limits.Intent.Limit()
	s.RunSeconds, s.TargetMin, s.TargetMax = last.Run, limits.TargetMin, limits.TargetMax
	if last.Known {
		measured, holds := last.Measured, last.Measured <= limits.Intent.Limit()
		s.IntentMeasured, s.IntentHolds = &measured, &holds
	}
}

// aimOf is a target and an intent.
func aimOf(outer *controller.Outer, fixed float64) Control {
	intent := controller.Intent{}
	if outer != nil {
		intent = outer.Config().Intent
	}
	return Control{Target: &fixed, Intent: intent.String()}
}

// lesson is what the intent in force has learnt; ok is false without one.
func (l *loop) lesson() (what lesson, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.outer == nil {
		return lesson{}, false
	}
	return lesson{Intent: l.outer.Config().Intent.String(), Learnt: l.outer.Learnt()}, true
}

// resume takes what the intent in force had learnt before a restart, if it was the same.
func (l *loop) resume(what lesson) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.outer == nil || l.outer.Config().Intent.String() != what.Intent {
		return nil
	}
	l.outer.Resume(what.Learnt)
	cfg := l.controller.Config()
	cfg.Target = l.outer.Last().Target
	return l.controller.Configure(time.Now(), cfg)
}
