package zk

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/go-zookeeper/zk"
	"github.com/sirupsen/logrus"
)

const (
	dialTimeout = 2 * time.Second
	retryEvery  = 500 * time.Millisecond // after an error of the connection
	askEvery    = 5 * time.Second        // after an error that only an operator can end
	maxReply    = 16 << 20               // bytes of one answer
)

// session is a connection to the ensemble that is kept up until close. Its ZooKeeper session may end and be replaced.
type session struct {
	address Address
	conn    *zk.Conn
	authed  bool          // of one goroutine: the caller's
	signal  chan struct{} // capacity 1: the state has changed

	mu        sync.Mutex
	connected bool
	epoch     int       // counts the ended sessions
	failure   error     // the newest of a dial
	heard     time.Time // when the last request was sent that was answered in this session; zero = there is no session
	timeout   time.Duration
}

// open begins to connect; it does not wait.
func open(address Address, timeout time.Duration, log logrus.FieldLogger) (*session, error) {
	s := &session{address: address, signal: make(chan struct{}, 1), timeout: timeout}
	conn, _, err := zk.Connect(address.Servers, timeout,
		zk.WithHostProvider(&roundRobin{}), zk.WithDialer(s.dial(timeout)), zk.WithEventCallback(s.event),
		zk.WithLogger(debugLog{log}), zk.WithMaxBufferSize(maxReply))
	if err != nil {
		return nil, fmt.Errorf("connect to ZooKeeper at %s: %w", address.servers(), err)
	}
	s.conn = conn
	return s, nil
}

// close ends the session, and with it its ephemeral nodes, if the server can be reached.
func (s *session) close() { s.conn.Close() }

// event is called by the client's goroutines and must not block.
func (s *session) event(e zk.Event) {
	if e.Type != zk.EventSession {
		return
	}
	s.mu.Lock()
	switch e.State {
	case zk.StateHasSession:
		s.connected, s.failure = true, nil
	case zk.StateExpired:
		s.epoch++
		s.connected = false
	case zk.StateDisconnected, zk.StateConnecting:
		s.connected = false
	default:
	}
	s.mu.Unlock()
	select {
	case s.signal <- struct{}{}:
	default:
	}
}

// state tells whether there is a connection, and how many sessions have ended.
func (s *session) state() (connected bool, epoch int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.connected, s.epoch
}

// surely is until when our session, of the given epoch, must still live in ZooKeeper: the servers count from when they got a
// request of ours, which was after we sent it. A twelfth is left for us to stop in.
func (s *session) surely(epoch int) time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	if epoch != s.epoch || s.heard.IsZero() {
		return time.Time{}
	}
	return s.heard.Add(s.timeout - s.timeout/12)
}

// authenticate makes us the address's user. The client repeats that by itself when it connects again.
func (s *session) authenticate() error {
	if s.address.User == "" || s.authed {
		return nil
	}
	if err := s.conn.AddAuth("digest", []byte(s.address.User+":"+s.address.secret)); err != nil {
		return err
	}
	s.authed = true
	return nil
}

// explain says what an error of the client means, in one line.
func (s *session) explain(err error) error {
	where := s.address.servers()
	if errors.Is(err, zk.ErrNoAuth) || errors.Is(err, zk.ErrAuthFailed) {
		who := "without credentials"
		if s.address.User != "" {
			who = "as user " + s.address.User
		}
		return fmt.Errorf("ZooKeeper at %s gives no access to %s %s (check user and password in zk://user:password@…)", where, s.address.Path, who)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.failure != nil:
		return fmt.Errorf("ZooKeeper at %s cannot be reached: %w", where, s.failure)
	case !s.connected:
		return fmt.Errorf("ZooKeeper at %s does not answer", where)
	}
	return fmt.Errorf("ask ZooKeeper at %s about %s: %w", where, s.address.Path, err)
}

// retryAfter is how long to wait after an error.
func retryAfter(err error) time.Duration {
	if errors.Is(err, zk.ErrNoAuth) || errors.Is(err, zk.ErrAuthFailed) {
		return askEvery
	}
	return retryEvery
}

// dial connects, and lets no answer take longer than a session lasts: the client itself would wait for ten times that.
func (s *session) dial(patience time.Duration) zk.Dialer {
	return func(network, address string, _ time.Duration) (net.Conn, error) {
		dialer := &net.Dialer{Timeout: min(dialTimeout, patience)}
		conn, err := dialer.DialContext(context.Background(), network, address) // the client gives no context
		if err != nil {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.failure = err
			return nil, err
		}
		return &line{Conn: conn, session: s, patience: patience}, nil
	}
}

// begun is that the servers have granted a session, or taken up ours, at a request sent at a time. With no id ours has ended.
func (s *session) begun(id int64, granted time.Duration, sent time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.heard, s.timeout = sent, granted
	if id == 0 {
		s.heard = time.Time{}
	}
}

// answered is that the servers had a request that was sent at a time.
func (s *session) answered(sent time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if sent.After(s.heard) {
		s.heard = sent
	}
}

// roundRobin gives the servers' names one after the other, so that each dial looks a name up anew: the client's own way looks
// once, and would never find a server that has moved.
type roundRobin struct {
	mu      sync.Mutex
	servers []string
	next    int
	tried   int // since the last connection
}

var _ zk.HostProvider = (*roundRobin)(nil)

// Init takes the servers, in an order that the client has shuffled.
func (r *roundRobin) Init(servers []string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.servers = servers
	return nil
}

// Len is the number of servers.
func (r *roundRobin) Len() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.servers)
}

// Next is the server to try; all says that each has been tried in vain.
func (r *roundRobin) Next() (server string, all bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	server = r.servers[r.next]
	r.next = (r.next + 1) % len(r.servers)
	all = r.tried > 0 && r.tried%len(r.servers) == 0
	r.tried++
	return server, all
}

// Connected says that the server that Next gave last has answered.
func (r *roundRobin) Connected() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.tried = 0
}

// debugLog is where the client's own words go: what matters of them is said by those who use the session.
type debugLog struct{ log logrus.FieldLogger }

var _ zk.Logger = debugLog{}

// Printf writes one line.
func (d debugLog) Printf(format string, args ...any) { d.log.Debugf("zookeeper: "+format, args...) }
