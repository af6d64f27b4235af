package main

import (
	"context"

	"github.com/spf13/cobra"

	"sluice/lsfbridge"
	"sluice/queue"
	"sluice/queue/wire"
)

// appViewer is what bapp needs of the daemon.
type appViewer interface {
	Apps(context.Context) ([]queue.AppInfo, error)
}

var _ appViewer = (*wire.Client)(nil)

func newBappCommand() *cobra.Command {
	return newLSFCommand(cobra.Command{
		Use: "bapp [options] [application_profile ...]", Short: "Show application profiles",
		Long: `Show the application profiles of lsb.applications with their numbers of slots, with LSF's options; bapp -h lists them.

Exit codes: 0 shown; 255 one is unknown or there is none, or wrong usage.`,
		Example: "  bapp\n  bapp -l fluent",
	}, func(ctx context.Context, c *lsfCall, client *wire.Client) (int, error) {
		return bapp(ctx, c, client)
	})
}

func bapp(ctx context.Context, c *lsfCall, client appViewer) (int, error) {
	query, err := lsfbridge.ParseAppQuery(c.args)
	if err != nil {
		return c.refuse(err)
	}
	apps, err := client.Apps(ctx)
	if err != nil {
		return c.fail(err)
	}
	if apps, err = query.Select(apps); err != nil {
		return c.refuse(err)
	}
	text := lsfbridge.PrintApps(apps, query.Wide)
	if query.Long {
		text = lsfbridge.PrintLongApps(apps)
	}
	_, err = c.stdout.Write(text)
	return lsfDone, err
}
