package lsfbridge

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"sluice/queue"
)

// AdminOrder is a parsed badmin command line.
type AdminOrder struct {
	Command string   // reconfig, ckconfig, hopen, hclose, qopen, qclose, qact, qinact, showstatus or help
	Names   []string // of hosts, queues or commands to get help on
	All     bool
}

var adminGrammar = newGrammar("badmin", "v f", false)

// adminHelp is the help on each command, in the order of the usage.
var adminHelp = []struct{ name, arguments, function string }{
	{"reconfig", "[-v] [-f]", "Reconfigure the system"},
	{"ckconfig", "[-v]", "Check configuration files"},
	{"qopen", "[ queue_name ... | all ]", "Open LSF queues"},
	{"qclose", "[ queue_name ... | all ]", "Close LSF queues"},
	{"qact", "[ queue_name ... | all ]", "Activate LSF queues"},
	{"qinact", "[ queue_name ... | all ]", "Inactivate LSF queues"},
	{"hopen", "[ host_name ... | host_group ... | all ]", "Open hosts"},
	{"hclose", "[ host_name ... | host_group ... | all ]", "Close hosts"},
	{"showstatus", "", "Display the state of the master batch daemon"},
	{"help", "[ command ... ]", "Get help on commands"},
}

// adminUsage is badmin's usage, with the commands that are there.
func adminUsage() string {
	var b strings.Builder
	b.WriteString("\nUsage: badmin [-h] [-V] [command] [command_options] [command_args]\n\n    where 'command' is:\n\n")
	for _, h := range adminHelp {
		fmt.Fprintf(&b, "    %-11s %s\n", h.name, h.function)
	}
	return b.String()
}

// ParseAdminOrder reads a badmin command line. Errors are ErrVersion, *UsageError or a Refusal.
func ParseAdminOrder(args []string) (*AdminOrder, error) {
	options, words, err := adminGrammar.parse(args)
	if err != nil {
		return nil, err
	}
	if len(words) == 0 {
		return nil, &UsageError{Command: "badmin"} // commands are not read from standard input
	}
	o := &AdminOrder{Command: words[0], Names: words[1:]}
	if o.Command == "?" {
		o.Command = "help"
	}
	if _, known := adminHelpOf(o.Command); !known {
		return nil, &UsageError{Command: "badmin", Text: "Invalid command <" + printable(o.Command) + ">"}
	}
	for _, option := range options { // of reconfig and ckconfig, which show all and ask nothing anyway
		if !o.OfConfiguration() || option.name == "f" && o.Command != "reconfig" {
			return nil, adminGrammar.illegal(option.name, option.name)
		}
	}
	switch {
	case (o.Command == "showstatus" || o.OfConfiguration()) && len(o.Names) > 0:
		return nil, &UsageError{Command: "badmin"}
	case len(o.Names) == 1 && o.Names[0] == "all":
		o.All, o.Names = true, nil
	case len(o.Names) == 0 && o.OfHosts():
		return nil, Refusal("Name the hosts, or say all")
	}
	return o, nil
}

func adminHelpOf(command string) (text string, known bool) {
	for _, h := range adminHelp {
		if h.name == command {
			return fmt.Sprintf("Usage:    %-11s %s\nFunction: %s\n\n", h.name, h.arguments, h.function), true
		}
	}
	return "", false
}

// Help is what badmin help prints on standard error for the commands named.
func (o *AdminOrder) Help() string {
	if len(o.Names) == 0 {
		return adminUsage()
	}
	var b strings.Builder
	for _, name := range o.Names {
		text, known := adminHelpOf(name)
		if !known {
			text = "Invalid command <" + printable(name) + ">\n"
		}
		b.WriteString(text)
	}
	return b.String()
}

// OfHosts reports that the order is about hosts.
func (o *AdminOrder) OfHosts() bool { return o.Command == "hopen" || o.Command == "hclose" }

// OfQueues reports that the order is about queues.
func (o *AdminOrder) OfQueues() bool { return strings.HasPrefix(o.Command, "q") }

// Done is the line that says of a queue or host that it was done: for queues on standard output, for hosts on standard
// error. What remains (may be "") says why an opened host is closed all the same.
func (o *AdminOrder) Done(name, remains string) string {
	name = printable(name)
	switch o.Command {
	case "hopen":
		if remains != "" {
			remains = " : host remains closed due to " + remains + ";  "
		}
		return "Open <" + name + "> ...... done" + remains
	case "hclose":
		return "Close <" + name + "> ...... done"
	}
	what := map[string]string{"qopen": "opened", "qclose": "closed", "qact": "activated", "qinact": "inactivated"}[o.Command]
	return "Queue <" + name + "> is " + what
}

// Refused is the line that says why not.
func (o *AdminOrder) Refused(name string, err error) string {
	text := Explain(err)
	if queue.KindOf(err) == queue.KindDenied {
		text = "User permission denied"
	}
	e, isRefused := errors.AsType[*queue.Error](err)
	switch {
	case !o.OfHosts():
		return printable(name) + ": " + text
	case isRefused && e.Code == queue.NoSuchHost:
		return text
	case o.Command == "hopen":
		return "Open <" + printable(name) + "> ...... Host control failed.: " + text
	}
	return "Close <" + printable(name) + "> ...... Host control failed.: " + text
}

// SystemStatus holds the facts of badmin showstatus. Jobs are counted in slots.
type SystemStatus struct {
	Servers, Slots, SlotsUsed        int
	OK, Closed, Unavailable          int
	Running, Suspended, Pending      int
	Users, ActiveUsers               int // who have jobs that are remembered, or limits; who have unfinished jobs
	StartedAt                        time.Time
	Uptime                           time.Duration
	Queues, OpenQueues, ActiveQueues int
}

// Count adds up what a batch system has.
func (s *SystemStatus) Count(hosts []queue.Host, queues []queue.QueueInfo, users []queue.UserInfo) {
	for i := range hosts {
		h := &hosts[i]
		if h.Status == queue.HostAdded {
			continue
		}
		s.Servers++
		s.Slots += h.Slots
		s.SlotsUsed += h.Used
		switch HostLineOf(h).Status {
		case "ok":
			s.OK++
		case "unavail":
			s.Unavailable++
		default:
			s.Closed++
		}
	}
	for i := range queues {
		q := &queues[i]
		s.Queues++
		if q.Open {
			s.OpenQueues++
		}
		if q.Active {
			s.ActiveQueues++
		}
		s.Running += q.Run
		s.Pending += q.Pend
		s.Suspended += q.SSusp + q.USusp
	}
	for _, u := range users {
		if u.Group || u.Default {
			continue
		}
		s.Users++
		if u.Pend+u.Run+u.SSusp+u.USusp > 0 {
			s.ActiveUsers++
		}
	}
}

// PrintSystemStatus is what badmin showstatus prints, in the form of LSF 10.1.
func PrintSystemStatus(s SystemStatus) string {
	var b strings.Builder
	count := func(name string, n int) { fmt.Fprintf(&b, "    %-32s %7d\n", name, n) }
	part := func(name string, n int) { fmt.Fprintf(&b, "      %-30s %7d\n", name, n) }
	b.WriteString("LSF runtime mbatchd information\n    Available local hosts (used/all):\n")
	fmt.Fprintf(&b, "      %-30s %7s\n\n", "Slots:", fmt.Sprintf("%d/%d", s.SlotsUsed, s.Slots))
	count("Number of servers:", s.Servers)
	part("Ok:", s.OK)
	part("Closed:", s.Closed)
	part("Unavailable:", s.Unavailable)
	b.WriteByte('\n')
	count("Number of job slots:", s.Running+s.Suspended+s.Pending)
	part("Running:", s.Running)
	part("Suspended:", s.Suspended)
	part("Pending:", s.Pending)
	b.WriteByte('\n')
	count("Number of queues:", s.Queues)
	part("Open:", s.OpenQueues)
	part("Active:", s.ActiveQueues)
	b.WriteByte('\n')
	count("Number of users:", s.Users)
	count("Number of active users:", s.ActiveUsers)
	seconds := int(s.Uptime.Seconds())
	fmt.Fprintf(&b, "\n    Latest mbatchd start:     %s\n    mbatchd uptime:           %d:%02d:%02d\n",
		s.StartedAt.Format(fullTime), seconds/3600, seconds/60%60, seconds%60)
	return b.String()
}
