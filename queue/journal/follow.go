package journal

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"sluice/queue"
	"sluice/queue/history"
)

const (
	followEvents = 2000   // events of one transaction of a History
	maxCached    = 20_000 // records that a History keeps in memory
)

// pastJob is a job in memory, with those of its records that were used lately.
type pastJob struct {
	number    int64
	submitted time.Time
	last      time.Time
	open      int // elements that have not ended
	spec      *queue.Spec
	records   map[int]*pastRecord
	stored    bool // it is in the file
	dirty     bool
	respec    bool // its spec is not the one in the file
}

type pastRecord struct {
	*history.Record
	dirty bool
}

// happening is an event as it is kept, without what all events of a job have in common.
type happening struct {
	job, seq int64
	index    int
	event    queue.Event
}

func (h *History) forgetCache() { h.cache, h.cached = make(map[int64]*pastJob), 0 }

// Follow reads the events that the journal got since the last time. It returns when all are in the history that the journal
// had when it was called.
func (h *History) Follow(ctx context.Context) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return h.explain("follow journal into", errClosed)
	}
	var batch []happening
	err := h.journal.scanAfter(ctx, h.cursor, func(r storedRow) error {
		one := happening{seq: r.seq}
		if err := json.Unmarshal(r.data, &one.event); err != nil {
			return fmt.Errorf("%w: event %d: %w", errDamaged, r.seq, err)
		}
		one.job, one.index = one.event.Job.Job, one.event.Job.Index
		if batch = append(batch, one); len(batch) < followEvents {
			return nil
		}
		err := h.take(ctx, batch)
		batch = batch[:0]
		return errors.Join(err, ctx.Err())
	})
	if err == nil && len(batch) > 0 {
		err = h.take(ctx, batch)
	}
	return h.explain("follow journal into", err)
}

// take makes one transaction of a batch of events. On error nothing changed.
func (h *History) take(ctx context.Context, batch []happening) (err error) {
	tx, err := h.write.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			h.forgetCache()
		}
		err = errors.Join(err, rolledBack(tx))
	}()
	w := historyWriter{History: h, ctx: ctx, tx: tx}
	if w.happened, err = tx.PrepareContext(ctx, "INSERT INTO happenings(job, idx, seq, data) VALUES(?, ?, ?, ?)"); err != nil {
		return err
	}
	for i := range batch {
		if err := w.event(&batch[i]); err != nil {
			return err
		}
	}
	if err := w.flush(); err != nil {
		return err
	}
	cursor := batch[len(batch)-1].seq
	if _, err := tx.ExecContext(ctx, "UPDATE meta SET value = ? WHERE key = 'cursor'", strconv.FormatInt(cursor, 10)); err != nil {
		return err
	}
	if err := tx.Commit(); err != nil {
		return err
	}
	h.cursor = cursor
	if h.cached > maxCached {
		h.forgetCache()
	}
	return nil
}

// historyWriter writes one transaction.
type historyWriter struct {
	*History
	ctx      context.Context //nolint:containedctx // lives as long as the transaction
	tx       *sql.Tx
	happened *sql.Stmt
}

func (w *historyWriter) event(one *happening) error {
	e := &one.event
	if one.job == 0 {
		if e = ofSystem(e); e == nil {
			return nil
		}
		return w.happening(one, e)
	}
	if e.Kind == queue.JobForgotten {
		return nil
	}
	if e.Kind == queue.JobSubmitted {
		w.submitted(e)
	}
	j, err := w.job(one.job)
	if err != nil || j == nil {
		return err // the submission was dropped before there was a history
	}
	if e.Kind != queue.JobSubmitted {
		if err := w.apply(j, e); err != nil {
			return err
		}
	}
	j.last, j.dirty = e.At, true
	kept := *e
	kept.Job, kept.Spec = queue.ID{}, nil
	if e.Spec != nil {
		kept.QueueName = e.Spec.Queue // the spec's is the newest one
	}
	return w.happening(one, &kept)
}

// happening writes an event.
func (w *historyWriter) happening(one *happening, kept *queue.Event) error {
	data, err := json.Marshal(kept)
	if err != nil {
		return err
	}
	_, err = w.happened.ExecContext(w.ctx, one.job, one.index, one.seq, string(data))
	return err
}

func (w *historyWriter) submitted(e *queue.Event) {
	spec := *e.Spec
	spec.Env = queue.Env{}
	one := *e
	one.Spec = &spec
	r := history.NewRecord(&one)
	w.cache[e.Job.Job] = &pastJob{
		number: e.Job.Job, submitted: e.At, open: r.Elements, spec: &spec, respec: true, dirty: true,
		records: map[int]*pastRecord{0: {Record: r, dirty: true}},
	}
	w.cached++
}

// apply takes an event into the records that it concerns.
func (w *historyWriter) apply(j *pastJob, e *queue.Event) error {
	switch {
	case e.Kind == queue.JobQueueMoved:
		spec := *j.spec
		spec.Queue = e.QueueName
		j.spec, j.respec = &spec, true
		return nil
	case e.Kind == queue.JobModified && e.Spec != nil:
		j.spec, j.respec = e.Spec, true // its environment is stored apart
		return nil
	}
	if j.spec.Array != nil && e.Job.Index == 0 {
		return w.applyAll(j, e)
	}
	r, err := w.record(j, e.Job.Index)
	if err != nil {
		return err
	}
	w.change(j, r, e)
	return nil
}

// applyAll takes an event of an array's own number into the records of its elements.
func (w *historyWriter) applyAll(j *pastJob, e *queue.Event) error {
	states := history.BulkStates(e.Kind)
	if states == nil {
		return nil
	}
	if err := w.flushJob(j); err != nil { // so that the file knows the states
		return err
	}
	numbers := make([]int, len(states))
	for i, s := range states {
		numbers[i] = int(s)
	}
	list, err := json.Marshal(numbers)
	if err != nil {
		return err
	}
	var indices []int
	var index int
	err = eachRow(w.ctx, w.tx, []any{&index}, func() error {
		indices = append(indices, index)
		return nil
	}, "SELECT idx FROM records WHERE job = ? AND state IN (SELECT value FROM json_each(?))", j.number, string(list))
	if err != nil {
		return err
	}
	for _, index := range indices {
		r, err := w.record(j, index)
		if err != nil {
			return err
		}
		if r.Elements > 0 && slices.Contains(states, r.State) {
			w.change(j, r, e)
		}
	}
	return nil
}

// change applies an event to a record and keeps count of the elements that have not ended.
func (w *historyWriter) change(j *pastJob, r *pastRecord, e *queue.Event) {
	before := r.State.Final()
	r.Apply(e)
	r.dirty = true
	switch after := r.State.Final(); {
	case after && !before:
		j.open -= r.Elements
	case before && !after:
		j.open += r.Elements
	}
}

// job finds a job, nil where it is not known.
func (w *historyWriter) job(number int64) (*pastJob, error) {
	if j := w.cache[number]; j != nil {
		return j, nil
	}
	var submitted, last int64
	var open int
	var data []byte
	err := w.tx.QueryRowContext(w.ctx, "SELECT submitted, last, open, spec FROM jobs WHERE job = ?", number).Scan(&submitted, &last, &open, &data)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil //nolint:nilnil // not known
	}
	if err != nil {
		return nil, err
	}
	j := &pastJob{
		number: number, submitted: time.Unix(0, submitted).UTC(), last: time.Unix(0, last).UTC(), open: open,
		spec: new(queue.Spec), records: make(map[int]*pastRecord), stored: true,
	}
	if err := json.Unmarshal(data, j.spec); err != nil {
		return nil, fmt.Errorf("%w: job %d: %w", errDamaged, number, err)
	}
	w.cache[number] = j
	w.cached++
	return j, nil
}

// record finds a job's record, or makes one for an element that had none.
func (w *historyWriter) record(j *pastJob, index int) (*pastRecord, error) {
	if r := j.records[index]; r != nil {
		return r, nil
	}
	var data []byte
	err := sql.ErrNoRows
	if j.stored {
		err = w.tx.QueryRowContext(w.ctx, "SELECT data FROM records WHERE job = ? AND idx = ?", j.number, index).Scan(&data)
	}
	r := &pastRecord{Record: new(history.Record)}
	switch {
	case err == nil:
		if err := json.Unmarshal(data, r.Record); err != nil {
			return nil, fmt.Errorf("%w: job %d[%d]: %w", errDamaged, j.number, index, err)
		}
	case !errors.Is(err, sql.ErrNoRows):
		return nil, err
	case index == 0:
		return nil, fmt.Errorf("%w: job %d has no record", errDamaged, j.number)
	default:
		all, err := w.record(j, 0)
		if err != nil {
			return nil, err
		}
		r.Record, r.dirty, all.dirty = all.Element(index), true, true
	}
	j.records[index] = r
	w.cached++
	return r, nil
}

func (w *historyWriter) flush() error {
	for _, j := range w.cache {
		if err := w.flushJob(j); err != nil {
			return err
		}
	}
	return nil
}

// flushJob writes what changed of a job.
func (w *historyWriter) flushJob(j *pastJob) error {
	for index, r := range j.records {
		if !r.dirty {
			continue
		}
		kept := *r.Record
		kept.Spec = nil
		data, err := json.Marshal(&kept)
		if err != nil {
			return err
		}
		if _, err := w.tx.ExecContext(w.ctx, "INSERT INTO records(job, idx, state, data) VALUES(?, ?, ?, ?) ON CONFLICT DO UPDATE SET state = excluded.state, data = excluded.data",
			j.number, index, int(r.State), string(data)); err != nil {
			return err
		}
		r.dirty = false
	}
	if !j.dirty {
		return nil
	}
	if j.stored && !j.respec {
		j.dirty = false
		_, err := w.tx.ExecContext(w.ctx, "UPDATE jobs SET last = ?, open = ? WHERE job = ?", j.last.UnixNano(), j.open, j.number)
		return err
	}
	data, err := json.Marshal(j.spec)
	if err != nil {
		return err
	}
	_, err = w.tx.ExecContext(w.ctx, "INSERT INTO jobs(job, user, submitted, last, open, spec) VALUES(?, ?, ?, ?, ?, ?) "+
		"ON CONFLICT DO UPDATE SET last = excluded.last, open = excluded.open, spec = excluded.spec",
		j.number, j.spec.User, j.submitted.UnixNano(), j.last.UnixNano(), j.open, string(data))
	j.stored, j.dirty, j.respec = true, false, false
	return err
}
