package main

import (
	"context"
	"slices"

	"github.com/spf13/cobra"

	"sluice/lsfbridge"
	"sluice/queue"
	"sluice/queue/wire"
)

// queueViewer is what bqueues needs of the daemon.
type queueViewer interface {
	Queues(context.Context) ([]queue.QueueInfo, error)
	Hosts(context.Context) ([]queue.Host, error)
}

var _ queueViewer = (*wire.Client)(nil)

func newBqueuesCommand() *cobra.Command {
	return newLSFCommand(cobra.Command{
		Use:   "bqueues [options] [queue_name ...]",
		Short: "Show queues",
		Long: `Show the queues with their state, limits and numbers of slots, with LSF's options; bqueues -h lists them.

Exit codes: 0 shown; 255 a queue or host is unknown, or wrong usage.`,
		Example: `  bqueues
  bqueues -l normal`,
	}, func(ctx context.Context, c *lsfCall, client *wire.Client) (int, error) {
		return bqueues(ctx, c, client)
	})
}

func bqueues(ctx context.Context, c *lsfCall, client queueViewer) (int, error) {
	query, err := lsfbridge.ParseQueueQuery(c.args)
	if err != nil {
		return c.refuse(err)
	}
	queues, err := client.Queues(ctx)
	if err != nil {
		return c.fail(err)
	}
	machine := ""
	if query.Host != "" && query.Host != "all" {
		hosts, err := client.Hosts(ctx)
		if err != nil {
			return c.fail(err)
		}
		at := slices.IndexFunc(hosts, func(h queue.Host) bool { return h.Name == query.Host })
		if at < 0 {
			c.say(lsfbridge.ExplainName(query.Host, queue.NoSuchHost))
			return lsfFailed, nil
		}
		machine = hosts[at].Location
	}
	if queues, err = query.Select(queues, machine); err != nil {
		return c.refuse(err)
	}
	if len(queues) == 0 {
		c.say("No matching queue found")
		return lsfFailed, nil
	}
	if query.Long {
		_, err = c.stdout.Write(lsfbridge.PrintLongQueues(queues))
		return lsfDone, err
	}
	lines := make([]lsfbridge.QueueLine, len(queues))
	for i := range queues {
		lines[i] = lsfbridge.QueueLineOf(&queues[i])
	}
	_, err = c.stdout.Write(lsfbridge.PrintQueues(lines, query.Wide))
	return lsfDone, err
}
