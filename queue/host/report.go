package host

import (
	"fmt"
	"strings"
	"time"

	"sluice/queue"
)

// report is the text that LSF puts around the output of a job, byte for byte as OpenLava 2.2 does.
type report struct {
	id         queue.ID
	name       string // of the job or its array; "" = the command
	command    string
	sender     string // user@host
	user       string
	queue      string
	submitHost string
	hosts      []string // one word for each slot
	home, cwd  string
	started    time.Time
	ended      time.Time
	exitCode   int
	reason     string // why it was ended, where it was
	cpu        time.Duration
	memMiB     int64
	swapMiB    int64
	processes  int
}

const (
	reportRule    = "------------------------------------------------------------\n"
	reportIndent  = "                            " // of a further host, under the first
	maxReportName = 255                            // bytes of a name, or of a command that stands for one
)

// head is the report up to the output.
func (r report) head() string {
	name, verdict, result := r.title(), "Done", "Successfully completed."
	if r.exitCode != 0 {
		verdict, result = "Exited", fmt.Sprintf("Exited with exit code %d.", r.exitCode)
		if strings.HasPrefix(r.reason, "TERM_") { // as LSF 10.1
			result = r.reason + ".\n" + result
		}
	}
	var b strings.Builder
	fmt.Fprintf(&b, "Sender: LSF System <%s>\n", r.sender)
	fmt.Fprintf(&b, "Subject: Job %s: <%s> %s\n\n", r.id, name, verdict)
	fmt.Fprintf(&b, "Job <%s> was submitted from host <%s> by user <%s>.\n", name, r.submitHost, r.user)
	first, others := hostWords(r.hosts)
	fmt.Fprintf(&b, "Job was executed on host(s) <%s>, in queue <%s>, as user <%s>.\n", first, r.queue, r.user)
	for _, host := range others {
		fmt.Fprintf(&b, "%s<%s>\n", reportIndent, host)
	}
	fmt.Fprintf(&b, "<%s> was used as the home directory.\n", r.home)
	fmt.Fprintf(&b, "<%s> was used as the working directory.\n", r.cwd)
	fmt.Fprintf(&b, "Started at %s\n", r.started.Format(time.ANSIC))
	fmt.Fprintf(&b, "Results reported at %s\n\n", r.ended.Format(time.ANSIC))
	fmt.Fprintf(&b, "Your job looked like:\n\n%s# LSBATCH: User input\n%s\n%s\n", reportRule, r.command, reportRule)
	fmt.Fprintf(&b, "%s\n\nResource usage summary:\n\n", result)
	fmt.Fprintf(&b, "    CPU time   : %9.2f sec.\n", r.cpu.Seconds())
	fmt.Fprintf(&b, "    Max Memory : %9d MB\n", r.memMiB)
	fmt.Fprintf(&b, "    Max Swap   : %9d MB\n\n", r.swapMiB)
	fmt.Fprintf(&b, "    Max Processes  : %9d\n\n", r.processes)
	b.WriteString("The output (if any) follows:\n\n")
	return b.String()
}

// title is the job's name, or the command, on one line.
func (r report) title() string {
	name := r.name
	if name == "" {
		name = r.command
	}
	return strings.ReplaceAll(name[:min(len(name), maxReportName)], "\n", ";")
}

// hostWords is a list of slots' hosts as LSF writes it: the host alone for one slot, else count*host for each.
func hostWords(slots []string) (first string, others []string) {
	switch len(slots) {
	case 0:
		return "", nil
	case 1:
		return slots[0], nil
	}
	var words []string
	for i := 0; i < len(slots); {
		n := 1
		for i+n < len(slots) && slots[i+n] == slots[i] {
			n++
		}
		words = append(words, fmt.Sprintf("%d*%s", n, slots[i]))
		i += n
	}
	return words[0], words[1:]
}

// postscript follows the output when there is something to say about it.
func postscript(notes []string) string {
	if len(notes) == 0 {
		return ""
	}
	return "\n\nPS:\n\n" + strings.Join(notes, "\n") + "\n\n"
}
