package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"sluice/lsfbridge"
	"sluice/queue/history"
	"sluice/queue/wire"
)

// pastViewer is what bhist and bacct need of the daemon.
type pastViewer interface {
	Past(context.Context, wire.PastRequest, func(history.Past) error) error
	PastSummary(context.Context, history.Filter) (history.Summary, error)
	Cluster(context.Context) (wire.Cluster, error)
	Chronicle(context.Context, wire.EventsRequest, func(history.Happening) error) error
}

var _ pastViewer = (*wire.Client)(nil)

func newBhistCommand() *cobra.Command {
	return newLSFCommand(cobra.Command{
		Use: "bhist [options] [job_id ...]", Short: "Show what became of jobs, and the time they spent in each state",
		Long: `Show the history of your unfinished jobs, or of the jobs named, with LSF's options; bhist -h lists them. Jobs are
remembered for 30 days after they ended, or what sluice run --history says.

Exit codes: 0 shown; 255 nothing to show, or wrong usage.`,
		Example: `  bhist -a                    # ended ones, too
  bhist -l 12                 # all that happened to a job
  bhist -t -T .-1/,.          # all that happened in a day, to jobs, hosts and queues
  bhist -u all -C 11/1,11/2   # what ended in these two days`,
	}, func(ctx context.Context, c *lsfCall, client *wire.Client) (int, error) { return bhist(ctx, c, client) })
}

func bhist(ctx context.Context, c *lsfCall, client pastViewer) (int, error) {
	query, err := lsfbridge.ParsePastQuery(c.args, c.now)
	if err != nil {
		return c.refuse(err)
	}
	if query.Chronicle {
		return c.chronicle(ctx, client, query)
	}
	if query.Mine {
		cluster, err := client.Cluster(ctx)
		if err != nil {
			return c.fail(err)
		}
		query.Filter.Users = []string{cluster.User}
	}
	shown := 0
	err = client.Past(ctx, wire.PastRequest{Filter: query.Filter, Events: query.Long}, func(p history.Past) error {
		if !query.Matches(p.ID) {
			return nil
		}
		shown++
		_, err := c.stdout.Write(c.appendPast(nil, &p, query, shown == 1))
		if err == nil && shown == 1 {
			err = c.stdout.Flush()
		}
		return err
	})
	if err != nil {
		return c.fail(err)
	}
	if shown == 0 {
		_, err := fmt.Fprintln(c.stdout, lsfbridge.NoPast)
		return lsfFailed, err
	}
	_, err = fmt.Fprintln(c.stdout)
	return lsfDone, err
}

// chronicle shows what happened, whatever it was.
func (c *lsfCall) chronicle(ctx context.Context, client pastViewer, query *lsfbridge.PastQuery) (int, error) {
	printer, shown := lsfbridge.NewChronicle(c.now.Location()), 0
	span := query.SpanAt(c.now, c.env("LSB_BHIST_HOURS"))
	err := client.Chronicle(ctx, wire.EventsRequest{Span: span}, func(h history.Happening) error {
		lines := printer.AppendTo(nil, &h)
		shown += len(lines)
		_, err := c.stdout.Write(lines)
		return err
	})
	if err != nil {
		return c.fail(err)
	}
	if shown == 0 {
		_, err := fmt.Fprintln(c.stdout, lsfbridge.NoPast)
		return lsfFailed, err
	}
	_, err = fmt.Fprintln(c.stdout)
	return lsfDone, err
}

func (c *lsfCall) appendPast(b []byte, p *history.Past, query *lsfbridge.PastQuery, first bool) []byte {
	if query.Long {
		if !first {
			b = append(b, lsfbridge.LongRule...)
		}
		long := lsfbridge.LongPastOf(p, query.Brief, c.now)
		return long.AppendTo(b)
	}
	if first {
		b = append(b, lsfbridge.PastHeader()...)
	}
	line := lsfbridge.PastLineOf(&p.Record, c.now)
	return line.AppendTo(b, query.Wide)
}

func newBacctCommand() *cobra.Command {
	return newLSFCommand(cobra.Command{
		Use: "bacct [options] [job_id ...]", Short: "Sum up ended jobs: CPU, waiting and turnaround times",
		Long: `Sum up your ended jobs, or the jobs named, with LSF's options; bacct -h lists them. Jobs are remembered for 30 days after
they ended, or what sluice run --history says.

Exit codes: 0 shown; 255 wrong usage.`,
		Example: `  bacct
  bacct -u all -q short -C .-7/,.    # all that ended in the last seven days
  bacct -l 12`,
	}, func(ctx context.Context, c *lsfCall, client *wire.Client) (int, error) { return bacct(ctx, c, client) })
}

func bacct(ctx context.Context, c *lsfCall, client pastViewer) (int, error) {
	query, err := lsfbridge.ParseAccountQuery(c.args, c.now)
	if err != nil {
		return c.refuse(err)
	}
	if query.Mine {
		cluster, err := client.Cluster(ctx)
		if err != nil {
			return c.fail(err)
		}
		query.Filter.Users = []string{cluster.User}
	}
	summary, err := client.PastSummary(ctx, query.Filter)
	if err != nil {
		return c.fail(err)
	}
	zone := c.now.Location()
	if _, err := c.stdout.WriteString(query.Header(zone)); err != nil {
		return lsfFailed, err
	}
	if query.Long || query.Brief {
		if err := c.accounts(ctx, client, query); err != nil {
			return c.fail(err)
		}
	}
	_, err = c.stdout.WriteString(lsfbridge.PrintAccounts(summary, zone))
	return lsfDone, err
}

// accounts prints the jobs one by one.
func (c *lsfCall) accounts(ctx context.Context, client pastViewer, query *lsfbridge.AccountQuery) error {
	zone := c.now.Location()
	if query.Brief {
		if _, err := c.stdout.WriteString(lsfbridge.AccountColumns); err != nil {
			return err
		}
	}
	err := client.Past(ctx, wire.PastRequest{Filter: query.Filter}, func(p history.Past) error {
		if query.Long {
			_, err := c.stdout.Write(lsfbridge.AppendAccount(nil, &p.Record, zone))
			return err
		}
		line := lsfbridge.AccountLineOf(&p.Record, zone)
		_, err := c.stdout.Write(line.AppendTo(nil, query.Whole))
		return err
	})
	if err == nil && query.Brief {
		_, err = fmt.Fprintln(c.stdout)
	}
	return err
}
