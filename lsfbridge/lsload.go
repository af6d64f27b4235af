package lsfbridge

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"sluice/queue"
)

// loadColumns are the load indices of lsload in their order; io is only in -l.
var loadColumns = []struct {
	name  string
	width int
}{
	{"r15s", 5}, {"r1m", 5}, {"r15m", 5}, {"ut", 4}, {"pg", 5}, {"io", 5}, {"ls", 3}, {"it", 5}, {"tmp", 5}, {"swp", 5}, {"mem", 5},
}

// LoadLine holds the facts of a host in lsload. Values are as printed, by the name of their index; a host that is not
// available has none.
type LoadLine struct {
	Name   string
	Status string // ok, -ok, busy, unavail, …
	Values map[string]string
}

// LoadQuery is a parsed lsload command line.
type LoadQuery struct {
	Long    bool
	Indices []string // columns; nil = all
	Limit   int      // 0 = all hosts
	Names   []string // nil = all
}

var loadGrammar = newGrammar("lsload", "N E l w a s R: I: n: cname gpu gpuload noheader json o:", false)

// ParseLoadQuery reads an lsload command line.
func ParseLoadQuery(args []string) (*LoadQuery, error) {
	options, words, err := loadGrammar.parse(args)
	if err != nil {
		return nil, err
	}
	q := &LoadQuery{Names: words}
	for _, o := range options {
		switch o.name {
		case "N", "E", "w": // loads are not normalised, names not cut in -l
		case "l":
			q.Long = true
		case "s":
			return nil, noSharedResources
		case "n":
			if q.Limit, err = strconv.Atoi(o.value); err != nil || q.Limit < 1 {
				return nil, &UsageError{Command: "lsload"}
			}
		case "I":
			q.Indices = strings.Split(o.value, ":")
			for _, index := range q.Indices {
				if columnWidth(index) == 0 {
					return nil, Refusal("lsload: Unknown load index name: " + printable(index))
				}
			}
		default:
			return nil, Refusal("-" + o.name + ": Option is not supported")
		}
	}
	return q, nil
}

func columnWidth(index string) int {
	for _, c := range loadColumns {
		if c.name == index {
			return c.width
		}
	}
	return 0
}

// Select picks the hosts that the query shows, those that are there first. An unknown name is a Refusal.
func (q *LoadQuery) Select(hosts []queue.Host) ([]queue.Host, error) {
	picked, err := selectHosts(hosts, q.Names, func(name string) error {
		return Refusal("main: invalid hostname " + printable(name))
	})
	if err != nil {
		return nil, err
	}
	slices.SortStableFunc(picked, func(a, b queue.Host) int {
		return cmp.Or(cmp.Compare(a.Status, b.Status), cmp.Compare(busy(&a), busy(&b)))
	})
	if q.Limit > 0 {
		picked = picked[:min(q.Limit, len(picked))]
	}
	return picked, nil
}

// busy is what lsload sorts by; machines that do not tell come last.
func busy(h *queue.Host) float64 {
	if h.Machine == nil {
		return math.MaxFloat64
	}
	return h.Machine.Run15s
}

// loadValues are the values of a machine's load indices; "-" for each where it does not tell.
func loadValues(m *queue.MachineLoad) map[string]string {
	values := make(map[string]string)
	if m == nil {
		for _, c := range loadColumns {
			values[c.name] = "-"
		}
		return values
	}
	decimal := func(x float64) string {
		if x >= 1000 {
			return fmt.Sprintf("%.0f", x)
		}
		return fmt.Sprintf("%.1f", x)
	}
	values["r15s"], values["r1m"], values["r15m"] = decimal(m.Run15s), decimal(m.Run1m), decimal(m.Run15m)
	values["ut"], values["pg"], values["io"] = fmt.Sprintf("%.0f%%", 100*m.CPU), decimal(m.Pages), fmt.Sprintf("%.0f", m.DiskKiB)
	values["ls"], values["it"] = strconv.Itoa(m.Logins), "2e+08" // as where nobody can be idle
	if m.Idle >= 0 {
		values["it"] = fmt.Sprintf("%.0f", math.Floor(m.Idle.Minutes()))
	}
	values["tmp"], values["swp"], values["mem"] = inMegabytes(m.TmpMiB), inMegabytes(m.SwapMiB), inMegabytes(m.MemMiB)
	return values
}

// inMegabytes is a size in M, or from 10 G on in G, in four characters at most as long as it can be.
func inMegabytes(mib int64) string {
	switch {
	case mib >= 10<<20:
		return strconv.FormatInt(mib>>20, 10) + "T"
	case mib >= 10<<10:
		return strconv.FormatInt(mib>>10, 10) + "G"
	}
	return strconv.FormatInt(mib, 10) + "M"
}

// LoadLineOf gives the facts that lsload shows of a host.
func LoadLineOf(h *queue.Host) LoadLine {
	if h.Status != queue.HostOK {
		return LoadLine{Name: orDash(h.Name), Status: "unavail"}
	}
	return LoadLine{Name: orDash(h.Name), Status: "ok", Values: loadValues(h.Machine)}
}

// columns are the indices that the query shows.
func (q *LoadQuery) columns() []string {
	if q.Indices != nil {
		return q.Indices
	}
	var names []string
	for _, c := range loadColumns {
		if c.name != "io" || q.Long {
			names = append(names, c.name)
		}
	}
	return names
}

// Print is what lsload prints for the query.
func (q *LoadQuery) Print(lines []LoadLine) []byte {
	format := "%-15.15s %6s"
	if q.Long {
		format = "%-23s %6s"
	}
	columns := q.columns()
	b := fmt.Appendf(nil, format, "HOST_NAME", "status")
	for _, name := range columns {
		b = fmt.Appendf(b, " %*s", columnWidth(name), name)
	}
	b = append(b, '\n')
	for i := range lines {
		b = fmt.Appendf(b, format, lines[i].Name, lines[i].Status)
		for _, name := range columns {
			if lines[i].Values != nil {
				b = fmt.Appendf(b, " %*s", columnWidth(name), lines[i].Values[name])
			}
		}
		b = append(b, '\n')
	}
	return b
}

// ParseLoad reads what lsload prints, whatever its columns. Host names hold no blanks.
func ParseLoad(text string) ([]LoadLine, error) {
	var lines []LoadLine
	var names []string
	for line := range strings.Lines(text) {
		f := strings.Fields(line)
		switch {
		case names == nil && len(f) >= 2 && f[0] == "HOST_NAME":
			names = f[2:]
		case names == nil || len(f) != 2 && len(f) != 2+len(names):
			return nil, fmt.Errorf("parse lsload line %q: want a host with %d values, or none", line, len(names))
		default:
			l := LoadLine{Name: f[0], Status: f[1]}
			if len(f) > 2 || len(names) == 0 {
				l.Values = make(map[string]string)
			}
			for i, value := range f[2:] {
				l.Values[names[i]] = value
			}
			lines = append(lines, l)
		}
	}
	return lines, nil
}
