package journal

import (
	"errors"
	"fmt"
	"net/url"
	"strings"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

var (
	errDamaged = errors.New("damaged")
	errForeign = errors.New("it is another program's database")
)

// explain makes one line of err that says what to do; nil for nil. It wraps err.
func (j *Journal) explain(verb string, err error) error {
	if err == nil {
		return nil
	}
	advice := ""
	switch code := primaryCode(err); {
	case code == sqlite3.SQLITE_FULL:
		advice = "no space is left: free some on its file system; writing is tried again"
	case code == sqlite3.SQLITE_READONLY:
		advice = "it cannot be written: make the file and its file system writable"
	case code == sqlite3.SQLITE_BUSY:
		advice = "another process has it open: end that one first"
	case code == sqlite3.SQLITE_NOTADB, code == sqlite3.SQLITE_CORRUPT, errors.Is(err, errDamaged):
		advice = "it is damaged: put a copy back, or move it and its -wal file away to start empty"
	case errors.Is(err, errNewer):
		advice = "use that version, or another state dir"
	case errors.Is(err, errForeign):
		advice = "name another state dir"
	case code == sqlite3.SQLITE_IOERR:
		advice = "its disk fails: look at the system's log"
	}
	if advice == "" {
		return fmt.Errorf("%s journal %s: %w", verb, j.path, err)
	}
	return fmt.Errorf("%s journal %s: %s (%w)", verb, j.path, advice, err)
}

// primaryCode is the SQLite result code of err, 0 without one.
func primaryCode(err error) int {
	if e, ok := errors.AsType[*sqlite.Error](err); ok {
		return e.Code() & 0xff
	}
	return 0
}

// isRolledBack reports that a ROLLBACK found no transaction, because SQLite had ended it.
func isRolledBack(err error) bool {
	return err != nil && strings.Contains(err.Error(), "no transaction is active")
}

func escapePath(path string) string { return (&url.URL{Path: path}).EscapedPath() }
