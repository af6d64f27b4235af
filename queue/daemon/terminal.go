package daemon

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"time"

	"sluice/queue"
	"sluice/queue/wire"
)

const (
	// maxTerminals is how many clients speak with interactive jobs at once.
	maxTerminals = 1024
	// endPatience is how long a client may take to close after it was told of the end.
	endPatience = 10 * time.Second
	// maxTerminalOut is how many bytes wait to be sent to such a client: more than its credit is not its job's right.
	maxTerminalOut = 2 * wire.TerminalWindow
	// maxTerminalAhead is how many messages may wait to be sent to a host when a client adds one.
	maxTerminalAhead = 1024
)

// terminal is the client of an interactive job.
//
//	attached ──job starts──> speaking ──job ends──> told, closed
//	    └───────────── client goes ──────────────> the job is ended
type terminal struct {
	id   queue.ID
	conn *wire.Conn

	mu      sync.Mutex
	host    *session // that runs the job; nil = it has not started
	attempt queue.Attempt
	out     []*wire.Attached
	bytes   int           // of them
	waiting chan struct{} // has an element when out may have one
	ending  bool          // nothing follows what is in out
	gone    chan struct{}
	closed  bool
}

func newTerminal(id queue.ID, conn *wire.Conn) *terminal {
	return &terminal{id: id, conn: conn, waiting: make(chan struct{}, 1), gone: make(chan struct{})}
}

// attach connects a client to its interactive job, until one of them ends.
func (d *Daemon) attach(w http.ResponseWriter, r *http.Request) {
	id, err := queue.ParseID(r.PathValue("id"))
	if err != nil {
		wire.WriteError(w, &queue.Error{Kind: queue.KindInvalid, Subject: r.PathValue("id"), Text: err.Error()})
		return
	}
	if !d.attaching.tryEnter() {
		wire.WriteError(w, &queue.Error{Kind: queue.KindUnavailable, Text: "too many clients speak with interactive jobs"})
		return
	}
	defer d.attaching.leave()
	by := actor(r)
	if err := d.read(r.Context(), func(q *queue.Queue, _ time.Time) error {
		_, err := d.attachable(q, by, id)
		return err
	}); err != nil {
		wire.WriteError(w, err)
		return
	}
	conn, err := wire.AcceptTerminal(w, r)
	if err != nil {
		d.log.WithError(err).WithField("job", id.String()).Debug("a connection was not for an interactive job")
		return
	}
	t := newTerminal(id, conn)
	release, ok := d.track(t.close)
	defer release()
	if !ok {
		return
	}
	defer t.close()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	if err := d.read(ctx, func(q *queue.Queue, _ time.Time) error { return d.register(q, by, t) }); err != nil {
		t.end(255, err.Error()) // it ended, or somebody else attached, since it was looked at
	}
	written := make(chan struct{})
	go func() {
		defer close(written)
		t.write()
	}()
	err = t.listen()
	t.close()
	<-written
	d.log.WithError(err).WithField("job", id.String()).Debug("the client of an interactive job is gone")
	if err := d.do(ctx, d.departure(t)); err != nil {
		d.log.WithError(err).WithField("job", id.String()).Debug("an interactive job goes on without its client")
	}
}

// attachable finds an interactive job that waits for its client.
func (d *Daemon) attachable(q *queue.Queue, by queue.Actor, id queue.ID) (queue.Job, error) {
	job, ok := q.Job(id)
	switch {
	case !ok:
		return job, notFound(id)
	case !by.Admin && by.User != job.Spec.User:
		return job, notYours(id, job.Spec.User)
	case job.Spec.Interactive == "":
		return job, &queue.Error{Kind: queue.KindConflict, Code: queue.WrongState, Subject: id.String(), Text: fmt.Sprintf("job %v is not interactive", id)}
	case job.State.Final():
		return job, &queue.Error{Kind: queue.KindConflict, Code: queue.AlreadyFinished, Subject: id.String(), Text: fmt.Sprintf("job %v has already finished", id)}
	case d.terminals[id] != nil:
		return job, &queue.Error{Kind: queue.KindConflict, Code: queue.WrongState, Subject: id.String(), Text: fmt.Sprintf("job %v has a client", id)}
	}
	return job, nil
}

// register makes a client that of its job. It is for the owner.
func (d *Daemon) register(q *queue.Queue, by queue.Actor, t *terminal) error {
	job, err := d.attachable(q, by, t.id)
	if err != nil {
		return err
	}
	d.terminals[t.id] = t
	if job.State.Placed() && len(job.Placement) > 0 {
		t.begin(d.sessions[job.Placement[0].Host], queue.Attempt{ID: job.ID, Attempt: job.Attempt})
	}
	return nil
}

// startTerminal lets a client speak with its job, which has started. A job whose client does not come is ended. It is for the
// owner.
func (d *Daemon) startTerminal(a queue.Attempt, host string) {
	if t := d.terminals[a.ID]; t != nil {
		t.begin(d.sessions[host], a)
		return
	}
	time.AfterFunc(d.cfg.AttachWithin, func() {
		err := d.post(context.Background(), &request{apply: func(q *queue.Queue, now time.Time) error {
			job, ok := q.Job(a.ID)
			if !ok || job.State.Final() || job.Attempt != a.Attempt || d.terminals[a.ID] != nil {
				return nil
			}
			return q.Kill(now, queue.Actor{User: job.Spec.User}, a.ID, 0)
		}})
		if err != nil {
			d.log.WithError(err).WithField("job", a.ID.String()).Debug("an interactive job goes on without a client")
		}
	})
}

// endTerminal tells a client that its job has ended. It is for the owner.
func (d *Daemon) endTerminal(e *queue.Event) {
	if t := d.terminals[e.Job]; t != nil {
		delete(d.terminals, e.Job)
		t.end(e.ExitCode, e.Reason)
	}
}

// departure ends the job of a client that has gone.
func (d *Daemon) departure(t *terminal) *request {
	return &request{apply: func(q *queue.Queue, now time.Time) error {
		if d.terminals[t.id] != t {
			return nil // its job ended before
		}
		delete(d.terminals, t.id)
		t.hangUp()
		if job, ok := q.Job(t.id); ok && !job.State.Final() {
			return q.Kill(now, queue.Actor{User: job.Spec.User}, t.id, 0)
		}
		return nil
	}}
}

// begin connects the client with an attempt at its host.
func (t *terminal) begin(host *session, a queue.Attempt) {
	if host == nil {
		return // it is away, and ends the job because of that
	}
	host.mu.Lock()
	host.terminals[a] = t
	host.mu.Unlock()
	t.mu.Lock()
	t.host, t.attempt = host, a
	t.mu.Unlock()
	if !host.speaks {
		t.end(255, "the host of the job is of an older version, which runs no interactive jobs")
		return
	}
	t.send(&wire.Attached{Body: &wire.Attached_Started{Started: host.host}})
}

func (t *terminal) end(exitCode int, reason string) {
	t.send(&wire.Attached{Body: &wire.Attached_End{End: &wire.TerminalEnd{ExitCode: int32(exitCode), Reason: reason}}})
	t.mu.Lock()
	defer t.mu.Unlock()
	t.ending, t.host = true, nil
}

// hangUp tells the host that nobody is there any more.
func (t *terminal) hangUp() {
	t.mu.Lock()
	host, a := t.host, t.attempt
	t.mu.Unlock()
	if host != nil {
		host.send(terminalMessage(&wire.Terminal{Attempt: attemptMessage(a), Hangup: true}))
	}
}

// send queues a message for the client; it never waits. A host that sends more than it may loses the client.
func (t *terminal) send(m *wire.Attached) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed || t.ending {
		return
	}
	t.bytes += m.Size()
	t.out = append(t.out, m)
	if t.bytes > maxTerminalOut {
		t.closeLocked()
		return
	}
	select {
	case t.waiting <- struct{}{}:
	default:
	}
}

// write sends what is queued until the connection closes, or all is said.
func (t *terminal) write() {
	for {
		select {
		case <-t.gone:
			return
		case <-t.waiting:
		}
		for {
			t.mu.Lock()
			out, over := t.out, t.ending
			t.out, t.bytes = nil, 0
			t.mu.Unlock()
			for _, m := range out {
				if err := t.conn.Send(m); err != nil {
					t.close()
					return
				}
			}
			if len(out) > 0 {
				continue
			}
			if over {
				// The client closes when it has read the end; were it closed here, what is on its way might be lost.
				time.AfterFunc(endPatience, t.close)
				return
			}
			break
		}
	}
}

// listen passes on what the client says, until it goes.
func (t *terminal) listen() error {
	for {
		m := new(wire.Terminal)
		if err := t.conn.Receive(m, 0); err != nil {
			return err
		}
		t.mu.Lock()
		host, a := t.host, t.attempt
		t.mu.Unlock()
		if host == nil {
			continue // it speaks before it was told that its job has started
		}
		m.Attempt = attemptMessage(a)
		if !host.sendAhead(terminalMessage(m), maxTerminalAhead) {
			return fmt.Errorf("it sends faster than host %s takes it", host.host)
		}
	}
}

func (t *terminal) close() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.closeLocked()
}

func (t *terminal) closeLocked() {
	if t.closed {
		return
	}
	t.closed, t.out = true, nil
	close(t.gone)
	_ = t.conn.Close() // whatever it says, nobody uses it any more
}

// said passes on what an interactive job says.
func (s *session) said(m *wire.Terminal) {
	a := attemptOf(m.GetAttempt())
	s.mu.Lock()
	t := s.terminals[a]
	s.mu.Unlock()
	if t != nil {
		t.send(&wire.Attached{Body: &wire.Attached_Terminal{Terminal: m}})
	}
}

// sendAhead is send, unless so many messages wait already.
func (s *session) sendAhead(m *wire.DaemonMessage, most int) bool {
	s.mu.Lock()
	full := len(s.out) >= most
	s.mu.Unlock()
	if full {
		return false
	}
	s.send(m)
	return true
}

func terminalMessage(m *wire.Terminal) *wire.DaemonMessage {
	return &wire.DaemonMessage{Body: &wire.DaemonMessage_Terminal{Terminal: m}}
}
