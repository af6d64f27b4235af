package journal

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"sluice/queue"
	"sluice/queue/history"
)

// maxChronicle is how many events of a time are told at once; where they are is held in memory.
const maxChronicle = 1_000_000

var errTooMany = &queue.Error{Kind: queue.KindInvalid, Text: fmt.Sprintf("more than %d events in that time: name a shorter one", maxChronicle)}

// ofSystem is what is kept of an event that is no job's: nothing of it is secret.
func ofSystem(e *queue.Event) *queue.Event {
	switch e.Kind {
	case queue.HostJoined, queue.HostLost, queue.HostClosed, queue.HostOpened, queue.HostRemoved, queue.QueueSwitched:
		return &queue.Event{
			Kind: e.Kind, At: e.At, HostName: e.HostName, Closed: e.Closed, Reason: e.Reason, QueueName: e.QueueName, Open: e.Open, Active: e.Active,
		}
	}
	return nil
}

// address is where an event is in the file.
type address struct {
	seq, job int64
	index    int
}

// Chronicle calls each with what happened in a time, in order: to jobs, to hosts and to queues; of the last two since this version reads
// the journal. It sees what Follow has read. The happening is the caller's.
func (h *History) Chronicle(ctx context.Context, span history.Span, each func(*history.Happening) error) error {
	addresses, err := h.happenedIn(ctx, span)
	switch {
	case errors.Is(err, errTooMany):
		return err
	case err != nil:
		return h.explain("read", err)
	}
	specs := make(map[int64]*queue.Spec)
	for _, at := range addresses {
		one, err := h.happeningAt(ctx, at, specs)
		if err == nil && one != nil && span.Has(one.At) {
			err = each(one)
		}
		if err != nil {
			return h.explain("read", err)
		}
	}
	return nil
}

// happenedIn is where the events of a time are, in order, and perhaps of some seconds around it.
func (h *History) happenedIn(ctx context.Context, span history.Span) ([]address, error) {
	to := span.To
	if to.IsZero() {
		to = time.Now().Add(24 * time.Hour)
	}
	const seconds = "2006-01-02T15:04:05"
	from := max(span.From.Unix(), 0)
	var found []address
	var at address
	err := eachRow(ctx, h.read, []any{&at.seq, &at.job, &at.index}, func() error {
		if found = append(found, at); len(found) > maxChronicle {
			return errTooMany
		}
		return nil
	}, `SELECT seq, job, idx FROM happenings WHERE (job = 0 OR job IN (SELECT job FROM jobs WHERE last >= ? AND submitted <= ?))
		AND substr(json_extract(data, '$.at'), 1, 19) BETWEEN ? AND ?`,
		from*int64(time.Second), to.UnixNano(), time.Unix(from, 0).UTC().Format(seconds), to.UTC().Format(seconds))
	slices.SortFunc(found, func(a, b address) int { return cmp.Compare(a.seq, b.seq) })
	return found, err
}

// maxSpecs is how many specs of jobs are remembered while events are read.
const maxSpecs = 1000

// happeningAt reads an event; nil for one that has been forgotten.
func (h *History) happeningAt(ctx context.Context, at address, specs map[int64]*queue.Spec) (*history.Happening, error) {
	one := new(history.Happening)
	var data []byte
	err := h.read.QueryRowContext(ctx, "SELECT data FROM happenings WHERE job = ? AND idx = ? AND seq = ?", at.job, at.index, at.seq).Scan(&data)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil //nolint:nilnil // see above
	}
	if err == nil {
		err = json.Unmarshal(data, &one.Event)
	}
	if err != nil || at.job == 0 {
		return one, err
	}
	one.Job = queue.ID{Job: at.job, Index: at.index}
	if one.Spec, err = h.specOf(ctx, at.job, specs); err != nil || one.Spec == nil {
		return nil, err
	}
	return one, nil
}

// specOf is the newest spec of a job; nil for one that has been forgotten.
func (h *History) specOf(ctx context.Context, job int64, specs map[int64]*queue.Spec) (*queue.Spec, error) {
	if s := specs[job]; s != nil {
		return s, nil
	}
	var data []byte
	err := h.read.QueryRowContext(ctx, "SELECT spec FROM jobs WHERE job = ?", job).Scan(&data)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil //nolint:nilnil // see above
	}
	s := new(queue.Spec)
	if err == nil {
		err = json.Unmarshal(data, s)
	}
	if err != nil {
		return nil, err
	}
	if len(specs) >= maxSpecs {
		clear(specs)
	}
	specs[job] = s
	return s, nil
}
