package lsfbridge

import (
	"slices"

	"sluice/queue"
)

// JobForm is the form in which bjobs prints.
type JobForm uint8

// The forms of bjobs.
const (
	FormTable  JobForm = iota // columns, cut
	FormWide                  // -w: columns, nothing cut
	FormLong                  // -l: paragraphs
	FormArrays                // -A: one line for each array
	FormFields                // -o: chosen fields
	FormJSON                  // -o with -json
)

// JobQuery is a parsed bjobs command line.
type JobQuery struct {
	Form      JobForm
	Wide      bool // -w together with -A
	Pending   bool // -p: the columns of pending jobs, with reasons
	Suspended bool // -s: reasons after suspended jobs
	NoHeader  bool
	// Unformatted is -UF: long, with lines that are not broken.
	Unformatted bool
	ShortHost   bool // 3*host instead of the host three times
	Fields      []Field
	Delimiter   string // between fields; "" = columns

	Selectors []JobSelector
	Mine      bool // only the caller's jobs
	Filter    queue.Filter
	// Indices are the elements of a -J name[indices]; nil = all.
	Indices []queue.Range
	none    string
}

var jobsGrammar = newGrammar("bjobs", "a A d l p r s w X UF noheader json u: q: m: J: P: g: app: o: N:", false)

// Unfinished are the states of jobs that have not ended: those that bjobs shows and bkill 0 kills.
var Unfinished = []queue.State{
	queue.Pending, queue.HeldPending, queue.Running, queue.UserSuspended, queue.SysSuspended,
	queue.Unknown, queue.Zombie,
}

// statesOf are the states that each option shows, and what bjobs says when there is no such job.
var statesOf = []struct {
	option, none string
	states       []queue.State
}{
	{"r", "No running job found", []queue.State{queue.Running, queue.Unknown, queue.Zombie}},
	{"p", "No pending job found", []queue.State{queue.Pending, queue.HeldPending}},
	{"s", "No suspended job found", []queue.State{queue.UserSuspended, queue.SysSuspended}},
	{"d", "No DONE/EXIT job found", []queue.State{queue.Done, queue.Exited}},
}

// ParseJobQuery reads a bjobs command line; shortHosts is LSB_SHORT_HOSTLIST=1. Errors are ErrVersion, *UsageError or a
// Refusal. With job ids the options of states do not select, as in LSF.
func ParseJobQuery(args []string, shortHosts bool) (*JobQuery, error) {
	options, words, err := jobsGrammar.parse(args)
	if err != nil {
		return nil, err
	}
	q := &JobQuery{ShortHost: shortHosts, Mine: true}
	set := func(name string) bool {
		return slices.ContainsFunc(options, func(o given) bool { return o.name == name })
	}
	if q.Selectors, _, err = parseSelectors(words); err != nil {
		return nil, err
	}
	for _, o := range options {
		if err := q.filter(o); err != nil {
			return nil, err
		}
	}
	if err := q.setForm(set); err != nil {
		return nil, err
	}
	q.NoHeader = set("noheader")
	if len(q.Selectors) > 0 {
		q.Mine = false
		q.Filter.States = nil
		q.Pending = q.Pending && q.Form == FormLong
		return q, nil
	}
	q.states(set)
	return q, nil
}

func (q *JobQuery) filter(o given) (err error) {
	switch o.name {
	case "u":
		q.Mine, q.Filter.User = false, o.value
		if o.value == "all" {
			q.Filter.User = ""
		}
	case "q":
		q.Filter.Queue = o.value
	case "m":
		q.Filter.Host = o.value
	case "P":
		q.Filter.Project = o.value
	case "app":
		q.Filter.App = o.value
	case "g":
		q.Filter.Group, err = filterGroup(o.value)
	case "J":
		q.Filter.Name, q.Indices, err = parseNameFilter(o.value)
	case "N":
		return Refusal("-N: Option is not supported")
	case "o":
		q.Fields, q.Delimiter, err = ParseFields(o.value)
	}
	return err
}

func (q *JobQuery) setForm(present func(string) bool) error {
	usage := &UsageError{Command: "bjobs"}
	q.Unformatted = present("UF")
	set := func(option string) bool { return present(option) || option == "l" && q.Unformatted }
	switch {
	case set("json") && q.Fields == nil, q.Fields != nil && (set("l") || set("A")), set("w") && set("l"):
		return usage
	case set("json"):
		q.Form = FormJSON
	case q.Fields != nil:
		q.Form = FormFields
	case set("A"):
		q.Form, q.Wide = FormArrays, set("w") || set("l")
	case set("l"):
		q.Form = FormLong
	case set("w"), set("X"):
		q.Form = FormWide
	}
	columns := q.Form == FormTable || q.Form == FormWide
	q.Pending = set("p") && (columns || q.Form == FormLong)
	q.Suspended = set("s") && columns
	return nil
}

func (q *JobQuery) states(set func(string) bool) {
	q.none = "No unfinished job found"
	asked := 0
	for _, s := range statesOf {
		if set(s.option) {
			asked++
			q.none = s.none
			q.Filter.States = append(q.Filter.States, s.states...)
		}
	}
	switch {
	case set("a"):
		q.none, q.Filter.States = "No job found", nil
	case asked == 0:
		q.Filter.States = slices.Clone(Unfinished)
	case asked > 1:
		q.none = "No unfinished job found"
	}
	if asked != 1 || !set("p") || set("a") {
		// The columns of -p have no place for the other jobs' hosts.
		q.Pending = q.Pending && q.Form == FormLong
	}
}

// NoneFound is what bjobs says on standard error, with exit code 254, when it has nothing to show.
func (q *JobQuery) NoneFound() string {
	switch {
	case q.Form == FormArrays:
		return "Job array is not found"
	case q.Filter.Name != "":
		return "Job <" + printable(FormatJobName(q.Filter.Name, q.array())) + "> is not found"
	case q.Filter.Queue != "":
		return q.none + " in queue <" + printable(q.Filter.Queue) + ">"
	case q.Filter.App != "":
		return q.none + " in application profile <" + printable(q.Filter.App) + ">"
	case q.Filter.Host != "":
		return q.none + " on host/group <" + printable(q.Filter.Host) + ">"
	default:
		return q.none
	}
}

func (q *JobQuery) array() *queue.Array {
	if q.Indices == nil {
		return nil
	}
	return &queue.Array{Ranges: q.Indices}
}

// Matches reports whether a job of the answer is one that the query asks for. The answer of the batch system may hold more
// where the query names some elements of an array.
func (q *JobQuery) Matches(id queue.ID) bool {
	if q.Indices != nil && !hasIndex(q.Indices, id.Index) {
		return false
	}
	if len(q.Selectors) == 0 {
		return true
	}
	return slices.ContainsFunc(q.Selectors, func(s JobSelector) bool { return s.Matches(id) })
}
