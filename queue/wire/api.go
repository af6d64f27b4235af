package wire

import (
	"encoding/json"
	"time"

	"sluice/queue"
	"sluice/queue/history"
)

// Limits of the client API; more is refused with KindInvalid.
const (
	MaxCommand = 1 << 20  // bytes of one job's command
	MaxEnv     = 1 << 20  // bytes of one job's environment
	MaxBatch   = 10_000   // jobs of one SubmitBatch
	MaxBody    = 64 << 20 // bytes of a request's body
)

// SubmitRequest is the body of POST /v1/jobs. The daemon sets the user.
type SubmitRequest struct {
	Spec queue.Spec `json:"spec"`
}

// BatchRequest is the body of POST /v1/jobs/batch. Jobs share their environments: the specs have none.
type BatchRequest struct {
	Envs []queue.Env `json:"envs"`
	Jobs []BatchJob  `json:"jobs"`
	Stop bool        `json:"stop,omitempty"` // those after the first refused one are not tried: of them nothing is said
}

// BatchJob is one job of a batch. Env counts in BatchRequest.Envs from 0.
type BatchJob struct {
	Spec queue.Spec `json:"spec"`
	Env  int        `json:"env"`
}

// Submitted is what became of one submitted job.
type Submitted struct {
	ID      queue.ID   `json:"id,omitzero"`
	Queue   string     `json:"queue,omitempty"`
	Default bool       `json:"default,omitempty"` // the spec named no queue
	Notes   []string   `json:"notes,omitempty"`   // what of it will not be done, a line each
	Error   *ErrorBody `json:"error,omitempty"`   // in a batch; the job was not submitted
}

// MaxInput is the most bytes of an input file that the daemon keeps for a job, MaxPiece of a piece of it that a host gets.
const (
	MaxInput = 256 << 20
	MaxPiece = 1 << 20
)

// KeptInput answers POST /v1/inputs, whose body is the file.
type KeptInput struct {
	Input string `json:"input"`
}

// JobsRequest asks for jobs or arrays.
type JobsRequest struct {
	Filter  queue.Filter `json:"filter"`
	Reasons bool         `json:"reasons,omitempty"` // why jobs pend, in Job.Reason, one line each
	Env     bool         `json:"env,omitempty"`     // the environments too
}

// Action is what an ActRequest does.
type Action string

// The actions on jobs.
const (
	Kill      Action = "kill"      // with Signal; 0 ends the job
	ForceKill Action = "forcekill" // ended whatever its host says
	Stop      Action = "stop"
	Resume    Action = "resume"
	Requeue   Action = "requeue"
	Switch    Action = "switch" // to Queue
	Top       Action = "top"    // to Position from the top, 0 meaning 1
	Bottom    Action = "bottom" // likewise from the bottom
	ForceRun  Action = "run"    // on Hosts, at once; for administrators
	Modify    Action = "modify" // the Fields of its spec become those of Spec
)

// ActRequest is the body of POST /v1/jobs/act. It is for the jobs of IDs or, without any, for all unfinished jobs that
// Filter selects: those of the caller where it names no user.
type ActRequest struct {
	Action Action       `json:"action"`
	IDs    []queue.ID   `json:"ids,omitempty"`
	Filter queue.Filter `json:"filter"`
	Signal int          `json:"signal,omitempty"`
	Queue  string       `json:"queue,omitempty"`

	Position int         `json:"position,omitempty"`
	Rerun    queue.Rerun `json:"rerun,omitzero"` // of Requeue
	// Hosts are where ForceRun starts a job, in this order: on so many slots at most, 0 = as many as are free.
	Hosts  []queue.Placement `json:"hosts,omitempty"`
	Fields []Field           `json:"fields,omitempty"`
	Spec   *queue.Spec       `json:"spec,omitempty"`
}

// Field is a part of a job's spec that can be modified.
type Field string

// The parts.
const (
	FieldName       Field = "name"
	FieldCommand    Field = "command"
	FieldQueue      Field = "queue"
	FieldProject    Field = "project"
	FieldApp        Field = "app"
	FieldGroup      Field = "group"
	FieldStdin      Field = "stdin"
	FieldStdout     Field = "stdout" // and whether it is truncated
	FieldStderr     Field = "stderr" // likewise
	FieldSlots      Field = "slots"  // the least and the most
	FieldResources  Field = "resources"
	FieldHosts      Field = "hosts"
	FieldExclusive  Field = "exclusive"
	FieldAfter      Field = "after"
	FieldBeginAt    Field = "beginAt"
	FieldEndBy      Field = "endBy"
	FieldRunLimit   Field = "runLimit"
	FieldPriority   Field = "priority"
	FieldRerunnable Field = "rerunnable"

	FieldMemLimit     Field = "memLimit"
	FieldSwapLimit    Field = "swapLimit"
	FieldCPULimit     Field = "cpuLimit"
	FieldProcessLimit Field = "processLimit"
	FieldThreadLimit  Field = "threadLimit"
	FieldFileLimit    Field = "fileLimit"
	FieldDataLimit    Field = "dataLimit"
	FieldStackLimit   Field = "stackLimit"
	FieldCoreLimit    Field = "coreLimit"
	FieldNotifyBegin  Field = "notifyBegin"
	FieldNotifyEnd    Field = "notifyEnd"
	FieldMailUser     Field = "mailUser"
	FieldRequeueExit  Field = "requeueExit"
	FieldPreExec      Field = "preExec"
	FieldPostExec     Field = "postExec"
	FieldLoginShell   Field = "loginShell"
)

// Acted is what became of one job of an ActRequest.
type Acted struct {
	ID       queue.ID   `json:"id"`
	Position int        `json:"position,omitempty"` // where Top or Bottom brought it
	Error    *ErrorBody `json:"error,omitempty"`
}

// Change is the body of POST /v1/queues/{name} and /v1/hosts/{name}; nil leaves a property as it is. Hosts are never
// inactive.
type Change struct {
	Open   *bool `json:"open,omitempty"`
	Active *bool `json:"active,omitempty"`
}

// Cluster says who the daemon is.
type Cluster struct {
	Name       string    `json:"name"`
	MasterHost string    `json:"masterHost"`
	Version    string    `json:"version"`
	Admins     []string  `json:"admins"`
	User       string    `json:"user"`  // who the caller is to the daemon
	Admin      bool      `json:"admin"` // and whether an administrator
	StartedAt  time.Time `json:"startedAt"`
}

// AwaitRequest asks for a condition, of the caller's jobs where it names some. The answer, a queue.Outcome, comes when it is met or
// can be met no more, but after a minute in any case.
type AwaitRequest struct {
	Condition *queue.Condition `json:"condition"`
}

// PeekRequest asks for what a job has written so far, or what is kept of it after its end. Its answer holds at most Limit bytes from Offset on.
type PeekRequest struct {
	Stderr bool  `json:"stderr,omitempty"` // where that is a stream of its own
	Offset int64 `json:"offset,omitempty"`
	Limit  int   `json:"limit,omitempty"` // 1 to MaxPeek; 0 = MaxPeek
}

// MaxPeek is the most bytes of one answer.
const MaxPeek = 256 << 10

// Peeked is the answer.
type Peeked struct {
	Data     []byte `json:"data,omitempty"`
	Kept     int64  `json:"kept"`               // bytes of the stream so far
	Skipped  int64  `json:"skipped,omitempty"`  // of them at the beginning that are not there any more: Data begins after them
	Dropped  bool   `json:"dropped,omitempty"`  // the job wrote more than is kept
	Separate bool   `json:"separate,omitempty"` // stderr is a stream of its own
	Attempt  int    `json:"attempt"`            // of the job: another one begins anew
	Ended    bool   `json:"ended,omitempty"`    // the job has ended: there will not be more
}

// PastRequest asks for what became of jobs.
type PastRequest struct {
	Filter history.Filter `json:"filter"`
	Events bool           `json:"events,omitempty"` // what happened to each, too
}

// EventsRequest asks for what happened in a time, to jobs of all users, to hosts and to queues.
type EventsRequest struct {
	Span history.Span `json:"span"`
}

// Params are the parameters of the daemon that users may want to know.
type Params struct {
	DefaultQueues []string      `json:"defaultQueues"`
	DefaultApp    string        `json:"defaultApp,omitempty"`
	CleanPeriod   time.Duration `json:"cleanPeriod"` // ended jobs stay in bjobs
	History       time.Duration `json:"history"`     // and in bhist and bacct; 0 = there is no history
	MaxArray      int           `json:"maxArray"`    // the highest index of an array
	MaxJobs       int           `json:"maxJobs"`     // jobs and started elements in memory
	KillGrace     time.Duration `json:"killGrace"`   // between INT, TERM and KILL

	Project        string `json:"project"`              // of jobs that ask for none
	MaxPending     int    `json:"maxPending,omitempty"` // elements in all; 0 = no limit
	PreExecRetries int    `json:"preExecRetries"`       // failures in a row of a pre-execution command until a job is held
}

// ReconfigureRequest asks for the configuration files to be read anew.
type ReconfigureRequest struct {
	CheckOnly bool `json:"checkOnly,omitempty"` // nothing is put in force
}

// Reconfigured is the answer. With problems, nothing was put in force.
type Reconfigured struct {
	Applied  bool     `json:"applied"`
	Problems []string `json:"problems,omitempty"` // one line each, with file and line
	Warnings []string `json:"warnings,omitempty"` // likewise
}

// Waited is the answer of GET /v1/jobs/{id}/wait.
type Waited struct {
	Ended bool      `json:"ended"`
	Job   queue.Job `json:"job"`
}

// Line is one line of a streamed answer. The last line says End or holds an Error; without it the stream was cut.
type Line struct {
	Item  json.RawMessage `json:"item,omitempty"`
	Error *ErrorBody      `json:"error,omitempty"`
	End   bool            `json:"end,omitempty"`
}
