package lsfbridge

import (
	"slices"
	"strconv"
	"strings"

	"sluice/queue"
)

// JobOrder is a parsed command line of bkill, bstop or bresume.
type JobOrder struct {
	// Signal is the number of the signal to send, or 0: end the job (bkill), stop it (bstop), resume it (bresume).
	Signal  int
	Force   bool // -r: ended whatever the host says
	Success string

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
}

// ErrListSignals reports bkill -l.
const ErrListSignals = Refusal("list of signals asked for")

// noJobNamed is what these commands say when neither a job id nor an option names a job.
const noJobNamed = "Job ID or one of '-m', '-u' '-q' and '-J' must be specified."

// ParseJobOrder reads a command line of bkill, bstop or bresume. Errors are ErrVersion, ErrListSignals, *UsageError or a
// Refusal.
func ParseJobOrder(command string, args []string) (*JobOrder, error) {
	options, words, err := orderGrammars[command].parse(args)
	if err != nil {
		return nil, err
	}
	order := &JobOrder{Mine: true}
	named := false
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
		return nil, &UsageError{command, noJobNamed}
	}
	if order.Signal != 0 && order.Force {
		return nil, &UsageError{Command: command}
	}
	order.Success = successOf(command, order.Signal)
	return order, nil
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
