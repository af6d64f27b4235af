package lsfbridge

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"sluice/queue"
)

const (
	staticHeader     = "HOST_NAME      type    model  cpuf ncpus maxmem maxswp server RESOURCES\n"
	staticWideHeader = "HOST_NAME                       type       model  cpuf ncpus maxmem maxswp server RESOURCES\n"
	staticLongHeader = "type             model  cpuf ncpus ndisks maxmem maxswp maxtmp rexpri server\n"
)

// StaticLine holds the facts of a host in lshosts. Texts are as printed, "-" for what is not known.
type StaticLine struct {
	Name, Type, Model    string
	Factor               float64 // CPU factor
	CPUs, MaxMem, MaxSwp string
	Server               string // Yes or No
	Resources            []string
}

// StaticQuery is a parsed lshosts command line.
type StaticQuery struct {
	Wide, Long bool
	Names      []string // nil = all
}

var staticGrammar = newGrammar("lshosts", "w l s R: T gpu a cname noheader json o:", false)

// noSharedResources is what lshosts -s and lsload -s say where nothing is shared.
const noSharedResources = Refusal("ls_sharedresourceinfo: No shared resources")

// ParseStaticQuery reads an lshosts command line.
func ParseStaticQuery(args []string) (*StaticQuery, error) {
	options, words, err := staticGrammar.parse(args)
	if err != nil {
		return nil, err
	}
	q := &StaticQuery{Names: words}
	for _, o := range options {
		switch o.name {
		case "w":
			q.Wide = true
		case "l":
			q.Long = true
		case "s":
			return nil, noSharedResources
		default:
			return nil, Refusal("-" + o.name + ": Option is not supported")
		}
	}
	if q.Wide && q.Long {
		return nil, &UsageError{Command: "lshosts"}
	}
	return q, nil
}

// Select picks the hosts that the query shows, as they were named or else by name. An unknown name is a Refusal.
func (q *StaticQuery) Select(hosts []queue.Host) ([]queue.Host, error) {
	return selectHosts(hosts, q.Names, func(name string) error {
		return Refusal("main: gethostbyname() failed for host " + printable(name) + ".")
	})
}

// selectHosts picks joined hosts by name; unknown makes the error for a name that is not there.
func selectHosts(hosts []queue.Host, names []string, unknown func(string) error) ([]queue.Host, error) {
	joined := slices.DeleteFunc(slices.Clone(hosts), func(h queue.Host) bool { return h.Status == queue.HostAdded })
	slices.SortFunc(joined, func(a, b queue.Host) int { return strings.Compare(a.Name, b.Name) })
	if len(names) == 0 {
		return joined, nil
	}
	picked := make([]queue.Host, 0, len(names))
	for _, name := range names {
		at := slices.IndexFunc(joined, func(h queue.Host) bool { return h.Name == name })
		if at < 0 {
			return nil, unknown(name)
		}
		picked = append(picked, joined[at])
	}
	return picked, nil
}

// StaticLineOf gives the facts that lshosts shows of a host: its slots as CPUs, and the attributes of its agent as resources.
func StaticLineOf(h *queue.Host) StaticLine {
	l := StaticLine{
		Name: orDash(h.Name), Type: "linux", Model: "-", Factor: 1,
		CPUs: strconv.Itoa(h.Slots), MaxMem: "-", MaxSwp: "-", Server: "Yes",
	}
	if h.MemMiB > 0 {
		l.MaxMem = strconv.Itoa(h.MemMiB) + "M"
	}
	for _, name := range slices.Sorted(maps.Keys(h.Attributes)) {
		resource := name
		if value := h.Attributes[name]; value != "" && value != "true" {
			resource += "=" + value
		}
		l.Resources = append(l.Resources, strings.Join(strings.Fields(printable(resource)), "_"))
	}
	return l
}

// PrintStatic is what lshosts and lshosts -w print.
func PrintStatic(lines []StaticLine, wide bool) []byte {
	b, format := []byte(staticHeader), "%-11.11s %7s %8s"
	if wide {
		b, format = []byte(staticWideHeader), "%-25s %10s %11s"
	}
	for i := range lines {
		l := &lines[i]
		b = fmt.Appendf(b, format, l.Name, l.Type, l.Model)
		b = fmt.Appendf(b, " %5.1f %5s %6s %6s %6s (%s)\n", l.Factor, l.CPUs, l.MaxMem, l.MaxSwp, l.Server, strings.Join(l.Resources, " "))
	}
	return b
}

// ParseStatic reads what lshosts and lshosts -w print. Names of hosts and resources hold no blanks.
func ParseStatic(text string) ([]StaticLine, error) {
	var lines []StaticLine
	for line := range strings.Lines(text) {
		if line == staticHeader || line == staticWideHeader {
			continue
		}
		facts, resources, found := strings.Cut(strings.TrimSuffix(line, ")\n"), " (")
		f := strings.Fields(facts)
		if !found || len(f) != 8 {
			return nil, fmt.Errorf("parse lshosts line %q: %d words before the resources, want 8", line, len(f))
		}
		factor, err := strconv.ParseFloat(f[3], 64)
		if err != nil {
			return nil, fmt.Errorf("parse lshosts line %q: %w", line, err)
		}
		lines = append(lines, StaticLine{
			Name: f[0], Type: f[1], Model: f[2], Factor: factor, CPUs: f[4], MaxMem: f[5], MaxSwp: f[6], Server: f[7],
			Resources: strings.Fields(resources),
		})
	}
	return lines, nil
}

// PrintLongStatic is what lshosts -l prints.
func PrintLongStatic(lines []StaticLine) []byte {
	var b []byte
	for i := range lines {
		l := &lines[i]
		resources := "Not defined"
		if len(l.Resources) > 0 {
			resources = "(" + strings.Join(l.Resources, " ") + ")"
		}
		b = fmt.Appendf(b, "\nHOST_NAME:  %s\n%s%-10s %11s %5.1f %5s %6s %6s %6s %6s %6s %6s\n\nRESOURCES: %s\n",
			l.Name, staticLongHeader, l.Type, l.Model, l.Factor, l.CPUs, "-", l.MaxMem, l.MaxSwp, "-", "0", l.Server, resources)
		b = append(b, "RUN_WINDOWS:  (always open)\n\nLOAD_THRESHOLDS:\n"+
			"  r15s   r1m  r15m   ut    pg    io   ls   it   tmp   swp   mem\n"+
			"     -     -     -    -     -     -    -    -     -     -     -\n"...)
	}
	return b
}
