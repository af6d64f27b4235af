package lsfbridge

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"sluice/queue"
)

func TestJobNames(t *testing.T) {
	ranges := func(r ...queue.Range) *queue.Array { return &queue.Array{Ranges: r} }
	for _, c := range []struct {
		spec, name string
		array      *queue.Array
		err        error
	}{
		{"", "", nil, nil},
		{"a b  c", "a b  c", nil, nil},
		{"x<y>", "x<y>", nil, nil},
		{"50%", "50%", nil, nil},
		{"[1-3]", "", ranges(queue.Range{First: 1, Last: 3, Step: 1}), nil},
		{"a[1-20]%5", "a", &queue.Array{Ranges: []queue.Range{{First: 1, Last: 20, Step: 1}}, Limit: 5}, nil},
		{"odd[1,3,5-9:2]", "odd", ranges(queue.Range{First: 1, Last: 1, Step: 1}, queue.Range{First: 3, Last: 3, Step: 1}, queue.Range{First: 5, Last: 9, Step: 2}), nil},
		{"o[1-9:3]", "o", ranges(queue.Range{First: 1, Last: 7, Step: 3}), nil},
		{"o[4,1-3,2]", "o", ranges(queue.Range{First: 1, Last: 4, Step: 1}), nil},
		{"o[1-9:2,2-10:2]", "o", ranges(queue.Range{First: 1, Last: 10, Step: 1}), nil},
		{"a[0]", "", nil, badJobName},
		{"a[5-1]", "", nil, badJobName},
		{"a[1-3", "", nil, badJobName},
		{"a[1-3]x", "", nil, badJobName},
		{"a[1-3]%0", "", nil, badJobName},
		{"a[1-20%5]", "", nil, badJobName},
		{"a[x]", "", nil, badJobName},
		{"a[]", "", nil, badJobName},
		{"a[1:2]", "", nil, badJobName},
		{"a[1-3:0]", "", nil, badJobName},
		{"a[-1]", "", nil, badJobName},
		{"a[+1]", "", nil, badJobName},
		{"a\nb", "", nil, badJobName},
		{"a\xff", "", nil, badJobName},
		{strings.Repeat("n", 256), "", nil, badJobName},
		{"a[1-3000000000]", "", nil, indexTooLarge},
		{"a[1-99999999999999999999]", "", nil, indexTooLarge},
	} {
		name, array, err := ParseJobName(c.spec)
		if !errors.Is(err, c.err) || name != c.name || !cmp.Equal(array, c.array) {
			t.Errorf("%q: got %q, %+v, %v", c.spec, name, array, err)
		}
	}
}

func TestJobNamesRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		name, _, _ := strings.Cut(text(nameChars, 0, 40).Draw(t, "name"), "[")
		array := &queue.Array{Ranges: drawRanges(t), Limit: rapid.IntRange(0, 9).Draw(t, "limit")}
		gotName, gotArray, err := ParseJobName(FormatJobName(name, array))
		if err != nil || gotName != name || !cmp.Equal(gotArray, array) {
			t.Fatalf("%q: got %q, %+v, %v", FormatJobName(name, array), gotName, gotArray, err)
		}
	})
}

// TestIndexListsKeepTheirElements checks that sorting and packing ranges changes no index set.
func TestIndexListsKeepTheirElements(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var items []queue.Range
		want := map[int]bool{}
		for range rapid.IntRange(1, 5).Draw(t, "items") {
			first := rapid.IntRange(1, 40).Draw(t, "first")
			r := canonical(queue.Range{First: first, Last: first + rapid.IntRange(0, 30).Draw(t, "more"), Step: rapid.IntRange(1, 5).Draw(t, "step")})
			items = append(items, r)
			for i := r.First; i <= r.Last; i += r.Step {
				want[i] = true
			}
		}
		ranges, err := untangle(items)
		if err != nil {
			t.Fatal(err)
		}
		total, last := 0, 0
		for _, r := range ranges {
			if r.First <= last {
				t.Fatalf("%v overlap", ranges)
			}
			last = r.Last
			for i := r.First; i <= r.Last; i += r.Step {
				total++
				if !want[i] {
					t.Fatalf("%d is too much in %v of %v", i, ranges, items)
				}
			}
		}
		if total != len(want) {
			t.Fatalf("%d elements in %v, want %d", total, ranges, len(want))
		}
	})
}

func drawCondition(t *rapid.T, depth int) *queue.Condition {
	kind := rapid.IntRange(0, 5).Draw(t, "kind")
	if depth == 0 {
		kind = min(kind, 2)
	}
	job := func(c queue.Condition) *queue.Condition {
		if rapid.Bool().Draw(t, "by id") {
			c.Job = queue.ID{Job: rapid.Int64Range(1, 1<<40).Draw(t, "id"), Index: rapid.IntRange(0, 3).Draw(t, "index")}
			c.Each = c.Job.Index == 0 && rapid.Bool().Draw(t, "each")
		} else {
			c.Name = strings.ReplaceAll(text(nameChars, 1, 20).Draw(t, "name"), `"`, "'")
			c.Each = rapid.Bool().Draw(t, "each")
		}
		return &c
	}
	compare := rapid.SampledFrom([]string{"==", "!=", "<", ">", "<=", ">="})
	switch kind {
	case 0:
		return job(queue.Condition{Op: rapid.SampledFrom([]queue.ConditionOp{queue.OpDone, queue.OpEnded, queue.OpStarted, queue.OpExit}).Draw(t, "op")})
	case 1:
		return job(queue.Condition{Op: queue.OpExit, Compare: compare.Draw(t, "compare"), Value: rapid.IntRange(0, 255).Draw(t, "value")})
	case 2:
		c := queue.Condition{Op: rapid.SampledFrom([]queue.ConditionOp{queue.OpNumDone, queue.OpNumRun, queue.OpNumPend, queue.OpNumStart}).Draw(t, "op"), Compare: "*"}
		if rapid.Bool().Draw(t, "counted") {
			c.Compare, c.Value = compare.Draw(t, "compare"), rapid.IntRange(0, 1000).Draw(t, "value")
		}
		return job(c)
	case 3:
		return &queue.Condition{Op: queue.OpNot, Args: []*queue.Condition{drawCondition(t, depth-1)}}
	default:
		op := rapid.SampledFrom([]queue.ConditionOp{queue.OpAnd, queue.OpOr}).Draw(t, "op")
		c := &queue.Condition{Op: op}
		for range rapid.IntRange(2, 3).Draw(t, "args") {
			c.Args = append(c.Args, drawCondition(t, depth-1))
		}
		return c
	}
}

func TestConditionsRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := drawCondition(t, 3)
		got, err := ParseCondition(FormatCondition(want))
		if err != nil || !cmp.Equal(got, want) {
			t.Fatalf("%s: %v\n%s", FormatCondition(want), err, cmp.Diff(want, got))
		}
	})
}

func TestConditions(t *testing.T) {
	for text, canonical := range map[string]string{
		"done(1)":                         "done(1)",
		"12":                              "done(12)",
		"12[3]":                           "done(12[3])",
		"nonsense":                        "done(nonsense)",
		"ended(myjob) && started(arr)":    "ended(myjob) && started(arr)",
		"1 || 2 && !3":                    "done(1) || done(2) && !done(3)",
		"(1||2)&&3":                       "(done(1) || done(2)) && done(3)",
		`done("a b*")`:                    `done("a b*")`,
		`done('a "b"')`:                   `done('a "b"')`,
		`done("12")`:                      `done("12")`,
		"exit(70,3)":                      "exit(70, 3)",
		"exit(70, >= 2)":                  "exit(70, >= 2)",
		"exit(70)":                        "exit(70)",
		"numdone(arr, *) || numrun(9,<4)": "numdone(arr, *) || numrun(9, < 4)",
		"done(arr[3])":                    "done(arr[3])",
		"done(arr[*]) && ended(12[*])":    "done(arr[*]) && ended(12[*])",
		`"a b[*]"`:                        `done("a b[*]")`,
		"7up":                             `done("7up")`,
		"done":                            "done(done)",
	} {
		c, err := ParseCondition(text)
		if err != nil || FormatCondition(c) != canonical {
			t.Errorf("%q: got %q, %v", text, FormatCondition(c), err)
		}
	}
	for _, text := range []string{
		"", " ", "done(", "done()", "done(1", "done(1))", "1 &&", "&& 1", "1 & 2", "!", "(1", `done("a)`, "numdone(arr)",
		"done(1, 3)", "exit(1, x)", "exit(1, >=)", "numdone(1, 99999999999)", "0", "1 2", "done([*])", "12[3][*]x&", `done("")`, "done(\"a\x00b\")",
		strings.Repeat("!", 70) + "1", strings.Repeat("(", 70) + "1" + strings.Repeat(")", 70),
		strings.Repeat("1&&", 300) + "1", strings.Repeat("a", 5000),
	} {
		if c, err := ParseCondition(text); !errors.Is(err, conditionSyntax) {
			t.Errorf("%q: got %q, %v", text, FormatCondition(c), err)
		}
	}
}

func TestResourceRequirements(t *testing.T) {
	for _, c := range []struct {
		text  string
		slots int
		want  queue.Need
	}{
		{"", 1, queue.Need{}},
		{"rusage[mem=500]", 1, queue.Need{MemMiB: 500}},
		{"rusage[mem=2GB:ngpus_physical=1]", 1, queue.Need{MemMiB: 2048, HostGPUs: 1}},
		{"rusage[ngpus=2/task]", 4, queue.Need{GPUs: 2}},
		{"rusage[mem=1.5,ngpus=2:duration=10]", 1, queue.Need{MemMiB: 2, HostGPUs: 2}},
		{"rusage[ngpus=2/host] span[hosts=1]", 4, queue.Need{HostGPUs: 2, OneHost: true}},
		{"select[mem>100 && type==any] rusage[mem=50] span[hosts=1] order[-mem:ut]", 4, queue.Need{MemMiB: 25, OneHost: true}},
		{"mem>=300 span[hosts=1]", 2, queue.Need{MemMiB: 150, OneHost: true}},
		{"rusage[mem=1000]", 3, queue.Need{MemMiB: 334}},
		{"rusage[mem=1GB/host]", 4, queue.Need{MemMiB: 256}},
		{"rusage[mem=1000/job]", 4, queue.Need{MemMiB: 250}},
		{"rusage[mem=1000/task]", 4, queue.Need{MemMiB: 1000}},
		{"type==local rusage[mem=10]", 1, queue.Need{MemMiB: 10}},
		{"select[ (mem > 20) ]", 1, queue.Need{MemMiB: 20}},
		{"span[hosts=1]", 1, queue.Need{}},
		{"span[ptile=4]", 4, queue.Need{OneHost: true}},
		{"span[hosts=-1]", 4, queue.Need{}},
		{"span[ptile=2] rusage[mem=100]", 8, queue.Need{PerHost: 2, MemMiB: 13}},
	} {
		if got, err := ParseResReq(c.text, c.slots, c.slots, queue.Need{}); err != nil || got != c.want {
			t.Errorf("%q: got %+v, %v", c.text, got, err)
		}
	}
	for _, text := range []string{
		"select[foo>", "nosuchres", "select[nosuchres>3]", "rusage[mem=]", "span[hosts=x]", "nosection[x]",
		"rusage[]", "rusage[mem=-1]", "rusage[mem=1e30]", "rusage[mem=5XB]", "rusage[lic=1]", "span[hosts=2]", "rusage[mem=5]]", "rusage[mem=5/core]", "rusage[a[b]]",
		"span[ptile=0]", "order[]", "mem>5 ]", "select[mem>5 || type==any]", "rusage[mem=NaN]", strings.Repeat(" ", 5000),
	} {
		if got, err := ParseResReq(text, 1, 1, queue.Need{}); !errors.Is(err, resReqSyntax) {
			t.Errorf("%q: got %+v, %v", text, got, err)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		want := queue.Need{MemMiB: rapid.IntRange(0, 1<<20).Draw(t, "mem"), PerHost: rapid.IntRange(0, 3).Draw(t, "per host")}
		if n := rapid.IntRange(0, 8).Draw(t, "gpus"); rapid.Bool().Draw(t, "each") {
			want.GPUs = n
		} else {
			want.HostGPUs = n
		}
		want.OneHost = want.PerHost == 0 && rapid.Bool().Draw(t, "one")
		got, err := ParseResReq(FormatResReq(want), 2, 4, queue.Need{})
		if err != nil || got != want {
			t.Fatalf("%q: got %+v, %v", FormatResReq(want), got, err)
		}
	})
}

func TestTimeSpecs(t *testing.T) {
	now := time.Date(2026, 11, 20, 22, 48, 11, 0, time.UTC)
	for spec, want := range map[string]string{
		"23:59":          "Fri Nov 20 23:59:00 2026",
		"1:00":           "Sat Nov 21 01:00:00 2026",
		"21:1:00":        "Sat Nov 21 01:00:00 2026",
		"1:1:00":         "Tue Dec  1 01:00:00 2026",
		"12:31:23:00":    "Thu Dec 31 23:00:00 2026",
		"1:1:0:0":        "Fri Jan  1 00:00:00 2027",
		"2:29:0:0":       "Tue Feb 29 00:00:00 2028",
		"2027:3:1:12:30": "Mon Mar  1 12:30:00 2027",
	} {
		got, err := parseTimeSpec(spec, now)
		if err != nil || got.Format(fullTime) != want {
			t.Errorf("%q: got %s, %v", spec, got.Format(fullTime), err)
		}
	}
	for _, spec := range []string{"", "xx", "25:61", "10", "24:00", "1:60", "32:1:1", "13:1:1:1", "2:30:1:1", "2020:1:1:1:1", "-1:5", "1:2:3:4:5:6", "99999:1"} {
		if got, err := parseTimeSpec(spec, now); err == nil {
			t.Errorf("%q: got %s", spec, got)
		}
	}
}

func TestOptionsLikeGetopt(t *testing.T) {
	g := newGrammar("bjobs", "l p w noheader u: o:", false)
	options, words, err := g.parse([]string{"-lp", "12", "-uall", "-noheader", "-o", "-x", "-wu", "bob", "--", "-l"})
	want := []given{{"l", ""}, {"p", ""}, {"u", "all"}, {"noheader", ""}, {"o", "-x"}, {"w", ""}, {"u", "bob"}}
	if err != nil || !slices.Equal(options, want) || !slices.Equal(words, []string{"12", "-l"}) {
		t.Errorf("got %v, %v, %v", options, words, err)
	}
	for _, args := range [][]string{{"-Q"}, {"-lQ"}, {"-u"}, {"-h"}} {
		_, _, err := g.parse(args)
		if usage, ok := errors.AsType[*UsageError](err); !ok || usage.Command != "bjobs" {
			t.Errorf("%v: %v", args, err)
		}
	}
	if _, _, err := g.parse([]string{"-V"}); !errors.Is(err, ErrVersion) {
		t.Errorf("-V: %v", err)
	}
	options, words, err = submitGrammar.parse([]string{"-n", "-1", "-ooout", "-Jx", "-oo", "f", "sleep", "-q", "10"})
	want = []given{{"n", "-1"}, {"o", "oout"}, {"J", "x"}, {"oo", "f"}}
	if err != nil || !slices.Equal(options, want) || !slices.Equal(words, []string{"sleep", "-q", "10"}) {
		t.Errorf("bsub: got %v, %v, %v", options, words, err)
	}
}
