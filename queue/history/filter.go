package history

import (
	"slices"
	"strings"
	"time"

	"sluice/queue"
)

// Span is a span of time, ends included. A zero end is open.
type Span struct {
	From time.Time `json:"from,omitzero"`
	To   time.Time `json:"to,omitzero"`
}

// Has reports whether a time lies in the span. The zero time lies only in the span that is open at both ends.
func (s Span) Has(t time.Time) bool {
	if s == (Span{}) {
		return true
	}
	return !t.IsZero() && !t.Before(s.From) && (s.To.IsZero() || !t.After(s.To))
}

// Filter selects records. Zero fields select all; of lists, one that fits is enough.
type Filter struct {
	IDs      []queue.ID    `json:"ids,omitempty"` // an array's number selects all its elements
	Users    []string      `json:"users,omitempty"`
	Queues   []string      `json:"queues,omitempty"`
	Projects []string      `json:"projects,omitempty"`
	Hosts    []string      `json:"hosts,omitempty"` // of the newest attempt
	Name     string        `json:"name,omitempty"`  // a trailing * matches any rest
	States   []queue.State `json:"states,omitempty"`

	Submitted  Span `json:"submitted,omitzero"`
	Dispatched Span `json:"dispatched,omitzero"`
	Ended      Span `json:"ended,omitzero"`
}

// Job reports whether records of a job may be selected, by what all its elements have in common.
func (f *Filter) Job(number int64, spec *queue.Spec, submitted time.Time) bool {
	return (f.IDs == nil || slices.ContainsFunc(f.IDs, func(id queue.ID) bool { return id.Job == number })) &&
		among(f.Users, spec.User) && among(f.Queues, spec.Queue) && among(f.Projects, project(spec)) && f.named(spec) &&
		f.Submitted.Has(submitted)
}

// Record reports whether a record is selected, of a job that Job let pass.
func (f *Filter) Record(r *Record) bool {
	if f.IDs != nil && !slices.ContainsFunc(f.IDs, func(id queue.ID) bool {
		return id == r.ID || id.Index == 0 && id.Job == r.ID.Job
	}) {
		return false
	}
	return (f.States == nil || slices.Contains(f.States, r.State)) && f.Dispatched.Has(r.StartedAt) && f.Ended.Has(r.EndedAt) &&
		(f.Hosts == nil || slices.ContainsFunc(r.Placement, func(p queue.Placement) bool { return slices.Contains(f.Hosts, p.Host) }))
}

func among(list []string, one string) bool { return list == nil || slices.Contains(list, one) }

// project is the project that LSF gives a job which names none.
func project(spec *queue.Spec) string {
	if spec.Project == "" {
		return "default"
	}
	return spec.Project
}

func (f *Filter) named(spec *queue.Spec) bool {
	name := spec.Name
	if name == "" {
		name = spec.Command
	}
	if prefix, ok := strings.CutSuffix(f.Name, "*"); ok {
		return strings.HasPrefix(name, prefix)
	}
	return f.Name == "" || f.Name == name
}
