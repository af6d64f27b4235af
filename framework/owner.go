package framework

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	mesos "github.com/mesos/mesos-go/api/v1/lib"
	"github.com/mesos/mesos-go/api/v1/lib/scheduler"
	"github.com/mesos/mesos-go/api/v1/lib/scheduler/calls"
	"github.com/sirupsen/logrus"

	"sluice/framework/fleet"
	"sluice/queue"
)

const (
	tickEvery = 250 * time.Millisecond
	// patience is how long the offers of a launch may wait for the store and the batch system.
	patience = 700 * time.Millisecond
	// doubtRefuse keeps offers away while another instance may lead.
	doubtRefuse = 5 * time.Second
)

// Requests to the owner.
type (
	drainRequest struct {
		host  string
		reply chan<- error
	}
	// tornDown says that the master has ended the framework and all its tasks at our wish.
	tornDown struct{}
)

// goal is the newest word of the controller.
type goal struct {
	slots    int
	snapshot queue.Snapshot
}

// owner is the state of the one goroutine that owns the fleet.
type owner struct {
	*Framework
	ctx     context.Context
	fleet   *fleet.Fleet
	session *session
	offers  map[string]*mesos.Offer // not answered yet; empty between two rounds
	arrived []string                // their ids in order
	waiting []*launch               // not known to be answered yet
	ended   bool                    // by tornDown
	strange strangers
	mourned mourning
	work    work
}

func (o *owner) run() {
	ticker := time.NewTicker(tickEvery)
	defer ticker.Stop()
	for {
		tick := false
		select {
		case <-o.ctx.Done():
			return
		case <-o.mail.signal:
		case <-ticker.C:
			tick = true
		}
		o.round(o.mail.take(), tick)
	}
}

// round takes all inputs there are, so that a flood of them costs one decision about offers and one write.
func (o *owner) round(items []any, tick bool) {
	o.work = work{puts: make(map[string][]byte)}
	for _, item := range items {
		o.input(item)
	}
	if g := o.goal.Swap(nil); g != nil {
		o.step(fleet.Goal{Slots: g.slots, Floor: int(o.floor.Load()), Snapshot: g.snapshot})
	}
	o.answerOffers()
	if tick {
		o.step(fleet.Tick{})
		o.hurry()
	}
	if o.ended && len(o.fleet.Hosts()) == 0 {
		o.ended = false
		o.work.after = append(o.work.after, func() { close(o.emptied) })
	}
	o.keeper.add(o.work)
	o.suppressed.Store(o.fleet.Suppressed())
	o.publish()
}

func (o *owner) input(item any) {
	switch item := item.(type) {
	case connected:
		o.session = item.session
		o.strange.begin(o.fleet.Hosts())
		o.step(fleet.Connection{Up: true, Suppressed: item.suppressed})
	case disconnected:
		if o.session == item.session {
			o.session = nil
			clear(o.offers)
			o.arrived = nil
			o.step(fleet.Connection{})
		}
	case event:
		if o.session == item.session {
			o.event(item.Event)
		}
	case fleet.Result:
		o.result(item)
	case removed:
		o.endAll(fleet.TaskLost)
	case tornDown:
		o.ended = true
		o.endAll(fleet.TaskKilled)
	case drainRequest:
		if !o.fleet.Knows(item.host) {
			item.reply <- &queue.Error{
				Kind: queue.KindNotFound, Code: queue.NoSuchHost, Subject: item.host,
				Text: fmt.Sprintf("drain %s: it is not a host of the fleet", item.host),
			}
			return
		}
		o.step(fleet.Drain{Host: item.host})
		item.reply <- nil
	default:
		panic(fmt.Sprintf("framework: unknown message %T", item))
	}
}

// endAll tells the fleet that the master has ended all tasks.
func (o *owner) endAll(state fleet.TaskState) {
	for _, h := range o.fleet.Hosts() {
		o.step(fleet.Update{Task: h.Name(), Agent: h.Agent, State: state, Reason: "the framework was removed"})
	}
}

func (o *owner) event(e *scheduler.Event) {
	switch e.Type {
	case scheduler.Event_OFFERS:
		for i := range e.Offers.GetOffers() {
			offer := &e.Offers.Offers[i]
			o.offers[offer.ID.Value] = offer
			o.arrived = append(o.arrived, offer.ID.Value)
		}
	case scheduler.Event_RESCIND:
		delete(o.offers, e.Rescind.GetOfferID().Value)
	case scheduler.Event_UPDATE:
		o.update(e.Update)
	case scheduler.Event_FAILURE:
		if e.Failure.GetExecutorID() == nil && e.Failure.GetAgentID() != nil {
			o.step(fleet.AgentLost{Agent: e.Failure.AgentID.Value})
		}
	case scheduler.Event_INVERSE_OFFERS:
		o.step(inverseOffersOf(e.InverseOffers.GetInverseOffers()))
	case scheduler.Event_RESCIND_INVERSE_OFFER:
		o.step(fleet.RescindInverse{ID: e.RescindInverseOffer.GetInverseOfferID().Value})
	default: // MESSAGE, operations and what later versions send is not for us
	}
}

// update steps the fleet; the acknowledgement goes out when what was learned is durable.
func (o *owner) update(u *scheduler.Event_Update) {
	status := u.GetStatus()
	o.updates.Add(1)
	if update, known := updateOf(&status); known {
		o.recognise(update)
		o.log.WithField("task", update.Task).Debugf("%v %s", update.State, update.Reason)
		o.mourn(update)
		o.step(update)
	} else {
		o.log.WithField("task", status.TaskID.Value).Warnf("unknown task state %v", status.GetState())
	}
	if len(status.UUID) == 0 || status.AgentID == nil {
		return
	}
	o.work.calls = append(o.work.calls, order{
		session: o.session,
		call:    calls.Acknowledge(status.AgentID.Value, status.TaskID.Value, status.UUID),
	})
}

func (o *owner) answerOffers() {
	var offers fleet.Offers
	for _, id := range o.arrived {
		if raw := o.offers[id]; raw != nil {
			offers = append(offers, offerOf(raw))
		}
	}
	switch {
	case len(offers) == 0:
	case o.cfg.Leads():
		o.step(offers)
	default: // the fleet goes on wanting them, and does not take it for a fault of the agents
		all := fleet.Decline{Refuse: doubtRefuse}
		for _, offer := range offers {
			all.Offers = append(all.Offers, offer.ID)
		}
		o.route(all)
	}
	clear(o.offers)
	o.arrived = o.arrived[:0]
}

func (o *owner) step(in fleet.Input) {
	out := o.fleet.Step(time.Now(), in)
	for _, h := range out.Changed {
		data, err := json.Marshal(h)
		if err != nil {
			panic(fmt.Sprintf("framework: encode host %+v: %v", h, err))
		}
		o.work.puts[h.Name()] = data
		o.log.WithField("host", h.Name()).Debugf("%v: %s", h.State, h.Reason)
	}
	for _, name := range out.Removed {
		o.work.puts[name] = nil
	}
	for _, e := range out.Effects {
		o.route(e)
	}
}

// route sends at once what rests on nothing durable; all else goes through the keeper.
func (o *owner) route(e fleet.Effect) {
	switch e := e.(type) {
	case fleet.Launch:
		o.launch(e)
	case fleet.Decline:
		o.declined.Add(int64(len(e.Offers)))
		o.call(declineCall(e))
	case fleet.AnswerInverse:
		o.call(inverseCall(e))
	case fleet.Kill:
		o.kills.Add(1)
		o.work.calls = append(o.work.calls, order{session: o.session, call: calls.Kill(e.Task, e.Agent)})
	case fleet.Suppress:
		o.suppresses.Add(1)
		o.call(calls.SuppressWith(o.roles))
	case fleet.Revive:
		o.revives.Add(1)
		o.call(calls.ReviveWith(o.roles))
	case fleet.Reconcile:
		o.call(reconcileCall(e))
	case fleet.CloseHost, fleet.OpenHost, fleet.RemoveHost:
		o.work.effects = append(o.work.effects, e)
	}
}

func (o *owner) call(c *scheduler.Call) { o.sender.put(o.ctx, order{session: o.session, call: c}) }

func (o *owner) launch(e fleet.Launch) {
	var from []*mesos.Offer
	for _, id := range e.Offers {
		from = append(from, o.offers[id])
	}
	l := &launch{Launch: e, session: o.session, resources: portion(from, e.Host), at: time.Now()}
	o.waiting = append(o.waiting, l)
	o.accepted.Add(int64(len(e.Offers)))
	o.launches.Add(1)
	o.log.WithField("host", e.Host.Name()).Infof("launching %d slots on %s", e.Host.Spec.Slots, e.Host.Spec.Location)
	if o.keeper.broken.Load() {
		o.abandon(o.ctx, l, errStoreBroken)
		return
	}
	o.work.effects = append(o.work.effects, l)
}

// hurry gives back the offers of launches that the store or the batch system keeps waiting.
func (o *owner) hurry() {
	var still []*launch
	for _, l := range o.waiting {
		if time.Since(l.at) > patience {
			o.abandon(o.ctx, l, errTooSlow)
		}
		if !l.taken.Load() {
			still = append(still, l)
		}
	}
	o.waiting = still
}

func (o *owner) result(r fleet.Result) {
	if l, ok := r.Of.(fleet.Launch); ok && r.Err != nil {
		level := logrus.WarnLevel
		if errors.Is(r.Err, errNotLeading) {
			level = logrus.DebugLevel // said by who waits for the lead
		}
		o.log.WithField("host", l.Host.Name()).WithError(r.Err).Log(level, "not launched")
		if r.Maybe {
			// If the ACCEPT did not arrive, the offers are still ours, and must not be held.
			o.call(declineCall(fleet.Decline{Offers: l.Offers, Refuse: l.Refuse}))
		}
	}
	o.step(r)
}
