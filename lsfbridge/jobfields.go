package lsfbridge

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"sluice/queue"
)

// Limits of bjobs -o.
const (
	maxFields     = 64
	maxFieldWidth = 4096
)

// Field is one field of bjobs -o.
type Field struct {
	name  string // as in the header
	value func(*queue.Job, time.Time) string
	width int // 0 = as wide as the value
	right bool
}

// fieldKinds are the fields by name, with LSF's recommended widths and values.
var fieldKinds = []struct {
	name    string
	aliases []string
	width   int
	value   func(*queue.Job, time.Time) string
}{
	{"jobid", []string{"id"}, 7, func(j *queue.Job, _ time.Time) string { return strconv.FormatInt(j.ID.Job, 10) }},
	{"jobindex", nil, 8, func(j *queue.Job, _ time.Time) string { return strconv.Itoa(j.ID.Index) }},
	{"stat", nil, 5, func(j *queue.Job, _ time.Time) string { return j.State.String() }},
	{"user", nil, 7, func(j *queue.Job, _ time.Time) string { return j.Spec.User }},
	{"queue", nil, 10, func(j *queue.Job, _ time.Time) string { return j.Spec.Queue }},
	{"job_name", []string{"name"}, 10, func(j *queue.Job, _ time.Time) string { return ShownName(j) }},
	{"proj_name", []string{"proj", "project"}, 11, func(j *queue.Job, _ time.Time) string { return orDefault(j.Spec.Project) }},
	{"application", []string{"app"}, 11, func(j *queue.Job, _ time.Time) string { return j.Spec.App }},
	{"job_group", []string{"group"}, 10, func(j *queue.Job, _ time.Time) string { return j.Spec.Group }},
	{"job_priority", []string{"priority"}, 12, func(j *queue.Job, _ time.Time) string { return positive(j.Spec.Priority) }},
	{"dependency", nil, 15, func(j *queue.Job, _ time.Time) string { return FormatCondition(j.Spec.After) }},
	{"command", []string{"cmd"}, 15, func(j *queue.Job, _ time.Time) string { return ShownCommand(j.Spec.Command) }},
	{"from_host", nil, 11, func(j *queue.Job, _ time.Time) string { return j.Spec.SubmitHost }},
	{"first_host", nil, 11, func(j *queue.Job, _ time.Time) string { return firstHost(j) }},
	{"exec_host", nil, 11, func(j *queue.Job, _ time.Time) string { return strings.Join(shownHosts(j, true), ":") }},
	{"nexec_host", nil, 10, func(j *queue.Job, _ time.Time) string { return positive(len(j.Placement)) }},
	{"alloc_slot", nil, 20, func(j *queue.Job, _ time.Time) string { return strings.Join(shownHosts(j, true), ":") }},
	{"nalloc_slot", nil, 10, func(j *queue.Job, _ time.Time) string { return positive(heldSlots(j)) }},
	{"slots", nil, 5, func(j *queue.Job, _ time.Time) string { return positive(heldSlots(j)) }},
	{"min_req_proc", nil, 12, func(j *queue.Job, _ time.Time) string { return positive(j.Spec.MinSlots) }},
	{"max_req_proc", nil, 12, func(j *queue.Job, _ time.Time) string { return positive(j.Spec.MaxSlots) }},
	{"nreq_slot", nil, 10, func(j *queue.Job, _ time.Time) string { return positive(j.Spec.MinSlots) }},
	{"input_file", nil, 10, func(j *queue.Job, _ time.Time) string { return j.Spec.Stdin }},
	{"output_file", nil, 11, func(j *queue.Job, _ time.Time) string { return j.Spec.Stdout }},
	{"error_file", nil, 10, func(j *queue.Job, _ time.Time) string { return j.Spec.Stderr }},
	{"sub_cwd", nil, 10, func(j *queue.Job, _ time.Time) string { return shownCwd(j.Spec) }},
	{"effective_resreq", []string{"eresreq"}, 17, func(j *queue.Job, _ time.Time) string { return FormatResReq(j.Spec.Need) }},
	{"submit_time", nil, 15, func(j *queue.Job, _ time.Time) string { return fieldTime(j.SubmittedAt) }},
	{"start_time", nil, 15, func(j *queue.Job, _ time.Time) string { return fieldTime(j.StartedAt) }},
	{"finish_time", nil, 16, func(j *queue.Job, _ time.Time) string { return fieldTime(j.EndedAt) }},
	{"specified_start_time", []string{"sstart_time"}, 20, func(j *queue.Job, _ time.Time) string { return fieldTime(j.Spec.BeginAt) }},
	{"specified_terminate_time", []string{"sterminate_time"}, 24, func(j *queue.Job, _ time.Time) string { return fieldTime(j.Spec.EndBy) }},
	{"runtimelimit", nil, 12, func(j *queue.Job, _ time.Time) string { return minutesField(j.Spec.RunLimit) }},
	{"time_left", nil, 11, timeLeft},
	{"run_time", nil, 15, func(j *queue.Job, now time.Time) string { return secondsField(runTime(j, now)) }},
	{"pend_time", nil, 12, func(j *queue.Job, now time.Time) string {
		return strconv.FormatInt(int64(pendTime(j, now).Seconds()), 10)
	}},
	{"cpu_used", nil, 10, func(j *queue.Job, _ time.Time) string { return fmt.Sprintf("%.1f second(s)", used(j).CPU.Seconds()) }},
	{"max_mem", nil, 10, func(j *queue.Job, _ time.Time) string { return memField(used(j).MaxRSSMiB) }},
	{"avg_mem", nil, 10, func(j *queue.Job, _ time.Time) string { return memField(used(j).AvgRSSMiB) }},
	{"mem", nil, 10, func(j *queue.Job, _ time.Time) string { return memField(used(j).RSSMiB) }},
	{"swap", nil, 10, func(j *queue.Job, _ time.Time) string { return memField(used(j).SwapMiB) }},
	{"nthreads", nil, 10, func(j *queue.Job, _ time.Time) string { return positive(used(j).Threads) }},
	{"memlimit", nil, 10, func(j *queue.Job, _ time.Time) string { return kibField(j.Spec.Limits.MemKiB) }},
	{"swaplimit", nil, 10, func(j *queue.Job, _ time.Time) string { return kibField(j.Spec.Limits.SwapKiB) }},
	{"pre_exec_command", []string{"pre_cmd"}, 16, func(j *queue.Job, _ time.Time) string { return ShownCommand(j.Spec.PreExec) }},
	{"post_exec_command", []string{"post_cmd"}, 17, func(j *queue.Job, _ time.Time) string { return ShownCommand(j.Spec.PostExec) }},
	{"pids", nil, 20, func(j *queue.Job, _ time.Time) string { return pidsField(j) }},
	{"exit_code", nil, 10, func(j *queue.Job, _ time.Time) string { return positive(j.ExitCode) }},
	{"exit_reason", nil, 50, func(j *queue.Job, _ time.Time) string { return reasonField(j, j.State == queue.Exited) }},
	{"pend_reason", nil, 11, func(j *queue.Job, _ time.Time) string {
		return reasonField(j, j.State == queue.Pending || j.State == queue.HeldPending)
	}},
}

// ParseFields reads the argument of bjobs -o: field[:[-][width]] …, "all", and delimiter='c'. Errors are Refusals.
func ParseFields(text string) (fields []Field, delimiter string, err error) {
	text, delimiter, err = cutDelimiter(text)
	if err != nil {
		return nil, "", err
	}
	for word := range strings.FieldsSeq(text) {
		name, format, _ := strings.Cut(strings.ToLower(word), ":")
		found := false
		for _, kind := range fieldKinds {
			if name != "all" && name != kind.name && !contains(kind.aliases, name) {
				continue
			}
			found = true
			f := Field{name: strings.ToUpper(kind.name), value: kind.value}
			if err := f.setFormat(format, kind.width, strings.Contains(word, ":")); err != nil {
				return nil, "", err
			}
			fields = append(fields, f)
		}
		if !found {
			return nil, "", Refusal(printable(name) + " is not a valid output format field name.")
		}
	}
	if len(fields) == 0 || len(fields) > maxFields {
		return nil, "", Refusal("Bad argument for option -o")
	}
	return fields, delimiter, nil
}

func contains(names []string, name string) bool {
	for _, n := range names {
		if n == name {
			return true
		}
	}
	return false
}

// cutDelimiter takes delimiter='c' out of a list of fields.
func cutDelimiter(text string) (fields, delimiter string, err error) {
	const key = "delimiter="
	at := strings.Index(text, key)
	if at < 0 {
		return text, "", nil
	}
	rest := text[at+len(key):]
	bad := Refusal("Bad argument for option -o")
	if len(rest) < 3 || rest[0] != '\'' && rest[0] != '"' {
		return "", "", bad
	}
	end := strings.IndexByte(rest[1:], rest[0])
	if end < 1 || isBroken(strings.ReplaceAll(rest[1:1+end], "\t", "")) {
		return "", "", bad
	}
	return text[:at] + " " + rest[end+2:], rest[1 : 1+end], nil
}

func (f *Field) setFormat(format string, recommended int, given bool) error {
	format, _, _ = strings.Cut(format, ":") // a unit: sizes are in Mbytes always
	format, f.right = strings.CutPrefix(format, "-")
	switch {
	case !given:
		return nil
	case format == "":
		f.width = recommended
		return nil
	}
	n, err := strconv.ParseUint(format, 10, 16)
	if err != nil || n < 1 || n > maxFieldWidth {
		return Refusal("Bad argument for option -o")
	}
	f.width = int(n)
	return nil
}

// FieldHeader is the first line of bjobs -o. Fields without a width are as wide as their name at least.
func FieldHeader(fields []Field, delimiter string) string {
	var b []byte
	for i := range fields {
		b = fields[i].append(b, fields[i].name, delimiter, i == len(fields)-1)
	}
	return string(append(b, '\n'))
}

// AppendFields appends a job's line of bjobs -o at a time now.
func AppendFields(b []byte, job *queue.Job, fields []Field, delimiter string, now time.Time) []byte {
	for i := range fields {
		b = fields[i].append(b, fields[i].text(job, now), delimiter, i == len(fields)-1)
	}
	return append(b, '\n')
}

func (f *Field) text(job *queue.Job, now time.Time) string { return orDash(f.value(job, now)) }

func (f *Field) append(b []byte, text, delimiter string, last bool) []byte {
	if f.width > 0 {
		if f.name == "JOB_NAME" {
			text = tail(text, f.width, f.width-1)
		}
		text = cut(text, f.width)
	}
	switch {
	case delimiter != "" && last:
		return append(b, text...)
	case delimiter != "":
		return append(append(b, text...), delimiter...)
	}
	width := f.width
	if width == 0 {
		width = len(f.name)
	}
	switch {
	case f.right:
		b = append(padAny(b, width-len(text)), text...)
	case last: // no blanks at the end, so that scripts can compare the one field that they ask for
		return append(b, text...)
	default:
		b = padAny(append(b, text...), width-len(text))
	}
	if last {
		return b
	}
	return append(b, ' ')
}

func padAny(b []byte, n int) []byte {
	for ; n > len(blanks); n -= len(blanks) {
		b = append(b, blanks...)
	}
	return pad(b, n)
}

// AppendRecord appends a job as an object of bjobs -o -json, indented as LSF indents it; "-" becomes the empty string.
func AppendRecord(b []byte, job *queue.Job, fields []Field, now time.Time) []byte {
	b = append(b, "    {\n"...)
	for i := range fields {
		value := fields[i].value(job, now)
		name, _ := json.Marshal(fields[i].name)
		quoted, err := json.Marshal(value)
		if err != nil {
			quoted = []byte(`""`) // cannot happen: every string has a JSON form
		}
		b = append(append(append(append(b, "      "...), name...), ':'), quoted...)
		if i < len(fields)-1 {
			b = append(b, ',')
		}
		b = append(b, '\n')
	}
	return append(b, "    }"...)
}

func positive(n int) string {
	if n <= 0 {
		return ""
	}
	return strconv.Itoa(n)
}

func fieldTime(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.Format(tableTime)
}

func minutesField(d time.Duration) string {
	if d <= 0 {
		return ""
	}
	return fmt.Sprintf("%.1f", d.Minutes())
}

// used is what a job uses or, once it has ended, used at most.
func used(j *queue.Job) queue.Live {
	if j.Live != nil {
		return *j.Live
	}
	u := &j.Usage
	return queue.Live{
		CPU: u.CPU, RSSMiB: u.MaxRSSMiB, MaxRSSMiB: u.MaxRSSMiB, AvgRSSMiB: u.AvgRSSMiB, SwapMiB: u.MaxSwapMiB, Threads: u.Threads,
	}
}

func pidsField(j *queue.Job) string {
	if j.Live == nil {
		return positive(j.PID)
	}
	words := make([]string, len(j.Live.PIDs))
	for i, pid := range j.Live.PIDs {
		words[i] = strconv.Itoa(pid)
	}
	return strings.Join(words, ",")
}

func kibField(kib int64) string { return memField(int((kib + 1023) / 1024)) }

func secondsField(d time.Duration) string { return fmt.Sprintf("%d second(s)", int64(d.Seconds())) }

func memField(mib int) string {
	if mib <= 0 {
		return ""
	}
	return fmt.Sprintf("%d Mbytes", mib)
}

func firstHost(j *queue.Job) string {
	if len(j.Placement) == 0 {
		return ""
	}
	return j.Placement[0].Host
}

func heldSlots(j *queue.Job) int {
	n := 0
	for _, p := range j.Placement {
		n += p.Slots
	}
	return n
}

func runTime(j *queue.Job, now time.Time) time.Duration {
	switch {
	case j.StartedAt.IsZero() || !j.State.Placed() && !j.State.Final():
		return 0
	case j.State.Final():
		return max(0, j.EndedAt.Sub(j.StartedAt))
	default:
		return max(0, now.Sub(j.StartedAt))
	}
}

func pendTime(j *queue.Job, now time.Time) time.Duration {
	switch {
	case !j.StartedAt.IsZero():
		return max(0, j.StartedAt.Sub(j.SubmittedAt))
	case !j.EndedAt.IsZero():
		return max(0, j.EndedAt.Sub(j.SubmittedAt))
	default:
		return max(0, now.Sub(j.SubmittedAt))
	}
}

func timeLeft(j *queue.Job, now time.Time) string {
	if j.Spec.RunLimit <= 0 || !j.State.Placed() {
		return ""
	}
	left := max(0, j.Spec.RunLimit-runTime(j, now)).Truncate(time.Minute)
	return fmt.Sprintf("%d:%d L", int(left.Hours()), int(left.Minutes())%60)
}

func reasonField(j *queue.Job, shown bool) string {
	if !shown {
		return ""
	}
	return strings.TrimSuffix(strings.Join(reasonLines(j.Reason), " "), ";")
}
