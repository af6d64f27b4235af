package lsfbridge

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"sluice/queue"
	"sluice/queue/history"
)

func TestBriefAccounts(t *testing.T) {
	begin := time.Date(2026, 11, 3, 8, 5, 0, 0, time.UTC)
	r := history.Record{
		ID: queue.ID{Job: 7, Index: 3}, State: queue.Done, SubmittedAt: begin, StartedAt: begin.Add(90 * time.Second), EndedAt: begin.Add(time.Hour),
		Spec:      &queue.Spec{User: "a-long-name", Queue: "normal", SubmitHost: "login1", Name: "sweep", Array: &queue.Array{Ranges: []queue.Range{{First: 1, Last: 9, Step: 1}}}},
		Placement: []queue.Placement{{Host: "node-17", Slots: 4}, {Host: "node-18", Slots: 1}}, Usage: queue.Usage{CPU: 1234567 * time.Millisecond},
	}
	l := AccountLineOf(&r, time.UTC)
	same(t, AccountColumns+string(l.AppendTo(nil, false)), AccountColumns+
		"a-long- normal     Nov  3 08:05   1234.6      90        3600 login1      4*node-17:n sweep[3]\n")
	same(t, string(l.AppendTo(nil, true)), "a-long-name normal     Nov  3 08:05   1234.6      90        3600 login1      4*node-17:node-18 sweep[3]\n")
	r.Placement = nil
	l = AccountLineOf(&r, time.UTC)
	same(t, string(l.AppendTo(nil, false)), "a-long- normal     Nov  3 08:05   1234.6      90        3600 login1      -           sweep[3]\n")
}

func TestBriefAccountsKeepEverything(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		lines := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) AccountLine {
			l := AccountLine{
				User: text(wordChars, 1, 20).Draw(t, "user"), Queue: text(wordChars, 1, 20).Draw(t, "queue"),
				SubmittedAt: recordedAt.Add(-time.Duration(rapid.IntRange(0, 100_000).Draw(t, "ago")) * time.Minute),
				CPU:         float64(rapid.IntRange(0, 1e9).Draw(t, "cpu")) / 10, Wait: rapid.IntRange(0, 1e9).Draw(t, "wait"),
				Turnaround: rapid.IntRange(0, 1e9).Draw(t, "turnaround"), From: text(wordChars, 1, 30).Draw(t, "from"),
				Name: text(nameChars, 1, 40).Draw(t, "name"),
			}
			if rapid.Bool().Draw(t, "ran") {
				l.On = []string{"h1", "3*h2"}
			}
			return l
		}), 0, 4).Draw(t, "lines")
		printed := []byte(AccountColumns)
		for i := range lines {
			printed = lines[i].AppendTo(printed, true)
		}
		got, err := ParseAccountLines(string(printed), recordedAt)
		if err != nil {
			t.Fatalf("%v of\n%s", err, printed)
		}
		if len(lines) == 0 {
			lines = nil
		}
		if diff := cmp.Diff(lines, got); diff != "" {
			t.Fatalf("%s of\n%s", diff, printed)
		}
	})
}

func FuzzAccountLines(f *testing.F) {
	f.Add("ada     normal     Nov  3 08:05   1234.6      90        3600 login1      4*node-17:n sweep[3]\n")
	f.Add("a b Nov  3 08:05 1 2 3 - - x\n")
	f.Fuzz(func(t *testing.T, text string) {
		lines, err := ParseAccountLines(AccountColumns+text, recordedAt)
		if err == nil && len(text) > 0 && lines == nil {
			t.Fatalf("%q is nothing", text)
		}
	})
}
