package queue

import "cmp"

// fill gives a job what its queue has for those that do not say. Limits are no part of it: those of the queue are looked up when a
// job starts.
func (s *queueState) fill(spec *Spec) {
	if spec.MinSlots == 0 {
		spec.MinSlots = cmp.Or(s.spec.SlotsDefault, s.spec.LeastJob, 1)
	}
	if spec.MaxSlots == 0 {
		spec.MaxSlots = spec.MinSlots
	}
	need, slots := &s.spec.NeedDefault, max(spec.MinSlots, 1)
	spec.Need.MemMiB = cmp.Or(spec.Need.MemMiB, need.MemMiB, (s.spec.MemDefault+slots-1)/slots)
	spec.Need.GPUs = cmp.Or(spec.Need.GPUs, need.GPUs)
	if !spec.Need.OneHost && spec.Need.PerHost == 0 && spec.MaxSlots > 1 {
		spec.Need.OneHost, spec.Need.PerHost = need.OneHost, need.PerHost
	}
}
