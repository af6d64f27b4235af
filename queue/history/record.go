package history

import (
	"slices"
	"time"

	"sluice/queue"
)

// Spent is the time that a job spent in states.
type Spent struct {
	Pend  time.Duration `json:"pend,omitempty"`
	PSusp time.Duration `json:"psusp,omitempty"`
	Run   time.Duration `json:"run,omitempty"`
	USusp time.Duration `json:"ususp,omitempty"`
	SSusp time.Duration `json:"ssusp,omitempty"`
	Unknw time.Duration `json:"unknw,omitempty"`
}

// Total is the time in all states.
func (s Spent) Total() time.Duration {
	return s.Pend + s.PSusp + s.Run + s.USusp + s.SSusp + s.Unknw
}

func (s *Spent) add(state queue.State, d time.Duration) {
	d = max(d, 0)
	switch state {
	case queue.Pending:
		s.Pend += d
	case queue.HeldPending:
		s.PSusp += d
	case queue.Running:
		s.Run += d
	case queue.UserSuspended:
		s.USusp += d
	case queue.SysSuspended:
		s.SSusp += d
	case queue.Unknown, queue.Zombie:
		s.Unknw += d
	}
}

// Happening is one thing that happened: to a job, whose newest spec it has, to a host or to a queue.
type Happening struct {
	queue.Event
	Spec *queue.Spec `json:"spec,omitempty"` // without environment
}

// Record is what became of a job, or of an element of an array, so far.
type Record struct {
	ID   queue.ID    `json:"id"`
	Spec *queue.Spec `json:"spec,omitempty"` // without environment; its queue is the newest one

	State       queue.State `json:"state"`
	Since       time.Time   `json:"since"` // it is in State; Spent is the time before
	Spent       Spent       `json:"spent"`
	SubmittedAt time.Time   `json:"submittedAt"`
	StartedAt   time.Time   `json:"startedAt,omitzero"` // of the newest attempt
	EndedAt     time.Time   `json:"endedAt,omitzero"`

	Attempt   int               `json:"attempt,omitempty"`
	Placement []queue.Placement `json:"placement,omitempty"`
	PID       int               `json:"pid,omitempty"`
	ExitCode  int               `json:"exitCode,omitempty"`
	Usage     queue.Usage       `json:"usage,omitzero"`
	Reason    string            `json:"reason,omitempty"`
	Stopped   bool              `json:"stopped,omitempty"` // by a user, also while its host is away

	Elements int `json:"elements"` // that the record stands for: 1, or those of an array without a record of their own
}

// Past is what became of a job, with what happened to it where that was asked for.
type Past struct {
	Record
	// Events are in order, JobSubmitted first, which has the queue that the job was submitted to in QueueName and no spec.
	Events []queue.Event `json:"events,omitempty"`
}

// NewRecord begins the record of a submitted job; e is its JobSubmitted. For an array it stands for all elements.
func NewRecord(e *queue.Event) *Record {
	r := &Record{ID: e.Job, Spec: e.Spec, State: queue.Pending, Since: e.At, SubmittedAt: e.At, Elements: 1}
	if e.Spec.Hold {
		r.State = queue.HeldPending
	}
	if e.Spec.Array != nil {
		r.Elements = e.Spec.Array.Len()
	}
	return r
}

// Element begins the record of an element that r stood for until now, and does no longer.
func (r *Record) Element(index int) *Record {
	r.Elements--
	one := *r
	one.ID.Index, one.Elements = index, 1
	return &one
}

// BulkStates are the states of the elements that an event of an array's own number is about; nil for one that says nothing of
// states.
func BulkStates(kind queue.EventKind) []queue.State {
	switch kind {
	case queue.JobFinished:
		return []queue.State{queue.Pending, queue.HeldPending}
	case queue.JobStopped:
		return []queue.State{queue.Pending}
	case queue.JobResumed:
		return []queue.State{queue.HeldPending}
	case queue.JobRequeued:
		return []queue.State{queue.Done, queue.Exited}
	}
	return nil
}

// Concerns reports whether an event is about the record, in the state that it is in.
func (r *Record) Concerns(e *queue.Event) bool {
	if e.Job.Job != r.ID.Job {
		return false
	}
	bulk := r.Spec != nil && r.Spec.Array != nil && e.Job.Index == 0
	if states := BulkStates(e.Kind); bulk && states != nil {
		return slices.Contains(states, r.State)
	}
	return bulk || e.Job.Index == r.ID.Index
}

// Apply takes an event that concerns the record. JobSubmitted says nothing new.
func (r *Record) Apply(e *queue.Event) {
	switch e.Kind {
	case queue.JobStarted:
		r.turn(queue.Running, e.At)
		r.StartedAt, r.EndedAt, r.Attempt, r.Placement = e.At, time.Time{}, e.Attempt, e.Placement
		r.PID, r.ExitCode, r.Usage, r.Reason, r.Stopped = 0, 0, queue.Usage{}, "", false
	case queue.JobExecuting:
		r.PID = e.PID
	case queue.JobStopped:
		if r.State == queue.Pending {
			r.turn(queue.HeldPending, e.At)
			break
		}
		r.Stopped = true
		r.turn(queue.UserSuspended, e.At)
	case queue.JobResumed:
		if r.State == queue.HeldPending {
			r.turn(queue.Pending, e.At)
			break
		}
		r.Stopped = false
		r.turn(queue.Running, e.At)
	case queue.JobKillAsked:
		if r.State == queue.Unknown && (e.Signal == 0 || e.Signal == sigKill) {
			r.turn(queue.Zombie, e.At)
		}
	case queue.JobUnknown:
		r.turn(queue.Unknown, e.At)
	case queue.JobFound:
		r.turn(queue.Running, e.At)
		if r.Stopped {
			r.State = queue.UserSuspended
		}
	case queue.JobRequeued:
		r.turn(queue.Pending, e.At)
		r.EndedAt, r.PID, r.ExitCode, r.Reason, r.Stopped = time.Time{}, 0, 0, e.Reason, false
	case queue.JobFinished:
		r.finish(e)
	case queue.JobModified:
		if e.Spec != nil {
			r.Spec = e.Spec
		}
	case queue.JobQueueMoved:
		if r.Spec != nil {
			spec := *r.Spec
			spec.Queue = e.QueueName
			r.Spec = &spec
		}
	}
}

const sigKill = 9

func (r *Record) finish(e *queue.Event) {
	at := e.At
	if !e.EndedAt.IsZero() {
		at = e.EndedAt
	}
	to := queue.Exited
	if r.State.Placed() && e.ExitCode == 0 && e.Reason == "" {
		to = queue.Done
	}
	r.turn(to, at)
	r.EndedAt, r.ExitCode, r.Usage, r.Reason = at, e.ExitCode, e.Usage, e.Reason
}

func (r *Record) turn(to queue.State, at time.Time) {
	r.Spent.add(r.State, at.Sub(r.Since))
	r.State, r.Since = to, at
}

// Until is the time in states up to now.
func (r *Record) Until(now time.Time) Spent {
	s := r.Spent
	s.add(r.State, now.Sub(r.Since))
	return s
}

// Wait is the time from the submission to the newest start or, of a job that never started, to its end.
func (r *Record) Wait() time.Duration {
	if r.StartedAt.IsZero() {
		return max(r.EndedAt.Sub(r.SubmittedAt), 0)
	}
	return r.StartedAt.Sub(r.SubmittedAt)
}

// Turnaround is the time from the submission to the end.
func (r *Record) Turnaround() time.Duration { return max(r.EndedAt.Sub(r.SubmittedAt), 0) }

// Slots are those of the newest attempt, 0 without one.
func (r *Record) Slots() int {
	n := 0
	for _, p := range r.Placement {
		n += p.Slots
	}
	return n
}
