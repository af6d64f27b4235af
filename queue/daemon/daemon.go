package daemon

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sirupsen/logrus"

	"sluice/queue"
)

// Limits of what the daemon does at once.
const (
	maxQueued    = 4096             // requests that wait for the owner
	maxBatch     = 1024             // requests of one batch
	maxSessions  = 16_384           // connections of hosts
	maxStreams   = 64               // answers that are streamed
	maxWaiting   = 8192             // clients that wait for a job's end
	maxUploads   = 4                // batches of jobs that are being read
	maxConns     = 32_768           // connections of one listener
	helloTimeout = 10 * time.Second // from a host's connection to its Hello
	retryJournal = time.Second      // between attempts to write a journal that failed
)

// Daemon is the embedded batch daemon. Its methods are safe for concurrent use.
type Daemon struct {
	cfg     Config
	log     logrus.FieldLogger
	mux     *http.ServeMux
	users   *directory
	binary  *binary
	started time.Time
	// settings are those in force; Reconfigure changes them, in the owner goroutine.
	settings atomic.Pointer[Settings]

	requests chan *request
	quit     chan struct{} // closed when the daemon is to end
	ended    chan struct{} // closed when the owner has ended
	happened chan struct{} // there are events that the history has not read
	stop     sync.Once
	services sync.WaitGroup

	hosting, streaming, waiting, uploading, spooling, fetching, attaching gate

	mu      sync.Mutex
	closing bool
	closers map[*closer]struct{} // listeners and connections, to be closed by Stop

	owned // by the owner goroutine
}

// owned is what only the owner goroutine touches.
type owned struct {
	q         *queue.Queue // nil after it could not be built anew
	events    []queue.Event
	sessions  map[string]*session // joined hosts
	fresh     map[string]bool     // hosts whose newest session has said nothing yet: their token is good again
	waiters   map[int64]map[*waiter]bool
	terminals map[queue.ID]*terminal // clients of interactive jobs
	weights   map[string]float64     // of queues, where they are not the configuration's
	anew      bool                   // the queue was reconfigured since it last scheduled
	cause     error                  // why the journal cannot be written; nil = it can
	retryAt   time.Time
}

// Open replays the journal and starts the daemon; hosts that had joined are unavailable until they come back.
func Open(ctx context.Context, config Config) (*Daemon, error) {
	if err := config.complete(); err != nil {
		return nil, fmt.Errorf("open batch daemon: %w", err)
	}
	d := &Daemon{
		cfg: config, log: config.Logger, mux: http.NewServeMux(), started: now(),
		requests: make(chan *request, maxQueued), quit: make(chan struct{}), ended: make(chan struct{}),
		happened: make(chan struct{}, 1),
		hosting:  newGate(maxSessions), streaming: newGate(maxStreams), waiting: newGate(maxWaiting), uploading: newGate(maxUploads),
		spooling: newGate(maxUploadInputs), fetching: newGate(maxFetches), attaching: newGate(maxTerminals),
		closers: make(map[*closer]struct{}),
		owned: owned{
			events: make([]queue.Event, 0, maxBatch), sessions: make(map[string]*session), fresh: make(map[string]bool),
			waiters: make(map[int64]map[*waiter]bool), terminals: make(map[queue.ID]*terminal),
		},
	}
	settings, err := config.settings()
	if err != nil {
		return nil, fmt.Errorf("open batch daemon: %w", err)
	}
	d.settings.Store(settings)
	if d.users, err = openDirectory(func() []string { return d.settings.Load().Admins }, config.TokenFile); err != nil {
		return nil, fmt.Errorf("open batch daemon: %w", err)
	}
	if d.q, err = d.rebuild(ctx); err != nil {
		return nil, fmt.Errorf("open batch daemon: %w", err)
	}
	if err := d.loseHosts(ctx); err != nil {
		return nil, fmt.Errorf("open batch daemon: %w", err)
	}
	if d.binary, err = openBinary(config); err != nil {
		return nil, fmt.Errorf("open batch daemon: %w", err)
	}
	d.routes()
	d.services.Go(d.compactor)
	if config.History != nil {
		d.news() // of what an earlier daemon journaled last
		d.services.Go(d.historian)
	}
	go d.own()
	return d, nil
}

// loseHosts says of all hosts that they are not connected, which after a restart none is.
func (d *Daemon) loseHosts(ctx context.Context) error {
	d.loseStrangers(now())
	d.events = d.q.Take(d.events[:0])
	return d.cfg.Journal.Append(ctx, d.events)
}

// loseStrangers loses the hosts that count as connected but have no session.
func (d *Daemon) loseStrangers(now time.Time) {
	for _, h := range d.q.Hosts() {
		if h.Status != queue.HostOK || d.sessions[h.Name] != nil {
			continue
		}
		if err := d.q.LoseHost(now, h.Name); err != nil {
			d.log.WithError(err).WithField("host", h.Name).Error("cannot count a host as lost")
		}
	}
}

// rebuild makes a Queue of what the journal holds.
func (d *Daemon) rebuild(ctx context.Context) (*queue.Queue, error) {
	q, err := queue.New(d.settings.Load().Queue)
	if err != nil {
		return nil, err
	}
	if err := d.weigh(q); err != nil {
		return nil, err
	}
	return q, d.cfg.Journal.Replay(ctx, q.Apply)
}

// compactor compacts the journal from time to time.
func (d *Daemon) compactor() {
	ctx, cancel := d.untilStop()
	defer cancel()
	ticker := time.NewTicker(d.cfg.CompactEvery)
	defer ticker.Stop()
	for {
		select {
		case <-d.quit:
			return
		case <-ticker.C:
		}
		if d.cfg.History != nil {
			if err := d.cfg.History.Maintain(ctx, now()); err != nil && !errors.Is(err, context.Canceled) {
				d.log.WithError(err).Warn("cannot keep the history; trying again later")
			}
		}
		if err := d.sweepInputs(ctx, now()); err != nil && !errors.Is(err, context.Canceled) {
			d.log.WithError(err).Warn("cannot remove input files of former jobs; trying again later")
		}
		deleted, err := d.cfg.Journal.Compact(ctx)
		switch {
		case err != nil && !errors.Is(err, context.Canceled):
			d.log.WithError(err).Warn("cannot compact the journal; trying again later")
		case deleted > 0:
			d.log.WithField("events", deleted).Info("journal compacted")
		}
	}
}

// Stop ends the daemon: listeners and connections (the hosts keep their jobs), then the owner. It may be called more than
// once, and returns when all of the daemon's goroutines have ended.
func (d *Daemon) Stop() {
	d.stop.Do(func() {
		close(d.quit)
		d.mu.Lock()
		d.closing = true
		open := make([]*closer, 0, len(d.closers))
		for c := range d.closers {
			open = append(open, c)
		}
		d.mu.Unlock()
		for _, c := range open {
			c.end()
		}
	})
	<-d.ended
	d.services.Wait()
	d.binary.close()
}

// closer is something that Stop closes.
type closer struct{ end func() }

// track has Stop call end, unless release was called before. It gives false, having called end, where the daemon is
// ending.
func (d *Daemon) track(end func()) (release func(), ok bool) {
	c := &closer{end}
	d.mu.Lock()
	if !d.closing {
		d.closers[c] = struct{}{}
		ok = true
	}
	d.mu.Unlock()
	if !ok {
		end()
		return func() {}, false
	}
	return func() {
		d.mu.Lock()
		delete(d.closers, c)
		d.mu.Unlock()
	}, true
}

// now is the time as events keep it.
func now() time.Time { return time.Now().UTC().Round(0) }

// gate bounds how many do something at once.
type gate chan struct{}

func newGate(n int) gate { return make(gate, n) }

// tryEnter reports whether there was room.
func (g gate) tryEnter() bool {
	select {
	case g <- struct{}{}:
		return true
	default:
		return false
	}
}

// enter waits for room.
func (g gate) enter(ctx context.Context) error {
	select {
	case g <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (g gate) leave() { <-g }
