package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"sluice/lsfbridge"
	"sluice/queue"
	"sluice/queue/wire"
)

// groupKeeper is what the commands on job groups need of the daemon.
type groupKeeper interface {
	Groups(context.Context) ([]queue.GroupInfo, error)
	ChangeGroups(context.Context, wire.GroupRequest) (wire.GroupChange, error)
}

var _ groupKeeper = (*wire.Client)(nil)

func newBgaddCommand() *cobra.Command {
	return newLSFCommand(cobra.Command{
		Use: "bgadd [-L limit] job_group_name", Short: "Make a job group",
		Long: `Make a job group, named by its path, and those above it that are missing. With -L at most so many jobs of it and of the groups
below it run at once, whatever their slots; jobs join it with bsub -g.

Exit codes: 0 made; 255 refused.`,
		Example: "  bgadd /risk\n  bgadd -L 20 /risk/portfolio1",
	}, changeGroupRun(wire.AddGroup))
}

func newBgmodCommand() *cobra.Command {
	return newLSFCommand(cobra.Command{
		Use: "bgmod [-L limit | -Ln] job_group_name", Short: "Change the limit of a job group",
		Long: `Change how many jobs of a job group and of the groups below it run at once, or with -Ln take that limit away. Its owner may,
those of the groups above it, and administrators.

Exit codes: 0 changed; 255 refused.`,
		Example: "  bgmod -L 40 /risk/portfolio1\n  bgmod -Ln /risk/portfolio1",
	}, changeGroupRun(wire.LimitGroup))
}

func newBgdelCommand() *cobra.Command {
	return newLSFCommand(cobra.Command{
		Use: "bgdel [-u user_name | -u all] job_group_name | 0", Short: "Remove job groups",
		Long: `Remove a job group and the groups below it, with -c only the empty ones among these, or with 0 all empty ones of yours;
administrators may name another owner with -u. A group is empty when no job of it is remembered any more.

Exit codes: 0 removed; 255 refused.`,
		Example: "  bgdel /risk/portfolio1\n  bgdel -c /risk\n  bgdel 0",
	}, changeGroupRun(wire.RemoveGroup))
}

func changeGroupRun(action wire.GroupAction) lsfFunc {
	return func(ctx context.Context, c *lsfCall, client *wire.Client) (int, error) {
		return changeGroup(ctx, c, action, client)
	}
}

func changeGroup(ctx context.Context, c *lsfCall, action wire.GroupAction, client groupKeeper) (int, error) {
	order, err := lsfbridge.ParseGroupOrder(c.name, c.args)
	if err != nil {
		return c.refuse(err)
	}
	ask := wire.GroupRequest{Action: action, Name: order.Name, Owner: order.Owner, Limit: order.Limit}
	if order.Name == "" || order.Empty {
		ask.Action = wire.CleanGroups
	}
	done, err := client.ChangeGroups(ctx, ask)
	switch {
	case err != nil && interrupted(err):
		return 0, err
	case err != nil:
		c.say(order.Refused(err))
		return lsfFailed, nil
	}
	if order.Name != "" && !order.Empty {
		done.Removed = []string{order.Name}
	}
	for _, name := range done.Removed {
		if _, err := fmt.Fprintln(c.stdout, order.Done(name)); err != nil {
			return 0, err
		}
	}
	return lsfDone, nil
}
