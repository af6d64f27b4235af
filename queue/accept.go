package queue

import "cmp"

// fill gives a job what its application, or else its queue, has for those that do not say. Limits are no part of it: those of the queue are looked up when a
// job starts.
func (s *queueState) fill(spec *Spec, a *appState) {
	t := a.terms()
	if spec.MinSlots == 0 {
		spec.MinSlots = cmp.Or(t.SlotsDefault, t.LeastJob, s.spec.SlotsDefault, s.spec.LeastJob, 1)
	}
	if spec.MaxSlots == 0 {
		spec.MaxSlots = spec.MinSlots
	}
	t.fill(spec)
	s.spec.fill(spec)
}
