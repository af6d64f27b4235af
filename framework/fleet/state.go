package fleet

import "fmt"

// State is what is happening to a host. See the package comment for the diagram.
type State uint8

// The states of a host.
const (
	Launching   State = iota + 1 // offer taken, task not yet running
	Joining                      // task runs, host not yet known to the batch system as joined
	Open                         // joined; takes jobs
	Closed                       // takes no new jobs; to be released once empty
	Releasing                    // its task is being killed
	Unreachable                  // Mesos cannot say what the task does
	Gone                         // its task has ended; the batch system is yet to remove the host
)

var stateNames = [...]string{
	Launching: "launching", Joining: "joining", Open: "open", Closed: "closed",
	Releasing: "releasing", Unreachable: "unreachable", Gone: "gone",
}

// String is the state's name in lower case.
func (s State) String() string {
	if s == 0 || int(s) >= len(stateNames) {
		return fmt.Sprintf("State(%d)", uint8(s))
	}
	return stateNames[s]
}

// MarshalText makes a State its name in JSON.
func (s State) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads what MarshalText wrote.
func (s *State) UnmarshalText(text []byte) error {
	for i, name := range stateNames {
		if i > 0 && name == string(text) {
			*s = State(i)
			return nil
		}
	}
	return fmt.Errorf("parse host state %q: no such state", text)
}

// TaskState is a Mesos task state, as a framework with PARTITION_AWARE and TASK_KILLING_STATE sees it.
type TaskState uint8

// The task states.
const (
	TaskStaging TaskState = iota + 1
	TaskStarting
	TaskRunning
	TaskKilling
	TaskFinished
	TaskFailed
	TaskKilled
	TaskError
	TaskLost
	TaskDropped
	TaskUnreachable
	TaskGone
	TaskGoneByOperator
	TaskUnknown
)

var taskStateNames = [...]string{
	TaskStaging: "TASK_STAGING", TaskStarting: "TASK_STARTING", TaskRunning: "TASK_RUNNING",
	TaskKilling: "TASK_KILLING", TaskFinished: "TASK_FINISHED", TaskFailed: "TASK_FAILED", TaskKilled: "TASK_KILLED",
	TaskError: "TASK_ERROR", TaskLost: "TASK_LOST", TaskDropped: "TASK_DROPPED", TaskUnreachable: "TASK_UNREACHABLE",
	TaskGone: "TASK_GONE", TaskGoneByOperator: "TASK_GONE_BY_OPERATOR", TaskUnknown: "TASK_UNKNOWN",
}

// String is Mesos's name.
func (s TaskState) String() string {
	if s == 0 || int(s) >= len(taskStateNames) {
		return fmt.Sprintf("TaskState(%d)", uint8(s))
	}
	return taskStateNames[s]
}

// ended reports that the task will not run again. TASK_LOST is sent to a PARTITION_AWARE framework only for agents that
// are removed, with their tasks.
func (s TaskState) ended() bool {
	switch s {
	case TaskFinished, TaskFailed, TaskKilled, TaskError, TaskLost, TaskDropped, TaskGone, TaskGoneByOperator:
		return true
	default:
		return false
	}
}

// Unwanted reports that a task has ended for another reason than that it did its work or that its framework killed it.
func (s TaskState) Unwanted() bool { return s.ended() && s != TaskFinished && s != TaskKilled }

// processesGone reports that no process of an ended task can be alive.
func (s TaskState) processesGone() bool { return s.ended() && s != TaskLost && s != TaskGoneByOperator }
