package demo

import (
	"encoding/xml"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"sluice/internal/app"
	"sluice/internal/sim/swf"
	"sluice/queue"
)

func TestSampleWorkload(t *testing.T) {
	w := SampleWorkload(200, 80, 40*time.Second)
	if got, want := w.Jobs(), 200+chainLength+80; got != want {
		t.Errorf("Jobs() = %d, want %d", got, want)
	}
	last := w.Submissions[len(w.Submissions)-1]
	if last.At != 20*time.Second {
		t.Errorf("the burst comes at %v, want half-way", last.At)
	}
	want := []string{"-J", "burst[1-80]", "-o", "/dev/null", "sleep", "0.80"}
	if diff := cmp.Diff(want, last.Args); diff != "" {
		t.Errorf("burst (-want +got):\n%s", diff)
	}
	second := strings.Join(w.Submissions[2].Args, " ")
	if !strings.Contains(second, "-w done(chain1)") {
		t.Errorf("second job of the chain is %q: it must wait for the first", second)
	}
}

// A made-up trace: id, submit, wait, run, processors and unused columns; job 3 never ran.
const trace = `; MaxProcs: 8
1  10 -1 600 8 -1 -1 8 -1 -1 1 1 1 -1 -1 -1 -1 -1
2  70 -1  60 2 -1 -1 2 -1 -1 1 1 1 -1 -1 -1 -1 -1
3  80 -1  -1 2 -1 -1 2 -1 -1 1 1 1 -1 -1 -1 -1 -1
4 500 -1  60 4 -1 -1 4 -1 -1 1 1 1 -1 -1 -1 -1 -1
`

func TestTrace(t *testing.T) {
	read := func(from, to time.Duration) (Workload, error) {
		r, err := swf.NewReader(strings.NewReader(trace))
		if err != nil {
			t.Fatal(err)
		}
		return Trace(r, from, to, 60)
	}
	w, err := read(10*time.Second, 100*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	want := Workload{Slots: 8, Submissions: []Submission{
		{At: 0, Jobs: 1, Args: []string{"-J", "trace1", "-n", "8", "-o", "/dev/null", "sleep", "10.000"}},
		{At: time.Second, Jobs: 1, Args: []string{"-J", "trace2", "-n", "2", "-o", "/dev/null", "sleep", "1.000"}},
	}}
	if diff := cmp.Diff(want, w); diff != "" {
		t.Errorf("workload (-want +got):\n%s", diff)
	}
	if _, err := read(600*time.Second, 700*time.Second); err == nil {
		t.Error("an empty window was accepted")
	}
}

func TestRecordingIsBounded(t *testing.T) {
	r := newRecording(time.Second)
	for i := range 10 * maxSamples {
		r.add(Sample{At: time.Duration(i) * time.Second})
	}
	if n := len(r.samples); n < maxSamples/2 || n >= maxSamples {
		t.Errorf("%d samples kept, want between %d and %d", n, maxSamples/2, maxSamples)
	}
	for i, s := range r.samples[1:] {
		if s.At <= r.samples[i].At {
			t.Fatalf("sample %d is not later than the one before", i+1)
		}
	}
}

func TestPicture(t *testing.T) {
	path := filepath.Join(t.TempDir(), "demo.svg")
	samples := []Sample{
		{At: 0, Status: app.Status{Target: 0.3, Pending: 10}},
		{At: time.Second, Status: app.Status{Target: 0.3, Pending: 8, Running: 2, Ratio: 0.25, Goal: 3, Supply: 3}},
		{At: 2 * time.Second, Status: app.Status{Target: 0.3}},
	}
	if err := Picture(path, samples); err != nil {
		t.Fatal(err)
	}
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	for d, paths := xml.NewDecoder(file), 0; ; {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			if paths < 6 {
				t.Errorf("%d paths in the picture, want a curve for each of six quantities", paths)
			}
			break
		}
		if err != nil {
			t.Fatalf("the picture is not XML: %v", err)
		}
		if start, ok := token.(xml.StartElement); ok && start.Name.Local == "path" {
			paths++
		}
	}
	if err := Picture(filepath.Join(t.TempDir(), "missing", "demo.svg"), samples); err == nil {
		t.Error("a picture in a directory that does not exist was written")
	}
}

func TestSummaryWeighsBySlots(t *testing.T) {
	start := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	s := newSummary([]Sample{
		{At: 0, Status: app.Status{Held: 4}},
		{At: 10 * time.Second, Status: app.Status{Held: 1}},
		{At: 20 * time.Second},
	}, 3)
	s.count(queue.Job{
		State: queue.Done, SubmittedAt: start, StartedAt: start.Add(3 * time.Second), EndedAt: start.Add(5 * time.Second),
		Placement: []queue.Placement{{Host: "a", Slots: 3}, {Host: "b", Slots: 1}},
	})
	s.count(queue.Job{State: queue.Exited})
	s.count(queue.Job{State: queue.Pending})
	want := Summary{Jobs: 3, Done: 1, Exited: 1, WaitSlotSeconds: 12, RunSlotSeconds: 8, HeldSlotSeconds: 50, PeakHeld: 4, Elapsed: 20 * time.Second}
	if diff := cmp.Diff(want, s); diff != "" {
		t.Errorf("summary (-want +got):\n%s", diff)
	}
}
