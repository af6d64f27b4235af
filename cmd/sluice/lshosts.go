package main

import (
	"context"

	"github.com/spf13/cobra"

	"sluice/lsfbridge"
	"sluice/queue/wire"
)

func newLshostsCommand() *cobra.Command {
	return newLSFCommand(cobra.Command{
		Use: "lshosts [options] [host_name ...]", Short: "Show what hosts there are and what they have",
		Long: `Show the hosts that have joined, their slots, memory and attributes, with LSF's options; lshosts -h lists them.

Exit codes: 0 shown; 255 a host is unknown, or wrong usage.`,
		Example: "  lshosts\n  lshosts -l host3",
	}, func(ctx context.Context, c *lsfCall, client *wire.Client) (int, error) {
		return lshosts(ctx, c, client)
	})
}

func lshosts(ctx context.Context, c *lsfCall, client hostViewer) (int, error) {
	query, err := lsfbridge.ParseStaticQuery(c.args)
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
	lines := make([]lsfbridge.StaticLine, len(hosts))
	for i := range hosts {
		lines[i] = lsfbridge.StaticLineOf(&hosts[i])
	}
	text := lsfbridge.PrintStatic(lines, query.Wide)
	if query.Long {
		text = lsfbridge.PrintLongStatic(lines)
	}
	_, err = c.stdout.Write(text)
	return lsfDone, err
}

func newLsloadCommand() *cobra.Command {
	return newLSFCommand(cobra.Command{
		Use: "lsload [options] [host_name ...]", Short: "Show the hosts and how busy their machines are",
		Long: `Show the hosts that have joined, whether they are reachable, and how busy their machines are, with LSF's options; lsload -h
lists them. Machines are measured every 15 seconds, with all that runs on them; those that are least busy come first.

Exit codes: 0 shown; 255 a host is unknown, or wrong usage.`,
		Example: "  lsload\n  lsload -l -I r1m:mem",
	}, func(ctx context.Context, c *lsfCall, client *wire.Client) (int, error) { return lsload(ctx, c, client) })
}

func lsload(ctx context.Context, c *lsfCall, client hostViewer) (int, error) {
	query, err := lsfbridge.ParseLoadQuery(c.args)
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
	lines := make([]lsfbridge.LoadLine, len(hosts))
	for i := range hosts {
		lines[i] = lsfbridge.LoadLineOf(&hosts[i])
	}
	_, err = c.stdout.Write(query.Print(lines))
	return lsfDone, err
}
