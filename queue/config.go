package queue

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"time"
)

// Config is what a Queue is made with. Zero fields get the default named beside them.
type Config struct {
	Queues         []QueueSpec   // empty = DefaultQueues
	DefaultQueues  []string      // the first of them that takes it gets a job that names no queue; empty = those marked Default
	Apps           []AppSpec     // applications
	DefaultApp     string        // of jobs that name no application; "" = none
	MaxArray       int           // elements of one array, and its highest index (1,000,000)
	MaxJobs        int           // jobs and started elements in memory (2,000,000)
	MaxPending     int           // pending elements in all, 0 = no limit
	MaxUserPending int           // pending elements of each user whom Users says nothing about, 0 = no limit
	Users          []UserSpec    // what users and groups may have at once
	MaxJobSlots    int           // more slots than this are refused: TooManySlots; 0 = no limit
	SlotMemMiB     int           // a slot's share of memory, for jobs whose Need.MemMiB is 0; 0 = such jobs need none
	Backfill       bool          // later jobs may pass a blocked one where they do not delay it; false = FCFS per needs
	ReserveFor     time.Duration // how long a blocked job keeps the hosts it could use; then others may pass for as long (5 min)
	Lease          time.Duration // how long a host may run its jobs without its daemon (60 s)
	LeaseMargin    time.Duration // added to the lease before its jobs run elsewhere: clocks, and the grace of a kill (15 s)
	UnknownAfter   time.Duration // jobs show UNKWN after their host was unavailable this long (10 s)
	PreExecRetries int           // failures in a row of a pre-execution command after which its job is held (LSF's MAX_PREEXEC_RETRY) (5)
	PreExecPause   time.Duration // after such a failure; it doubles each time, up to 5 minutes (10 s)
	KeepFinished   time.Duration // ended jobs stay in memory (LSF's CLEAN_PERIOD) (1 h)
}

// DefaultQueues are the queues of an installation that configures none.
func DefaultQueues() []QueueSpec {
	return []QueueSpec{
		{Name: "priority", Terms: Terms{Description: "for urgent jobs"}, Priority: 43},
		{Name: "short", Terms: Terms{Description: "for jobs of at most 15 minutes", RunLimit: 15 * time.Minute}, Priority: 35},
		{Name: "normal", Terms: Terms{Description: "for normal jobs"}, Priority: 30, Default: true},
		{Name: "idle", Terms: Terms{Description: "runs when nothing else wants to", Nice: 19}, Priority: 20},
	}
}

const (
	maxHostSlots = 1 << 20 // of one host; bounds the index of free slots
	maxNameBytes = 4096    // of names of any kind
	maxQueues    = 10_000

	wholeWeight          = 100 // weights are whole parts of it
	minWeight, maxWeight = 0.01, 100
)

func (c Config) withDefaults() Config {
	if len(c.Queues) == 0 {
		c.Queues = DefaultQueues()
	}
	c.Queues = slices.Clone(c.Queues)
	c.fillDefaults()
	c.Apps = slices.Clone(c.Apps)
	c.Users = onceEach(c.Users)
	c.MaxArray = cmp.Or(c.MaxArray, 1_000_000)
	c.MaxJobs = cmp.Or(c.MaxJobs, 2_000_000)
	c.ReserveFor = cmp.Or(c.ReserveFor, 5*time.Minute)
	c.Lease = cmp.Or(c.Lease, time.Minute)
	c.LeaseMargin = cmp.Or(c.LeaseMargin, 15*time.Second)
	c.UnknownAfter = cmp.Or(c.UnknownAfter, 10*time.Second)
	c.PreExecRetries = cmp.Or(c.PreExecRetries, 5)
	c.PreExecPause = cmp.Or(c.PreExecPause, 10*time.Second)
	c.KeepFinished = cmp.Or(c.KeepFinished, time.Hour)
	return c
}

// Config is what the Queue was made with, defaults filled in. Its queues are not to be changed.
func (q *Queue) Config() Config { return q.cfg }

func (c *Config) validate() error {
	for name, n := range map[string]int{
		"MaxArray": c.MaxArray, "MaxJobs": c.MaxJobs, "MaxPending": c.MaxPending, "MaxUserPending": c.MaxUserPending,
		"MaxJobSlots": c.MaxJobSlots, "SlotMemMiB": c.SlotMemMiB, "PreExecRetries": c.PreExecRetries,
	} {
		if n < 0 || n > 1<<31-2 {
			return fmt.Errorf("configure queue: %s is %d, want 0 to 2147483646", name, n)
		}
	}
	for name, d := range map[string]time.Duration{
		"ReserveFor": c.ReserveFor, "Lease": c.Lease, "LeaseMargin": c.LeaseMargin,
		"UnknownAfter": c.UnknownAfter, "PreExecPause": c.PreExecPause, "KeepFinished": c.KeepFinished,
	} {
		if d < 0 {
			return fmt.Errorf("configure queue: %s is %v, want a positive duration", name, d)
		}
	}
	if len(c.Queues) > maxQueues {
		return fmt.Errorf("configure queue: %d queues, at most %d", len(c.Queues), maxQueues)
	}
	if err := errors.Join(validateUsers(c.Users), validateApps(c.Apps, c.DefaultApp)); err != nil {
		return err
	}
	seen := map[string]bool{}
	for i := range c.Queues {
		s := &c.Queues[i]
		if s.Name == "" || len(s.Name) > maxNameBytes || seen[s.Name] || s.Name == lostAndFound {
			return fmt.Errorf("configure queue %q: every queue needs a name of its own, other than %s", s.Name, lostAndFound)
		}
		seen[s.Name] = true
		if err := s.validate(); err != nil {
			return err
		}
	}
	for i, name := range c.DefaultQueues {
		if !seen[name] || slices.Contains(c.DefaultQueues[:i], name) {
			return fmt.Errorf("configure queue: default queue %q: want queues that there are, once each", name)
		}
	}
	return nil
}
