package zk

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/go-zookeeper/zk"
	"github.com/sirupsen/logrus"
)

const (
	// detectTimeout is the session's time while only reading: it decides how soon a hanging server is left for another.
	detectTimeout = 10 * time.Second
	// patience is how long Leader waits before it says why there is none.
	patience = 5 * time.Second
)

// Detector knows the leading Mesos master from ZooKeeper. Its methods may be called from any goroutine. It connects when it
// is first asked.
type Detector struct {
	address Address
	secure  bool
	timeout time.Duration // of a session
	log     logrus.FieldLogger

	start   sync.Once
	stop    context.CancelFunc
	ctx     context.Context
	running sync.WaitGroup

	mu      sync.Mutex
	leader  string        // URL; "" = none is known
	trouble error         // why the newest look at ZooKeeper gave no leader
	away    bool          // it was said that ZooKeeper cannot be asked
	changed chan struct{} // closed and made anew when leader changes
}

// NewDetector is for the masters that register at an address. secure says that they speak TLS, which their registration
// does not tell. Close it.
func NewDetector(address Address, secure bool, log logrus.FieldLogger) *Detector {
	ctx, stop := context.WithCancel(context.Background())
	return &Detector{address: address, secure: secure, timeout: detectTimeout, log: log, ctx: ctx, stop: stop, changed: make(chan struct{})}
}

// Close ends the connection to ZooKeeper. Calling it again does nothing.
func (d *Detector) Close() {
	d.stop()
	d.start.Do(func() {})
	d.running.Wait()
}

// Leader gives the URL of the leading master, also when that has just failed: until another one registers it is the leader.
// Where none is known it waits, until ctx ends or for some seconds: then the error says why there is none.
func (d *Detector) Leader(ctx context.Context, _ string) (string, error) {
	d.begin()
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		leader, changed, _ := d.known()
		if leader != "" {
			return leader, nil
		}
		select {
		case <-changed:
			continue
		case <-d.ctx.Done():
			return "", errors.New("the detector is closed")
		case <-ctx.Done():
		}
		_, _, trouble := d.known()
		if trouble == nil {
			trouble = fmt.Errorf("ZooKeeper at %s does not answer", d.address.servers())
		}
		return "", trouble
	}
}

func (d *Detector) begin() { d.start.Do(func() { d.running.Go(d.run) }) }

func (d *Detector) known() (leader string, changed <-chan struct{}, trouble error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.leader, d.changed, d.trouble
}

// Deposed waits until another master than url is known to lead, and gives its URL; "" when ctx ends before. That none is
// registered deposes nobody: a master is believed to lead until another does.
func (d *Detector) Deposed(ctx context.Context, url string) string {
	for {
		leader, changed, _ := d.known()
		if leader != "" && leader != url {
			return leader
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ""
		case <-d.ctx.Done():
			return ""
		}
	}
}

func (d *Detector) set(leader string, trouble error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.trouble = trouble
	if leader != d.leader {
		d.leader = leader
		close(d.changed)
		d.changed = make(chan struct{})
	}
}

// lost keeps the leader that is known: what cannot be asked has not changed. It is said once.
func (d *Detector) lost(trouble error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.trouble = trouble
	if d.leader != "" && !d.away {
		d.log.WithError(trouble).Warnf("no news of the leading master: staying with %s", d.leader)
		d.away = true
	}
}

// found ends what lost began.
func (d *Detector) found() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.away {
		d.log.Infof("ZooKeeper at %s is back", d.address.servers())
		d.away = false
	}
}

// run looks at the masters' nodes whenever they change, until Close.
func (d *Detector) run() {
	s, err := open(d.address, d.timeout, d.log)
	if err != nil {
		d.lost(err)
		return
	}
	defer s.close()
	for d.ctx.Err() == nil {
		watch, err := d.look(s)
		if err != nil {
			d.lost(s.explain(err))
			d.pause(retryAfter(err))
			continue
		}
		d.found()
		d.wait(s, watch)
	}
}

// wait returns when there is something new to look at.
func (d *Detector) wait(s *session, watch <-chan zk.Event) {
	for {
		select {
		case <-watch:
			return
		case <-d.ctx.Done():
			return
		case <-s.signal: // the watch outlives a connection
			if connected, _ := s.state(); connected {
				return
			}
			d.lost(s.explain(zk.ErrConnectionClosed))
		}
	}
}

func (d *Detector) pause(wait time.Duration) {
	select {
	case <-time.After(wait):
	case <-d.ctx.Done():
	}
}

// look reads who leads. The channel tells of a change, or of the end of the session.
func (d *Detector) look(s *session) (<-chan zk.Event, error) {
	if err := s.authenticate(); err != nil {
		return nil, err
	}
	for d.ctx.Err() == nil {
		children, _, watch, err := s.conn.ChildrenW(d.address.Path)
		if errors.Is(err, zk.ErrNoNode) {
			exists, _, watch, err := s.conn.ExistsW(d.address.Path)
			if err != nil {
				return nil, err
			}
			if !exists {
				d.set("", fmt.Errorf("ZooKeeper at %s has no path %s: no master has ever registered there", d.address.servers(), d.address.Path))
				return watch, nil
			}
			continue
		}
		if err != nil {
			return nil, err
		}
		node, old := leading(children)
		if node == "" || old {
			d.set("", d.nobody(old))
			return watch, nil
		}
		data, _, err := s.conn.Get(d.address.Path + "/" + node)
		if errors.Is(err, zk.ErrNoNode) {
			continue // gone since
		}
		if err != nil {
			return nil, err
		}
		leader, err := masterURL(data, d.secure)
		if err != nil {
			err = fmt.Errorf("node %s of ZooKeeper: %w", d.address.Path+"/"+node, err)
		}
		d.set(leader, err)
		return watch, nil
	}
	return nil, d.ctx.Err()
}

func (d *Detector) nobody(old bool) error {
	if old {
		return fmt.Errorf("the leading master at %s is older than Mesos 0.24 (it registers as info_, not as json.info_): want Mesos 1.0 or later", d.address)
	}
	return fmt.Errorf("no master is registered at %s", d.address)
}
