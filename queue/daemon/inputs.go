package daemon

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"sluice/queue"
	"sluice/queue/spool"
	"sluice/queue/wire"
)

// Inputs is where the daemon keeps copies of the files that jobs read; see spool.Store.
type Inputs interface {
	Put(user string, content io.Reader) (sum string, err error)
	Claim(user, sum string) error
	Read(user, sum string, into []byte, offset int64) (n int, size int64, err error)
	Idle(since time.Time) []spool.Key
	Remove(key spool.Key, since time.Time) error
}

var _ Inputs = (*spool.Store)(nil)

const (
	// maxUploadInputs is how many input files are taken at once.
	maxUploadInputs = 8
	// inputGrace is how long a copy is kept to which no job refers: its job may be on the way.
	inputGrace = time.Hour
	// maxAsked is how many questions of one host for input wait; a host asks for a few pieces at a time.
	maxAsked = 64
)

var errNoInputs = &queue.Error{Kind: queue.KindUnavailable, Text: "this daemon keeps no input files"}

// keepInput takes an input file.
func (d *Daemon) keepInput(w http.ResponseWriter, r *http.Request) {
	switch {
	case d.cfg.Inputs == nil:
		wire.WriteError(w, errNoInputs)
		return
	case r.ContentLength > wire.MaxInput:
		wire.WriteError(w, inputTooLarge)
		return
	}
	if err := d.spooling.enter(r.Context()); err != nil {
		return // the client went away
	}
	defer d.spooling.leave()
	control := http.NewResponseController(w)
	defer func() { _ = control.SetReadDeadline(time.Time{}) }()
	sum, err := d.cfg.Inputs.Put(actor(r).User, patientReader{http.MaxBytesReader(w, r.Body, wire.MaxInput+1), control})
	switch {
	case errors.Is(err, spool.ErrTooLarge):
		err = inputTooLarge
	case err != nil:
		err = &queue.Error{Kind: queue.KindUnavailable, Text: fmt.Sprintf("the input file is not kept: %v", err)}
	}
	finish(w, wire.KeptInput{Input: sum}, err)
}

var inputTooLarge = &queue.Error{
	Kind: queue.KindInvalid, Code: queue.BadSpec, Text: fmt.Sprintf("an input file that is kept has at most %d bytes", wire.MaxInput),
}

// patientReader lets a body come in its own time, as long as something comes.
type patientReader struct {
	io.Reader
	control *http.ResponseController
}

// Read waits for the next piece.
func (r patientReader) Read(b []byte) (int, error) {
	// Where a connection has no deadlines, ReadHeaderTimeout and Stop are all there is.
	_ = r.control.SetReadDeadline(time.Now().Add(bodyTimeout))
	return r.Reader.Read(b)
}

// claimInput says that a job of a user is about to refer to a copy.
func (d *Daemon) claimInput(user, input string) error {
	switch {
	case input == "":
		return nil
	case d.cfg.Inputs == nil:
		return errNoInputs
	}
	err := d.cfg.Inputs.Claim(user, input)
	switch {
	case errors.Is(err, spool.ErrNotKept):
		return &queue.Error{Kind: queue.KindInvalid, Code: queue.BadSpec, Subject: input, Text: "the copy of the input file is not there: submit again"}
	case err != nil:
		return &queue.Error{Kind: queue.KindInternal, Subject: input, Text: err.Error()}
	}
	return nil
}

// sweepInputs removes copies that no job refers to.
func (d *Daemon) sweepInputs(ctx context.Context, now time.Time) error {
	if d.cfg.Inputs == nil {
		return nil
	}
	since := now.Add(-inputGrace)
	idle := d.cfg.Inputs.Idle(since)
	if len(idle) == 0 {
		return nil
	}
	var used map[spool.Key]bool
	if err := d.read(ctx, func(q *queue.Queue, _ time.Time) error {
		used = make(map[spool.Key]bool)
		for in := range q.Inputs() {
			used[spool.KeyOf(in.User, in.Name)] = true
		}
		return nil
	}); err != nil {
		return err
	}
	var errs []error
	for _, key := range idle {
		if !used[key] {
			errs = append(errs, d.cfg.Inputs.Remove(key, since))
		}
	}
	return errors.Join(errs...)
}

// giver answers a host's questions for input, one after the other, beside everything else that is said.
func (d *Daemon) giver(ctx context.Context, s *session) {
	for {
		select {
		case <-s.gone:
			return
		case ask := <-s.inputAsks:
			answer := d.pieceOf(ctx, s, ask)
			s.send(&wire.DaemonMessage{Body: &wire.DaemonMessage_Input{Input: answer}})
		}
	}
}

// askedInput takes a host's question for input.
func (s *session) askedInput(ask *wire.AskInput) error {
	select {
	case s.inputAsks <- ask:
		return nil
	default:
		return errors.New("it asks for more input than its jobs need")
	}
}

// pieceOf is a piece of the input of a job that the host runs.
func (d *Daemon) pieceOf(ctx context.Context, s *session, ask *wire.AskInput) *wire.Input {
	answer := &wire.Input{Attempt: ask.GetAttempt(), Offset: ask.GetOffset()}
	a := attemptOf(ask.GetAttempt())
	var spec *queue.Spec
	err := d.read(ctx, func(q *queue.Queue, _ time.Time) error {
		if job, ok := q.Job(a.ID); ok && isOf(q, a, s.host) {
			spec = job.Spec
		}
		return nil
	})
	switch {
	case err != nil:
	case spec == nil || spec.Input == "" || ask.GetOffset() < 0:
		err = errors.New("that is not the host's to ask")
	case d.cfg.Inputs == nil:
		err = errNoInputs
	default:
		piece := make([]byte, wire.MaxPiece)
		var n int
		n, answer.Whole, err = d.cfg.Inputs.Read(spec.User, spec.Input, piece, ask.GetOffset())
		answer.Data = piece[:n]
	}
	if err != nil {
		answer.Problem = clip(err.Error())
	}
	return answer
}
