package lsfbridge

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"sluice/queue"
)

// GroupOrder is a parsed command line of bgadd, bgmod or bgdel.
type GroupOrder struct {
	command string
	Name    string // path; "" = the empty ones of Owner (bgdel 0)
	Empty   bool   // of the group and those below it, only the empty ones (bgdel -c)
	Limit   *int   // nil = none
	Owner   string // "" = the caller
}

var groupGrammars = map[string]grammar{
	"bgadd": newGrammar("bgadd", "L: sla:", false),
	"bgmod": newGrammar("bgmod", "L: Ln u:", false),
	"bgdel": newGrammar("bgdel", "u: c: d:", false),
}

// ParseGroupOrder reads a command line of one of these commands. Errors are ErrVersion, *UsageError or a Refusal.
func ParseGroupOrder(command string, args []string) (*GroupOrder, error) {
	options, words, err := groupGrammars[command].parse(args)
	if err != nil {
		return nil, err
	}
	g := &GroupOrder{command: command}
	changes := command != "bgmod"
	for _, o := range options {
		switch {
		case o.name == "L":
			limit, err := strconv.ParseInt(o.value, 10, 64)
			if err != nil || limit < 0 || limit > math.MaxInt32 {
				return nil, Refusal(command + ": " + printable(o.value) + ": The job group limit must be an integer from 0 to 2147483647.")
			}
			n := int(limit)
			g.Limit, changes = &n, true
		case o.name == "Ln":
			g.Limit, changes = nil, true
		case o.name == "u" && command == "bgdel":
			g.Owner = o.value
		case o.name == "c" && command == "bgdel":
			g.Empty, words = true, append(words, o.value)
		default:
			return nil, Refusal("-" + o.name + ": Option is not supported")
		}
	}
	if len(words) != 1 || !changes {
		return nil, &UsageError{Command: command}
	}
	g.Name = groupPath(words[0])
	switch {
	case command == "bgdel" && g.Name == "0" && !g.Empty:
		g.Name = ""
	case g.Name == "" || g.Name[0] != '/':
		return nil, Refusal(command + ": " + lsfText[queue.BadGroup].text + ".")
	}
	return g, nil
}

// groupPath is the path of a job group without slashes at its end; "" for the root.
func groupPath(text string) string { return strings.TrimRight(text, "/") }

// jobGroup reads the argument of -g: the root stands for no group.
func jobGroup(text string) (string, error) {
	path := groupPath(text)
	if text == "" || path != "" && path[0] != '/' {
		return "", Refusal(printable(text) + ": " + lsfText[queue.BadGroup].text)
	}
	return path, nil
}

// groupTitleLong stands before a job's group in the head of its long forms, where that of the project ends.
const groupTitleLong = ">, Job Group <"

// appTitleLong stands before a job's application there.
const appTitleLong = ">, Application <"

// ownedBy are the application and the group of a job as they follow its project.
func ownedBy(app, group string) (text string) {
	if app != "" {
		text = appTitleLong + escapeAngles(printable(app))
	}
	if group != "" {
		text += groupTitleLong + escapeAngles(printable(group))
	}
	return text
}

// filterGroup reads the argument of -g where it selects jobs.
func filterGroup(text string) (string, error) {
	path, err := jobGroup(text)
	if err == nil && path == "" {
		err = Refusal(printable(text) + ": " + lsfText[queue.BadGroup].text)
	}
	return path, err
}

// Done is the line that says what became of the group of a name.
func (g *GroupOrder) Done(name string) string {
	switch g.command {
	case "bgadd":
		return "Job group <" + name + "> was added."
	case "bgmod":
		return "Job group " + name + " is modified."
	}
	return "Job group " + name + " is deleted."
}

// Refused is the line that says why not.
func (g *GroupOrder) Refused(err error) string {
	return g.command + ": " + strings.TrimSuffix(Explain(err), ".") + "."
}

// GroupQuery is a parsed bjgroup command line.
type GroupQuery struct {
	Slots  bool // -N: in slots
	Tree   bool // -s: each group before those below it
	Name   string
	NoMore bool // only Name itself, none below it
}

var groupsGrammar = newGrammar("bjgroup", "N s", false)

// ParseGroupQuery reads a bjgroup command line.
func ParseGroupQuery(args []string) (*GroupQuery, error) {
	options, words, err := groupsGrammar.parse(args)
	if err != nil {
		return nil, err
	}
	q := &GroupQuery{}
	for _, o := range options {
		q.Slots = q.Slots || o.name == "N"
		q.Tree = q.Tree || o.name == "s"
	}
	if len(words) > 1 || len(words) == 1 && !q.Tree {
		return nil, &UsageError{Command: "bjgroup"}
	}
	if len(words) == 1 {
		q.Name = groupPath(words[0])
		q.NoMore = q.Name != words[0] && q.Name != ""
	}
	return q, nil
}

// GroupLine holds the facts of a job group in bjgroup.
type GroupLine struct {
	Name  string
	Slots bool // the numbers are slots, without those of ended jobs and without limits
	Total int
	Pend  int
	Run   int
	SSusp int
	USusp int

	Finish  int
	Started int
	Limit   int // -1 = none
	Owner   string
}

// Select gives the lines that the query shows of all groups, which come each before those below it. An error says that the group named is
// not there, or that there is none at all.
func (q *GroupQuery) Select(groups []queue.GroupInfo) ([]GroupLine, error) {
	if len(groups) == 0 {
		return nil, Refusal("bjgroups: No job groups yet in the system.")
	}
	var lines []GroupLine
	for i := range groups {
		name := groups[i].Name
		if q.Name == "" || name == q.Name || !q.NoMore && strings.HasPrefix(name, q.Name+"/") {
			lines = append(lines, groupLineOf(&groups[i], q.Slots))
		}
	}
	if lines == nil {
		return nil, Refusal("bjgroup: " + lsfText[queue.NoSuchGroup].text + ".")
	}
	if !q.Tree {
		slices.SortStableFunc(lines, func(a, b GroupLine) int { return cmp.Compare(strings.Count(a.Name, "/"), strings.Count(b.Name, "/")) })
	}
	return lines, nil
}

func groupLineOf(g *queue.GroupInfo, slots bool) GroupLine {
	counts := &g.Jobs
	if slots {
		counts = &g.Slots
	}
	l := GroupLine{
		Name: g.Name, Slots: slots, Total: counts.Total(), Pend: counts.Pend, Run: counts.Run, SSusp: counts.SSusp, USusp: counts.USusp,
		Limit: -1, Owner: printable(g.Owner),
	}
	if slots {
		return l
	}
	l.Finish, l.Started = counts.Finish, g.Started
	if g.Limit != nil {
		l.Limit = *g.Limit
	}
	return l
}

// The titles of bjgroup after that of the names.
const (
	groupHeader     = "NJOBS   PEND    RUN    SSUSP  USUSP  FINISH  SLA   JLIMIT  OWNER\n"
	groupSlotHeader = "NSLOTS  PEND    RUN    SSUSP  USUSP  RSV     SLA   OWNER\n"
	groupTitle      = "GROUP_NAME"
	groupNameWidth  = 19
)

// PrintGroups is what bjgroup prints: columns as wide as LSF's, but for names that are longer.
func PrintGroups(lines []GroupLine) []byte {
	width := groupNameWidth
	for i := range lines {
		width = max(width, len(lines[i].Name)+1)
	}
	header := groupHeader
	if len(lines) > 0 && lines[0].Slots {
		header = groupSlotHeader
	}
	b := fmt.Appendf(nil, "%-*s%s", width, groupTitle, header)
	for i := range lines {
		l := &lines[i]
		b = fmt.Appendf(b, "%-*s%-8s%-8s%-7s%-7s%-7s", width, l.Name,
			number(l.Total, 8), number(l.Pend, 8), number(l.Run, 7), number(l.SSusp, 7), number(l.USusp, 7))
		if l.Slots {
			b = fmt.Appendf(b, "%-8d%-6s%s\n", 0, "()", l.Owner)
			continue
		}
		limit := "-"
		if l.Limit >= 0 {
			limit = strconv.Itoa(l.Limit)
		}
		b = fmt.Appendf(b, "%-8s%-6s%6s  %s\n", number(l.Finish, 8), "()", strconv.Itoa(l.Started)+"/"+limit, l.Owner)
	}
	return b
}

// number keeps a blank after one that fills its column.
func number(n, width int) string {
	s := strconv.Itoa(n)
	if len(s) >= width {
		s += " "
	}
	return s
}

var errGroupTable = errors.New("not a table of job groups")

// ParseGroups reads what PrintGroups prints.
func ParseGroups(text string) ([]GroupLine, error) {
	if len(text) > maxTableBytes {
		return nil, fmt.Errorf("parse bjgroup output: more than %d bytes", maxTableBytes)
	}
	header, rest, _ := strings.Cut(text, "\n")
	titles := strings.Fields(header)
	slots := slices.Equal(titles, append([]string{groupTitle}, strings.Fields(groupSlotHeader)...))
	if !slots && !slices.Equal(titles, append([]string{groupTitle}, strings.Fields(groupHeader)...)) {
		return nil, fmt.Errorf("parse bjgroup output: %w", errGroupTable)
	}
	var lines []GroupLine
	for line := range strings.Lines(rest) {
		l, err := parseGroup(strings.Fields(line), slots)
		if err != nil {
			return nil, fmt.Errorf("parse bjgroup output: line %d: %w", len(lines)+2, err)
		}
		lines = append(lines, l)
	}
	return lines, nil
}

func parseGroup(words []string, slots bool) (GroupLine, error) {
	l := GroupLine{Slots: slots, Limit: -1}
	if len(words) != len(strings.Fields(groupHeader))+1 && !(slots && len(words) == len(strings.Fields(groupSlotHeader))+1) {
		return l, errGroupTable
	}
	l.Name, l.Owner = words[0], words[len(words)-1]
	reserved := 0
	for i, to := range []*int{&l.Total, &l.Pend, &l.Run, &l.SSusp, &l.USusp, &l.Finish} {
		if i == 5 && slots {
			to = &reserved
		}
		n, err := strconv.Atoi(words[i+1])
		if err != nil || n < 0 {
			return l, errGroupTable
		}
		*to = n
	}
	if slots {
		return l, nil
	}
	started, limit, ok := strings.Cut(words[8], "/")
	var err1, err2 error
	l.Started, err1 = strconv.Atoi(started)
	if limit != "-" {
		l.Limit, err2 = strconv.Atoi(limit)
	}
	if !ok || err1 != nil || err2 != nil {
		return l, errGroupTable
	}
	return l, nil
}
