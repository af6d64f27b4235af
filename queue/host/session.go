package host

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"time"

	"github.com/sirupsen/logrus"

	"sluice/queue/wire"
)

// runner runs jobs: the keeper, seen from the session.
type runner interface {
	send(f *frame)             // in order, without waiting; f must not be changed any more
	renew(lease time.Duration) // all jobs end when it is over
	events() <-chan *frame     // closed when the runner is gone and all jobs with it
}

const (
	firstBackoff = 100 * time.Millisecond
	maxBackoff   = 15 * time.Second
	// welcomePatience is how long the daemon may take to answer a Hello.
	welcomePatience = 15 * time.Second
	minHeartbeat    = time.Millisecond
	// silentHeartbeats is how many heartbeats without an answer make a connection count as broken.
	silentHeartbeats = 3
	// ackPatience is how long an ending host waits for the last acknowledgements.
	ackPatience = 5 * time.Second
	// fetchPatience is how long an ending host waits until the daemon has fetched what its jobs wrote.
	fetchPatience = 10 * time.Second
	// endPatience is how long an ending host waits for killed jobs to be gone.
	endPatience = 30 * time.Second
)

// session is the host's side of the conversation with the daemon. One goroutine (run) owns it.
type session struct {
	config  Config
	log     logrus.FieldLogger
	runner  runner
	known   *known
	kept    map[attemptKey]*wire.Kept     // output of ended jobs that the daemon has not fetched
	asked   map[attemptKey]*wire.AskInput // questions that the daemon has not answered
	held    held
	ending  *ending // nil while the host serves
	result  error
	over    bool
	token   string // until the daemon has given a session
	secret  string // the session
	giveUp  time.Time
	tries   int // since the last Welcome
	retryAt time.Time

	conn     *connection // nil: not connected
	dialing  bool
	dialed   chan dialed
	incoming chan incoming
	done     chan struct{}

	load   loadMeter
	loadAt time.Time // when the machine's load is to be told

	lease     time.Duration
	leaseEnd  time.Time // zero: never joined
	heartbeat time.Duration
}

// connection is one connection to the daemon.
type connection struct {
	conn     Conn
	out      *outbox
	welcomed bool
	usages   bool // the daemon takes Usages
	loads    bool // and HostLoad
	helloAt  time.Time
	heardAt  time.Time // of the last Welcome or HeartbeatAck
	beatAt   time.Time // of the next Heartbeat
	beats    int64     // sent
	sentAt   [2 * silentHeartbeats]time.Time
}

type dialed struct {
	conn Conn
	err  error
}

type incoming struct {
	from    *connection
	message *wire.DaemonMessage
	err     error
}

func newSession(config Config, r runner) *session {
	return &session{
		config: config, log: config.Logger.WithField("host", config.Name), runner: r, known: newKnown(),
		kept: map[attemptKey]*wire.Kept{}, asked: map[attemptKey]*wire.AskInput{}, token: config.Token,
		dialed: make(chan dialed), incoming: make(chan incoming), done: make(chan struct{}),
	}
}

// run talks until the host is to end, and gives why it ended, nil when in order.
func (s *session) run(ctx context.Context) error {
	defer close(s.done)
	defer s.disconnect()
	// Dialling goes on while a cancelled host drains.
	dialCtx, stopDialling := context.WithCancel(context.WithoutCancel(ctx))
	defer stopDialling()

	now := time.Now()
	s.giveUp = now.Add(s.config.JoinTimeout)
	s.retryAt = now
	drain, abort := ctx.Done(), s.config.Abort
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		if s.check(dialCtx, time.Now()); s.over {
			return s.result
		}
		timer.Reset(time.Until(s.nextCheck()))
		select {
		case f, ok := <-s.runner.events():
			if !ok {
				s.runnerGone()
			} else {
				s.fromRunner(f)
			}
		case d := <-s.dialed:
			s.connected(d, time.Now())
		case in := <-s.incoming:
			s.received(in, time.Now())
		case <-drain:
			drain = nil
			s.drain(time.Now())
		case <-abort:
			abort = nil
			s.end(ending{err: ErrAborted, rank: 2, killAt: time.Now(), reason: "the host was told to end at once"})
		case <-timer.C:
		}
	}
}

// check does what is due at this time.
func (s *session) check(ctx context.Context, now time.Time) {
	s.release(now)
	c := s.conn
	switch {
	case !s.leaseEnd.IsZero() && !now.Before(s.leaseEnd):
		s.expire(fmt.Sprintf("no answer for the lease of %v", s.lease), now)
	case s.leaseEnd.IsZero() && !now.Before(s.giveUp):
		s.expire(fmt.Sprintf("could not join within %v", s.config.JoinTimeout), now)
	}
	switch {
	case c == nil:
		if !s.dialing && !now.Before(s.retryAt) {
			s.dial(ctx)
		}
	case !c.welcomed:
		if now.Sub(c.helloAt) >= welcomePatience {
			s.broken(errors.New("no welcome"), now)
		}
	case now.Sub(c.heardAt) >= silentHeartbeats*s.heartbeat:
		s.broken(errors.New("no answer to heartbeats"), now)
	case !now.Before(c.beatAt):
		c.beats++
		c.sentAt[c.beats%int64(len(c.sentAt))] = now
		c.beatAt = now.Add(s.heartbeat)
		c.send(&wire.HostMessage{Body: &wire.HostMessage_Heartbeat{Heartbeat: &wire.Heartbeat{Number: c.beats}}})
	}
	s.tellLoad(now)
	s.checkEnd(now)
}

// nextCheck is when check has something to do if nothing else happens.
func (s *session) nextCheck() time.Time {
	next := s.giveUp
	if !s.leaseEnd.IsZero() {
		next = s.leaseEnd
	}
	earlier := func(t time.Time) {
		if t.Before(next) {
			next = t
		}
	}
	if len(s.held.ends) > 0 {
		earlier(s.held.until)
	}
	switch c := s.conn; {
	case c == nil && !s.dialing:
		earlier(s.retryAt)
	case c == nil:
	case !c.welcomed:
		earlier(c.helloAt.Add(welcomePatience))
	default:
		earlier(c.beatAt)
		if c.loads {
			earlier(s.loadAt)
		}
		earlier(c.heardAt.Add(silentHeartbeats * s.heartbeat))
	}
	if e := s.ending; e != nil {
		now := time.Now()
		if next.Before(now) { // the lease is over, and that has been seen to
			next = now.Add(time.Second)
		}
		e.times(now, earlier)
	}
	return next
}

func (s *session) dial(ctx context.Context) {
	s.dialing = true
	go func() {
		conn, err := s.config.Dial(ctx)
		select {
		case s.dialed <- dialed{conn, err}:
		case <-s.done:
			if err == nil {
				_ = conn.Close() // nobody wants it any more
			}
		}
	}()
}

// connected says Hello on a new connection.
func (s *session) connected(d dialed, now time.Time) {
	s.dialing = false
	if d.err != nil {
		s.retry(d.err, now)
		return
	}
	c := &connection{conn: d.conn, helloAt: now}
	s.conn = c
	c.out = newOutbox(d.conn, func(err error) { s.deliver(incoming{from: c, err: err}) })
	go func() {
		for {
			in := incoming{from: c, message: new(wire.DaemonMessage)}
			in.err = d.conn.Receive(in.message, 0)
			if !s.deliver(in) || in.err != nil {
				return
			}
		}
	}()
	hello := &wire.Hello{
		Host: s.config.Name, Token: s.token, Session: s.secret, Version: s.config.Version, Pid: int32(os.Getpid()),
		Location: s.config.Location, Peeks: true, Terminals: true, Inputs: true, Changes: true,
	}
	for _, key := range s.known.keys() {
		if !s.known.entries[key].disowned {
			hello.Known = append(hello.Known, key.wire())
		}
	}
	for _, kept := range s.kept {
		hello.Kept = append(hello.Kept, kept)
	}
	c.send(&wire.HostMessage{Body: &wire.HostMessage_Hello{Hello: hello}})
}

func (s *session) deliver(in incoming) bool {
	select {
	case s.incoming <- in:
		return true
	case <-s.done:
		return false
	}
}

func (c *connection) send(m *wire.HostMessage) { c.out.send(m) }

// broken drops the connection, to be made again.
func (s *session) broken(err error, now time.Time) {
	s.disconnect()
	s.retry(err, now)
}

func (s *session) disconnect() {
	if s.conn == nil {
		return
	}
	s.hangUp()
	s.conn.out.close()
	if err := s.conn.conn.Close(); err != nil {
		s.log.WithError(err).Debug("close connection")
	}
	s.conn = nil
}

// retry sets the time of the next try: doubling, with jitter, so that a daemon that comes back is not met by all its hosts
// at once.
func (s *session) retry(err error, now time.Time) {
	limit := min(firstBackoff<<min(s.tries, 20), maxBackoff)
	wait := limit/2 + rand.N(limit/2)
	s.tries++
	s.retryAt = now.Add(wait)
	s.log.WithError(err).WithField("retry_in", wait.Round(time.Millisecond).String()).Warn("no connection to the batch daemon")
}
