package daemon

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"os"
	"slices"
	"time"

	"sluice/queue"
)

// Settings are what Reconfigure can change of a Config; zero fields have the same defaults. Of Queue, what hosts were told stays as
// it is: Lease.
type Settings struct {
	Queue     queue.Config
	Cluster   string
	Admins    []string
	Project   string
	KillGrace time.Duration
}

// plain is the name of the project of jobs that ask for none, in LSF's words.
const plain = "default"

func (s *Settings) complete() error {
	if s.KillGrace < 0 {
		return fmt.Errorf("kill grace %v: want a positive duration", s.KillGrace)
	}
	s.Cluster = cmp.Or(s.Cluster, "sluice")
	s.Project = cmp.Or(s.Project, plain)
	s.KillGrace = cmp.Or(s.KillGrace, 10*time.Second)
	s.Queue.Lease = cmp.Or(s.Queue.Lease, time.Minute)
	s.Admins = append([]string{userName(os.Geteuid()), "root"}, s.Admins...)
	slices.Sort(s.Admins)
	s.Admins = slices.Compact(s.Admins)
	return nil
}

// Reconfigure puts other settings in force, all of them or none: on error nothing has changed. The state afterwards is what a
// daemon has that is opened with these settings on the same journal: the queue is made anew from the journal, while requests
// wait. So no job is lost: those of a queue that is no more wait in lost_and_found, for a queue of that name or a switch to another
// one, and those that run go on. Weights that were set live stay, those of queues that are no more are dropped.
func (d *Daemon) Reconfigure(ctx context.Context, s Settings) error {
	s.Queue.Lease = d.settings.Load().Queue.Lease
	if err := s.complete(); err != nil {
		return fmt.Errorf("reconfigure: %w", err)
	}
	d.reading.Lock() // what is read must not be compacted meanwhile
	defer d.reading.Unlock()
	return d.read(context.WithoutCancel(ctx), func(q *queue.Queue, _ time.Time) error {
		if d.cause != nil {
			return d.unwritable()
		}
		before, weights := d.settings.Load(), d.weights
		d.settings.Store(&s)
		d.weights = maps.Clone(weights)
		maps.DeleteFunc(d.weights, func(name string, _ float64) bool {
			return !slices.ContainsFunc(queuesOf(&s.Queue), func(spec queue.QueueSpec) bool { return spec.Name == name })
		})
		anew, err := d.rebuild(context.WithoutCancel(ctx))
		if err != nil {
			d.settings.Store(before)
			d.weights = weights
			return fmt.Errorf("reconfigure: %w", err)
		}
		anew.Await(q.Awaited())
		d.q, d.anew = anew, true
		return nil
	})
}

// queuesOf are the queues of a configuration.
func queuesOf(c *queue.Config) []queue.QueueSpec {
	if len(c.Queues) == 0 {
		return queue.DefaultQueues()
	}
	return c.Queues
}
