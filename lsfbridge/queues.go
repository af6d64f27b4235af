package lsfbridge

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"sluice/queue"
)

const (
	queueHeader     = "QUEUE_NAME      PRIO STATUS          MAX JL/U JL/P JL/H NJOBS  PEND   RUN  SUSP \n"
	queueLongHeader = "PRIO NICE STATUS          MAX JL/U JL/P JL/H NJOBS  PEND   RUN SSUSP USUSP  RSV \n"
	queueRule       = "-------------------------------------------------------------------------------\n"
)

// QueueLine holds the facts of a queue in bqueues. Limits are as printed, "-" for none; numbers are slots.
type QueueLine struct {
	Name                     string
	Priority                 int
	Status                   string // Open:Active
	Max, User, Process, Host string // MAX JL/U JL/P JL/H
	Jobs, Pend, Run          int
	Susp                     int // both kinds
}

// QueueQuery is a parsed bqueues command line.
type QueueQuery struct {
	Wide, Long bool
	Names      []string // nil = all
	User, Host string   // only queues that the user may use and that use the host; "" = all
}

var queuesGrammar = newGrammar("bqueues", "w l r m: u: o: noheader alloc json", false)

// ParseQueueQuery reads a bqueues command line.
func ParseQueueQuery(args []string) (*QueueQuery, error) {
	options, words, err := queuesGrammar.parse(args)
	if err != nil {
		return nil, err
	}
	q := &QueueQuery{Names: words}
	for _, o := range options {
		switch o.name {
		case "w":
			q.Wide = true
		case "l":
			q.Long = true
		case "u":
			q.User = o.value
		case "m":
			q.Host = o.value
		default:
			return nil, Refusal("-" + o.name + ": Option is not supported")
		}
	}
	if q.Wide && q.Long {
		return nil, &UsageError{Command: "bqueues"}
	}
	return q, nil
}

// Select picks the queues that the query shows, in the order in which they were given; machine is that of Host, "" = it is none. An
// unknown name is a Refusal.
func (q *QueueQuery) Select(queues []queue.QueueInfo, machine string) ([]queue.QueueInfo, error) {
	for _, name := range q.Names {
		if !slices.ContainsFunc(queues, func(i queue.QueueInfo) bool { return i.Name == name }) {
			return nil, Refusal(ExplainName(name, queue.NoSuchQueue))
		}
	}
	return slices.DeleteFunc(slices.Clone(queues), func(i queue.QueueInfo) bool {
		named := len(q.Names) == 0 || slices.Contains(q.Names, i.Name)
		allowed := q.User == "" || q.User == "all" || i.Allows(q.User)
		used := q.Host == "" || q.Host == "all" || i.UsesHost(q.Host, machine)
		return !named || !allowed || !used
	}), nil
}

// QueueLineOf gives the facts that bqueues shows of a queue.
func QueueLineOf(q *queue.QueueInfo) QueueLine {
	status := "Open"
	if !q.Open {
		status = "Closed"
	}
	if q.Active {
		status += ":Active"
	} else {
		status += ":Inact"
	}
	susp := q.SSusp + q.USusp
	return QueueLine{
		Name: orDash(q.Name), Priority: q.Priority, Status: status, Max: limitText(q.MaxSlots),
		User: limitText(q.UserSlots), Process: "-", Host: limitText(q.HostSlots), Jobs: q.Pend + q.Run + susp, Pend: q.Pend, Run: q.Run, Susp: susp,
	}
}

func limitText(n int) string {
	if n <= 0 {
		return "-"
	}
	return strconv.Itoa(n)
}

func (l *QueueLine) appendTo(b []byte, wide bool) []byte {
	if wide {
		b = fmt.Appendf(b, "%-15s %3d  %-14s", l.Name, l.Priority, l.Status)
	} else {
		// Open:Active and Closed:Inact are moved right by one, Open:Inact by two.
		status := l.Status
		if strings.HasPrefix(status, "Open") {
			status = " " + status
		}
		if strings.HasSuffix(status, "Inact") {
			status = " " + status
		}
		b = fmt.Appendf(b, "%-15.15s %3d  %-14s", l.Name, l.Priority, status)
	}
	return fmt.Appendf(b, " %4s %4s %4s %4s %5d %5d %5d %5d\n", l.Max, l.User, l.Process, l.Host, l.Jobs, l.Pend, l.Run, l.Susp)
}

// PrintQueues is what bqueues and bqueues -w print.
func PrintQueues(lines []QueueLine, wide bool) []byte {
	b := []byte(queueHeader)
	for i := range lines {
		b = lines[i].appendTo(b, wide)
	}
	return b
}

// ParseQueues reads what bqueues and bqueues -w print. Queue names hold no blanks.
func ParseQueues(text string) ([]QueueLine, error) {
	var lines []QueueLine
	for line := range strings.Lines(text) {
		if line == queueHeader {
			continue
		}
		f := strings.Fields(line)
		if len(f) != 11 {
			return nil, fmt.Errorf("parse bqueues line %q: %d words, want 11", line, len(f))
		}
		l := QueueLine{Name: f[0], Status: f[2], Max: f[3], User: f[4], Process: f[5], Host: f[6]}
		err := parseNumbers([]string{f[1], f[7], f[8], f[9], f[10]}, &l.Priority, &l.Jobs, &l.Pend, &l.Run, &l.Susp)
		if err != nil {
			return nil, fmt.Errorf("parse bqueues line %q: %w", line, err)
		}
		lines = append(lines, l)
	}
	return lines, nil
}

func parseNumbers(words []string, to ...*int) error {
	var errs []error
	for i, word := range words {
		n, err := strconv.Atoi(word)
		*to[i] = n
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// PrintLongQueues is what bqueues -l prints.
func PrintLongQueues(queues []queue.QueueInfo) []byte {
	var b []byte
	for i := range queues {
		if i > 0 {
			b = append(b, queueRule...)
		}
		b = appendLongQueue(b, &queues[i])
	}
	if len(b) > 0 {
		b = append(b, '\n')
	}
	return b
}

func appendLongQueue(b []byte, q *queue.QueueInfo) []byte {
	description := printable(q.Description)
	if description == "" {
		description = "No description provided."
	}
	l := QueueLineOf(q)
	if l.Status = strings.TrimSuffix(l.Status, "ive"); strings.HasSuffix(l.Status, "Act") {
		l.Status += "ive"
	} else {
		l.Status += "_Adm" // nothing else inactivates a queue
	}
	b = fmt.Appendf(b, "\nQUEUE: %s\n  -- %s", l.Name, description)
	if q.Default && !strings.HasSuffix(description, "This is the default queue.") {
		if !strings.HasSuffix(description, ".") {
			b = append(b, '.')
		}
		b = append(b, "  This is the default queue."...)
	}
	b = append(b, "\n\nPARAMETERS/STATISTICS\n"+queueLongHeader...)
	b = fmt.Appendf(b, "%3d  %3d  %-14s %4s %4s %4s %4s %5d %5d %5d %5d %5d %4d\n", q.Priority, q.Nice, l.Status,
		l.Max, l.User, l.Process, l.Host, l.Jobs, l.Pend, l.Run, q.SSusp, q.USusp, 0)
	b = append(b, "Interval for a host to accept two jobs is 0 seconds\n"...)
	b = appendTermLimits(b, &q.Terms)
	b = append(b, "\nSCHEDULING PARAMETERS\n"+thresholds+"\n"...)
	if !q.NoExclusive {
		b = append(b, "SCHEDULING POLICIES:  EXCLUSIVE\n\n"...)
	}
	if len(q.Users) == 0 {
		b = append(b, "USERS:  all users\n"...)
	} else {
		b = fmt.Appendf(b, "USERS: %s \n", printable(allBut(q.Users)))
	}
	if len(q.Hosts) == 0 {
		b = append(b, "HOSTS:  all hosts used by the LSF Batch system\n"...)
	} else {
		b = fmt.Appendf(b, "HOSTS:  %s \n", printable(allBut(q.Hosts)))
	}
	rerunnable := ""
	if q.Rerunnable {
		rerunnable = "RERUNNABLE :  yes\n"
	}
	return append(appendTerms(b, &q.Terms, rerunnable), '\n')
}

// appendTerms are the lines of what jobs get that do not say, but for limits, and of what is run around them; one says whether they are
// rerunnable.
func appendTerms(b []byte, t *queue.Terms, rerunnable string) []byte {
	if t.PreExec != "" {
		b = fmt.Appendf(b, "PRE_EXEC:  %s\n", printable(t.PreExec))
	}
	if t.PostExec != "" {
		b = fmt.Appendf(b, "POST_EXEC:  %s\n", printable(t.PostExec))
	}
	if text := termsResReq(t); text != "" {
		b = fmt.Appendf(b, "RES_REQ:  %s\n", text)
	}
	b = append(b, rerunnable...)
	if t.RequeueExit != (queue.ExitSet{}) {
		b = fmt.Appendf(b, "REQUEUE_EXIT_VALUES:  %s\n", t.RequeueExit)
	}
	if t.JobStarter != "" {
		b = fmt.Appendf(b, "JOB_STARTER:  %s\n", printable(t.JobStarter))
	}
	return b
}

// allBut are the users or hosts of a queue in LSF's words.
func allBut(names []string) string {
	text := strings.Join(names, " ")
	if !slices.ContainsFunc(names, func(name string) bool { return !strings.HasPrefix(name, "~") }) {
		return "all " + text
	}
	return text
}

// termsResReq is the resource requirement for jobs that have none.
func termsResReq(t *queue.Terms) string {
	text := FormatResReq(t.NeedDefault)
	if t.MemDefault == 0 {
		return text
	}
	mem := "rusage[mem=" + strconv.Itoa(t.MemDefault)
	if rest, more := strings.CutPrefix(text, "rusage["); more {
		return mem + ":" + rest
	}
	return strings.TrimSpace(mem + "] " + text)
}

// appendTermLimits are the paragraphs of limits of jobs.
func appendTermLimits(b []byte, t *queue.Terms) []byte {
	slots := ""
	if t.JobSlots > 0 {
		slots = strconv.Itoa(t.JobSlots)
	}
	if t.SlotsDefault > 0 {
		slots = strings.TrimSuffix(strconv.Itoa(t.SlotsDefault)+" "+slots, " ")
	}
	if t.LeastJob > 0 {
		slots = strings.TrimSuffix(strconv.Itoa(t.LeastJob)+" "+slots, " ")
	}
	preset := limitBlock(t.RunDefault, "", &t.DefaultLimits)
	if preset == "" {
		return append(b, limitBlock(t.RunLimit, slots, &t.Limits)...)
	}
	b = append(b, "\nDEFAULT LIMITS:\n"+preset...)
	if most := limitBlock(t.RunLimit, slots, &t.Limits); most != "" {
		b = append(b, "\nMAXIMUM LIMITS:\n"+most...)
	}
	return b
}

// limitBlock are the paragraphs of some limits in bqueues -l.
func limitBlock(run time.Duration, slots string, limits *queue.Limits) string {
	var names, values string
	for _, t := range []struct {
		name  string
		limit time.Duration
	}{{"CPULIMIT", limits.CPU}, {"RUNLIMIT", run}} {
		if t.limit > 0 {
			names += fmt.Sprintf("%-24s ", t.name)
			values += fmt.Sprintf("%-24s ", fmt.Sprintf("%.1f min", t.limit.Minutes()))
		}
	}
	if slots != "" {
		names += fmt.Sprintf("%-24s", "PROCLIMIT")
		values += slots
	}
	text := ""
	if names != "" {
		text = fmt.Sprintf("\n %s\n %s\n", strings.TrimSuffix(names, " "), strings.TrimSuffix(values, " "))
	}
	if lines := sizeLimitLines(limits, true); lines != nil {
		text += "\n " + strings.Join(lines, "\n ") + "\n"
	}
	return text
}
