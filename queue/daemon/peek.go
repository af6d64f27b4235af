package daemon

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"time"

	"sluice/queue"
	"sluice/queue/wire"
)

// peekPatience is how long a host may take to answer a question about output.
const peekPatience = 10 * time.Second

// peek gives what a job has written: its host is asked while it runs, and after its end what is kept here is shown.
func (d *Daemon) peek(w http.ResponseWriter, r *http.Request) {
	id, err := queue.ParseID(r.PathValue("id"))
	if err != nil {
		wire.WriteError(w, &queue.Error{Kind: queue.KindInvalid, Subject: r.PathValue("id"), Text: err.Error()})
		return
	}
	var ask wire.PeekRequest
	if !d.begin(w, r, &ask) {
		return
	}
	defer d.streaming.leave()
	if ask.Offset < 0 || ask.Limit < 0 || ask.Limit > wire.MaxPeek {
		wire.WriteError(w, &queue.Error{
			Kind: queue.KindInvalid, Code: queue.BadSpec, Subject: id.String(),
			Text: fmt.Sprintf("offset %d, limit %d: want from 0 on, and at most %d bytes", ask.Offset, ask.Limit, wire.MaxPeek),
		})
		return
	}
	ask.Limit = cmp.Or(ask.Limit, wire.MaxPeek)
	answer, err := d.look(r.Context(), actor(r), id, &ask)
	if err != nil {
		wire.WriteError(w, err)
		return
	}
	wire.WriteJSON(w, http.StatusOK, answer)
}

// source is where a job's output is.
type source struct {
	attempt queue.Attempt // zero: the queue does not know the job any more
	ended   bool
	host    *session // nil: it is away
}

// look finds what a job has written, for one who may see it.
func (d *Daemon) look(ctx context.Context, by queue.Actor, id queue.ID, ask *wire.PeekRequest) (wire.Peeked, error) {
	var from source
	err := d.read(ctx, func(q *queue.Queue, _ time.Time) (err error) {
		from, err = d.sourceOf(q, by, id)
		return err
	})
	if err != nil {
		return wire.Peeked{}, err
	}
	if !from.ended {
		return from.ask(ctx, ask)
	}
	// The host may give up what it has at any time, because it is kept here by then.
	for range 2 {
		r, err := d.keptOf(by, id, from.attempt.Attempt)
		if err != nil {
			return wire.Peeked{}, err
		}
		if r != nil {
			return answerKept(r, ask, ask.Limit), nil
		}
		if from.host == nil {
			break
		}
		if answer, err := from.ask(ctx, ask); err == nil {
			return answer, nil
		}
	}
	if from.attempt.Attempt == 0 {
		return wire.Peeked{}, notFound(id)
	}
	return wire.Peeked{Attempt: from.attempt.Attempt, Ended: true}, nil // it wrote nothing, or nothing is left of it
}

func wrongState(id queue.ID) error {
	return &queue.Error{Kind: queue.KindConflict, Code: queue.WrongState, Subject: id.String(), Text: fmt.Sprintf("job %v has not started yet", id)}
}

func notFound(id queue.ID) error {
	return &queue.Error{Kind: queue.KindNotFound, Code: queue.NoSuchJob, Subject: id.String(), Text: fmt.Sprintf("job %v is not found", id)}
}

func (d *Daemon) sourceOf(q *queue.Queue, by queue.Actor, id queue.ID) (source, error) {
	job, ok := q.Job(id)
	switch {
	case !ok:
		return source{ended: true}, nil
	case !by.Admin && by.User != job.Spec.User:
		return source{}, notYours(id, job.Spec.User)
	case job.State.Final() && len(job.Placement) == 0:
		return source{}, notFound(id) // it never ran
	case !job.State.Placed() && !job.State.Final() || len(job.Placement) == 0:
		return source{}, wrongState(id)
	}
	from := source{attempt: queue.Attempt{ID: job.ID, Attempt: job.Attempt}, ended: job.State.Final(), host: d.sessions[job.Placement[0].Host]}
	if from.ended && from.host != nil && !from.host.peeks {
		from.host = nil
	}
	return from, nil
}

// ask asks the job's host.
func (f source) ask(ctx context.Context, ask *wire.PeekRequest) (wire.Peeked, error) {
	id := f.attempt.ID
	switch {
	case f.host == nil:
		return wire.Peeked{}, &queue.Error{Kind: queue.KindUnavailable, Subject: id.String(), Text: fmt.Sprintf("the host of job %v does not answer: try again", id)}
	case !f.host.peeks:
		return wire.Peeked{}, &queue.Error{Kind: queue.KindUnavailable, Subject: id.String(), Text: fmt.Sprintf("the host of job %v is of an older version, which shows no output", id)}
	}
	m, err := f.host.ask(ctx, &wire.Peek{Attempt: attemptMessage(f.attempt), Stderr: ask.Stderr, Offset: ask.Offset, Limit: int32(ask.Limit)})
	switch {
	case err != nil:
		return wire.Peeked{}, err
	case m.GetAbsent():
		return wire.Peeked{}, wrongState(id)
	case len(m.GetData()) > wire.MaxPeek:
		return wire.Peeked{}, &queue.Error{Kind: queue.KindInternal, Text: "the host sent more than it was asked for"}
	}
	return wire.Peeked{
		Data: m.GetData(), Kept: m.GetKept(), Skipped: max(m.GetSkipped(), 0), Dropped: m.GetDropped(), Separate: m.GetSeparate(),
		Attempt: f.attempt.Attempt, Ended: f.ended,
	}, nil
}

// ask puts a question to the host and waits for the answer.
func (s *session) ask(ctx context.Context, question *wire.Peek) (*wire.Output, error) {
	answer := make(chan *wire.Output, 1)
	s.mu.Lock()
	s.asked++
	number := s.asked
	s.peekers[number] = answer
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		delete(s.peekers, number)
		s.mu.Unlock()
	}()
	question.Number = number
	s.send(&wire.DaemonMessage{Body: &wire.DaemonMessage_Peek{Peek: question}})
	timer := time.NewTimer(peekPatience)
	defer timer.Stop()
	select {
	case m := <-answer:
		return m, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-s.gone:
	case <-timer.C:
	}
	return nil, &queue.Error{Kind: queue.KindUnavailable, Subject: s.host, Text: fmt.Sprintf("host %s does not answer: try again", s.host)}
}

// peeked hands an answer to who waits for it, if somebody still does.
func (s *session) peeked(m *wire.Output) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if answer := s.peekers[m.GetNumber()]; answer != nil {
		delete(s.peekers, m.GetNumber())
		answer <- m // it has room for the one answer
	}
}
