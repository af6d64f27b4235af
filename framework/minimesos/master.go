package minimesos

import (
	"slices"
	"strconv"
	"sync"
	"time"

	mesos "github.com/mesos/mesos-go/api/v1/lib"
	inverse "github.com/mesos/mesos-go/api/v1/lib/allocator"
	"github.com/mesos/mesos-go/api/v1/lib/scheduler"
	"github.com/sirupsen/logrus"
)

const (
	version = "1.12.0"

	maxCompletedFrameworks = 1000
	maxCompletedTasks      = 1000 // per framework
	maxStatuses            = 100  // kept per task
)

// master is the state machine of a Mesos master. All of its state is behind mu; it never waits for anything while it
// holds it.
type master struct {
	cfg     *Config
	id      string
	address string // host:port
	log     logrus.FieldLogger
	started time.Time
	ready   time.Time // until then it answers 503

	mu          sync.Mutex
	stopped     bool
	alloc       *allocator
	frameworks  map[string]*framework
	completed   []*framework // removed ones, oldest first
	agents      map[string]*agentRecord
	unreachable map[string]mesos.TimeInfo // agents, since when
	recovered   map[string]bool           // agents known from before a restart that have not come back yet
	offers      map[string]*offer
	upkeep
	nextFramework  int
	nextAgent      int
	nextOffer      int
	allocationTick *time.Timer
}

func newMaster(cfg *Config, id, address string) *master {
	m := &master{
		cfg: cfg, id: id, address: address, log: cfg.Logger.WithField("master", id), started: time.Now(),
		alloc:       newAllocator(cfg.AllocationInterval),
		frameworks:  map[string]*framework{},
		agents:      map[string]*agentRecord{},
		unreachable: map[string]mesos.TimeInfo{},
		recovered:   map[string]bool{},
		offers:      map[string]*offer{},
		upkeep:      newUpkeep(),
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.allocationTick = m.after(cfg.AllocationInterval, m.tick)
	return m
}

// stop makes the master deaf: timers that fire later do nothing.
func (m *master) stop() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.stopped = true
	m.allocationTick.Stop()
}

// tick is the periodic run of the allocator.
func (m *master) tick() {
	m.allocate()
	m.allocationTick.Reset(m.cfg.AllocationInterval)
}

// after runs f under the lock after d, unless the master is stopped or the timer is.
func (m *master) after(d time.Duration, f func()) *time.Timer {
	return time.AfterFunc(d, func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		if !m.stopped {
			f()
		}
	})
}

// authorizeStream checks that a call comes from the framework's current stream.
func (m *master) authorizeStream(id, principal string, present bool, stream string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	f := m.frameworks[id]
	if f == nil {
		return badRequest("Framework cannot be found")
	}
	if err := checkPrincipal(principal, &f.info); err != nil {
		return err
	}
	switch {
	case f.sub == nil:
		return &httpError{403, "Framework is not subscribed"}
	case !present:
		return badRequest("All non-subscribe calls should include the 'Mesos-Stream-Id' header")
	case f.sub.id != stream:
		return badRequest("The stream ID '%s' included in this request didn't match the stream ID currently associated "+
			"with framework ID %s", stream, id)
	}
	return nil
}

// handle executes a call that has been answered, or is about to be, with 202.
func (m *master) handle(c *scheduler.Call) {
	m.mu.Lock()
	defer m.mu.Unlock()
	f := m.frameworks[c.FrameworkID.GetValue()]
	if m.stopped || f == nil {
		return
	}
	switch c.Type {
	case scheduler.Call_TEARDOWN:
		m.removeFramework(f)
	case scheduler.Call_ACCEPT:
		m.accept(f, c.Accept)
	case scheduler.Call_DECLINE:
		m.decline(f, c.Decline)
	case scheduler.Call_ACCEPT_INVERSE_OFFERS:
		m.answerInverse(f, c.AcceptInverseOffers.InverseOfferIDs, c.AcceptInverseOffers.Filters, inverse.InverseOfferStatus_ACCEPT)
	case scheduler.Call_DECLINE_INVERSE_OFFERS:
		m.answerInverse(f, c.DeclineInverseOffers.InverseOfferIDs, c.DeclineInverseOffers.Filters, inverse.InverseOfferStatus_DECLINE)
	case scheduler.Call_REVIVE:
		m.alloc.revive(f.id(), c.Revive.GetRoles())
		m.allocate()
	case scheduler.Call_SUPPRESS:
		m.alloc.suppress(f.id(), c.Suppress.GetRoles())
	case scheduler.Call_KILL:
		m.kill(f, c.Kill)
	case scheduler.Call_ACKNOWLEDGE:
		m.acknowledge(f, c.Acknowledge)
	case scheduler.Call_RECONCILE:
		m.reconcile(f, c.Reconcile)
	case scheduler.Call_RECONCILE_OPERATIONS:
		m.reconcileOperations(f, c.ReconcileOperations)
	}
	// MESSAGE and SHUTDOWN are for custom executors, REQUEST has no effect in a real master either, and operations never get a status that needs an acknowledgement.
}

// offer is a part of an agent that a framework may use.
type offer struct {
	allocation
	id      string
	timeout *time.Timer
}

// allocate runs the allocator and sends the offers, one event per framework.
func (m *master) allocate() {
	byFramework := map[string][]mesos.Offer{}
	for _, a := range m.alloc.allocate(time.Now()) {
		o := &offer{allocation: a, id: m.id + "-O" + strconv.Itoa(m.nextOffer)}
		m.nextOffer++
		m.offers[o.id] = o
		if m.cfg.OfferTimeout > 0 {
			o.timeout = m.after(m.cfg.OfferTimeout, func() { m.rescind(o) })
		}
		byFramework[a.framework] = append(byFramework[a.framework], m.offerMessage(o))
	}
	for id, offers := range byFramework {
		m.send(m.frameworks[id], &scheduler.Event{
			Type: scheduler.Event_OFFERS, Offers: &scheduler.Event_Offers{Offers: offers},
		})
	}
	m.askBack()
}

func (m *master) offerMessage(o *offer) mesos.Offer {
	f, agent := m.frameworks[o.framework], m.agents[o.agent]
	msg := mesos.Offer{
		ID:          mesos.OfferID{Value: o.id},
		FrameworkID: mesos.FrameworkID{Value: o.framework},
		AgentID:     mesos.AgentID{Value: o.agent},
		Hostname:    agent.cfg.Hostname,
		URL:         agent.url,
		Attributes:  agent.attributes,
		Domain:      agent.cfg.Domain.message(),
	}
	if known := m.machineOf(agent); known != nil {
		msg.Unavailability = &known.window
	}
	role := ""
	if f.has(mesos.FrameworkInfo_Capability_MULTI_ROLE) {
		role = o.role
		msg.AllocationInfo = &mesos.Resource_AllocationInfo{Role: &role}
	}
	msg.Resources = o.resources.protos(f.has(mesos.FrameworkInfo_Capability_RESERVATION_REFINEMENT), role)
	return msg
}

// rescind takes an offer back and tells the framework.
func (m *master) rescind(o *offer) {
	if m.offers[o.id] != o {
		return
	}
	m.send(m.frameworks[o.framework], rescindEvent(o.id))
	m.takeBack(o, 0)
}

// takeBack ends an offer and returns its resources, silently.
func (m *master) takeBack(o *offer, refusal time.Duration) {
	m.forgetOffer(o)
	m.alloc.recover(time.Now(), o.allocation, refusal)
}

func (m *master) forgetOffer(o *offer) {
	delete(m.offers, o.id)
	if o.timeout != nil {
		o.timeout.Stop()
	}
}

// offersOf lists the outstanding offers that match, in the order in which they were made.
func (m *master) offersOf(match func(*offer) bool) []*offer {
	var out []*offer
	for _, o := range m.offers {
		if match(o) {
			out = append(out, o)
		}
	}
	number := func(o *offer) int {
		n, _ := strconv.Atoi(o.id[len(m.id)+2:]) // made by allocate
		return n
	}
	slices.SortFunc(out, func(a, b *offer) int { return number(a) - number(b) })
	return out
}

func (m *master) decline(f *framework, d *scheduler.Call_Decline) {
	for _, id := range d.OfferIDs {
		if o := m.offers[id.Value]; o != nil && o.framework == f.id() {
			m.takeBack(o, refusal(d.Filters))
		}
	}
}

// refusal reads refuse_seconds: absent or negative means the default.
func refusal(filters *mesos.Filters) time.Duration {
	const defaultRefusal = 5 * time.Second
	if filters == nil || filters.RefuseSeconds == nil || !(*filters.RefuseSeconds >= 0) {
		return defaultRefusal
	}
	if *filters.RefuseSeconds > maxRefusal.Seconds() {
		return maxRefusal
	}
	return time.Duration(*filters.RefuseSeconds * float64(time.Second))
}

func (m *master) send(f *framework, e *scheduler.Event) {
	if f != nil && f.sub != nil {
		f.sub.send(e)
	}
}
