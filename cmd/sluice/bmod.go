package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"sluice/lsfbridge"
	"sluice/queue"
	"sluice/queue/wire"
)

// slotsOf is the slots that a job asks for; 1 when it is not there.
func slotsOf(ctx context.Context, client jobModifier, ids []queue.ID) (int, error) {
	slots := 1
	err := client.Jobs(ctx, wire.JobsRequest{Filter: queue.Filter{IDs: ids}}, func(job queue.Job) error {
		slots = job.Spec.MinSlots
		return nil
	})
	return slots, err
}

func newBmodCommand() *cobra.Command {
	return newLSFCommand(cobra.Command{
		Use: "bmod [options] job_id", Short: "Change a job",
		Long: `Change a job or an array with the options of bsub; bmod -h lists them. With "n" at its end, as in -Wn, an option goes back
to its default. While a job, or an element of an array, runs, its limits (-W -t -M -c -v -p -T), the files of its output (-o -oo -e
-eo), its memory (-R) and -r can be changed.

Exit codes: 0 changed; 255 refused.`,
		Example: `  bmod -q short -W 10 12
  bmod -wn 12                 # wait for nothing
  bmod -M 8GB -W 240 12       # while it runs, too
  bmod -Z "./other.sh" 12`,
	}, func(ctx context.Context, c *lsfCall, client *wire.Client) (int, error) { return bmod(ctx, c, client) })
}

// fieldOf is the part of a spec that an option of bsub sets.
var fieldOf = map[string]wire.Field{
	"J": wire.FieldName, "Z": wire.FieldCommand, "q": wire.FieldQueue, "P": wire.FieldProject, "app": wire.FieldApp, "g": wire.FieldGroup, "i": wire.FieldStdin, "is": wire.FieldStdin,
	"o": wire.FieldStdout, "oo": wire.FieldStdout, "e": wire.FieldStderr, "eo": wire.FieldStderr, "n": wire.FieldSlots, "R": wire.FieldResources,
	"m": wire.FieldHosts, "x": wire.FieldExclusive, "w": wire.FieldAfter, "b": wire.FieldBeginAt, "t": wire.FieldEndBy,
	"W": wire.FieldRunLimit, "sp": wire.FieldPriority, "r": wire.FieldRerunnable,
	"M": wire.FieldMemLimit, "v": wire.FieldSwapLimit, "c": wire.FieldCPULimit, "p": wire.FieldProcessLimit, "T": wire.FieldThreadLimit,
	"F": wire.FieldFileLimit, "D": wire.FieldDataLimit, "S": wire.FieldStackLimit, "C": wire.FieldCoreLimit,
	"Q": wire.FieldRequeueExit, "B": wire.FieldNotifyBegin, "N": wire.FieldNotifyEnd, "u": wire.FieldMailUser, "E": wire.FieldPreExec, "Ep": wire.FieldPostExec, "L": wire.FieldLoginShell,
}

// jobModifier is what bmod needs of the daemon.
type jobModifier interface {
	jobActor
	Jobs(context.Context, wire.JobsRequest, func(queue.Job) error) error
	inputKeeper
}

var _ jobModifier = (*wire.Client)(nil)

func bmod(ctx context.Context, c *lsfCall, client jobModifier) (int, error) {
	m, err := lsfbridge.ParseModification(c.args, c.now, 1)
	if err == nil && m.PerJob {
		var slots int
		if slots, err = slotsOf(ctx, client, m.IDs); err != nil {
			return c.fail(err)
		}
		m, err = lsfbridge.ParseModification(c.args, c.now, slots)
	}
	if err != nil {
		return c.refuse(err)
	}
	if m.Spec.Input, err = keepInput(ctx, client, m.KeepInput); err != nil {
		return c.refuse(m.NotKept(err))
	}
	act := wire.ActRequest{Action: wire.Modify, IDs: m.IDs, Spec: &m.Spec}
	for _, option := range m.Options {
		field, ok := fieldOf[option]
		if !ok {
			return lsfFailed, fmt.Errorf("option -%s of bmod sets no part of a job", option)
		}
		act.Fields = append(act.Fields, field)
	}
	code := lsfDone
	err = client.Act(ctx, act, func(a wire.Acted) error {
		if err := a.Error.Err(); err != nil {
			c.say(m.Refused(a.ID, err))
			code = lsfFailed
			return nil
		}
		_, err := fmt.Fprintln(c.stdout, m.Done(a.ID))
		return err
	})
	if err != nil {
		return c.fail(err)
	}
	if code == lsfDone {
		for _, note := range m.Notes {
			c.say(note)
		}
	}
	return code, nil
}
