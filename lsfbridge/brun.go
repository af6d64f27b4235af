package lsfbridge

import (
	"errors"
	"strconv"
	"strings"

	"sluice/queue"
)

// ForcedRun is a parsed brun command line.
type ForcedRun struct {
	ID    queue.ID
	Hosts []queue.Placement // in the order named; no slots = as many as are free
}

var runGrammar = newGrammar("brun", "f b c m:", false)

// ParseForcedRun reads a brun command line. Errors are ErrVersion, *UsageError or a Refusal.
func ParseForcedRun(args []string) (*ForcedRun, error) {
	options, words, err := runGrammar.parse(args)
	if err != nil {
		return nil, err
	}
	r := &ForcedRun{}
	for _, o := range options {
		switch o.name {
		case "m":
			if r.Hosts, err = forcedHosts(o.value); err != nil {
				return nil, err
			}
		case "c":
			return nil, Refusal("-c: Option is not supported")
		}
	}
	if len(words) != 1 || len(r.Hosts) == 0 {
		return nil, &UsageError{Command: "brun"}
	}
	s, err := ParseJobSelector(words[0])
	if err != nil {
		return nil, err
	}
	r.ID = s.ID()
	if s.Ranges != nil && r.ID.Index == 0 {
		return nil, Refusal(printable(words[0]) + ": One element of a job array is forced to run at a time.")
	}
	return r, nil
}

// forcedHosts reads "host[#slots] ...".
func forcedHosts(text string) ([]queue.Placement, error) {
	var hosts []queue.Placement
	for word := range strings.FieldsSeq(text) {
		name, slots, limited := strings.Cut(word, "#")
		p := queue.Placement{Host: name}
		if limited {
			n, err := strconv.ParseUint(slots, 10, 31)
			if err != nil || n < 1 {
				return nil, Refusal(printable(word) + ": Bad number of slots.")
			}
			p.Slots = int(n)
		}
		if name == "" || isBroken(name) || len(hosts) == maxSelectors {
			return nil, Refusal(printable(word) + ": Bad host name, host group name or cluster name")
		}
		hosts = append(hosts, p)
	}
	return hosts, nil
}

// Done is the line that says that the job runs.
func (r *ForcedRun) Done() string { return "Job <" + r.ID.String() + "> is being forced to run." }

// Refused is the line that says why it does not.
func (r *ForcedRun) Refused(err error) string {
	text := Explain(err)
	if e, ok := errors.AsType[*queue.Error](err); ok {
		switch e.Code {
		case queue.WrongState:
			text = "Job has already started or is suspended"
		case queue.NoSuchHost:
			text = printable(e.Subject) + ": " + text
		}
	}
	return "Failed to run the job: " + text
}
