package daemon

import (
	"context"
	"net/http"
	"time"

	"sluice/queue"
	"sluice/queue/wire"
)

const (
	awaitEvery = 250 * time.Millisecond // between two looks at a condition
	awaitShare = 200                    // and at least so many times what a look takes
)

// await answers when a condition is met or can be met no more.
func (d *Daemon) await(w http.ResponseWriter, r *http.Request) {
	var ask wire.AwaitRequest
	if !decode(w, r, maxQueryBody, &ask) {
		return
	}
	if !d.waiting.tryEnter() {
		wire.WriteError(w, &queue.Error{Kind: queue.KindUnavailable, Text: "too many clients wait for jobs"})
		return
	}
	defer d.waiting.leave()
	outcome, err := d.decided(r.Context(), actor(r).User, ask.Condition)
	finish(w, outcome, err)
}

// decided looks at a condition until it is decided or waitPatience is over.
func (d *Daemon) decided(ctx context.Context, user string, c *queue.Condition) (queue.Outcome, error) {
	patience := time.NewTimer(waitPatience)
	defer patience.Stop()
	pause := time.NewTimer(0)
	defer pause.Stop()
	for {
		var outcome queue.Outcome
		var took time.Duration
		err := d.read(ctx, func(q *queue.Queue, _ time.Time) (err error) {
			begin := time.Now()
			outcome, err = q.Evaluate(user, c)
			took = time.Since(begin)
			return err
		})
		if err != nil || outcome.Met || outcome.Never {
			return outcome, err
		}
		pause.Reset(max(awaitEvery, awaitShare*took))
		select {
		case <-pause.C:
		case <-patience.C:
			return outcome, nil
		case <-d.quit:
			return outcome, errStopping
		case <-ctx.Done():
			return outcome, ctx.Err()
		}
	}
}
