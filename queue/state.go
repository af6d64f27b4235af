package queue

import "fmt"

// State is a job's state, in LSF's words.
type State uint8

// The states. Done and Exit are final, unless the job is requeued.
//
//	       submit              dispatch                exit 0
//	(none) ──────> PEND ─────────────────> RUN ─────────────────> DONE
//	   -H │       │ ^  ^ requeue, rerun   │ ^ │ │  exit ≠ 0, killed
//	      v  stop v │  └──────────────────┘ │ │ └───────────────> EXIT
//	      PSUSP <───┘ resume         resume │ v stop               ^ ^
//	        └────────── kill ────────── USUSP, SSUSP ── killed ────┘ │
//	                     RUN, USUSP, SSUSP ── host lost ──> UNKWN ───┘ lease over
//	                                            kill of UNKWN: ZOMBI
const (
	Pending       State = iota + 1 // PEND
	HeldPending                    // PSUSP
	Running                        // RUN
	UserSuspended                  // USUSP
	SysSuspended                   // SSUSP
	Done                           // DONE
	Exited                         // EXIT
	Zombie                         // ZOMBI
	Unknown                        // UNKWN
)

var stateNames = [...]string{
	Pending: "PEND", HeldPending: "PSUSP", Running: "RUN", UserSuspended: "USUSP",
	SysSuspended: "SSUSP", Done: "DONE", Exited: "EXIT", Zombie: "ZOMBI", Unknown: "UNKWN",
}

func (s State) String() string {
	if s == 0 || int(s) >= len(stateNames) {
		return fmt.Sprintf("State(%d)", uint8(s))
	}
	return stateNames[s]
}

// ParseState reads what String prints.
func ParseState(name string) (State, error) {
	for s, n := range stateNames {
		if n == name && s > 0 {
			return State(s), nil
		}
	}
	return 0, fmt.Errorf("parse job state %q: no such state", name)
}

// MarshalText makes a State its LSF name in JSON.
func (s State) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads what MarshalText wrote.
func (s *State) UnmarshalText(text []byte) (err error) {
	*s, err = ParseState(string(text))
	return err
}

// Final reports DONE or EXIT.
func (s State) Final() bool { return s == Done || s == Exited }

// Placed reports that the job holds slots on hosts.
func (s State) Placed() bool {
	return s == Running || s == UserSuspended || s == SysSuspended || s == Unknown || s == Zombie
}
