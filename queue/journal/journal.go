package journal

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"

	_ "modernc.org/sqlite" // the driver

	"sluice/queue"
)

// Options are for Open; the zero value has the defaults.
type Options struct {
	// MaxBytes is the most that the database file may grow to; 0 = as the disk allows. An Append or Put beyond fails as on a
	// full disk.
	MaxBytes int64

	pageSize int // bytes; 0 = 4096; set when the file is made
}

// Journal is an open journal file, which no other process can open meanwhile. It is safe for concurrent use; each call is
// short, so that none waits long.
type Journal struct {
	path string

	mu       sync.Mutex // of all below
	db       *sql.DB
	conn     *sql.Conn
	insert   *sql.Stmt
	envs     envCache
	next     int64 // number of the next event; numbers are never given twice
	follower bool  // a History reads the events, and has durably read those up to followed
	followed int64
	garbage  bool // there may be something to compact
	unclean  bool // the last transaction could not be rolled back: connect anew
	closed   bool
	settings Options
}

// Open opens the journal at path, making the file (for its user only) and bringing older schemas up to date. A file of a
// newer program is refused.
func Open(path string, o Options) (*Journal, error) {
	absolute, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("open journal: %w", err)
	}
	j := &Journal{path: absolute, settings: o, garbage: true}
	if err := j.createFile(); err != nil {
		return nil, j.explain("open", err)
	}
	if err := j.connect(context.Background()); err != nil {
		return nil, j.explain("open", err)
	}
	return j, nil
}

// createFile makes an empty file where there is none and its name durable.
func (j *Journal) createFile() error {
	f, err := os.OpenFile(j.path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, os.ErrExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	dir, err := os.Open(filepath.Dir(j.path))
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

// connect makes the one connection. Exclusive locking keeps other processes out and needs no shared memory.
func (j *Journal) connect(ctx context.Context) (err error) {
	db, err := sql.Open("sqlite", "file:"+escapePath(j.path))
	if err != nil {
		return err
	}
	db.SetMaxOpenConns(1)
	defer func() {
		if err != nil {
			err = errors.Join(err, db.Close())
		}
	}()
	conn, err := db.Conn(ctx)
	if err != nil {
		return err
	}
	pageSize := j.settings.pageSize
	if pageSize == 0 {
		pageSize = 4096
	}
	pragmas := []string{
		"busy_timeout = 1000", "locking_mode = EXCLUSIVE", fmt.Sprintf("page_size = %d", pageSize),
		"journal_mode = WAL", "synchronous = FULL", "journal_size_limit = 67108864",
	}
	if j.settings.MaxBytes > 0 {
		pragmas = append(pragmas, fmt.Sprintf("max_page_count = %d", max(1, j.settings.MaxBytes/int64(pageSize))))
	}
	for _, pragma := range pragmas {
		if _, err := conn.ExecContext(ctx, "PRAGMA "+pragma); err != nil {
			return err
		}
	}
	if err := migrate(ctx, conn); err != nil {
		return err
	}
	last, err := lastEvent(ctx, conn)
	if err != nil {
		return err
	}
	insert, err := conn.PrepareContext(ctx, "INSERT INTO events(seq, env, data) VALUES(?, ?, ?)")
	if err != nil {
		return err
	}
	j.db, j.conn, j.insert, j.envs, j.unclean, j.next = db, conn, insert, envCache{}, false, last+1
	return nil
}

// lastEvent is the number of the newest event ever, also where compaction has deleted it.
func lastEvent(ctx context.Context, conn *sql.Conn) (int64, error) {
	var stored, deleted sql.NullInt64
	err := conn.QueryRowContext(ctx, "SELECT (SELECT max(seq) FROM events), (SELECT CAST(value AS INTEGER) FROM buckets WHERE bucket = ? AND key = ?)",
		ownBucket, lastKey).Scan(&stored, &deleted)
	return max(stored.Int64, deleted.Int64), err
}

// The journal's own bucket: the newest event number at the last compaction, and the journal's identity.
const (
	ownBucket = "journal"
	lastKey   = "last"
	idKey     = "id"
)

// Append makes events durable, in order, in one transaction: all of them or, on error, none. A done ctx refuses it before
// it starts; once started it is not interrupted. An event's spec must not change meanwhile.
func (j *Journal) Append(ctx context.Context, events []queue.Event) error {
	if len(events) == 0 {
		return nil
	}
	rows := make([]row, len(events))
	garbage := false
	for i := range events {
		var err error
		if rows[i], err = encode(&events[i]); err != nil {
			return fmt.Errorf("append to journal: %w", err)
		}
		garbage = garbage || leavesGarbage(events[i].Kind)
	}
	err := j.transact(ctx, func(ctx context.Context) error {
		for i, r := range rows {
			env, err := j.storeEnv(ctx, r.env)
			if err != nil {
				return err
			}
			if _, err := j.insert.ExecContext(ctx, j.next+int64(i), env, r.data); err != nil {
				return err
			}
		}
		j.garbage = j.garbage || garbage
		return nil
	}, func() { j.next += int64(len(rows)) })
	return j.explain("append to", err)
}

// transact runs change in one transaction, and each of after when it is committed, with j.mu held.
func (j *Journal) transact(ctx context.Context, change func(context.Context) error, after ...func()) (err error) {
	if err := ctx.Err(); err != nil {
		return err
	}
	ctx = context.Background() // half a transaction helps nobody, and an interrupt costs a goroutine for each statement
	j.mu.Lock()
	defer j.mu.Unlock()
	if err := j.ready(ctx); err != nil {
		return err
	}
	if _, err := j.conn.ExecContext(ctx, "BEGIN IMMEDIATE"); err != nil {
		return err
	}
	err = change(ctx)
	if err == nil {
		if _, err = j.conn.ExecContext(ctx, "COMMIT"); err == nil {
			j.envs.commit()
			for _, f := range after {
				f()
			}
			return nil
		}
	}
	j.envs.rollback()
	if _, rollback := j.conn.ExecContext(ctx, "ROLLBACK"); rollback != nil && !isRolledBack(rollback) {
		j.unclean = true
	}
	return err
}

// ready connects anew where the last transaction left the connection in an unknown state.
func (j *Journal) ready(ctx context.Context) error {
	switch {
	case j.closed:
		return errClosed
	case !j.unclean:
		return nil
	}
	err := j.disconnect()
	if failed := j.connect(ctx); failed != nil {
		return errors.Join(failed, err)
	}
	return nil
}

var errClosed = errors.New("it is closed")

// Put changes keys of a bucket in one transaction; a nil value deletes the key. On error nothing changed.
func (j *Journal) Put(ctx context.Context, bucket string, changes map[string][]byte) error {
	err := j.transact(ctx, func(ctx context.Context) error {
		for key, value := range changes {
			query, args := "DELETE FROM buckets WHERE bucket = ? AND key = ?", []any{bucket, key}
			if value != nil {
				query = "INSERT INTO buckets(bucket, key, value) VALUES(?, ?, ?) ON CONFLICT DO UPDATE SET value = excluded.value"
				args = append(args, value)
			}
			if _, err := j.conn.ExecContext(ctx, query, args...); err != nil {
				return err
			}
		}
		return nil
	})
	return j.explain("write to", err)
}

// All is a bucket's keys and values; empty for a bucket that was never written.
func (j *Journal) All(ctx context.Context, bucket string) (map[string][]byte, error) {
	all := make(map[string][]byte)
	var key string
	var value []byte
	err := j.query(ctx, func() { all[key] = value }, []any{&key, &value},
		"SELECT key, value FROM buckets WHERE bucket = ?", bucket)
	return all, j.explain("read", err)
}

// query runs a query and calls each after every row was scanned into dest.
func (j *Journal) query(ctx context.Context, each func(), dest []any, query string, args ...any) (err error) {
	if err := ctx.Err(); err != nil {
		return err
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	ctx = context.Background()
	if err := j.ready(ctx); err != nil {
		return err
	}
	rows, err := j.conn.QueryContext(ctx, query, args...)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		if err := rows.Scan(dest...); err != nil {
			return err
		}
		each()
	}
	return rows.Err()
}

// Close closes the file. The journal is of no use afterwards; closing it again does nothing.
func (j *Journal) Close() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.closed {
		return nil
	}
	j.closed = true
	return j.explain("close", j.disconnect())
}

func (j *Journal) disconnect() error {
	if j.db == nil {
		return nil
	}
	err := errors.Join(j.insert.Close(), j.conn.Close(), j.db.Close())
	j.db = nil
	return err
}
