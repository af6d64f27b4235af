package lsfbridge

import (
	"errors"
	"fmt"

	"sluice/queue"
)

// PeekQuery is a parsed bpeek command line.
type PeekQuery struct {
	Follow bool
	ID     queue.ID // zero = the newest unfinished job of the caller that Filter selects
	Filter queue.Filter
}

// What bpeek says before the output of each stream.
const (
	PeekStdout = "<< output from stdout >>"
	PeekStderr = "<< output from stderr >>"
)

var peekGrammar = newGrammar("bpeek", "f m: q: J:", false)

// ParsePeekQuery reads a bpeek command line. Errors are ErrVersion, *UsageError or a Refusal.
func ParsePeekQuery(args []string) (*PeekQuery, error) {
	options, words, err := peekGrammar.parse(args)
	if err != nil {
		return nil, err
	}
	q := &PeekQuery{}
	for _, o := range options {
		switch o.name {
		case "f":
			q.Follow = true
		case "m":
			q.Filter.Host = o.value
		case "q":
			q.Filter.Queue = o.value
		case "J":
			var ranges []queue.Range
			if q.Filter.Name, ranges, err = parseNameFilter(o.value); err != nil {
				return nil, err
			}
			if ranges != nil {
				return nil, Refusal(printable(o.value) + ": Name an element by its job id, as in 12[3]")
			}
		}
	}
	if len(words) > 1 {
		return nil, &UsageError{Command: "bpeek"}
	}
	if len(words) == 1 {
		selector, err := ParseJobSelector(words[0])
		if err != nil {
			return nil, err
		}
		q.ID = selector.ID()
		if selector.Ranges != nil && q.ID.Index == 0 {
			return nil, Refusal(printable(words[0]) + ": Name one element")
		}
	}
	return q, nil
}

// NoneFound is what bpeek says where it finds no job.
func (q *PeekQuery) NoneFound() string {
	if q.Filter.Name != "" {
		return "Job <" + printable(q.Filter.Name) + "> is not found"
	}
	return "No unfinished job found"
}

// Refused is the line that says why a job's output is not shown.
func (q *PeekQuery) Refused(id queue.ID, err error) string {
	switch e, _ := errors.AsType[*queue.Error](err); {
	case e != nil && e.Code == queue.NoSuchJob:
		return fmt.Sprintf("Job <%v> is not found", id)
	case e != nil && e.Code == queue.WrongState:
		return fmt.Sprintf("Job <%v> : Not yet started.", id)
	}
	return fmt.Sprintf("Job <%v>: %s", id, Explain(err))
}
