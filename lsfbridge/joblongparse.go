package lsfbridge

import (
	"fmt"
	"regexp"
	"strings"
	"sync"
	"time"

	"sluice/queue"
)

// ParseLongJobs reads what bjobs -l prints. Where LSF dropped a blank at the beginning of a continuation line inside a
// name or a command, it is lost; everything else comes back. Times are near now, as for ParseJobTable. Load thresholds are
// not kept.
func ParseLongJobs(text string, now time.Time) ([]LongJob, error) {
	if len(text) > maxTableBytes {
		return nil, fmt.Errorf("parse bjobs -l output: more than %d bytes", maxTableBytes)
	}
	var jobs []LongJob
	for part := range strings.SplitSeq(text, LongRule) {
		l, err := parseLongJob(part, now)
		if err != nil {
			return nil, fmt.Errorf("parse bjobs -l output: job %d: %w", len(jobs)+1, err)
		}
		jobs = append(jobs, l)
	}
	return jobs, nil
}

func parseLongJob(text string, now time.Time) (l LongJob, err error) {
	paragraphs := unwrap(text)
	if len(paragraphs) < 2 {
		return l, fmt.Errorf("no job in %q", text)
	}
	if err := l.parseHead(paragraphs[0]); err != nil {
		return l, err
	}
	for _, p := range paragraphs[1:] {
		switch {
		case p == schedulingTitle:
			return l, nil
		case p == " PENDING REASONS:" || p == " SUSPENDING REASONS:":
			l.Below = strings.Trim(p, " :")
		case p == memoryTitle:
		case strings.HasPrefix(p, " MAX MEM: "):
			l.Memory = p[1:]
		case strings.HasPrefix(p, " ") && l.Below != "":
			l.Reasons = append(l.Reasons, p[1:])
		case strings.HasPrefix(p, usageMark):
			if len(l.Events) == 0 {
				return l, fmt.Errorf("usage %q belongs to no event", p)
			}
			last := &l.Events[len(l.Events)-1]
			last.Usage = append(last.Usage, p[len(usageMark):])
		case strings.HasPrefix(p, " "):
			l.Limits = append(l.Limits, p[1:])
		case p != "":
			if err := l.parseEvent(p, now); err != nil {
				return l, err
			}
		}
	}
	return l, nil
}

// usageMark stands before the lines below "Resource usage collected.", which are not continuations.
const usageMark = " \x00"

// unwrap joins continuation lines and drops leading empty ones.
func unwrap(text string) []string {
	var paragraphs []string
	indent := strings.Repeat(" ", longIndent)
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(line, "\n")
		rest, continued := strings.CutPrefix(line, indent)
		switch {
		case continued && len(paragraphs) > 0:
			last := paragraphs[len(paragraphs)-1]
			if strings.HasSuffix(last, ": "+usageText) || strings.HasPrefix(last, usageMark) {
				paragraphs = append(paragraphs, usageMark+rest)
				continue
			}
			paragraphs[len(paragraphs)-1] = last + rest
		case line != "" || len(paragraphs) > 0:
			paragraphs = append(paragraphs, line)
		}
	}
	return paragraphs
}

// longReader reads a paragraph whose blanks may have been lost at line ends.
type longReader struct {
	rest string
	err  error
}

// prefix gives the length of literal at the start of s, where each of its blanks may be missing; -1 where it is not there.
func prefix(s, literal string) int {
	at := 0
	for i := range len(literal) {
		switch {
		case at < len(s) && s[at] == literal[i]:
			at++
		case literal[i] != ' ':
			return -1
		}
	}
	return at
}

func (r *longReader) has(literal string) bool {
	n := prefix(r.rest, literal)
	if r.err != nil || n < 0 {
		return false
	}
	r.rest = r.rest[n:]
	return true
}

func (r *longReader) expect(literal string) {
	if !r.has(literal) && r.err == nil {
		r.err = fmt.Errorf("no %q at %q", literal, r.rest)
	}
}

// until takes everything before literal, and literal. A backslash hides the character after it.
func (r *longReader) until(literal string) string {
	for i := 0; i < len(r.rest) && r.err == nil; i++ {
		if r.rest[i] == '\\' {
			i++
			continue
		}
		if n := prefix(r.rest[i:], literal); n >= 0 {
			taken := r.rest[:i]
			r.rest = r.rest[i+n:]
			return taken
		}
	}
	if r.err == nil {
		r.err = fmt.Errorf("no %q in %q", literal, r.rest)
	}
	return ""
}

func (l *LongJob) parseHead(p string) error {
	r := &longReader{rest: p}
	if !r.has("Job Id <") { // OpenLava 4
		r.expect("Job <")
	}
	id := r.until(">, ")
	if r.has("Job Name <") {
		l.Name = angleUnescaper.Replace(r.until(">, User <"))
	} else {
		r.expect("User <")
	}
	l.User = r.until(">, Project <")
	owned := r.until(">, Status <")
	if r.err == nil {
		owned, l.Mail = cutClause(owned, ">, Mail <")
		owned, l.Group = cutClause(owned, groupTitleLong)
		owned, l.App = cutClause(owned, appTitleLong)
		l.App = angleUnescaper.Replace(l.App)
	}
	l.Project = angleUnescaper.Replace(owned)
	state := r.until(">, Queue <")
	l.Queue = r.until(">, Command <")
	if r.err != nil {
		return r.err
	}
	command, ok := strings.CutSuffix(r.rest, ">")
	if !ok {
		return fmt.Errorf("no end of the command in %q", p)
	}
	l.Command = command
	var err error
	if l.ID, err = queue.ParseID(id); err != nil {
		return err
	}
	l.State, err = queue.ParseState(state)
	return err
}

// cutClause cuts text at a title that may be in it.
func cutClause(text, title string) (before, after string) {
	r := &longReader{rest: text}
	if before := r.until(title); r.err == nil {
		return before, r.rest
	}
	return text, ""
}

func (l *LongJob) parseEvent(p string, now time.Time) error {
	if len(p) < len(longTime)+1 || p[len(longTime)] != ':' {
		return fmt.Errorf("no time at %q", p)
	}
	at, err := nearTime(longTime, p[:len(longTime)], now)
	if err != nil {
		return err
	}
	text := strings.TrimPrefix(p[len(longTime)+1:], " ")
	if n := prefix(text, "Submitted from host "); n >= 0 && l.Submitted == nil {
		l.SubmittedAt = at
		l.Submitted = clauses(strings.TrimSuffix(text[n:], ";"))
		return nil
	}
	l.Events = append(l.Events, LongEvent{At: at, Text: text})
	return nil
}

// clauseWords begin the clauses after the host.
var clauseWords = []string{
	"Specified Start Time <", "Specified Termination Time <", "CWD <", "Input File <", "Input File (Spooled) <", "Output File <",
	"Output File (overwrite) <", "Error File <", "Error File (overwrite) <", "Exclusive Execution", "Re-runnable", "Requeue Exit Values <",
	"Requested Resources <", "Dependency Condition <", "User Priority <", "Specified Hosts <", "Login Shell <",
	"Pre-execute Command <", "Post-execute Command <", "Interactive mode", "Interactive pseudo-terminal mode",
	"Interactive pseudo-terminal shell mode", "Notify when ", "Job Priority <", "Restart", "Checkpoint ", "Copy Files ",
}

var clauseStart = sync.OnceValue(func() *regexp.Regexp {
	alternatives := []string{`[0-9]+(?:-[0-9]+)? ?Processors ?Requested`}
	for _, words := range clauseWords {
		alternatives = append(alternatives, strings.ReplaceAll(regexp.QuoteMeta(words), " ", " ?"))
	}
	return regexp.MustCompile(`, ?(` + strings.Join(alternatives, "|") + `)`)
})

// clauses splits the paragraph of the submission and puts lost blanks of its own words back.
func clauses(text string) []string {
	var found []string
	start := 0
	for _, at := range clauseStart().FindAllStringSubmatchIndex(text, -1) {
		found = append(found, withBlanks(text[start:at[0]]))
		start = at[2]
	}
	return append(found, withBlanks(text[start:]))
}

func withBlanks(clause string) string {
	for _, words := range clauseWords {
		if n := prefix(clause, words); n >= 0 {
			return words + clause[n:]
		}
	}
	if number, ok := strings.CutSuffix(strings.ReplaceAll(clause, " ", ""), "ProcessorsRequested"); ok {
		return number + " Processors Requested"
	}
	if host, ok := strings.CutSuffix(clause, ">with hold"); ok {
		return host + "> with hold"
	}
	return clause
}
