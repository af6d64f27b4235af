package main

import (
	"context"
	"errors"

	"github.com/spf13/cobra"

	"sluice/lsfbridge"
	"sluice/queue"
	"sluice/queue/wire"
)

// awaiter is what bwait needs of the daemon.
type awaiter interface {
	Await(context.Context, *queue.Condition) (queue.Outcome, error)
}

var _ awaiter = (*wire.Client)(nil)

func newBwaitCommand() *cobra.Command {
	return newLSFCommand(cobra.Command{
		Use: "bwait -w condition [-t minutes]", Short: "Wait until a condition on jobs is met",
		Long: `Wait until a condition on jobs is met; conditions are those of bsub -w.

Exit codes: 0 it is met; 255 it can be met no more, the time is over, a job is not found, or wrong usage.`,
		Example: `  bwait -w "done(12)"
  bwait -w "ended(sweep*) && numdone(13, > 90)" -t 60`,
	}, func(ctx context.Context, c *lsfCall, client *wire.Client) (int, error) { return bwait(ctx, c, client) })
}

func bwait(ctx context.Context, c *lsfCall, client awaiter) (int, error) {
	order, err := lsfbridge.ParseWaitOrder(c.args)
	if err != nil {
		return c.refuse(err)
	}
	until := ctx
	if order.Timeout > 0 {
		var cancel context.CancelFunc
		until, cancel = context.WithTimeout(ctx, order.Timeout)
		defer cancel()
	}
	outcome, err := client.Await(until, order.Condition)
	switch {
	case errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil:
		c.say("bwait: the time is over, and the condition <" + order.Text + "> is not met")
		return lsfFailed, nil
	case err != nil:
		return c.failWait(err)
	case outcome.Never:
		c.say("bwait: the condition <" + order.Text + "> can be met no more")
		return lsfFailed, nil
	}
	return lsfDone, nil
}

// failWait names the job that is missing, as bsub -w does.
func (c *lsfCall) failWait(err error) (int, error) {
	if e, ok := errors.AsType[*queue.Error](err); ok && e.Code == queue.BadDependency && e.Subject != "" {
		c.say(lsfbridge.ExplainName(e.Subject, queue.NoSuchJob))
		return lsfFailed, nil
	}
	return c.fail(err)
}
