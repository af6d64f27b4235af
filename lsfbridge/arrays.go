package lsfbridge

import (
	"fmt"
	"strconv"
	"strings"

	"sluice/queue"
)

const arrayHeader = "JOBID    ARRAY_SPEC  OWNER   NJOBS PEND DONE  RUN EXIT SSUSP USUSP PSUSP\n"

// ArrayLine is one line of bjobs -A.
type ArrayLine struct {
	Job         int64
	Spec, Owner string
	Jobs        int
	// Count has the states of the columns: PEND DONE RUN EXIT SSUSP USUSP PSUSP.
	Count [7]int
}

// arrayColumns are the states of the columns, with those that are counted there, and their widths.
var arrayColumns = [7]struct {
	states []queue.State
	width  int
}{
	{[]queue.State{queue.Pending}, 4},
	{[]queue.State{queue.Done}, 4},
	{[]queue.State{queue.Running, queue.Unknown, queue.Zombie}, 4},
	{[]queue.State{queue.Exited}, 4},
	{[]queue.State{queue.SysSuspended}, 5},
	{[]queue.State{queue.UserSuspended}, 5},
	{[]queue.State{queue.HeldPending}, 5},
}

// ArrayLineOf gives the facts that bjobs -A shows of an array.
func ArrayLineOf(a *queue.ArrayCounts) ArrayLine {
	l := ArrayLine{Job: a.ID.Job, Spec: printable(FormatJobName(a.Spec.Name, a.Spec.Array)), Owner: orDash(a.Spec.User)}
	for i, c := range arrayColumns {
		for _, s := range c.states {
			l.Count[i] += a.Count[s]
		}
		l.Jobs += l.Count[i]
	}
	return l
}

// AppendTo appends the line; whole does not cut the spec and the owner.
func (l *ArrayLine) AppendTo(b []byte, whole bool) []byte {
	start := len(b)
	b = strconv.AppendInt(b, l.Job, 10)
	b = append(pad(b, 8-(len(b)-start)), ' ')
	if whole {
		b = wide(wide(b, l.Spec, 8), l.Owner, 8)
	} else {
		b = column(column(b, l.Spec, 8), l.Owner, 8)
	}
	b = fmt.Appendf(b, "%7d", l.Jobs)
	for i, n := range l.Count {
		b = fmt.Appendf(b, " %*d", arrayColumns[i].width, n)
	}
	return append(b, '\n')
}

// PrintArrays is what bjobs -A prints, header and lines.
func PrintArrays(lines []ArrayLine, whole bool) []byte {
	b := []byte(arrayHeader)
	for i := range lines {
		b = lines[i].AppendTo(b, whole)
	}
	return b
}

// ParseArrays reads what bjobs -A prints.
func ParseArrays(text string) ([]ArrayLine, error) {
	var lines []ArrayLine
	for line := range strings.Lines(text) {
		if line == arrayHeader {
			continue
		}
		l, err := parseArrayLine(strings.TrimSuffix(line, "\n"))
		if err != nil {
			return nil, fmt.Errorf("parse bjobs -A line %q: %w", line, err)
		}
		lines = append(lines, l)
	}
	return lines, nil
}

// parseArrayLine takes the numbers from the right, because a spec may hold blanks.
func parseArrayLine(line string) (l ArrayLine, err error) {
	rest := line
	for i := len(l.Count); i >= 0; i-- {
		at := strings.LastIndexByte(rest, ' ')
		if at < 0 {
			return l, fmt.Errorf("no number at %q", rest)
		}
		n, err := strconv.Atoi(rest[at+1:])
		if err != nil || n < 0 {
			return l, fmt.Errorf("no number at %q", rest[at+1:])
		}
		rest = strings.TrimRight(rest[:at], " ")
		if i > 0 {
			l.Count[i-1] = n
		} else {
			l.Jobs = n
		}
	}
	at := strings.LastIndexByte(rest, ' ')
	r := &columnReader{rest: rest}
	number := r.word(8)
	if l.Job, err = strconv.ParseInt(number, 10, 64); err != nil || l.Job < 0 || r.err != nil || at < 9 {
		return l, fmt.Errorf("no job id and array at %q", line)
	}
	l.Owner = rest[at+1:]
	l.Spec = strings.TrimRight(rest[len(rest)-len(r.rest):max(at, len(rest)-len(r.rest))], " ")
	return l, nil
}
