package fleet

import "maps"

// choice is what choosing among offers needs beside them, and what came of it.
type choice struct {
	tallies  tallies        // of one Step
	declined map[string]int // offers, by why
}

// chooseSpread is choose where the hosts that there are decide which candidates may be taken: those first that keep groups
// even.
func (f *Fleet) chooseSpread(candidates []*candidate, tiers []tier, want, unit int) (*candidate, int) {
	for _, even := range []bool{true, false} {
		if even && !f.tallies.grouped() {
			continue
		}
		for _, t := range tiers {
			if c, n := f.pickSpread(candidates, t, want, unit, even); c != nil {
				return c, n
			}
		}
	}
	return nil, 0
}

func (f *Fleet) pickSpread(candidates []*candidate, t tier, want, unit int, even bool) (*candidate, int) {
	var largest *candidate
	slots := 0
	for i := range t {
		c, n := candidates[uint32(t[i])], t.capacity(i)
		if n < unit || !f.usable(c) || f.tallies.against(&c.spot) != nil || even && !f.tallies.even(&c.spot) {
			continue
		}
		if n >= want {
			return c, n
		}
		largest, slots = c, n
	}
	return largest, slots - slots%unit
}

// Why an offer was declined. Constraints are named as they were given.
const (
	whyNothing     = "nothing is wanted"
	whyMaintenance = "maintenance of its agent"
	whyFailures    = "hosts failed on its agent"
	whyHost        = "a host is on its agent"
	whySmall       = "no pending job fits it"
	whyEnough      = "others were enough"
)

// whyNot says why an offer is not taken though something is wanted.
func (f *Fleet) whyNot(p *plan, c *candidate) string {
	switch {
	case c.barred != "":
		return "constraint " + c.barred
	case f.near(&c.unavailable):
		return whyMaintenance
	case c.on.until.After(f.now):
		return whyFailures
	case c.on.hosts >= f.cfg.HostsPerAgent:
		return whyHost
	}
	if k := f.tallies.against(&c.spot); k != nil {
		return "constraint " + k.String()
	}
	for i := range min(len(p.classes), maxShapes) {
		k := &p.classes[i]
		if k.need.allows(c.hostname) && f.room(c, &k.need) >= k.least() && (c.free.GPUs == 0 || k.need.wantsGPUs() || f.cfg.GPUAgentsForCPU) {
			return whyEnough
		}
	}
	return whySmall
}

func (f *Fleet) note(why string, offers int) {
	if offers == 0 {
		return
	}
	if f.declined == nil {
		f.declined = make(map[string]int)
	}
	f.declined[why] += offers
}

// Declined counts the offers that were declined, by why.
func (f *Fleet) Declined() map[string]int { return maps.Clone(f.declined) }
