package lsfbridge

import (
	"bufio"
	"encoding/json"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// recording is one command that a real OpenLava 2.2 answered.
type recording struct {
	ID, Command    string
	Exit           int
	Stdout, Stderr string
	User           string
}

// name is the command without the variables before it.
func (r recording) name() string {
	for word := range strings.FieldsSeq(r.Command) {
		if !strings.Contains(word, "=") {
			return word
		}
	}
	return ""
}

func (r recording) has(options ...string) bool {
	for _, o := range options {
		for word := range strings.FieldsSeq(r.Command) {
			if word == o {
				return true
			}
		}
	}
	return false
}

var recordedAt = time.Date(2026, 11, 21, 0, 0, 0, 0, time.UTC)

func recordings(t *testing.T, command string) []recording { return recordingsOf(t, command) }

func recordingsOf(t testing.TB, command string) []recording {
	t.Helper()
	file, err := os.Open("testdata/openlava-2.2.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	var found []recording
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var r recording
		if err := json.Unmarshal(lines.Bytes(), &r); err != nil {
			t.Fatal(err)
		}
		if r.name() == command {
			found = append(found, r)
		}
	}
	if err := lines.Err(); err != nil || len(found) == 0 {
		t.Fatalf("%d recordings of %s, error %v", len(found), command, err)
	}
	return found
}

func same(t *testing.T, got, want string) {
	t.Helper()
	if got != want {
		t.Errorf("not the recorded bytes:\n%s", cmp.Diff(strings.Split(want, "\n"), strings.Split(got, "\n")))
	}
}

func TestRecordedJobTables(t *testing.T) {
	printed := 0
	for _, r := range recordings(t, "bjobs") {
		if !strings.HasPrefix(r.Stdout, "JOBID   USER") {
			continue
		}
		printed++
		t.Run(r.ID, func(t *testing.T) {
			form := FormTable
			if r.has("-w", "-aw", "-rw") {
				form = FormWide
			}
			lines, err := ParseJobTable(r.Stdout, form, recordedAt)
			if err != nil {
				t.Fatal(err)
			}
			pending := strings.HasPrefix(r.Stdout, pendingHeader)
			got := []byte(tableHeader)
			if pending {
				got = []byte(pendingHeader)
			}
			for i := range lines {
				got = lines[i].AppendTo(got, form == FormWide, pending)
			}
			same(t, string(got), r.Stdout)
		})
	}
	if printed < 40 {
		t.Errorf("only %d tables were compared", printed)
	}
}

func TestRecordedLongJobs(t *testing.T) {
	compared := 0
	for _, r := range recordings(t, "bjobs") {
		if !strings.HasPrefix(r.Stdout, "\nJob <") {
			continue
		}
		compared++
		t.Run(r.ID, func(t *testing.T) {
			jobs, err := ParseLongJobs(r.Stdout, recordedAt)
			if err != nil {
				t.Fatal(err)
			}
			var got []byte
			for i := range jobs {
				if i > 0 {
					got = append(got, LongRule...)
				}
				got = jobs[i].AppendTo(got)
			}
			same(t, string(append(got, '\n')), withoutExternalIndex(r.Stdout))
		})
	}
	if compared < 40 {
		t.Errorf("only %d long listings were compared", compared)
	}
}

var recordedThresholds = regexp.MustCompile(`(?s)           r15s   r1m .*?((?:-{78})?\n(?:\nJob|$))`)

// withoutExternalIndex replaces the load thresholds of the recorded cluster, which are no facts of a job, by none.
func withoutExternalIndex(text string) string {
	text = strings.ReplaceAll(text, "\n          dynload \n loadSched     -  \n loadStop      -  \n", "")
	return recordedThresholds.ReplaceAllString(text, thresholds+"$1")
}

func TestRecordedArrays(t *testing.T) {
	compared := 0
	for _, r := range recordings(t, "bjobs") {
		if !strings.HasPrefix(r.Stdout, arrayHeader) {
			continue
		}
		compared++
		t.Run(r.ID, func(t *testing.T) {
			lines, err := ParseArrays(r.Stdout)
			if err != nil {
				t.Fatal(err)
			}
			same(t, string(PrintArrays(lines, r.has("-w", "-Aw"))), r.Stdout)
		})
	}
	if compared < 4 {
		t.Errorf("only %d arrays were compared", compared)
	}
}

func TestRecordedQueues(t *testing.T) {
	compared := 0
	for _, r := range recordings(t, "bqueues") {
		if !strings.HasPrefix(r.Stdout, queueHeader) {
			continue
		}
		compared++
		t.Run(r.ID, func(t *testing.T) {
			lines, err := ParseQueues(r.Stdout)
			if err != nil {
				t.Fatal(err)
			}
			same(t, string(PrintQueues(lines, r.has("-w"))), r.Stdout)
		})
	}
	if compared < 15 {
		t.Errorf("only %d tables were compared", compared)
	}
}

func TestRecordedHosts(t *testing.T) {
	compared := 0
	for _, r := range recordings(t, "bhosts") {
		if !strings.HasPrefix(r.Stdout, "HOST_NAME") {
			continue
		}
		compared++
		t.Run(r.ID, func(t *testing.T) {
			lines, err := ParseHosts(r.Stdout)
			if err != nil {
				t.Fatal(err)
			}
			same(t, string(PrintHosts(lines, r.has("-w"))), r.Stdout)
		})
	}
	if compared < 30 {
		t.Errorf("only %d tables were compared", compared)
	}
}
