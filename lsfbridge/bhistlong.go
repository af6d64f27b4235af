package lsfbridge

import (
	"fmt"
	"path"
	"strconv"
	"strings"
	"time"

	"sluice/queue"
	"sluice/queue/history"
)

// LongPast holds the facts of a job in bhist -l.
type LongPast struct {
	ID      queue.ID
	Name    string // with [index] for an element; "" = none
	User    string
	Project string
	App     string // its application; "" = none
	Group   string // its job group; "" = none
	Command string
	Events  []LongEvent
	Limits  []string  // lines of the block of limits below the first event
	At      time.Time // of the sums
	Spent   Seconds
}

const pastColumns = "  PEND     PSUSP    RUN      USUSP    SSUSP    UNKWN    TOTAL\n"

// LongPastOf gives the facts that bhist -l shows of a job at now, or fewer of its submission with brief. Times are shown in
// now's location.
func LongPastOf(p *history.Past, brief bool, now time.Time) LongPast {
	spec := p.Spec
	l := LongPast{
		ID: p.ID, User: spec.User, Project: orDefault(spec.Project), App: printable(spec.App), Group: printable(spec.Group), Command: ShownCommand(spec.Command), At: now, Limits: limitLines(spec),
		Spent: secondsOf(p.Until(now)),
	}
	if spec.Name != "" || spec.Array != nil {
		l.Name = ShownName(&queue.Job{ID: p.ID, Spec: spec})
	}
	placed := false
	for i := range p.Events {
		e := &p.Events[i]
		for _, text := range pastTexts(e, spec, placed, brief) {
			l.Events = append(l.Events, LongEvent{At: e.At.In(now.Location()), Text: text})
		}
		switch e.Kind {
		case queue.JobStarted:
			placed = true
		case queue.JobFinished, queue.JobRequeued:
			placed = false
		}
	}
	if p.State.Final() {
		l.At = p.EndedAt.In(now.Location())
	}
	return l
}

// pastTexts are the paragraphs that an event makes; placed says that the job held slots when it came.
func pastTexts(e *queue.Event, spec *queue.Spec, placed, brief bool) []string {
	text := ""
	switch e.Kind {
	case queue.JobSubmitted:
		text = submittedText(spec, e.QueueName, brief)
	case queue.JobStarted:
		text = "Dispatched to " + dispatchedHosts(e.Placement) + ";"
	case queue.JobExecuting:
		pid := strconv.Itoa(e.PID)
		cwd := ""
		if spec.Cwd != "" {
			cwd = "Execution CWD <" + printable(path.Clean(spec.Cwd)) + ">, "
		}
		return []string{"Starting (Pid " + pid + ");", "Running with " + cwd + "Execution Pid <" + pid + ">;"}
	case queue.JobStopped:
		if text = "Suspended by the user or administrator;"; !placed {
			text = "Suspended by the user or administrator while pending;"
		}
	case queue.JobResumed:
		if text = "Running;"; !placed {
			text = "Pending: Waiting for scheduling after resumed by user;"
		}
	case queue.JobFound:
		text = "Running;"
	case queue.JobUnknown:
		text = "Unknown; unable to reach the execution host;"
	case queue.JobKillAsked:
		text = "Signal <" + signalAsked(e) + "> requested by user or administrator;"
	case queue.JobRequeued:
		if text = "Pending: Job has been requeued;"; !e.NotBefore.IsZero() {
			text = "Pending: " + printable(e.Reason) + ";"
		} else if strings.HasPrefix(e.Reason, "Requeued job ") {
			text = "Pending: " + printable(e.Reason)
		}
	case queue.JobQueueMoved:
		text = "Switched to Queue <" + printable(e.QueueName) + "> by user or administrator;"
	case queue.JobModified:
		text = "Parameters of Job are changed;"
	case queue.JobReprioritised:
		text = "Job moved in its queue by user or administrator;"
	case queue.JobFinished:
		return finishedTexts(e, placed)
	}
	if text == "" {
		return nil
	}
	return []string{text}
}

func submittedText(spec *queue.Spec, queueName string, brief bool) string {
	clauses := submittedClauses(spec)
	shown := []string{clauses[0], "to Queue <" + printable(queueName) + ">"}
	for _, c := range clauses[1:] {
		if !brief || strings.HasPrefix(c, "Specified Start Time") || strings.HasPrefix(c, "Specified Termination Time") {
			shown = append(shown, c)
		}
	}
	return "Submitted from host " + strings.Join(shown, ", ") + ";"
}

func dispatchedHosts(placement []queue.Placement) string {
	job := queue.Job{Placement: placement, State: queue.Running, Spec: &queue.Spec{}}
	hosts := shownHosts(&job, false)
	where := "<" + strings.Join(hosts, "> <") + ">"
	if len(hosts) > 1 {
		return strconv.Itoa(len(hosts)) + " Hosts/Processors " + where
	}
	return where
}

// signalAsked is the signal that a job's host was asked for, in bhist's words.
func signalAsked(e *queue.Event) string {
	switch {
	case strings.HasPrefix(e.Reason, "requeued, "):
		return "REQUEUE_PSUSP"
	case strings.HasPrefix(e.Reason, "requeued"):
		return "REQUEUE_PEND"
	case e.Signal == 0:
		return "KILL"
	case e.Signal <= len(signalNames):
		return signalNames[e.Signal-1]
	}
	return strconv.Itoa(e.Signal)
}

func finishedTexts(e *queue.Event, placed bool) []string {
	cpu := fmt.Sprintf("The CPU time used is %.1f seconds;", e.Usage.CPU.Seconds())
	reason := strings.Join(reasonLines(e.Reason), " ")
	text := "Exited;"
	switch {
	case placed && e.ExitCode == 0 && reason == "":
		text = "Done successfully. " + cpu
	case placed && e.ExitCode != 0:
		text = fmt.Sprintf("Exited with exit code %d. %s", e.ExitCode, cpu)
	case placed:
		text = "Exited. " + cpu
	}
	if reason == "" {
		return []string{text}
	}
	return []string{text, "Completed <exit>; " + reason}
}

// AppendTo appends the paragraphs of the job, without the rule between jobs.
func (l *LongPast) AppendTo(b []byte) []byte {
	head := "Job <" + l.ID.String() + ">, "
	if l.Name != "" {
		head += "Job Name <" + escapeAngles(l.Name) + ">, "
	}
	head += "User <" + printable(l.User) + ">, Project <" + escapeAngles(l.Project) + ownedBy(l.App, l.Group) + ">, Command <" + l.Command + ">"
	b = appendWrapped(append(b, '\n'), head)
	for i := range l.Events {
		b = l.Events[i].appendTo(b, appendWrapped)
		if i == 0 {
			b = appendLimits(b, l.Limits)
		}
	}
	b = fmt.Appendf(b, "\n%s  %s\n%s  ", strings.TrimSuffix(pastTitle, ":\n")+" by", l.At.Format(longTime), pastColumns)
	for _, n := range l.Spent[:6] {
		b = fmt.Appendf(b, "%-8d ", n)
	}
	return fmt.Appendf(b, "%-12d\n", l.Spent[6])
}

// ParseLongPasts reads what bhist -l prints, as ParseLongJobs reads bjobs -l.
func ParseLongPasts(text string, now time.Time) ([]LongPast, error) {
	if len(text) > maxTableBytes {
		return nil, fmt.Errorf("parse bhist -l output: more than %d bytes", maxTableBytes)
	}
	var pasts []LongPast
	for part := range strings.SplitSeq(text, LongRule) {
		l, err := parseLongPast(part, now)
		if err != nil {
			return nil, fmt.Errorf("parse bhist -l output: job %d: %w", len(pasts)+1, err)
		}
		pasts = append(pasts, l)
	}
	return pasts, nil
}

func parseLongPast(text string, now time.Time) (l LongPast, err error) {
	paragraphs := unwrap(text)
	if len(paragraphs) < 2 {
		return l, fmt.Errorf("no job in %q", text)
	}
	if err := l.parseHead(paragraphs[0]); err != nil {
		return l, err
	}
	sums := false
	for _, p := range paragraphs[1:] {
		at, isSum := strings.CutPrefix(p, strings.TrimSuffix(pastTitle, ":\n")+" by  ")
		switch {
		case p == "" || p+"\n" == pastColumns:
		case isSum:
			if l.At, err = nearTime(longTime, at, now); err != nil {
				return l, err
			}
			sums = true
		case sums:
			return l, l.Spent.parse(p)
		case p[0] == ' ':
			l.Limits = append(l.Limits, p[1:])
		case len(p) < len(longTime)+2:
			return l, fmt.Errorf("paragraph %q is no event", p)
		default:
			e := LongEvent{Text: strings.TrimPrefix(p[len(longTime)+1:], " ")}
			if e.At, err = nearTime(longTime, p[:len(longTime)], now); err != nil {
				return l, err
			}
			l.Events = append(l.Events, e)
		}
	}
	return l, fmt.Errorf("job %v has no sums", l.ID)
}

func (s *Seconds) parse(line string) (err error) {
	f := strings.Fields(line)
	if len(f) != len(s) {
		return fmt.Errorf("%d sums, want %d", len(f), len(s))
	}
	for i := range f {
		if s[i], err = strconv.ParseInt(f[i], 10, 64); err != nil {
			return err
		}
	}
	return nil
}

func (l *LongPast) parseHead(p string) error {
	r := longReader{rest: p}
	r.expect("Job <")
	id := r.until(">, ")
	if r.has("Job Name <") {
		l.Name = angleUnescaper.Replace(r.until(">, User <"))
	} else {
		r.expect("User <")
	}
	l.User = r.until(">, Project <")
	owned := r.until(">, Command <")
	if r.err == nil {
		owned, l.Group = cutClause(owned, groupTitleLong)
		owned, l.App = cutClause(owned, appTitleLong)
		l.App = angleUnescaper.Replace(l.App)
	}
	l.Project = angleUnescaper.Replace(owned)
	if r.err != nil {
		return r.err
	}
	l.Command = strings.TrimSuffix(r.rest, ">")
	var err error
	l.ID, err = queue.ParseID(id)
	return err
}
