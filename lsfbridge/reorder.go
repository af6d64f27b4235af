package lsfbridge

import (
	"errors"
	"fmt"
	"strconv"

	"sluice/queue"
)

// Reorder is a parsed command line of btop or bbot.
type Reorder struct {
	Top      bool
	ID       queue.ID
	Position int // from 1, from the top or from the bottom
}

var reorderGrammars = map[string]grammar{
	"btop": newGrammar("btop", "u:", false),
	"bbot": newGrammar("bbot", "u:", false),
}

// ParseReorder reads a command line of btop or bbot. Errors are ErrVersion, *UsageError or a Refusal.
func ParseReorder(command string, args []string) (*Reorder, error) {
	options, words, err := reorderGrammars[command].parse(args)
	if err != nil {
		return nil, err
	}
	if len(options) > 0 {
		return nil, Refusal("-" + options[0].name + ": Option is not supported")
	}
	if len(words) < 1 || len(words) > 2 {
		return nil, &UsageError{Command: command}
	}
	selector, err := ParseJobSelector(words[0])
	if err != nil {
		return nil, err
	}
	r := &Reorder{Top: command == "btop", ID: selector.ID(), Position: 1}
	if len(words) == 2 {
		if r.Position, err = strconv.Atoi(words[1]); err != nil || r.Position < 1 {
			return nil, &UsageError{Command: command, Text: printable(words[1]) + ": Position value must be a positive integer."}
		}
	}
	return r, nil
}

// Done is the line, for standard error, that says where the job is now.
func (r *Reorder) Done(position int) string {
	end := "bottom"
	if r.Top {
		end = "top"
	}
	return fmt.Sprintf("Job <%v> has been moved to position %d from %s.", r.ID, position, end)
}

// Refused is the line that says why the job was not moved.
func (r *Reorder) Refused(err error) string {
	text := Explain(err)
	if e, ok := errors.AsType[*queue.Error](err); ok && e.Code == queue.WrongState {
		text = "Job has already started"
	}
	return r.ID.String() + ": " + text
}
