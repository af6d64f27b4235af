package framework

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	mesos "github.com/mesos/mesos-go/api/v1/lib"
	"github.com/mesos/mesos-go/api/v1/lib/scheduler"
	"github.com/mesos/mesos-go/api/v1/lib/scheduler/calls"
	"github.com/sirupsen/logrus"

	"sluice/framework/fleet"
	"sluice/queue"
)

// Framework is a scheduler framework at a Mesos master. Its methods may be called from any goroutine.
type Framework struct {
	cfg   Config
	store Store
	log   logrus.FieldLogger
	roles []string
	// random is the fleet's, for names and jitter.
	random *rand.Rand

	mail      *mailbox
	transport *transport
	link      *link
	sender    *sender
	keeper    *keeper
	clerk     *clerk
	// endDetector ends what was made to find the leading master.
	endDetector func()

	goal       atomic.Pointer[goal]
	floor      atomic.Int64
	suppressed atomic.Bool
	leaving    atomic.Bool
	counters

	start   sync.Once
	stop    sync.Once
	cancel  context.CancelFunc
	running sync.WaitGroup
	done    chan struct{}
	emptied chan struct{} // closed when, torn down, all hosts are removed

	mu     sync.Mutex
	err    error
	status Status
}

// Why a launch was given up.
var (
	errStoreBroken = errors.New("the store cannot be written")
	errTooSlow     = errors.New("the batch system took too long")
	errNotLeading  = errors.New("another instance may lead")
)

// New checks the configuration. Nothing is done before Start.
func New(cfg Config, batch Batch, store Store) (*Framework, error) {
	if err := cfg.check(); err != nil {
		return nil, err
	}
	security, err := cfg.security()
	if err != nil {
		return nil, err
	}
	detector, endDetector, err := cfg.detector()
	if err != nil {
		return nil, err
	}
	f := &Framework{
		cfg: cfg, store: store, log: cfg.Logger, roles: cfg.roles(), endDetector: endDetector,
		mail: newMailbox(), transport: newTransport(security), done: make(chan struct{}), emptied: make(chan struct{}),
		cancel: func() {}, random: rand.New(rand.NewPCG(rand.Uint64(), rand.Uint64())),
	}
	f.suppressed.Store(true)
	f.sender = newSender(f.transport, cfg.Leads, f.log)
	f.clerk = &clerk{cfg: &f.cfg, batch: batch, sender: f.sender, mail: f.mail, log: f.log, signal: make(chan struct{}, 1)}
	f.keeper = &keeper{
		store: store, sender: f.sender, clerk: f.clerk, abandon: f.abandon, log: f.log,
		signal: make(chan struct{}, 1),
	}
	f.link = &link{
		cfg: &f.cfg, detector: detector, store: store, transport: f.transport, mail: f.mail, suppressed: &f.suppressed,
		leaving: &f.leaving, said: make(map[string]string), log: f.log,
	}
	return f, nil
}

// Start reads the store and begins to subscribe; it does not wait for a master. ctx is for reading the store only: the
// framework runs until Stop.
func (f *Framework) Start(ctx context.Context) (err error) {
	f.start.Do(func() { err = f.open(ctx) })
	return err
}

func (f *Framework) open(ctx context.Context) error {
	id, hosts, err := f.load(ctx)
	if err != nil {
		return err
	}
	run, cancel := context.WithCancel(context.WithoutCancel(ctx))
	f.cancel = cancel
	o := &owner{
		Framework: f, ctx: run, offers: make(map[string]*mesos.Offer),
		fleet: fleet.New(f.cfg.Fleet, f.random, hosts),
	}
	o.publish()
	f.running.Go(func() { f.sender.run(run) })
	f.running.Go(func() { f.keeper.run(run) })
	f.running.Go(func() { f.clerk.run(run) })
	f.running.Go(o.run)
	f.running.Go(func() {
		if err := f.link.run(run, id); err != nil {
			f.fail(err)
		}
	})
	return nil
}

// load reads the framework id and the hosts.
func (f *Framework) load(ctx context.Context) (string, []fleet.Host, error) {
	if f.cfg.NewCluster {
		if err := f.store.Put(ctx, bucketFramework, map[string][]byte{keyFrameworkID: nil}); err != nil {
			return "", nil, fmt.Errorf("forget framework id: %w", err)
		}
	}
	own, err := f.store.All(ctx, bucketFramework)
	if err != nil {
		return "", nil, fmt.Errorf("read framework id: %w", err)
	}
	stored, err := f.store.All(ctx, bucketFleet)
	if err != nil {
		return "", nil, fmt.Errorf("read fleet: %w", err)
	}
	_, f.link.provisional = own[keySubscribingFor]
	var hosts []fleet.Host
	for name, data := range stored {
		var h fleet.Host
		if err := json.Unmarshal(data, &h); err != nil || h.Name() != name {
			return "", nil, errors.Join(fmt.Errorf("read host %s from the store: it is damaged", name), err)
		}
		if f.cfg.NewCluster {
			h.State, h.ProcessesGone, h.Reason = fleet.Gone, true, "its cluster has ended"
		}
		hosts = append(hosts, h)
	}
	return string(own[keyFrameworkID]), hosts, nil
}

// fail ends the framework for good: it sends nothing more.
func (f *Framework) fail(err error) {
	f.mu.Lock()
	f.err = err
	f.mu.Unlock()
	f.log.WithError(err).Error("the framework stands down")
	f.cancel()
	f.finish()
}

func (f *Framework) finish() { f.stop.Do(func() { close(f.done) }) }

// Stop disconnects and waits until nothing runs any more. The hosts run on: the master keeps them for the failover
// timeout, and the next framework on the same store takes them back. Calling it again does nothing.
func (f *Framework) Stop() {
	f.start.Do(func() {})
	f.cancel()
	f.running.Wait()
	f.transport.close()
	f.endDetector()
	f.mu.Lock()
	f.status.Connected = false
	f.mu.Unlock()
	f.finish()
}

// Done is closed when the framework has stopped, by Stop or for the reason that Err gives.
func (f *Framework) Done() <-chan struct{} { return f.done }

// Err is why the framework stopped by itself: ErrFailedOver or ErrRemoved; nil if it did not.
func (f *Framework) Err() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.err
}

// SetGoal hands over how many slots to hold, and the snapshot that this was computed from. It does not block; of several
// goals in quick succession only the newest counts.
func (f *Framework) SetGoal(slots int, snapshot queue.Snapshot) {
	f.goal.Store(&goal{slots: slots, snapshot: snapshot})
	wake(f.mail.signal)
}

// SetFloor says how many slots of the goal to hold even while no job needs them; 0 at first.
func (f *Framework) SetFloor(slots int) { f.floor.Store(int64(max(slots, 0))) }

// Drain closes a host and releases it when it is empty. An unknown host is a *queue.Error of KindNotFound.
func (f *Framework) Drain(host string) error {
	reply := make(chan error, 1)
	f.mail.put(drainRequest{host: host, reply: reply})
	select {
	case err := <-reply:
		return err
	case <-f.done:
		return &queue.Error{Kind: queue.KindUnavailable, Text: "drain " + host + ": the framework has stopped"}
	}
}

// Teardown ends the framework at the master, and with it all hosts and their jobs, and waits until the batch system has
// removed the hosts. Then Stop it.
func (f *Framework) Teardown(ctx context.Context) error {
	s := f.reconnected(ctx)
	if s == nil {
		return fmt.Errorf("tear down framework: %w", errNotConnected)
	}
	f.leaving.Store(true)
	reply := make(chan error, 1)
	f.sender.put(ctx, order{
		session: s, call: &scheduler.Call{Type: scheduler.Call_TEARDOWN},
		done: func(err error, _ bool) { reply <- err },
	})
	select {
	case err := <-reply:
		if err != nil {
			f.leaving.Store(false)
			return fmt.Errorf("tear down framework: %w", err)
		}
	case <-ctx.Done():
		return fmt.Errorf("tear down framework: %w", ctx.Err())
	}
	f.mail.put(tornDown{})
	if err := f.store.Put(ctx, bucketFramework, map[string][]byte{keyFrameworkID: nil}); err != nil {
		return fmt.Errorf("forget framework id: %w", err)
	}
	select {
	case <-f.emptied:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("wait for the batch system to remove the hosts: %w", ctx.Err())
	}
}

// reconnectWait is how long a subscription that is just being renewed is waited for.
const reconnectWait = 5 * time.Second

// reconnected is the session, also where it comes back soon; else nil.
func (f *Framework) reconnected(ctx context.Context) *session {
	ctx, cancel := context.WithTimeout(ctx, reconnectWait)
	defer cancel()
	look := time.NewTicker(10 * time.Millisecond)
	defer look.Stop()
	for {
		if s := f.link.current.Load(); s != nil || f.leaving.Load() {
			return s
		}
		select {
		case <-look.C:
		case <-ctx.Done():
			return nil
		}
	}
}

// abandon declines the offers of a launch, unless its ACCEPT is already on its way.
func (f *Framework) abandon(ctx context.Context, l *launch, err error) {
	if !l.taken.CompareAndSwap(false, true) {
		return
	}
	f.sender.put(ctx, declineOrder(l.session, fleet.Decline{Offers: l.Offers, Refuse: l.Refuse}))
	f.mail.put(fleet.Result{Of: l.Launch, Err: err})
}

func declineCall(d fleet.Decline) *scheduler.Call {
	return calls.Decline(offerIDs(d.Offers)...).With(calls.RefuseSeconds(d.Refuse))
}
