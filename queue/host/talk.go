package host

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"sluice/queue/wire"
)

// received takes what a connection's reader, or its writer, says.
func (s *session) received(in incoming, now time.Time) {
	switch {
	case in.from != s.conn:
		return // of a connection that is gone
	case in.err != nil:
		s.broken(in.err, now)
		return
	}
	var err error
	switch body := in.message.Body.(type) {
	case *wire.DaemonMessage_Welcome:
		err = s.welcome(body.Welcome, now)
	case *wire.DaemonMessage_Refused:
		s.refused(body.Refused, now)
		return
	default:
		if !s.conn.welcomed {
			err = fmt.Errorf("receive message: %T before a welcome", body)
			break
		}
		err = s.serve(in.message, now)
	}
	if err != nil {
		s.broken(err, now)
	}
}

// serve takes a message of a daemon that has welcomed us.
func (s *session) serve(m *wire.DaemonMessage, now time.Time) error {
	switch body := m.Body.(type) {
	case *wire.DaemonMessage_Start:
		s.start(body.Start, now)
	case *wire.DaemonMessage_Signal:
		s.signal(body.Signal)
	case *wire.DaemonMessage_EndedAck:
		s.known.forget(keyOf(body.EndedAck.GetAttempt()))
	case *wire.DaemonMessage_HeartbeatAck:
		s.heartbeatAck(body.HeartbeatAck.GetNumber(), now)
	case *wire.DaemonMessage_Peek:
		s.peek(body.Peek)
	case *wire.DaemonMessage_Terminal:
		if e := s.known.entries[keyOf(body.Terminal.GetAttempt())]; e != nil && e.attended && e.ended == nil {
			s.runner.send(&frame{kind: frameTerminal, body: body.Terminal})
		}
	case *wire.DaemonMessage_Change:
		if e := s.known.entries[keyOf(body.Change.GetAttempt())]; e != nil && e.ended == nil {
			s.runner.send(&frame{kind: frameChange, body: body.Change})
		}
	case *wire.DaemonMessage_Input:
		s.input(body.Input)
	case *wire.DaemonMessage_Fetched:
		delete(s.kept, keyOf(body.Fetched.GetAttempt()))
		s.runner.send(&frame{kind: frameFetched, body: body.Fetched})
	case *wire.DaemonMessage_Leave:
		s.end(ending{rank: 0, reason: "told to leave"})
	default:
		return fmt.Errorf("receive message: %T is unknown", body)
	}
	return nil
}

func (s *session) welcome(w *wire.Welcome, now time.Time) error {
	c := s.conn
	lease, heartbeat := time.Duration(w.GetLeaseNs()), time.Duration(w.GetHeartbeatNs())
	switch {
	case c.welcomed:
		return errors.New("receive message: a second welcome")
	case lease <= 0 || heartbeat < minHeartbeat || heartbeat > lease/2:
		return fmt.Errorf("receive welcome: heartbeat %v does not fit lease %v", heartbeat, lease)
	case w.GetSession() == "" && s.secret == "":
		return errors.New("receive welcome: no session")
	}
	if w.GetSession() != "" {
		s.secret, s.token = w.GetSession(), ""
	}
	s.lease, s.heartbeat, s.tries = lease, heartbeat, 0
	c.welcomed, c.usages, c.loads, c.heardAt, c.beatAt = true, w.GetUsages(), w.GetLoads(), now, now.Add(heartbeat)
	s.loadAt = now // this daemon may not know it
	s.renew(c.helloAt)
	s.log.WithField("lease", lease.String()).Info("joined the batch daemon")
	for _, a := range w.GetKill() {
		s.disown(a)
	}
	for _, key := range s.known.keys() {
		e := s.known.entries[key]
		switch {
		case e.disowned:
		case e.ended != nil:
			c.send(endedMessage(e.ended))
		case e.started != nil: // the daemon may not have heard of it
			c.send(startedMessage(e.started))
		}
	}
	for _, ask := range s.asked {
		c.send(askMessage(ask))
	}
	if s.ending != nil && s.ending.draining() {
		c.send(drainingMessage)
	}
	s.tellUsages()
	return nil
}

// renew counts the lease from when the message was sent that the daemon answered, because its own clock began no earlier;
// and a little shorter than it is, because the jobs must be gone when it is over.
func (s *session) renew(sent time.Time) {
	s.leaseEnd = sent.Add(s.lease - s.lease/10)
	s.runner.renew(time.Until(s.leaseEnd))
}

func (s *session) heartbeatAck(number int64, now time.Time) {
	c := s.conn
	if number < 1 || number > c.beats {
		return
	}
	c.heardAt = now
	if c.beats-number < int64(len(c.sentAt)) { // else we no longer know when it was sent
		s.renew(c.sentAt[number%int64(len(c.sentAt))])
	}
}

func (s *session) refused(r *wire.Refused, now time.Time) {
	if !r.GetFinal() {
		s.broken(fmt.Errorf("refused: %s", r.GetReason()), now)
		return
	}
	s.disconnect()
	s.retryAt = now.Add(maxBackoff)
	if s.ending != nil && s.ending.rank == 0 && s.known.running == 0 {
		s.over = true // it forgot us as soon as it had told us to leave
		return
	}
	s.end(ending{err: fmt.Errorf("%w: %s", ErrRefused, r.GetReason()), rank: 3, deaf: true, killAt: now, reason: "the host was refused"})
}

// start passes a job on to the keeper, once.
func (s *session) start(m *wire.Start, now time.Time) {
	key := keyOf(m.GetAttempt())
	f := &frame{kind: frameStart, body: m}
	why := ""
	switch {
	case s.known.running >= s.config.MaxJobs || len(s.known.entries) >= 2*s.config.MaxJobs:
		why = fmt.Sprintf("this host has %d jobs already", len(s.known.entries))
	case f.Size() > wire.MaxMessage:
		why = "the job's command and environment are too large"
	}
	if !s.known.add(key) {
		return
	}
	if why == "" {
		s.known.entries[key].attended = m.GetTerminal() != terminalNone
		s.runner.send(f)
		return
	}
	s.ended(&wire.Ended{Attempt: m.GetAttempt(), ExitCode: exitNotStarted, Reason: why, AtUnixNs: now.UnixNano()})
}

func (s *session) signal(m *wire.Signal) {
	if e := s.known.entries[keyOf(m.GetAttempt())]; e != nil && e.ended == nil {
		e.signalled = true
		s.runner.send(&frame{kind: frameSignal, body: m})
	}
}

// peek passes a question about a job's output on to the keeper.
func (s *session) peek(m *wire.Peek) {
	key := keyOf(m.GetAttempt())
	if e := s.known.entries[key]; (e == nil || e.ended != nil) && s.kept[key] == nil {
		s.tell(outputMessage(&wire.Output{Number: m.GetNumber(), Absent: true}))
		return
	}
	s.runner.send(&frame{kind: framePeek, body: m})
}

// disown ends an attempt that is another host's now, or nobody's. The daemon does not want to hear of it.
func (s *session) disown(a *wire.Attempt) {
	key := keyOf(a)
	switch e := s.known.entries[key]; {
	case e == nil:
	case e.ended != nil:
		s.known.forget(key)
	case !e.disowned:
		e.disowned = true
		s.runner.send(&frame{kind: frameDisown, body: a})
	}
}

// fromRunner takes what the keeper says.
func (s *session) fromRunner(f *frame) {
	switch body := f.body.(type) {
	case *wire.Started:
		if e := s.known.entries[keyOf(body.GetAttempt())]; e != nil && e.ended == nil {
			e.started = body
			if !e.disowned {
				s.tell(startedMessage(body))
			}
		}
		return
	case *wire.Ended:
		if !s.hold(body, time.Now()) {
			s.ended(body)
		}
		return
	case *wire.Output:
		s.tell(outputMessage(body))
		return
	case *wire.AskInput:
		s.askInput(body)
		return
	case *wire.Usages:
		s.usages(body)
		return
	case *wire.Terminal:
		s.tell(&wire.HostMessage{Body: &wire.HostMessage_Terminal{Terminal: body}})
		return
	}
	switch f.kind {
	case frameExpired:
		s.expire(fmt.Sprintf("no answer for the lease of %v", s.lease), time.Now())
	case frameLog:
		s.log.Warn(f.text)
	}
}

// hangUp tells interactive jobs that nobody is there any more: what they and their clients said to each other may be lost.
func (s *session) hangUp() {
	for _, key := range s.known.keys() {
		if e := s.known.entries[key]; e.attended && e.ended == nil {
			s.runner.send(&frame{kind: frameTerminal, body: &wire.Terminal{Attempt: key.wire(), Hangup: true}})
		}
	}
}

// usages takes what jobs use.
func (s *session) usages(m *wire.Usages) {
	for _, u := range m.GetUsages() {
		if e := s.known.entries[keyOf(u.GetAttempt())]; e != nil && e.ended == nil {
			e.usage = u
		}
	}
	if s.conn != nil && s.conn.usages {
		s.tell(usagesMessage(m))
	}
}

// tellUsages tells a daemon that has just come what jobs used when they were measured last.
func (s *session) tellUsages() {
	if !s.conn.usages {
		return
	}
	m := &wire.Usages{}
	for _, e := range s.known.entries {
		if e.usage != nil && e.ended == nil && !e.disowned {
			m.Usages = append(m.Usages, e.usage)
		}
	}
	for part := range slices.Chunk(m.Usages, usagesPerMessage) {
		s.tell(usagesMessage(&wire.Usages{Usages: part}))
	}
}

func usagesMessage(m *wire.Usages) *wire.HostMessage {
	return &wire.HostMessage{Body: &wire.HostMessage_Usages{Usages: m}}
}

func (s *session) ended(m *wire.Ended) {
	key := keyOf(m.GetAttempt())
	delete(s.asked, key)
	if s.known.ended(key, m) {
		if m.GetKept() != nil {
			s.kept[key] = m.GetKept()
		}
		s.tell(endedMessage(m))
	}
}

// tell sends a message now; what the daemon must have in any case is sent again after each welcome.
func (s *session) tell(m *wire.HostMessage) {
	if s.conn != nil && s.conn.welcomed {
		s.conn.send(m)
	}
}

func endedMessage(m *wire.Ended) *wire.HostMessage {
	return &wire.HostMessage{Body: &wire.HostMessage_Ended{Ended: m}}
}

func outputMessage(m *wire.Output) *wire.HostMessage {
	return &wire.HostMessage{Body: &wire.HostMessage_Output{Output: m}}
}

func startedMessage(m *wire.Started) *wire.HostMessage {
	return &wire.HostMessage{Body: &wire.HostMessage_Started{Started: m}}
}

var drainingMessage = &wire.HostMessage{Body: &wire.HostMessage_Draining{Draining: &wire.Draining{}}}
