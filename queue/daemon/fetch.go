package daemon

import (
	"context"
	"errors"
	"fmt"
	"time"

	"sluice/queue"
	"sluice/queue/output"
	"sluice/queue/wire"
)

// Outputs is where the daemon keeps what ended jobs wrote. Get gives output.ErrNotKept where there is nothing.
type Outputs interface {
	Put(r *output.Record) error
	Get(id queue.ID) (*output.Record, error)
}

var _ Outputs = (*output.Store)(nil)

const (
	// maxFetches is how many hosts' outputs are fetched at once; each is held in memory until it is kept.
	maxFetches = 16
	// maxToFetch is how many outputs of one host wait to be fetched. More are given up.
	maxToFetch = 16_384
)

// toFetch notes that the host keeps output of an ended job.
func (s *session) toFetch(kept ...*wire.Kept) {
	s.mu.Lock()
	var givenUp []*wire.DaemonMessage
	for _, k := range kept {
		switch {
		case k == nil:
		case len(s.unfetched) < maxToFetch:
			s.unfetched = append(s.unfetched, k)
		default:
			givenUp = append(givenUp, fetched(k.GetAttempt()))
		}
	}
	s.mu.Unlock()
	s.send(givenUp...)
	select {
	case s.fetchable <- struct{}{}:
	default:
	}
}

func fetched(a *wire.Attempt) *wire.DaemonMessage {
	return &wire.DaemonMessage{Body: &wire.DaemonMessage_Fetched{Fetched: &wire.Fetched{Attempt: a}}}
}

func (s *session) nextToFetch() *wire.Kept {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.unfetched) == 0 {
		return nil
	}
	k := s.unfetched[0]
	s.unfetched = s.unfetched[1:]
	return k
}

// fetcher takes what ended jobs wrote from a host, one job after the other and piece by piece, beside everything else that
// the host and the daemon have to say to each other.
func (d *Daemon) fetcher(ctx context.Context, s *session) {
	for {
		select {
		case <-s.gone:
			return
		case <-s.fetchable:
		}
		for k := s.nextToFetch(); k != nil; k = s.nextToFetch() {
			if err := d.fetch(ctx, s, attemptOf(k.GetAttempt())); err != nil {
				// The host still has it, and says so when it joins again.
				d.log.WithError(err).WithField("host", s.host).Debug("output of a job is not fetched")
				continue
			}
			s.send(fetched(k.GetAttempt()))
		}
	}
}

// fetch keeps the output of an attempt. What is not the host's to tell is not.
func (d *Daemon) fetch(ctx context.Context, s *session, a queue.Attempt) error {
	if d.cfg.Outputs == nil {
		return nil
	}
	user := ""
	err := d.read(ctx, func(q *queue.Queue, _ time.Time) error {
		if job, ok := q.Job(a.ID); ok && isOf(q, a, s.host) {
			user = job.Spec.User
		}
		return nil
	})
	if err != nil || user == "" {
		return err
	}
	if err := d.fetching.enter(ctx); err != nil {
		return err
	}
	defer d.fetching.leave()
	r := &output.Record{ID: a.ID, Attempt: a.Attempt, User: user}
	if r.Out, r.Separate, err = d.fetchStream(ctx, s, a, false); err == nil && r.Separate {
		r.Err, _, err = d.fetchStream(ctx, s, a, true)
	}
	if err != nil {
		return err
	}
	if err := d.cfg.Outputs.Put(r); err != nil {
		// The host cannot wait until there is room, so this output is lost.
		d.log.WithError(err).WithField("job", a.ID.String()).Error("output of an ended job cannot be kept")
	}
	return nil
}

func (d *Daemon) fetchStream(ctx context.Context, s *session, a queue.Attempt, stderr bool) (stream output.Stream, separate bool, err error) {
	for offset := int64(0); ; offset = stream.Size() {
		m, err := s.ask(ctx, &wire.Peek{Attempt: attemptMessage(a), Stderr: stderr, Offset: offset, Limit: wire.MaxPeek})
		switch {
		case err != nil:
			return stream, false, err
		case m.GetAbsent():
			return stream, separate, nil
		case m.GetSkipped() < 0, len(m.GetData()) > wire.MaxPeek, int64(len(stream.Data)+len(m.GetData())) > d.cfg.OutputBytes:
			return stream, false, errors.New("the host sent more than it was asked for")
		}
		if offset == 0 {
			stream.Skipped = m.GetSkipped()
		}
		separate, stream.Dropped = m.GetSeparate(), m.GetDropped()
		stream.Data = append(stream.Data, m.GetData()...)
		if len(m.GetData()) == 0 || stream.Size() >= m.GetKept() {
			return stream, separate, nil
		}
	}
}

// answerKept answers with what is kept of a job that has ended.
func answerKept(r *output.Record, ask *wire.PeekRequest, limit int) wire.Peeked {
	stream := &r.Out
	if ask.Stderr {
		stream = &r.Err
	}
	at := min(max(ask.Offset-stream.Skipped, 0), int64(len(stream.Data)))
	return wire.Peeked{
		Data: stream.Data[at:min(at+int64(limit), int64(len(stream.Data)))], Kept: stream.Size(), Skipped: stream.Skipped,
		Dropped: stream.Dropped, Separate: r.Separate, Attempt: r.Attempt, Ended: true,
	}
}

// keptOf is what is kept of a job that has ended, for one who may see it; nil where there is nothing. Of a job that the queue
// still knows, attempt is its newest.
func (d *Daemon) keptOf(by queue.Actor, id queue.ID, attempt int) (*output.Record, error) {
	if d.cfg.Outputs == nil {
		return nil, nil //nolint:nilnil // nothing is kept
	}
	r, err := d.cfg.Outputs.Get(id)
	switch {
	case errors.Is(err, output.ErrNotKept), err == nil && attempt != 0 && r.Attempt != attempt:
		return nil, nil //nolint:nilnil // see above
	case err != nil:
		return nil, &queue.Error{Kind: queue.KindInternal, Subject: id.String(), Text: err.Error()}
	case !by.Admin && by.User != r.User:
		return nil, notYours(id, r.User)
	}
	return r, nil
}

func notYours(id queue.ID, user string) error {
	return &queue.Error{Kind: queue.KindDenied, Code: queue.NotYours, Subject: id.String(), Text: fmt.Sprintf("job %v belongs to %q: permission denied", id, user)}
}
