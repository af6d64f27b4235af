package swf

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
)

func readAll(r io.Reader) (Header, []Job, error) {
	s, err := NewReader(r)
	if err != nil {
		return Header{}, nil, err
	}
	var jobs []Job
	for {
		job, err := s.Next()
		if errors.Is(err, io.EOF) {
			return s.Header(), jobs, nil
		}
		if err != nil {
			return s.Header(), jobs, err
		}
		jobs = append(jobs, job)
	}
}

func compress(t testing.TB, text []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	if _, err := w.Write(text); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func TestRecordedTrace(t *testing.T) {
	text, err := os.ReadFile("testdata/nasa-head.swf")
	if err != nil {
		t.Fatal(err)
	}
	header, jobs, err := readAll(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	want := Header{
		Computer: "Intel iPSC/860", Installation: "NASA Ames Research Center", Acknowledge: "Bill Nitzberg",
		MaxProcs: 128, MaxNodes: 128, MaxJobs: 18239, UnixStartTime: 749458803,
	}
	if diff := cmp.Diff(want, header); diff != "" {
		t.Errorf("header (-want +got):\n%s", diff)
	}
	if len(jobs) != bytes.Count(text, []byte("\n"))-bytes.Count(text, []byte("\n;"))-1 {
		t.Errorf("%d jobs", len(jobs))
	}
	first := Job{
		ID: 1, Wait: -1, Run: 1451, Procs: 128, MemKiB: -1, Estimate: -1, Status: -1,
		User: 1, Group: 1, Queue: -1, After: -1, ThinkTime: -1,
	}
	if diff := cmp.Diff(first, jobs[0]); diff != "" {
		t.Errorf("first job (-want +got):\n%s", diff)
	}
	_, zipped, err := readAll(iotest.OneByteReader(bytes.NewReader(compress(t, text))))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(jobs, zipped); diff != "" {
		t.Errorf("compressed (-plain +gzip):\n%s", diff)
	}
}

func TestLines(t *testing.T) {
	for _, tc := range []struct {
		name, text string
		jobs       int
		err        string
	}{
		{"empty", "", 0, ""},
		{"header only", "; MaxProcs: 4\n", 0, ""},
		{"no newline at the end", "1 2 3 4 5", 1, ""},
		{"comments between jobs", "1 2 3 4 5\n; x: y\n\n2 3 4 5 6\n", 2, ""},
		{"tabs and carriage returns", "1\t2\t3\t4\t5\r\n", 1, ""},
		{"fractions", "1 2.5 -1 4e3 5 1.25", 1, ""},
		{"too few", "1 2 3 4\n", 0, "line 1: 4 fields, want at least 5"},
		{"too many", strings.Repeat("1 ", 19), 0, "line 1: more than 18 fields"},
		{"text", "1 2 3 4 5\n1 2 x 4 5\n", 1, `line 2: field 3: "x" is not a number`},
		{"nan", "1 2 NaN 4 5", 0, `line 1: field 3: "NaN" is not a number`},
		{"infinite", "1 2 Inf 4 5", 0, `line 1: field 3: "Inf" is out of range`},
		{"absurd", "1 2 3 4 99999999999", 0, "line 1: 9.9999999999e+10 processors, want at most 2147483647"},
		{"minus alone", "1 2 - 4 5", 0, `line 1: field 3: "-" is not a number`},
		{"long line", "1 2 3 4 " + strings.Repeat("5", MaxLine), 0, "line 1: longer than 65536 bytes"},
		{"long line later", "1 2 3 4 5\n" + strings.Repeat(" ", MaxLine+1), 1, "line 2: longer than 65536 bytes"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, jobs, err := readAll(strings.NewReader(tc.text))
			if len(jobs) != tc.jobs {
				t.Errorf("%d jobs, want %d", len(jobs), tc.jobs)
			}
			switch {
			case tc.err == "" && err != nil:
				t.Error(err)
			case tc.err != "" && (!errors.Is(err, ErrFormat) || err.Error() != "invalid trace: "+tc.err):
				t.Errorf("error %v, want %s", err, tc.err)
			}
		})
	}
}

func TestProcessorsFallBackToTheRequest(t *testing.T) {
	_, jobs, err := readAll(strings.NewReader("1 0 0 9 -1 -1 -1 6 60 512 1 3 4 5 6\n2 0 0 -1 4\n"))
	if err != nil {
		t.Fatal(err)
	}
	if jobs[0].Procs != 6 || jobs[0].MemKiB != 512 || !jobs[0].Usable() {
		t.Errorf("%+v", jobs[0])
	}
	if jobs[1].Usable() {
		t.Errorf("a job that never ran is usable: %+v", jobs[1])
	}
}

func TestHeaderHasALimit(t *testing.T) {
	_, err := NewReader(strings.NewReader(strings.Repeat(";\n", maxHeader+2)))
	if !errors.Is(err, ErrFormat) {
		t.Errorf("error %v", err)
	}
	s, err := NewReader(strings.NewReader("; MaxProcs: many\n; MaxNodes: 128 (64 until March)\n; MaxNodes: 7\n"))
	if err != nil {
		t.Fatal(err)
	}
	if h := s.Header(); h.MaxProcs != 0 || h.MaxNodes != 128 {
		t.Errorf("%+v", h)
	}
}

func TestBrokenStreams(t *testing.T) {
	cause := errors.New("disk on fire")
	_, _, err := readAll(io.MultiReader(strings.NewReader("1 2 3 4 5\n"), iotest.ErrReader(cause)))
	if !errors.Is(err, cause) {
		t.Errorf("error %v, want the cause", err)
	}
	zipped := compress(t, []byte(strings.Repeat("1 2 3 4 5\n", 1000)))
	if _, _, err := readAll(bytes.NewReader(zipped[:len(zipped)/2])); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("cut gzip: %v", err)
	}
	if _, err := NewReader(strings.NewReader("\x1f\x8bnot gzip at all")); !errors.Is(err, gzip.ErrHeader) {
		t.Errorf("not gzip: %v", err)
	}
}

// Whatever is read: no panic, finite numbers, and what is read once is read
// the same when it is written out and read again.
func FuzzReader(f *testing.F) {
	f.Add([]byte("; MaxProcs: 4\n1 0 -1 5 2 -1 -1 2 60 -1 1 1 1 -1 1 -1 -1 -1\n"))
	f.Add([]byte("1 2 3 4 5\n; comment\n2 2.5 -1 1e3 5"))
	f.Add([]byte("\x1f\x8b\x08\x00"))
	f.Add([]byte("1 2 3 4 99999999999999999999"))
	f.Fuzz(func(t *testing.T, text []byte) {
		_, jobs, err := readAll(bytes.NewReader(text))
		if err != nil && len(jobs) == 0 {
			return
		}
		var again bytes.Buffer
		for _, j := range jobs {
			if j.Procs > maxProcs || !(j.Run <= maxValue) || !(j.Submit <= maxValue) {
				t.Fatalf("job out of range: %+v", j)
			}
			fmt.Fprintf(&again, "%d %v %v %v %d -1 %v -1 %v -1 %d %d %d -1 %d -1 %d %v\n", j.ID, j.Submit, j.Wait, j.Run,
				j.Procs, j.MemKiB, j.Estimate, j.Status, j.User, j.Group, j.Queue, j.After, j.ThinkTime)
		}
		_, back, err := readAll(&again)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(jobs, back); diff != "" {
			t.Fatalf("(-read +again):\n%s", diff)
		}
	})
}

func BenchmarkReader(b *testing.B) {
	text := []byte(strings.Repeat("   11   342072     32  43306   32  43307    -1   32  43200    -1  1   4   1  -1 -1  1 -1 -1\n", 1000))
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		if _, jobs, err := readAll(bytes.NewReader(text)); err != nil || len(jobs) != 1000 {
			b.Fatal(err)
		}
	}
}

func ExampleReader() {
	trace := "; Computer: example\n; MaxProcs: 8\n1 0 5 60 4\n2 30 0 10 1\n"
	r, err := NewReader(strings.NewReader(trace))
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(r.Header().Computer, r.Header().MaxProcs)
	for {
		job, err := r.Next()
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Printf("job %d at %vs: %d processors for %vs\n", job.ID, job.Submit, job.Procs, job.Run)
	}
	// Output:
	// example 8
	// job 1 at 0s: 4 processors for 60s
	// job 2 at 30s: 1 processors for 10s
	// EOF
}
