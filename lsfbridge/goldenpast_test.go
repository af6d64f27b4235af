package lsfbridge

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"sluice/queue"
	"sluice/queue/history"
)

func TestRecordedPastTables(t *testing.T) {
	compared := 0
	for _, r := range recordings(t, "bhist") {
		if !strings.HasPrefix(r.Stdout, pastHeader) {
			continue
		}
		compared++
		t.Run(r.ID, func(t *testing.T) {
			lines, err := ParsePastTable(r.Stdout)
			if err != nil {
				t.Fatal(err)
			}
			got := []byte(PastHeader())
			for i := range lines {
				got = lines[i].AppendTo(got, r.has("-w"))
			}
			same(t, string(append(got, '\n')), r.Stdout)
		})
	}
	if compared < 15 {
		t.Errorf("only %d tables were compared", compared)
	}
}

func TestRecordedLongPasts(t *testing.T) {
	compared, jobs := 0, 0
	for _, r := range recordings(t, "bhist") {
		if !strings.HasPrefix(r.Stdout, "\nJob <") || notHere(r.Stdout) {
			continue
		}
		compared++
		t.Run(r.ID, func(t *testing.T) {
			pasts, err := ParseLongPasts(r.Stdout, recordedAt)
			if err != nil {
				t.Fatal(err)
			}
			var got []byte
			for i := range pasts {
				if i > 0 {
					got = append(got, LongRule...)
				}
				got = pasts[i].AppendTo(got)
				jobs++
			}
			same(t, string(append(got, '\n')), r.Stdout)
		})
	}
	if compared < 30 {
		t.Errorf("only %d listings were compared", compared)
	}
}

// notHere reports what this batch system has not: pre-exec commands, changed parameters, load thresholds.
func notHere(text string) bool {
	for _, mark := range []string{"pre-exec", "Parameters of Job", "Host load exceeded"} {
		if strings.Contains(text, mark) {
			return true
		}
	}
	return false
}

// TestPastTexts compares what events make with the recorded paragraphs.
func TestPastTexts(t *testing.T) {
	spec := &queue.Spec{Command: "sleep 600", SubmitHost: "olmaster", Stdout: "rep/n2.%J", MinSlots: 2, MaxSlots: 2, Need: queue.Need{OneHost: true}}
	long := queue.Placement{Host: "compute-node-with-a-very-long-name-00003", Slots: 2}
	for _, c := range []struct {
		event  queue.Event
		placed bool
		text   string
	}{
		{queue.Event{Kind: queue.JobSubmitted, QueueName: "normal"}, false, "Submitted from host <olmaster>, to Queue <normal>, Output File <rep/n2.%J>, 2 Processors Requested, Requested Resources <span[hosts=1]>;"},
		{queue.Event{Kind: queue.JobStarted, Placement: []queue.Placement{{Host: "olmaster", Slots: 1}}}, false, "Dispatched to <olmaster>;"},
		{queue.Event{Kind: queue.JobStarted, Placement: []queue.Placement{long}}, false, "Dispatched to 2 Hosts/Processors <compute-node-with-a-very-long-name-00003> <compute-node-with-a-very-long-name-00003>;"},
		{queue.Event{Kind: queue.JobExecuting, PID: 11649}, true, "Starting (Pid 11649);"},
		{queue.Event{Kind: queue.JobStopped}, true, "Suspended by the user or administrator;"},
		{queue.Event{Kind: queue.JobStopped}, false, "Suspended by the user or administrator while pending;"},
		{queue.Event{Kind: queue.JobResumed}, true, "Running;"},
		{queue.Event{Kind: queue.JobRequeued}, false, "Pending: Job has been requeued;"},
		{queue.Event{Kind: queue.JobUnknown}, true, "Unknown; unable to reach the execution host;"},
		{queue.Event{Kind: queue.JobFinished}, true, "Done successfully. The CPU time used is 0.0 seconds;"},
		{queue.Event{Kind: queue.JobFinished, ExitCode: 130}, true, "Exited with exit code 130. The CPU time used is 0.0 seconds;"},
		{queue.Event{Kind: queue.JobFinished}, false, "Exited;"},
	} {
		if texts := pastTexts(&c.event, spec, c.placed, false); len(texts) == 0 || texts[0] != c.text {
			t.Errorf("%s makes %q, recorded is %q", c.event.Kind, texts, c.text)
		}
	}
	recorded := false
	for _, r := range recordings(t, "bhist") {
		recorded = recorded || strings.Contains(strings.ReplaceAll(r.Stdout, "\n"+strings.Repeat(" ", longIndent), ""), "Suspended by the user or administrator while pending;")
	}
	if !recorded {
		t.Error("the recordings are not those that these texts are from")
	}
}

func drawPast(t *rapid.T) *history.Past {
	job := drawJob(t)
	at := time.Date(2026, 11, 20, 12, 0, rapid.IntRange(0, 59).Draw(t, "second"), 0, time.UTC)
	p := &history.Past{Record: history.Record{
		ID: job.ID, Spec: job.Spec, State: job.State, Since: at, SubmittedAt: at.Add(-time.Hour), Elements: 1, Placement: job.Placement,
		Spent: history.Spent{Pend: 50 * time.Minute, Run: 10 * time.Minute},
	}}
	if job.State.Final() {
		p.EndedAt = at
	}
	p.Events = []queue.Event{{Kind: queue.JobSubmitted, At: p.SubmittedAt, QueueName: "normal"}}
	for range rapid.IntRange(0, 5).Draw(t, "events") {
		p.Events = append(p.Events, queue.Event{
			Kind: rapid.SampledFrom([]queue.EventKind{
				queue.JobStopped, queue.JobResumed, queue.JobKillAsked, queue.JobRequeued, queue.JobQueueMoved, queue.JobReprioritised, queue.JobFinished,
			}).Draw(t, "kind"),
			At: p.SubmittedAt.Add(time.Minute), Signal: rapid.IntRange(0, 64).Draw(t, "signal"), QueueName: "short", Reason: job.Reason,
		})
	}
	return p
}

func TestPastKeepsEverything(t *testing.T) {
	now := recordedAt
	rapid.Check(t, func(t *rapid.T) {
		pasts := rapid.SliceOfN(rapid.Custom(drawPast), 1, 4).Draw(t, "jobs")
		table, long := []byte(pastHeader), []byte(nil)
		var wantLines []PastLine
		var wantLong []LongPast
		for i, p := range pasts {
			l := PastLineOf(&p.Record, now)
			if strings.TrimSpace(l.Name) != l.Name || strings.Contains(l.Name, "  ") || l.Name == "" {
				continue // blanks at the ends of a name are lost in columns
			}
			table = l.AppendTo(table, true)
			wantLines = append(wantLines, l)
			if i > 0 && long != nil {
				long = append(long, LongRule...)
			}
			one := LongPastOf(p, false, now)
			long = one.AppendTo(long)
			wantLong = append(wantLong, one)
		}
		lines, err := ParsePastTable(string(append(table, '\n')))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(wantLines, lines); diff != "" {
			t.Fatalf("%s\n%s", table, diff)
		}
		if long == nil {
			return
		}
		got, err := ParseLongPasts(string(append(long, '\n')), now)
		if err != nil {
			t.Fatalf("%v of\n%s", err, long)
		}
		loose := cmp.Options{
			cmp.Transformer("squeeze", squeeze),
			cmp.Comparer(func(a, b time.Time) bool { return a.Truncate(time.Second).Equal(b.Truncate(time.Second)) }),
		}
		if diff := cmp.Diff(wantLong, got, loose); diff != "" {
			t.Fatalf("%s\n%s", long, diff)
		}
	})
}

func TestSpans(t *testing.T) {
	now := time.Date(2026, 3, 10, 15, 30, 0, 0, time.UTC)
	at := func(month time.Month, day, hour, minute int) time.Time {
		return time.Date(2026, month, day, hour, minute, 0, 0, time.UTC)
	}
	end := func(t time.Time) time.Time { return t.Add(-time.Nanosecond) }
	for text, want := range map[string]history.Span{
		"2026/3/9/08:00,2026/3/9/09:00": {From: at(3, 9, 8, 0), To: end(at(3, 9, 9, 1))},
		"3/9/,3/10":                     {From: at(3, 9, 0, 0), To: end(at(3, 11, 0, 0))},
		"9/8:,":                         {From: at(3, 9, 8, 0)},
		",9/8:":                         {To: end(at(3, 9, 9, 0))},
		"9":                             {From: at(3, 9, 0, 0), To: end(at(3, 10, 0, 0))},
		"08:15":                         {From: at(3, 10, 8, 15), To: end(at(3, 10, 8, 16))},
		".-2/,.":                        {From: at(3, 8, 15, 30), To: now},
	} {
		if got, err := parseSpan(text, now); err != nil || got != want {
			t.Errorf("%s: %v, %v; want %v", text, got, err, want)
		}
	}
	for _, text := range []string{"", ",", "x", "2/30", "25:00", "1/2/3/4/5:6", "8:60", "13/1/", "9,8", ".-x", "12:00:00"} {
		if got, err := parseSpan(text, now); err == nil {
			t.Errorf("%q is %v", text, got)
		}
	}
}

func TestAccountsKeepEverything(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var s history.Summary
		for range rapid.IntRange(0, 6).Draw(t, "jobs") {
			begin := recordedAt.Add(-time.Duration(rapid.IntRange(2000, 90_000).Draw(t, "ago")) * time.Second)
			r := history.Record{
				State: rapid.SampledFrom([]queue.State{queue.Done, queue.Exited}).Draw(t, "state"), SubmittedAt: begin, Elements: rapid.IntRange(1, 3).Draw(t, "elements"),
				StartedAt: begin.Add(time.Minute), EndedAt: begin.Add(time.Duration(rapid.IntRange(60, 1000).Draw(t, "turnaround")) * time.Second),
				Usage: queue.Usage{CPU: time.Duration(rapid.IntRange(0, 100).Draw(t, "cpu")) * 100 * time.Millisecond},
			}
			s.Add(&r)
		}
		text := PrintAccounts(s, time.UTC)
		got, err := ParseAccounts(text)
		if err != nil {
			t.Fatalf("%v of\n%s", err, text)
		}
		near := func(a, b, within float64) bool { return a-b <= within && b-a <= within }
		n := float64(s.Jobs())
		if got.Done != s.Done || got.Exited != s.Exited || !near(got.CPU.Sum, s.CPU.Sum, 0.051) || !near(got.CPU.Max, s.CPU.Max, 0.051) ||
			!near(got.Wait.Sum, s.Wait.Sum, 0.051) || !near(got.Turnaround.Sum, s.Turnaround.Sum, 0.51*n) || !near(got.Hog.Max, s.Hog.Max, 0.0051) {
			t.Fatalf("got %+v of\n%s", got, text)
		}
	})
}

// TestAccountsOfTheReference prints the example of IBM's command reference.
func TestAccountsOfTheReference(t *testing.T) {
	s := history.Summary{
		Done: 60, Exited: 118,
		CPU: history.Range{Sum: 1011.5, Max: 991.4}, Wait: history.Range{Sum: 134598, Max: 7069},
		Turnaround: history.Range{Sum: 3585 * 178, Min: 6, Max: 77524}, Hog: history.Range{Max: 0.56},
		Begin: time.Date(2026, 8, 8, 15, 48, 0, 0, time.UTC), End: time.Date(2026, 8, 19, 17, 58, 48, 0, time.UTC),
	}
	text := PrintAccounts(s, time.UTC)
	for _, line := range []string{
		" Total number of done jobs:      60      Total number of exited jobs:   118",
		" Total CPU time consumed:    1011.5      Average CPU time consumed:     5.7",
		" Average wait time in queue:   756.2",
		" Maximum turnaround time:     77524      Minimum turnaround time:         6",
		" Total throughput:             0.67 (jobs/hour)  during   266.18 hours",
	} {
		if !strings.Contains(text, line+"\n") {
			t.Errorf("no line %q in\n%s", line, text)
		}
	}
}

func FuzzPasts(f *testing.F) {
	f.Add(pastHeader + "1       ada     sleep     0       0       9       0       0       0       9         \n")
	f.Add("\nJob <1>, User <a>, Project <default>, Command <x>\nFri Nov 20 22:48:11: Exited;\n\nSummary of time in seconds spent in various states by  Fri Nov 20 22:49:49\n" + pastColumns + "  1 2 3 4 5 6 7\n")
	f.Add("SUMMARY:\n 1")
	f.Add("2026/1/1/,.")
	f.Fuzz(func(t *testing.T, text string) {
		if lines, err := ParsePastTable(text); err == nil {
			for i := range lines {
				lines[i].AppendTo(nil, true)
			}
		}
		if pasts, err := ParseLongPasts(text, recordedAt); err == nil {
			for i := range pasts {
				pasts[i].AppendTo(nil)
			}
		}
		_, _ = ParseAccounts(text) // must not panic
		_, _ = parseSpan(text, recordedAt)
	})
}

func TestRecordedPeeks(t *testing.T) {
	compared := 0
	for _, r := range recordings(t, "bpeek") {
		q, err := ParsePeekQuery(words(r))
		if err != nil {
			if usage, ok := err.(*UsageError); ok { //nolint:errorlint // as it is made
				same(t, Usage(usage.Command), r.Stderr)
			}
			continue
		}
		switch {
		case strings.Contains(r.Stdout, PeekStdout): // the title and the output; piped, OpenLava prints the title last
		case strings.Contains(r.Stderr, "Not yet started"):
			id := q.ID
			if id.Job == 0 {
				id.Job = 96
			}
			same(t, q.Refused(id, &queue.Error{Code: queue.WrongState})+"\n", r.Stderr)
		case strings.Contains(r.Stderr, "permission denied"):
			same(t, q.Refused(q.ID, &queue.Error{Kind: queue.KindDenied, Code: queue.NotYours})+"\n", r.Stderr)
		case strings.Contains(r.Stderr, "is not found"):
			same(t, q.Refused(q.ID, &queue.Error{Kind: queue.KindNotFound, Code: queue.NoSuchJob})+"\n", r.Stderr)
		default:
			same(t, q.NoneFound()+"\n", r.Stderr)
		}
		compared++
	}
	if compared < 8 {
		t.Errorf("only %d were compared", compared)
	}
}

func TestRecordedModifications(t *testing.T) {
	compared := 0
	for _, r := range recordings(t, "bmod") {
		if r.has("-h") || len(words(r)) == 0 {
			continue
		}
		m, err := ParseModification(words(r), recordedAt, 1)
		if err != nil {
			t.Errorf("%s: %v", r.Command, err)
			continue
		}
		compared++
		id := m.IDs[0]
		refusals := map[string]*queue.Error{
			"99999: No matching job":   {Kind: queue.KindNotFound, Code: queue.BadDependency, Subject: "99999"},
			"999: No matching job":     {Kind: queue.KindNotFound, Code: queue.NoSuchJob, Subject: "999"},
			"Job has already finished": {Kind: queue.KindConflict, Code: queue.AlreadyFinished, Subject: id.String()},
			"User permission denied":   {Kind: queue.KindDenied, Code: queue.NotYours, Subject: id.String()},
			"nosuchqueue: No such":     {Kind: queue.KindNotFound, Code: queue.NoSuchQueue, Subject: "nosuchqueue"},
		}
		if r.Exit == 0 {
			same(t, m.Done(id)+"\n", r.Stdout)
			continue
		}
		for text, refusal := range refusals {
			if strings.HasPrefix(r.Stderr, text) {
				same(t, m.Refused(id, refusal)+"\n", r.Stderr)
			}
		}
	}
	if compared < 10 {
		t.Errorf("only %d were compared", compared)
	}
}

// FuzzCommandLines gives words to the parsers of the commands: what they take is well formed.
func FuzzCommandLines(f *testing.F) {
	for _, line := range []string{
		"-J x -W 3 -R rusage[mem=5] 12", "-wn -sp 4 -Z x 12", "-a -l 12[3-5] -u all", "-C 1/2,3/4 -J a[3]", "-e -H 0", "normal 12", "12 3", "-f 7",
		"hclose all", "-w done(1) -t 5", "-I r1m:mem -n 3",
	} {
		f.Add(line)
	}
	f.Fuzz(func(t *testing.T, line string) {
		args := strings.Fields(line)
		if m, err := ParseModification(args, recordedAt, 1); err == nil && (len(m.IDs) != 1 || len(m.Options) == 0 || m.Spec.Array != nil) {
			t.Errorf("modification %+v", m)
		}
		if q, err := ParsePastQuery(args, recordedAt); err == nil && q.Long && q.Wide {
			t.Errorf("query %+v", q)
		}
		if q, err := ParseAccountQuery(args, recordedAt); err == nil && (len(q.Filter.States) == 0 || q.Header(time.UTC) == "") {
			t.Errorf("query %+v", q)
		}
		if o, err := ParseReorder("btop", args); err == nil && (o.Position < 1 || o.ID.Job < 1) {
			t.Errorf("order %+v", o)
		}
		if o, err := ParseAdminOrder(args); err == nil && o.OfHosts() && !o.All && len(o.Names) == 0 {
			t.Errorf("order %+v", o)
		}
		if o, err := ParseWaitOrder(args); err == nil && o.Condition == nil {
			t.Errorf("order %+v", o)
		}
		for _, command := range []string{"brequeue", "bswitch"} {
			if o, err := ParseJobOrder(command, args); err == nil && command == "bswitch" && o.Queue == "" {
				t.Errorf("order %+v", o)
			}
		}
		_, _ = ParsePeekQuery(args) // must not panic
		_, _ = ParseLoadQuery(args)
		_, _ = ParseStaticQuery(args)
	})
}
