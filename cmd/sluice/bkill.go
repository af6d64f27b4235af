package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"sluice/lsfbridge"
	"sluice/queue"
	"sluice/queue/wire"
)

// jobController is what bkill and the like need of the daemon.
type jobController interface {
	Jobs(context.Context, wire.JobsRequest, func(queue.Job) error) error
	Act(context.Context, wire.ActRequest, func(wire.Acted) error) error
	Cluster(context.Context) (wire.Cluster, error)
}

var _ jobController = (*wire.Client)(nil)

// maxIDs is how many jobs one request to the daemon names.
const maxIDs = 10_000

func newBkillCommand() *cobra.Command {
	return newLSFCommand(cobra.Command{
		Use:   "bkill [options] job_id ...",
		Short: "Kill jobs, or send them signals",
		Long: `Kill jobs with LSF's options; bkill -h lists them. Job id 0 stands for all your unfinished jobs; without any id the
options -J, -m, -q and -u mean the last job that fits.

Exit codes: 0 done for all; 255 at least one was refused or not found.`,
		Example: `  bkill 12
  bkill "12[3-7]"
  bkill 0                 # all your jobs
  bkill -J "sweep*" 0
  bkill -s USR1 12`,
	}, controlRun(wire.Kill))
}

func newBstopCommand() *cobra.Command {
	return newLSFCommand(cobra.Command{
		Use: "bstop [options] job_id ...", Short: "Suspend jobs",
		Long: `Suspend jobs with LSF's options; bstop -h lists them. Job id 0 stands for all your unfinished jobs.

Exit codes: 0 done for all; 255 at least one was refused or not found.`,
		Example: `  bstop 12`,
	}, controlRun(wire.Stop))
}

func newBresumeCommand() *cobra.Command {
	return newLSFCommand(cobra.Command{
		Use: "bresume [options] job_id ...", Short: "Resume suspended jobs",
		Long: `Resume jobs with LSF's options; bresume -h lists them. Job id 0 stands for all your unfinished jobs.

Exit codes: 0 done for all; 255 at least one was refused or not found.`,
		Example: `  bresume 12`,
	}, controlRun(wire.Resume))
}

func newBrequeueCommand() *cobra.Command {
	return newLSFCommand(cobra.Command{
		Use: "brequeue [options] job_id ...", Short: "Run jobs again",
		Long: `Run jobs again with LSF's options; brequeue -h lists them. Running and suspended jobs are meant unless -d (done), -e
(exited), -r (running) or -a (all of them) say otherwise; -H holds them until they are resumed.

Exit codes: 0 done for all; 255 at least one was refused or not found.`,
		Example: `  brequeue 12
  brequeue -e "12[3-7]"       # those elements that failed
  brequeue -e -u all`,
	}, controlRun(wire.Requeue))
}

func newBswitchCommand() *cobra.Command {
	return newLSFCommand(cobra.Command{
		Use: "bswitch [options] queue_name [job_id ...]", Short: "Move jobs to another queue",
		Long: `Move unfinished jobs to another queue with LSF's options; bswitch -h lists them. Without a job id, the one submitted last
that fits is moved; job id 0 stands for all. Arrays move as a whole.

Exit codes: 0 done for all; 255 at least one was refused or not found.`,
		Example: `  bswitch short 12
  bswitch -q normal idle 0    # all your jobs in normal`,
	}, controlRun(wire.Switch))
}

func controlRun(action wire.Action) lsfFunc {
	return func(ctx context.Context, c *lsfCall, client *wire.Client) (int, error) {
		return control(ctx, c, action, client)
	}
}

// control does action to the jobs of a command line.
func control(ctx context.Context, c *lsfCall, action wire.Action, client jobController) (int, error) {
	order, err := lsfbridge.ParseJobOrder(c.name, c.args)
	if errors.Is(err, lsfbridge.ErrListSignals) {
		_, err := c.stdout.WriteString(lsfbridge.SignalList())
		return lsfFailed, err // as LSF does
	}
	if err != nil {
		return c.refuse(err)
	}
	act := wire.ActRequest{Action: action, Signal: order.Signal, Queue: order.Queue, Rerun: order.Rerun}
	if order.Force {
		act.Action = wire.ForceKill
	}
	o := &outcome{call: c, order: order}
	switch {
	case len(order.Selectors) > 0:
		err = actOnSelected(ctx, client, act, order.Selectors, o)
	default:
		err = actOnFiltered(ctx, client, act, order, o)
	}
	if err != nil && !errors.Is(err, errRefusedForAll) {
		return c.fail(err)
	}
	if o.failed {
		return lsfFailed, nil
	}
	if o.done == 0 {
		c.say(noneToControl(order))
		return lsfFailed, nil
	}
	return lsfDone, nil
}

// outcome says what became of each job.
type outcome struct {
	call   *lsfCall
	order  *lsfbridge.JobOrder
	done   int
	failed bool
}

// errRefusedForAll ends an order that has been refused for all its jobs.
var errRefusedForAll = errors.New("refused for all jobs")

func (o *outcome) add(a wire.Acted) error {
	if err := a.Error.Err(); err != nil {
		o.failed = true
		if err := o.call.stdout.Flush(); err != nil {
			return err
		}
		line, all := o.order.Refused(a.ID, err)
		o.call.say(line)
		if all {
			return errRefusedForAll
		}
		return nil
	}
	o.done++
	_, err := fmt.Fprintln(o.call.stdout, o.order.Done(a.ID))
	return err
}

// actOnSelected names the jobs to the daemon, in parts.
func actOnSelected(ctx context.Context, client jobController, act wire.ActRequest, selectors []lsfbridge.JobSelector, o *outcome) (err error) {
	flush := func() {
		if err == nil && len(act.IDs) > 0 {
			err = client.Act(ctx, act, o.add)
		}
		act.IDs = nil
	}
	for _, s := range selectors {
		s.Elements(func(id queue.ID) bool {
			if act.IDs = append(act.IDs, id); len(act.IDs) == maxIDs {
				flush()
			}
			return err == nil
		})
	}
	flush()
	return err
}

// actOnFiltered acts on all unfinished jobs that fit, or on the one that was submitted last.
func actOnFiltered(ctx context.Context, client jobController, act wire.ActRequest, order *lsfbridge.JobOrder, o *outcome) error {
	if order.All && order.Indices == nil {
		act.Filter = order.Filter // without a user: the caller's; without states: whole arrays
		if act.Action == wire.Requeue {
			act.Filter.States = order.States()
		}
		return client.Act(ctx, act, o.add)
	}
	ids, err := fitting(ctx, client, order)
	if err != nil {
		return err
	}
	if !order.All {
		ids = lastSubmitted(ids, order.Indices != nil)
	}
	for len(ids) > 0 && err == nil {
		act.IDs = ids[:min(len(ids), maxIDs)]
		ids = ids[len(act.IDs):]
		err = client.Act(ctx, act, o.add)
	}
	return err
}

// fitting lists the unfinished jobs and elements that an order is about.
func fitting(ctx context.Context, client jobController, order *lsfbridge.JobOrder) (ids []queue.ID, err error) {
	filter := order.Filter
	filter.States = order.States()
	if order.Mine {
		cluster, err := client.Cluster(ctx)
		if err != nil {
			return nil, err
		}
		filter.User = cluster.User
	}
	err = client.Jobs(ctx, wire.JobsRequest{Filter: filter}, func(job queue.Job) error {
		if order.Indices == nil || (lsfbridge.JobSelector{Job: job.ID.Job, Ranges: order.Indices}).Matches(job.ID) {
			ids = append(ids, job.ID)
		}
		return nil
	})
	return ids, err
}

// lastSubmitted keeps the job with the highest number; an array as a whole, unless elements of it were asked for.
func lastSubmitted(ids []queue.ID, elements bool) []queue.ID {
	var last []queue.ID
	for _, id := range ids {
		if len(last) > 0 && id.Job < last[0].Job {
			continue
		}
		if len(last) > 0 && id.Job > last[0].Job {
			last = nil
		}
		last = append(last, id)
	}
	if len(last) > 0 && !elements {
		return []queue.ID{{Job: last[0].Job}}
	}
	return last
}

func noneToControl(order *lsfbridge.JobOrder) string {
	if order.Filter.Name != "" {
		return "Job <" + order.Filter.Name + "> is not found"
	}
	return "No unfinished job found"
}
