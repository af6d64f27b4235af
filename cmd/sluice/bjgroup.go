package main

import (
	"context"

	"github.com/spf13/cobra"

	"sluice/lsfbridge"
	"sluice/queue/wire"
)

func newBjgroupCommand() *cobra.Command {
	return newLSFCommand(cobra.Command{
		Use: "bjgroup [-N] [-s [group_name]]", Short: "Show job groups",
		Long: `Show the job groups with their jobs, those of the groups below them included, and their limits: jobs started and jobs allowed.
-s shows each group before those below it, or just what a path names; -N counts slots.

Exit codes: 0 shown; 255 there is none, or wrong usage.`,
		Example: "  bjgroup\n  bjgroup -s /risk",
	}, func(ctx context.Context, c *lsfCall, client *wire.Client) (int, error) {
		return bjgroup(ctx, c, client)
	})
}

func bjgroup(ctx context.Context, c *lsfCall, client groupKeeper) (int, error) {
	query, err := lsfbridge.ParseGroupQuery(c.args)
	if err != nil {
		return c.refuse(err)
	}
	groups, err := client.Groups(ctx)
	if err != nil {
		return c.fail(err)
	}
	lines, err := query.Select(groups)
	if err != nil {
		return c.refuse(err)
	}
	_, err = c.stdout.Write(lsfbridge.PrintGroups(lines))
	return lsfDone, err
}
