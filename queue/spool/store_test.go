package spool

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func newStore(t testing.TB, dir string, l Limits) *Store {
	t.Helper()
	s, err := Open(dir, l)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func put(t testing.TB, s *Store, user, content string) string {
	t.Helper()
	sum, err := s.Put(user, strings.NewReader(content))
	if err != nil {
		t.Fatal(err)
	}
	return sum
}

func readAll(t testing.TB, s *Store, user, sum string) string {
	t.Helper()
	var all []byte
	for piece := make([]byte, 7); ; {
		n, size, err := s.Read(user, sum, piece, int64(len(all)))
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, piece[:n]...)
		if n == 0 {
			if int64(len(all)) != size {
				t.Fatalf("%d bytes were read of %d", len(all), size)
			}
			return string(all)
		}
	}
}

func files(t testing.TB, dir string) int {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	return len(entries)
}

func TestCopiesAreShared(t *testing.T) {
	dir := t.TempDir()
	s := newStore(t, dir, Limits{})
	a := put(t, s, "ann", "some input\n")
	if b := put(t, s, "ann", "some input\n"); a != b || !IsSum(a) || files(t, dir) != 1 {
		t.Errorf("the same contents twice: %s, %s, %d files", a, b, files(t, dir))
	}
	put(t, s, "bob", "some input\n")
	empty := put(t, s, "ann", "")
	if files(t, dir) != 3 {
		t.Errorf("%d files of two users", files(t, dir))
	}
	if got := readAll(t, s, "ann", a); got != "some input\n" {
		t.Errorf("read %q", got)
	}
	if got := readAll(t, s, "ann", empty); got != "" {
		t.Errorf("read %q", got)
	}
}

// A copy is found by its own user only.
func TestCopiesOfOthers(t *testing.T) {
	s := newStore(t, t.TempDir(), Limits{})
	sum := put(t, s, "ann", "secret")
	if err := s.Claim("bob", sum); !errors.Is(err, ErrNotKept) {
		t.Errorf("claim of another's copy: %v", err)
	}
	if _, _, err := s.Read("bob", sum, make([]byte, 9), 0); !errors.Is(err, ErrNotKept) {
		t.Errorf("read of another's copy: %v", err)
	}
	if err := s.Claim("ann", sum); err != nil {
		t.Error(err)
	}
}

func TestLimits(t *testing.T) {
	dir := t.TempDir()
	s := newStore(t, dir, Limits{File: 10, User: 15, Total: 20})
	for _, c := range []struct {
		user, content string
		want          error
	}{
		{"ann", "0123456789a", ErrTooLarge},
		{"ann", "0123456789", nil},
		{"ann", "abcdef", ErrFull},
		{"bob", "abcdef", nil},
		{"bob", "ghijk", ErrFull},
		{"ann", "0123456789", nil}, // it is there already
	} {
		if _, err := s.Put(c.user, strings.NewReader(c.content)); !errors.Is(err, c.want) {
			t.Errorf("%s puts %q: %v, want %v", c.user, c.content, err, c.want)
		}
	}
	if files(t, dir) != 2 {
		t.Errorf("%d files", files(t, dir))
	}
	for _, key := range s.Idle(time.Now().Add(time.Hour)) {
		if err := s.Remove(key, time.Now().Add(time.Hour)); err != nil {
			t.Error(err)
		}
	}
	put(t, s, "ann", "abcdef")
	put(t, s, "bob", "0123456789")
}

// What a reader breaks off, or a process that was killed left behind, is not there.
func TestHalfCopies(t *testing.T) {
	dir := t.TempDir()
	s := newStore(t, dir, Limits{})
	broken := errors.New("broken off")
	if _, err := s.Put("ann", &failing{strings.NewReader("half"), broken}); !errors.Is(err, broken) {
		t.Errorf("a broken reader: %v", err)
	}
	if files(t, dir) != 0 {
		t.Errorf("%d files are left", files(t, dir))
	}
	sum := put(t, s, "ann", "whole")
	for _, name := range []string{tempPrefix + "1", "notes.txt"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s = newStore(t, dir, Limits{})
	if got := readAll(t, s, "ann", sum); got != "whole" || files(t, dir) != 2 {
		t.Errorf("after a restart: %q, %d files", got, files(t, dir))
	}
	if idle := s.Idle(time.Now().Add(time.Hour)); len(idle) != 1 {
		t.Errorf("the store knows %v", idle)
	}
}

type failing struct {
	r   *strings.Reader
	err error
}

func (f *failing) Read(b []byte) (int, error) {
	if n, _ := f.r.Read(b); n > 0 {
		return n, nil
	}
	return 0, f.err
}

// What somebody wants is not idle, also after a restart.
func TestIdleCopies(t *testing.T) {
	dir := t.TempDir()
	s := newStore(t, dir, Limits{})
	old, wanted := put(t, s, "ann", "old"), put(t, s, "ann", "wanted")
	past := time.Now().Add(-time.Hour)
	for _, sum := range []string{old, wanted} {
		if err := os.Chtimes(s.path(KeyOf("ann", sum)), past, past); err != nil {
			t.Fatal(err)
		}
	}
	s = newStore(t, dir, Limits{})
	if err := s.Claim("ann", wanted); err != nil {
		t.Fatal(err)
	}
	since := time.Now().Add(-time.Minute)
	for range 2 {
		if idle := s.Idle(since); len(idle) != 1 || idle[0] != KeyOf("ann", old) {
			t.Errorf("idle are %v", idle)
		}
		s = newStore(t, dir, Limits{})
	}
	for _, sum := range []string{old, wanted} {
		if err := s.Remove(KeyOf("ann", sum), since); err != nil {
			t.Error(err)
		}
	}
	if err := s.Claim("ann", old); !errors.Is(err, ErrNotKept) {
		t.Errorf("what was removed can be claimed: %v", err)
	}
	if err := s.Claim("ann", wanted); err != nil {
		t.Errorf("what is wanted was removed: %v", err)
	}
}

// Whatever is put and removed, with restarts between, what is there is what was put, and the limits hold.
func TestStoreKeepsWhatItIsGiven(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		dir := t.TempDir()
		limits := Limits{File: 30, User: 60, Total: 100}
		s, want := newStore(t, dir, limits), make(map[Key][]byte)
		for range rapid.IntRange(1, 30).Draw(rt, "steps") {
			user := rapid.SampledFrom([]string{"ann", "bob", "a/../b"}).Draw(rt, "user")
			switch rapid.IntRange(0, 9).Draw(rt, "step") {
			case 0:
				s = newStore(t, dir, limits)
			case 1, 2:
				for key := range want {
					if err := s.Remove(key, time.Now().Add(time.Hour)); err != nil {
						rt.Fatal(err)
					}
					delete(want, key)
					break
				}
			default:
				content := rapid.SliceOfN(rapid.Byte(), 0, 35).Draw(rt, "content")
				sum, err := s.Put(user, bytes.NewReader(content))
				if err == nil {
					want[KeyOf(user, sum)] = content
				} else if !errors.Is(err, ErrTooLarge) && !errors.Is(err, ErrFull) {
					rt.Fatal(err)
				}
			}
		}
		total := 0
		for key, content := range want {
			got, err := os.ReadFile(s.path(key))
			if err != nil || !bytes.Equal(got, content) {
				rt.Errorf("%v holds %q (%v), want %q", key, got, err, content)
			}
			total += len(content)
		}
		if s.total != int64(total) || total > 100 || len(s.copies) != len(want) || files(t, dir) != len(want) {
			rt.Errorf("%d bytes are counted in %d copies and %d files; there are %d in %d", s.total, len(s.copies), files(t, dir), total, len(want))
		}
	})
}
