package framework

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	mesos "github.com/mesos/mesos-go/api/v1/lib"
	"github.com/mesos/mesos-go/api/v1/lib/scheduler"
	"github.com/sirupsen/logrus"
)

const (
	// maxOrders is the most calls, or sets of calls that were given together, that wait to be sent; who has more to send waits.
	maxOrders = 1 << 14
	// maxAcknowledging is the most acknowledgements that are on their way at once. Their order does not matter.
	maxAcknowledging = 8
	maxTogether      = 256
)

// order is a call to be sent under a session.
type order struct {
	*session
	call *scheduler.Call
	// once forbids sending the call again when it may have arrived.
	once bool
	// done, if not nil, hears what became of it; maybe says of an error that the call may have arrived nevertheless.
	done func(err error, maybe bool)
}

// sender sends calls one at a time in the order in which they were given.
type sender struct {
	transport *transport
	orders    chan []order // given together
	leads     func() bool
	dice      dice
	log       logrus.FieldLogger
}

func newSender(t *transport, leads func() bool, log logrus.FieldLogger) *sender {
	return &sender{transport: t, orders: make(chan []order, maxOrders), leads: leads, log: log}
}

// put queues calls. Without a session there is nobody to send them to: they have failed.
func (s *sender) put(ctx context.Context, orders ...order) {
	given := make([]order, 0, len(orders))
	for _, o := range orders {
		if o.session == nil {
			o.answer(errNotConnected, false)
			continue
		}
		o.call.FrameworkID = &mesos.FrameworkID{Value: o.session.id}
		given = append(given, o)
	}
	if len(given) == 0 {
		return
	}
	select {
	case s.orders <- given:
	case <-ctx.Done():
		for _, o := range given {
			o.answer(ctx.Err(), false)
		}
	}
}

var errNotConnected = errors.New("not connected to a master")

func (o *order) answer(err error, maybe bool) {
	if o.done != nil {
		o.done(err, maybe)
	}
}

func (s *sender) run(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case orders := <-s.orders:
			s.takeOn(ctx, orders)
		}
	}
}

// takeOn sends calls in order, but acknowledgements that follow each other at once.
func (s *sender) takeOn(ctx context.Context, orders []order) {
	for len(orders) > 0 {
		n := acknowledgements(orders)
		if n == len(orders) && n < maxTogether {
			select {
			case more := <-s.orders:
				orders = append(orders, more...)
				continue
			default:
			}
		}
		if n == 0 {
			s.send(ctx, orders[0])
			n = 1
		} else {
			n = min(n, maxTogether)
			s.sendAll(ctx, orders[:n])
		}
		orders = orders[n:]
	}
}

// acknowledgements is how many calls in front are such.
func acknowledgements(orders []order) int {
	if i := slices.IndexFunc(orders, func(o order) bool { return o.call.Type != scheduler.Call_ACKNOWLEDGE }); i >= 0 {
		return i
	}
	return len(orders)
}

func (s *sender) sendAll(ctx context.Context, orders []order) {
	var running sync.WaitGroup
	for i := range min(len(orders), maxAcknowledging) {
		running.Go(func() {
			for j := i; j < len(orders); j += maxAcknowledging {
				s.send(ctx, orders[j])
			}
		})
	}
	running.Wait()
}

// send sends a call until it is accepted or refused, or its session is over. All calls but ACCEPT may arrive twice.
func (s *sender) send(ctx context.Context, o order) {
	for failures := 0; ; failures++ {
		if o.over.Load() || ctx.Err() != nil {
			o.answer(errNotConnected, false)
			return
		}
		if o.call.Type == scheduler.Call_ACCEPT && !s.leads() {
			o.answer(errNotLeading, true) // as if it were lost: its offers are declined, its task is asked about
			return
		}
		err := s.transport.send(ctx, o.at, o.streamID, o.call)
		refused, isRefusal := errors.AsType[*refusal](err)
		switch {
		case err == nil:
			o.answer(nil, false)
			return
		case isRefusal && refused.lost():
			o.drop()
			o.answer(err, false)
			return
		case isRefusal && !refused.passing():
			s.log.WithError(err).Errorf("the master refused %v", o.call.Type)
			o.answer(err, false)
			return
		case o.once && sent(err):
			o.answer(err, true)
			return
		}
		select {
		case <-o.session.done:
		case <-ctx.Done():
		case <-time.After(s.dice.retryAfter(failures)):
		}
	}
}
