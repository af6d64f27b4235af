package fleet

// Profile is a kind of host for the jobs of some queues. A zero field is that of Config.
type Profile struct {
	SlotCPUs     float64
	SlotMemMiB   int
	SlotDiskMiB  int
	SlotPorts    int
	MaxHostSlots int
}

// profile gives a kind of host. One that is configured no more is as the ordinary one.
func (f *Fleet) profile(name string) Profile {
	p := Profile{f.cfg.SlotCPUs, f.cfg.SlotMemMiB, f.cfg.SlotDiskMiB, f.cfg.SlotPorts, f.cfg.MaxHostSlots}
	if name == "" {
		return p
	}
	own := f.cfg.Profiles[name]
	setDefault(&own.SlotCPUs, p.SlotCPUs)
	setDefault(&own.SlotMemMiB, p.SlotMemMiB)
	setDefault(&own.SlotDiskMiB, p.SlotDiskMiB)
	setDefault(&own.SlotPorts, p.SlotPorts)
	setDefault(&own.MaxHostSlots, p.MaxHostSlots)
	return own
}
