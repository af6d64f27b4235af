package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"sluice/lsfbridge"
	"sluice/queue"
	"sluice/queue/wire"
)

func newBrunCommand() *cobra.Command {
	return newLSFCommand(cobra.Command{
		Use: `brun [-f] [-b] -m "host_name[#slots] ..." job_id`, Short: "Force a pending job to run at once",
		Long: `Start a pending job, or one element of an array, on hosts that have free what it needs: before all others, whatever limits, its
begin time and its dependency say. Only administrators may. The hosts are used in the order in which they are named.

Exit codes: 0 started; 255 refused.`,
		Example: "  brun -m host1 12\n  brun -m \"host1#2 host2\" \"12[3]\"",
	}, func(ctx context.Context, c *lsfCall, client *wire.Client) (int, error) { return brun(ctx, c, client) })
}

func brun(ctx context.Context, c *lsfCall, client jobActor) (int, error) {
	order, err := lsfbridge.ParseForcedRun(c.args)
	if err != nil {
		return c.refuse(err)
	}
	code := lsfDone
	act := wire.ActRequest{Action: wire.ForceRun, IDs: []queue.ID{order.ID}, Hosts: order.Hosts}
	err = client.Act(ctx, act, func(a wire.Acted) error {
		if err := a.Error.Err(); err != nil {
			c.say(order.Refused(err))
			code = lsfFailed
			return nil
		}
		_, err := fmt.Fprintln(c.stdout, order.Done())
		return err
	})
	if err != nil {
		return c.fail(err)
	}
	return code, nil
}
