package fleet

import (
	"time"

	"sluice/queue"
)

// Resources is amounts of what an agent has. CPUs may be fractions; GPUs are whole.
type Resources struct {
	CPUs    float64 `json:"cpus,omitempty"`
	MemMiB  float64 `json:"memMiB,omitempty"`
	DiskMiB float64 `json:"diskMiB,omitempty"`
	GPUs    int     `json:"gpus,omitempty"`
	Ports   int     `json:"ports,omitempty"`
}

// Host is one elastic host: what must survive a restart. Its name is also the id of its task.
type Host struct {
	Spec      queue.HostSpec `json:"spec"`
	Agent     string         `json:"agent"` // agent id
	Role      string         `json:"role,omitempty"`
	Resources Resources      `json:"resources"`
	State     State          `json:"state"`
	// Before is the state before Unreachable.
	Before State `json:"before,omitempty"`
	// Since is when State was entered.
	Since      time.Time `json:"since"`
	LaunchedAt time.Time `json:"launchedAt"`
	// Ran says that its task was seen running.
	Ran bool `json:"ran,omitempty"`
	// Reason says in words why the state was entered.
	Reason string `json:"reason,omitempty"`
	// Cause says why it is Closed.
	Cause Cause `json:"cause,omitempty"`
	// RevocableMem says, of a host on revocable CPUs (Spec.Revocable), that its memory is revocable too.
	RevocableMem bool `json:"revocableMem,omitempty"`
	// ProcessesGone says, of a Gone host, that none of its processes can be alive.
	ProcessesGone bool `json:"processesGone,omitempty"`
}

// Name is the host's name in the batch system and its task's id.
func (h Host) Name() string { return h.Spec.Name }

// Cause is why a host was closed; it decides whether the host may be reopened.
type Cause string

// The causes.
const (
	CauseSurplus     Cause = "surplus"     // the goal fell
	CauseIdle        Cause = "idle"        // no job for too long
	CauseRoom        Cause = "room"        // its slots are needed for a job that does not fit it
	CauseGrow        Cause = "grow"        // it keeps a larger host off its agent that a pending job needs
	CauseLate        Cause = "late"        // it did not start or join in time
	CauseLost        Cause = "lost"        // the batch system lost it
	CauseOperator    Cause = "operator"    // an operator ordered it
	CauseMaintenance Cause = "maintenance" // a maintenance of its agent is near
	CauseAge         Cause = "age"         // it is older than hosts may get
	CauseKilled      Cause = "killed"      // somebody else ends its task: an operator, or Mesos because its agent is drained
	CauseStranger    Cause = "stranger"    // a task of ours that neither the fleet nor the batch system knows
)

// voluntary says that the cause could have waited: MaxDisruption bounds how many hosts at once are closed for one.
func (c Cause) voluntary() bool { return c == CauseMaintenance || c == CauseAge }

func (c Cause) reopenable() bool { return c == CauseSurplus || c == CauseIdle || c == CauseRoom }

// Offer is resources of one agent for one role.
type Offer struct {
	ID, Agent, Hostname, Role string
	Free                      Resources
	ReservedCPUs              float64           // the part of Free.CPUs that is reserved for the role
	Revocable                 Resources         // not in Free: may be taken back at any time
	Attributes                map[string]string // of the agent; not to be changed after it was given to Step
	// UnavailableFrom is when a maintenance of the agent begins; zero = none is planned. A zero UnavailableUntil = it has no
	// known end.
	UnavailableFrom, UnavailableUntil time.Time
}
