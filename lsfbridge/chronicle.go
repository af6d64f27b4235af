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

// Hours that bhist -t shows when no time is named, and the most that LSB_BHIST_HOURS may say.
const (
	chronicleHours = 7 * 24
	maxHours       = 100 * 365 * 24
)

// checkChronicle refuses -T without -t, and with -t everything else but that.
func (q *PastQuery) checkChronicle(options []given) error {
	for _, o := range options {
		if o.name == "T" && !q.Chronicle || q.Chronicle && o.name != "t" && o.name != "T" && o.name != "n" {
			return &UsageError{Command: "bhist"}
		}
	}
	if q.Chronicle && len(q.Selectors) > 0 {
		return &UsageError{Command: "bhist"}
	}
	return nil
}

// SpanAt is the time to show at now: that of -T or, without it, so many hours, or a week where hours (LSB_BHIST_HOURS) says nothing.
func (q *PastQuery) SpanAt(now time.Time, hours string) history.Span {
	if q.Span != (history.Span{}) {
		return q.Span
	}
	n, err := strconv.Atoi(hours)
	if err != nil || n < 1 || n > maxHours {
		n = chronicleHours
	}
	return history.Span{From: now.Add(-time.Duration(n) * time.Hour)}
}

// Chronicle prints what happened, one event after the other, as bhist -t does.
type Chronicle struct {
	zone   *time.Location
	placed map[queue.ID]bool // jobs that hold slots, as far as it was seen
	queues map[string][2]bool
}

// NewChronicle makes one that shows times in a zone.
func NewChronicle(zone *time.Location) *Chronicle {
	return &Chronicle{zone: zone, placed: make(map[queue.ID]bool), queues: make(map[string][2]bool)}
}

// AppendTo appends the lines of the next event; none for one that is not shown.
func (c *Chronicle) AppendTo(b []byte, h *history.Happening) []byte {
	at := h.At.In(c.zone).Format(longTime) + ":"
	for _, text := range c.texts(h) {
		b = appendWrapped(b, at+text)
	}
	if h.Kind == queue.JobSubmitted {
		b = appendLimits(b, limitLines(h.Spec))
	}
	return b
}

func (c *Chronicle) texts(h *history.Happening) []string {
	if h.Spec == nil {
		if text := c.systemText(&h.Event); text != "" {
			return []string{" " + text + "."}
		}
		return nil
	}
	job := "Job <" + h.Job.String() + ">"
	placed := c.isPlaced(h)
	switch h.Kind {
	case queue.JobSubmitted:
		return []string{" " + job + chronicleSubmission(h.Spec, h.QueueName)}
	case queue.JobStarted: // without a blank before them, as in LSF
		return []string{job + ", the batch job command is started on " + dispatchedHosts(h.Placement) + ";"}
	case queue.JobExecuting:
		pid := strconv.Itoa(h.PID)
		return []string{job + ", starting (Pid " + pid + ");", " " + job + " running with " + executionCwd(h.Spec) + "Execution Pid <" + pid +
			">, Execution user name <" + printable(h.Spec.User) + ">;"}
	case queue.JobRequeued:
		return []string{job + " pending: Job has been requeued;"}
	}
	if text := chronicleText(&h.Event, placed); text != "" {
		return []string{" " + job + text}
	}
	return nil
}

func executionCwd(spec *queue.Spec) string {
	if spec.Cwd == "" {
		return ""
	}
	return "Execution CWD <" + printable(path.Clean(spec.Cwd)) + ">, "
}

// isPlaced says whether a job held slots when an event came.
func (c *Chronicle) isPlaced(h *history.Happening) bool {
	placed, seen := c.placed[h.Job]
	if !seen {
		placed = h.Attempt > 0 // it began before what is shown
	}
	switch h.Kind {
	case queue.JobStarted:
		c.placed[h.Job] = true
	case queue.JobRequeued:
		c.placed[h.Job] = false
	case queue.JobFinished:
		delete(c.placed, h.Job)
	}
	return placed
}

// chronicleText is what stands after the job.
func chronicleText(e *queue.Event, placed bool) string {
	const who = " by user or administrator;"
	switch e.Kind {
	case queue.JobStopped:
		if placed {
			return " suspended by the user or administrator"
		}
		return " suspended by the user or administrator while pending"
	case queue.JobResumed:
		if placed {
			return " running"
		}
		return " pending: Waiting for scheduling after resumed by user;"
	case queue.JobFound:
		return " running"
	case queue.JobUnknown:
		return " unknown; unable to reach the execution host"
	case queue.JobKillAsked:
		return ", signal <" + signalAsked(e) + "> requested" + who
	case queue.JobQueueMoved:
		return " switched to Queue <" + printable(e.QueueName) + ">" + who
	case queue.JobModified:
		return ", parameters of Job are changed;"
	case queue.JobReprioritised:
		return " moved in its queue" + who
	case queue.JobFinished:
		if placed && e.ExitCode == 0 && e.Reason == "" {
			return " done successfully"
		}
		return " exited"
	}
	return ""
}

// chronicleSubmission is the clauses of a submission in the order of bhist -t: those of its place and files, who submitted what, the rest.
func chronicleSubmission(spec *queue.Spec, queueName string) string {
	clauses := submittedClauses(spec)
	parts := []string{" submitted from host " + clauses[0], "to Queue <" + printable(queueName) + ">"}
	rest := clauses[1:]
	for len(rest) > 0 && isPlaceClause(rest[0]) {
		parts, rest = append(parts, rest[0]), rest[1:]
	}
	if spec.Name != "" || spec.Array != nil {
		parts = append(parts, "Job Name <"+escapeAngles(printable(FormatJobName(spec.Name, spec.Array)))+">")
	}
	parts = append(parts, "User <"+printable(spec.User)+">", "Project <"+escapeAngles(orDefault(spec.Project))+ownedBy(spec.App, spec.Group)+">")
	if spec.MailUser != "" {
		parts = append(parts, "Mail <"+escapeAngles(spec.MailUser)+">")
	}
	parts = append(parts, "Command <"+ShownCommand(spec.Command)+">")
	return strings.Join(append(parts, rest...), ", ") + ";"
}

func isPlaceClause(clause string) bool {
	for _, words := range []string{"Specified Start Time <", "Specified Termination Time <", "CWD <", "Input File ", "Output File ", "Error File "} {
		if strings.HasPrefix(clause, words) {
			return true
		}
	}
	return false
}

// systemText is what happened to a host or a queue.
func (c *Chronicle) systemText(e *queue.Event) string {
	host := "Host <" + printable(e.HostName) + "> "
	switch e.Kind {
	case queue.HostJoined:
		return host + "joined the cluster"
	case queue.HostLost:
		return host + "unavailable"
	case queue.HostRemoved:
		if e.Reason != "" {
			return host + "removed from the cluster: " + printable(e.Reason)
		}
		return host + "removed from the cluster"
	case queue.HostClosed, queue.HostOpened:
		done := map[queue.EventKind]string{queue.HostClosed: "closed", queue.HostOpened: "opened"}[e.Kind]
		if e.Closed&queue.ClosedAdmin != 0 {
			return host + done + " by administrator"
		}
		return host + done
	case queue.QueueSwitched:
		return fmt.Sprintf("Queue <%s> %s by user or administrator", printable(e.QueueName), c.switched(e))
	}
	return ""
}

// switched is what was done to a queue.
func (c *Chronicle) switched(e *queue.Event) string {
	was, seen := c.queues[e.QueueName]
	if !seen {
		was = [2]bool{true, true}
	}
	c.queues[e.QueueName] = [2]bool{e.Open, e.Active}
	var done []string
	if word := map[bool]string{true: "opened", false: "closed"}[e.Open]; e.Open != was[0] {
		done = append(done, word)
	}
	if word := map[bool]string{true: "activated", false: "inactivated"}[e.Active]; e.Active != was[1] {
		done = append(done, word)
	}
	if len(done) == 0 {
		return "opened"
	}
	return strings.Join(done, " and ")
}
