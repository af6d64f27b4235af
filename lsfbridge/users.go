package lsfbridge

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"sluice/queue"
)

const userHeader = "USER/GROUP          JL/P    MAX  NJOBS   PEND    RUN  SSUSP  USUSP    RSV \n"

// UserLine holds the facts of a user in busers; the numbers are slots, negative for none ("-", the line of the limits that
// users have by default).
type UserLine struct {
	Name      string
	PerCPU    string // JL/P, "-" = none
	Max       string // "-" = none
	Jobs      int
	Pend, Run int

	SSusp, USusp, Reserved int
}

// UserQuery is a parsed busers command line.
type UserQuery struct {
	Names []string // nil = the caller
	All   bool
}

var usersGrammar = newGrammar("busers", "w", false)

// ParseUserQuery reads a busers command line.
func ParseUserQuery(args []string) (*UserQuery, error) {
	_, words, err := usersGrammar.parse(args)
	if err != nil {
		return nil, err
	}
	return &UserQuery{Names: words, All: slices.Contains(words, "all")}, nil
}

// Select gives the lines that the query shows; caller is who asks. Who has no jobs has zeros and, unless he is configured, the
// limits that users have by default, whoever it is.
func (q *UserQuery) Select(users []queue.UserInfo, caller string) []UserLine {
	if q.All {
		lines := make([]UserLine, len(users))
		for i := range users {
			lines[i] = userLineOf(&users[i])
		}
		return lines
	}
	names := q.Names
	if len(names) == 0 {
		names = []string{caller}
	}
	lines := make([]UserLine, len(names))
	for i, name := range names {
		info := queue.UserInfo{Name: name}
		if at := slices.IndexFunc(users, func(u queue.UserInfo) bool { return u.Default }); at >= 0 && name != users[at].Name {
			info.MaxSlots, info.MaxPending = users[at].MaxSlots, users[at].MaxPending
		}
		if at := slices.IndexFunc(users, func(u queue.UserInfo) bool { return u.Name == name }); at >= 0 {
			info = users[at]
		}
		lines[i] = userLineOf(&info)
	}
	return lines
}

func userLineOf(u *queue.UserInfo) UserLine {
	line := UserLine{
		Name: orDash(u.Name), PerCPU: "-", Max: limitText(u.MaxSlots), Jobs: u.Pend + u.Run + u.SSusp + u.USusp,
		Pend: u.Pend, Run: u.Run, SSusp: u.SSusp, USusp: u.USusp,
	}
	if u.Default { // nobody in particular
		line.Jobs, line.Pend, line.Run, line.SSusp, line.USusp, line.Reserved = -1, -1, -1, -1, -1, -1
	}
	return line
}

// PrintUsers is what busers prints.
func PrintUsers(lines []UserLine) []byte {
	b := []byte(userHeader)
	for i := range lines {
		l := &lines[i]
		b = fmt.Appendf(b, "%-18s %5s %6s", l.Name, l.PerCPU, l.Max)
		for _, n := range []int{l.Jobs, l.Pend, l.Run, l.SSusp, l.USusp, l.Reserved} {
			text := "-"
			if n >= 0 {
				text = strconv.Itoa(n)
			}
			b = fmt.Appendf(b, " %6s", text)
		}
		if l.Jobs < 0 {
			b = append(b, ' ')
		}
		b = append(b, '\n')
	}
	return b
}

// ParseUsers reads what busers prints. User names hold no blanks.
func ParseUsers(text string) ([]UserLine, error) {
	var lines []UserLine
	for line := range strings.Lines(text) {
		if line == userHeader {
			continue
		}
		f := strings.Fields(line)
		if len(f) != 9 {
			return nil, fmt.Errorf("parse busers line %q: %d words, want 9", line, len(f))
		}
		l := UserLine{Name: f[0], PerCPU: f[1], Max: f[2]}
		for i, word := range f[3:] {
			if word == "-" {
				f[3+i] = "-1"
			}
		}
		if err := parseNumbers(f[3:], &l.Jobs, &l.Pend, &l.Run, &l.SSusp, &l.USusp, &l.Reserved); err != nil {
			return nil, fmt.Errorf("parse busers line %q: %w", line, err)
		}
		lines = append(lines, l)
	}
	return lines, nil
}
