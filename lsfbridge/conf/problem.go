package conf

import (
	"fmt"
	"strings"
)

// Problem is what is wrong at one place.
type Problem struct {
	File string
	Line int // from 1; 0 = the file as a whole
	Text string
}

// String is "lsb.queues:12: …".
func (p Problem) String() string {
	if p.Line == 0 {
		return p.File + ": " + p.Text
	}
	return fmt.Sprintf("%s:%d: %s", p.File, p.Line, p.Text)
}

// Problems is the error of Parse: all that has to be put right, at least one.
type Problems []Problem

var _ error = Problems(nil)

// Error is the first one in a line, with how many more there are.
func (p Problems) Error() string {
	if len(p) == 1 {
		return p[0].String()
	}
	return fmt.Sprintf("%s (and %d more)", p[0], len(p)-1)
}

// maxProblems bounds the warnings, and the problems, of one Parse.
const maxProblems = 1000

// report collects problems and warnings.
type report struct {
	problems Problems
	warnings []Problem
}

func (r *report) refuse(at place, format string, args ...any) {
	if len(r.problems) < maxProblems {
		r.problems = append(r.problems, Problem{at.file, at.line, fmt.Sprintf(format, args...)})
	}
}

func (r *report) warn(at place, format string, args ...any) {
	switch {
	case len(r.warnings) < maxProblems:
		r.warnings = append(r.warnings, Problem{at.file, at.line, fmt.Sprintf(format, args...)})
	case len(r.warnings) == maxProblems:
		r.warnings = append(r.warnings, Problem{at.file, at.line, "more warnings are not listed"})
	}
}

// place is a line of a file.
type place struct {
	file string
	line int
}

// show is a value as messages quote it: short, and without control characters.
func show(text string) string {
	const most = 60
	text = strings.Map(func(r rune) rune {
		if isControl(r) {
			return '?'
		}
		return r
	}, text)
	if len(text) > most {
		text = strings.ToValidUTF8(text[:most], "") + "…"
	}
	return text
}

func isControl(r rune) bool { return r < ' ' || r == 0x7f }
