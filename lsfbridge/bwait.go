package lsfbridge

import (
	"strconv"
	"time"

	"sluice/queue"
)

// WaitOrder is a parsed bwait command line.
type WaitOrder struct {
	Text      string // of the condition
	Condition *queue.Condition
	Timeout   time.Duration // 0 = none
}

var waitGrammar = newGrammar("bwait", "w: t: r:", false)

// ParseWaitOrder reads a bwait command line. Errors are ErrVersion, *UsageError or a Refusal.
func ParseWaitOrder(args []string) (*WaitOrder, error) {
	options, words, err := waitGrammar.parse(args)
	if err != nil {
		return nil, err
	}
	o := &WaitOrder{}
	for _, given := range options {
		switch given.name {
		case "w":
			o.Text = given.value
			if o.Condition, err = ParseCondition(given.value); err != nil {
				return nil, Refusal(printable(given.value) + ": " + err.Error() + ".")
			}
		case "t":
			if o.Timeout, err = parseMinutes(given); err != nil {
				return nil, err
			}
		case "r": // how often the wait is registered anew: it need not be
			if _, err := parseMinutes(given); err != nil {
				return nil, err
			}
		}
	}
	if o.Condition == nil || len(words) > 0 {
		return nil, &UsageError{Command: "bwait"}
	}
	return o, nil
}

// parseMinutes reads a number of minutes of at most a year.
func parseMinutes(o given) (time.Duration, error) {
	n, err := strconv.Atoi(o.value)
	if err != nil || n < 1 || n > 525_600 {
		return 0, Refusal(printable(o.value) + ": Bad argument for option -" + o.name + ": want 1 to 525600 minutes.")
	}
	return time.Duration(n) * time.Minute, nil
}
