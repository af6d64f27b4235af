package fleet

// spare gives, beside the candidates, one for each that has resources which may be taken back: a host on these is for jobs only
// that can run again. The two share their offers, so that the one ends with the other.
func (f *Fleet) spare(candidates []*candidate, offers []Offer) []*candidate {
	if !f.cfg.Revocable {
		return candidates
	}
	type owner struct{ agent, role string }
	of := make(map[owner]Resources)
	for i := range offers {
		if r := offers[i].Revocable; r != (Resources{}) {
			k := owner{offers[i].Agent, offers[i].Role}
			sum := of[k]
			sum.add(r)
			of[k] = sum
		}
	}
	for _, c := range candidates[:len(candidates):len(candidates)] {
		r, has := of[owner{c.on.id, c.role}]
		if !has || r.CPUs <= 0 || c.free.GPUs > 0 && !f.cfg.GPUAgentsForCPU {
			continue
		}
		twin := *c
		twin.known = false
		// Memory is rarely revocable. It is of one kind for one task: Mesos mixes none.
		twin.free = Resources{CPUs: r.CPUs, MemMiB: c.free.MemMiB, DiskMiB: c.free.DiskMiB, Ports: c.free.Ports}
		twin.revocable, twin.revocableMem = true, r.MemMiB > c.free.MemMiB
		if twin.revocableMem {
			twin.free.MemMiB = r.MemMiB
		}
		twin.twin, c.twin = c, &twin
		candidates = append(candidates, &twin)
	}
	return candidates
}

// take marks the candidate, and the one that shares its offers.
func (c *candidate) take() {
	c.taken = true
	if c.twin != nil {
		c.twin.taken = true
	}
}

// kind says whether a shape may be put on the candidate.
func (c *candidate) kind(s shape) bool { return !c.revocable || s.rerunnable }

// narrow says that a host of n slots on resources that may be taken back would keep a larger one off its agent that a job has long
// been waiting for.
func (f *Fleet) narrow(c *candidate, s shape, n int) bool {
	return s == f.focus.class.need && f.now.Sub(f.focus.since) >= f.patience() && f.capacity(&c.twin.free, &s) > n
}
