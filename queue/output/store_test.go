package output

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"sluice/queue"
)

func open(t testing.TB, dir string, limits Limits) *Store {
	t.Helper()
	s, err := Open(dir, limits)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil && !errors.Is(err, os.ErrClosed) {
			t.Error(err)
		}
	})
	return s
}

func record(job int64, attempt int, out string) *Record {
	return &Record{ID: queue.ID{Job: job}, Attempt: attempt, User: "ann", Out: Stream{Data: []byte(out)}, Err: Stream{Data: []byte{}}}
}

func put(t testing.TB, s *Store, r *Record) {
	t.Helper()
	if err := s.Put(r); err != nil {
		t.Fatal(err)
	}
}

func TestKeepsOverRestarts(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "output")
	s := open(t, dir, Limits{})
	want := &Record{
		ID: queue.ID{Job: 7, Index: 3}, Attempt: 2, User: "ann", Separate: true,
		Out: Stream{Data: []byte("out\x00\xff"), Skipped: 1 << 40, Dropped: true}, Err: Stream{Data: []byte("err")},
	}
	put(t, s, want)
	put(t, s, record(7, 1, "of the array")) // another job
	older := *want
	older.Attempt, older.Out.Data = 1, []byte("older")
	put(t, s, &older)
	for range 2 {
		got, err := s.Get(want.ID)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
		if got.Out.Size() != 1<<40+5 {
			t.Errorf("size %d", got.Out.Size())
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Get(want.ID); !errors.Is(err, ErrNotKept) {
			t.Errorf("closed: %v", err)
		}
		if err := s.Put(want); !errors.Is(err, os.ErrClosed) {
			t.Errorf("closed: %v", err)
		}
		s = open(t, dir, Limits{})
	}
	if _, err := s.Get(queue.ID{Job: 8}); !errors.Is(err, ErrNotKept) {
		t.Errorf("no such job: %v", err)
	}
}

// The store is cut at every byte, as by kill -9: what was put before the cut is there, and more can be put.
func TestCutAnywhere(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, Limits{})
	var ends []int64
	for i := range int64(3) {
		put(t, s, record(i+1, 1, fmt.Sprint("job ", i+1)))
		ends = append(ends, s.size)
	}
	whole, err := os.ReadFile(s.path(1))
	if err != nil {
		t.Fatal(err)
	}
	for cut := range len(whole) {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "00000001.out"), whole[:cut], 0o600); err != nil {
			t.Fatal(err)
		}
		s := open(t, dir, Limits{})
		put(t, s, record(9, 1, "new"))
		for i, end := range ends {
			got, err := s.Get(queue.ID{Job: int64(i) + 1})
			if int64(cut) >= end != (err == nil) || err == nil && string(got.Out.Data) != fmt.Sprint("job ", i+1) {
				t.Fatalf("cut at %d: job %d: %v, %v", cut, i+1, got, err)
			}
		}
		if got, err := s.Get(queue.ID{Job: 9}); err != nil || string(got.Out.Data) != "new" {
			t.Fatalf("cut at %d: %v, %v", cut, got, err)
		}
	}
}

func TestDamageIsNotShown(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, Limits{})
	put(t, s, record(1, 1, "true"))
	put(t, s, record(2, 1, "other"))
	data, err := os.ReadFile(s.path(1))
	if err != nil {
		t.Fatal(err)
	}
	data = bytes.Replace(data, []byte("true"), []byte("lies"), 1)
	if err := os.WriteFile(s.path(1), data, 0o600); err != nil {
		t.Fatal(err)
	}
	s = open(t, dir, Limits{})
	if got, err := s.Get(queue.ID{Job: 1}); !errors.Is(err, errDamaged) {
		t.Errorf("%v, %v", got, err)
	}
	if got, err := s.Get(queue.ID{Job: 2}); err != nil || string(got.Out.Data) != "other" {
		t.Errorf("%v, %v", got, err)
	}
}

// Over any sequence of records and restarts: the limits hold, the newest are there, and what is there is what was put.
func TestLimits(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		dir := t.TempDir()
		limits := Limits{Bytes: rapid.Int64Range(1, 20_000).Draw(rt, "bytes"), Jobs: rapid.IntRange(1, 50).Draw(rt, "jobs")}
		s, err := Open(dir, limits)
		if err != nil {
			rt.Fatal(err)
		}
		defer func() { _ = s.Close() }()
		wrote := map[queue.ID]*Record{}
		for range rapid.IntRange(1, 60).Draw(rt, "records") {
			r := record(rapid.Int64Range(1, 40).Draw(rt, "job"), 1, string(bytes.Repeat([]byte("x"), rapid.IntRange(0, 1000).Draw(rt, "length"))))
			if older := wrote[r.ID]; older != nil {
				r.Attempt = older.Attempt + 1
			}
			if err := s.Put(r); err != nil {
				rt.Fatal(err)
			}
			wrote[r.ID] = r
			if rapid.IntRange(0, 9).Draw(rt, "restart") == 0 {
				if err := s.Close(); err != nil {
					rt.Fatal(err)
				}
				if s, err = Open(dir, limits); err != nil {
					rt.Fatal(err)
				}
			}
			if got, err := s.Get(r.ID); err != nil || !cmp.Equal(got, r) {
				rt.Fatalf("the newest: %v, %v", got, err)
			}
			if len(s.segments) > 1 && (s.size > limits.Bytes || s.records > limits.Jobs) {
				rt.Fatalf("%d bytes, %d records: limits %+v", s.size, s.records, limits)
			}
		}
		for id := range s.index {
			if got, err := s.Get(id); err != nil || !cmp.Equal(got, wrote[id]) {
				rt.Fatalf("%v: %v, want %v (%v)", id, got, wrote[id], err)
			}
		}
		files, err := filepath.Glob(filepath.Join(dir, "*"))
		if err != nil || len(files) != len(s.segments) {
			rt.Fatalf("%d files of %d segments (%v)", len(files), len(s.segments), err)
		}
	})
}

func FuzzDecode(f *testing.F) {
	b, err := record(1, 1, "out").encode()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Add(b[:headBytes])
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := decode(b)
		if err != nil {
			return
		}
		again, err := r.encode()
		if err != nil {
			t.Fatal(err)
		}
		if r2, err := decode(again); err != nil || !cmp.Equal(r, r2) {
			t.Errorf("%v, %v", r2, err)
		}
	})
}

func ExampleStore() {
	dir, err := os.MkdirTemp("", "output")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir) //nolint:errcheck // an example
	s, err := Open(dir, Limits{Bytes: 64 << 20})
	if err != nil {
		panic(err)
	}
	id := queue.ID{Job: 12, Index: 3}
	if err := s.Put(&Record{ID: id, Attempt: 1, User: "ann", Out: Stream{Data: []byte("result: 42\n")}}); err != nil {
		panic(err)
	}
	r, err := s.Get(id)
	fmt.Print(r.User, ": ", string(r.Out.Data), errors.Join(err, s.Close()))
	// Output:
	// ann: result: 42
	// <nil>
}
