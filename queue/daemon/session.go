package daemon

import (
	"sync"

	"sluice/queue"
	"sluice/queue/wire"
)

// maxOutbox is how many messages may wait to be sent to a host. One that lets more pile up is disconnected, so that no slow
// host holds up the others.
const maxOutbox = 16_384

// session is the connection of one host that has joined.
//
//	connect ──Hello──> joining ──journaled──> open ──> closed (by either side, a newer connection, silence, overflow)
type session struct {
	host  string
	conn  *wire.Conn
	peeks bool // the host answers questions about output

	mu      sync.Mutex
	out     []wire.Message
	waiting chan struct{} // has an element when out may have one
	closed  bool
	leaving bool // it was told to end: its heartbeats are answered no more
	gone    chan struct{}
	peekers map[int64]chan<- *wire.Output // who waits for the answer to a question, by its number
	asked   int64

	machine   *queue.MachineLoad            // nil = it has not told
	live      map[queue.Attempt]*queue.Live // what its jobs use
	terminals map[queue.Attempt]*terminal   // clients of its interactive jobs
	speaks    bool                          // it runs such jobs
	unfetched []*wire.Kept                  // outputs that the host keeps, oldest first
	fetchable chan struct{}                 // has an element when there may be some
	inputAsks chan *wire.AskInput           // of the host
	inputs    bool                          // it asks for input that is kept here
	changes   bool                          // it takes changes of jobs that it runs
}

func newSession(host string, conn *wire.Conn) *session {
	return &session{
		host: host, conn: conn, waiting: make(chan struct{}, 1), gone: make(chan struct{}), peekers: make(map[int64]chan<- *wire.Output), fetchable: make(chan struct{}, 1),
		inputAsks: make(chan *wire.AskInput, maxAsked),
		live:      make(map[queue.Attempt]*queue.Live), terminals: make(map[queue.Attempt]*terminal),
	}
}

// send queues messages; it never waits.
func (s *session) send(messages ...*wire.DaemonMessage) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return
	}
	if len(s.out)+len(messages) > maxOutbox {
		s.closeLocked()
		return
	}
	for _, m := range messages {
		if _, leave := m.Body.(*wire.DaemonMessage_Leave); leave {
			s.leaving = true
		}
		if _, beat := m.Body.(*wire.DaemonMessage_HeartbeatAck); beat && s.leaving {
			continue
		}
		s.out = append(s.out, m)
	}
	select {
	case s.waiting <- struct{}{}:
	default:
	}
}

// close ends the session. After it no heartbeat is acknowledged, so the host's lease runs from the last one before.
func (s *session) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closeLocked()
}

func (s *session) closeLocked() {
	if s.closed {
		return
	}
	s.closed, s.out = true, nil
	close(s.gone)
	_ = s.conn.Close() // whatever it says, nobody uses it any more
}

// write sends what is queued, until the session closes.
func (s *session) write() {
	var spare []wire.Message
	for {
		select {
		case <-s.gone:
			return
		case <-s.waiting:
		}
		s.mu.Lock()
		batch := s.out
		s.out = spare[:0]
		s.mu.Unlock()
		for len(batch) > 0 {
			n := min(len(batch), 64)
			if err := s.conn.Send(batch[:n]...); err != nil {
				s.close() // the reader sees it and says so
				return
			}
			clear(batch[:n])
			batch = batch[n:]
		}
		spare = nil
	}
}

func ended(a *wire.Attempt) *wire.DaemonMessage {
	return &wire.DaemonMessage{Body: &wire.DaemonMessage_EndedAck{EndedAck: &wire.EndedAck{Attempt: a}}}
}

func refusal(reason string, final bool) *wire.DaemonMessage {
	return &wire.DaemonMessage{Body: &wire.DaemonMessage_Refused{Refused: &wire.Refused{Reason: reason, Final: final}}}
}

func welcome(w *wire.Welcome) *wire.DaemonMessage {
	return &wire.DaemonMessage{Body: &wire.DaemonMessage_Welcome{Welcome: w}}
}

func heartbeatAck(number int64) *wire.DaemonMessage {
	return &wire.DaemonMessage{Body: &wire.DaemonMessage_HeartbeatAck{HeartbeatAck: &wire.HeartbeatAck{Number: number}}}
}

func leave() *wire.DaemonMessage {
	return &wire.DaemonMessage{Body: &wire.DaemonMessage_Leave{Leave: &wire.Leave{}}}
}

func start(s *wire.Start) *wire.DaemonMessage {
	return &wire.DaemonMessage{Body: &wire.DaemonMessage_Start{Start: s}}
}

func signal(s *wire.Signal) *wire.DaemonMessage {
	return &wire.DaemonMessage{Body: &wire.DaemonMessage_Signal{Signal: s}}
}
