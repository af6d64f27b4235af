package spool

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

// Limits bound a store, in bytes. Zero fields have the defaults named.
type Limits struct {
	File  int64 // of one copy (256 MiB)
	User  int64 // of all copies of a user (2 GiB)
	Total int64 // of all copies (8 GiB)
}

// Errors of a Store. Test with errors.Is.
var (
	ErrNotKept  = errors.New("no such copy is kept")
	ErrTooLarge = errors.New("the file is too large to be kept")
	ErrFull     = errors.New("there is no room for more files")
)

// Key names a copy.
type Key struct {
	User string // whose it is, as a checksum
	Sum  string // as Put gave it
}

// Store is an open directory. Its methods are safe for concurrent use; no other process may have it open.
type Store struct {
	dir    string
	limits Limits

	mu     sync.Mutex
	copies map[Key]*kept
	used   map[string]int64 // by user
	total  int64
}

type kept struct {
	size int64
	at   time.Time // when somebody wanted it last
}

const (
	copySuffix = ".in"
	tempPrefix = "new-"
	sumLength  = 2 * sha256.Size
)

// Open opens the store in dir, which it makes.
func Open(dir string, limits Limits) (*Store, error) {
	limits.File, limits.User, limits.Total = cmp.Or(limits.File, 256<<20), cmp.Or(limits.User, 2<<30), cmp.Or(limits.Total, 8<<30)
	if limits.File < 0 || limits.User < 0 || limits.Total < 0 {
		return nil, fmt.Errorf("open spool: limits %+v", limits)
	}
	s := &Store{dir: dir, limits: limits, copies: make(map[Key]*kept), used: make(map[string]int64)}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("open spool: %w", err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("open spool: %w", err)
	}
	for _, entry := range entries {
		if err := s.load(entry); err != nil {
			return nil, fmt.Errorf("open spool: %w", err)
		}
	}
	return s, nil
}

func (s *Store) load(entry os.DirEntry) error {
	name := entry.Name()
	if strings.HasPrefix(name, tempPrefix) {
		return os.Remove(filepath.Join(s.dir, name))
	}
	user, sum, ok := strings.Cut(strings.TrimSuffix(name, copySuffix), "-")
	if !ok || !strings.HasSuffix(name, copySuffix) || !IsSum(sum) {
		return nil // not one of ours
	}
	info, err := entry.Info()
	if err != nil {
		return err
	}
	s.add(Key{user, sum}, info.Size(), info.ModTime())
	return nil
}

func (s *Store) add(key Key, size int64, at time.Time) {
	s.copies[key] = &kept{size, at}
	s.used[key.User] += size
	s.total += size
}

// IsSum reports whether a text has the form of the names that Put gives.
func IsSum(text string) bool {
	_, err := hex.DecodeString(text)
	return err == nil && len(text) == sumLength && strings.ToLower(text) == text
}

// KeyOf is the key of a user's copy.
func KeyOf(user, sum string) Key {
	hash := sha256.Sum256([]byte(user))
	return Key{hex.EncodeToString(hash[:16]), sum}
}

// Limit is the most bytes of one copy.
func (s *Store) Limit() int64 { return s.limits.File }

// Put keeps a copy of content for a user until it is removed, and gives its name. Errors that wrap ErrTooLarge and ErrFull say that the
// limits forbid it.
func (s *Store) Put(user string, content io.Reader) (sum string, err error) {
	file, err := os.CreateTemp(s.dir, tempPrefix)
	if err != nil {
		return "", fmt.Errorf("keep file: %w", err)
	}
	defer func() {
		if err != nil {
			removing := os.Remove(file.Name())
			if errors.Is(removing, os.ErrNotExist) {
				removing = nil
			}
			err = fmt.Errorf("keep file: %w", errors.Join(err, removing))
		}
	}()
	hash := sha256.New()
	size, err := io.Copy(io.MultiWriter(file, hash), io.LimitReader(content, s.limits.File+1))
	if err == nil {
		err = file.Sync()
	}
	if err := errors.Join(err, file.Close()); err != nil {
		return "", err
	}
	if size > s.limits.File {
		return "", fmt.Errorf("%w: at most %d bytes are", ErrTooLarge, s.limits.File)
	}
	key := KeyOf(user, hex.EncodeToString(hash.Sum(nil)))
	return key.Sum, s.enter(key, file.Name(), size)
}

// enter makes a whole file the copy of its name.
func (s *Store) enter(key Key, temp string, size int64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	if s.copies[key] != nil {
		if err := s.touch(key, now); err != nil {
			return err
		}
		return os.Remove(temp)
	}
	switch {
	case s.used[key.User]+size > s.limits.User:
		return fmt.Errorf("%w: those of a user may have %d bytes in all", ErrFull, s.limits.User)
	case s.total+size > s.limits.Total:
		return fmt.Errorf("%w: all may have %d bytes", ErrFull, s.limits.Total)
	}
	if err := os.Rename(temp, s.path(key)); err != nil {
		return err
	}
	s.add(key, size, now)
	return syncDir(s.dir)
}

func (s *Store) path(key Key) string {
	return filepath.Join(s.dir, key.User+"-"+key.Sum+copySuffix)
}

func syncDir(path string) error {
	dir, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

// touch notes that a copy is wanted.
func (s *Store) touch(key Key, now time.Time) error {
	s.copies[key].at = now
	return os.Chtimes(s.path(key), time.Time{}, now)
}

// Claim says that a job will refer to a copy: from now on it is not idle. Without the copy it gives ErrNotKept.
func (s *Store) Claim(user, sum string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	key := KeyOf(user, sum)
	if s.copies[key] == nil {
		return ErrNotKept
	}
	if err := s.touch(key, time.Now()); err != nil {
		return fmt.Errorf("claim file: %w", err)
	}
	return nil
}

// Read reads a piece of a copy, as io.ReaderAt does, and gives the copy's size. At the end it gives 0 bytes and no error.
func (s *Store) Read(user, sum string, into []byte, offset int64) (n int, size int64, err error) {
	key := KeyOf(user, sum)
	s.mu.Lock()
	known := s.copies[key]
	s.mu.Unlock()
	if known == nil {
		return 0, 0, ErrNotKept
	}
	file, err := os.Open(s.path(key))
	if err != nil {
		return 0, 0, fmt.Errorf("read kept file: %w", err)
	}
	n, err = file.ReadAt(into, offset)
	if errors.Is(err, io.EOF) {
		err = nil
	}
	if err := errors.Join(err, file.Close()); err != nil {
		return 0, 0, fmt.Errorf("read kept file: %w", err)
	}
	return n, known.size, nil
}

// Idle are the copies that nobody has put or claimed since a time.
func (s *Store) Idle(since time.Time) []Key {
	s.mu.Lock()
	defer s.mu.Unlock()
	var idle []Key
	for key, k := range s.copies {
		if k.at.Before(since) {
			idle = append(idle, key)
		}
	}
	return idle
}

// Remove removes a copy, unless somebody has put or claimed it since a time.
func (s *Store) Remove(key Key, since time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	k := s.copies[key]
	if k == nil || !k.at.Before(since) {
		return nil
	}
	if err := os.Remove(s.path(key)); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("remove kept file: %w", err)
	}
	delete(s.copies, key)
	s.total -= k.size
	if s.used[key.User] -= k.size; s.used[key.User] == 0 {
		delete(s.used, key.User)
	}
	return nil
}
