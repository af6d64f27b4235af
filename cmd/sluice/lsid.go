package main

import (
	"context"

	"github.com/spf13/cobra"

	"sluice/lsfbridge"
	"sluice/queue/wire"
)

// clusterViewer is what lsid needs of the daemon.
type clusterViewer interface {
	Cluster(context.Context) (wire.Cluster, error)
}

var _ clusterViewer = (*wire.Client)(nil)

func newLsidCommand() *cobra.Command {
	return newLSFCommand(cobra.Command{
		Use:     "lsid",
		Short:   "Show the version, the cluster's name and its master host",
		Long:    "Show the version, the cluster's name and its master host.\n\nExit codes: 0 shown; 255 the daemon does not answer.",
		Example: "  lsid",
	}, func(ctx context.Context, c *lsfCall, client *wire.Client) (int, error) { return lsid(ctx, c, client) })
}

func lsid(ctx context.Context, c *lsfCall, client clusterViewer) (int, error) {
	if err := lsfbridge.ParseClusterQuery(c.args); err != nil {
		return c.refuse(err)
	}
	cluster, err := client.Cluster(ctx)
	if err != nil {
		return c.fail(err)
	}
	_, err = c.stdout.WriteString(lsfbridge.PrintCluster(cluster.Version, cluster.Name, cluster.MasterHost))
	return lsfDone, err
}
