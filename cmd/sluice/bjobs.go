package main

import (
	"context"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"sluice/lsfbridge"
	"sluice/queue"
	"sluice/queue/wire"
)

// jobViewer is what bjobs needs of the daemon.
type jobViewer interface {
	Jobs(context.Context, wire.JobsRequest, func(queue.Job) error) error
	Arrays(context.Context, wire.JobsRequest, func(queue.ArrayCounts) error) error
	Cluster(context.Context) (wire.Cluster, error)
}

// nameViewer is what bjobs needs to know which names there are.
type nameViewer interface {
	queueViewer
	appViewer
}

var (
	_ jobViewer  = (*wire.Client)(nil)
	_ nameViewer = (*wire.Client)(nil)
)

func newBjobsCommand() *cobra.Command {
	return newLSFCommand(cobra.Command{
		Use:   "bjobs [options] [job_id ...]",
		Short: "Show jobs",
		Long: `Show your unfinished jobs, or the jobs named, with LSF's options; bjobs -h lists them.

Exit codes: 0 shown; 254 nothing to show (0 with -o and -json, as in LSF 10.1; with LSB_BJOBS_CONSISTENT_EXIT_CODE in the
environment Y is 255 and N is 0); 255 a job named was not found, or wrong usage.`,
		Example: `  bjobs                       # your pending, running and suspended jobs
  bjobs -u all -a -w          # everybody's, ended ones too, nothing cut
  bjobs -p                    # pending ones and why
  bjobs -l "12[3]"            # all about one element
  bjobs -o "jobid stat exec_host run_time delimiter=','" -noheader`,
	}, func(ctx context.Context, c *lsfCall, client *wire.Client) (int, error) {
		return bjobs(ctx, c, client, client)
	})
}

func bjobs(ctx context.Context, c *lsfCall, client jobViewer, names nameViewer) (int, error) {
	query, err := lsfbridge.ParseJobQuery(c.args, c.env("LSB_SHORT_HOSTLIST") == "1")
	if err != nil {
		return c.refuse(err)
	}
	ask := wire.JobsRequest{Filter: query.Filter}
	if query.Mine {
		cluster, err := client.Cluster(ctx)
		if err != nil {
			return c.fail(err)
		}
		ask.Filter.User = cluster.User
	}
	ask.Filter.IDs = idsOf(query.Selectors)
	ask.Reasons = query.Pending || query.Suspended || query.Form >= lsfbridge.FormLong
	// For the name of the home directory; an environment for each of all jobs would be too much.
	ask.Env = query.Form == lsfbridge.FormLong && len(query.Selectors) > 0
	found := newFinds(query.Selectors)
	show := c.showJobs
	if query.Form == lsfbridge.FormArrays {
		show = c.showArrays
	}
	shown, err := show(ctx, client, query, ask, found)
	if err != nil {
		return c.fail(err)
	}
	missing := found.missing()
	for _, text := range missing {
		c.say("Job <" + text + "> is not found")
	}
	switch {
	case len(missing) > 0:
		return lsfFailed, nil
	case shown == 0:
		return c.nothing(ctx, names, query)
	}
	return lsfDone, nil
}

func (c *lsfCall) showJobs(ctx context.Context, client jobViewer, query *lsfbridge.JobQuery, ask wire.JobsRequest, found finds) (int, error) {
	printer := lsfbridge.NewJobPrinter(c.stdout, query, c.now)
	err := client.Jobs(ctx, ask, func(job queue.Job) error {
		if !query.Matches(job.ID) {
			return nil
		}
		found.add(job.ID)
		first := printer.Printed() == 0
		if err := printer.Print(&job); err != nil || !first {
			return err
		}
		return c.stdout.Flush()
	})
	if err != nil || printer.Printed() == 0 {
		return 0, err
	}
	return printer.Printed(), printer.Close()
}

func (c *lsfCall) showArrays(ctx context.Context, client jobViewer, query *lsfbridge.JobQuery, ask wire.JobsRequest, found finds) (int, error) {
	var lines []lsfbridge.ArrayLine
	ask.Filter.States = nil // an array is shown whole
	err := client.Arrays(ctx, ask, func(a queue.ArrayCounts) error {
		found.addJob(a.ID.Job)
		lines = append(lines, lsfbridge.ArrayLineOf(&a))
		return nil
	})
	if err != nil || len(lines) == 0 {
		return 0, err
	}
	_, err = c.stdout.Write(lsfbridge.PrintArrays(lines, query.Wide))
	return len(lines), err
}

// nothing says why there is nothing to show: because a name is unknown, or because there is none such.
func (c *lsfCall) nothing(ctx context.Context, names nameViewer, query *lsfbridge.JobQuery) (int, error) {
	text := query.NoneFound()
	if name := query.Filter.Queue; name != "" {
		queues, err := names.Queues(ctx)
		if err != nil {
			return c.fail(err)
		}
		if !slices.ContainsFunc(queues, func(q queue.QueueInfo) bool { return q.Name == name }) {
			text = lsfbridge.ExplainName(name, queue.NoSuchQueue)
		}
	}
	if name := query.Filter.Host; name != "" {
		hosts, err := names.Hosts(ctx)
		if err != nil {
			return c.fail(err)
		}
		if !slices.ContainsFunc(hosts, func(h queue.Host) bool { return h.Name == name }) {
			text = lsfbridge.ExplainName(name, queue.NoSuchHost)
		}
	}
	if name := query.Filter.App; name != "" {
		apps, err := names.Apps(ctx)
		if err != nil {
			return c.fail(err)
		}
		if !slices.ContainsFunc(apps, func(a queue.AppInfo) bool { return a.Name == name }) {
			text = lsfbridge.ExplainName(name, queue.NoSuchApp)
		}
	}
	if query.Form == lsfbridge.FormJSON && text == query.NoneFound() {
		if err := lsfbridge.NewJobPrinter(c.stdout, query, c.now).Close(); err != nil {
			return c.fail(err)
		}
	} else {
		c.say(text)
	}
	switch consistent := c.env("LSB_BJOBS_CONSISTENT_EXIT_CODE"); {
	case strings.EqualFold(consistent, "y"):
		return lsfFailed, nil
	case strings.EqualFold(consistent, "n"), query.Form == lsfbridge.FormJSON, query.Form == lsfbridge.FormFields:
		return lsfDone, nil
	}
	return lsfNothing, nil
}

// idsOf is what to ask the daemon for, each once.
func idsOf(selectors []lsfbridge.JobSelector) []queue.ID {
	var ids []queue.ID
	seen := make(map[queue.ID]bool)
	for _, s := range selectors {
		if id := s.ID(); !seen[id] {
			seen[id] = true
			ids = append(ids, id)
		}
	}
	return ids
}

// finds remembers which of the job ids that were named have been found.
type finds struct {
	selectors []lsfbridge.JobSelector
	found     []bool
	byJob     map[int64][]int // positions in selectors
}

func newFinds(selectors []lsfbridge.JobSelector) finds {
	f := finds{selectors: selectors, found: make([]bool, len(selectors)), byJob: make(map[int64][]int)}
	for i, s := range selectors {
		f.byJob[s.Job] = append(f.byJob[s.Job], i)
	}
	return f
}

func (f finds) add(id queue.ID) {
	for _, i := range f.byJob[id.Job] {
		f.found[i] = f.found[i] || f.selectors[i].Matches(id)
	}
}

// addJob is add for a whole array.
func (f finds) addJob(job int64) {
	for _, i := range f.byJob[job] {
		f.found[i] = true
	}
}

func (f finds) missing() []string {
	var texts []string
	for i, found := range f.found {
		if !found {
			texts = append(texts, f.selectors[i].Text)
		}
	}
	return texts
}
