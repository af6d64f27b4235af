package queue

import (
	"fmt"
	"math"
	"slices"
	"strings"
)

// QueueSpec is a queue as configured.
type QueueSpec struct {
	Name string `json:"name"`
	Terms
	Priority int  `json:"priority"`          // higher first
	Default  bool `json:"default,omitempty"` // for jobs that name no queue; see Config.DefaultQueues

	MaxSlots  int `json:"maxSlots,omitempty"`  // running at once; 0 = no limit
	UserSlots int `json:"userSlots,omitempty"` // running at once of one user; 0 = no limit
	HostSlots int `json:"hostSlots,omitempty"` // running at once on one host; 0 = no limit

	NoExclusive bool `json:"noExclusive,omitempty"` // jobs that want hosts for themselves are refused
	// Profile names the kind of elastic host that its jobs run on, and that runs no others; "" = the ordinary one.
	Profile string `json:"profile,omitempty"`
	// Users are who may submit; empty = all, and so where each has a ~ before it, which bars him.
	Users []string `json:"users,omitempty"`
	// Hosts are those that its jobs may run on, by their names or those of their machines, with or without domain; empty = all, and
	// so where each has a ~ before it, which bars that host.
	Hosts []string `json:"hosts,omitempty"`
	// Weight is how much a pending slot of the queue counts for the controller, 0.01 to 100, to a hundredth; 0 = 1. It is a preference:
	// more slots sooner while its jobs pend, for whatever job is first in order. It changes no order, and no limit.
	Weight float64 `json:"weight,omitempty"`
}

// Allows reports whether a user may submit to the queue.
func (s *QueueSpec) Allows(user string) bool {
	allowed := true
	for _, name := range s.Users {
		barred, bars := strings.CutPrefix(name, "~")
		switch {
		case bars && barred == user:
			return false
		case !bars && name == user:
			return true
		}
		allowed = allowed && bars
	}
	return allowed
}

// UsesHost reports whether its jobs may run on a host with some names, as far as Hosts says.
func (s *QueueSpec) UsesHost(names ...string) bool { return HostsAllow(s.hostList(), names...) }

// hostList is Hosts as part of a Need.
func (s *QueueSpec) hostList() string { return strings.Join(s.Hosts, ",") }

// validate says what cannot be of one queue.
func (s *QueueSpec) validate() error {
	for _, n := range []int{s.MaxSlots, s.UserSlots, s.HostSlots} {
		if n < 0 || n > math.MaxInt32 {
			return fmt.Errorf("configure queue %q: a limit is negative, or too large", s.Name)
		}
	}
	for _, name := range s.Hosts {
		if bare := strings.TrimPrefix(name, "~"); bare == "" || strings.ContainsAny(bare, hostBreaks+"~") {
			return fmt.Errorf("configure queue %q: host %q: want a name without blanks and commas", s.Name, name)
		}
	}
	if s.Weight != 0 && !(s.Weight >= minWeight && s.Weight <= maxWeight) {
		return fmt.Errorf("configure queue %q: weight %v, want %v to %v", s.Name, s.Weight, minWeight, maxWeight)
	}
	return s.Terms.validate(fmt.Sprintf("queue %q", s.Name))
}

// roll is a set of users that a lookup is quick in.
type roll struct {
	named  map[string]bool // nil = all
	barred map[string]bool
}

func rollOf(users []string) (r roll) {
	for _, name := range users {
		set := &r.named
		if bare, bars := strings.CutPrefix(name, "~"); bars {
			name, set = bare, &r.barred
		}
		if *set == nil {
			*set = make(map[string]bool, len(users))
		}
		(*set)[name] = true
	}
	return r
}

func (r *roll) has(user string) bool {
	return !r.barred[user] && (r.named == nil || r.named[user])
}

// LimitsOf are the limits that hold for a job: its own and, where it says none, its application's or its queue's.
func (q *Queue) LimitsOf(id ID) Limits {
	j := q.jobs.get(id.Job)
	if j == nil {
		return Limits{}
	}
	return j.limits()
}

// fillDefaults brings the two ways of naming default queues together.
func (c *Config) fillDefaults() {
	if len(c.DefaultQueues) == 0 {
		for i := range c.Queues {
			if c.Queues[i].Default {
				c.DefaultQueues = append(c.DefaultQueues, c.Queues[i].Name)
			}
		}
		return
	}
	for i := range c.Queues {
		c.Queues[i].Default = slices.Contains(c.DefaultQueues, c.Queues[i].Name)
	}
}
