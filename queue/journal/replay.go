package journal

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"

	"sluice/queue"
)

// pageRows is how many events are read or deleted with the journal locked.
const pageRows = 1000

// Replay calls apply with every event appended so far, in order, and stops at its first error. What Compact dropped is not
// among them.
func (j *Journal) Replay(ctx context.Context, apply func(queue.Event) error) error {
	dropped, err := j.numbers(ctx, "SELECT job FROM dropped")
	if err != nil {
		return j.explain("read", err)
	}
	envs := make(map[int64]queue.Env)
	return j.scan(ctx, func(r storedRow) error {
		var e queue.Event
		if err := json.Unmarshal(r.data, &e); err != nil {
			return j.explain("read", fmt.Errorf("%w: event %d: %w", errDamaged, r.seq, err))
		}
		if dropped[e.Job.Job] {
			return nil
		}
		if r.env.Valid && e.Spec != nil {
			if e.Spec.Env, err = j.loadEnv(ctx, envs, r.env.Int64); err != nil {
				return err
			}
		}
		if err := apply(e); err != nil {
			return fmt.Errorf("replay journal %s: event %d (%s): %w", j.path, r.seq, e.Kind, err)
		}
		return nil
	})
}

type storedRow struct {
	seq  int64
	env  sql.NullInt64
	data []byte
}

// scan calls each with every event that was there when it began, page by page.
func (j *Journal) scan(ctx context.Context, each func(storedRow) error) error {
	return j.scanAfter(ctx, 0, each)
}

// scanAfter is scan for the events after one.
func (j *Journal) scanAfter(ctx context.Context, after int64, each func(storedRow) error) error {
	var last sql.NullInt64
	err := j.query(ctx, func() {}, []any{&last}, "SELECT max(seq) FROM events")
	if err != nil {
		return j.explain("read", err)
	}
	page := make([]storedRow, 0, pageRows)
	for after < last.Int64 {
		page = page[:0]
		var r storedRow
		err := j.query(ctx, func() {
			page = append(page, r)
		}, []any{&r.seq, &r.env, &r.data},
			"SELECT seq, env, data FROM events WHERE seq > ? AND seq <= ? ORDER BY seq LIMIT ?", after, last.Int64, pageRows)
		if err != nil {
			return j.explain("read", err)
		}
		if len(page) == 0 {
			return nil
		}
		for _, stored := range page {
			if err := each(stored); err != nil {
				return err
			}
		}
		after = page[len(page)-1].seq
	}
	return nil
}

func (j *Journal) loadEnv(ctx context.Context, cache map[int64]queue.Env, number int64) (queue.Env, error) {
	if e, ok := cache[number]; ok {
		return e, nil
	}
	var data []byte
	var e queue.Env
	found := false
	err := j.query(ctx, func() { found = true }, []any{&data}, "SELECT data FROM envs WHERE id = ?", number)
	if err == nil && !found {
		err = fmt.Errorf("%w: environment %d is not there", errDamaged, number)
	}
	if err == nil {
		err = json.Unmarshal(data, &e)
	}
	if err != nil {
		return e, j.explain("read", err)
	}
	if len(cache) >= maxCachedEnvs {
		clear(cache)
	}
	cache[number] = e
	return e, nil
}

// numbers is the set of a query's single column.
func (j *Journal) numbers(ctx context.Context, query string, args ...any) (map[int64]bool, error) {
	set := make(map[int64]bool)
	var n int64
	err := j.query(ctx, func() { set[n] = true }, []any{&n}, query, args...)
	return set, err
}
