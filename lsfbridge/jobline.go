package lsfbridge

import (
	"bytes"
	"strconv"
	"strings"
	"time"

	"sluice/queue"
)

// JobLine is one job of bjobs' columns: the facts of the line, as they are printed or, once parsed, as far as the columns
// held them.
type JobLine struct {
	Job         int64
	User        string
	State       queue.State
	Queue       string
	FromHost    string
	Hosts       []string // where it runs or ran, one for each slot, or 3*host; nil = nowhere
	Name        string   // with [index] for an element; the command where there is none
	SubmittedAt time.Time
	Reasons     []string // lines below it
}

const (
	tableHeader   = "JOBID   USER    STAT  QUEUE      FROM_HOST   EXEC_HOST   JOB_NAME   SUBMIT_TIME\n"
	pendingHeader = "JOBID   USER    STAT  QUEUE       FROM_HOST      JOB_NAME           SUBMIT_TIME\n"
	noHost        = "   -" // in the column of hosts
	hostColumn    = 45     // where further hosts stand
	timeWidth     = 12     // of a tableTime
	// maxShownCommand is how much of a command LSF's displays show.
	maxShownCommand = 254
)

// LineOf gives the facts that bjobs shows of a job in columns. With short, equal hosts in a row are counted.
func LineOf(job *queue.Job, short bool) JobLine {
	return JobLine{
		Job: job.ID.Job, User: orDash(job.Spec.User), State: job.State, Queue: orDash(job.Spec.Queue),
		FromHost: orDash(job.Spec.SubmitHost), Hosts: shownHosts(job, short), Name: ShownName(job), SubmittedAt: job.SubmittedAt,
	}
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return printable(s)
}

func shownHosts(job *queue.Job, short bool) []string {
	if !job.State.Placed() && !job.State.Final() || len(job.Placement) == 0 {
		return nil
	}
	hosts := make([]string, 0, len(job.Placement))
	for _, p := range job.Placement {
		switch {
		case short && p.Slots > 1:
			hosts = append(hosts, strconv.Itoa(p.Slots)+"*"+p.Host)
		default:
			for range p.Slots {
				hosts = append(hosts, p.Host)
			}
		}
	}
	return hosts
}

// ShownName is the name of a job, an element or an array, or the command of one without a name, as LSF shows it.
func ShownName(job *queue.Job) string {
	switch {
	case job.ID.Index > 0:
		return printable(job.Spec.Name) + "[" + strconv.Itoa(job.ID.Index) + "]"
	case job.Spec.Array != nil:
		return printable(FormatJobName(job.Spec.Name, job.Spec.Array))
	case job.Spec.Name != "":
		return printable(job.Spec.Name)
	default:
		return ShownCommand(job.Spec.Command)
	}
}

// ShownCommand is a command as LSF's displays show it: on one line, with ";" for the first of several newlines and a blank
// for the others, cut to 254 bytes.
func ShownCommand(command string) string {
	if len(command) <= maxShownCommand && strings.IndexFunc(command, isControl) < 0 {
		return command
	}
	command = strings.TrimRight(command, "\n")
	if len(command) > maxShownCommand {
		command = command[:maxShownCommand]
	}
	if strings.IndexByte(command, '\n') >= 0 {
		b := []byte(command)
		for i, c := range b {
			switch {
			case c == '\n' && i > 0 && command[i-1] == '\n':
				b[i] = ' '
			case c == '\n':
				b[i] = ';'
			}
		}
		command = string(b)
	}
	return printable(command)
}

// AppendTo appends the line and what stands below it. Wide cuts nothing; pending chooses the columns of bjobs -p.
func (l *JobLine) AppendTo(b []byte, wide, pending bool) []byte {
	switch {
	case pending:
		b = l.appendPending(b)
	case wide:
		b = l.appendWide(b)
	default:
		b = l.appendCut(b)
	}
	for _, reason := range l.Reasons {
		b = append(append(append(b, ' '), reason...), '\n')
	}
	return b
}

func (l *JobLine) appendCut(b []byte) []byte {
	b = l.appendHead(b)
	b = column(b, l.Queue, 10)
	b = column(b, l.FromHost, 11)
	switch {
	case len(l.Hosts) > 0:
		b = column(b, l.Hosts[0], 11)
	case l.State == queue.Pending || l.State == queue.HeldPending:
		b = column(b, "", 11)
	default:
		b = column(b, noHost, 11)
	}
	b = column(b, tail(l.Name, 10, 9), 10)
	b = append(l.SubmittedAt.AppendFormat(b, tableTime), '\n')
	for i := 1; i < len(l.Hosts); i++ {
		b = append(pad(b, hostColumn), cut(l.Hosts[i], 11)...)
		b = append(b, '\n')
	}
	return b
}

func (l *JobLine) appendHead(b []byte) []byte {
	start := len(b)
	b = strconv.AppendInt(b, l.Job, 10)
	b = append(pad(b, 7-(len(b)-start)), ' ')
	b = column(b, l.User, 7)
	return column(b, l.State.String(), 5)
}

func (l *JobLine) appendPending(b []byte) []byte {
	b = l.appendHead(b)
	b = column(b, l.Queue, 11)
	b = column(b, l.FromHost, 14)
	// LSF cuts the head off to 20 bytes first, and then the tail.
	b = column(b, tail(l.Name, 20, 19), 18)
	return append(l.SubmittedAt.AppendFormat(b, tableTime), '\n')
}

func (l *JobLine) appendWide(b []byte) []byte {
	start := len(b)
	b = strconv.AppendInt(b, l.Job, 10)
	b = append(pad(b, 7-(len(b)-start)), ' ')
	b = wide(b, l.User, 7)
	b = wide(b, l.State.String(), 5)
	b = wide(b, l.Queue, 10)
	b = wide(b, l.FromHost, 11)
	if len(l.Hosts) == 0 {
		b = wide(b, noHost, 11)
	} else {
		start := len(b)
		for i, h := range l.Hosts {
			if i > 0 {
				b = append(b, ':')
			}
			b = append(b, h...)
		}
		b = append(pad(b, 11-(len(b)-start)), ' ')
	}
	b = wide(b, l.Name, 10)
	return append(l.SubmittedAt.AppendFormat(b, tableTime), '\n')
}

// column appends s cut and filled to width bytes, and a blank.
func column(b []byte, s string, width int) []byte { return wide(b, cut(s, width), width) }

// wide appends s filled to width bytes, and a blank.
func wide(b []byte, s string, width int) []byte {
	return append(pad(append(b, s...), width-len(s)), ' ')
}

func cut(s string, width int) string {
	if len(s) > width {
		return s[:width]
	}
	return s
}

// tail is s, or "*" and its last bytes where it is longer than width.
func tail(s string, width, last int) string {
	if len(s) > width {
		return "*" + s[len(s)-last:]
	}
	return s
}

var blanks = bytes.Repeat([]byte{' '}, 64)

func pad(b []byte, n int) []byte {
	if n <= 0 {
		return b
	}
	return append(b, blanks[:n]...)
}
