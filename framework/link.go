package framework

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync/atomic"
	"time"

	mesos "github.com/mesos/mesos-go/api/v1/lib"
	"github.com/mesos/mesos-go/api/v1/lib/scheduler"
	"github.com/mesos/mesos-go/api/v1/lib/scheduler/calls"
	"github.com/sirupsen/logrus"
)

const (
	missedHeartbeats  = 5
	defaultHeartbeat  = 15 * time.Second
	firstRetry        = 250 * time.Millisecond
	lastRetry         = 15 * time.Second
	steadySession     = 10 * time.Second // a session that lasted so long was no failure
	orphanedTimeout   = 30 * time.Second
	bucketFramework   = "framework"
	keyFrameworkID    = "id"
	keySubscribingFor = "subscribing" // since when, until the first subscription under the id
)

// session is one subscription. What is sent under it is dropped when it is over.
type session struct {
	at         endpoint
	streamID   string
	id         string // framework id
	suppressed bool   // was made with all roles suppressed
	over       atomic.Bool
	done       <-chan struct{} // closed when it is over
	end        context.CancelFunc
}

// What the link reports to the owner.
type (
	connected    struct{ *session }
	disconnected struct{ *session }
	removed      struct{} // the framework id is dead, and all tasks with it
	event        struct {
		*session
		*scheduler.Event
	}
)

var (
	errSilent = errors.New("the master was silent for 5 heartbeats")
	errNewID  = errors.New("subscribing again under the new framework id")
	errStale  = errors.New("it does not know our subscription any more")
)

// link keeps the framework subscribed until ctx ends, or for good is not.
type link struct {
	cfg        *Config
	detector   Detector
	store      Store
	transport  *transport
	mail       *mailbox
	suppressed *atomic.Bool // whether the fleet wants no offers
	leaving    *atomic.Bool // the framework is being torn down: the end of the stream is no failure
	current    atomic.Pointer[session]
	master     atomic.Pointer[string]
	trouble    atomic.Pointer[string] // the newest, nil while connected
	reconnects atomic.Int64
	// provisional says that the framework was made with a short failover timeout, and not subscribed with the real one yet:
	// nothing was done under its id.
	provisional bool
	dice        dice
	log         logrus.FieldLogger
	said        map[string]string // the last trouble with each master that was logged
}

// run returns nil when ctx ends, ErrFailedOver or ErrRemoved.
func (l *link) run(ctx context.Context, id string) error {
	failed, failures := "", 0
	for ctx.Err() == nil {
		began := time.Now()
		url, err := l.session(ctx, &id, failed)
		failed = url
		switch {
		case ctx.Err() != nil || l.leaving.Load():
			return nil
		case errors.Is(err, errNewID):
			failed, failures = "", 0
			continue
		case errors.Is(err, ErrRemoved) && (l.cfg.NewFrameworkID || l.provisional):
			if err := l.forgetID(ctx, &id); err != nil {
				l.complain(url, err)
				pause(ctx, lastRetry)
			}
			continue
		case errors.Is(err, ErrFailedOver), errors.Is(err, ErrRemoved):
			return err
		}
		if time.Since(began) > steadySession {
			failed, failures = "", 0
		}
		l.complain(url, err)
		l.reconnects.Add(1)
		if l.rest(ctx, l.dice.retryAfter(failures), url) {
			failed, failures = "", 0
			continue
		}
		failures++
	}
	return nil
}

// rest waits before the next attempt, or until another master than url leads: true.
func (l *link) rest(ctx context.Context, d time.Duration, url string) bool {
	ctx, cancel := context.WithTimeout(ctx, d)
	defer cancel()
	return l.detector.Deposed(ctx, url) != ""
}

// noLeader is that no master could be found to speak to.
type noLeader struct{ error }

func (n noLeader) Unwrap() error { return n.error }

// complain logs trouble with a master once, until it changes or is over.
func (l *link) complain(master string, err error) {
	text := oneLine(err.Error())
	whose := "not connected to the master at " + master
	if _, ok := errors.AsType[noLeader](err); ok {
		whose = "not connected to a master"
	}
	l.trouble.Store(&text)
	if text != l.said[whose] {
		l.said[whose] = text
		l.log.Warnf("%s: %s; retrying", whose, text)
	}
}

func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}

// forgetID makes way for a new framework after the master has removed the old one.
func (l *link) forgetID(ctx context.Context, id *string) error {
	if l.provisional {
		l.log.Warnf("the master has removed framework %s, under which nothing was done yet: taking a new framework id", *id)
	} else {
		l.log.Errorf("the master has removed framework %s with all its tasks: taking a new framework id, as allowed", *id)
	}
	if err := l.store.Put(ctx, bucketFramework, map[string][]byte{keyFrameworkID: nil}); err != nil {
		return fmt.Errorf("forget framework id: %w", err)
	}
	*id = ""
	l.mail.put(removed{})
	return nil
}

// session subscribes and reads events until the stream ends. It gives the master that it spoke to.
func (l *link) session(ctx context.Context, id *string, failed string) (string, error) {
	url, err := l.detector.Leader(ctx, failed)
	if err != nil {
		return "", noLeader{err}
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	secret, err := l.cfg.secret()
	if err != nil {
		return url, err
	}
	if *id == "" {
		// A store that cannot be written is found out before the master has a framework that nobody remembers.
		if err := l.store.Put(ctx, bucketFramework, map[string][]byte{keySubscribingFor: []byte(time.Now().Format(time.RFC3339))}); err != nil {
			return url, fmt.Errorf("prepare to store the framework id: %w", err)
		}
	}
	suppressed := l.suppressed.Load()
	watchdog := time.AfterFunc(answerTimeout+dialTimeout, func() { cancel(errSilent) })
	defer watchdog.Stop()
	at, stream, err := l.transport.subscribe(ctx, endpoint{url, l.cfg.Principal, secret}, l.subscribeCall(*id, suppressed))
	if err != nil {
		return url, because(ctx, err)
	}
	defer func() { _ = stream.Close() }() // what ended the stream is known; that its rest is unread does not matter
	s := &session{at: at, streamID: stream.Header.Get(streamIDHeader), suppressed: suppressed, done: ctx.Done(), end: func() { cancel(errStale) }}
	go l.watch(ctx, s, url, cancel)
	err = l.read(ctx, s, stream, watchdog, id)
	if s.id != "" && l.current.CompareAndSwap(s, nil) {
		s.over.Store(true)
		l.mail.put(disconnected{s})
	}
	return url, because(ctx, err)
}

// watch ends a session when another master leads. found is the one that the detector named; it may have sent us to the one
// that will be named next.
func (l *link) watch(ctx context.Context, s *session, found string, end context.CancelCauseFunc) {
	for next := found; next != ""; {
		if next = l.detector.Deposed(ctx, next); next != "" && next != s.at.url {
			end(fmt.Errorf("it does not lead any more: %s does", next))
			return
		}
	}
}

// because gives the reason why ctx was cancelled in place of the error that this caused.
func because(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); cause != nil && err != nil {
		return cause
	}
	return err
}

func (l *link) subscribeCall(id string, suppressed bool) *scheduler.Call {
	call := calls.Subscribe(frameworkInfo(l.cfg, id))
	if id == "" {
		// Killed before the id is stored, nobody would ever end this framework: let the master do it soon. The id once
		// stored, the real timeout is set by subscribing again.
		soon := orphanedTimeout.Seconds()
		call.Subscribe.FrameworkInfo.FailoverTimeout = &soon
	}
	if suppressed || id == "" {
		call.Subscribe.SuppressedRoles = call.Subscribe.FrameworkInfo.Roles
	}
	return call
}

// read hands events over as they come. The watchdog ends ctx when they stay away.
func (l *link) read(ctx context.Context, s *session, stream mesos.Response, watchdog *time.Timer, id *string) error {
	limit := answerTimeout
	for {
		watchdog.Reset(limit)
		var e scheduler.Event
		if err := stream.Decode(&e); err != nil {
			if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
				return errors.New("it ended the event stream")
			}
			return err
		}
		switch e.Type {
		case scheduler.Event_SUBSCRIBED:
			if err := l.subscribed(ctx, s, e.Subscribed, id); err != nil {
				return err
			}
			limit = heartbeat(e.Subscribed) * missedHeartbeats
		case scheduler.Event_ERROR:
			return errorOf(e.Error)
		default:
			if s.id == "" { // SUBSCRIBED was lost: what follows must not keep us waiting for it
				return fmt.Errorf("it sent %v before SUBSCRIBED", e.Type)
			}
			if e.Type == scheduler.Event_HEARTBEAT {
				continue
			}
			watchdog.Stop() // it is we who are slow now
			if err := l.mail.wait(ctx); err != nil {
				return err
			}
			l.mail.put(event{s, &e})
		}
	}
}

func heartbeat(s *scheduler.Event_Subscribed) time.Duration {
	interval := time.Duration(s.GetHeartbeatIntervalSeconds() * float64(time.Second))
	if interval <= 0 || interval > time.Hour {
		return defaultHeartbeat
	}
	return interval
}

func errorOf(e *scheduler.Event_Error) error {
	switch text := e.GetMessage(); text {
	case "Framework failed over":
		return ErrFailedOver
	case "Framework has been removed":
		return ErrRemoved
	default:
		return fmt.Errorf("it says %q", text)
	}
}

// subscribed stores a new framework id before anything is done under it, and opens the session.
func (l *link) subscribed(ctx context.Context, s *session, e *scheduler.Event_Subscribed, id *string) error {
	got := e.GetFrameworkID().GetValue()
	switch {
	case s.id != "": // it came twice; the session is others' to read by now
		return nil
	case got == "" || *id != "" && got != *id:
		return fmt.Errorf("it subscribed us as %q, not as %q", got, *id)
	case *id == "":
		err := l.store.Put(ctx, bucketFramework, map[string][]byte{keyFrameworkID: []byte(got)})
		if err != nil {
			// The master drops this framework after the short timeout that it was made with.
			return fmt.Errorf("store framework id %s: %w", got, err)
		}
		*id, l.provisional = got, true
		return errNewID
	case l.provisional:
		if err := l.store.Put(ctx, bucketFramework, map[string][]byte{keySubscribingFor: nil}); err != nil {
			return fmt.Errorf("store that framework id %s is valid: %w", got, err)
		}
		l.provisional = false
	}
	s.id = got
	master := s.at.url
	l.master.Store(&master)
	l.trouble.Store(nil)
	l.current.Store(s)
	l.mail.put(connected{s})
	clear(l.said)
	l.log.WithFields(logrus.Fields{"master": master, "framework": got}).Info("subscribed")
	return nil
}

// drop ends a session under which a call was refused.
func (s *session) drop() {
	if !s.over.Swap(true) {
		s.end()
	}
}
