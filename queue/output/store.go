package output

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"sluice/queue"
)

// Limits bound a store. Zero fields have the defaults named.
type Limits struct {
	Bytes int64 // of all segments (1 GiB)
	Jobs  int   // that are remembered (500,000)
}

// segmentsPerStore is how many segments a full store has: so much goes at a time.
const segmentsPerStore = 16

// ErrNotKept reports that nothing is kept of a job. Test with errors.Is.
var ErrNotKept = errors.New("no output of the job is kept")

// Store is an open directory. Its methods are safe for concurrent use; no other process may have it open.
type Store struct {
	dir    string
	limits Limits

	mu       sync.Mutex
	segments []*segment // oldest first; the last one grows
	index    map[queue.ID]place
	size     int64
	records  int
	closed   bool
}

type segment struct {
	number int
	file   *os.File
	size   int64
	ids    []queue.ID // of its records
}

type place struct {
	in      *segment
	at      int64
	attempt int
}

// Open opens the store in dir, which it makes. What a process that was killed left half-written is cut off.
func Open(dir string, limits Limits) (*Store, error) {
	limits.Bytes, limits.Jobs = cmp.Or(limits.Bytes, 1<<30), cmp.Or(limits.Jobs, 500_000)
	if limits.Bytes < 0 || limits.Jobs < 0 {
		return nil, fmt.Errorf("open output store: limits %+v", limits)
	}
	s := &Store{dir: dir, limits: limits, index: make(map[queue.ID]place)}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("open output store: %w", err)
	}
	names, err := filepath.Glob(filepath.Join(dir, "*.out"))
	if err != nil {
		return nil, fmt.Errorf("open output store: %w", err)
	}
	slices.Sort(names)
	for _, name := range names {
		if err := s.load(name); err != nil {
			return nil, errors.Join(fmt.Errorf("open output store: %w", err), s.Close())
		}
	}
	if err := s.shrink(); err != nil {
		return nil, errors.Join(fmt.Errorf("open output store: %w", err), s.Close())
	}
	return s, nil
}

// load indexes a segment up to the first record that is not whole.
func (s *Store) load(name string) (err error) {
	g := new(segment)
	if _, err := fmt.Sscanf(filepath.Base(name), "%08d.out", &g.number); err != nil {
		return nil //nolint:nilerr // not one of ours
	}
	if g.file, err = os.OpenFile(name, os.O_RDWR, 0); err != nil {
		return err
	}
	s.segments = append(s.segments, g)
	info, err := g.file.Stat()
	if err != nil {
		return err
	}
	for g.size < info.Size() {
		r, size, err := g.about(g.size, info.Size())
		if errors.Is(err, errDamaged) || errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		s.note(g, r.ID, r.Attempt, size)
	}
	if g.size < info.Size() {
		return g.file.Truncate(g.size)
	}
	return nil
}

// about reads the record at an offset without its streams.
func (g *segment) about(at, end int64) (r Record, size int64, err error) {
	var b [headBytes]byte
	if _, err := g.file.ReadAt(b[:], at); err != nil {
		return r, 0, err
	}
	h, err := parseHead(b[:])
	if err != nil || at+h.size() > end {
		return r, 0, errDamaged
	}
	text := make([]byte, h.about)
	if _, err := g.file.ReadAt(text, at+headBytes); err != nil {
		return r, 0, err
	}
	if err := json.Unmarshal(text, &r); err != nil {
		return r, 0, errDamaged
	}
	return r, h.size(), nil
}

// note takes a record at the end of a segment into the index.
func (s *Store) note(g *segment, id queue.ID, attempt int, size int64) {
	if older, ok := s.index[id]; !ok || older.attempt <= attempt {
		s.index[id] = place{g, g.size, attempt}
	}
	g.ids = append(g.ids, id)
	g.size += size
	s.size += size
	s.records++
}

// Put keeps a record. Of what is too old for the limits, some goes.
func (s *Store) Put(r *Record) error {
	b, err := r.encode()
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return fmt.Errorf("keep output of job %v: %w", r.ID, os.ErrClosed)
	}
	g, err := s.growing(int64(len(b)))
	if err != nil {
		return fmt.Errorf("keep output of job %v: %w", r.ID, err)
	}
	if _, err := g.file.WriteAt(b, g.size); err != nil { // what was written of it is written over, or cut off by Open
		return fmt.Errorf("keep output of job %v: %w", r.ID, err)
	}
	s.note(g, r.ID, r.Attempt, int64(len(b)))
	if err := s.shrink(); err != nil {
		return fmt.Errorf("drop old output: %w", err)
	}
	return nil
}

// growing is the segment for the next record.
func (s *Store) growing(size int64) (*segment, error) {
	number := 1
	if n := len(s.segments); n > 0 {
		last := s.segments[n-1]
		if last.size+size <= s.limits.Bytes/segmentsPerStore && len(last.ids) < max(s.limits.Jobs/segmentsPerStore, 1) {
			return last, nil
		}
		number = last.number + 1
	}
	file, err := os.OpenFile(s.path(number), os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, err
	}
	g := &segment{number: number, file: file}
	s.segments = append(s.segments, g)
	return g, nil
}

func (s *Store) path(number int) string { return filepath.Join(s.dir, fmt.Sprintf("%08d.out", number)) }

// shrink drops the oldest segments while there is too much.
func (s *Store) shrink() error {
	for len(s.segments) > 1 && (s.size > s.limits.Bytes || s.records > s.limits.Jobs) {
		g := s.segments[0]
		for _, id := range g.ids {
			if s.index[id].in == g {
				delete(s.index, id)
			}
		}
		s.segments = s.segments[1:]
		s.size -= g.size
		s.records -= len(g.ids)
		if err := errors.Join(g.file.Close(), os.Remove(s.path(g.number))); err != nil {
			return err
		}
	}
	return nil
}

// Get gives what is kept of a job, or ErrNotKept. The record is the caller's.
func (s *Store) Get(id queue.ID) (*Record, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p, ok := s.index[id]
	if !ok || s.closed {
		return nil, ErrNotKept
	}
	r, err := p.in.read(p.at)
	if err != nil {
		return nil, fmt.Errorf("read output of job %v: %w", id, err)
	}
	return r, nil
}

func (g *segment) read(at int64) (*Record, error) {
	var b [headBytes]byte
	if _, err := g.file.ReadAt(b[:], at); err != nil {
		return nil, err
	}
	h, err := parseHead(b[:])
	if err != nil || at+h.size() > g.size {
		return nil, errDamaged
	}
	whole := make([]byte, h.size())
	if _, err := io.ReadFull(io.NewSectionReader(g.file, at, h.size()), whole); err != nil {
		return nil, err
	}
	return decode(whole)
}

// Close closes the store. What it kept stays.
func (s *Store) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var errs []error
	if !s.closed {
		for _, g := range s.segments {
			errs = append(errs, g.file.Close())
		}
	}
	s.closed = true
	return errors.Join(errs...)
}
