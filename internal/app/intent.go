package app

import (
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
	cfg.Target = target
	return l.controller.Configure(record.At, cfg)
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

// intend is the outer loop and the fixed target after a change; it changes nothing. The lock is held.
func (l *loop) intend(c Control) (outer *controller.Outer, fixed float64, err error) {
	outer, fixed = l.outer, l.fixed
	if c.Target != nil {
		fixed = *c.Target
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
	if outer, err = controller.NewOuter(limits, l.controller.Config().Period, l.controller.Config().Target); err != nil {
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
	last := l.outer.Last()
	s.Intent, s.IntentReason = l.outer.Config().Intent.String(), last.Reason
	if last.Known {
		measured := last.Measured
		s.IntentMeasured = &measured
	}
}
