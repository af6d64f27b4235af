package daemon

import (
	"context"
	"errors"
	"io"
	"net/http"
	"time"

	"sluice/queue"
	"sluice/queue/wire"
)

// missedHeartbeats is how many a host may miss before its session counts as broken.
const missedHeartbeats = 3

// serveHost upgrades the connection of a host and serves it until it ends.
func (d *Daemon) serveHost(w http.ResponseWriter, r *http.Request) {
	if !d.hosting.tryEnter() {
		wire.WriteError(w, &queue.Error{Kind: queue.KindUnavailable, Text: "too many hosts are connected"})
		return
	}
	defer d.hosting.leave()
	conn, err := wire.Accept(w, r)
	if err != nil {
		d.log.WithError(err).WithField("from", r.RemoteAddr).Debug("a connection was no host's")
		return
	}
	d.converse(conn)
}

// converse is the conversation with a host, from its hello to its end.
func (d *Daemon) converse(conn *wire.Conn) {
	release, ok := d.track(func() { _ = conn.Close() }) // the other side sees it
	defer release()
	if !ok {
		return
	}
	defer func() { _ = conn.Close() }() // a second close of what is closed already
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	var first wire.HostMessage
	if err := conn.Receive(&first, helloTimeout); err != nil || first.GetHello() == nil {
		d.log.WithError(err).WithField("from", conn.RemoteAddr()).Debug("no hello from a host")
		return
	}
	hello := first.GetHello()
	s := newSession(hello.GetHost(), conn)
	s.peeks, s.speaks, s.inputs, s.changes = hello.GetPeeks(), hello.GetTerminals(), hello.GetInputs(), hello.GetChanges()
	if err := d.join(ctx, s, hello); err != nil {
		d.turnAway(s, err)
		return
	}
	log := d.log.WithField("host", s.host).WithField("from", conn.RemoteAddr())
	log.WithField("location", hello.GetLocation()).Info("host joined")
	written := make(chan struct{})
	go func() {
		defer close(written)
		s.write()
	}()
	given := make(chan struct{})
	go func() {
		defer close(given)
		d.giver(ctx, s)
	}()
	fetched := make(chan struct{})
	fetching, stopFetching := context.WithCancel(ctx)
	defer stopFetching()
	go func() {
		defer close(fetched)
		d.fetcher(fetching, s)
	}()
	s.toFetch(hello.GetKept()...)
	err := d.listen(ctx, s)
	s.close()
	<-written
	stopFetching()
	<-fetched
	<-given
	log.WithError(err).Info("host disconnected")
	if err := d.post(ctx, d.loss(s)); err != nil {
		log.WithError(err).Debug("its loss is not noted: the daemon is ending")
	}
}

// turnAway says why a host may not join.
func (d *Daemon) turnAway(s *session, err error) {
	kind := queue.KindOf(err)
	final := kind == queue.KindDenied || kind == queue.KindNotFound || kind == queue.KindInvalid
	d.log.WithError(err).WithField("host", s.host).WithField("final", final).Warn("host refused")
	if err := s.conn.Send(refusal(err.Error(), final)); err != nil {
		d.log.WithError(err).WithField("host", s.host).Debug("and it does not listen")
	}
}

// join lets a host in. When it returns without error, the session is the host's only one.
func (d *Daemon) join(ctx context.Context, s *session, hello *wire.Hello) error {
	known := make([]queue.Attempt, 0, len(hello.GetKnown()))
	for _, a := range hello.GetKnown() {
		known = append(known, attemptOf(a))
	}
	secret := newSecret()
	w := &wire.Welcome{LeaseNs: int64(d.settings.Load().Queue.Lease), HeartbeatNs: int64(d.cfg.Heartbeat), Usages: true, Loads: true}
	var rejoin queue.Rejoin
	return d.do(ctx, &request{
		apply: func(q *queue.Queue, now time.Time) error {
			hash, err := d.authenticate(q, hello, secret)
			if err != nil {
				return err
			}
			rejoin, err = q.JoinHost(now, s.host, hash, known)
			return err
		},
		committed: func(err error) {
			if err != nil {
				return
			}
			if older := d.sessions[s.host]; older != nil {
				older.close()
			}
			d.sessions[s.host] = s
			if hello.GetSession() == "" {
				w.Session = secret
				d.fresh[s.host] = true
			}
			for _, a := range rejoin.Kill {
				w.Kill = append(w.Kill, attemptMessage(a))
			}
			s.send(welcome(w))
			d.catchUp(s, rejoin)
		},
	})
}

// authenticate checks that it is the host, and gives the hash of the session that it will have. A token is good once; as long
// as nothing has come through the session that it was given for, because the host may never have learned of it.
func (d *Daemon) authenticate(q *queue.Queue, hello *wire.Hello, fresh string) (string, error) {
	h, ok := q.Host(hello.GetHost())
	session := q.SessionHash(hello.GetHost())
	switch {
	case !ok:
		return "", &queue.Error{Kind: queue.KindNotFound, Code: queue.NoSuchHost, Subject: hello.GetHost(), Text: "no such host is expected"}
	case hello.GetSession() != "":
		if !isHashOf(hello.GetSession(), session) {
			return "", &queue.Error{Kind: queue.KindDenied, Subject: h.Name, Text: "that is not the session of this host"}
		}
		return session, nil
	case !isHashOf(hello.GetToken(), h.TokenHash):
		return "", &queue.Error{Kind: queue.KindDenied, Subject: h.Name, Text: "that is not the token of this host"}
	case session != "" && !d.fresh[h.Name]:
		return "", &queue.Error{Kind: queue.KindDenied, Subject: h.Name, Text: "the token of this host was used before"}
	}
	return hashOf(fresh), nil
}

// catchUp sends a host that joined again what it missed.
func (d *Daemon) catchUp(s *session, r queue.Rejoin) {
	for _, a := range r.Start {
		if job, ok := d.q.Job(a.ID); ok && job.Attempt == a.Attempt {
			d.launch(s, &job, a, job.Placement)
		}
	}
	for _, a := range r.Change {
		d.sendChange(a)
	}
	for _, g := range r.Signal {
		s.send(signal(d.endSignal(g.Attempt, g.ExitCode, g.Reason)))
	}
	for _, a := range r.Stop {
		s.send(signal(&wire.Signal{Attempt: attemptMessage(a), Signal: sigStop}))
	}
}

// loss notes that a session ended, unless a newer one took its place. The session is closed by then, so its last heartbeat was
// acknowledged before the time from which the lease counts.
func (d *Daemon) loss(s *session) *request {
	current := false
	return &request{
		apply: func(q *queue.Queue, now time.Time) error {
			if current = d.sessions[s.host] == s; !current {
				return nil
			}
			return q.LoseHost(now, s.host)
		},
		committed: func(error) {
			if current {
				delete(d.sessions, s.host)
			}
		},
	}
}

// listen takes a host's messages until its connection breaks. It does not wait until one is durable before it takes the
// next: acknowledgements say that.
func (d *Daemon) listen(ctx context.Context, s *session) error {
	patience := missedHeartbeats * d.cfg.Heartbeat
	proven := false
	for {
		m := new(wire.HostMessage)
		if err := s.conn.Receive(m, patience); err != nil {
			if errors.Is(err, io.EOF) {
				return errors.New("it closed the connection")
			}
			return err
		}
		if !proven {
			proven = true
			if err := d.post(ctx, d.proof(s)); err != nil {
				return err
			}
		}
		var r *request
		switch body := m.Body.(type) {
		case *wire.HostMessage_Heartbeat:
			s.send(heartbeatAck(body.Heartbeat.GetNumber()))
			continue
		case *wire.HostMessage_Terminal:
			s.said(body.Terminal)
			continue
		case *wire.HostMessage_AskInput:
			if err := s.askedInput(body.AskInput); err != nil {
				return err
			}
			continue
		case *wire.HostMessage_Load:
			s.loaded(body.Load)
			continue
		case *wire.HostMessage_Usages:
			s.measured(body.Usages)
			continue
		case *wire.HostMessage_Output:
			s.peeked(body.Output)
			continue
		case *wire.HostMessage_Started:
			r = d.startedReport(s, body.Started)
		case *wire.HostMessage_Ended:
			r = d.endedReport(s, body.Ended)
			s.forget(attemptOf(body.Ended.GetAttempt()))
			s.toFetch(body.Ended.GetKept())
		case *wire.HostMessage_Draining:
			r = &request{apply: func(q *queue.Queue, now time.Time) error { return q.CloseHost(now, s.host, queue.ClosedExit) }}
		default:
			return errors.New("it sent a message that is not understood")
		}
		if err := d.post(ctx, r); err != nil {
			return err
		}
	}
}

// proof notes that the host has its session, so that its token is good no more.
func (d *Daemon) proof(s *session) *request {
	return &request{read: true, apply: func(*queue.Queue, time.Time) error {
		if d.sessions[s.host] == s {
			delete(d.fresh, s.host)
		}
		return nil
	}}
}

// isOf reports whether an attempt was placed on a host, whose word then counts.
func isOf(q *queue.Queue, a queue.Attempt, host string) bool {
	job, ok := q.Job(a.ID)
	return ok && job.Attempt == a.Attempt && len(job.Placement) > 0 && job.Placement[0].Host == host
}

func (d *Daemon) startedReport(s *session, m *wire.Started) *request {
	a := attemptOf(m.GetAttempt())
	return &request{apply: func(q *queue.Queue, now time.Time) error {
		if !isOf(q, a, s.host) {
			return nil
		}
		return q.Executing(now, a.ID, a.Attempt, int(m.GetPid()))
	}}
}

// endedReport takes a job's end and acknowledges it once that is durable. What is not the host's business, or known already, is
// acknowledged too: it is to be forgotten there.
func (d *Daemon) endedReport(s *session, m *wire.Ended) *request {
	a := attemptOf(m.GetAttempt())
	result := queue.Result{ExitCode: int(m.GetExitCode()), Reason: clip(m.GetReason()), Usage: queue.Usage{
		CPU: max(0, time.Duration(m.GetCpuNs())), MaxRSSMiB: int(max(0, m.GetMaxRssMib())), AvgRSSMiB: int(max(0, m.GetAvgRssMib())),
		MaxSwapMiB: int(max(0, m.GetMaxSwapMib())), Processes: int(max(0, m.GetProcesses())), Threads: int(max(0, m.GetThreads())),
	}}
	result.PreExecFailed = m.GetPreExecFailed()
	if at := m.GetAtUnixNs(); at > 0 {
		result.EndedAt = time.Unix(0, at)
	}
	return &request{
		apply: func(q *queue.Queue, now time.Time) error {
			if !isOf(q, a, s.host) {
				return nil
			}
			return q.Finished(now, a.ID, a.Attempt, result)
		},
		committed: func(err error) {
			if err != nil && queue.KindOf(err) == queue.KindInternal {
				d.log.WithError(err).WithField("host", s.host).Error("cannot note that a job ended")
				return
			}
			s.send(ended(m.GetAttempt()))
		},
	}
}

// maxReason is the most bytes of a reason that a host gives.
const maxReason = 1024

func clip(reason string) string { return reason[:min(len(reason), maxReason)] }
