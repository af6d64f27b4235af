package journal

import (
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	sqlite3 "modernc.org/sqlite/lib"
)

// HistoryOptions are for OpenHistory; zero fields have the defaults named.
type HistoryOptions struct {
	Keep     time.Duration // jobs are forgotten this long after their last event (30 days)
	MaxBytes int64         // beyond, those that ended first are forgotten earlier (4 GiB)
}

// History is what became of jobs, kept longer than the journal keeps their events, in a file of its own: reading it does not
// hold up the journal. It is derived from the journal, whose events it follows: what it has read is in the same transaction
// as what it made of it, and the journal keeps what it has not durably read. It is safe for concurrent use.
type History struct {
	journal *Journal
	path    string
	options HistoryOptions
	read    *sql.DB

	mu     sync.Mutex // of all below
	write  *sql.DB
	cursor int64 // the newest event that was read
	cache  map[int64]*pastJob
	cached int // records in cache
	closed bool
}

// historySchema makes the tables. A job has a record with idx 0: its own, or that of all elements of an array that have
// none of their own.
const historySchema = `
PRAGMA auto_vacuum = INCREMENTAL;
PRAGMA journal_mode = WAL;
CREATE TABLE IF NOT EXISTS meta(key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS jobs(job INTEGER PRIMARY KEY, user TEXT NOT NULL, submitted INTEGER NOT NULL, last INTEGER NOT NULL,
	open INTEGER NOT NULL, spec TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS jobs_ended ON jobs(last) WHERE open = 0;
CREATE INDEX IF NOT EXISTS jobs_open ON jobs(job) WHERE open > 0;
CREATE TABLE IF NOT EXISTS records(job INTEGER, idx INTEGER, state INTEGER NOT NULL, data TEXT NOT NULL, PRIMARY KEY(job, idx)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS happenings(job INTEGER, idx INTEGER, seq INTEGER, data TEXT NOT NULL, PRIMARY KEY(job, idx, seq)) WITHOUT ROWID;
`

// historyVersion is the version of the tables and of what is in them.
const historyVersion = 1

// OpenHistory opens the history at path that follows j, making the file where there is none. One that followed another
// journal is put aside, under the name with ".old" at its end: its job numbers mean other jobs.
func OpenHistory(ctx context.Context, path string, j *Journal, o HistoryOptions) (*History, error) {
	absolute, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("open history: %w", err)
	}
	if o.Keep == 0 {
		o.Keep = 30 * 24 * time.Hour
	}
	if o.MaxBytes == 0 {
		o.MaxBytes = 4 << 30
	}
	h := &History{journal: j, path: absolute, options: o}
	id, err := j.identity(ctx)
	if err != nil {
		return nil, err
	}
	err = h.connect(ctx, id)
	if errors.Is(err, errOtherJournal) {
		if err = h.putAside(); err == nil {
			err = h.connect(ctx, id)
		}
	}
	if err != nil {
		return nil, h.explain("open", err)
	}
	j.followFrom(h.cursor)
	return h, nil
}

var errOtherJournal = errors.New("it followed another journal")

func (h *History) connect(ctx context.Context, id string) (err error) {
	file, err := os.OpenFile(h.path, os.O_RDWR|os.O_CREATE, 0o600) // SQLite gives its other files the same mode
	if err != nil {
		return err
	}
	if err := file.Close(); err != nil {
		return err
	}
	if h.write, err = h.open(1, "busy_timeout(10000)", "synchronous(NORMAL)", "journal_size_limit(67108864)"); err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, h.write.Close())
		}
	}()
	if err := h.prepare(ctx, id); err != nil {
		return err
	}
	if h.read, err = h.open(4, "busy_timeout(10000)", "query_only(1)"); err != nil {
		return err
	}
	h.forgetCache()
	return nil
}

func (h *History) open(connections int, pragmas ...string) (*sql.DB, error) {
	dsn := "file:" + escapePath(h.path)
	for i, p := range pragmas {
		separator := "&"
		if i == 0 {
			separator = "?"
		}
		dsn += separator + "_pragma=" + p
	}
	db, err := sql.Open("sqlite", dsn)
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(connections)
	return db, nil
}

// prepare makes the tables and finds how far the journal was read.
func (h *History) prepare(ctx context.Context, id string) error {
	if _, err := h.write.ExecContext(ctx, historySchema); err != nil {
		return err
	}
	stored := make(map[string]string)
	var key, value string
	err := eachRow(ctx, h.write, []any{&key, &value}, func() error {
		stored[key] = value
		return nil
	}, "SELECT key, value FROM meta")
	switch {
	case err != nil:
		return err
	case len(stored) == 0:
		_, err := h.write.ExecContext(ctx, "INSERT INTO meta VALUES('version', ?), ('journal', ?), ('cursor', '0')", strconv.Itoa(historyVersion), id)
		return err
	case stored["version"] != strconv.Itoa(historyVersion):
		return fmt.Errorf("%w (history %s, this one knows %d)", errNewer, stored["version"], historyVersion)
	case stored["journal"] != id:
		return errOtherJournal
	}
	h.cursor, err = strconv.ParseInt(stored["cursor"], 10, 64)
	return err
}

func (h *History) putAside() error {
	for _, suffix := range []string{"", "-wal", "-shm"} {
		err := os.Rename(h.path+suffix, h.path+".old"+suffix)
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	return nil
}

func (h *History) explain(verb string, err error) error {
	if err == nil || errors.Is(err, context.Canceled) {
		return err
	}
	advice := ""
	switch code := primaryCode(err); {
	case code == sqlite3.SQLITE_NOTADB, code == sqlite3.SQLITE_CORRUPT, errors.Is(err, errDamaged):
		advice = "it is damaged: put a copy back, or move it and its -wal file away to begin with what the journal still has ("
	case code == sqlite3.SQLITE_FULL:
		advice = "no space is left: free some on its file system; it is tried again ("
	case errors.Is(err, errNewer):
		advice = "use that version, or move it away to begin with what the journal still has ("
	}
	if advice == "" {
		return fmt.Errorf("%s history %s: %w", verb, h.path, err)
	}
	return fmt.Errorf("%s history %s: %s%w)", verb, h.path, advice, err)
}

// Keep is how long jobs are remembered after their last event.
func (h *History) Keep() time.Duration { return h.options.Keep }

// Close closes the file; closing it again does nothing. The journal stays open, and keeps what was not read.
func (h *History) Close() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return nil
	}
	h.closed = true
	return h.explain("close", errors.Join(h.read.Close(), h.write.Close()))
}

// identity names a journal, so that a history is not taken for that of another one.
func (j *Journal) identity(ctx context.Context) (string, error) {
	own, err := j.All(ctx, ownBucket)
	if err != nil {
		return "", err
	}
	if id := own[idKey]; id != nil {
		return string(id), nil
	}
	id := make([]byte, 16)
	if _, err := rand.Read(id); err != nil {
		return "", fmt.Errorf("name journal: %w", err)
	}
	text := hex.EncodeToString(id)
	return text, j.Put(ctx, ownBucket, map[string][]byte{idKey: []byte(text)})
}

// followFrom says that events after one are still to be read: the journal keeps them.
func (j *Journal) followFrom(read int64) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.follower, j.followed = true, read
}

// Maintain reads what is new, forgets what is old at now, and makes all that durable, so that the journal may drop its events.
func (h *History) Maintain(ctx context.Context, now time.Time) error {
	if err := h.Follow(ctx); err != nil {
		return err
	}
	if err := h.prune(ctx, now.Add(-h.options.Keep)); err != nil {
		return h.explain("prune", err)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return h.explain("keep", errClosed)
	}
	var busy, pages, moved int
	if err := h.write.QueryRowContext(ctx, "PRAGMA wal_checkpoint(FULL)").Scan(&busy, &pages, &moved); err != nil {
		return h.explain("keep", err)
	}
	if busy == 0 && moved == pages { // else a reader was in the way; the next time does
		h.journal.followFrom(h.cursor)
	}
	return nil
}

// prune deletes the jobs whose last event is older, and the oldest ended ones while the file is too large.
func (h *History) prune(ctx context.Context, before time.Time) error {
	const page = 500
	if err := h.forgetSystem(ctx, before); err != nil {
		return err
	}
	for {
		n, err := h.forget(ctx, "INSERT INTO old SELECT job FROM jobs WHERE open = 0 AND last < ? ORDER BY last LIMIT ?", before.UnixNano(), page)
		if err != nil || n < page {
			if err != nil {
				return err
			}
			break
		}
	}
	for {
		large, err := h.tooLarge(ctx)
		if err != nil || !large {
			return err
		}
		n, err := h.forget(ctx, "INSERT INTO old SELECT job FROM jobs WHERE open = 0 ORDER BY last LIMIT ?", page)
		if err != nil || n == 0 {
			return err
		}
	}
}

// forgetSystem deletes older events that are no job's.
func (h *History) forgetSystem(ctx context.Context, before time.Time) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return errClosed
	}
	_, err := h.write.ExecContext(ctx, "DELETE FROM happenings WHERE job = 0 AND json_extract(data, '$.at') < ?", before.UTC().Format(time.RFC3339Nano))
	return err
}

func (h *History) tooLarge(ctx context.Context) (bool, error) {
	var size int64
	err := h.read.QueryRowContext(ctx, `SELECT (SELECT page_count FROM pragma_page_count()) - (SELECT freelist_count FROM pragma_freelist_count())`).Scan(&size)
	if err != nil {
		return false, err
	}
	var pageSize int64
	err = h.read.QueryRowContext(ctx, "PRAGMA page_size").Scan(&pageSize)
	return size*pageSize > h.options.MaxBytes, err
}

// forget deletes the jobs that a statement puts in the table old, in one transaction, and gives their number.
func (h *History) forget(ctx context.Context, choose string, args ...any) (n int, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return 0, errClosed
	}
	h.forgetCache()
	tx, err := h.write.BeginTx(ctx, nil)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, rolledBack(tx)) }()
	if _, err := tx.ExecContext(ctx, "CREATE TEMP TABLE IF NOT EXISTS old(job INTEGER PRIMARY KEY); DELETE FROM old"); err != nil {
		return 0, err
	}
	result, err := tx.ExecContext(ctx, choose, args...)
	if err != nil {
		return 0, err
	}
	count, err := result.RowsAffected()
	if err != nil {
		return 0, err
	}
	const remove = `DELETE FROM happenings WHERE job IN (SELECT job FROM old);
		DELETE FROM records WHERE job IN (SELECT job FROM old);
		DELETE FROM jobs WHERE job IN (SELECT job FROM old)`
	if _, err := tx.ExecContext(ctx, remove); err != nil {
		return 0, err
	}
	if err := tx.Commit(); err != nil {
		return 0, err
	}
	if count > 0 {
		_, err = h.write.ExecContext(ctx, "PRAGMA incremental_vacuum(10000)")
	}
	return int(count), err
}

// rolledBack ends a transaction that was not committed.
func rolledBack(tx *sql.Tx) error {
	if err := tx.Rollback(); err != nil && !errors.Is(err, sql.ErrTxDone) {
		return err
	}
	return nil
}

// querier is a database or a transaction in it.
type querier interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}

var (
	_ querier = (*sql.DB)(nil)
	_ querier = (*sql.Tx)(nil)
)

// eachRow calls each after every row of a query was scanned into dest, until it gives an error.
func eachRow(ctx context.Context, from querier, dest []any, each func() error, query string, args ...any) (err error) {
	rows, err := from.QueryContext(ctx, query, args...)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		if err := rows.Scan(dest...); err != nil {
			return err
		}
		if err := each(); err != nil {
			return err
		}
	}
	return rows.Err()
}
