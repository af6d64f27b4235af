package lsfbridge

import (
	"cmp"
	"fmt"
	"path"
	"strconv"
	"strings"
	"time"

	"sluice/queue"
)

// LongJob holds the facts of one job in bjobs -l.
type LongJob struct {
	ID      queue.ID
	Name    string // with [index] for an element; "" = none
	User    string
	Project string
	App     string // its application; "" = none
	Group   string // its job group; "" = none
	Mail    string // who is told about it; "" = not said
	State   queue.State
	Queue   string
	Command string

	SubmittedAt time.Time
	// Submitted is what follows "Submitted from host", in order: each is one clause, as in "CWD <$HOME>".
	Submitted []string
	Limits    []string // lines of the block of limits: names and values
	Events    []LongEvent
	Memory    string // line of the block of memory usage, as in LSF 10.1; "" = none
	// Below are the blocks under the events: "PENDING REASONS" or "SUSPENDING REASONS", without their colon, and lines.
	Below   string
	Reasons []string
}

// LongEvent is a paragraph of bjobs -l with its time; Usage has lines that stand below it.
type LongEvent struct {
	At    time.Time
	Text  string
	Usage []string
}

const (
	longWidth  = 79
	longIndent = 21

	schedulingTitle = " SCHEDULING PARAMETERS:"
	memoryTitle     = " MEMORY USAGE:"
	// thresholds of load: there are none.
	thresholds = `           r15s   r1m  r15m   ut      pg    io   ls    it    tmp    swp    mem
 loadSched   -     -     -     -       -     -    -     -     -      -      -  
 loadStop    -     -     -     -       -     -    -     -     -      -      -  
`
)

// LongRule stands between the jobs of bjobs -l, bhist -l and bacct -l.
const LongRule = "------------------------------------------------------------------------------\n"

// LongOf gives the facts that bjobs -l shows of a job.
func LongOf(job *queue.Job, short bool) LongJob {
	spec := job.Spec
	l := LongJob{
		ID: job.ID, User: spec.User, Project: orDefault(spec.Project), App: printable(spec.App), Group: printable(spec.Group), Mail: printable(spec.MailUser), State: job.State, Queue: spec.Queue,
		Command: ShownCommand(spec.Command), SubmittedAt: job.SubmittedAt, Submitted: submittedClauses(spec),
	}
	if spec.Name != "" || spec.Array != nil {
		l.Name = ShownName(job)
	}
	l.Limits = limitLines(spec)
	l.addStart(job, short)
	l.addEnd(job)
	reasons := reasonLines(job.Reason)
	switch job.State {
	case queue.Pending, queue.HeldPending:
		l.Below, l.Reasons = "PENDING REASONS", reasons
	case queue.UserSuspended, queue.SysSuspended:
		l.Below, l.Reasons = "SUSPENDING REASONS", reasons
		if reasons == nil && job.State == queue.UserSuspended {
			l.Reasons = []string{"The job was suspended by user;"}
		}
	}
	return l
}

func appendLimits(b []byte, lines []string) []byte {
	for i, line := range lines {
		if i%2 == 0 { // each pair of names and values is a block
			b = append(b, '\n')
		}
		b = append(append(append(b, ' '), line...), '\n')
	}
	return b
}

// orDefault is a project as LSF names it.
func orDefault(project string) string {
	if project == "" {
		return "default"
	}
	return printable(project)
}

// reasonLines makes display lines of a job's reasons, one each line.
func reasonLines(reason string) []string {
	var lines []string
	for line := range strings.Lines(reason) {
		if line = strings.TrimRight(line, "\r\n .;"); line != "" {
			lines = append(lines, printable(line)+";")
		}
	}
	return lines
}

func submittedClauses(spec *queue.Spec) []string {
	from := "<" + orDash(spec.SubmitHost) + ">"
	if spec.Hold {
		from += " with hold"
	}
	clauses := []string{from}
	add := func(present bool, format string, args ...any) {
		if present {
			clauses = append(clauses, fmt.Sprintf(format, args...))
		}
	}
	add(!spec.BeginAt.IsZero(), "Specified Start Time <%s>", spec.BeginAt.Format(longTime))
	add(!spec.EndBy.IsZero(), "Specified Termination Time <%s>", spec.EndBy.Format(longTime))
	add(spec.Cwd != "", "CWD <%s>", shownCwd(spec))
	add(spec.Stdin != "" && spec.Input == "", "Input File <%s>", printable(spec.Stdin))
	add(spec.Input != "", "Input File (Spooled) <%s>", printable(spec.Stdin))
	add(spec.Stdout != "", "Output File%s <%s>", overwrite(spec.TruncateStdout), printable(spec.Stdout))
	add(spec.Stderr != "", "Error File%s <%s>", overwrite(spec.TruncateStderr), printable(spec.Stderr))
	add(spec.NotifyBegin && spec.NotifyEnd, "Notify when job begins/ends")
	add(spec.NotifyBegin && !spec.NotifyEnd, "Notify when job begins")
	add(!spec.NotifyBegin && spec.NotifyEnd, "Notify when job ends")
	add(spec.Interactive != "", "%s", interactiveModes[spec.Interactive])
	add(spec.Need.Exclusive, "Exclusive Execution")
	add(spec.Rerunnable, "Re-runnable")
	add(spec.RequeueExit != (queue.ExitSet{}), "Requeue Exit Values <%s>", spec.RequeueExit)
	add(spec.MaxSlots > spec.MinSlots, "%d-%d Processors Requested", spec.MinSlots, spec.MaxSlots)
	add(spec.MaxSlots > 1 && spec.MaxSlots == spec.MinSlots, "%d Processors Requested", spec.MinSlots)
	resReq := cmp.Or(spec.ResReq, FormatResReq(spec.Need))
	add(resReq != "", "Requested Resources <%s>", printable(resReq))
	add(spec.After != nil, "Dependency Condition <%s>", printable(FormatCondition(spec.After)))
	add(spec.LoginShell != "", "Login Shell <%s>", printable(spec.LoginShell))
	add(spec.PreExec != "", "Pre-execute Command <%s>", ShownCommand(spec.PreExec))
	add(spec.PostExec != "", "Post-execute Command <%s>", ShownCommand(spec.PostExec))
	add(spec.Priority > 0, "User Priority <%d>", spec.Priority)
	add(spec.Need.Hosts != "", "Specified Hosts <%s>", strings.ReplaceAll(printable(spec.Need.Hosts), ",", ">, <"))
	return clauses
}

var interactiveModes = map[queue.Interactive]string{
	queue.InteractivePipes: "Interactive mode", queue.InteractiveTerminal: "Interactive pseudo-terminal mode",
	queue.InteractiveShell: "Interactive pseudo-terminal shell mode",
}

func overwrite(truncate bool) string {
	if truncate {
		return " (overwrite)"
	}
	return ""
}

// shownCwd names the submitter's home directory as LSF does.
func shownCwd(spec *queue.Spec) string {
	cwd := path.Clean(spec.Cwd)
	for _, v := range spec.Env.Strings() {
		if home, ok := strings.CutPrefix(v, "HOME="); ok && strings.HasPrefix(home, "/") && path.Clean(home) != "/" {
			if below, ok := strings.CutPrefix(cwd, path.Clean(home)); ok && (below == "" || below[0] == '/') {
				return printable("$HOME" + below)
			}
		}
	}
	return printable(cwd)
}

func (l *LongJob) addStart(job *queue.Job, short bool) {
	hosts := shownHosts(job, short)
	if hosts == nil {
		return
	}
	where := "<" + strings.Join(hosts, "> <") + ">"
	slots := 0
	for _, p := range job.Placement {
		slots += p.Slots
	}
	if slots > 1 {
		where = strconv.Itoa(slots) + " Hosts/Processors " + where
	}
	text := "Started on " + where + ";"
	if job.ID.Index > 0 {
		text = "[" + strconv.Itoa(job.ID.Index) + "] started on " + where + ";"
	}
	l.Events = append(l.Events, LongEvent{At: job.StartedAt, Text: text})
	if used := &job.Usage; job.State.Final() && used.MaxRSSMiB > 0 {
		l.Memory = memoryLine(used.MaxRSSMiB, max(used.AvgRSSMiB, 1))
	}
	if !job.State.Final() && (job.PID > 0 || job.Live != nil) {
		l.addUsage(job)
	}
}

func memoryLine(most, mean int) string {
	return fmt.Sprintf("MAX MEM: %d Mbytes;  AVG MEM: %d Mbytes", most, mean)
}

// addUsage adds what a running job uses.
func (l *LongJob) addUsage(job *queue.Job) {
	usage, pids := LongEvent{At: job.StartedAt, Text: usageText}, []int{job.PID}
	if live := job.Live; live != nil {
		usage.At = live.At.In(job.StartedAt.Location())
		if seconds := int(live.CPU.Seconds()); seconds > 0 {
			usage.Usage = append(usage.Usage, fmt.Sprintf("The CPU time used is %d seconds.", seconds))
		}
		usage.Usage = append(usage.Usage, fmt.Sprintf("MEM: %d Mbytes;  SWAP: %d Mbytes;  NTHREAD: %d", live.RSSMiB, live.SwapMiB, live.Threads))
		l.Memory = memoryLine(live.MaxRSSMiB, live.AvgRSSMiB)
		if len(live.PIDs) > 0 {
			pids = live.PIDs
		}
	}
	if job.PID > 0 {
		line := fmt.Sprintf("PGID: %d;  PIDs: ", job.PID)
		for _, pid := range pids {
			line += strconv.Itoa(pid) + " "
		}
		usage.Usage = append(usage.Usage, line)
	}
	l.Events = append(l.Events, usage)
}

// usageText begins the paragraph of what a running job uses.
const usageText = "Resource usage collected."

func (l *LongJob) addEnd(job *queue.Job) {
	at := job.EndedAt
	cpu := fmt.Sprintf("The CPU time used is %.1f seconds.", job.Usage.CPU.Seconds())
	add := func(text string) { l.Events = append(l.Events, LongEvent{At: at, Text: text}) }
	switch {
	case job.State == queue.Zombie:
		at = job.StartedAt
		add("Termination request issued; the job will be killed once the host is ok;")
	case job.State == queue.Done:
		add("Done successfully. " + cpu)
	case job.State == queue.Exited && job.StartedAt.IsZero():
		add("Exited")
	case job.State == queue.Exited && job.ExitCode == 0:
		add("Exited " + cpu)
	case job.State == queue.Exited:
		add(fmt.Sprintf("Exited with exit code %d. %s", job.ExitCode, cpu))
	}
	if reason := strings.Join(reasonLines(job.Reason), " "); job.State.Final() && reason != "" {
		add("Completed <" + strings.ToLower(job.State.String()) + ">; " + strings.TrimSuffix(reason, ";") + ".")
	}
}

// AppendTo appends the paragraphs of the job, without the rule between jobs.
func (l *LongJob) AppendTo(b []byte) []byte { return l.appendTo(b, appendWrapped) }

// AppendUnformatted is AppendTo with lines that are not broken (bjobs -UF).
func (l *LongJob) AppendUnformatted(b []byte) []byte { return l.appendTo(b, appendUnbroken) }

func (l *LongJob) appendTo(b []byte, line func([]byte, string) []byte) []byte {
	b = append(b, '\n')
	b = line(b, l.head())
	b = line(b, l.SubmittedAt.Format(longTime)+": Submitted from host "+strings.Join(l.Submitted, ", ")+";")
	b = appendLimits(b, l.Limits)
	for i := range l.Events {
		b = l.Events[i].appendTo(b, line)
	}
	if l.Memory != "" {
		b = append(append(append(b, "\n"+memoryTitle+"\n "...), l.Memory...), '\n')
	}
	if l.Below == "SUSPENDING REASONS" {
		b = append(b, '\n')
	}
	if l.Below != "" {
		b = append(b, " "+l.Below+":\n"...)
		for _, reason := range l.Reasons {
			b = line(b, " "+reason)
		}
	}
	if l.Below == "" && !l.State.Final() && l.Memory == "" && l.hasUsage() {
		b = append(b, '\n')
	}
	if l.State != queue.Zombie {
		b = append(b, '\n')
	}
	return append(b, schedulingTitle+"\n"+thresholds...)
}

func (l *LongJob) hasUsage() bool {
	return len(l.Events) > 0 && l.Events[len(l.Events)-1].Usage != nil
}

func (e *LongEvent) appendTo(b []byte, line func([]byte, string) []byte) []byte {
	b = line(b, e.At.Format(longTime)+": "+e.Text)
	for _, line := range e.Usage {
		b = append(append(pad(b, longIndent), line...), '\n')
	}
	return b
}

func (l *LongJob) head() string {
	s := "Job <" + l.ID.String() + ">, "
	if l.Name != "" {
		s += "Job Name <" + escapeAngles(l.Name) + ">, "
	}
	s += "User <" + printable(l.User) + ">, Project <" + escapeAngles(l.Project) + ownedBy(l.App, l.Group) + ">, "
	if l.Mail != "" {
		s += "Mail <" + escapeAngles(l.Mail) + ">, "
	}
	return s + "Status <" + l.State.String() +
		">, Queue <" + printable(l.Queue) + ">, Command <" + l.Command + ">"
}

// escapeAngles keeps a name from closing its own brackets: everything before the status is only what it says it is.
func escapeAngles(name string) string { return angleEscaper.Replace(name) }

var (
	angleEscaper   = strings.NewReplacer(`\`, `\\`, `<`, `\<`, `>`, `\>`)
	angleUnescaper = strings.NewReplacer(`\\`, `\`, `\<`, `<`, `\>`, `>`)
)

func appendUnbroken(b []byte, text string) []byte { return append(append(b, text...), '\n') }

// appendWrapped breaks text at 79 bytes, in the middle of words, as LSF does; a blank that would begin a line is lost.
func appendWrapped(b []byte, text string) []byte {
	width := longWidth
	for len(text) >= width {
		b = append(append(b, text[:width]...), '\n')
		text = strings.TrimPrefix(text[width:], " ")
		b = pad(b, longIndent)
		width = longWidth - longIndent
	}
	return append(append(b, text...), '\n')
}
