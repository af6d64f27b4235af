package lsfbridge

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"sluice/queue"
)

func place(script string) SubmitPlace {
	return SubmitPlace{
		Environ: []string{"HOME=/home/u", "A=1", "LSB_DEFAULTPROJECT="}, Cwd: "/home/u/w", Host: "olmaster", Umask: 0o22,
		Now: time.Date(2026, 11, 20, 22, 48, 11, 0, time.UTC), Script: strings.NewReader(script),
	}
}

// daemonSays are the refusals that the recorded bsub had from its daemon: of which code they are here.
var daemonSays = map[string]*queue.Error{
	"unknown_queue":    {Code: queue.NoSuchQueue, Subject: "nosuchqueue"},
	"defq_bad":         {Code: queue.NoSuchQueue, Subject: "nosuch"},
	"n100":             {Code: queue.TooManySlots},
	"n_proclimit":      {Code: queue.TooManySlots},
	"J_too_many":       {Code: queue.ArrayTooLarge},
	"bigarr_1001":      {Code: queue.ArrayTooLarge},
	"W_over_queue":     {Code: queue.RunLimitTooLarge},
	"w_unknown_id":     {Kind: queue.KindNotFound, Code: queue.BadDependency, Subject: "99999"},
	"clean_after_w":    {Kind: queue.KindNotFound, Code: queue.BadDependency, Subject: "6"},
	"w_unknown_name":   {Kind: queue.KindNotFound, Code: queue.BadDependency, Subject: "nosuchname"},
	"w_nonsense":       {Kind: queue.KindNotFound, Code: queue.BadDependency, Subject: "nonsense"},
	"user_not_allowed": {Code: queue.QueueDenied, Subject: "owners"},
	"closed_queue":     {Code: queue.QueueClosed, Subject: "batchonly"},
	"m_unknown":        {Code: queue.NoSuchHost, Subject: "nosuchhost"},
	"removed_bsub_m":   {Code: queue.NoSuchHost, Subject: "node4"},
	"bsub_root":        {Code: queue.NotYours},
}

// differs are recorded refusals that Sluice does not share, each for a reason that docs/lsf-compat.md gives.
var differs = map[string]string{
	"bsub_sp": "priorities are always on", "sp_high": "priorities are always on", "W_badhost": "limits are not normalised",
	"m_notinqueue": "queues use all hosts", "is_missing": "nothing is spooled", "inter_only": "no interactive queues",
	"I_on_batch": "all queues take interactive jobs", "x_not_exclusive": "all queues take -x",
	"mem_over_queue": "queues have no memory limit", "c_over_queue": "queues have no limit of processor time", "f_bad": "-f is not there yet",
	"lost_bsub_lost": "queues are not removed under jobs", "k_bad": "-k is not there yet",
	"bsub_R": "unknown resources are refused", "bsub_f": "-f is not there yet",
}

func expectation[T any](table map[string]T, id string) (value T, found bool) {
	_, name, _ := strings.Cut(id, "_")
	for key, v := range table {
		if strings.HasSuffix(name, key) {
			return v, true
		}
	}
	return value, false
}

// TestRecordedSubmissions gives recorded command lines to the parser: what bsub refused is refused in the same words, and
// what it took is taken.
func TestRecordedSubmissions(t *testing.T) {
	same := 0
	for _, r := range recordings(t, "bsub") {
		if _, ok := expectation(differs, r.ID); ok || strings.Contains(r.Stderr, "Usage:") || r.has("-V") || r.Exit < 0 || r.User == "root" {
			continue
		}
		words := splitWords(strings.ReplaceAll(r.Command, "\n", " "))
		for len(words) > 0 && strings.Contains(words[0], "=") {
			words = words[1:]
		}
		_, err := ParseSubmission(words[1:], place(""))
		want := strings.TrimSuffix(r.Stderr, "\n")
		fromDaemon, known := expectation(daemonSays, r.ID)
		switch {
		case r.Exit == 0 || r.has("-K"):
			if err != nil {
				t.Errorf("%s: %s: refused: %v", r.ID, r.Command, err)
			}
		case err != nil:
			if err.Error() != want {
				t.Errorf("%s: %s: got %q, want %q", r.ID, r.Command, err, want)
			}
		case !known:
			t.Errorf("%s: %s: taken, recorded %q", r.ID, r.Command, want)
		default:
			if got := ExplainSubmission(fmt.Errorf("submit: %w", fromDaemon)); got != want {
				t.Errorf("%s: got %q, want %q", r.ID, got, want)
			}
		}
		same++
	}
	if same < 70 {
		t.Errorf("only %d submissions were compared", same)
	}
}

func TestRecordedUsageErrors(t *testing.T) {
	for _, command := range []string{"bsub", "bjobs", "bkill"} {
		for _, r := range recordings(t, command) {
			line, _, usage := strings.Cut(r.Stderr, "Usage:")
			words := splitWords(r.Command)
			if !usage || len(words) == 0 || words[0] != command {
				continue
			}
			var err error
			switch command {
			case "bsub":
				_, err = ParseSubmission(words[1:], place(""))
			case "bjobs":
				_, err = ParseJobQuery(words[1:], false)
			default:
				_, err = ParseJobOrder(command, words[1:])
			}
			if strings.Contains(r.ID, "bad_option_bsub") {
				continue // -Q is an option of LSF 10.1
			}
			got, ok := errors.AsType[*UsageError](err)
			if !ok || strings.TrimSuffix(line, "\n") != got.Text {
				t.Errorf("%s: %s: got %v, want %q", r.ID, r.Command, err, line)
			}
		}
	}
}

const script = `#!/bin/bash
#BSUB -J "a b[1-4]%2" -q night # a comment
# BSUB -n 2
   #BSUB -o out.%J.%I words that do not count -P no
#BSUBx -P no
#BSUB without an option -P no
##BSUB -P no
echo '#BSUB -P no'
#BSUB -R "rusage[mem=10] span[hosts=1]" -env 'all, X=1'
#BSUB -e err\ file -W 1:30
`

func TestScripts(t *testing.T) {
	got, err := ParseSubmission([]string{"-q", "short", "-oo", "o", "-K"}, place(script))
	if err != nil {
		t.Fatal(err)
	}
	want := &Submission{Wait: true, Queues: []string{"short"}, Spec: queue.Spec{
		Name: "a b", Array: &queue.Array{Ranges: []queue.Range{{First: 1, Last: 4, Step: 1}}, Limit: 2}, Queue: "short",
		Command: script, Project: "default", SubmitHost: "olmaster", Cwd: "/home/u/w", Umask: 0o22, MinSlots: 2, MaxSlots: 2,
		Env:    queue.NewEnv([]string{"HOME=/home/u", "A=1", "LSB_DEFAULTPROJECT=", "X=1"}),
		Stdout: "o", TruncateStdout: true, Stderr: "err file", RunLimit: 90 * time.Minute, Need: queue.Need{MemMiB: 5, OneHost: true}, ResReq: "rusage[mem=10] span[hosts=1]",
	}}
	if diff := cmp.Diff(want, got, cmp.Comparer(func(a, b queue.Env) bool { return a == b })); diff != "" {
		t.Error(diff)
	}
	for script, want := range map[string]string{
		"":                                    "No command is specified. Job not submitted.",
		"#!/bin/sh\n#BSUB -n 2\n\n":           "No command is specified. Job not submitted.",
		"#BSUB -n 0\ntrue":                    "The number of processors must be a positive integer. Job not submitted.",
		"#BSUB -Y\ntrue":                      "bsub: illegal option -- Y",
		"true \x00":                           "Command is not text in UTF-8. Job not submitted.",
		strings.Repeat("true\n", 1<<18):       "Command of more than 1048576 bytes. Job not submitted.",
		"#BSUB -J 'open\ntrue\n#BSUB -J a[0]": "Bad job name. Job not submitted.",
	} {
		if _, err := ParseSubmission(nil, place(script)); err == nil || err.Error() != want {
			t.Errorf("%.40q: got %v, want %q", script, err, want)
		}
	}
	if _, err := ParseSubmission([]string{"script_file"}, place("")); err != nil {
		t.Errorf("a script's name is a command: %v", err)
	}
}

func TestCommandsAreQuotedAsLSFDoes(t *testing.T) {
	for _, c := range []struct {
		want  string
		words []string
	}{
		{"sleep 600", []string{"sleep", "600"}},
		{"sleep 600 | cat 'a b' \"c\" $HOME", []string{"sleep 600 | cat 'a b' \"c\" $HOME"}},
		{`echo "a b" c`, []string{"echo", "a b", "c"}},
		{`echo 'a "b"'`, []string{"echo", `a "b"`}},
		{`echo 'a $b'`, []string{"echo", "a $b"}},
		{`echo '$b'`, []string{"echo", "$b"}},
		{`echo a$b`, []string{"echo", "a$b"}},
		{`echo \(a\) \"b\" it\'s a\\b`, []string{"echo", "(a)", `"b"`, "it's", `a\b`}},
		{`echo 'it'\''s "x y"'`, []string{"echo", `it's "x y"`}},
		{`echo "" x`, []string{"echo", "", "x"}},
		{"echo a; ls", []string{"echo", "a;", "ls"}},
	} {
		if got := JoinCommand(c.words); got != c.want {
			t.Errorf("%q: got %s, want %s", c.words, got, c.want)
		}
	}
}

func TestSubmissionOptions(t *testing.T) {
	got, err := ParseSubmission(strings.Fields("-x -H -r -P p1 -m node2+2,bad -n 2 true"), place(""))
	if err == nil {
		t.Errorf("a comma in a host name: got %+v", got)
	}
	got, err = ParseSubmission([]string{
		"-x", "-H", "-r", "-P", "p1", "-m", "node2+2 olmaster", "-n", "2,4", "-M", "8GB", "-sp", "7", "-cwd", "sub",
		"-E", "pre x", "-Ep", "post", "-L", "/bin/bash", "-i", "in", "-w", "done(1)", "-b", "23:59", "-t", "12:31:23:00", "-env", "A, B=x y, ~C", "-u", "me", "true",
	}, place(""))
	if err != nil {
		t.Fatal(err)
	}
	s := got.Spec
	want := queue.Need{MemMiB: 4096, Hosts: "node2,olmaster", Exclusive: true}
	if s.Need != want || !s.Hold || !s.Rerunnable || s.MinSlots != 2 || s.MaxSlots != 4 || s.Priority != 7 || s.Cwd != "/home/u/w/sub" ||
		s.PreExec != "pre x" || s.PostExec != "post" || s.LoginShell != "/bin/bash" || s.Stdin != "in" || FormatCondition(s.After) != "done(1)" || s.MailUser != "me" || !cmp.Equal(s.Env.Strings(), []string{"A=1", "B=x y"}) {
		t.Errorf("got %+v, environment %q", s, s.Env.Strings())
	}
	notes := []string{
		"Job will be scheduled after Fri Nov 20 23:59:00 2026", "Job will be terminated by Thu Dec 31 23:00:00 2026",
	}
	if !cmp.Equal(got.Notes, notes) {
		t.Errorf("notes %q", got.Notes)
	}
	for command, want := range map[string]string{
		"-Is -J a[1-2] true": "A job array cannot be interactive. Job not submitted.",
		"-I -i in true":      "-I: An interactive job reads what is typed, not a file. Job not submitted.",
		"-Ip -r true":        "-Ip: An interactive job cannot be rerun. Job not submitted.",
		"-IX true":           "-IX: Option is not supported. Job not submitted.",
		"-k x true":          "-k: Option is not supported. Job not submitted.",
		"-L sh true":         "sh: The login shell must be an absolute path. Job not submitted.",
		"-env ~ true":        "Bad argument for option -env. Job not submitted.",
		"-n 1,2,3 true":      "Bad argument for option -n. Job not submitted.",
		"-M 0 true":          "0: MEMLIMT value should be a positive integer. Job not submitted.",
		"-W 99999999 true":   "99999999: Bad RUNLIMIT specification. Job not submitted.",
		"-o \xff true":       "-o: argument is not text in UTF-8. Job not submitted.",
		"-Q 0 true":          `Bad argument for option -Q: exit code "0": want 1 to 255, all, or ~ before a code that is not meant. Job not submitted.`,
	} {
		if _, err := ParseSubmission(strings.Fields(command), place("")); err == nil || err.Error() != want {
			t.Errorf("%s: got %v, want %q", command, err, want)
		}
	}
}
