package fleet

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"time"
)

// Config is the fleet's rules. A zero field gets the default named with it.
type Config struct {
	// HostPrefix begins the names of hosts and tasks; "sluice".
	HostPrefix string

	SlotCPUs    float64 // of one slot; 1
	SlotMemMiB  int     // of one slot; 512
	SlotDiskMiB int     // of one slot; 0 = none is taken
	SlotPorts   int     // of one slot; 0 = none is taken

	MaxHostSlots int // of one host; 0 = as many as an agent gives
	// HostsPerAgent is how many hosts may live on one agent; 1. Batch systems whose hosts need a machine of their own must
	// leave it at 1; where they do not, more lets an agent serve a goal that grows in small steps.
	HostsPerAgent int
	// GPUAgentsForCPU lets jobs without GPUs use agents with GPUs.
	GPUAgentsForCPU bool
	// Revocable lets hosts for jobs that can run again use resources that may be taken back.
	Revocable bool
	// MaintenanceLead is how long before a maintenance of an agent no host is started there, and those that are there take no
	// more jobs; 1 h.
	MaintenanceLead time.Duration
	// HostTTL is the age at which hosts are closed, and launched anew if they are needed, give or take a tenth; 0 = any.
	HostTTL time.Duration
	// DemandDelay is for how long slots must have been wanted without a pause before an offer is taken; 0. The floor and
	// hosts that only have to be opened again do not wait.
	DemandDelay time.Duration
	// MaxDisruption is the part of all hosts that may be closed at once for reasons that can wait (maintenance, age), but one
	// always may; 0.25.
	MaxDisruption float64
	// Profiles are kinds of host beside the ordinary one, by the name that demand has for them (queue.Need.Profile).
	Profiles map[string]Profile
	// Roles are those that offers come for, the preferred ones first. Of equally good offers that of the first role is taken;
	// what is reserved for any of them goes before. Roles that are not named come last.
	Roles []string
	// Constraints are conditions that an agent must meet, all of them.
	Constraints []Constraint
	// MaxLaunchesPerStep bounds the hosts launched at once; 256.
	MaxLaunchesPerStep int

	IdleTimeout   time.Duration // a host without a job is released after it; 60 s
	LaunchTimeout time.Duration // from launch to running; 5 min
	JoinTimeout   time.Duration // from running to joined; 2 min
	KillRetry     time.Duration // first repetition of a kill, or of an order to the batch system; 10 s
	// UnreachableAfter is how long an unreachable host still counts as supply; 75 s.
	UnreachableAfter time.Duration
	// ForgetAfter is how long an unreachable host that the batch system has lost too is kept; 1 h.
	ForgetAfter time.Duration
	// ReconcileEvery is between full reconciliations, ± 10 %; 15 min.
	ReconcileEvery time.Duration
	// StaleAfter is the age of a goal from which nothing is launched, closed or killed; 30 s.
	StaleAfter time.Duration

	DeclineFor  time.Duration // how long a declined offer shall stay away, ± 20 %; 10 min
	ReviveEvery time.Duration // least time between two revives; 5 s
	// ReviveMax is the longest time between revives while the same need stays unserved; 2 min.
	ReviveMax time.Duration
}

// Validate reports the first value that makes no sense.
func (c Config) Validate() error {
	for _, v := range []struct {
		name  string
		value float64
	}{
		{"slot cpus", c.SlotCPUs},
		{"slot memory", float64(c.SlotMemMiB)},
		{"slot disk", float64(c.SlotDiskMiB)},
		{"slot ports", float64(c.SlotPorts)},
		{"max host slots", float64(c.MaxHostSlots)},
		{"hosts per agent", float64(c.HostsPerAgent)},
		{"launches per step", float64(c.MaxLaunchesPerStep)},
		{"idle timeout", c.IdleTimeout.Seconds()},
		{"launch timeout", c.LaunchTimeout.Seconds()},
		{"join timeout", c.JoinTimeout.Seconds()},
		{"kill retry", c.KillRetry.Seconds()},
		{"unreachable timeout", c.UnreachableAfter.Seconds()},
		{"forget timeout", c.ForgetAfter.Seconds()},
		{"reconcile period", c.ReconcileEvery.Seconds()},
		{"stale timeout", c.StaleAfter.Seconds()},
		{"maintenance lead", c.MaintenanceLead.Seconds()},
		{"host ttl", c.HostTTL.Seconds()},
		{"demand delay", c.DemandDelay.Seconds()},
		{"max disruption", c.MaxDisruption},
		{"decline time", c.DeclineFor.Seconds()},
		{"revive period", c.ReviveEvery.Seconds()},
		{"longest revive period", c.ReviveMax.Seconds()},
	} {
		if v.value < 0 || math.IsNaN(v.value) || math.IsInf(v.value, 0) {
			return fmt.Errorf("check fleet: %s is %v: want a number from 0", v.name, v.value)
		}
	}
	if c.MaxDisruption > 1 {
		return fmt.Errorf("check fleet: max disruption is %v: want a part of all hosts, from 0 to 1", c.MaxDisruption)
	}
	if len(c.Constraints) > maxConstraints {
		return fmt.Errorf("check fleet: %d constraints: at most %d are possible", len(c.Constraints), maxConstraints)
	}
	cpus := []float64{c.SlotCPUs}
	for _, name := range slices.Sorted(maps.Keys(c.Profiles)) {
		p := c.Profiles[name]
		if p.SlotCPUs < 0 || p.SlotMemMiB < 0 || p.SlotDiskMiB < 0 || p.SlotPorts < 0 || p.MaxHostSlots < 0 || math.IsNaN(p.SlotCPUs) || math.IsInf(p.SlotCPUs, 0) {
			return fmt.Errorf("check fleet: profile %s is %+v: want numbers from 0", name, p)
		}
		cpus = append(cpus, p.SlotCPUs)
	}
	for _, n := range cpus {
		if n != 0 && n < 0.01 {
			return fmt.Errorf("check fleet: slot cpus is %v: Mesos hands out no less than 0.01", n)
		}
	}
	return nil
}

func (c Config) withDefaults() Config {
	setDefault(&c.HostPrefix, "sluice")
	setDefault(&c.SlotCPUs, 1)
	setDefault(&c.SlotMemMiB, 512)
	setDefault(&c.HostsPerAgent, 1)
	setDefault(&c.MaxLaunchesPerStep, 256)
	setDefault(&c.IdleTimeout, time.Minute)
	setDefault(&c.LaunchTimeout, 5*time.Minute)
	setDefault(&c.JoinTimeout, 2*time.Minute)
	setDefault(&c.KillRetry, 10*time.Second)
	setDefault(&c.UnreachableAfter, 75*time.Second)
	setDefault(&c.ForgetAfter, time.Hour)
	setDefault(&c.ReconcileEvery, 15*time.Minute)
	setDefault(&c.StaleAfter, 30*time.Second)
	setDefault(&c.MaintenanceLead, time.Hour)
	setDefault(&c.MaxDisruption, 0.25)
	setDefault(&c.DeclineFor, 10*time.Minute)
	setDefault(&c.ReviveEvery, 5*time.Second)
	setDefault(&c.ReviveMax, 2*time.Minute)
	return c
}

func setDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}
