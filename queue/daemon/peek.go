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

// peek gives what a running job has written: its host is asked, and nothing of it is kept here.
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
	var s *session
	var attempt queue.Attempt
	err = d.read(r.Context(), func(q *queue.Queue, _ time.Time) (err error) {
		s, attempt, err = d.peekable(q, actor(r), id)
		return err
	})
	if err != nil {
		wire.WriteError(w, err)
		return
	}
	answer, err := s.ask(r.Context(), &wire.Peek{
		Attempt: attemptMessage(attempt), Stderr: ask.Stderr, Offset: ask.Offset, Limit: int32(cmp.Or(ask.Limit, wire.MaxPeek)),
	})
	switch {
	case err != nil:
		wire.WriteError(w, err)
	case answer.GetAbsent():
		wire.WriteError(w, wrongState(id))
	case len(answer.GetData()) > wire.MaxPeek:
		wire.WriteError(w, &queue.Error{Kind: queue.KindInternal, Text: "the host sent more than it was asked for"})
	default:
		wire.WriteJSON(w, http.StatusOK, wire.Peeked{
			Data: answer.GetData(), Kept: answer.GetKept(), Dropped: answer.GetDropped(), Separate: answer.GetSeparate(), Attempt: attempt.Attempt,
		})
	}
}

func wrongState(id queue.ID) error {
	return &queue.Error{Kind: queue.KindConflict, Code: queue.WrongState, Subject: id.String(), Text: fmt.Sprintf("job %v has not started yet", id)}
}

// peekable finds where a job runs, for one who may see its output.
func (d *Daemon) peekable(q *queue.Queue, by queue.Actor, id queue.ID) (*session, queue.Attempt, error) {
	job, ok := q.Job(id)
	switch {
	case !ok || job.State.Final():
		return nil, queue.Attempt{}, &queue.Error{Kind: queue.KindNotFound, Code: queue.NoSuchJob, Subject: id.String(), Text: fmt.Sprintf("job %v is not found", id)}
	case !by.Admin && by.User != job.Spec.User:
		return nil, queue.Attempt{}, &queue.Error{Kind: queue.KindDenied, Code: queue.NotYours, Subject: id.String(), Text: fmt.Sprintf("job %v belongs to %q: permission denied", id, job.Spec.User)}
	case !job.State.Placed() || len(job.Placement) == 0:
		return nil, queue.Attempt{}, wrongState(id)
	}
	s := d.sessions[job.Placement[0].Host]
	switch {
	case s == nil:
		return nil, queue.Attempt{}, &queue.Error{Kind: queue.KindUnavailable, Subject: id.String(), Text: fmt.Sprintf("the host of job %v does not answer: try again", id)}
	case !s.peeks:
		return nil, queue.Attempt{}, &queue.Error{Kind: queue.KindUnavailable, Subject: id.String(), Text: fmt.Sprintf("the host of job %v is of an older version, which shows no output", id)}
	}
	return s, queue.Attempt{ID: job.ID, Attempt: job.Attempt}, nil
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
