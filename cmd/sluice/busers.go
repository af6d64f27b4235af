package main

import (
	"context"

	"github.com/spf13/cobra"

	"sluice/lsfbridge"
	"sluice/queue"
	"sluice/queue/wire"
)

// userViewer is what busers needs of the daemon.
type userViewer interface {
	Users(context.Context) ([]queue.UserInfo, error)
	Cluster(context.Context) (wire.Cluster, error)
}

var _ userViewer = (*wire.Client)(nil)

func newBusersCommand() *cobra.Command {
	return newLSFCommand(cobra.Command{
		Use: "busers [user_name ... | all]", Short: "Show users and their job slots",
		Long: `Show how many job slots users have or want: yours, those of the users named, or of all who have jobs.

Exit codes: 0 shown; 255 wrong usage.`,
		Example: "  busers\n  busers all",
	}, func(ctx context.Context, c *lsfCall, client *wire.Client) (int, error) { return busers(ctx, c, client) })
}

func busers(ctx context.Context, c *lsfCall, client userViewer) (int, error) {
	query, err := lsfbridge.ParseUserQuery(c.args)
	if err != nil {
		return c.refuse(err)
	}
	cluster, err := client.Cluster(ctx)
	if err != nil {
		return c.fail(err)
	}
	users, err := client.Users(ctx)
	if err != nil {
		return c.fail(err)
	}
	_, err = c.stdout.Write(lsfbridge.PrintUsers(query.Select(users, cluster.User)))
	return lsfDone, err
}
