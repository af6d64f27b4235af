package queue

import (
	"encoding/json"
	"strings"
	"time"
	"unicode/utf8"
	"unique"
)

// Spec is a job as its submitter asked for it. It is immutable once submitted; all elements of an array share one.
type Spec struct {
	Name    string `json:"name,omitempty"` // without the index list; "" = shown as the command
	Command string `json:"command"`        // a shell script
	Queue   string `json:"queue,omitempty"`
	App     string `json:"app,omitempty"` // its application; "" = none
	User    string `json:"user"`
	Project string `json:"project,omitempty"`
	Array   *Array `json:"array,omitempty"`
	Group   string `json:"group,omitempty"` // path of its job group, which is made if it is not there; "" = none

	SubmitHost string `json:"submitHost,omitempty"`
	Cwd        string `json:"cwd,omitempty"` // absolute
	Env        Env    `json:"env"`
	Umask      int    `json:"umask,omitempty"`

	Stdin, Stdout, Stderr string `json:",omitempty"` // paths, %J and %I not yet expanded; "" = none
	// Input names the copy of Stdin that was made for the job, which is read in its place; "" = there is none. See Queue.Inputs.
	Input          string `json:"input,omitempty"`
	TruncateStdout bool   `json:"truncateStdout,omitempty"`
	TruncateStderr bool   `json:"truncateStderr,omitempty"`

	MinSlots int  `json:"minSlots"` // ≥ 1
	MaxSlots int  `json:"maxSlots"` // ≥ MinSlots
	Need     Need `json:"need"`
	// ResReq is Need in the submitter's words, to be shown; "" = there are none.
	ResReq string `json:"resReq,omitempty"`

	After       *Condition    `json:"after,omitempty"`       // dependency; nil = none
	BeginAt     time.Time     `json:"beginAt,omitzero"`      // not before; zero = at once
	EndBy       time.Time     `json:"endBy,omitzero"`        // ended at; zero = never
	RunLimit    time.Duration `json:"runLimit,omitempty"`    // 0 = the queue's
	Limits      Limits        `json:"limits,omitzero"`       //
	PreExec     string        `json:"preExec,omitempty"`     // a shell command that must succeed before the job begins
	PostExec    string        `json:"postExec,omitempty"`    // one to run when it has ended
	LoginShell  string        `json:"loginShell,omitempty"`  // that makes its environment; an absolute path
	Interactive Interactive   `json:"interactive,omitempty"` // it speaks with its submitter; no arrays
	Priority    int           `json:"priority,omitempty"`    // within the queue, higher first
	Hold        bool          `json:"hold,omitempty"`        // submitted as PSUSP
	Rerunnable  bool          `json:"rerunnable,omitempty"`  // run again when its host is lost
	// NotRerunnable says that it is not, whatever its application and queue say.
	NotRerunnable bool   `json:"notRerunnable,omitempty"`
	EndOrphan     bool   `json:"endOrphan,omitempty"`   // ended while it pends when After can be met no more
	NotifyBegin   bool   `json:"notifyBegin,omitempty"` // tell when it begins,
	NotifyEnd     bool   `json:"notifyEnd,omitempty"`   // and when it ends,
	MailUser      string `json:"mailUser,omitempty"`    // this user or address; "" = its submitter
	// RequeueExit are the exit codes with which it runs again; empty = those of its application, or else of its queue.
	RequeueExit ExitSet `json:"requeueExit,omitzero"`
}

// Interactive is how a job speaks with the client that submitted it, in LSF's options.
type Interactive string

// The ways. A job that is not interactive has none.
const (
	InteractivePipes    Interactive = "I"
	InteractiveTerminal Interactive = "Ip" // a pseudo-terminal
	InteractiveShell    Interactive = "Is" // likewise
)

// Need is what each slot of a job needs beyond the slot itself. It is comparable: equal needs form one class.
type Need struct {
	MemMiB   int `json:"memMiB,omitempty"`   // 0 = the slot's share
	GPUs     int `json:"gpus,omitempty"`     // per slot
	HostGPUs int `json:"hostGPUs,omitempty"` // on each of its hosts, whatever its slots there; not with GPUs
	// Hosts are names of hosts, or of the machines that they are on, with or without their domains, separated by commas: those that are
	// allowed or, with a ~ before each, that are not. Of several lists, with blanks between, each must allow a host. "" = any.
	Hosts     string `json:"hosts,omitempty"`
	OneHost   bool   `json:"oneHost,omitempty"`   // all slots on one host
	PerHost   int    `json:"perHost,omitempty"`   // so many slots on each host, the rest on the last; 0 = as it comes
	Exclusive bool   `json:"exclusive,omitempty"` // no other job on its hosts
	// Rerunnable says that the job runs again when its host is lost, so that it may run on a revocable one. The queue sets it.
	Rerunnable bool `json:"rerunnable,omitempty"`
	// Profile is that of its queue; see QueueSpec.Profile. The queue sets it.
	Profile string `json:"profile,omitempty"`
	// HostLimit is the most slots that jobs of its queue may hold on one host; 0 = no limit. The queue sets it.
	HostLimit int `json:"hostLimit,omitempty"`
}

// GPUsFor is how many GPUs a job needs on a host where it has so many slots.
func (n *Need) GPUsFor(slots int) int {
	if slots < 1 {
		return 0
	}
	return n.HostGPUs + slots*n.GPUs
}

// WantsGPUs says whether it needs any.
func (n *Need) WantsGPUs() bool { return n.GPUs > 0 || n.HostGPUs > 0 }

// Array is the index set of a job array and the limit of its elements that run at once.
type Array struct {
	Ranges []Range `json:"ranges"`          // sorted, not overlapping
	Limit  int     `json:"limit,omitempty"` // 0 = none
}

// Range is the indices First, First+Step, … up to Last, all ≥ 1.
type Range struct {
	First, Last, Step int
}

// Len is the number of elements.
func (a *Array) Len() int {
	n := 0
	for _, r := range a.Ranges {
		n += (r.Last-r.First)/r.Step + 1
	}
	return n
}

// Env is an environment, "NAME=value" each. Equal environments share their memory, because users submit many jobs from one
// shell. The zero Env is empty.
type Env struct {
	joined unique.Handle[string]
}

// NewEnv copies variables. A variable that holds a NUL byte ends there, as it would in exec(3).
func NewEnv(variables []string) Env {
	if len(variables) == 0 {
		return Env{}
	}
	clean := make([]string, len(variables))
	for i, v := range variables {
		clean[i], _, _ = strings.Cut(v, "\x00")
	}
	return Env{unique.Make(strings.Join(clean, "\x00"))}
}

// Strings is the environment as a fresh slice.
func (e Env) Strings() []string {
	if e == (Env{}) {
		return nil
	}
	return strings.Split(e.joined.Value(), "\x00")
}

// MarshalJSON writes an array of strings or, because an environment may hold any bytes but JSON only UTF-8, where that is
// needed {"base64": …} of the variables with NUL bytes between.
func (e Env) MarshalJSON() ([]byte, error) {
	if e != (Env{}) && !utf8.ValidString(e.joined.Value()) {
		return json.Marshal(encodedEnv{Base64: []byte(e.joined.Value())})
	}
	return json.Marshal(e.Strings())
}

type encodedEnv struct {
	Base64 []byte `json:"base64"`
}

// UnmarshalJSON reads what MarshalJSON wrote.
func (e *Env) UnmarshalJSON(data []byte) error {
	if len(data) > 0 && data[0] == '{' {
		var encoded encodedEnv
		if err := json.Unmarshal(data, &encoded); err != nil {
			return err
		}
		*e = NewEnv(strings.Split(string(encoded.Base64), "\x00"))
		return nil
	}
	var variables []string
	if err := json.Unmarshal(data, &variables); err != nil {
		return err
	}
	*e = NewEnv(variables)
	return nil
}

// Condition is a dependency expression (LSF's bsub -w) as a tree.
type Condition struct {
	Op   ConditionOp  `json:"op"`
	Args []*Condition `json:"args,omitempty"` // of And, Or (≥ 2) and Not (1)

	// Of the job tests. Job is the number of a job or element, or zero for all jobs of the submitter named Name, which may
	// end in "*".
	Job  ID     `json:"job,omitzero"`
	Name string `json:"name,omitempty"`

	// Of the counting tests on arrays (numdone(…) >= 5) and exit(job, >= 3): how to compare and with what. Compare is "" for
	// a plain test.
	Compare string `json:"compare,omitempty"` // == != < <= > >= ; "*" = all elements
	Value   int    `json:"value,omitempty"`

	// Each makes each element of the submitted array wait for the element of the same index, as in done(arr[*]); with a Name,
	// for those of the newest array of that name.
	Each bool `json:"each,omitempty"`
}

// ConditionOp is an operator or a test of a dependency expression, in LSF's words.
type ConditionOp string

// The operators and tests.
const (
	OpAnd      ConditionOp = "&&"
	OpOr       ConditionOp = "||"
	OpNot      ConditionOp = "!"
	OpDone     ConditionOp = "done"
	OpExit     ConditionOp = "exit"
	OpEnded    ConditionOp = "ended"
	OpStarted  ConditionOp = "started"
	OpNumDone  ConditionOp = "numdone"
	OpNumEnded ConditionOp = "numended"
	OpNumExit  ConditionOp = "numexit"
	OpNumRun   ConditionOp = "numrun"
	OpNumPend  ConditionOp = "numpend"
	OpNumStart ConditionOp = "numstart"
)
