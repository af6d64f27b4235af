package host

import (
	"context"
	"errors"
	"io"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"sluice/queue/wire"
)

// fakeRunner notes what the session tells it and says what the test lets it say.
type fakeRunner struct {
	frames  []*frame
	leases  []time.Duration
	says    chan *frame
	gone    chan struct{} // closed when nobody listens any more
	endsAll bool          // answers EndAll with the end of all jobs
}

var _ runner = (*fakeRunner)(nil)

func (r *fakeRunner) renew(lease time.Duration) { r.leases = append(r.leases, lease) }
func (r *fakeRunner) events() <-chan *frame     { return r.says }

func (r *fakeRunner) send(f *frame) {
	r.frames = append(r.frames, f)
	if f.kind != frameEndAll && f.kind != frameDisownAll || !r.endsAll {
		return
	}
	for _, sent := range r.frames {
		if s, ok := sent.body.(*wire.Start); ok {
			go func() {
				select {
				case r.says <- endFrame(keyOf(s.Attempt), 137):
				case <-r.gone:
				}
			}()
		}
	}
}

func (r *fakeRunner) kinds() (kinds []frameKind) {
	for _, f := range r.frames {
		kinds = append(kinds, f.kind)
	}
	return kinds
}

func endFrame(key attemptKey, code int32) *frame {
	return &frame{kind: frameEnded, body: &wire.Ended{Attempt: key.wire(), ExitCode: code}}
}

// pipe is a connection in memory, seen by the host as Conn and by the test as its other end.
type pipe struct {
	toHost   chan *wire.DaemonMessage
	fromHost chan *wire.HostMessage
	closed   chan struct{}
}

var _ Conn = (*pipe)(nil)

func (p *pipe) Send(messages ...wire.Message) error {
	for _, m := range messages {
		said, ok := m.(*wire.HostMessage)
		if !ok {
			return errBadFrame
		}
		select {
		case p.fromHost <- said:
		case <-p.closed:
			return io.ErrClosedPipe
		}
	}
	return nil
}

func (p *pipe) Receive(m wire.Message, _ time.Duration) error {
	select {
	case got := <-p.toHost:
		into, ok := m.(*wire.DaemonMessage)
		if !ok {
			return errBadFrame
		}
		into.Body = got.Body
		return nil
	case <-p.closed:
		return io.EOF
	}
}

func (p *pipe) Close() error {
	select {
	case <-p.closed:
	default:
		close(p.closed)
	}
	return nil
}

// story is a session in a bubble of synctest, with everything around it in the test's hands.
type story struct {
	t      *testing.T
	runner *fakeRunner
	dials  chan chan *pipe // each dial waits for its connection; nil = refused
	conn   *pipe
	stop   context.CancelFunc
	abort  chan struct{}
	result chan error

	answers bool // heartbeats are acknowledged
}

func tell(t *testing.T, f func(*story)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s := &story{
			t: t, runner: &fakeRunner{says: make(chan *frame), gone: make(chan struct{}), endsAll: true}, dials: make(chan chan *pipe),
			abort: make(chan struct{}), result: make(chan error, 1),
		}
		var ctx context.Context
		ctx, s.stop = context.WithCancel(t.Context())
		config, err := Config{
			Name: "h1", Token: "token", Abort: s.abort, DrainLimit: 20 * time.Second, MaxJobs: 3,
			Dial: func(ctx context.Context) (Conn, error) {
				answer := make(chan *pipe)
				select {
				case s.dials <- answer:
				case <-ctx.Done():
					return nil, ctx.Err()
				}
				if p := <-answer; p != nil {
					return p, nil
				}
				return nil, errors.New("connection refused")
			},
		}.withDefaults()
		if err != nil {
			t.Fatal(err)
		}
		go func() { s.result <- newSession(config, s.runner).run(ctx) }()
		defer s.finish()
		f(s)
	})
}

// finish ends the session, whatever it is at.
func (s *story) finish() {
	defer close(s.runner.gone)
	s.stop()
	close(s.abort)
	for {
		select {
		case answer := <-s.dials: // whoever still dials is refused
			answer <- nil
		case err := <-s.result:
			s.t.Logf("the session ended with %v", err)
			return
		case <-time.After(time.Hour):
			s.t.Error("the session does not end")
			return
		}
	}
}

// connect takes the next dial and gives its Hello.
func (s *story) connect() *wire.Hello {
	s.t.Helper()
	s.conn = &pipe{toHost: make(chan *wire.DaemonMessage), fromHost: make(chan *wire.HostMessage), closed: make(chan struct{})}
	answer := <-s.dials
	answer <- s.conn
	hello := s.hear().GetHello()
	if hello == nil {
		s.t.Fatal("the first message is no Hello")
	}
	return hello
}

// hear is the next message that is no heartbeat; nil when the connection was closed.
func (s *story) hear() *wire.HostMessage {
	for {
		select {
		case m := <-s.conn.fromHost:
			beat := m.GetHeartbeat()
			if beat == nil {
				return m
			}
			if s.answers {
				s.say(wire.DaemonMessage{Body: &wire.DaemonMessage_HeartbeatAck{HeartbeatAck: &wire.HeartbeatAck{Number: beat.Number}}})
			}
		case <-s.conn.closed:
			return nil
		}
	}
}

func (s *story) say(m wire.DaemonMessage) {
	s.t.Helper()
	select {
	case s.conn.toHost <- &m:
	case <-s.conn.closed:
		s.t.Error("the host closed the connection") // not Fatal: it is also called from other goroutines
	}
	synctest.Wait()
}

const (
	testLease     = 60 * time.Second
	testHeartbeat = 5 * time.Second
)

func welcome(kill ...*wire.Attempt) wire.DaemonMessage {
	return wire.DaemonMessage{Body: &wire.DaemonMessage_Welcome{Welcome: &wire.Welcome{
		Session: "secret", LeaseNs: int64(testLease), HeartbeatNs: int64(testHeartbeat), Kill: kill,
	}}}
}

func (s *story) join() {
	s.t.Helper()
	s.connect()
	s.say(welcome())
}

func start(key attemptKey) wire.DaemonMessage {
	return wire.DaemonMessage{Body: &wire.DaemonMessage_Start{Start: &wire.Start{Attempt: key.wire()}}}
}

func acknowledge(key attemptKey) wire.DaemonMessage {
	return wire.DaemonMessage{Body: &wire.DaemonMessage_EndedAck{EndedAck: &wire.EndedAck{Attempt: key.wire()}}}
}

var leave = wire.DaemonMessage{Body: &wire.DaemonMessage_Leave{Leave: &wire.Leave{}}}

func attemptOf(job int64) attemptKey {
	return keyOf(&wire.Attempt{Job: job, Attempt: 1})
}

// ended hears the end of a job.
func (s *story) ended(key attemptKey) *wire.Ended {
	s.t.Helper()
	for {
		switch m := s.hear(); {
		case m == nil:
			s.t.Fatalf("the connection was closed before the end of %v", key)
		case m.GetEnded() != nil && keyOf(m.GetEnded().Attempt) == key:
			return m.GetEnded()
		}
	}
}

// over gives what run returned.
func (s *story) over() error {
	s.t.Helper()
	for {
		select {
		case err := <-s.result:
			s.result <- err
			return err
		case answer := <-s.dials:
			answer <- nil
		case <-s.conn.fromHost:
		case <-time.After(time.Hour):
			s.t.Fatal("the session does not end")
		}
	}
}

func TestJoinTokenThenSession(t *testing.T) {
	tell(t, func(s *story) {
		first := s.connect()
		want := &wire.Hello{Host: "h1", Token: "token", Pid: int32(os.Getpid()), Peeks: true, Terminals: true, Inputs: true, Changes: true}
		if diff := cmp.Diff(want.String(), first.String()); diff != "" {
			t.Error(diff)
		}
		s.say(welcome())
		_ = s.conn.Close()
		second := s.connect()
		if second.Token != "" || second.Session != "secret" {
			t.Errorf("came back as %v", second)
		}
	})
}

func TestStartTwiceRunsOnce(t *testing.T) {
	tell(t, func(s *story) {
		s.join()
		key := attemptOf(1)
		s.say(start(key))
		s.say(start(key))
		s.runner.says <- endFrame(key, 3)
		s.ended(key)
		s.say(start(key)) // ended, not acknowledged
		s.say(acknowledge(key))
		s.say(start(key)) // acknowledged
		if got := s.runner.kinds(); len(got) != 1 {
			t.Errorf("the keeper was told %v", got)
		}
		again := key
		again.attempt++
		s.say(start(again))
		if got := s.runner.kinds(); len(got) != 2 {
			t.Errorf("a new attempt did not start: %v", got)
		}
	})
}

func TestEndedIsSentUntilAcknowledged(t *testing.T) {
	tell(t, func(s *story) {
		s.join()
		running, ended := attemptOf(1), attemptOf(2)
		s.say(start(running))
		s.say(start(ended))
		_ = s.conn.Close() // it ends while nobody hears
		s.runner.says <- endFrame(ended, 3)
		for range 3 {
			hello := s.connect()
			if len(hello.Known) != 2 || keyOf(hello.Known[0]) != running || keyOf(hello.Known[1]) != ended {
				t.Errorf("known: %v", hello.Known)
			}
			s.say(welcome())
			if got := s.ended(ended); got.ExitCode != 3 {
				t.Errorf("%v", got)
			}
			_ = s.conn.Close()
		}
		s.connect()
		s.say(welcome())
		s.ended(ended)
		s.say(acknowledge(ended))
		_ = s.conn.Close()
		if hello := s.connect(); len(hello.Known) != 1 || keyOf(hello.Known[0]) != running {
			t.Errorf("known after the acknowledgement: %v", hello.Known)
		}
	})
}

func TestWelcomeKillsWhatIsNoLongerOurs(t *testing.T) {
	tell(t, func(s *story) {
		s.join()
		running, ended := attemptOf(1), attemptOf(2)
		s.say(start(running))
		s.say(start(ended))
		s.runner.says <- endFrame(ended, 0)
		_ = s.conn.Close()
		s.connect()
		s.say(welcome(running.wire(), ended.wire(), attemptOf(99).wire()))
		last := s.runner.frames[len(s.runner.frames)-1]
		if a, ok := last.body.(*wire.Attempt); last.kind != frameDisown || !ok || keyOf(a) != running {
			t.Errorf("the keeper was told %v", last)
		}
		s.runner.says <- endFrame(running, 137)
		_ = s.conn.Close()
		if hello := s.connect(); len(hello.Known) != 0 {
			t.Errorf("known: %v", hello.Known)
		}
	})
}

// The lease runs from the sending of what was answered last, and jobs are ended when it is over, a tenth early.
func TestLeaseEndsJobs(t *testing.T) {
	tell(t, func(s *story) {
		s.join()
		key := attemptOf(1)
		s.say(start(key))
		<-time.After(testHeartbeat)
		beat := <-s.conn.fromHost
		sent := time.Now()
		<-time.After(time.Second)
		s.say(wire.DaemonMessage{Body: &wire.DaemonMessage_HeartbeatAck{HeartbeatAck: &wire.HeartbeatAck{Number: beat.GetHeartbeat().GetNumber()}}})
		if got, want := s.runner.leases[len(s.runner.leases)-1], testLease*9/10-time.Second; got != want {
			t.Errorf("the keeper's lease: %v, want %v", got, want)
		}
		_ = s.conn.Close()
		if err := s.over(); !errors.Is(err, ErrLease) || ExitCode(err) != 3 {
			t.Errorf("ended with %v", err)
		}
		if got := time.Since(sent); got != testLease*9/10 {
			t.Errorf("ended after %v", got)
		}
		if got := s.runner.kinds(); got[len(got)-1] != frameDisownAll {
			t.Errorf("the keeper was told %v", got)
		}
	})
}

func TestKeeperSaysLeaseIsOver(t *testing.T) {
	tell(t, func(s *story) {
		s.join()
		s.runner.says <- &frame{kind: frameExpired}
		if err := s.over(); !errors.Is(err, ErrLease) {
			t.Errorf("ended with %v", err)
		}
	})
}

// A connection on which nothing is answered is made anew long before the lease is over.
func TestSilentConnectionIsReplaced(t *testing.T) {
	tell(t, func(s *story) {
		s.join()
		at := time.Now()
		if m := s.hear(); m != nil {
			t.Fatalf("heard %v", m)
		}
		if got := time.Since(at); got != silentHeartbeats*testHeartbeat {
			t.Errorf("dropped after %v", got)
		}
		s.connect()
		at = time.Now()
		if m := s.hear(); m != nil {
			t.Fatalf("heard %v", m)
		}
		if got := time.Since(at); got != welcomePatience {
			t.Errorf("without a welcome: dropped after %v", got)
		}
	})
}

func TestBackoff(t *testing.T) {
	tell(t, func(s *story) {
		last := time.Now()
		for try := range 12 {
			answer := <-s.dials
			waited := time.Since(last)
			limit := min(firstBackoff<<max(try-1, 0), maxBackoff)
			if try > 0 && (waited < limit/2 || waited > limit) {
				t.Errorf("try %d came after %v, want %v to %v", try, waited, limit/2, limit)
			}
			answer <- nil
			last = time.Now()
		}
	})
}

func TestNeverJoined(t *testing.T) {
	tell(t, func(s *story) {
		s.conn = &pipe{}
		began := time.Now()
		if err := s.over(); !errors.Is(err, ErrLease) || time.Since(began) != 10*time.Minute {
			t.Errorf("ended with %v after %v", err, time.Since(began))
		}
	})
}

func TestRefused(t *testing.T) {
	tell(t, func(s *story) {
		s.connect()
		s.say(wire.DaemonMessage{Body: &wire.DaemonMessage_Refused{Refused: &wire.Refused{Reason: "not now"}}})
		s.connect() // tries again
		s.say(wire.DaemonMessage{Body: &wire.DaemonMessage_Refused{Refused: &wire.Refused{Reason: "bad token", Final: true}}})
		err := s.over()
		if !errors.Is(err, ErrRefused) || ExitCode(err) != 2 || !strings.Contains(err.Error(), "bad token") {
			t.Errorf("ended with %v", err)
		}
	})
}

func TestLeave(t *testing.T) {
	for _, busy := range []bool{false, true} {
		tell(t, func(s *story) {
			s.join()
			key := attemptOf(1)
			if busy {
				s.say(start(key))
			}
			go s.say(leave)
			if busy {
				<-time.After(time.Second)
				s.runner.says <- endFrame(key, 0)
				s.ended(key)
				go s.say(acknowledge(key))
			}
			if err := s.over(); err != nil {
				t.Errorf("busy %v: ended with %v", busy, err)
			}
		})
	}
}

func TestDrain(t *testing.T) {
	tell(t, func(s *story) {
		s.join()
		quick, slow := attemptOf(1), attemptOf(2)
		s.say(start(quick))
		s.say(start(slow))
		began := time.Now()
		s.answers = true
		s.stop()
		if s.hear().GetDraining() == nil {
			t.Error("the daemon was not told of the drain")
		}
		s.runner.says <- endFrame(quick, 0)
		s.ended(quick)
		go s.say(acknowledge(quick))
		if got := s.ended(slow); got.ExitCode != 137 {
			t.Errorf("%v", got)
		}
		if got := time.Since(began); got != 20*time.Second {
			t.Errorf("ended the slow job after %v", got)
		}
		go s.say(acknowledge(slow))
		if err := s.over(); err != nil {
			t.Errorf("ended with %v", err)
		}
	})
}

func TestAbort(t *testing.T) {
	tell(t, func(s *story) {
		s.join()
		key := attemptOf(1)
		s.say(start(key))
		s.abort <- struct{}{}
		if got := s.ended(key); got.ExitCode != 137 {
			t.Errorf("%v", got)
		}
		if got := s.runner.kinds(); got[len(got)-1] != frameEndAll {
			t.Errorf("the keeper was told %v", got)
		}
		go s.say(acknowledge(key))
		if err := s.over(); !errors.Is(err, ErrAborted) || ExitCode(err) != 130 {
			t.Errorf("ended with %v", err)
		}
	})
}

func TestKeeperGone(t *testing.T) {
	tell(t, func(s *story) {
		s.join()
		key := attemptOf(1)
		s.say(start(key))
		close(s.runner.says)
		if got := s.ended(key); got.ExitCode != 137 || got.Reason == "" {
			t.Errorf("%v", got)
		}
		go s.say(acknowledge(key))
		if err := s.over(); !errors.Is(err, ErrKeeper) || ExitCode(err) != 4 {
			t.Errorf("ended with %v", err)
		}
	})
}

func TestTooManyJobs(t *testing.T) {
	tell(t, func(s *story) {
		s.join()
		for n := range int64(3) {
			s.say(start(attemptOf(n + 1)))
		}
		go s.say(start(attemptOf(4)))
		if got := s.ended(attemptOf(4)); got.ExitCode != exitNotStarted || !strings.Contains(got.Reason, "3 jobs already") {
			t.Errorf("%v", got)
		}
	})
}

// A daemon that breaks the rules loses the connection, not the host.
func TestNonsenseFromDaemon(t *testing.T) {
	nonsense := map[string][]wire.DaemonMessage{
		"before welcome": {start(attemptOf(1))},
		"empty":          {{}},
		"no lease":       {{Body: &wire.DaemonMessage_Welcome{Welcome: &wire.Welcome{Session: "s", HeartbeatNs: 1e9}}}},
		"no heartbeat":   {{Body: &wire.DaemonMessage_Welcome{Welcome: &wire.Welcome{Session: "s", LeaseNs: 1e9}}}},
		"no session":     {{Body: &wire.DaemonMessage_Welcome{Welcome: &wire.Welcome{LeaseNs: 1e10, HeartbeatNs: 1e9}}}},
		"two welcomes":   {welcome(), welcome()},
	}
	for name, messages := range nonsense {
		tell(t, func(s *story) {
			s.connect()
			for _, m := range messages {
				s.say(m)
			}
			if m := s.hear(); m != nil {
				t.Errorf("%s: heard %v", name, m)
			}
			s.connect()
		})
	}
}
