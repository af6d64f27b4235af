package lsfbridge

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"sluice/queue"
	"sluice/queue/history"
)

const (
	pastTitle  = "Summary of time in seconds spent in various states:\n"
	pastHeader = pastTitle + "JOBID   USER    JOB_NAME  PEND    PSUSP   RUN     USUSP   SSUSP   UNKWN   TOTAL\n"

	// NoPast is what bhist says on standard output, with exit code 255, when it has nothing to show.
	NoPast = "No matching job found"
)

// PastLine holds the facts of a job in bhist; times are in seconds.
type PastLine struct {
	ID         queue.ID
	User, Name string
	Spent      Seconds
}

// Seconds are the times that bhist shows: PEND, PSUSP, RUN, USUSP, SSUSP, UNKWN and TOTAL.
type Seconds [7]int64

// PastQuery is a parsed bhist command line.
type PastQuery struct {
	Long, Brief, Wide bool

	Selectors []JobSelector
	Mine      bool // only the caller's jobs
	Filter    history.Filter
	Indices   []queue.Range // of -J name[indices]; nil = all

	// Chronicle asks for all that happened in Span, to whomever; zero = in the last week.
	Chronicle bool
	Span      history.Span
}

var pastGrammar = newGrammar("bhist", "l b w a d e p r s f: n: C: S: D: N: P: q: m: J: u: t T: cname UF", false)

// ParsePastQuery reads a bhist command line. Errors are ErrVersion, *UsageError or a Refusal.
func ParsePastQuery(args []string, now time.Time) (*PastQuery, error) {
	options, words, err := pastGrammar.parse(args)
	if err != nil {
		return nil, err
	}
	q := &PastQuery{Mine: true}
	all := false
	for _, o := range options {
		if o.name == "a" {
			all = true
		} else if err := q.option(o, now); err != nil {
			return nil, err
		}
	}
	if q.Selectors, _, err = parseSelectors(words); err != nil {
		return nil, err
	}
	if q.Long && q.Wide {
		return nil, &UsageError{Command: "bhist"}
	}
	if err := q.checkChronicle(options); err != nil {
		return nil, err
	}
	switch {
	case all:
		q.Filter.States = nil
	case q.Filter.States == nil && len(q.Selectors) == 0 && q.Filter.Ended == (history.Span{}):
		q.Filter.States = slices.Clone(Unfinished)
	}
	if len(q.Selectors) > 0 {
		q.Mine, q.Filter.IDs = false, idsOfSelectors(q.Selectors)
	}
	return q, nil
}

func idsOfSelectors(selectors []JobSelector) []queue.ID {
	var ids []queue.ID
	for _, s := range selectors {
		if id := s.ID(); !slices.Contains(ids, id) {
			ids = append(ids, id)
		}
	}
	return ids
}

func (q *PastQuery) option(o given, now time.Time) (err error) {
	f := &q.Filter
	for _, s := range statesOf {
		if s.option == o.name {
			f.States = append(f.States, s.states...)
			return nil
		}
	}
	switch o.name {
	case "l":
		q.Long = true
	case "b":
		q.Long, q.Brief = true, true
	case "w":
		q.Wide = true
	case "t":
		q.Chronicle = true
	case "T":
		q.Span, err = parseSpan(o.value, now)
	case "n": // how many old log files to look into: there is one history, which is looked into as a whole
	case "e":
		f.States = append(f.States, queue.Exited)
	case "C":
		f.Ended, err = parseSpan(o.value, now)
	case "S":
		f.Submitted, err = parseSpan(o.value, now)
	case "D":
		f.Dispatched, err = parseSpan(o.value, now)
	case "P":
		f.Projects = []string{o.value}
	case "q":
		f.Queues = []string{o.value}
	case "m":
		f.Hosts = []string{o.value}
	case "J":
		f.Name, q.Indices, err = parseNameFilter(o.value)
	case "u":
		q.Mine, f.Users = false, nil
		if o.value != "all" {
			f.Users = []string{o.value}
		}
	default:
		return Refusal("-" + o.name + ": Option is not supported")
	}
	return err
}

// Matches reports whether a job of the answer is one that the query asks for: it may hold more elements of an array.
func (q *PastQuery) Matches(id queue.ID) bool {
	if q.Indices != nil && !hasIndex(q.Indices, id.Index) {
		return false
	}
	return len(q.Selectors) == 0 || slices.ContainsFunc(q.Selectors, func(s JobSelector) bool { return s.Matches(id) })
}

func secondsOf(s history.Spent) Seconds {
	var out Seconds
	for i, d := range []time.Duration{s.Pend, s.PSusp, s.Run, s.USusp, s.SSusp, s.Unknw} {
		out[i] = int64(d / time.Second)
		out[6] += out[i]
	}
	return out
}

// PastLineOf gives the facts that bhist shows of a job at now.
func PastLineOf(r *history.Record, now time.Time) PastLine {
	return PastLine{
		ID: r.ID, User: orDash(r.Spec.User), Name: ShownName(&queue.Job{ID: r.ID, Spec: r.Spec}), Spent: secondsOf(r.Until(now)),
	}
}

// PastHeader is what bhist prints first.
func PastHeader() string { return pastHeader }

// AppendTo appends the line of a job.
func (l *PastLine) AppendTo(b []byte, whole bool) []byte {
	id, user, name := l.ID.String(), l.User, l.Name
	if !whole {
		id, user, name = cut(id, 7), cut(user, 7), tail(name, 9, 7)
	}
	b = wide(wide(wide(b, id, 7), user, 7), name, 9)
	for _, n := range l.Spent[:6] {
		b = fmt.Appendf(b, "%-7d ", n)
	}
	return fmt.Appendf(b, "%-10d\n", l.Spent[6])
}

// ParsePastTable reads what bhist and bhist -w print. Names and users come back as they were cut.
func ParsePastTable(text string) ([]PastLine, error) {
	rest, ok := strings.CutPrefix(text, pastHeader)
	if !ok {
		return nil, fmt.Errorf("parse bhist output: want its header, not %q", cut(text, 80))
	}
	var lines []PastLine
	for line := range strings.Lines(rest) {
		line = strings.TrimRight(line, " \n")
		if line == "" {
			continue
		}
		l, err := parsePastLine(line)
		if err != nil {
			return nil, fmt.Errorf("parse bhist line %q: %w", line, err)
		}
		lines = append(lines, l)
	}
	return lines, nil
}

// parsePastLine takes the numbers from the right and the ids from the left: what is between is the name.
func parsePastLine(line string) (l PastLine, err error) {
	for i := range l.Spent {
		at := strings.LastIndexByte(line, ' ')
		if at < 0 {
			return l, fmt.Errorf("want %d numbers", len(l.Spent))
		}
		if l.Spent[len(l.Spent)-1-i], err = strconv.ParseInt(line[at+1:], 10, 64); err != nil {
			return l, err
		}
		line = strings.TrimRight(line[:at], " ")
	}
	id, rest, _ := strings.Cut(line, " ")
	if job, _, isElement := strings.Cut(id, "["); isElement && !strings.HasSuffix(id, "]") {
		id = job + rest[max(strings.LastIndexByte(rest, '['), 0):] // the index was cut off, but is in the name, too
	}
	if l.ID, err = queue.ParseID(id); err != nil {
		return l, err
	}
	if pad := 7 - len(id); pad > 0 {
		rest = strings.TrimLeft(rest, " ")
	}
	l.User, rest, _ = strings.Cut(rest, " ")
	if pad := 7 - len(l.User); pad > 0 && len(rest) >= pad {
		rest = rest[pad:]
	}
	l.Name = rest
	return l, nil
}
