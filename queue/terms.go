package queue

import (
	"cmp"
	"fmt"
	"math"
	"time"
)

// Terms are what a queue, or an application, has for its jobs. What a job asks for itself goes first, then come the terms of its
// application, then those of its queue.
type Terms struct {
	Description string `json:"description,omitempty"`
	Nice        int    `json:"nice,omitempty"`

	JobSlots int `json:"jobSlots,omitempty"` // of one job at most; 0 = no limit
	LeastJob int `json:"leastJob,omitempty"` // slots of one job at least; 0 = 1
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

	Rerunnable  bool    `json:"rerunnable,omitempty"` // for all its jobs
	RequeueExit ExitSet `json:"requeueExit,omitzero"` // exit codes with which its jobs run again

	// Shell commands: one that must succeed before a job begins, one to run when it has ended, and one that runs the job's own, see
	// Around.
	PreExec    string `json:"preExec,omitempty"`
	PostExec   string `json:"postExec,omitempty"`
	JobStarter string `json:"jobStarter,omitempty"`
}

// validate says what cannot be of one queue or application; what names it.
func (t *Terms) validate(what string) error {
	for _, n := range []int{t.JobSlots, t.LeastJob, t.SlotsDefault, t.NeedDefault.MemMiB, t.NeedDefault.GPUs, t.NeedDefault.HostGPUs, t.NeedDefault.PerHost, t.MemDefault} {
		if n < 0 || n > math.MaxInt32 {
			return fmt.Errorf("configure %s: a limit is negative, or too large", what)
		}
	}
	switch {
	case t.RunLimit < 0 || t.RunDefault < 0 || !t.Limits.valid() || !t.DefaultLimits.valid():
		return fmt.Errorf("configure %s: a limit is negative, or too large", what)
	case t.JobSlots > 0 && t.LeastJob > t.JobSlots:
		return fmt.Errorf("configure %s: jobs of at least %d and at most %d slots", what, t.LeastJob, t.JobSlots)
	case t.SlotsDefault > 0 && (t.SlotsDefault < t.LeastJob || t.JobSlots > 0 && t.SlotsDefault > t.JobSlots):
		return fmt.Errorf("configure %s: %d slots by default are not from %d to %d", what, t.SlotsDefault, t.LeastJob, t.JobSlots)
	case t.RunLimit > 0 && t.RunDefault > t.RunLimit:
		return fmt.Errorf("configure %s: default run limit %v above the run limit %v", what, t.RunDefault, t.RunLimit)
	case t.Limits.Exceeded(&t.DefaultLimits) != "":
		return fmt.Errorf("configure %s: default %s above the limit", what, t.Limits.Exceeded(&t.DefaultLimits))
	case max(len(t.PreExec), len(t.PostExec), len(t.JobStarter)) > maxNameBytes:
		return fmt.Errorf("configure %s: a command of more than %d bytes", what, maxNameBytes)
	}
	return nil
}

// suits checks a job against the terms of what is named so.
func (t *Terms) suits(spec *Spec, what, name string) error {
	switch {
	case t.JobSlots > 0 && spec.MinSlots > t.JobSlots:
		return &Error{
			KindInvalid, TooManySlots, name,
			fmt.Sprintf("%d slots requested, jobs of %s %q get at most %d", spec.MinSlots, what, name, t.JobSlots),
		}
	case t.LeastJob > 0 && spec.MaxSlots < t.LeastJob:
		return &Error{
			KindInvalid, TooFewSlots, name,
			fmt.Sprintf("%d slots requested, jobs of %s %q need at least %d", spec.MaxSlots, what, name, t.LeastJob),
		}
	case t.RunLimit > 0 && spec.RunLimit > t.RunLimit:
		return &Error{
			KindInvalid, RunLimitTooLarge, name,
			fmt.Sprintf("run limit %v is above the %v of %s %q", spec.RunLimit, t.RunLimit, what, name),
		}
	}
	if limit := t.Limits.Exceeded(&spec.Limits); limit != "" {
		return &Error{KindInvalid, LimitTooLarge, limit, fmt.Sprintf("%s is above that of %s %q", limit, what, name)}
	}
	return nil
}

// fill gives a job what is there for those that do not say, but for its slots. Limits are no part of it: those in force are looked up
// when a job starts.
func (t *Terms) fill(spec *Spec) {
	need, slots := &t.NeedDefault, max(spec.MinSlots, 1)
	spec.Need.MemMiB = cmp.Or(spec.Need.MemMiB, need.MemMiB, (t.MemDefault+slots-1)/slots)
	if !spec.Need.WantsGPUs() {
		spec.Need.GPUs, spec.Need.HostGPUs = need.GPUs, need.HostGPUs
	}
	if !spec.Need.OneHost && spec.Need.PerHost == 0 && spec.MaxSlots > 1 {
		spec.Need.OneHost, spec.Need.PerHost = need.OneHost, need.PerHost
	}
}

// Around is what a host runs beside a job's own command.
type Around struct {
	Pre  []string // shell commands, in order: each must succeed before the next one, and the job, begins
	Post []string // to run one after the other when the job has ended
	// Starter is a shell command that runs the job's: that comes in place of StarterCommand, or at its end. "" = none.
	Starter string
	Nice    int // added to the nice value of the job's processes
}

// StarterCommand stands for a job's own command in Around.Starter.
const StarterCommand = "%USRCMD"

// given are the texts that are not empty.
func given(texts ...string) (some []string) {
	for _, text := range texts {
		if text != "" {
			some = append(some, text)
		}
	}
	return some
}
