package lsfbridge

import (
	"fmt"
	"slices"
	"strings"

	"sluice/queue"
)

const (
	hostHeader     = "HOST_NAME          STATUS       JL/U    MAX  NJOBS    RUN  SSUSP  USUSP    RSV \n"
	hostWideHeader = "HOST_NAME          STATUS          JL/U    MAX  NJOBS    RUN  SSUSP  USUSP    RSV \n"
	hostLongHeader = "STATUS           CPUF  JL/U    MAX  NJOBS    RUN  SSUSP  USUSP    RSV DISPATCH_WINDOW\n"
)

// HostLine holds the facts of a host in bhosts; the numbers are slots.
type HostLine struct {
	Name   string
	Status string // the long form, as in closed_Adm; bhosts alone prints what stands before "_"
	User   string // JL/U, "-" = none

	Max, Jobs, Run, SSusp, USusp, Reserved int

	Load map[string]string // values as printed, by index; nil = the machine does not tell
}

// HostQuery is a parsed bhosts command line.
type HostQuery struct {
	Wide, Long bool
	Names      []string // nil = all
}

var hostsGrammar = newGrammar("bhosts", "w l X a s e R: o: x noheader json aff gpu", false)

// ParseHostQuery reads a bhosts command line.
func ParseHostQuery(args []string) (*HostQuery, error) {
	options, words, err := hostsGrammar.parse(args)
	if err != nil {
		return nil, err
	}
	q := &HostQuery{Names: words}
	for _, o := range options {
		switch o.name {
		case "w", "X":
			q.Wide = true
		case "l":
			q.Long = true
		default:
			return nil, Refusal("-" + o.name + ": Option is not supported")
		}
	}
	if q.Wide && q.Long {
		return nil, &UsageError{Command: "bhosts"}
	}
	return q, nil
}

// Select picks the hosts that the query shows, by name. Hosts that have not joined yet are no hosts to LSF's users. An
// unknown name is a Refusal.
func (q *HostQuery) Select(hosts []queue.Host) ([]queue.Host, error) {
	joined := slices.DeleteFunc(slices.Clone(hosts), func(h queue.Host) bool { return h.Status == queue.HostAdded })
	for _, name := range q.Names {
		if !slices.ContainsFunc(joined, func(h queue.Host) bool { return h.Name == name }) {
			return nil, Refusal(ExplainName(name, queue.NoSuchHost))
		}
	}
	joined = slices.DeleteFunc(joined, func(h queue.Host) bool {
		return len(q.Names) > 0 && !slices.Contains(q.Names, h.Name)
	})
	slices.SortFunc(joined, func(a, b queue.Host) int { return strings.Compare(a.Name, b.Name) })
	return joined, nil
}

// HostLineOf gives the facts that bhosts shows of a host. A host that is being drained is closed by an administrator's
// right as far as LSF's users are concerned.
func HostLineOf(h *queue.Host) HostLine {
	l := HostLine{Name: orDash(h.Name), Status: "ok", User: "-", Max: h.Slots, Jobs: h.Used, Run: h.Run, SSusp: h.SSusp, USusp: h.USusp}
	if h.Machine != nil && h.Status == queue.HostOK {
		l.Load = loadValues(h.Machine)
	}
	switch {
	case h.Status != queue.HostOK:
		l.Status = "unavail"
	case h.Closed != 0:
		l.Status = "closed_Adm"
	case h.Used >= h.Slots:
		l.Status = "closed_Full"
	}
	return l
}

func (l *HostLine) appendNumbers(b []byte) []byte {
	return fmt.Appendf(b, "%5s %6d %6d %6d %6d %6d %6d", l.User, l.Max, l.Jobs, l.Run, l.SSusp, l.USusp, l.Reserved)
}

// PrintHosts is what bhosts and bhosts -w print.
func PrintHosts(lines []HostLine, wide bool) []byte {
	b := []byte(hostHeader)
	if wide {
		b = []byte(hostWideHeader)
	}
	for i := range lines {
		l := &lines[i]
		if wide {
			b = fmt.Appendf(b, "%-18s %-15s", l.Name, l.Status)
		} else {
			status, _, _ := strings.Cut(l.Status, "_")
			b = fmt.Appendf(b, "%-18.18s %-12s", l.Name, status)
		}
		b = append(l.appendNumbers(b), '\n')
	}
	return b
}

// ParseHosts reads what bhosts and bhosts -w print. Host names hold no blanks.
func ParseHosts(text string) ([]HostLine, error) {
	var lines []HostLine
	for line := range strings.Lines(text) {
		if line == hostHeader || line == hostWideHeader {
			continue
		}
		f := strings.Fields(line)
		if len(f) != 9 {
			return nil, fmt.Errorf("parse bhosts line %q: %d words, want 9", line, len(f))
		}
		l := HostLine{Name: f[0], Status: f[1], User: f[2]}
		if err := parseNumbers(f[3:], &l.Max, &l.Jobs, &l.Run, &l.SSusp, &l.USusp, &l.Reserved); err != nil {
			return nil, fmt.Errorf("parse bhosts line %q: %w", line, err)
		}
		lines = append(lines, l)
	}
	return lines, nil
}

// The block of bhosts -l about a host's load: what is before and after what there is of each index, and what stands there for a machine that
// does not tell.
const (
	hostLoad = `
 CURRENT LOAD USED FOR SCHEDULING:
              r15s   r1m  r15m    ut    pg    io   ls    it   tmp   swp   mem
 Total  `
	hostLoadUnknown = "        -     -     -     -     -     -    -     -     -     -     -"
	hostLoadRest    = `
 Reserved      0.0   0.0   0.0    0%   0.0     0    0     0    0M    0M    0M


 LOAD THRESHOLD USED FOR SCHEDULING:
` + thresholds + "\n\n"
)

// appendLoad appends what there is of each load index.
func (l *HostLine) appendLoad(b []byte) []byte {
	b = append(b, hostLoad...)
	if l.Load == nil {
		return append(append(b, hostLoadUnknown...), hostLoadRest...)
	}
	for i, c := range loadColumns {
		width := 6
		switch {
		case i == 0:
			width = 10
		case c.name == "ls":
			width = 5
		}
		b = fmt.Appendf(b, "%*s", width, l.Load[c.name])
	}
	return append(b, hostLoadRest...)
}

// PrintLongHosts is what bhosts -l prints. Hosts have no CPU factor, so it is 1.
func PrintLongHosts(lines []HostLine) []byte {
	var b []byte
	for i := range lines {
		l := &lines[i]
		b = fmt.Appendf(b, "HOST  %s\n%s%-14s %6.2f %s      -\n", l.Name, hostLongHeader, l.Status, 1.0, l.appendNumbers(nil))
		b = l.appendLoad(b)
	}
	return b
}
