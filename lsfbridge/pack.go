package lsfbridge

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"sluice/queue"
)

// maxPackLine is the most bytes of one line of a job pack: a command with its options.
const maxPackLine = 2 * maxCommandBytes

// PackFile is the file that a bsub command line names with -pack; ok is false where there is no such option. Beside it no other
// option and no command may stand: the error is then a Refusal.
func PackFile(args []string) (path string, ok bool, err error) {
	options, words, err := submitGrammar.parse(args)
	if err != nil || !slices.ContainsFunc(options, func(o given) bool { return o.name == "pack" }) {
		return "", false, nil // what is wrong with it, the parse as a single job says
	}
	if len(options) > 1 || len(words) > 0 {
		return "", true, notSubmitted("-pack: No other option and no command may be given")
	}
	return options[0].value, true, nil
}

// Pack reads a job pack (bsub -pack): each line is a bsub command line without the word bsub, quoted as in a shell; empty lines and those
// that begin with # say nothing.
type Pack struct {
	lines *bufio.Scanner
	place SubmitPlace
	line  int
}

// NewPack makes a Pack; where bsub was called is the same for all its jobs.
func NewPack(r io.Reader, place SubmitPlace) *Pack {
	place.Script, place.shared = nil, queue.NewEnv(place.Environ)
	lines := bufio.NewScanner(r)
	lines.Buffer(make([]byte, 64<<10), maxPackLine)
	return &Pack{lines: lines, place: place}
}

// Line is the number of the line that Next read last, from 1.
func (p *Pack) Line() int { return p.line }

// Next is the next job; after the last one the error is io.EOF. A Refusal is about its line only, whatever else it is ends the pack.
func (p *Pack) Next() (*Submission, error) {
	for p.lines.Scan() {
		p.line++
		text := strings.TrimSpace(p.lines.Text())
		if text == "" || text[0] == '#' {
			continue
		}
		return p.submission(splitWords(text))
	}
	switch err := p.lines.Err(); {
	case errors.Is(err, bufio.ErrTooLong):
		p.line++
		return nil, fmt.Errorf("a line of more than %d bytes", maxPackLine)
	case err != nil:
		return nil, fmt.Errorf("read job pack: %w", err)
	}
	return nil, io.EOF
}

func (p *Pack) submission(words []string) (*Submission, error) {
	s, err := ParseSubmission(words, p.place)
	usage, isUsage := errors.AsType[*UsageError](err)
	switch {
	case errors.Is(err, ErrVersion), isUsage && usage.Text == "":
		return nil, notSubmitted("-h, -V: Option is not supported in a job pack")
	case isUsage:
		return nil, notSubmitted(usage.Text)
	case err != nil:
		return nil, err
	case s.Wait:
		return nil, notSubmitted("-K: Option is not supported in a job pack")
	case s.Spec.Interactive != "":
		return nil, notSubmitted("-" + string(s.Spec.Interactive) + ": Option is not supported in a job pack")
	}
	return s, nil
}

// PackRefused says why the job of a line was not submitted.
func PackRefused(line int, text string) string { return fmt.Sprintf("Line %d: %s", line, text) }
