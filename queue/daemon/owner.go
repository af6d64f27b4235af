package daemon

import (
	"context"
	"fmt"
	"time"

	"sluice/queue"
)

// request is something for the owner goroutine to do with the Queue.
type request struct {
	// apply reads or changes the Queue. The owner calls it once, or not at all when the journal cannot be written.
	apply func(q *queue.Queue, now time.Time) error
	// read says that apply changes nothing: it sees what is durable, and needs no journal.
	read bool
	// committed is called by the owner after the events are durable and before they are acted on, with apply's error. It is
	// not called when the journal failed.
	committed func(err error)
	// answered is closed when the request is done; nil where nobody waits.
	answered chan struct{}
	err      error // apply's or the journal's

	end int // of its events in the batch's
}

func (r *request) answer() {
	if r.answered != nil {
		close(r.answered)
	}
}

var errStopping = &queue.Error{Kind: queue.KindUnavailable, Text: "the daemon is stopping"}

// post hands a request to the owner, waiting while too many are queued.
func (d *Daemon) post(ctx context.Context, r *request) error {
	select {
	case <-d.quit:
		return errStopping
	default:
	}
	select {
	case d.requests <- r:
		return nil
	case <-d.quit:
		return errStopping
	case <-ctx.Done():
		return ctx.Err()
	}
}

// do has the owner do a request and waits for it. After ctx's error, the request may still be done: what apply writes
// must then not be read.
func (d *Daemon) do(ctx context.Context, r *request) error {
	r.answered = make(chan struct{})
	if err := d.post(ctx, r); err != nil {
		return err
	}
	select {
	case <-r.answered:
		return r.err
	case <-d.ended:
		select {
		case <-r.answered:
			return r.err
		default:
			return errStopping
		}
	case <-ctx.Done():
		return ctx.Err()
	}
}

// read has the owner look at the Queue.
func (d *Daemon) read(ctx context.Context, look func(q *queue.Queue, now time.Time) error) error {
	return d.do(ctx, &request{apply: look, read: true})
}

// change has the owner change the Queue, durably.
func (d *Daemon) change(ctx context.Context, apply func(q *queue.Queue, now time.Time) error) error {
	return d.do(ctx, &request{apply: apply})
}

// own is the owner goroutine.
func (d *Daemon) own() {
	defer close(d.ended)
	timer := time.NewTimer(0)
	defer timer.Stop()
	batch := make([]*request, 0, maxBatch)
	for {
		batch = batch[:0]
		select {
		case <-d.quit:
			return
		case <-timer.C:
		case r := <-d.requests:
			batch = append(batch, r)
		}
		for len(batch) < maxBatch {
			select {
			case r := <-d.requests:
				batch = append(batch, r)
				continue
			default:
			}
			break
		}
		d.step(batch)
		clear(batch)
		timer.Reset(d.untilWake())
	}
}

// untilWake is how long nothing happens by itself.
func (d *Daemon) untilWake() time.Duration {
	const long = time.Hour
	at := d.retryAt
	if d.cause == nil {
		at = d.q.NextWake()
	}
	if at.IsZero() {
		return long
	}
	return min(max(time.Until(at), 0), long)
}

// step does a batch: first what only reads, then the changes and what follows from them, as one transaction.
func (d *Daemon) step(batch []*request) {
	changes := batch[:0:len(batch)]
	for _, r := range batch {
		if !r.read {
			changes = append(changes, r)
			continue
		}
		if d.q == nil {
			r.err = d.unwritable()
		} else {
			r.err = r.apply(d.q, now())
		}
		r.answer()
	}
	if d.cause != nil && !d.mended() {
		d.refuse(changes)
		return
	}
	d.decide(changes)
	if len(d.events) > 0 {
		if err := d.cfg.Journal.Append(context.Background(), d.events); err != nil {
			d.fail(err)
			d.refuse(changes)
			return
		}
	}
	happened := len(d.events) > 0
	d.act(changes)
	if happened {
		d.news()
	}
}

// decide applies the changes, ticks and schedules; what happened is in d.events.
func (d *Daemon) decide(changes []*request) {
	d.events = d.events[:0]
	for _, r := range changes {
		r.err = r.apply(d.q, now())
		d.events = d.q.Take(d.events)
		r.end = len(d.events)
	}
	at := now()
	wake := d.q.NextWake()
	due := !wake.IsZero() && !wake.After(at)
	if due {
		d.q.Tick(at)
	}
	if due || d.anew || len(d.events) > 0 {
		d.q.Schedule(at)
	}
	d.anew = false
	d.events = d.q.Take(d.events)
}

// act does what durable events call for, request by request, and answers.
func (d *Daemon) act(changes []*request) {
	begin := 0
	for _, r := range changes {
		if r.committed != nil {
			r.committed(r.err)
		}
		d.effect(d.events[begin:r.end])
		begin = r.end
		r.answer()
	}
	d.effect(d.events[begin:])
	clear(d.events)
}

// refuse answers changes that could not be made durable.
func (d *Daemon) refuse(changes []*request) {
	for _, r := range changes {
		r.err = d.unwritable()
		r.answer()
	}
}

func (d *Daemon) unwritable() error {
	return &queue.Error{Kind: queue.KindUnavailable, Code: queue.JournalUnwritable, Text: fmt.Sprintf("nothing was changed: %v", d.cause)}
}

// fail drops everything that is not durable, after the journal failed: the Queue, and the connections of hosts, which come
// back and say again what was not acknowledged.
func (d *Daemon) fail(cause error) {
	d.log.WithError(cause).Error("cannot write the journal; changes are refused until it can be written")
	d.cause, d.retryAt = cause, now().Add(retryJournal)
	for name, s := range d.sessions {
		s.close()
		delete(d.sessions, name)
	}
	d.restore()
}

// restore builds the Queue anew from the journal.
func (d *Daemon) restore() {
	q, err := d.rebuild(context.Background())
	if err != nil {
		d.log.WithError(err).Error("cannot read the journal; trying again")
		q = nil
	}
	d.q = q
}

// mended tries, at most once a second, whether the journal can be read and written again.
func (d *Daemon) mended() bool {
	at := now()
	if at.Before(d.retryAt) {
		return false
	}
	d.retryAt = at.Add(retryJournal)
	probe := map[string][]byte{"probe": []byte(at.Format(time.RFC3339Nano))}
	if err := d.cfg.Journal.Put(context.Background(), "daemon", probe); err != nil {
		d.cause = err
		return false
	}
	if d.q == nil {
		if d.restore(); d.q == nil {
			return false
		}
	}
	d.log.Info("the journal can be written again")
	d.cause = nil
	d.loseStrangers(at)
	return true
}
