package main

import (
	"context"
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"sluice/lsfbridge"
	"sluice/queue"
	"sluice/queue/wire"
)

// administrator is what badmin needs of the daemon.
type administrator interface {
	Queues(context.Context) ([]queue.QueueInfo, error)
	SetQueue(ctx context.Context, name string, change wire.Change) error
	Hosts(context.Context) ([]queue.Host, error)
	SetHost(ctx context.Context, name string, open bool) error
}

// reconfigurer is what badmin reconfig and ckconfig need.
type reconfigurer interface {
	Reconfigure(ctx context.Context, checkOnly bool) (wire.Reconfigured, error)
}

// systemViewer is what badmin showstatus needs.
type systemViewer interface {
	Queues(context.Context) ([]queue.QueueInfo, error)
	Hosts(context.Context) ([]queue.Host, error)
	Users(context.Context) ([]queue.UserInfo, error)
	Cluster(context.Context) (wire.Cluster, error)
}

var (
	_ administrator = (*wire.Client)(nil)
	_ systemViewer  = (*wire.Client)(nil)
	_ reconfigurer  = (*wire.Client)(nil)
)

func newBadminCommand() *cobra.Command {
	return newLSFCommand(cobra.Command{
		Use: "badmin command [name ... | all]", Short: "Open and close hosts and queues, show the system's state",
		Long: `Administer the batch system with LSF's commands:

  reconfig         read the configuration files anew (sluice run --conf-dir) and put
                   what they say in force, or change nothing and say why
  ckconfig         check the configuration files
  hopen, hclose    let hosts take new jobs, or not
  qopen, qclose    let queues take new jobs, or not
  qact, qinact     let queues start jobs, or not
  showstatus       hosts, job slots and users in numbers
  help             about these commands

Only administrators may change anything.

Exit codes: 0 done; 255 refused for at least one name, or wrong usage.`,
		Example: `  badmin hclose host3
  badmin qinact idle
  badmin qact all
  badmin showstatus
  badmin reconfig`,
	}, badmin)
}

func badmin(ctx context.Context, c *lsfCall, client *wire.Client) (int, error) {
	order, err := lsfbridge.ParseAdminOrder(c.args)
	if err != nil {
		return c.refuse(err)
	}
	switch {
	case order.OfHosts():
		return adminHosts(ctx, c, client, order)
	case order.OfQueues():
		return adminQueues(ctx, c, client, order)
	case order.OfConfiguration():
		return adminConfiguration(ctx, c, client, order)
	case order.Command == "showstatus":
		return adminStatus(ctx, c, client)
	}
	fmt.Fprint(c.stderr, order.Help())
	return lsfDone, nil
}

func adminQueues(ctx context.Context, c *lsfCall, client administrator, order *lsfbridge.AdminOrder) (int, error) {
	names := order.Names
	if len(names) == 0 { // all, or the default queue
		queues, err := client.Queues(ctx)
		if err != nil {
			return c.fail(err)
		}
		for i := range queues {
			if order.All || queues[i].Default {
				names = append(names, queues[i].Name)
			}
		}
	}
	yes := order.Command == "qopen" || order.Command == "qact"
	change := wire.Change{Open: &yes}
	if order.Command == "qact" || order.Command == "qinact" {
		change = wire.Change{Active: &yes}
	}
	code := lsfDone
	for _, name := range names {
		err := client.SetQueue(ctx, name, change)
		switch {
		case err != nil && queue.KindOf(err) == queue.KindInternal:
			return c.fail(err)
		case err != nil:
			c.say(order.Refused(name, err))
			code = lsfFailed
		default:
			if _, err := fmt.Fprintln(c.stdout, order.Done(name, "")); err != nil {
				return lsfFailed, err
			}
		}
	}
	return code, nil
}

func adminHosts(ctx context.Context, c *lsfCall, client administrator, order *lsfbridge.AdminOrder) (int, error) {
	hosts, err := client.Hosts(ctx)
	if err != nil {
		return c.fail(err)
	}
	hosts = slices.DeleteFunc(hosts, func(h queue.Host) bool { return h.Status == queue.HostAdded })
	names := order.Names
	if order.All {
		for i := range hosts {
			names = append(names, hosts[i].Name)
		}
	}
	code := lsfDone
	for _, name := range names {
		at := slices.IndexFunc(hosts, func(h queue.Host) bool { return h.Name == name })
		if at < 0 {
			err = &queue.Error{Kind: queue.KindNotFound, Code: queue.NoSuchHost, Subject: name, Text: "no such host"}
		} else {
			err = client.SetHost(ctx, name, order.Command == "hopen")
		}
		switch {
		case err != nil && queue.KindOf(err) == queue.KindInternal:
			return c.fail(err)
		case err != nil:
			c.say(order.Refused(name, err))
			code = lsfFailed
		default:
			c.say(order.Done(name, remainsClosed(&hosts[at])))
		}
	}
	return code, nil
}

func adminConfiguration(ctx context.Context, c *lsfCall, client reconfigurer, order *lsfbridge.AdminOrder) (int, error) {
	done, err := client.Reconfigure(ctx, order.Command == "ckconfig")
	if queue.KindOf(err) == queue.KindDenied {
		c.say(lsfbridge.CheckingDenied)
		return lsfFailed, nil
	}
	if err != nil {
		return c.fail(err)
	}
	stdout, stderr := order.Checked(done.Problems, done.Warnings)
	fmt.Fprint(c.stderr, stderr)
	if _, err := c.stdout.WriteString(stdout); err != nil {
		return lsfFailed, err
	}
	if len(done.Problems) > 0 {
		return lsfFailed, nil
	}
	return lsfDone, nil
}

// remainsClosed says why a host that an administrator opened takes no job all the same.
func remainsClosed(h *queue.Host) string {
	switch {
	case h.Closed&^queue.ClosedAdmin != 0:
		return "its release"
	case h.Used >= h.Slots:
		return "job limit"
	}
	return ""
}

func adminStatus(ctx context.Context, c *lsfCall, client systemViewer) (int, error) {
	cluster, err := client.Cluster(ctx)
	if err != nil {
		return c.fail(err)
	}
	hosts, err := client.Hosts(ctx)
	if err != nil {
		return c.fail(err)
	}
	queues, err := client.Queues(ctx)
	if err != nil {
		return c.fail(err)
	}
	users, err := client.Users(ctx)
	if err != nil {
		return c.fail(err)
	}
	status := lsfbridge.SystemStatus{StartedAt: cluster.StartedAt.Local(), Uptime: c.now.Sub(cluster.StartedAt)}
	status.Count(hosts, queues, users)
	_, err = c.stdout.WriteString(lsfbridge.PrintSystemStatus(status))
	return lsfDone, err
}
