package lsfbridge

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"sluice/queue"
)

// maxTableBytes is the most output of one command that the parsers take.
const maxTableBytes = 1 << 30

// ParseJobTable reads what bjobs prints in columns (FormTable, also of -p and -s, or FormWide). LSF's columns have no
// year: each time is the newest that is not more than a day after now, in now's location.
func ParseJobTable(text string, form JobForm, now time.Time) ([]JobLine, error) {
	if len(text) > maxTableBytes {
		return nil, fmt.Errorf("parse bjobs output: more than %d bytes", maxTableBytes)
	}
	parse := parseCutLine
	if form == FormWide {
		parse = parseWideLine
	}
	var lines []JobLine
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(line, "\n")
		switch {
		case line+"\n" == tableHeader:
		case line+"\n" == pendingHeader:
			parse = parsePendingLine
		case strings.HasPrefix(line, " ") || line == "":
			if len(lines) == 0 {
				return nil, fmt.Errorf("parse bjobs line %q: it belongs to no job", line)
			}
			below(&lines[len(lines)-1], line)
		default:
			l, err := parse(line, now)
			if err != nil {
				return nil, fmt.Errorf("parse bjobs line %q: %w", line, err)
			}
			lines = append(lines, l)
		}
	}
	return lines, nil
}

// below adds a line that stands below a job: a further host or a reason.
func below(l *JobLine, line string) {
	if len(line) > hostColumn && strings.TrimSpace(line[:hostColumn]) == "" {
		l.Hosts = append(l.Hosts, line[hostColumn:])
		return
	}
	l.Reasons = append(l.Reasons, strings.TrimPrefix(line, " "))
}

// columnReader takes columns off the left of a line; after a failure err stays.
type columnReader struct {
	rest string
	err  error
}

// column takes a column of fixed width and the blank after it.
func (r *columnReader) column(width int) string {
	if r.err != nil {
		return ""
	}
	if len(r.rest) < width+1 || r.rest[width] != ' ' {
		r.err = fmt.Errorf("no column of %d bytes at %q", width, r.rest)
		return ""
	}
	field := r.rest[:width]
	r.rest = r.rest[width+1:]
	return field
}

// word takes a word, and the blanks that fill it up to width, and the blank after it.
func (r *columnReader) word(width int) string {
	word, _, _ := strings.Cut(r.rest, " ")
	if word == "" && r.err == nil {
		r.err = fmt.Errorf("no word at %q", r.rest)
	}
	return strings.TrimRight(r.column(max(width, len(word))), " ")
}

func (r *columnReader) job() int64 {
	digits := r.word(7)
	n, err := strconv.ParseInt(digits, 10, 64)
	if r.err == nil && (err != nil || n < 0 || digits[0] == '+') {
		r.err = fmt.Errorf("no job id at %q", digits)
	}
	return n
}

func (r *columnReader) state(name string) queue.State {
	s, err := queue.ParseState(strings.TrimRight(name, " "))
	if r.err == nil {
		r.err = err
	}
	return s
}

func (r *columnReader) time(text string, now time.Time) time.Time {
	if r.err != nil {
		return time.Time{}
	}
	t, err := nearTime(tableTime, text, now)
	r.err = err
	return t
}

func parseCutLine(line string, now time.Time) (JobLine, error) {
	r := &columnReader{rest: line}
	l := JobLine{
		Job: r.job(), User: trimmed(r.column(7)), State: r.state(r.column(5)), Queue: trimmed(r.column(10)),
		FromHost: trimmed(r.column(11)), Hosts: hostField(r.column(11), ""), Name: trimmed(r.column(10)),
	}
	l.SubmittedAt = r.time(r.rest, now)
	return l, r.err
}

func parsePendingLine(line string, now time.Time) (JobLine, error) {
	r := &columnReader{rest: line}
	l := JobLine{
		Job: r.job(), User: trimmed(r.column(7)), State: r.state(r.column(5)), Queue: trimmed(r.column(11)),
		FromHost: trimmed(r.column(14)), Name: trimmed(r.column(18)),
	}
	l.SubmittedAt = r.time(r.rest, now)
	return l, r.err
}

func parseWideLine(line string, now time.Time) (JobLine, error) {
	r := &columnReader{rest: line}
	l := JobLine{Job: r.job(), User: r.word(7), State: r.state(r.word(5)), Queue: r.word(10), FromHost: r.word(11)}
	if strings.HasPrefix(r.rest, noHost) {
		r.column(11)
	} else {
		l.Hosts = hostField(r.word(11), ":")
	}
	at := len(r.rest) - timeWidth - 1
	if r.err == nil && (at < 10 || r.rest[at] != ' ') {
		return l, fmt.Errorf("no name and time at %q", r.rest)
	}
	if r.err != nil {
		return l, r.err
	}
	l.Name = r.rest[:at]
	if at == 10 {
		l.Name = trimmed(l.Name)
	}
	l.SubmittedAt = r.time(r.rest[at+1:], now)
	return l, r.err
}

func trimmed(s string) string { return strings.TrimRight(s, " ") }

func hostField(field, separator string) []string {
	switch field = trimmed(field); {
	case field == "" || field == noHost:
		return nil
	case separator == "":
		return []string{field}
	default:
		return strings.Split(field, separator)
	}
}
