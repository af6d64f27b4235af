package lsfbridge

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"sluice/queue"
)

// limitOption reads an option that limits what a job uses.
func limitOption(o given, to *queue.Limits) (err error) {
	switch o.name {
	case "c":
		to.CPU, err = parseHoursMinutes(o.value, "CPULIMIT")
	case "M":
		text := strings.TrimSpace(strings.TrimSuffix(o.value, "!")) // a hard limit; ours all are
		to.MemKiB, err = parseSizeLimit(text, "MEMLIMT", 1)
	case "v":
		to.SwapKiB, err = parseSizeLimit(o.value, "SWAPLIMT", 1)
	case "F":
		to.FileKiB, err = parseSizeLimit(o.value, "FILELIMT", 1)
	case "D":
		to.DataKiB, err = parseSizeLimit(o.value, "DATALIMT", 1)
	case "S":
		to.StackKiB, err = parseSizeLimit(o.value, "STACKLIMT", 1)
	case "C":
		if to.CoreKiB, err = parseSizeLimit(o.value, "CORELIMT", 0); to.CoreKiB == 0 {
			to.CoreKiB = queue.NoCore
		}
	case "p":
		to.Processes, err = parseCountLimit(o.value, "PROCESSLIMT")
	case "T":
		to.Threads, err = parseCountLimit(o.value, "THREADLIMT")
	}
	return err
}

// limitOptions are the options of bsub that limit what queues limit by a keyword.
var limitOptions = map[string]string{
	"CPULIMIT": "c", "MEMLIMIT": "M", "SWAPLIMIT": "v", "FILELIMIT": "F", "DATALIMIT": "D", "STACKLIMIT": "S", "CORELIMIT": "C",
	"PROCESSLIMIT": "p", "THREADLIMIT": "T",
}

// ParseLimit reads what lsb.queues says of one of LSF's limits by its keyword (MEMLIMIT …), in the words of bsub's option for it.
func ParseLimit(keyword, text string, to *queue.Limits) error {
	option, known := limitOptions[keyword]
	if !known {
		return Refusal(printable(keyword) + ": no such limit")
	}
	return limitOption(given{name: option, value: text}, to)
}

// ParseRunLimit reads [hours:]minutes[/host], as bsub -W does.
func ParseRunLimit(text string) (time.Duration, error) { return parseHoursMinutes(text, "RUNLIMIT") }

func badLimit(text, name string) error {
	return Refusal(printable(text) + ": " + name + " value should be a positive integer")
}

// parseSizeLimit reads a size of at least so many KiB.
func parseSizeLimit(text, name string, least int64) (int64, error) {
	kib, err := parseKiB(text, 1)
	if err != nil || kib < least {
		return 0, badLimit(text, name)
	}
	return kib, nil
}

func parseCountLimit(text, name string) (int, error) {
	n, err := strconv.ParseInt(text, 10, 32)
	if err != nil || n < 1 {
		return 0, badLimit(text, name)
	}
	return int(n), nil
}

// parseKiB reads a size: a number with a unit (K, KB, M, …) or, without one, in units of unitKiB. It gives KiB, rounded up.
func parseKiB(text string, unitKiB float64) (int64, error) {
	digits := text[:len(text)-len(strings.TrimLeft(text, "0123456789."))]
	unit := strings.TrimSuffix(strings.ToUpper(text[len(digits):]), "B")
	if unit != "" {
		var known bool
		if unitKiB, known = memUnits[unit]; !known {
			return 0, fmt.Errorf("parse size %q: no such unit", text)
		}
	}
	n, err := strconv.ParseFloat(digits, 64)
	if err != nil {
		return 0, fmt.Errorf("parse size %q: %w", text, err)
	}
	kib := math.Ceil(n * unitKiB)
	if kib > maxMemMiB*1024 {
		return 0, fmt.Errorf("parse size %q: too large", text)
	}
	return int64(kib), nil
}

// limitColumns are the limits that stand beside each other in a block of their own, with the widths of name and value, a
// blank before them included, that the recorded block of jobs has; queue is the value's in that of queues.
var limitColumns = []struct {
	name         string
	names, width int
	queue        int
	value        func(*queue.Limits) string
}{
	{"FILELIMIT", 10, 9, 10, func(l *queue.Limits) string { return kibLimit(l.FileKiB) }},
	{"DATALIMIT", 10, 10, 11, func(l *queue.Limits) string { return kibLimit(l.DataKiB) }},
	{"STACKLIMIT", 11, 10, 10, func(l *queue.Limits) string { return kibLimit(l.StackKiB) }},
	{"CORELIMIT", 10, 11, 11, func(l *queue.Limits) string { return kibLimit(l.CoreKiB) }},
	{"MEMLIMIT", 9, 10, 11, func(l *queue.Limits) string { return kibLimit(l.MemKiB) }},
	{"SWAPLIMIT", 10, 10, 10, func(l *queue.Limits) string { return kibLimit(l.SwapKiB) }},
	{"PROCESSLIMIT", 13, 13, 8, func(l *queue.Limits) string { return positive(l.Processes) }},
	{"THREADLIMIT", 12, 12, 12, func(l *queue.Limits) string { return positive(l.Threads) }},
}

func kibLimit(kib int64) string {
	if kib == 0 {
		return ""
	}
	return strconv.FormatInt(max(kib, 0), 10) + " K"
}

// limitLines are the lines of the blocks of limits: of names and of values, by turns.
func limitLines(spec *queue.Spec) []string {
	var lines []string
	names, values := "", ""
	for _, t := range []struct {
		name  string
		limit time.Duration
	}{{"CPULIMIT", spec.Limits.CPU}, {"RUNLIMIT", spec.RunLimit}} {
		if t.limit > 0 {
			names += fmt.Sprintf(" %-24s", t.name)
			values += fmt.Sprintf(" %-24s", fmt.Sprintf("%.1f min", t.limit.Minutes()))
		}
	}
	if names != "" {
		lines = append(lines, names[1:], values[1:])
	}
	return append(lines, sizeLimitLines(&spec.Limits, false)...)
}

// sizeLimitLines are the lines of names and of values of the limits of limitColumns, of a job or of a queue; nil = there are
// none.
func sizeLimitLines(limits *queue.Limits, ofQueue bool) []string {
	names, values := "", ""
	for _, c := range limitColumns {
		if value := c.value(limits); value != "" {
			names += fmt.Sprintf("%*s", c.names, c.name)
			width := c.width
			if ofQueue {
				width = c.queue
			}
			values += fmt.Sprintf("%*s", width, " "+value)
		}
	}
	if names == "" {
		return nil
	}
	return []string{names[1:], values[1:]}
}
