package fleet

import (
	"time"

	"sluice/queue"
)

// Input is one thing that happened: Goal, Offers, InverseOffers, RescindInverse, Update, Connection, AgentLost, Drain, Result or
// Tick.
type Input interface{ input() }

// Goal is what the controller wants, and the snapshot of the batch system that it was computed from. Each gets a new
// Snapshot.At.
type Goal struct {
	Slots int
	// Floor is the part of Slots to hold even if no job needs it.
	Floor    int
	Snapshot queue.Snapshot
}

// Offers is offers that arrived together.
type Offers []Offer

// Update is a status update or the answer to a reconciliation.
type Update struct {
	Task, Agent string
	State       TaskState
	Reason      string // Mesos's reason and message, for people
	// Preempted says that Mesos took the resources of the task back.
	Preempted bool
	// InvalidOffers says that the launch was refused because an offer was no longer valid.
	InvalidOffers bool
}

// Connection says that the framework subscribed, or lost its subscription.
type Connection struct {
	Up bool
	// Suppressed says that the subscription was made with all roles suppressed.
	Suppressed bool
}

// AgentLost is Mesos's unreliable notice that an agent is gone.
type AgentLost struct{ Agent string }

// Drain is an operator's order to release a host as soon as it is empty.
type Drain struct{ Host string }

// Result is the outcome of a Launch, CloseHost, OpenHost or RemoveHost. Of other effects none is expected.
type Result struct {
	Of Effect
	// Err is nil when it was done.
	Err error
	// Maybe says, of a Launch with an Err, that the call may have reached the master.
	Maybe bool
}

// Tick lets time pass: timeouts and repetitions. At least one a second is expected.
type Tick struct{}

func (Goal) input()       {}
func (Offers) input()     {}
func (Update) input()     {}
func (Connection) input() {}
func (AgentLost) input()  {}
func (Drain) input()      {}
func (Result) input()     {}
func (Tick) input()       {}

// Output is what a Step decided. The order of its parts is the order in which to do them.
type Output struct {
	Changed []Host   // to be made durable before any of Effects, and before the update that was the input is acknowledged
	Removed []string // hosts to be forgotten
	Effects []Effect // in order
}

// Effect is one thing to do: Launch, Decline, AnswerInverse, Kill, Suppress, Revive, Reconcile, CloseHost, OpenHost or RemoveHost.
type Effect interface{ effect() }

// Launch adds Host to the batch system and then accepts the offers with one task. If the host cannot be added, the offers
// must be declined.
type Launch struct {
	Host   Host
	Offers []string // of Host.Agent and Host.Role; all
	// Refuse is how long the unused rest of the offers shall stay away.
	Refuse time.Duration
}

// Decline gives offers back.
type Decline struct {
	Offers []string
	Refuse time.Duration
}

// TaskRef names a task and the agent it is on; the agent may be "".
type TaskRef struct{ Task, Agent string }

// Kill ends a task.
type Kill TaskRef

// Suppress asks for no more offers.
type Suppress struct{}

// Revive asks for offers again, of all agents.
type Revive struct{}

// Reconcile asks what the tasks do; without any, for all that the master knows.
type Reconcile struct{ Tasks []TaskRef }

// CloseHost orders the batch system to start no more jobs on a host, for queue.ClosedDrain. It is repeated until a Result
// with the very value that Step gave says that it was done.
type CloseHost struct {
	Name, Reason string
	number       int // of the order, so that the result of an older one is not taken for it
}

// OpenHost takes a CloseHost back. It is repeated as that is.
type OpenHost struct {
	Name   string
	number int
}

// RemoveHost orders the batch system to forget a host; one that it does not know counts as removed. It is repeated as
// CloseHost is.
type RemoveHost struct {
	Name, Reason string
	// ProcessesGone says that no process of the host can be alive.
	ProcessesGone bool
}

func (Launch) effect()     {}
func (Decline) effect()    {}
func (Kill) effect()       {}
func (Suppress) effect()   {}
func (Revive) effect()     {}
func (Reconcile) effect()  {}
func (CloseHost) effect()  {}
func (OpenHost) effect()   {}
func (RemoveHost) effect() {}
