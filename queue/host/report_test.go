package host

import (
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"sluice/queue"
	"sluice/queue/wire"
)

// recordedReport takes a recorded report apart. The rest is what follows the head.
func recordedReport(t *testing.T, text string) (r report, rest string) {
	t.Helper()
	find := func(expression string) []string {
		m := regexp.MustCompile(expression).FindStringSubmatch(text)
		if m == nil {
			t.Fatalf("no %q in the report", expression)
		}
		return m
	}
	at := func(expression string) time.Time {
		when, err := time.Parse(time.ANSIC, find(expression)[1])
		if err != nil {
			t.Fatal(err)
		}
		return when
	}
	number := func(expression string) float64 {
		n, err := strconv.ParseFloat(find(expression)[1], 64)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	id, err := queue.ParseID(find(`Job (\S+): <`)[1])
	if err != nil {
		t.Fatal(err)
	}
	submitted := find(`(?m)^Job <(.*)> was submitted from host <(.*)> by user <(.*)>\.$`)
	executed := find(`on host\(s\) <(.*)>, in queue <(.*)>, as user`)
	words := []string{executed[1]}
	for _, m := range regexp.MustCompile(`(?m)^ {28}<(.*)>$`).FindAllStringSubmatch(text, -1) {
		words = append(words, m[1])
	}
	r = report{
		id: id, sender: find(`Sender: LSF System <(.*)>`)[1], name: submitted[1], submitHost: submitted[2], user: submitted[3],
		hosts: slots(words), queue: executed[2],
		home: find(`<(.*)> was used as the home`)[1], cwd: find(`<(.*)> was used as the working`)[1],
		started: at(`Started at (.*)`), ended: at(`reported at (.*)`),
		command: find(`(?s)User input\n(.*)\n-{60}\n`)[1],
		cpu:     time.Duration(number(`CPU time   :\s*(\S+) sec`) * float64(time.Second)),
		memMiB:  int64(number(`Max Memory :\s*(\d+) MB`)), swapMiB: int64(number(`Max Swap   :\s*(\d+) MB`)),
		processes: int(number(`Max Processes  :\s*(\d+)`)),
	}
	if m := regexp.MustCompile(`(?m)^Exited with exit code (\d+)\.$`).FindStringSubmatch(text); m != nil {
		r.exitCode, _ = strconv.Atoi(m[1])
	}
	_, rest, _ = strings.Cut(text, "follows:\n\n")
	return r, rest
}

// slots undoes LSF's counts: 2*a is a a.
func slots(words []string) (hosts []string) {
	for _, word := range words {
		count, host, ok := strings.Cut(word, "*")
		if !ok {
			count, host = "1", word
		}
		n, _ := strconv.Atoi(count)
		for range n {
			hosts = append(hosts, host)
		}
	}
	return hosts
}

// The reports of a real OpenLava, taken apart and printed again, are the same bytes.
func TestRecordedReports(t *testing.T) {
	files, err := filepath.Glob("testdata/reports/*.txt")
	if err != nil || len(files) < 15 {
		t.Fatalf("%d recorded reports: %v", len(files), err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			text := readFile(t, file)
			r, rest := recordedReport(t, text)
			if diff := cmp.Diff(text, r.head()+rest); diff != "" {
				t.Errorf("-recorded +printed\n%s", diff)
			}
			if strings.HasPrefix(r.name, "echo word") { // unnamed jobs bear their command
				r.name = ""
				if diff := cmp.Diff(text, r.head()+rest); diff != "" {
					t.Errorf("named after its command: -recorded +printed\n%s", diff)
				}
			}
		})
	}
}

// Jobs that were recorded, run again: what their -o and -e files hold is the same but for what a run decides.
func TestReportsOfRuns(t *testing.T) {
	d := newDaemon(t)
	startHost(t, d)
	for file, stderr := range map[string]string{
		"ok.1.txt": "", "ok_out.2.txt": "", "exit3.3.txt": "", "multiline.23.txt": "", "err.15.txt": "rep/err.err.15",
		"script.24.txt": "", "arr.25.2.txt": "", "cwd_missing.38.txt": "", "lname.28.txt": "",
	} {
		t.Run(file, func(t *testing.T) {
			recorded := readFile(t, filepath.Join("testdata", "reports", file))
			r, _ := recordedReport(t, recorded)
			cwd := t.TempDir()
			if err := os.Mkdir(filepath.Join(cwd, "rep"), 0o755); err != nil {
				t.Fatal(err)
			}
			s := newStart(r.command, func(s *wire.Start) {
				s.Attempt.Index = int32(r.id.Index)
				s.Cwd, s.Stdout, s.Stderr = cwd, "rep/out", stderr
				s.Env = append(s.Env, "LSB_JOBINDEX="+strconv.Itoa(r.id.Index), "LSB_JOBID="+strconv.FormatInt(r.id.Job, 10))
				s.Report = &wire.Report{JobName: r.name, Queue: r.queue, SubmitHost: r.submitHost, Hosts: r.hosts}
			})
			if ended := d.run(s); int(ended.ExitCode) != r.exitCode || ended.Reason != "" {
				t.Errorf("%v", ended)
			}
			got := readFile(t, filepath.Join(cwd, "rep", "out"))
			if diff := cmp.Diff(normal(recorded), normal(got)); diff != "" {
				t.Errorf("-recorded +written\n%s", diff)
			}
			if stderr != "" && readFile(t, filepath.Join(cwd, stderr)) != "to err\n" {
				t.Errorf("the -e file holds %q", readFile(t, filepath.Join(cwd, stderr)))
			}
		})
	}
}

// normal takes out what differs from run to run.
func normal(text string) string {
	for expression, with := range map[string]string{
		`Sender: .*`: "Sender", `Job \d+`: "Job N", `user <\w*>`: "user <u>", `(?m)^<.*> was used`: "<d> was used",
		`at \w+ \w+ [ \d]\d .*`: "at T", `\d+\.\d\d sec`: "S", `: +\d+ MB`: "M", `Processes  : +\d+`: "P",
		`(?m)^/.*: 8: `: "script: 8: ", `from script \d+`: "from script",
	} {
		text = regexp.MustCompile(expression).ReplaceAllString(text, with)
	}
	return text
}
