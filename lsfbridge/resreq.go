package lsfbridge

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"sluice/queue"
)

// Limits of resource requirements.
const (
	maxResReqBytes = 4096
	maxMemMiB      = 1 << 30 // a pebibyte
	maxGPUs        = 1 << 10
)

// resReqSyntax is LSF's refusal; bsub adds that the job was not submitted.
const resReqSyntax = Refusal("Bad resource requirement syntax")

// ParseResReq adds a resource requirement string (bsub -R) to what each slot of a job of least to most slots needs. It knows
// select[mem>n], select[type==any], rusage[mem=, ngpus=, ngpus_physical=], span[hosts=1], span[ptile=n] and order[…], which is a
// preference only. Everything else is refused.
//
// Memory is of the whole job (LSF's default), in equal shares of its slots, and GPUs are on each of its hosts, unless they are given
// as mem=n/task and ngpus=n/task.
func ParseResReq(text string, least, most int, need queue.Need) (queue.Need, error) {
	if len(text) > maxResReqBytes {
		return need, resReqSyntax
	}
	sections, err := resReqSections(text)
	if err != nil {
		return need, err
	}
	for _, s := range sections {
		switch s.name {
		case "select":
			err = selectNeed(s.body, least, &need)
		case "rusage":
			err = rusageNeed(s.body, least, &need)
		case "span":
			err = spanNeed(s.body, most, &need)
		case "order":
			err = checkOrder(s.body)
		default:
			err = resReqSyntax
		}
		if err != nil {
			return need, err
		}
	}
	return need, nil
}

type resReqSection struct{ name, body string }

// resReqSections splits "expr rusage[…] span[…]"; an expression without a section name is a selection.
func resReqSections(text string) ([]resReqSection, error) {
	var sections []resReqSection
	for rest := strings.TrimSpace(text); rest != ""; rest = strings.TrimSpace(rest) {
		name := rest[:len(rest)-len(strings.TrimLeft(rest, "abcdefghijklmnopqrstuvwxyz"))]
		if after := strings.TrimLeft(rest[len(name):], " \t"); name != "" && strings.HasPrefix(after, "[") {
			body, following, closed := strings.Cut(after[1:], "]")
			if !closed || strings.Contains(body, "[") {
				return nil, resReqSyntax
			}
			sections = append(sections, resReqSection{name, body})
			rest = following
			continue
		}
		if len(sections) > 0 || strings.ContainsAny(rest, "]") && !strings.Contains(rest, "[") {
			return nil, resReqSyntax
		}
		end := len(rest)
		for _, next := range []string{"rusage[", "span[", "order["} {
			if i := strings.Index(rest, next); i >= 0 {
				end = min(end, i)
			}
		}
		sections = append(sections, resReqSection{"select", rest[:end]})
		rest = rest[end:]
	}
	return sections, nil
}

// selectNeed reads a conjunction of comparisons. A host that has mem free is one on which that much can be reserved, so
// select[mem>n] becomes a need of n.
func selectNeed(expression string, slots int, need *queue.Need) error {
	for term := range strings.SplitSeq(expression, "&&") {
		term = strings.Trim(strings.ReplaceAll(term, " ", ""), "\t")
		for strings.HasPrefix(term, "(") && strings.HasSuffix(term, ")") {
			term = term[1 : len(term)-1]
		}
		switch term {
		case "type==any", "type==local", "1":
			continue
		}
		amount, ok := strings.CutPrefix(term, "mem>")
		if !ok {
			return resReqSyntax
		}
		mib, err := parseMem(strings.TrimPrefix(amount, "="), 1<<10)
		if err != nil {
			return resReqSyntax
		}
		need.MemMiB = max(need.MemMiB, shareOf(mib, slots))
	}
	return nil
}

// shareOf is what each slot has of something of the whole job, rounded up.
func shareOf(mib, slots int) int { return (mib + slots - 1) / slots }

// perTask cuts the suffix that says what an amount is for, and says whether that is each slot.
func perTask(value string) (amount string, each bool) {
	amount, suffix, _ := strings.Cut(value, "/")
	switch strings.TrimSpace(suffix) {
	case "task", "slot":
		return amount, true
	case "", "host", "job":
		return amount, false
	}
	return value, false
}

// rusageNeed reads reservations, which LSF separates by ":" or ",". How long they last does not matter here: they last as
// long as the job.
func rusageNeed(body string, slots int, need *queue.Need) error {
	items := strings.FieldsFunc(body, func(r rune) bool { return r == ':' || r == ',' })
	if len(items) == 0 {
		return resReqSyntax
	}
	for _, item := range items {
		name, value, _ := strings.Cut(item, "=")
		name, value = strings.TrimSpace(name), strings.TrimSpace(value)
		switch name {
		case "mem":
			amount, each := perTask(value)
			mib, err := parseMem(amount, 1<<10)
			if err != nil {
				return resReqSyntax
			}
			if !each {
				mib = shareOf(mib, slots)
			}
			need.MemMiB = max(need.MemMiB, mib)
		case "ngpus", "ngpus_physical", "ngpus_excl_p", "ngpus_shared":
			amount, each := perTask(value)
			n, err := strconv.ParseUint(amount, 10, 31)
			if err != nil || n > maxGPUs {
				return resReqSyntax
			}
			if each {
				need.GPUs = max(need.GPUs, int(n))
			} else {
				need.HostGPUs = max(need.HostGPUs, int(n))
			}
		case "duration", "decay":
			if strings.Trim(value, "0123456789hm") != "" || value == "" {
				return resReqSyntax
			}
		default:
			return resReqSyntax
		}
	}
	if need.GPUs > 0 && need.HostGPUs > 0 {
		return resReqSyntax
	}
	return nil
}

func spanNeed(body string, slots int, need *queue.Need) error {
	name, value, _ := strings.Cut(strings.ReplaceAll(body, " ", ""), "=")
	n, err := strconv.ParseInt(value, 10, 32)
	switch {
	case err != nil:
		return resReqSyntax
	case name == "hosts" && n == 1, name == "ptile" && n >= int64(slots):
		need.OneHost, need.PerHost = slots > 1, 0
	case name == "hosts" && n == -1:
	case name == "ptile" && n > 0:
		need.OneHost, need.PerHost = false, int(n)
	default:
		return resReqSyntax
	}
	return nil
}

// checkOrder wants what looks like a list of indices.
func checkOrder(body string) error {
	for index := range strings.SplitSeq(body, ":") {
		index = strings.Trim(index, " -")
		if index == "" || strings.Trim(index, "abcdefghijklmnopqrstuvwxyz0123456789_") != "" {
			return resReqSyntax
		}
	}
	return nil
}

// memUnits are the units of sizes, in KiB.
var memUnits = map[string]float64{"K": 1, "M": 1 << 10, "G": 1 << 20, "T": 1 << 30, "P": 1 << 40}

// parseMem reads a size as parseKiB does. It gives MiB, rounded up.
func parseMem(text string, unitKiB float64) (int, error) {
	kib, err := parseKiB(text, unitKiB)
	return int((kib + 1023) / 1024), err
}

// FormatResReq is the resource requirement string of what each slot needs; "" when that is nothing.
func FormatResReq(need queue.Need) string {
	var usage, sections []string
	if need.MemMiB > 0 {
		usage = append(usage, fmt.Sprintf("mem=%d/task", need.MemMiB))
	}
	if need.GPUs > 0 {
		usage = append(usage, fmt.Sprintf("ngpus_physical=%d/task", need.GPUs))
	}
	if need.HostGPUs > 0 {
		usage = append(usage, fmt.Sprintf("ngpus_physical=%d", need.HostGPUs))
	}
	if usage != nil {
		sections = append(sections, "rusage["+strings.Join(usage, ":")+"]")
	}
	if need.OneHost {
		sections = append(sections, "span[hosts=1]")
	}
	if need.PerHost > 0 {
		sections = append(sections, fmt.Sprintf("span[ptile=%d]", need.PerHost))
	}
	return strings.Join(sections, " ")
}

// parseHosts reads bsub's -m: host names with preferences (name+2), which are dropped because a preference forbids
// nothing. The result is a Need's list of hosts.
func parseHosts(text string) (string, error) {
	var hosts []string
	for word := range strings.FieldsSeq(text) {
		name, level, preferred := strings.Cut(word, "+")
		if preferred && strings.Trim(level, "0123456789") != "" || name == "" || strings.ContainsAny(name, ",!") || isBroken(name) {
			return "", Refusal(printable(word) + ": Bad host name, host group name or cluster name")
		}
		if name == "all" && len(hosts) == 0 {
			continue
		}
		hosts = append(hosts, name)
	}
	slices.Sort(hosts)
	return strings.Join(slices.Compact(hosts), ","), nil
}

func isBroken(name string) bool { return strings.ContainsFunc(name, isBreak) }
