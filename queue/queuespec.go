package queue

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"
)

// QueueSpec is a queue as configured.
type QueueSpec struct {
	Name        string `json:"name"`
	Description string `json:"description,omitempty"`
	Priority    int    `json:"priority"` // higher first
	Nice        int    `json:"nice,omitempty"`
	Default     bool   `json:"default,omitempty"` // for jobs that name no queue; see Config.DefaultQueues

	MaxSlots  int `json:"maxSlots,omitempty"`  // running at once; 0 = no limit
	UserSlots int `json:"userSlots,omitempty"` // running at once of one user; 0 = no limit
	JobSlots  int `json:"jobSlots,omitempty"`  // of one job at most; 0 = no limit
	LeastJob  int `json:"leastJob,omitempty"`  // slots of one job at least; 0 = 1
	// SlotsDefault is for jobs that ask for no number of slots; 0 = LeastJob.
	SlotsDefault int `json:"slotsDefault,omitempty"`

	RunLimit   time.Duration `json:"runLimit,omitempty"`   // that no job may exceed; 0 = none
	RunDefault time.Duration `json:"runDefault,omitempty"` // of jobs that say none; 0 = RunLimit
	// Limits are what no job may exceed, and DefaultLimits those of jobs that say none; where that is zero, too, Limits.
	Limits        Limits `json:"limits,omitzero"`
	DefaultLimits Limits `json:"defaultLimits,omitzero"`

	// NeedDefault is what slots of jobs need that do not say; Hosts and Exclusive do not count. MemDefault is MiB of memory that such jobs
	// need in all, in equal shares of their slots.
	NeedDefault Need `json:"needDefault,omitzero"`
	MemDefault  int  `json:"memDefault,omitempty"`

	Rerunnable  bool    `json:"rerunnable,omitempty"`  // for all its jobs
	RequeueExit ExitSet `json:"requeueExit,omitzero"`  // exit codes with which its jobs run again
	NoExclusive bool    `json:"noExclusive,omitempty"` // jobs that want hosts for themselves are refused
	// Profile names the kind of elastic host that its jobs run on, and that runs no others; "" = the ordinary one.
	Profile string `json:"profile,omitempty"`
	// Users are who may submit; empty = all, and so where each has a ~ before it, which bars him.
	Users []string `json:"users,omitempty"`
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

// validate says what cannot be of one queue.
func (s *QueueSpec) validate() error {
	for _, n := range []int{s.MaxSlots, s.UserSlots, s.JobSlots, s.LeastJob, s.SlotsDefault, s.NeedDefault.MemMiB, s.NeedDefault.GPUs, s.NeedDefault.PerHost, s.MemDefault} {
		if n < 0 || n > math.MaxInt32 {
			return fmt.Errorf("configure queue %q: a limit is negative, or too large", s.Name)
		}
	}
	switch {
	case s.RunLimit < 0 || s.RunDefault < 0 || !s.Limits.valid() || !s.DefaultLimits.valid():
		return fmt.Errorf("configure queue %q: a limit is negative, or too large", s.Name)
	case s.JobSlots > 0 && s.LeastJob > s.JobSlots:
		return fmt.Errorf("configure queue %q: jobs of at least %d and at most %d slots", s.Name, s.LeastJob, s.JobSlots)
	case s.SlotsDefault > 0 && (s.SlotsDefault < s.LeastJob || s.JobSlots > 0 && s.SlotsDefault > s.JobSlots):
		return fmt.Errorf("configure queue %q: %d slots by default are not from %d to %d", s.Name, s.SlotsDefault, s.LeastJob, s.JobSlots)
	case s.RunLimit > 0 && s.RunDefault > s.RunLimit:
		return fmt.Errorf("configure queue %q: default run limit %v above the run limit %v", s.Name, s.RunDefault, s.RunLimit)
	case s.Limits.Exceeded(&s.DefaultLimits) != "":
		return fmt.Errorf("configure queue %q: default %s above the limit", s.Name, s.Limits.Exceeded(&s.DefaultLimits))
	case s.Weight != 0 && !(s.Weight >= minWeight && s.Weight <= maxWeight):
		return fmt.Errorf("configure queue %q: weight %v, want %v to %v", s.Name, s.Weight, minWeight, maxWeight)
	}
	return nil
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

// LimitsOf are the limits that hold for a job: its own and, where it says none, its queue's.
func (q *Queue) LimitsOf(id ID) Limits {
	j := q.jobs.get(id.Job)
	if j == nil {
		return Limits{}
	}
	return j.spec.Limits.within(&j.queue.spec)
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
