package sim

import (
	"errors"
	"fmt"
	"time"

	"sluice/queue"
)

// ErrConfig is the kind of errors about what to simulate. Test with errors.Is.
var ErrConfig = errors.New("invalid simulation")

// Limits of a simulation.
const (
	maxAgents  = 100_000
	maxJobs    = 10_000_000
	maxSpan    = 100 * 365 * 24 * time.Hour
	slotsLimit = 10_000_000
)

// Config is the cluster and the batch system. Times are from the start of the
// simulation.
type Config struct {
	// Agents holds the slots that each agent can give; see UniformAgents.
	Agents []int
	// JoinDelay is from the launch of a host until it takes jobs, in the median.
	JoinDelay time.Duration
	// JoinSpread is how much it varies: it is log-normal, and 5 % of the hosts take
	// more than JoinDelay·JoinSpread. 0 and 1 are no variation.
	JoinSpread float64
	// IdleTimeout is how long a closed host is kept without jobs.
	IdleTimeout time.Duration
	// MaxHostSlots bounds a host; 0 is as many as its agent gives.
	MaxHostSlots int
	// HostsPerAgent is how many hosts an agent may hold; 0 is 1.
	HostsPerAgent int
	// Hoard replaces the fleet by the plain way of frameworks that cannot drain:
	// whole agents are taken and held until they happen to be idle.
	Hoard bool
	// Backfill lets later jobs pass a blocked one where they do not delay it.
	Backfill bool
	// ReserveFor is how long a blocked job keeps hosts from later ones before
	// others may pass for as long; 0 is forever: strict order.
	ReserveFor time.Duration
	// Queues are the batch system's, with their priorities and weights; empty is
	// the queue's own defaults.
	Queues []queue.QueueSpec
	// Seed is of the names of hosts and the jitter of the fleet.
	Seed uint64
	// Period is the time between decisions of the policy, > 0.
	Period time.Duration
	// Target is τ = running/pending, against which every policy is measured.
	Target float64
	// Until ends the simulation even when jobs are left; 0 is no such time.
	Until time.Duration
	// Stop is asked now and then; what it returns ends the run, if not nil.
	Stop func() error
	// Outages are times in which the other frameworks hold agents.
	Outages []Outage
	// AgentMTBF is the mean time between losses of each agent, with all that runs
	// there; it is back after ten minutes. Jobs run again from the beginning. 0 is never.
	AgentMTBF time.Duration
	// Others take agents and give them back all the time.
	Others Others
}

// Outage is a time in which the last agents of a cluster are not offered,
// because other frameworks hold them. Hosts that run there keep running.
type Outage struct {
	From, To time.Duration
	// Free is how many agents, from the first, are offered meanwhile.
	Free int
}

// Others are other frameworks that want agents in turn. Hosts that run there keep
// running, as with an Outage.
type Others struct {
	// Share of the agents that they want, from 0 to 1.
	Share float64
	// Duty is the part of each Period in which they want them, from 0 to 1.
	Duty   float64
	Period time.Duration
}

// maxSpread bounds JoinSpread.
const maxSpread = 1000

// Job is what is submitted: slots for a time.
type Job struct {
	Submit, Run time.Duration
	Slots       int
	// Queue is the one that it is submitted to; "" is the default queue.
	Queue string
	// Limit is the run time that the batch system is told to expect; 0 is none.
	// A job that runs longer is not ended.
	Limit time.Duration
}

// UniformAgents returns the agents of a cluster of so many slots, each of
// perHost slots but for a smaller last one.
func UniformAgents(slots, perHost int) ([]int, error) {
	if perHost < 1 || slots < 1 || slots > slotsLimit || (slots-1)/perHost >= maxAgents {
		return nil, fmt.Errorf("%w: %d slots in hosts of %d: want 1 to %d slots on at most %d hosts", ErrConfig, slots, perHost, slotsLimit, maxAgents)
	}
	agents := make([]int, 0, (slots-1)/perHost+1)
	for ; slots > 0; slots -= perHost {
		agents = append(agents, min(slots, perHost))
	}
	return agents, nil
}

func (c *Config) validate() error {
	switch {
	case len(c.Agents) == 0 || len(c.Agents) > maxAgents:
		return fmt.Errorf("%w: %d agents: want 1 to %d", ErrConfig, len(c.Agents), maxAgents)
	case c.Period <= 0:
		return fmt.Errorf("%w: period %v: must be more than 0", ErrConfig, c.Period)
	case c.JoinDelay < 0 || c.IdleTimeout < 0 || c.Until < 0:
		return fmt.Errorf("%w: a join delay, idle timeout or end is negative", ErrConfig)
	case c.AgentMTBF < 0:
		return fmt.Errorf("%w: mean time between losses of agents %v: must not be negative", ErrConfig, c.AgentMTBF)
	case !(c.JoinSpread == 0 || c.JoinSpread >= 1 && c.JoinSpread <= maxSpread):
		return fmt.Errorf("%w: join spread %v: want 1 to %v", ErrConfig, c.JoinSpread, maxSpread)
	case !(c.Others.Share >= 0 && c.Others.Share <= 1 && c.Others.Duty >= 0 && c.Others.Duty <= 1) || c.Others.Share > 0 && c.Others.Period <= 0:
		return fmt.Errorf("%w: others take %v of the agents for %v of %v: want parts from 0 to 1 of a time", ErrConfig, c.Others.Share, c.Others.Duty, c.Others.Period)
	case !(c.Target > 0):
		return fmt.Errorf("%w: target %v: must be more than 0", ErrConfig, c.Target)
	}
	for i, slots := range c.Agents {
		if slots < 1 || slots > slotsLimit {
			return fmt.Errorf("%w: agent %d has %d slots: want 1 to %d", ErrConfig, i, slots, slotsLimit)
		}
	}
	for _, o := range c.Outages {
		if o.From < 0 || o.To < o.From || o.Free < 0 {
			return fmt.Errorf("%w: outage from %v to %v with %d agents", ErrConfig, o.From, o.To, o.Free)
		}
	}
	return nil
}

// validateJobs refuses jobs that could never end on the cluster.
func (c *Config) validateJobs(jobs []Job) error {
	if len(jobs) > maxJobs {
		return fmt.Errorf("%w: %d jobs: want at most %d", ErrConfig, len(jobs), maxJobs)
	}
	total := 0
	for _, slots := range c.Agents {
		total += slots
	}
	for i, j := range jobs {
		switch {
		case j.Slots < 1 || j.Slots > total:
			return fmt.Errorf("%w: job %d needs %d slots of a cluster of %d", ErrConfig, i, j.Slots, total)
		case j.Run <= 0 || j.Submit < 0 || j.Run > maxSpan || j.Submit > maxSpan:
			return fmt.Errorf("%w: job %d is submitted at %v and runs for %v", ErrConfig, i, j.Submit, j.Run)
		case i > 0 && j.Submit < jobs[i-1].Submit:
			return fmt.Errorf("%w: job %d is submitted before job %d", ErrConfig, i, i-1)
		}
	}
	return nil
}
