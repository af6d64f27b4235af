package journal

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"sluice/queue"
	"sluice/queue/history"
)

// recallRows is how many rows are read at once; between pages nothing is locked.
const recallRows = 500

// Recall calls each with the records that a filter selects, in the order of their ids, until it gives an error. Each element
// of an array has a record. It sees what Follow has read; what happens meanwhile may be seen or not.
func (h *History) Recall(ctx context.Context, f history.Filter, events bool, each func(*history.Past) error) error {
	err := h.eachJob(ctx, &f, func(j *recalled) error {
		return h.eachElement(ctx, j, &f, func(r *history.Record) error {
			p := &history.Past{Record: *r}
			if events {
				if err := h.happenings(ctx, j, p); err != nil {
					return err
				}
			}
			return each(p)
		})
	})
	return h.explain("read", err)
}

// Summarize sums up the ended jobs that a filter selects.
func (h *History) Summarize(ctx context.Context, f history.Filter) (s history.Summary, err error) {
	f.States = ended(f.States)
	err = h.eachJob(ctx, &f, func(j *recalled) error {
		if j.spec.Array == nil {
			if f.Record(j.zero) {
				s.Add(j.zero)
			}
			return nil
		}
		if f.IDs != nil {
			return h.eachElement(ctx, j, &f, func(r *history.Record) error {
				s.Add(r)
				return nil
			})
		}
		if j.zero.Elements > 0 && f.Record(j.zero) {
			s.Add(j.zero)
		}
		return h.eachStored(ctx, j, 0, func(r *history.Record) error {
			if f.Record(r) {
				s.Add(r)
			}
			return nil
		})
	})
	return s, h.explain("read", err)
}

// ended are the final states among some; all of them where there are none.
func ended(states []queue.State) []queue.State {
	if states == nil {
		return []queue.State{queue.Done, queue.Exited}
	}
	return slices.DeleteFunc(slices.Clone(states), func(s queue.State) bool { return !s.Final() })
}

// recalled is a job that was read from the file.
type recalled struct {
	number    int64
	submitted time.Time
	spec      *queue.Spec
	zero      *history.Record // the job's, or that of an array's elements without a record of their own
	bulk      []happening     // events of the array's own number; nil = not read yet
}

// eachJob calls each with the jobs that a filter lets pass.
func (h *History) eachJob(ctx context.Context, f *history.Filter, each func(*recalled) error) error {
	query, args, err := jobsQuery(f)
	if err != nil {
		return err
	}
	for after := int64(0); ; {
		var page []*recalled
		var number, submitted int64
		var spec, data []byte
		rows := 0
		err := eachRow(ctx, h.read, []any{&number, &submitted, &spec, &data}, func() error {
			rows++
			after = number
			j := &recalled{number: number, submitted: time.Unix(0, submitted).UTC(), spec: new(queue.Spec), zero: new(history.Record)}
			if err := json.Unmarshal(spec, j.spec); err != nil {
				return fmt.Errorf("%w: job %d: %w", errDamaged, number, err)
			}
			if !f.Job(number, j.spec, j.submitted) {
				return nil
			}
			if err := json.Unmarshal(data, j.zero); err != nil {
				return fmt.Errorf("%w: job %d: %w", errDamaged, number, err)
			}
			j.zero.Spec = j.spec
			page = append(page, j)
			return nil
		}, query, append([]any{after}, append(args, recallRows)...)...)
		if err != nil {
			return err
		}
		for _, j := range page {
			if err := each(j); err != nil {
				return err
			}
		}
		if rows < recallRows {
			return nil
		}
	}
}

// jobsQuery leaves to the database what it can tell apart quickly.
func jobsQuery(f *history.Filter) (query string, args []any, err error) {
	where := []string{"j.job > ?"}
	list := func(column string, values any) error {
		data, err := json.Marshal(values)
		where, args = append(where, column+" IN (SELECT value FROM json_each(?))"), append(args, string(data))
		return err
	}
	if f.IDs != nil {
		numbers := make([]int64, len(f.IDs))
		for i, id := range f.IDs {
			numbers[i] = id.Job
		}
		err = list("j.job", numbers)
	}
	if err == nil && f.Users != nil {
		err = list("j.user", f.Users)
	}
	if f.States != nil && !slices.ContainsFunc(f.States, queue.State.Final) {
		where = append(where, "j.open > 0")
	}
	since := f.Ended.From
	if f.Dispatched.From.After(since) {
		since = f.Dispatched.From
	}
	if !since.IsZero() {
		where, args = append(where, "j.last >= ?"), append(args, since.UnixNano())
	}
	return "SELECT j.job, j.submitted, j.spec, r.data FROM jobs j CROSS JOIN records r ON r.job = j.job AND r.idx = 0 WHERE " +
		strings.Join(where, " AND ") + " ORDER BY j.job LIMIT ?", args, err
}

// eachStored calls each with the records that elements of an array have of their own, after an index.
func (h *History) eachStored(ctx context.Context, j *recalled, after int, each func(*history.Record) error) error {
	for {
		page := make([]*history.Record, 0, recallRows)
		var data []byte
		err := eachRow(ctx, h.read, []any{&data}, func() error {
			r := new(history.Record)
			page = append(page, r)
			if err := json.Unmarshal(data, r); err != nil {
				return fmt.Errorf("%w: job %d: %w", errDamaged, j.number, err)
			}
			r.Spec = j.spec
			after = r.ID.Index
			return nil
		}, "SELECT data FROM records WHERE job = ? AND idx > ? ORDER BY idx LIMIT ?", j.number, after, recallRows)
		if err != nil {
			return err
		}
		for _, r := range page {
			if err := each(r); err != nil {
				return err
			}
		}
		if len(page) < recallRows {
			return nil
		}
	}
}

// eachElement calls each with the selected records of a job: of an array, with one for each element.
func (h *History) eachElement(ctx context.Context, j *recalled, f *history.Filter, each func(*history.Record) error) error {
	visit := func(r *history.Record) error {
		if !f.Record(r) {
			return nil
		}
		return each(r)
	}
	if j.spec.Array == nil {
		return visit(j.zero)
	}
	common := func(index int) error {
		r := *j.zero
		r.ID.Index, r.Elements = index, 1
		return visit(&r)
	}
	indices := newIndices(j.spec.Array)
	more := j.zero.Elements > 0
	err := h.eachStored(ctx, j, 0, func(r *history.Record) error {
		for more && indices.before(r.ID.Index) {
			if err := common(indices.next()); err != nil {
				return err
			}
		}
		indices.skip(r.ID.Index)
		return visit(r)
	})
	for err == nil && more && indices.left() {
		err = common(indices.next())
	}
	return err
}

// indices walks over the indices of an array.
type indices struct {
	ranges []queue.Range
	at     int // index of the range's next
}

func newIndices(a *queue.Array) *indices {
	i := &indices{ranges: a.Ranges}
	if len(i.ranges) > 0 {
		i.at = i.ranges[0].First
	}
	return i
}

func (i *indices) left() bool { return len(i.ranges) > 0 }

func (i *indices) before(index int) bool { return i.left() && i.at < index }

func (i *indices) next() int {
	at := i.at
	r := i.ranges[0]
	if i.at += r.Step; i.at > r.Last {
		if i.ranges = i.ranges[1:]; i.left() {
			i.at = i.ranges[0].First
		}
	}
	return at
}

// skip passes over an index if it is the next one.
func (i *indices) skip(index int) {
	if i.left() && i.at == index {
		i.next()
	}
}

// happenings reads what happened to a job or an element.
func (h *History) happenings(ctx context.Context, j *recalled, p *history.Past) error {
	array := j.spec.Array != nil
	if j.bulk == nil {
		bulk, err := h.eventsOf(ctx, j.number, 0)
		if err != nil {
			return err
		}
		j.bulk = bulk
	}
	all := j.bulk
	if array {
		own, err := h.eventsOf(ctx, j.number, p.ID.Index)
		if err != nil {
			return err
		}
		all = append(slices.Clone(j.bulk), own...)
		slices.SortFunc(all, func(a, b happening) int { return int(a.seq - b.seq) })
	}
	if len(all) == 0 || all[0].event.Kind != queue.JobSubmitted {
		return fmt.Errorf("%w: job %d begins without a submission", errDamaged, j.number)
	}
	first := all[0].event
	first.Job, first.Spec = queue.ID{Job: j.number}, j.spec
	seen := history.NewRecord(&first)
	seen.ID = p.ID
	for i := range all {
		e := all[i].event
		e.Job = queue.ID{Job: j.number, Index: all[i].index}
		if i > 0 {
			if !seen.Concerns(&e) {
				continue
			}
			seen.Apply(&e)
		}
		p.Events = append(p.Events, e)
	}
	return nil
}

func (h *History) eventsOf(ctx context.Context, job int64, index int) ([]happening, error) {
	var events []happening
	var seq int64
	var data []byte
	err := eachRow(ctx, h.read, []any{&seq, &data}, func() error {
		one := happening{job: job, seq: seq, index: index}
		if err := json.Unmarshal(data, &one.event); err != nil {
			return fmt.Errorf("%w: event %d: %w", errDamaged, seq, err)
		}
		events = append(events, one)
		return nil
	}, "SELECT seq, data FROM happenings WHERE job = ? AND idx = ? ORDER BY seq", job, index)
	return events, err
}
