package lsfbridge

import (
	"fmt"
	"path"
	"strings"
	"time"

	"sluice/queue"
	"sluice/queue/history"
)

// AccountQuery is a parsed bacct command line.
type AccountQuery struct {
	Long      bool
	Brief     bool // -b: a line a job
	Whole     bool // -w: nothing of it is cut
	Mine      bool // only the caller's jobs
	Selectors []JobSelector
	Filter    history.Filter
}

var accountGrammar = newGrammar("bacct", "l d e b w x E UF C: D: S: u: q: P: m: f: N: M: U: sla: app: cname aff gpu", false)

// ParseAccountQuery reads a bacct command line. Errors are ErrVersion, *UsageError or a Refusal.
func ParseAccountQuery(args []string, now time.Time) (*AccountQuery, error) {
	options, words, err := accountGrammar.parse(args)
	if err != nil {
		return nil, err
	}
	q := &AccountQuery{Mine: true}
	for _, o := range options {
		if err := q.option(o, now); err != nil {
			return nil, err
		}
	}
	if q.Long && q.Brief {
		return nil, &UsageError{Command: "bacct"}
	}
	if q.Selectors, _, err = parseSelectors(words); err != nil {
		return nil, err
	}
	if q.Filter.States == nil {
		q.Filter.States = []queue.State{queue.Done, queue.Exited}
	}
	for _, s := range q.Selectors {
		s.Elements(func(id queue.ID) bool {
			q.Filter.IDs = append(q.Filter.IDs, id)
			return len(q.Filter.IDs) <= maxSelectors
		})
	}
	if len(q.Filter.IDs) > maxSelectors {
		return nil, Refusal("Too many job IDs.")
	}
	q.Mine = q.Mine && len(q.Selectors) == 0
	return q, nil
}

func (q *AccountQuery) option(o given, now time.Time) (err error) {
	f := &q.Filter
	switch o.name {
	case "l":
		q.Long = true
	case "b", "w":
		q.Brief, q.Whole = true, q.Whole || o.name == "w"
	case "d":
		f.States = append(f.States, queue.Done)
	case "e":
		f.States = append(f.States, queue.Exited)
	case "C":
		f.Ended, err = parseSpan(o.value, now)
	case "D":
		f.Dispatched, err = parseSpan(o.value, now)
	case "S":
		f.Submitted, err = parseSpan(o.value, now)
	case "u":
		q.Mine, f.Users = false, strings.Fields(o.value)
		if o.value == "all" {
			f.Users = nil
		}
	case "q":
		f.Queues = strings.Fields(o.value)
	case "P":
		f.Projects = strings.Fields(o.value)
	case "m":
		f.Hosts = strings.Fields(o.value)
	default:
		return Refusal("-" + o.name + ": Option is not supported")
	}
	return err
}

// Header is what bacct prints first: which jobs are meant. Times are in location.
func (q *AccountQuery) Header(location *time.Location) string {
	var b strings.Builder
	f := &q.Filter
	b.WriteString("Accounting information about jobs that are: \n")
	list := func(what, all string, names []string) {
		if names == nil {
			fmt.Fprintf(&b, "  - %s all %s.\n", what, all)
			return
		}
		fmt.Fprintf(&b, "  - %s %s %s, \n", what, all, printable(strings.Join(names, ", ")))
	}
	list("submitted by", "users", f.Users)
	list("accounted on", "projects", f.Projects)
	switch {
	case len(f.States) > 1:
		b.WriteString("  - completed normally or exited\n")
	case f.States[0] == queue.Done:
		b.WriteString("  - completed normally\n")
	default:
		b.WriteString("  - exited\n")
	}
	list("executed on", "hosts", f.Hosts)
	list("submitted to", "queues", f.Queues)
	b.WriteString("  - accounted on all service classes.\n")
	span := func(what string, s history.Span) {
		if s == (history.Span{}) {
			return
		}
		from, to := "the beginning", "now"
		if !s.From.IsZero() {
			from = s.From.In(location).Format(fullTime)
		}
		if !s.To.IsZero() {
			to = s.To.In(location).Format(fullTime)
		}
		fmt.Fprintf(&b, "  - %s between  %s, and  %s\n", what, from, to)
	}
	span("submitted", f.Submitted)
	span("dispatched", f.Dispatched)
	span("completed", f.Ended)
	b.WriteString(LongRule + "\n")
	return b.String()
}

// PrintAccounts is the summary that bacct prints last. Times are in location.
func PrintAccounts(s history.Summary, location *time.Location) string {
	var b strings.Builder
	n := float64(max(s.Jobs(), 1))
	line := func(format string, args ...any) { fmt.Fprintf(&b, " "+format+"\n", args...) }
	b.WriteString("SUMMARY:      ( time unit: second ) \n")
	line("Total number of done jobs:%8d      Total number of exited jobs:%6d", s.Done, s.Exited)
	line("Total CPU time consumed:%10.1f      Average CPU time consumed:%8.1f", s.CPU.Sum, s.CPU.Sum/n)
	line("Maximum CPU time of a job:%8.1f      Minimum CPU time of a job:%8.1f", s.CPU.Max, s.CPU.Min)
	line("Total wait time in queues:%9.1f", s.Wait.Sum)
	line("Average wait time in queue:%8.1f", s.Wait.Sum/n)
	line("Maximum wait time in queue:%8.1f      Minimum wait time in queue:%8.1f", s.Wait.Max, s.Wait.Min)
	line("Average turnaround time:%10.0f (seconds/job)", s.Turnaround.Sum/n)
	line("Maximum turnaround time:%10.0f      Minimum turnaround time:%10.0f", s.Turnaround.Max, s.Turnaround.Min)
	line("Average hog factor of a job:%6.2f ( cpu time / turnaround time )", s.Hog.Sum/n)
	line("Maximum hog factor of a job:%6.2f      Minimum hog factor of a job:%6.2f", s.Hog.Max, s.Hog.Min)
	if s.Jobs() > 0 {
		hours := s.End.Sub(s.Begin).Hours()
		throughput := 0.0
		if hours > 0 {
			throughput = float64(s.Jobs()) / hours
		}
		line("Total throughput:%17.2f (jobs/hour)  during%9.2f hours", throughput, hours)
		line("Beginning time:%19s      Ending time:%22s", s.Begin.In(location).Format(tableTime), s.End.In(location).Format(tableTime))
	}
	return b.String() + "\n"
}

// accountFormats are the lines of a summary for ParseAccounts.
var accountFormats = []string{
	" Total number of done jobs: %f Total number of exited jobs: %f",
	" Total CPU time consumed: %f Average CPU time consumed: %f",
	" Maximum CPU time of a job: %f Minimum CPU time of a job: %f",
	" Total wait time in queues: %f",
	" Average wait time in queue: %f",
	" Maximum wait time in queue: %f Minimum wait time in queue: %f",
	" Average turnaround time: %f",
	" Maximum turnaround time: %f Minimum turnaround time: %f",
	" Average hog factor of a job: %f",
	" Maximum hog factor of a job: %f Minimum hog factor of a job: %f",
}

// ParseAccounts reads the summary that bacct prints, without its times: sums come back as exactly as averages are printed.
func ParseAccounts(text string) (s history.Summary, err error) {
	_, text, ok := strings.Cut(text, "SUMMARY:")
	if !ok {
		return s, fmt.Errorf("parse bacct output: no summary in %q", cut(text, 80))
	}
	var done, exited, averageCPU, averageWait, averageTurnaround, averageHog float64
	values := [][]any{
		{&done, &exited},
		{&s.CPU.Sum, &averageCPU},
		{&s.CPU.Max, &s.CPU.Min},
		{&s.Wait.Sum},
		{&averageWait},
		{&s.Wait.Max, &s.Wait.Min},
		{&averageTurnaround},
		{&s.Turnaround.Max, &s.Turnaround.Min},
		{&averageHog},
		{&s.Hog.Max, &s.Hog.Min},
	}
	lines := strings.Split(text, "\n")
	if len(lines) < len(values)+1 {
		return s, fmt.Errorf("parse bacct output: a summary of %d lines", len(lines))
	}
	for i, format := range accountFormats {
		line := strings.Join(strings.Fields(lines[i+1]), " ")
		if _, err := fmt.Sscanf(line, strings.TrimSpace(format), values[i]...); err != nil {
			return s, fmt.Errorf("parse bacct line %q: %w", line, err)
		}
	}
	s.Done, s.Exited = int(done), int(exited)
	s.Turnaround.Sum, s.Hog.Sum = averageTurnaround*(done+exited), averageHog*(done+exited)
	return s, nil
}

// AppendAccount appends what bacct -l prints of one job. Times are in location.
func AppendAccount(b []byte, r *history.Record, location *time.Location) []byte {
	spec := r.Spec
	job := queue.Job{ID: r.ID, Spec: spec, State: r.State, Placement: r.Placement}
	head := "Job <" + r.ID.String() + ">, "
	if spec.Name != "" || spec.Array != nil {
		head += "Job Name <" + escapeAngles(ShownName(&job)) + ">, "
	}
	head += "User <" + printable(spec.User) + ">, Project <" + escapeAngles(orDefault(spec.Project)) + ownedBy(spec.App, spec.Group) + ">, Status <" + r.State.String() +
		">, Queue <" + printable(spec.Queue) + ">, Command <" + ShownCommand(spec.Command) + ">"
	b = appendWrapped(b, head)
	submitted := "<" + orDash(spec.SubmitHost) + ">"
	if spec.Cwd != "" {
		submitted += ", CWD <" + printable(path.Clean(spec.Cwd)) + ">"
	}
	if spec.Stdout != "" {
		submitted += ", Output File <" + printable(spec.Stdout) + ">"
	}
	at := func(t time.Time) string { return t.In(location).Format(longTime) + ": " }
	b = appendWrapped(b, at(r.SubmittedAt)+"Submitted from host "+submitted+";")
	if !r.StartedAt.IsZero() {
		b = appendWrapped(b, at(r.StartedAt)+"Dispatched to "+dispatchedHosts(r.Placement)+";")
	}
	completed := "Completed <" + strings.ToLower(r.State.String()) + ">"
	if reason := strings.TrimSuffix(strings.Join(reasonLines(r.Reason), " "), ";"); reason != "" {
		completed += "; " + reason
	}
	b = appendWrapped(b, at(r.EndedAt)+completed+".")
	memory, swap := "-", "-"
	if r.Usage.MaxRSSMiB > 0 {
		memory = fmt.Sprintf("%dM", r.Usage.MaxRSSMiB)
	}
	if r.Usage.MaxSwapMiB > 0 {
		swap = fmt.Sprintf("%dM", r.Usage.MaxSwapMiB)
	}
	b = append(b, "\nAccounting information about this job:\n     CPU_T     WAIT     TURNAROUND   STATUS     HOG_FACTOR    MEM    SWAP\n"...)
	b = fmt.Appendf(b, "%10.2f %8.0f %14.0f %8s %14.4f %6s %7s\n", r.Usage.CPU.Seconds(), r.Wait().Seconds(), r.Turnaround().Seconds(),
		strings.ToLower(r.State.String()), r.HogFactor(), memory, swap)
	return append(append(b, LongRule...), '\n')
}
