package framework

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/sirupsen/logrus"

	"sluice/framework/fleet"
	"sluice/queue"
)

const (
	// maxEffects is the most orders that wait for the batch system; further ones fail and are repeated by the fleet.
	maxEffects   = 1 << 14
	batchTimeout = 5 * time.Second
	// maxAtBatch is the most calls at once; they let the batch system commit many together.
	maxAtBatch = 32
)

// clerk carries the fleet's orders to the batch system, those about one host in order.
type clerk struct {
	cfg    *Config
	batch  Batch
	sender *sender
	mail   *mailbox
	log    logrus.FieldLogger

	mu     sync.Mutex
	next   []any
	signal chan struct{}
	said   string // the last trouble that was logged
}

// put takes orders. Those given together are carried out together.
func (c *clerk) put(effects []any) {
	if len(effects) == 0 {
		return
	}
	c.mu.Lock()
	n := min(len(effects), maxEffects-len(c.next))
	c.next = append(c.next, effects[:n]...)
	c.mu.Unlock()
	for _, e := range effects[n:] {
		c.report(e, fmt.Errorf("%d orders wait for the batch system", maxEffects))
	}
	wake(c.signal)
}

func (c *clerk) run(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-c.signal:
		}
		c.mu.Lock()
		effects := c.next
		c.next = nil
		c.mu.Unlock()
		c.perform(ctx, effects)
	}
}

// perform does what was gathered: at once for different hosts, in order for each.
func (c *clerk) perform(ctx context.Context, effects []any) {
	var names []string
	byHost := make(map[string][]any)
	for _, e := range effects {
		name := hostOf(e)
		if byHost[name] == nil {
			names = append(names, name)
		}
		byHost[name] = append(byHost[name], e)
	}
	var running sync.WaitGroup
	limit := make(chan struct{}, maxAtBatch)
	for _, name := range names {
		limit <- struct{}{}
		running.Go(func() {
			for _, e := range byHost[name] {
				c.one(ctx, e)
			}
			<-limit
		})
	}
	running.Wait()
}

func hostOf(e any) string {
	switch e := e.(type) {
	case *launch:
		return e.Host.Name()
	case fleet.CloseHost:
		return e.Name
	case fleet.OpenHost:
		return e.Name
	case fleet.RemoveHost:
		return e.Name
	default:
		panic(fmt.Sprintf("framework: no order to the batch system: %T", e))
	}
}

func (c *clerk) one(ctx context.Context, e any) {
	if ctx.Err() != nil {
		return // the next instance repeats what was not done
	}
	limited, cancel := context.WithTimeout(ctx, batchTimeout)
	defer cancel()
	var err error
	switch e := e.(type) {
	case *launch:
		c.launch(ctx, limited, e)
		return
	case fleet.CloseHost:
		err = c.batch.CloseHost(limited, e.Name)
	case fleet.OpenHost:
		err = c.batch.OpenHost(limited, e.Name)
	case fleet.RemoveHost:
		err = c.batch.RemoveHost(limited, e.Name, e.Reason, e.ProcessesGone)
	}
	if queue.KindOf(err) == queue.KindNotFound {
		err = nil // there is no such host: what was wanted of it is so
	}
	if ctx.Err() == nil {
		c.note(err)
		c.report(e, err)
	}
}

// launch adds the host and then accepts its offers. The record of the host is durable, so that a crash at any point leaves
// at worst a host without a task, which reconciliation finds.
func (c *clerk) launch(ctx, limited context.Context, l *launch) {
	if l.taken.Load() {
		return
	}
	command, err := c.batch.AddHost(limited, l.Host.Spec)
	if err == nil && len(command.Argv) == 0 {
		err = fmt.Errorf("add host %s: the batch system gave no command", l.Host.Name())
	}
	if ctx.Err() != nil {
		return
	}
	c.note(err)
	if err == nil && !c.cfg.Leads() {
		err = errNotLeading
	}
	if !l.taken.CompareAndSwap(false, true) {
		return // its offers were declined while this took too long
	}
	if err != nil {
		c.sender.put(ctx, declineOrder(l.session, fleet.Decline{Offers: l.Offers, Refuse: l.Refuse}))
		c.report(l, err)
		return
	}
	c.sender.put(ctx, order{
		session: l.session, call: acceptCall(l.Launch, taskInfo(c.cfg, l.Host, command, l.resources)), once: true,
		done: func(err error, maybe bool) {
			c.mail.put(fleet.Result{Of: l.Launch, Err: err, Maybe: maybe})
		},
	})
}

func (c *clerk) report(e any, err error) {
	if l, ok := e.(*launch); ok {
		c.mail.put(fleet.Result{Of: l.Launch, Err: err})
		return
	}
	effect, ok := e.(fleet.Effect)
	if !ok {
		panic(fmt.Sprintf("framework: no effect of the fleet: %T", e))
	}
	c.mail.put(fleet.Result{Of: effect, Err: err})
}

// note logs trouble once, until it changes, and its end.
func (c *clerk) note(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case err == nil && c.said != "":
		c.said = ""
		c.log.Info("the batch system takes orders again")
	case err != nil && err.Error() != c.said:
		c.said = err.Error()
		c.log.WithError(err).Warn("the batch system refused an order about a host; retrying")
	}
}
