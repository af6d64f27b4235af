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
	Admins    []string // beside root and the daemon's own user
	Project   string   // of jobs that ask for none
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
// daemon has that is opened with these settings on the same journal. No job is lost: those of a queue that is no more wait in
// lost_and_found, for a queue of that name or a switch to another one, and those that run go on as they began. Weights that were set live
// stay, those of queues that are no more are dropped. Of Queue, how hosts are filled and lost cannot change (see
// queue.Queue.Reconfigure).
func (d *Daemon) Reconfigure(ctx context.Context, s Settings) error {
	s.Queue.Lease = d.settings.Load().Queue.Lease
	if err := s.complete(); err != nil {
		return fmt.Errorf("reconfigure: %w", err)
	}
	return d.read(context.WithoutCancel(ctx), func(q *queue.Queue, _ time.Time) error {
		if d.cause != nil {
			return d.unwritable()
		}
		if err := q.Reconfigure(s.Queue); err != nil {
			return fmt.Errorf("reconfigure: %w", err)
		}
		d.settings.Store(&s)
		weights := maps.Clone(d.weights)
		maps.DeleteFunc(weights, func(name string, _ float64) bool {
			return !slices.ContainsFunc(queuesOf(&s.Queue), func(spec queue.QueueSpec) bool { return spec.Name == name })
		})
		d.weights, d.anew = weights, true
		return d.weigh(q)
	})
}

// queuesOf are the queues of a configuration.
func queuesOf(c *queue.Config) []queue.QueueSpec {
	if len(c.Queues) == 0 {
		return queue.DefaultQueues()
	}
	return c.Queues
}
