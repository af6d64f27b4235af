package framework

import (
	"context"
	"maps"
	"sync"
	"sync/atomic"
	"time"

	mesos "github.com/mesos/mesos-go/api/v1/lib"
	"github.com/sirupsen/logrus"

	"sluice/framework/fleet"
)

const (
	bucketFleet = "fleet"
	putTimeout  = 30 * time.Second
)

// launch is a Launch on its way through the store and the batch system to the master.
type launch struct {
	fleet.Launch
	*session
	resources []mesos.Resource
	at        time.Time
	// taken is set by who answers its offers: with the ACCEPT, or by declining them when that takes too long.
	taken atomic.Bool
}

// work is what must be durable, and what may be done once it is.
type work struct {
	puts    map[string][]byte // of the fleet's bucket
	calls   []order
	effects []any // for the batch system: *launch, or an effect of the fleet
	after   []func()
}

func (w *work) empty() bool {
	return len(w.puts) == 0 && len(w.calls) == 0 && len(w.effects) == 0 && len(w.after) == 0
}

// keeper makes work durable and passes it on. What comes while it writes is written together next.
type keeper struct {
	store   Store
	sender  *sender
	clerk   *clerk
	abandon func(context.Context, *launch, error)
	dice    dice
	log     logrus.FieldLogger

	mu     sync.Mutex
	next   work
	signal chan struct{}
	broken atomic.Bool // the last write failed: launches have no chance
}

func (k *keeper) add(w work) {
	if w.empty() {
		return
	}
	k.mu.Lock()
	if k.next.puts == nil {
		k.next.puts = make(map[string][]byte)
	}
	maps.Copy(k.next.puts, w.puts)
	k.next.calls = append(k.next.calls, w.calls...)
	k.next.effects = append(k.next.effects, w.effects...)
	k.next.after = append(k.next.after, w.after...)
	k.mu.Unlock()
	wake(k.signal)
}

func (k *keeper) take() work {
	k.mu.Lock()
	defer k.mu.Unlock()
	w := k.next
	k.next = work{}
	return w
}

func (k *keeper) run(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-k.signal:
		}
		w := k.take()
		if !k.write(ctx, w) {
			return
		}
		k.sender.put(ctx, w.calls...)
		k.clerk.put(w.effects)
		for _, f := range w.after {
			f()
		}
	}
}

// write repeats until the work is durable; false when ctx ended before.
func (k *keeper) write(ctx context.Context, w work) bool {
	if len(w.puts) == 0 {
		return true
	}
	for failures := 0; ; failures++ {
		limited, cancel := context.WithTimeout(ctx, putTimeout)
		err := k.store.Put(limited, bucketFleet, w.puts)
		cancel()
		if err == nil {
			if k.broken.Swap(false) {
				k.log.Info("the store can be written again")
			}
			return true
		}
		if ctx.Err() != nil {
			return false
		}
		if !k.broken.Swap(true) {
			k.log.WithError(err).Error("the store cannot be written: nothing is launched, killed or acknowledged until it can; retrying")
		}
		for _, e := range w.effects {
			if l, ok := e.(*launch); ok {
				k.abandon(ctx, l, err)
			}
		}
		pause(ctx, k.dice.retryAfter(failures))
	}
}

func declineOrder(s *session, d fleet.Decline) order {
	return order{session: s, call: declineCall(d)}
}
