package journal

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
)

// applicationID marks the file as ours ("slui").
const applicationID = 0x736c7569

// migrations lead from each schema version to the next; the version is kept in the file. Add to the end, change nothing.
var migrations = []string{
	`CREATE TABLE events(seq INTEGER PRIMARY KEY, env INTEGER, data TEXT NOT NULL);
	CREATE TABLE envs(id INTEGER PRIMARY KEY, data TEXT NOT NULL);
	CREATE TABLE dropped(job INTEGER PRIMARY KEY);
	CREATE TABLE buckets(bucket TEXT NOT NULL, key TEXT NOT NULL, value BLOB NOT NULL, PRIMARY KEY(bucket, key)) WITHOUT ROWID;`,
}

var errNewer = errors.New("it was written by a newer version of this program")

// migrate brings the schema up to date, one transaction for each version.
func migrate(ctx context.Context, conn *sql.Conn) error {
	version, err := pragma(ctx, conn, "user_version")
	if err != nil {
		return err
	}
	application, err := pragma(ctx, conn, "application_id")
	if err != nil {
		return err
	}
	switch {
	case version == 0 && application == 0:
		var tables int
		if err := conn.QueryRowContext(ctx, "SELECT count(*) FROM sqlite_schema").Scan(&tables); err != nil {
			return err
		}
		if tables > 0 {
			return errForeign
		}
	case application != applicationID:
		return errForeign
	case version > len(migrations):
		return fmt.Errorf("%w (schema %d, this one knows %d)", errNewer, version, len(migrations))
	}
	for ; version < len(migrations); version++ {
		script := fmt.Sprintf("BEGIN IMMEDIATE; %s PRAGMA application_id = %d; PRAGMA user_version = %d; COMMIT",
			migrations[version], applicationID, version+1)
		if _, err := conn.ExecContext(ctx, script); err != nil {
			_, rollback := conn.ExecContext(ctx, "ROLLBACK")
			if isRolledBack(rollback) {
				rollback = nil
			}
			return errors.Join(err, rollback)
		}
	}
	return nil
}

func pragma(ctx context.Context, conn *sql.Conn, name string) (value int, err error) {
	err = conn.QueryRowContext(ctx, "PRAGMA "+name).Scan(&value)
	return value, err
}
