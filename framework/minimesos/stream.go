package minimesos

import (
	"context"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/gogo/protobuf/proto"
	"github.com/google/uuid"
	mesos "github.com/mesos/mesos-go/api/v1/lib"
	"github.com/mesos/mesos-go/api/v1/lib/scheduler"
)

const (
	mediaJSON     = "application/json"
	mediaProtobuf = "application/x-protobuf"

	// maxQueuedEvents bounds what a framework that does not read may pile up; beyond it the stream is cut.
	maxQueuedEvents = 1 << 17
)

// subscription is the event stream of one framework: a queue between the master, which never waits, and the HTTP
// handler, which writes. Safe for concurrent use.
type subscription struct {
	id        string // Mesos-Stream-Id
	media     string
	heartbeat time.Duration
	hook      func(*scheduler.Event) Verdict

	mu     sync.Mutex
	queue  [][]byte
	abort  func()        // breaks off a write that does not return; nil before serve
	ended  bool          // nothing is queued any more; the stream ends with a last chunk
	cut    bool          // the connection is broken off without one
	signal chan struct{} // capacity 1: the queue or the state has changed
}

func newSubscription(media string, heartbeat time.Duration) *subscription {
	return &subscription{id: uuid.NewString(), media: media, heartbeat: heartbeat, signal: make(chan struct{}, 1)}
}

// send queues an event after the fault hook has seen it.
func (s *subscription) send(e *scheduler.Event) {
	if s.hook == nil {
		s.push(e)
		return
	}
	v := s.hook(e)
	if v.Drop {
		return
	}
	for i := 0; i <= v.Copies; i++ {
		if v.Delay > 0 {
			time.AfterFunc(v.Delay, func() { s.push(e) })
		} else {
			s.push(e)
		}
	}
}

func (s *subscription) push(e *scheduler.Event) {
	record := encodeRecord(e, s.media)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended || s.cut {
		return
	}
	if len(s.queue) >= maxQueuedEvents {
		s.cut = true
		if s.abort != nil {
			s.abort()
		}
	} else {
		s.queue = append(s.queue, record)
	}
	s.wake()
}

// end lets the stream finish once what is queued has been written.
func (s *subscription) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ended = true
	s.wake()
}

func (s *subscription) wake() {
	select {
	case s.signal <- struct{}{}:
	default:
	}
}

func (s *subscription) take() (records [][]byte, ended, cut bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	records, s.queue = s.queue, nil
	return records, s.ended, s.cut
}

// serve writes the stream until it ends (true), or until the client is gone or too slow (false).
func (s *subscription) serve(ctx context.Context, w http.ResponseWriter) bool {
	h := w.Header()
	h.Set("Mesos-Stream-Id", s.id)
	h.Set("Content-Type", s.media)
	w.WriteHeader(http.StatusOK)
	flusher := http.NewResponseController(w)
	s.mu.Lock()
	s.abort = func() { _ = flusher.SetWriteDeadline(time.Unix(1, 0)) } // a connection without deadlines is not ours
	s.mu.Unlock()
	beat := time.NewTicker(s.heartbeat)
	defer beat.Stop()
	for {
		records, ended, cut := s.take()
		for _, r := range records {
			// A record is one write and one flush, hence one HTTP chunk.
			if _, err := w.Write(r); err != nil {
				return false
			}
			if err := flusher.Flush(); err != nil {
				return false
			}
		}
		if ended || cut {
			return ended
		}
		select {
		case <-ctx.Done():
			return false
		case <-s.signal:
		case <-beat.C:
			s.send(heartbeatEvent())
		}
	}
}

func heartbeatEvent() *scheduler.Event { return &scheduler.Event{Type: scheduler.Event_HEARTBEAT} }

func errorEvent(message string) *scheduler.Event {
	return &scheduler.Event{Type: scheduler.Event_ERROR, Error: &scheduler.Event_Error{Message: message}}
}

func updateEvent(status mesos.TaskStatus) *scheduler.Event {
	return &scheduler.Event{Type: scheduler.Event_UPDATE, Update: &scheduler.Event_Update{Status: status}}
}

func rescindEvent(offer string) *scheduler.Event {
	return &scheduler.Event{
		Type:    scheduler.Event_RESCIND,
		Rescind: &scheduler.Event_Rescind{OfferID: mesos.OfferID{Value: offer}},
	}
}

// encodeRecord frames an event: decimal length, newline, message.
func encodeRecord(e *scheduler.Event, media string) []byte {
	var body []byte
	if media == mediaProtobuf {
		var err error
		if body, err = proto.Marshal(e); err != nil {
			panic("minimesos: event lacks a required field: " + err.Error())
		}
	} else {
		body = toJSON(e)
	}
	record := strconv.AppendInt(make([]byte, 0, len(body)+12), int64(len(body)), 10)
	record = append(record, '\n')
	return append(record, body...)
}
