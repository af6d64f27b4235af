package framework

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/mesos/mesos-go/api/v1/lib/scheduler"
)

// wire is the network between one instance of the framework and the masters: what crosses it waits for the world.
type wire struct {
	*instance
}

var _ http.RoundTripper = wire{}

// Faults of the network, as a client sees them.
var (
	errRefused = &net.OpError{Op: "dial", Net: "tcp", Err: errors.New("connection refused (made by the test)")}
	errReset   = &net.OpError{Op: "read", Net: "tcp", Err: errors.New("connection reset (made by the test)")}
)

// RoundTrip is one HTTP exchange.
func (n wire) RoundTrip(req *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(req.Body)
	if err != nil {
		return nil, err
	}
	var call scheduler.Call
	if err := call.Unmarshal(body); err != nil {
		return nil, err
	}
	w := n.world
	w.attempted(n.instance, &call)
	arrive := func() *httptest.ResponseRecorder { return w.arrive(n.instance, &call, req, body) }
	switch w.gate(req.Context(), n.instance, "call "+callKey(&call)) {
	case fails:
		return nil, errRefused
	case isLost:
		arrive()
		return nil, errReset
	case vanishes:
		return nil, errReset
	case comesLate:
		w.later("call "+callKey(&call), func() { arrive() })
		return answer(req, http.StatusAccepted), nil
	case strays:
		w.later("call "+callKey(&call), func() { arrive() })
		return nil, errReset
	case isRefused:
		return answer(req, http.StatusServiceUnavailable), nil
	case isTwofold:
		arrive()
	}
	if call.Type == scheduler.Call_SUBSCRIBE {
		return w.subscribe(n.instance, req, body)
	}
	res := arrive().Result()
	res.Request = req
	return res, nil
}

func answer(req *http.Request, status int) *http.Response {
	r := httptest.NewRecorder()
	r.WriteHeader(status)
	res := r.Result()
	res.Request = req
	return res
}

// callKey names a call the same way in each run of a seed.
func callKey(c *scheduler.Call) string {
	switch c.Type {
	case scheduler.Call_ACCEPT:
		return "ACCEPT " + acceptedTask(c)
	case scheduler.Call_DECLINE:
		return "DECLINE " + offerNumber(c.Decline.OfferIDs[0].Value)
	case scheduler.Call_KILL:
		return "KILL " + c.Kill.TaskID.Value
	case scheduler.Call_ACKNOWLEDGE:
		return "ACKNOWLEDGE " + c.Acknowledge.TaskID.Value
	case scheduler.Call_RECONCILE:
		return fmt.Sprintf("RECONCILE %d", len(c.Reconcile.Tasks))
	default:
		return c.Type.String()
	}
}

func acceptedTask(c *scheduler.Call) string {
	return c.Accept.Operations[0].Launch.TaskInfos[0].TaskID.Value
}

// offerNumber is the part of an offer's id that does not depend on the master's random id.
func offerNumber(id string) string { return id[strings.LastIndex(id, "-O")+1:] }

// arrive lets a call reach the master.
func (w *world) arrive(from *instance, call *scheduler.Call, req *http.Request, body []byte) *httptest.ResponseRecorder {
	w.arrived(from, call)
	recorder := httptest.NewRecorder()
	copied := req.Clone(context.Background())
	copied.Body = io.NopCloser(bytes.NewReader(body))
	if call.Type != scheduler.Call_SUBSCRIBE {
		w.cluster.Handler().ServeHTTP(recorder, copied)
	}
	return recorder
}

// stream is an event stream: the master writes records, the world lets them reach the framework, or not.
type stream struct {
	world  *world
	inst   *instance
	number int
	ctx    context.Context // of the master's side
	cut    context.CancelFunc
	head   http.Header
	status int
	ready  chan struct{} // closed when the status is known
	mute   bool          // a black hole: neither side hears of the other

	// Under the world's lock.
	fresh   []*record // since the world looked last
	queue   []*record
	data    []byte // arrived at the framework, not read yet
	ended   bool   // in order, when the queue is empty
	broken  error  // what the framework reads after data
	changed chan struct{}
	text    bytes.Buffer // an answer that is no stream
	gone    bool         // nobody reads any more
}

// record is one event on its way.
type record struct {
	key   string
	rank  int
	data  []byte
	event scheduler.Event
}

func (w *world) subscribe(from *instance, req *http.Request, body []byte) (*http.Response, error) {
	w.mu.Lock()
	w.streamCount++
	s := &stream{world: w, inst: from, number: w.streamCount, head: http.Header{}, ready: make(chan struct{}), changed: make(chan struct{}, 1)}
	s.ctx, s.cut = context.WithCancel(context.Background())
	w.streams = append(w.streams, s)
	w.mu.Unlock()
	var call scheduler.Call
	if err := call.Unmarshal(body); err != nil {
		return nil, err
	}
	w.arrived(from, &call)
	copied := req.Clone(s.ctx)
	copied.Body = io.NopCloser(bytes.NewReader(body))
	w.running.Go(func() {
		end := io.ErrUnexpectedEOF
		defer func() {
			if r := recover(); r != nil && r != http.ErrAbortHandler { //nolint:errorlint // a panic's value
				panic(r)
			}
			s.end(end)
		}()
		w.cluster.Handler().ServeHTTP(s, copied)
		end = io.EOF
	})
	<-s.ready
	if s.status != http.StatusOK {
		return &http.Response{StatusCode: s.status, Header: s.head, Body: io.NopCloser(&s.text), Request: req, ProtoMajor: 1, ProtoMinor: 1}, nil
	}
	return &http.Response{
		StatusCode: s.status, Header: s.head, Body: reader{s, req.Context()}, Request: req, ProtoMajor: 1, ProtoMinor: 1, ContentLength: -1,
	}, nil
}

// Header, WriteHeader, Write and Flush are the master's side.
func (s *stream) Header() http.Header { return s.head }

func (s *stream) WriteHeader(status int) {
	s.status = status
	if status == http.StatusOK {
		close(s.ready)
	}
}

func (s *stream) Flush() {}

func (s *stream) Write(data []byte) (int, error) {
	if s.status != http.StatusOK {
		s.text.Write(data)
		return len(data), nil
	}
	r := &record{data: slices.Clone(data)}
	_, message, ok := bytes.Cut(data, []byte("\n"))
	if !ok {
		return 0, fmt.Errorf("no record: %q", data)
	}
	if err := r.event.Unmarshal(message); err != nil {
		return 0, err
	}
	r.key, r.rank = eventKey(&r.event)
	s.world.mu.Lock()
	s.fresh = append(s.fresh, r)
	s.world.mu.Unlock()
	wake(s.world.poke)
	return len(data), nil
}

// eventKey names an event the same way in each run of a seed. The rank tells what the master sends first of what it sends at
// one time.
func eventKey(e *scheduler.Event) (string, int) {
	switch e.Type {
	case scheduler.Event_SUBSCRIBED:
		return "SUBSCRIBED", 0
	case scheduler.Event_HEARTBEAT:
		return "HEARTBEAT", 1
	case scheduler.Event_OFFERS:
		return "OFFERS " + offerNumber(e.Offers.Offers[0].ID.Value), 2
	case scheduler.Event_RESCIND:
		return "RESCIND " + offerNumber(e.Rescind.OfferID.Value), 2
	case scheduler.Event_UPDATE:
		return fmt.Sprintf("UPDATE %s %v", e.Update.Status.TaskID.Value, e.Update.Status.GetState()), 3
	case scheduler.Event_FAILURE:
		id := e.Failure.AgentID.GetValue()
		return "FAILURE " + id[strings.LastIndex(id, "-S")+1:], 3
	default:
		return e.Type.String(), 4
	}
}

// settle puts what has come since it was called last in an order that does not depend on the scheduling of goroutines. The
// world's lock is held.
func (s *stream) settle() {
	number := func(r *record) int {
		n, _ := strconv.Atoi(strings.TrimLeft(r.key[strings.LastIndexByte(r.key, ' ')+1:], "OS")) // 0 for what has none
		return n
	}
	slices.SortStableFunc(s.fresh, func(a, b *record) int {
		return cmp.Or(cmp.Compare(a.rank, b.rank), cmp.Compare(number(a), number(b)), cmp.Compare(a.key, b.key))
	})
	s.queue = append(s.queue, s.fresh...)
	s.fresh = nil
}

// take gives the i-th record, which does not wait any more.
func (s *stream) take(i int) *record {
	s.world.mu.Lock()
	defer s.world.mu.Unlock()
	r := s.queue[i]
	s.queue = slices.Delete(s.queue, i, i+1)
	return r
}

// deliver lets a record reach the framework.
func (s *stream) deliver(r *record) {
	s.world.mu.Lock()
	s.data = append(s.data, r.data...)
	heard := s.broken == nil && !s.gone
	s.world.mu.Unlock()
	if heard {
		s.world.heard(s, &r.event)
	}
	wake(s.changed)
}

// end is called when the master has ended its side.
func (s *stream) end(err error) {
	if s.status != http.StatusOK {
		close(s.ready) // the answer is complete
	}
	s.sever(err)
}

// sever breaks the stream for its reader. What the master had written comes before an end in order, io.EOF.
func (s *stream) sever(err error) {
	s.world.mu.Lock()
	defer s.world.mu.Unlock()
	if s.broken != nil || s.mute {
		return
	}
	s.settle()
	if errors.Is(err, io.EOF) && len(s.queue) > 0 {
		s.ended = true
		return
	}
	s.broken, s.queue = err, nil
	wake(s.changed)
}

// reader is the framework's side.
type reader struct {
	*stream
	ctx context.Context
}

func (r reader) Read(into []byte) (int, error) {
	for {
		r.world.mu.Lock()
		n := copy(into, r.data)
		r.data = r.data[n:]
		broken := r.broken
		r.world.mu.Unlock()
		switch {
		case n > 0:
			return n, nil
		case broken != nil:
			return 0, broken
		}
		select {
		case <-r.ctx.Done():
			return 0, r.ctx.Err()
		case <-r.changed:
		}
	}
}

// Close ends the framework's interest. The master hears of it unless the network is a black hole.
func (r reader) Close() error {
	r.world.mu.Lock()
	r.gone = true
	mute := r.mute
	r.world.mu.Unlock()
	if !mute {
		r.cut()
	}
	return nil
}

// ghost is a call that is still on its way though whoever sent it does not wait for it any more.
type ghost struct {
	key   string
	at    time.Time
	again func()
}

func (w *world) later(key string, again func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.ghosts = append(w.ghosts, ghost{key, time.Now(), again})
}
