package fleet

import "cmp"

// Profile is a kind of host for the jobs of some queues. A zero field is that of Config.
type Profile struct {
	SlotCPUs     float64
	SlotMemMiB   int
	SlotDiskMiB  int
	SlotPorts    int
	MaxHostSlots int
}

// kinds are the profiles with nothing left open.
type kinds struct {
	ordinary *Profile
	named    map[string]*Profile
}

func (c *Config) kinds() kinds {
	p := &Profile{c.SlotCPUs, c.SlotMemMiB, c.SlotDiskMiB, c.SlotPorts, c.MaxHostSlots}
	k := kinds{ordinary: p, named: make(map[string]*Profile, len(c.Profiles))}
	for name, own := range c.Profiles {
		setDefault(&own.SlotCPUs, p.SlotCPUs)
		setDefault(&own.SlotMemMiB, p.SlotMemMiB)
		setDefault(&own.SlotDiskMiB, p.SlotDiskMiB)
		setDefault(&own.SlotPorts, p.SlotPorts)
		setDefault(&own.MaxHostSlots, p.MaxHostSlots)
		k.named[name] = &own
	}
	return k
}

// profile gives a kind of host, which is not to be changed. One that is configured no more is as the ordinary one.
func (f *Fleet) profile(name string) *Profile {
	if name == "" {
		return f.kinds.ordinary
	}
	return cmp.Or(f.kinds.named[name], f.kinds.ordinary)
}
