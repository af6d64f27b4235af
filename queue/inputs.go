package queue

import (
	"maps"
	"strings"
)

// Input is a copy of a file that jobs of a user read in place of the file itself: Spec.Input is its name.
type Input struct{ User, Name string }

// Inputs are the copies that jobs which are remembered refer to, each with their number. The map is the caller's.
func (q *Queue) Inputs() map[Input]int { return maps.Clone(q.inputs) }

// refer notes that so many jobs more refer to the input of a spec.
func (q *Queue) refer(s *Spec, more int) {
	if s.Input == "" {
		return
	}
	key := Input{s.User, s.Input}
	if q.inputs[key] += more; q.inputs[key] == 0 {
		delete(q.inputs, key)
	}
}

// isInputName reports whether a name may be that of a copy: a SHA-256 checksum in hex.
func isInputName(name string) bool {
	return len(name) == 64 && strings.Trim(name, "0123456789abcdef") == ""
}
