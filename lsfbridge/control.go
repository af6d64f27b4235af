package lsfbridge

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"sluice/queue"
)

// JobOrder is a parsed command line of bkill, bstop, bresume, brequeue or bswitch.
type JobOrder struct {
	command string
	// Signal is the number of the signal to send, or 0: end the job (bkill), stop it (bstop), resume it (bresume).
	Signal int
	Force  bool        // -r: ended whatever the host says
	Queue  string      // that bswitch moves jobs to
	Rerun  queue.Rerun // what brequeue runs again

	Selectors []JobSelector
	// All says that the order is for all unfinished jobs that Filter selects, not only for the one submitted last.
	All     bool
	Mine    bool // only the caller's jobs
	Filter  queue.Filter
	Indices []queue.Range
}

// Signals that bkill treats as more than a signal.
const (
	sigKill = 9
	sigCont = 18
	sigStop = 19
)

// signalNames are the signals by number from 1, as Linux numbers them and as bkill -l lists them.
var signalNames = strings.Fields(`HUP INT QUIT ILL TRAP IOT BUS FPE KILL USR1 SEGV USR2 PIPE ALRM TERM STKFLT CHLD CONT STOP
	TSTP TTIN TTOU URG XCPU XFSZ VTALRM PROF WINCH IO PWR SYS`)

// SignalList is what bkill -l prints on standard output.
func SignalList() string { return strings.Join(signalNames, " ") + " \n" }

var orderGrammars = map[string]grammar{
	"bkill":   newGrammar("bkill", "l r s: m: q: u: J: b d C: stat: g: app: sla:", false),
	"bstop":   newGrammar("bstop", "m: q: u: J: a d C: g: app: sla:", false),
	"bresume": newGrammar("bresume", "m: q: u: J: C: g: app: sla:", false),

	"brequeue": newGrammar("brequeue", "d e r a p H u: J: C:", false),
	"bswitch":  newGrammar("bswitch", "m: q: u: J: a: g: app: sla:", false),
}

// ErrListSignals reports bkill -l.
const ErrListSignals = Refusal("list of signals asked for")

// noJobNamed is what these commands say when neither a job id nor an option names a job.
const noJobNamed = "Job ID or one of '-m', '-u' '-q' and '-J' must be specified."

// ParseJobOrder reads a command line of one of these commands. Errors are ErrVersion, ErrListSignals, *UsageError or a
// Refusal.
func ParseJobOrder(command string, args []string) (*JobOrder, error) {
	options, words, err := orderGrammars[command].parse(args)
	if err != nil {
		return nil, err
	}
	order := &JobOrder{command: command, Mine: true}
	named := command == "bswitch" // which without a job means the newest one
	if command == "bswitch" {
		if len(words) == 0 {
			return nil, &UsageError{Command: command, Text: noQueueNamed, Stdout: true}
		}
		order.Queue, words = words[0], words[1:]
	}
	for _, o := range options {
		names, err := order.option(o)
		if err != nil {
			return nil, err
		}
		named = named || names
	}
	if order.Selectors, order.All, err = parseSelectors(words); err != nil {
		return nil, err
	}
	if !named && len(words) == 0 {
		return nil, &UsageError{Command: command, Text: noJobNamed}
	}
	if order.Signal != 0 && order.Force {
		return nil, &UsageError{Command: command}
	}
	if command == "brequeue" {
		order.All = order.All || len(words) == 0
		if order.Rerun.From == nil {
			order.Rerun.From = []queue.State{queue.Running, queue.UserSuspended, queue.SysSuspended}
		}
	}
	return order, nil
}

// noQueueNamed is what bswitch says on standard output, with an empty line after it.
const noQueueNamed = "The destination queue name must be specified.\n"

// States are those that jobs which are not named by their ids must be in.
func (order *JobOrder) States() []queue.State {
	if order.command == "brequeue" {
		return order.Rerun.From
	}
	return Unfinished
}

// Done is the line that says of a job that the order was taken.
func (order *JobOrder) Done(id queue.ID) string {
	switch order.command {
	case "brequeue":
		return fmt.Sprintf("Job <%v> is being requeued ", id)
	case "bswitch":
		return fmt.Sprintf("Job <%v> is switched to queue <%s>", id, printable(order.Queue))
	}
	return fmt.Sprintf("Job <%v> is %s", id, successOf(order.command, order.Signal))
}

// Refused is the line that says why the order was not taken. All says that it is so for all jobs of the order.
func (order *JobOrder) Refused(id queue.ID, err error) (line string, all bool) {
	switch e, _ := errors.AsType[*queue.Error](err); {
	case order.command == "brequeue":
		return fmt.Sprintf("Job <%v> : %s", id, Explain(err)), false
	case order.command == "bswitch" && e != nil && (e.Code == queue.NoSuchQueue || e.Code == queue.QueueClosed || e.Code == queue.QueueDenied):
		return ExplainName(order.Queue, e.Code), e.Code != queue.QueueDenied
	}
	return fmt.Sprintf("Job <%v>: %s", id, Explain(err)), false
}

func successOf(command string, signal int) string {
	switch {
	case command == "bstop" || signal == sigStop:
		return "being stopped"
	case command == "bresume" || signal == sigCont:
		return "being resumed"
	case signal == 0 || signal == sigKill:
		return "being terminated"
	default:
		return "being signaled"
	}
}

// option reports whether it says which jobs are meant.
func (order *JobOrder) option(o given) (names bool, err error) {
	if order.command == "brequeue" && order.rerun(o.name) {
		return false, nil
	}
	switch o.name {
	case "l":
		return false, ErrListSignals
	case "r":
		order.Force = true
	case "s":
		order.Signal, err = parseSignal(o.value)
	case "u":
		order.Mine, order.Filter.User = false, o.value
		return true, nil
	case "q":
		order.Filter.Queue = o.value
		return true, nil
	case "m":
		order.Filter.Host = o.value
		return true, nil
	case "g":
		order.Filter.Group, err = filterGroup(o.value)
		return true, err
	case "J":
		order.Filter.Name, order.Indices, err = parseNameFilter(o.value)
		return true, err
	default:
		return false, Refusal("-" + o.name + ": Option is not supported")
	}
	return false, err
}

// parseSignal reads a signal's number or its name, with or without SIG.
func parseSignal(text string) (int, error) {
	if n, err := strconv.ParseUint(text, 10, 8); err == nil && n >= 1 && n <= 64 {
		return int(n), nil
	}
	name := strings.TrimPrefix(strings.ToUpper(text), "SIG")
	if name == "ABRT" {
		name = "IOT"
	}
	if at := slices.Index(signalNames, name); at >= 0 {
		return at + 1, nil
	}
	return 0, Refusal(printable(text) + ": Illegal signal value")
}

// rerun takes an option of brequeue that says which jobs run again, and how.
func (order *JobOrder) rerun(option string) bool {
	states, known := map[string][]queue.State{
		"d": {queue.Done}, "e": {queue.Exited}, "r": {queue.Running},
		"a": {queue.Running, queue.UserSuspended, queue.SysSuspended, queue.Unknown, queue.Zombie, queue.Done, queue.Exited},
	}[option]
	order.Rerun.From = append(order.Rerun.From, states...)
	order.Rerun.Hold = order.Rerun.Hold || option == "H"
	return known || option == "H"
}
