package queue

import "time"

// Load is the running and pending slots of the batch system at one time.
type Load struct {
	Running   int `json:"running"`   // slots of placed jobs
	Pending   int `json:"pending"`   // slots of pending jobs that could start now: not held, dependencies met, queue active
	Waiting   int `json:"waiting"`   // slots of pending jobs that could not
	FirstNeed int `json:"firstNeed"` // slots of the first eligible job in order; 0 = none pends
	// PendingWeight is the mean weight of the pending slots, by their queues' weights, 0.01 to 100; 1 = none pends.
	PendingWeight float64 `json:"pendingWeight"`
	// CompletedSlotSeconds is the run time of all jobs that ended, each weighted by its slots.
	CompletedSlotSeconds float64 `json:"completedSlotSeconds"`
}

// Demand is a class of eligible pending jobs with equal needs, in the order in which they would start.
type Demand struct {
	Need  Need `json:"need"`
	Slots int  `json:"slots"` // of each job
	Count int  `json:"count"` // jobs
	// Strict says that no later job may start on the hosts that these could use while the first of these waits for slots
	// (but see Config.ReserveFor).
	Strict bool `json:"strict,omitempty"`
	// Behind says that limits (of queues, users, job groups) let none of these start, unless those before them do not. They do not
	// count as pending in Load.
	Behind bool `json:"behind,omitempty"`
}

// HostStatus is a host's state.
type HostStatus uint8

// The host states. A host is added before its Mesos task is launched, and joins when its daemon says hello.
//
//	add ──> HostAdded ──join──> HostOK <──join── HostUnavailable ──lease over──> (its jobs are lost)
//	                              └──connection lost──^
//	remove, from any state without jobs ──> gone
const (
	HostAdded HostStatus = iota + 1
	HostOK
	HostUnavailable
)

// HostSpec is a host as it is added.
type HostSpec struct {
	Name       string            `json:"name"`
	Slots      int               `json:"slots"`
	MemMiB     int               `json:"memMiB"`
	GPUs       int               `json:"gpus,omitempty"`
	SlotPorts  int               `json:"slotPorts,omitempty"`  // of the machine, for each slot, that its jobs may listen on
	Elastic    bool              `json:"elastic"`              // lives inside a Mesos task
	TokenHash  string            `json:"tokenHash,omitempty"`  // SHA-256, hex, of the one-time token it joins with
	Attributes map[string]string `json:"attributes,omitempty"` // of the Mesos agent
	Revocable  bool              `json:"revocable,omitempty"`  // may be taken back at any time: only for jobs that can run again
	Profile    string            `json:"profile,omitempty"`    // of an elastic host: for jobs of queues with that profile
	Location   string            `json:"location,omitempty"`   // host name of the machine it lives on
}

// Host is a host as seen at one time.
type Host struct {
	HostSpec
	Status  HostStatus `json:"status"`
	Closed  Closed     `json:"closed,omitempty"`
	Used    int        `json:"used"` // slots held by placed jobs
	Run     int        `json:"run"`  // of them by running jobs; the rest are suspended
	SSusp   int        `json:"ssusp"`
	USusp   int        `json:"ususp"`
	AddedAt time.Time  `json:"addedAt"`
	// IdleSince is when its last job ended or, without any, when it joined; zero while a job holds a slot of it.
	IdleSince time.Time `json:"idleSince,omitzero"`
	// Eldest is when the job that has held slots of it longest started; zero without any.
	Eldest time.Time `json:"eldest,omitzero"`
	// LostAt is when its connection broke; zero while it is not unavailable.
	LostAt time.Time `json:"lostAt,omitzero"`
	// Machine is how busy its machine is, where it tells; not to be changed.
	Machine *MachineLoad `json:"machine,omitempty"`
}

// MachineLoad is how busy a machine is, with all that runs on it, as it was measured last. Rates are of a second.
type MachineLoad struct {
	Run15s  float64 `json:"run15s"`  // processes that run or wait to, over 15 seconds,
	Run1m   float64 `json:"run1m"`   // a minute,
	Run15m  float64 `json:"run15m"`  // and 15 minutes
	CPU     float64 `json:"cpu"`     // of the processors' time that is used, 0 to 1
	Pages   float64 `json:"pages"`   // to and from swap
	DiskKiB float64 `json:"diskKiB"` // to and from disks
	TmpMiB  int64   `json:"tmpMiB"`  // free in the directory of temporary files,
	SwapMiB int64   `json:"swapMiB"` // of swap,
	MemMiB  int64   `json:"memMiB"`  // and of memory
	Logins  int     `json:"logins"`
	// Idle is since when nobody has used a terminal; negative = nobody has one.
	Idle time.Duration `json:"idle"`
}

// Closed is the set of reasons why a host takes no new job.
type Closed uint8

// The reasons. An operator's closing and the fleet's do not undo each other.
const (
	ClosedAdmin Closed = 1 << iota // by badmin hclose
	ClosedDrain                    // by the fleet, before the host is released
	ClosedExit                     // by the host, which was told to end
)

// Snapshot is what a poll of a batch system gives: one consistent view at one time.
type Snapshot struct {
	At     time.Time `json:"at"`
	Load   Load      `json:"load"`
	Demand []Demand  `json:"demand"`
	Hosts  []Host    `json:"hosts"`
	// Delta says how Hosts differs from those of an earlier snapshot, if that is known.
	Delta HostDelta `json:"-"`
	// Evidence is what starts and ends have told so far; nil = the batch system does not tell. It is not to be changed.
	Evidence *Evidence `json:"evidence,omitempty"`
}

// Placement is slots of one job on one host. A job's first placement is where its process runs.
type Placement struct {
	Host  string `json:"host"`
	Slots int    `json:"slots"`
}

// Usage is what a job's processes used.
type Usage struct {
	CPU        time.Duration `json:"cpu"` // user + system
	MaxRSSMiB  int           `json:"maxRSSMiB,omitempty"`
	AvgRSSMiB  int           `json:"avgRSSMiB,omitempty"`
	MaxSwapMiB int           `json:"maxSwapMiB,omitempty"` // virtual memory
	Processes  int           `json:"processes,omitempty"`  // the most at one time
	Threads    int           `json:"threads,omitempty"`    // likewise
}

// Live is what a running job used when its host measured it last. It is no part of a job's state.
type Live struct {
	At        time.Time     `json:"at"`
	CPU       time.Duration `json:"cpu"` // user + system so far
	RSSMiB    int           `json:"rssMiB"`
	MaxRSSMiB int           `json:"maxRSSMiB"`
	AvgRSSMiB int           `json:"avgRSSMiB"`
	SwapMiB   int           `json:"swapMiB"` // virtual memory
	Threads   int           `json:"threads"`
	PIDs      []int         `json:"pids,omitempty"` // the first of them
}

// Job is a job or an array element as seen at one time. A pending array may be seen as one Job with ID.Index 0 and Pending
// elements; see Filter.
type Job struct {
	ID    ID    `json:"id"`
	Spec  *Spec `json:"spec"`
	State State `json:"state"`

	SubmittedAt time.Time   `json:"submittedAt"`
	StartedAt   time.Time   `json:"startedAt,omitzero"` // of the newest attempt
	EndedAt     time.Time   `json:"endedAt,omitzero"`
	Attempt     int         `json:"attempt,omitempty"` // starts so far
	Placement   []Placement `json:"placement,omitempty"`
	PID         int         `json:"pid,omitempty"`
	ExitCode    int         `json:"exitCode,omitempty"` // 0–255; 128+n for signal n
	Usage       Usage       `json:"usage,omitzero"`     // once it ended
	Live        *Live       `json:"live,omitempty"`     // while it runs; nil = not measured, or not asked for
	Reason      string      `json:"reason,omitempty"`   // why it pends, or why it ended so
}

// ArrayCounts is an array's elements by state.
type ArrayCounts struct {
	ID    ID            `json:"id"`
	Spec  *Spec         `json:"spec"`
	Count map[State]int `json:"count"`
}

// QueueInfo is a queue as seen at one time; the numbers are slots.
type QueueInfo struct {
	QueueSpec
	Open   bool `json:"open"`   // takes jobs
	Active bool `json:"active"` // starts jobs
	Pend   int  `json:"pend"`
	Run    int  `json:"run"`
	SSusp  int  `json:"ssusp"`
	USusp  int  `json:"ususp"`
}

// Filter selects jobs. Zero fields select all.
type Filter struct {
	IDs     []ID    `json:"ids,omitempty"` // an array's number selects all its elements
	User    string  `json:"user,omitempty"`
	Queue   string  `json:"queue,omitempty"`
	Name    string  `json:"name,omitempty"` // a trailing * matches any rest
	Host    string  `json:"host,omitempty"` // placed there, or ended there
	Project string  `json:"project,omitempty"`
	App     string  `json:"app,omitempty"`
	Group   string  `json:"group,omitempty"` // of this job group itself, not of those below it
	States  []State `json:"states,omitempty"`
}

// EnvHostPorts names the variable in which a host finds its ports of the machine, as 31000-31001,31005-31005.
const EnvHostPorts = "SLUICE_HOST_PORTS"

// HostCommand is what a Mesos task must run to become a host.
type HostCommand struct {
	Argv  []string          `json:"argv"` // Argv[0] is a path in the sandbox or absolute
	Env   map[string]string `json:"env,omitempty"`
	Files []HostFile        `json:"files,omitempty"` // fetched into the sandbox first
}

// HostFile is a file that the Mesos fetcher brings into the sandbox.
type HostFile struct {
	URI        string `json:"uri"`
	Name       string `json:"name"` // in the sandbox
	Executable bool   `json:"executable,omitempty"`
}
