package queue

import "time"

// EventKind says what an Event records.
type EventKind string

// The kinds of event.
const (
	JobSubmitted     EventKind = "job_submitted"     // Job, Spec, Order
	JobStarted       EventKind = "job_started"       // Job, Attempt, Placement, RunLimit: dispatched; the first placement's host runs it
	JobExecuting     EventKind = "job_executing"     // Job, Attempt, PID: the host has started its process
	JobStopAsked     EventKind = "job_stop_asked"    // Job, Attempt: a placed job is to be stopped by its host
	JobStopped       EventKind = "job_stopped"       // Job, Attempt: PEND → PSUSP, RUN → USUSP
	JobResumed       EventKind = "job_resumed"       // Job, Attempt: the way back; a placed job is to be continued by its host
	JobKillAsked     EventKind = "job_kill_asked"    // Job, Attempt, Signal, ExitCode, Reason: for its host to do
	JobFinished      EventKind = "job_finished"      // Job, Attempt, ExitCode, Usage, Reason, EndedAt: DONE or EXIT
	JobRequeued      EventKind = "job_requeued"      // Job, Attempt, Reason, NotBefore: back to PEND
	JobUnknown       EventKind = "job_unknown"       // Job: its host is unavailable: RUN → UNKWN
	JobFound         EventKind = "job_found"         // Job: its host is back: UNKWN → RUN
	JobForgotten     EventKind = "job_forgotten"     // Job: an ended job leaves memory after the retention time
	HostCreated      EventKind = "host_created"      // Host
	HostJoined       EventKind = "host_joined"       // HostName, SessionHash, Lease
	HostLost         EventKind = "host_lost"         // HostName: its connection broke
	HostClosed       EventKind = "host_closed"       // HostName, Closed: reasons added
	HostOpened       EventKind = "host_opened"       // HostName, Closed: reasons taken away
	HostRemoved      EventKind = "host_removed"      // HostName, Reason
	QueueSwitched    EventKind = "queue_switched"    // QueueName, Open, Active
	JobQueueMoved    EventKind = "job_queue_moved"   // Job, QueueName
	JobReprioritised EventKind = "job_reprioritised" // Job, Order
	JobModified      EventKind = "job_modified"      // Job, Spec: as it is from now on; RunLimit while it runs
	GroupAdded       EventKind = "group_added"       // GroupName, Owner, Limit
	GroupLimited     EventKind = "group_limited"     // GroupName, Limit
	GroupRemoved     EventKind = "group_removed"     // GroupName
)

// Event is one thing that happened. The state is the fold of its events: applying the same events in the same order to a
// new Queue of the same Config gives the same state. Fields that a kind does not name are zero.
//
// An event of an array's own number (Index 0) is about all elements of the array that it can be about: JobFinished about those
// that pend or are held, JobStopped about those that pend, JobResumed about those that are held, JobRequeued about those
// that ended. The elements that hold slots have events of their own.
//
// JobFinished makes a job DONE if it held slots, its ExitCode is 0 and its Reason is empty; else EXIT. JobKillAsked with Signal 0 asks
// the host to end the job and to report its ExitCode.
type Event struct {
	Kind EventKind `json:"kind"`
	At   time.Time `json:"at"`

	Job       ID            `json:"job,omitzero"`
	Spec      *Spec         `json:"spec,omitempty"`
	Attempt   int           `json:"attempt,omitempty"`
	Placement []Placement   `json:"placement,omitempty"`
	PID       int           `json:"pid,omitempty"`
	Signal    int           `json:"signal,omitempty"`
	ExitCode  int           `json:"exitCode,omitempty"`
	Usage     Usage         `json:"usage,omitzero"`
	Reason    string        `json:"reason,omitempty"`
	EndedAt   time.Time     `json:"endedAt,omitzero"` // of JobFinished, where it was well before At
	Order     int64         `json:"order,omitempty"`
	NotBefore time.Time     `json:"notBefore,omitzero"` // of JobRequeued: the pause after a pre-execution command that failed
	RunLimit  time.Duration `json:"runLimit,omitempty"` // 0 = none

	Host        *HostSpec     `json:"host,omitempty"`
	HostName    string        `json:"hostName,omitempty"`
	SessionHash string        `json:"sessionHash,omitempty"`
	Lease       time.Duration `json:"lease,omitempty"` // 0, of older journals: the configured one
	Closed      Closed        `json:"closed,omitempty"`

	QueueName string `json:"queueName,omitempty"`
	Open      bool   `json:"open,omitempty"`
	Active    bool   `json:"active,omitempty"`

	GroupName string `json:"groupName,omitempty"`
	Owner     string `json:"owner,omitempty"`
	Limit     *int   `json:"limit,omitempty"` // nil = none
}
