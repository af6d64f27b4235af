package main

import (
	"context"

	"github.com/spf13/cobra"

	"sluice/lsfbridge"
	"sluice/queue"
	"sluice/queue/wire"
)

// jobActor is what btop and bbot need of the daemon.
type jobActor interface {
	Act(context.Context, wire.ActRequest, func(wire.Acted) error) error
}

var _ jobActor = (*wire.Client)(nil)

func newBtopCommand() *cobra.Command {
	return newLSFCommand(cobra.Command{
		Use: "btop job_id [position]", Short: "Move a pending job before the others",
		Long: `Move a pending job before the pending jobs of its queue: before all of them if an administrator asks, else before one's own.
With a position the job gets that place from the top. Jobs of another priority (bsub -sp) keep their places.

Exit codes: 0 moved; 255 refused.`,
		Example: "  btop 12\n  btop 12 3",
	}, reorderRun)
}

func newBbotCommand() *cobra.Command {
	return newLSFCommand(cobra.Command{
		Use: "bbot job_id [position]", Short: "Move a pending job behind the others",
		Long: `Move a pending job behind the pending jobs of its queue: behind all of them if an administrator asks, else behind one's
own. With a position the job gets that place from the bottom.

Exit codes: 0 moved; 255 refused.`,
		Example: "  bbot 12\n  bbot 12 3",
	}, reorderRun)
}

func reorderRun(ctx context.Context, c *lsfCall, client *wire.Client) (int, error) {
	return reorder(ctx, c, client)
}

func reorder(ctx context.Context, c *lsfCall, client jobActor) (int, error) {
	order, err := lsfbridge.ParseReorder(c.name, c.args)
	if err != nil {
		return c.refuse(err)
	}
	act := wire.ActRequest{Action: wire.Bottom, IDs: []queue.ID{order.ID}, Position: order.Position}
	if order.Top {
		act.Action = wire.Top
	}
	code := lsfDone
	err = client.Act(ctx, act, func(a wire.Acted) error {
		if err := a.Error.Err(); err != nil {
			c.say(order.Refused(err))
			code = lsfFailed
			return nil
		}
		c.say(order.Done(a.Position))
		return nil
	})
	if err != nil {
		return c.fail(err)
	}
	return code, nil
}
