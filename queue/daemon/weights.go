package daemon

import (
	"context"
	"maps"
	"time"

	"sluice/queue"
)

// SetWeights changes the weights of queues until the daemon ends. None changes where one cannot: the error is then a *queue.Error.
func (d *Daemon) SetWeights(ctx context.Context, weights map[string]float64) error {
	return d.read(ctx, func(q *queue.Queue, _ time.Time) error {
		before := d.weights
		d.weights = maps.Clone(before)
		if d.weights == nil {
			d.weights = make(map[string]float64)
		}
		maps.Copy(d.weights, weights)
		probe, err := queue.New(q.Config())
		if err == nil {
			err = d.weigh(probe)
		}
		if err != nil {
			d.weights = before
			return err
		}
		return d.weigh(q)
	})
}

// weigh gives a queue the weights that were set.
func (d *Daemon) weigh(q *queue.Queue) error {
	for name, weight := range d.weights {
		if err := q.SetWeight(name, weight); err != nil {
			return err
		}
	}
	return nil
}
