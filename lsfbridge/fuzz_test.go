package lsfbridge

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"sluice/queue"
)

// FuzzOptions checks that every command line is answered, and that what bsub takes keeps the limits.
func FuzzOptions(f *testing.F) {
	for _, line := range []string{
		"-J\x1fa[1-3]%2\x1f-n\x1f2,4\x1fsleep\x1f1", "-R\x1frusage[mem=5] span[hosts=1]\x1ftrue", "-lp\x1f12[1-3]",
		"-o\x1fjobid:-7 stat delimiter=','", "-s\x1fUSR1\x1f0", "-b\x1f23:59\x1f-t\x1f1:1:0:0\x1ftrue", "-env\x1fall, ~A, B='x,y'\x1ftrue",
	} {
		f.Add(line)
	}
	f.Fuzz(func(t *testing.T, line string) {
		args := strings.Split(line, "\x1f")
		if got, err := ParseSubmission(args, place("true")); err == nil {
			s := got.Spec
			if s.MinSlots < 0 || s.MaxSlots < s.MinSlots || s.MinSlots == 0 && s.MaxSlots > 0 || s.Need.MemMiB < 0 || s.RunLimit < 0 || !utf8.ValidString(s.Command) || strings.ContainsFunc(s.Name, isBreak) {
				t.Errorf("took %+v", s)
			}
		}
		if q, err := ParseJobQuery(args, false); err == nil {
			q.NoneFound()
			q.Matches(queue.ID{Job: 1, Index: 2})
			if q.Fields != nil {
				spec := &queue.Spec{Command: "true", Name: "n"}
				AppendFields(nil, &queue.Job{ID: queue.ID{Job: 1}, Spec: spec, State: queue.Pending}, q.Fields, q.Delimiter, recordedAt)
			}
		}
		if order, err := ParseJobOrder("bkill", args); err == nil && (order.Signal < 0 || order.Signal > 64) {
			t.Errorf("took signal %d", order.Signal)
		}
		_, _ = ParseQueueQuery(args) // only for panics
		_, _ = ParseHostQuery(args)
	})
}

// FuzzScript checks #BSUB lines; a script without any has no options.
func FuzzScript(f *testing.F) {
	f.Add(script)
	f.Add("#BSUB -J 'a\n#BSUB \"\\\n")
	f.Fuzz(func(t *testing.T, text string) {
		words := ScriptOptions(text)
		if len(words) > 0 && !strings.Contains(text, "BSUB") {
			t.Errorf("options %q from nowhere", words)
		}
		if got, err := ParseSubmission(nil, place(text)); err == nil && got.Spec.Command != text {
			t.Errorf("the script was changed to %q", got.Spec.Command)
		}
	})
}

func FuzzCondition(f *testing.F) {
	for _, text := range []string{"done(1) && ended(\"a*\") || !exit(3, >=2) && numdone(arr, *)", "((1||2))", "!!x", "exit('a b')"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		c, err := ParseCondition(text)
		if err != nil {
			return
		}
		again, err := ParseCondition(FormatCondition(c))
		if len(FormatCondition(c)) <= maxConditionBytes && (err != nil || !cmp.Equal(c, again)) {
			t.Errorf("%q became %q: %v", text, FormatCondition(c), err)
		}
	})
}

func FuzzJobName(f *testing.F) {
	for _, text := range []string{"a[1,3,5-9:2]%7", "[1-3]", "x", "a[1-9:2,2-10:2]", "a[1-2000000000:1999999999]"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		name, array, err := ParseJobName(text)
		if err != nil {
			return
		}
		spec := FormatJobName(name, array)
		againName, again, err := ParseJobName(spec)
		if len(spec) <= maxArrayBytes && (err != nil || name != againName || !cmp.Equal(array, again)) {
			t.Errorf("%q became %q: %v", text, spec, err)
		}
	})
}

func FuzzResReq(f *testing.F) {
	for _, text := range []string{"select[mem>10] rusage[mem=5:ngpus=1] span[hosts=1] order[mem]", "mem>3GB rusage[mem=1.5T]"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		need, err := ParseResReq(text, 2, 4, queue.Need{})
		if err != nil {
			return
		}
		if again, err := ParseResReq(FormatResReq(need), 2, 4, queue.Need{}); err != nil || again != need {
			t.Errorf("%q became %q: %+v, %v", text, FormatResReq(need), again, err)
		}
	})
}

// FuzzOutputs checks that no output of a command, however broken, does worse than give an error, and that what is read
// can be printed and read again.
func FuzzOutputs(f *testing.F) {
	for _, command := range []string{"bjobs", "bqueues", "bhosts"} {
		for i, r := range recordingsOf(f, command) {
			if i%8 == 0 && len(r.Stdout) < 3000 {
				f.Add(r.Stdout)
			}
		}
	}
	f.Fuzz(func(t *testing.T, text string) {
		if lines, err := ParseJobTable(text, FormWide, recordedAt); err == nil {
			for i := range lines {
				lines[i].AppendTo(nil, true, false)
			}
		}
		if lines, err := ParseJobTable(text, FormTable, recordedAt); err == nil {
			for i := range lines {
				lines[i].AppendTo(nil, false, false)
			}
		}
		if jobs, err := ParseLongJobs(text, recordedAt); err == nil {
			for i := range jobs {
				if _, err := ParseLongJobs(string(jobs[i].AppendTo(nil)), recordedAt); err != nil && !strings.ContainsAny(text, "\r\\\x00") {
					t.Errorf("%q is read, but not once printed: %v", text, err)
				}
			}
		}
		if lines, err := ParseArrays(text); err == nil {
			PrintArrays(lines, true)
		}
		if lines, err := ParseQueues(text); err == nil {
			if again, err := ParseQueues(string(PrintQueues(lines, true))); err != nil || !cmp.Equal(lines, again) {
				t.Errorf("queues of %q: %v", text, err)
			}
		}
		if lines, err := ParseHosts(text); err == nil {
			if again, err := ParseHosts(string(PrintHosts(lines, true))); err != nil || !cmp.Equal(lines, again) {
				t.Errorf("hosts of %q: %v", text, err)
			}
		}
	})
}
