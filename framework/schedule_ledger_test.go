package framework

import (
	"encoding/json"
	"time"

	mesos "github.com/mesos/mesos-go/api/v1/lib"
	"github.com/mesos/mesos-go/api/v1/lib/scheduler"

	"sluice/framework/fleet"
	"sluice/queue"
)

// ledger is what the invariants are checked against. Under the world's lock.
type ledger struct {
	id     string            // of the framework, once stored for good
	offers map[string]*lent  // that the framework has, or had
	agent  map[string]string // offer → agent
	slots  map[string]int    // of the hosts that were ever launched
	states map[string]fleet.State
}

// lent is an offer that the framework has been given.
type lent struct {
	stream   *stream
	at       time.Time
	answered bool
	accepted string // by the launch of this task
}

// goalMemory is for how long an older goal excuses a launch, while its write, its host and its call are on their way; and that
// a host was lost.
const goalMemory = 40 * time.Second

func (l *ledger) init() {
	l.offers, l.agent, l.slots = map[string]*lent{}, map[string]string{}, map[string]int{}
	l.states = map[string]fleet.State{}
}

// died forgets what a dead instance can't answer any more.
func (l *ledger) died() { clear(l.offers) }

// writing looks at a write before it happens.
func (l *ledger) writing(w *world, bucket string, changes map[string][]byte) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if bucket != bucketFleet {
		return
	}
	for name, data := range changes {
		var h fleet.Host
		if data == nil {
			continue
		}
		if err := json.Unmarshal(data, &h); err != nil {
			w.failLocked("record of %s: %v", name, err)
		}
		l.slots[name] = h.Spec.Slots
	}
}

// written looks at the store after a write.
func (l *ledger) written(w *world, bucket string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if bucket == bucketFramework {
		id := w.store.id()
		if l.id != "" && id != l.id {
			w.failLocked("the framework id %s became %q", l.id, id)
		}
		if _, trial := w.store.value(bucketFramework, keySubscribingFor); !trial {
			l.id = id
		}
		return
	}
	clear(l.states)
	records, _ := w.store.All(w.Context(), bucketFleet)
	for name, data := range records {
		var h fleet.Host
		if err := json.Unmarshal(data, &h); err != nil {
			w.failLocked("record of %s: %v", name, err)
		}
		l.states[name] = h.State
	}
}

// heard is called when an event has reached the framework.
func (w *world) heard(s *stream, e *scheduler.Event) {
	w.mu.Lock()
	defer w.mu.Unlock()
	l := &w.ledger
	switch e.Type {
	case scheduler.Event_OFFERS:
		for _, o := range e.Offers.Offers {
			if l.offers[o.ID.Value] == nil {
				l.offers[o.ID.Value] = &lent{stream: s, at: time.Now()}
				l.agent[o.ID.Value] = o.AgentID.Value
			}
		}
	case scheduler.Event_RESCIND:
		delete(l.offers, e.Rescind.OfferID.Value)
	default:
	}
}

// attempted is called when an instance wants to make a call.
func (w *world) attempted(from *instance, call *scheduler.Call) {
	if from.dead.Load() {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	l := &w.ledger
	switch call.Type {
	case scheduler.Call_SUBSCRIBE:
		id, own := call.FrameworkID.GetValue(), call.Subscribe.FrameworkInfo.ID.GetValue()
		if id != own || l.id != "" && id != l.id {
			w.failLocked("subscribes as %q/%q with %q in the store", id, own, l.id)
		}
	case scheduler.Call_DECLINE:
		l.answer(call.Decline.OfferIDs)
	case scheduler.Call_ACCEPT:
		l.answer(call.Accept.OfferIDs)
		w.checkAccept(from, call)
	default:
	}
}

func (l *ledger) answer(ids []mesos.OfferID) {
	for _, id := range ids {
		if o := l.offers[id.Value]; o != nil {
			o.answered = true
		}
	}
}

// checkAccept looks at a launch when the framework tries it. The world's lock is held.
func (w *world) checkAccept(from *instance, call *scheduler.Call) {
	l, name := &w.ledger, acceptedTask(call)
	if !from.leads.Load() {
		w.failLocked("ACCEPT for %s without the lead", name)
	}
	agent := ""
	for _, id := range call.Accept.OfferIDs {
		o := l.offers[id.Value]
		if o != nil && o.accepted != "" && o.accepted != name {
			w.failLocked("offer %s was accepted for %s and for %s", offerNumber(id.Value), o.accepted, name)
		}
		if o != nil {
			o.accepted = name
		}
		if a := l.agent[id.Value]; agent != "" && a != agent {
			w.failLocked("one ACCEPT with offers of two agents")
		}
		agent = l.agent[id.Value]
	}
	supply := l.slots[name]
	for other := range w.batch.alive {
		h := w.batch.hosts[other]
		switch l.states[other] {
		case fleet.Launching, fleet.Joining, fleet.Open:
			if other != name && h != nil && h.Status == queue.HostOK && h.Closed == 0 && time.Since(w.batch.found[other]) > goalMemory {
				supply += h.Slots
			}
		default:
		}
	}
	most := 0
	for i := len(w.goals) - 1; i >= 0; i-- {
		most = max(most, w.goals[i].slots)
		if time.Since(w.goals[i].at) > goalMemory {
			break
		}
	}
	if supply > most {
		w.failLocked("launch of %s makes %d slots, no goal was more than %d", name, supply, most)
	}
}

// arrived is called when a call reaches the master.
func (w *world) arrived(_ *instance, call *scheduler.Call) {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch call.Type {
	case scheduler.Call_REVIVE:
		w.counts.revives++
		return
	case scheduler.Call_KILL:
	default:
		return
	}
	w.counts.kills++
	if h := w.batch.hosts[call.Kill.TaskID.Value]; h != nil && w.batch.alive[h.Name] != nil && (h.Used > 0 || h.Closed == 0) {
		w.failLocked("KILL of %s, whose host takes or runs jobs: used %d, closed %v", h.Name, h.Used, h.Closed)
	}
}
