package lsfbridge

import (
	"bytes"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"sluice/queue"
)

// text draws what users put into names: no control characters, no blanks at the ends (columns cannot show those).
func text(chars string, least, most int) *rapid.Generator[string] {
	return rapid.Custom(func(t *rapid.T) string {
		s := rapid.StringOfN(rapid.RuneFrom([]rune(chars)), least, most, -1).Draw(t, "text")
		if s = strings.Trim(s, " "); len(s) < least {
			s += "x"
		}
		return s
	})
}

const (
	wordChars = "abcZ019-_.ü数"
	nameChars = wordChars + ` <>,;'"*?[]%\/:()$`
)

func drawState(t *rapid.T) queue.State {
	return queue.State(rapid.IntRange(int(queue.Pending), int(queue.Unknown)).Draw(t, "state"))
}

func drawTime(t *rapid.T, label string) time.Time {
	return recordedAt.Add(-time.Duration(rapid.IntRange(0, 300*24*3600).Draw(t, label)) * time.Second)
}

func drawRanges(t *rapid.T) []queue.Range {
	items := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) queue.Range {
		first := rapid.IntRange(1, 200).Draw(t, "first")
		return canonical(queue.Range{First: first, Last: first + rapid.IntRange(0, 50).Draw(t, "more"), Step: rapid.IntRange(1, 7).Draw(t, "step")})
	}), 1, 6).Draw(t, "ranges")
	ranges, err := untangle(items)
	if err != nil {
		t.Fatal(err)
	}
	return ranges
}

func drawSpec(t *rapid.T) *queue.Spec {
	spec := &queue.Spec{
		Command: text(nameChars, 1, 400).Draw(t, "command"), Queue: text(wordChars, 1, 30).Draw(t, "queue"),
		User: text(wordChars, 1, 30).Draw(t, "user"), SubmitHost: text(wordChars, 1, 40).Draw(t, "host"), Cwd: "/home/u",
		MinSlots: rapid.IntRange(1, 4).Draw(t, "min"),
	}
	spec.MaxSlots = spec.MinSlots + rapid.IntRange(0, 2).Draw(t, "more")
	if rapid.Bool().Draw(t, "named") {
		spec.Name, _, _ = strings.Cut(text(nameChars, 1, 60).Draw(t, "name"), "[")
		spec.Name = strings.Trim(spec.Name, " ")
	}
	if rapid.Bool().Draw(t, "array") {
		spec.Array = &queue.Array{Ranges: drawRanges(t)}
	}
	if rapid.Bool().Draw(t, "options") {
		spec.Group = "/a/b"
		spec.App = "fluent <5>"
		spec.Stdout, spec.Project, spec.Hold, spec.Rerunnable = "out.%J", "p1", true, true
		spec.RunLimit, spec.After = 90*time.Minute, drawCondition(t, 2)
		spec.Need = queue.Need{MemMiB: 5, OneHost: true, Exclusive: true, Hosts: "a,b"}
		spec.Limits = drawLimits(t)
		spec.RequeueExit = queue.ExitSet{1 << 3}
		spec.NotifyBegin, spec.NotifyEnd, spec.MailUser = true, rapid.Bool().Draw(t, "notify"), "ops@example.com"
		spec.PreExec, spec.PostExec, spec.LoginShell = "check a, b", "clean", "/bin/bash"
		spec.Interactive = rapid.SampledFrom([]queue.Interactive{"", queue.InteractivePipes, queue.InteractiveShell}).Draw(t, "interactive")
	}
	return spec
}

func drawLimits(t *rapid.T) queue.Limits {
	size := func(name string) int64 { return rapid.SampledFrom([]int64{0, 1, 20000, 1 << 40}).Draw(t, name) }
	return queue.Limits{
		MemKiB: size("mem"), SwapKiB: size("swap"), FileKiB: size("file"), DataKiB: size("data"), StackKiB: size("stack"),
		CoreKiB: rapid.SampledFrom([]int64{0, queue.NoCore, 5}).Draw(t, "core"),
		CPU:     rapid.SampledFrom([]time.Duration{0, time.Hour}).Draw(t, "cpu"), Processes: int(size("processes")), Threads: int(size("threads")),
	}
}

func drawJob(t *rapid.T) *queue.Job {
	spec := drawSpec(t)
	job := &queue.Job{ID: queue.ID{Job: rapid.Int64Range(1, 1<<40).Draw(t, "id")}, Spec: spec, State: drawState(t), SubmittedAt: drawTime(t, "submitted")}
	if spec.Array != nil {
		job.ID.Index = spec.Array.Ranges[0].First
	}
	if job.State.Placed() || job.State.Final() && rapid.Bool().Draw(t, "ran") {
		job.StartedAt = drawTime(t, "started")
		job.PID, job.Usage.MaxRSSMiB = rapid.IntRange(0, 99999).Draw(t, "pid"), rapid.IntRange(0, 99).Draw(t, "mem")
		if !job.State.Final() && rapid.Bool().Draw(t, "measured") {
			job.Live = &queue.Live{
				At: drawTime(t, "measured at"), CPU: time.Duration(rapid.IntRange(0, 3000).Draw(t, "cpu")) * time.Millisecond, RSSMiB: 1, MaxRSSMiB: 3,
				AvgRSSMiB: 2, SwapMiB: 10, Threads: 4, PIDs: rapid.SliceOfN(rapid.IntRange(1, 99999), 0, 20).Draw(t, "pids"),
			}
		}
		job.Placement = rapid.SliceOfN(rapid.Custom(func(t *rapid.T) queue.Placement {
			return queue.Placement{Host: text(wordChars, 1, 40).Draw(t, "host"), Slots: rapid.IntRange(1, 3).Draw(t, "slots")}
		}), 1, 3).Draw(t, "placement")
	}
	if job.State.Final() {
		job.EndedAt = drawTime(t, "ended")
	}
	if job.State == queue.Exited {
		job.ExitCode = rapid.IntRange(0, 255).Draw(t, "exit code")
	}
	if rapid.Bool().Draw(t, "reason") {
		job.Reason = "Job slot limit reached: 2 hosts\nThe queue is inactivated by the administrator"
	}
	return job
}

func minute(t time.Time) time.Time { return t.Truncate(time.Minute) }

func TestWideTableKeepsEverything(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		jobs := rapid.SliceOfN(rapid.Custom(drawJob), 1, 5).Draw(t, "jobs")
		out := []byte(tableHeader)
		var want []JobLine
		for _, job := range jobs {
			l := LineOf(job, rapid.Bool().Draw(t, "short"))
			out = l.AppendTo(out, true, false)
			l.SubmittedAt = minute(l.SubmittedAt)
			want = append(want, l)
		}
		got, err := ParseJobTable(string(out), FormWide, recordedAt)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("%s\n%s", out, diff)
		}
	})
}

func TestCutTableKeepsWhatItShows(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		pending := rapid.Bool().Draw(t, "pending")
		l := LineOf(drawJob(t), false)
		if pending {
			l.Hosts, l.Reasons = nil, []string{"Job slot limit reached: 2 hosts;"}
		}
		out := l.AppendTo([]byte{}, false, pending)
		if pending {
			out = append([]byte(pendingHeader), out...)
		}
		lines, err := ParseJobTable(string(out), FormTable, recordedAt)
		if err != nil || len(lines) != 1 {
			t.Fatalf("%d lines, error %v, of\n%s", len(lines), err, out)
		}
		got := lines[0]
		if got.Job != l.Job || got.State != l.State || !got.SubmittedAt.Equal(minute(l.SubmittedAt)) ||
			!strings.HasPrefix(l.Queue, got.Queue) || len(got.Hosts) != len(l.Hosts) || !slices.Equal(got.Reasons, l.Reasons) {
			t.Fatalf("got %+v of %+v", got, l)
		}
		again := got.AppendTo([]byte{}, false, pending)
		if pending {
			again = append([]byte(pendingHeader), again...)
		}
		// The shift of a cut name in -p is not undone by printing the cut name once more, all else is.
		if !pending && !bytes.Equal(again, out) {
			t.Fatalf("printed again:\n%s\nwant\n%s", again, out)
		}
	})
}

// squeeze drops blanks: those at line ends are lost in the long form.
func squeeze(s string) string { return strings.ReplaceAll(s, " ", "") }

func TestLongFormKeepsEverything(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		jobs := rapid.SliceOfN(rapid.Custom(drawJob), 1, 4).Draw(t, "jobs")
		var out []byte
		var want []LongJob
		for i, job := range jobs {
			if i > 0 {
				out = append(out, LongRule...)
			}
			l := LongOf(job, rapid.Bool().Draw(t, "short"))
			if rapid.Bool().Draw(t, "unformatted") {
				out = l.AppendUnformatted(out)
			} else {
				out = l.AppendTo(out)
			}
			want = append(want, l)
		}
		got, err := ParseLongJobs(string(append(out, '\n')), recordedAt)
		if err != nil {
			t.Fatalf("%v of\n%s", err, out)
		}
		loose := cmp.Options{
			cmp.Transformer("squeeze", squeeze),
			cmp.Comparer(func(a, b time.Time) bool { return a.Truncate(time.Second).Equal(b.Truncate(time.Second)) }),
		}
		if diff := cmp.Diff(want, got, loose); diff != "" {
			t.Fatalf("%s\n%s", out, diff)
		}
	})
}

// TestNoNameForgesAState is why names are escaped in the long form: the recorded OpenLava shows this name as the state.
func TestNoNameForgesAState(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		job := drawJob(t)
		job.Spec.Array, job.ID.Index = nil, 0
		job.Spec.Name = rapid.SampledFrom([]string{`x<y>, Status <DONE>`, `\>, User <a>, Project <b>, Status <DONE>, Queue <q>`, `a\\>`}).Draw(t, "name")
		l := LongOf(job, false)
		got, err := ParseLongJobs(string(l.AppendTo(nil)), recordedAt)
		if err != nil || got[0].State != job.State || squeeze(got[0].Name) != squeeze(job.Spec.Name) {
			t.Fatalf("got %+v, %v", got, err)
		}
	})
}

func TestArraysRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		name, _, _ := strings.Cut(text(nameChars, 0, 30).Draw(t, "name"), "[")
		counts := &queue.ArrayCounts{
			ID:    queue.ID{Job: rapid.Int64Range(1, 1<<40).Draw(t, "id")},
			Spec:  &queue.Spec{Name: strings.Trim(name, " "), User: text(wordChars, 1, 30).Draw(t, "user"), Array: &queue.Array{Ranges: drawRanges(t)}},
			Count: map[queue.State]int{},
		}
		for range 4 {
			counts.Count[drawState(t)] = rapid.IntRange(0, 1_000_000).Draw(t, "count")
		}
		want := []ArrayLine{ArrayLineOf(counts)}
		got, err := ParseArrays(string(PrintArrays(want, true)))
		if err != nil || !cmp.Equal(want, got) {
			t.Fatalf("%v\n%s", err, cmp.Diff(want, got))
		}
	})
}

func TestQueuesAndHostsRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		number := func(name string) int { return rapid.IntRange(0, 99999).Draw(t, name) }
		q := queue.QueueInfo{
			QueueSpec: queue.QueueSpec{Name: text(wordChars, 1, 15).Draw(t, "queue"), Priority: number("priority"), MaxSlots: number("max"), UserSlots: number("user")},
			Open:      rapid.Bool().Draw(t, "open"), Active: rapid.Bool().Draw(t, "active"),
			Pend: number("pend"), Run: number("run"), SSusp: number("ssusp"), USusp: number("ususp"),
		}
		if len(q.Name) > 15 {
			q.Name = "normal"
		}
		wide := rapid.Bool().Draw(t, "wide")
		queues := []QueueLine{QueueLineOf(&q)}
		if got, err := ParseQueues(string(PrintQueues(queues, wide))); err != nil || !cmp.Equal(queues, got) {
			t.Fatalf("%v\n%s", err, cmp.Diff(queues, got))
		}
		h := queue.Host{
			HostSpec: queue.HostSpec{Name: "h" + strconv.Itoa(number("name")), Slots: number("slots")},
			Status:   queue.HostStatus(rapid.IntRange(2, 3).Draw(t, "status")), Closed: queue.Closed(rapid.IntRange(0, 7).Draw(t, "closed")),
			Used: number("used"), Run: number("run"), SSusp: number("ssusp"), USusp: number("ususp"),
		}
		hosts := []HostLine{HostLineOf(&h)}
		got, err := ParseHosts(string(PrintHosts(hosts, wide)))
		if !wide {
			hosts[0].Status, _, _ = strings.Cut(hosts[0].Status, "_")
		}
		if err != nil || !cmp.Equal(hosts, got) {
			t.Fatalf("%v\n%s", err, cmp.Diff(hosts, got))
		}
	})
}
