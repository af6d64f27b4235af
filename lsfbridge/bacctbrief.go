package lsfbridge

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"sluice/queue"
	"sluice/queue/history"
)

// AccountLine holds the facts of one job in bacct -b.
type AccountLine struct {
	User        string
	Queue       string
	SubmittedAt time.Time
	CPU         float64 // seconds, to a tenth
	Wait        int     // seconds
	Turnaround  int     // seconds
	From        string
	On          []string // hosts; nil = it never ran
	Name        string
}

// AccountColumns is the line above those of bacct -b.
const AccountColumns = "U/UID   QUEUE      SUBMIT_TIME     CPU_T    WAIT  TURNAROUND FROM        EXEC_ON     JOB_NAME\n"

// AccountLineOf gives the facts that bacct -b shows of a job. Times are in location.
func AccountLineOf(r *history.Record, location *time.Location) AccountLine {
	job := queue.Job{ID: r.ID, Spec: r.Spec, State: r.State, Placement: r.Placement}
	return AccountLine{
		User: orDash(r.Spec.User), Queue: orDash(r.Spec.Queue), SubmittedAt: r.SubmittedAt.In(location),
		CPU: math.Round(r.Usage.CPU.Seconds()*10) / 10, Wait: int(r.Wait().Seconds()), Turnaround: int(r.Turnaround().Seconds()),
		From: orDash(r.Spec.SubmitHost), On: shownHosts(&job, true), Name: ShownName(&job),
	}
}

// AppendTo appends the line; with whole (bacct -w) nothing of it is cut.
func (l *AccountLine) AppendTo(b []byte, whole bool) []byte {
	on := orDash(strings.Join(l.On, ":"))
	field := column
	if whole {
		field = wide
	}
	b = field(b, l.User, 7)
	b = field(b, l.Queue, 10)
	b = append(l.SubmittedAt.AppendFormat(b, tableTime), ' ')
	b = fmt.Appendf(b, "%8.1f %7d %11d ", l.CPU, l.Wait, l.Turnaround)
	b = field(b, l.From, 11)
	b = field(b, on, 11)
	return append(append(b, l.Name...), '\n')
}

// ParseAccountLines reads the lines that bacct -w prints of jobs, with the one above them. Times are near now, as for ParseJobTable.
func ParseAccountLines(text string, now time.Time) ([]AccountLine, error) {
	rest, ok := strings.CutPrefix(text, AccountColumns)
	if !ok || len(text) > maxTableBytes {
		return nil, fmt.Errorf("parse bacct lines: not a table of jobs, or more than %d bytes", maxTableBytes)
	}
	var lines []AccountLine
	for line := range strings.Lines(rest) {
		l, err := parseAccountLine(strings.TrimSuffix(line, "\n"), now)
		if err != nil {
			return nil, fmt.Errorf("parse bacct line %d: %w", len(lines)+2, err)
		}
		lines = append(lines, l)
	}
	return lines, nil
}

func parseAccountLine(line string, now time.Time) (AccountLine, error) {
	r := &columnReader{rest: line}
	l := AccountLine{User: r.word(7), Queue: r.word(10), SubmittedAt: r.time(r.column(timeWidth), now)}
	cpu, err := strconv.ParseFloat(r.number(), 64)
	l.CPU = cpu
	if r.err == nil && (err != nil || math.IsInf(cpu, 0) || math.IsNaN(cpu)) {
		r.err = fmt.Errorf("no time at %q", r.rest)
	}
	for _, to := range []*int{&l.Wait, &l.Turnaround} {
		n, err := strconv.Atoi(r.number())
		if r.err == nil && err != nil {
			r.err = err
		}
		*to = n
	}
	l.From = r.word(11)
	if on := r.word(11); on != "-" {
		l.On = hostField(on, ":")
	}
	l.Name = r.rest
	return l, r.err
}

// number takes a word that is filled up on its left, and the blank after it.
func (r *columnReader) number() string {
	r.rest = strings.TrimLeft(r.rest, " ")
	return r.word(0)
}
