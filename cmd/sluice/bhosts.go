package main

import (
	"context"

	"github.com/spf13/cobra"

	"sluice/lsfbridge"
	"sluice/queue"
	"sluice/queue/wire"
)

// hostViewer is what bhosts needs of the daemon.
type hostViewer interface {
	Hosts(context.Context) ([]queue.Host, error)
}

var _ hostViewer = (*wire.Client)(nil)

func newBhostsCommand() *cobra.Command {
	return newLSFCommand(cobra.Command{
		Use:   "bhosts [options] [host_name ...]",
		Short: "Show batch hosts",
		Long: `Show the hosts that have joined, with LSF's options; bhosts -h lists them. With nothing to run there may be none.

Exit codes: 0 shown; 255 a host is unknown, or wrong usage.`,
		Example: `  bhosts
  bhosts -w               # with the reason why a host is closed`,
	}, func(ctx context.Context, c *lsfCall, client *wire.Client) (int, error) { return bhosts(ctx, c, client) })
}

func bhosts(ctx context.Context, c *lsfCall, client hostViewer) (int, error) {
	query, err := lsfbridge.ParseHostQuery(c.args)
	if err != nil {
		return c.refuse(err)
	}
	hosts, err := client.Hosts(ctx)
	if err != nil {
		return c.fail(err)
	}
	if hosts, err = query.Select(hosts); err != nil {
		return c.refuse(err)
	}
	lines := make([]lsfbridge.HostLine, len(hosts))
	for i := range hosts {
		lines[i] = lsfbridge.HostLineOf(&hosts[i])
	}
	if query.Long {
		_, err = c.stdout.Write(lsfbridge.PrintLongHosts(lines))
	} else {
		_, err = c.stdout.Write(lsfbridge.PrintHosts(lines, query.Wide))
	}
	return lsfDone, err
}
