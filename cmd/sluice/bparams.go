package main

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"sluice/lsfbridge"
	"sluice/queue/wire"
)

// paramViewer is what bparams needs of the daemon.
type paramViewer interface {
	Params(context.Context) (wire.Params, error)
}

var _ paramViewer = (*wire.Client)(nil)

func newBparamsCommand() *cobra.Command {
	return newLSFCommand(cobra.Command{
		Use: "bparams [-l]", Short: "Show the batch system's parameters",
		Long: `Show the batch system's parameters: a few, or with -l all of them.

Exit codes: 0 shown; 255 wrong usage.`,
		Example: "  bparams -l",
	}, func(ctx context.Context, c *lsfCall, client *wire.Client) (int, error) {
		return bparams(ctx, c, client)
	})
}

func bparams(ctx context.Context, c *lsfCall, client paramViewer) (int, error) {
	query, err := lsfbridge.ParseParamQuery(c.args)
	if err != nil {
		return c.refuse(err)
	}
	params, err := client.Params(ctx)
	if err != nil {
		return c.fail(err)
	}
	text := lsfbridge.PrintSummary(lsfbridge.Summary{DefaultQueues: strings.Join(params.DefaultQueues, " ")})
	if query.Long {
		text = lsfbridge.PrintParams(paramsOf(&params))
	}
	_, err = c.stdout.WriteString(text)
	return lsfDone, err
}

// paramsOf puts the daemon's parameters in LSF's words. Jobs start and ends are seen when they happen: the intervals of LSF's
// daemons are 0.
func paramsOf(p *wire.Params) []lsfbridge.Param {
	seconds := func(n float64) string { return fmt.Sprintf("%.0f (seconds)", n) }
	params := []lsfbridge.Param{
		{About: "System default queues for automatic queue selection:", Name: "DEFAULT_QUEUE", Value: strings.Join(p.DefaultQueues, " ")},
		{About: "The interval for dispatching jobs by master batch daemon:", Name: "MBD_SLEEP_TIME", Value: seconds(0)},
		{About: "The interval for checking jobs by slave batch daemon:", Name: "SBD_SLEEP_TIME", Value: seconds(0)},
		{About: "The interval for a host to accept two batch jobs:", Name: "JOB_ACCEPT_INTERVAL", Value: "0 (* MBD_SLEEP_TIME)"},
		{About: "The amount of time during which finished jobs are kept in core:", Name: "CLEAN_PERIOD", Value: seconds(p.CleanPeriod.Seconds())},
		{About: "The amount of time during which finished jobs are kept for bhist and bacct:", Name: "HISTORY", Value: seconds(p.History.Seconds())},
		{About: "The default project assigned to jobs.", Name: "DEFAULT_PROJECT", Value: p.Project},
		{About: "The interval to terminate a job.", Name: "JOB_TERMINATE_INTERVAL", Value: fmt.Sprintf("%.0f ", p.KillGrace.Seconds())},
		{About: "The maximum number of attempts to run the pre-exec command.", Name: "MAX_PREEXEC_RETRY", Value: strconv.Itoa(p.PreExecRetries)},
		{About: "Memory is reserved for each task (Y), or for the job (N):", Name: "RESOURCE_RESERVE_PER_TASK", Value: "N"},
		{About: "The maximum number of jobs in a job array.", Name: "MAX_JOB_ARRAY_SIZE", Value: strconv.Itoa(p.MaxArray)},
		{About: "The maximum number of jobs and started array elements that are remembered:", Name: "MAX_JOBS", Value: strconv.Itoa(p.MaxJobs)},
	}
	if p.DefaultApp != "" {
		params = append(params, lsfbridge.Param{About: "The default application profile assigned to jobs.", Name: "DEFAULT_APPLICATION", Value: p.DefaultApp})
	}
	if p.MaxPending > 0 {
		params = append(params, lsfbridge.Param{About: "The maximum number of pending jobs in the system.", Name: "MAX_PEND_JOBS", Value: strconv.Itoa(p.MaxPending)})
	}
	return params
}
