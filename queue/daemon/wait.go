package daemon

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"sluice/queue"
	"sluice/queue/wire"
)

// waitPatience is how long a client's wait is held before it is told to ask again.
const waitPatience = 50 * time.Second

// waiter waits for the end of a job, or of each element of an array.
type waiter struct {
	id    queue.ID
	ended chan struct{}
}

func (d *Daemon) waitForJob(w http.ResponseWriter, r *http.Request) {
	id, err := queue.ParseID(r.PathValue("id"))
	if err != nil {
		wire.WriteError(w, &queue.Error{Kind: queue.KindInvalid, Subject: r.PathValue("id"), Text: err.Error()})
		return
	}
	if !d.waiting.tryEnter() {
		wire.WriteError(w, &queue.Error{Kind: queue.KindUnavailable, Text: "too many clients wait for jobs"})
		return
	}
	defer d.waiting.leave()
	waited, err := d.wait(r.Context(), id)
	if err == nil && waited.Job.Spec != nil {
		spec := *waited.Job.Spec
		spec.Env = queue.Env{}
		waited.Job.Spec = &spec
	}
	finish(w, waited, err)
}

func (d *Daemon) wait(ctx context.Context, id queue.ID) (wire.Waited, error) {
	wt := &waiter{id: id, ended: make(chan struct{})}
	job, ended, err := d.lookUp(ctx, id, wt)
	if err == nil && ended {
		return wire.Waited{Ended: true, Job: job}, nil
	}
	if err != nil { // it may still be registered
		return wire.Waited{}, errors.Join(err, d.post(context.WithoutCancel(ctx), d.unregister(wt)))
	}
	timer := time.NewTimer(waitPatience)
	defer timer.Stop()
	select {
	case <-wt.ended:
	case <-timer.C:
	case <-d.quit:
		err = errStopping
	case <-ctx.Done():
		err = ctx.Err()
	}
	if err := errors.Join(err, d.post(context.WithoutCancel(ctx), d.unregister(wt))); err != nil {
		return wire.Waited{}, err
	}
	job, ended, err = d.lookUp(ctx, id, nil)
	return wire.Waited{Ended: ended, Job: job}, err
}

// lookUp finds a job and whether it ended; if not, wt (nil = none) is told when it does.
func (d *Daemon) lookUp(ctx context.Context, id queue.ID, wt *waiter) (job queue.Job, ended bool, err error) {
	var found queue.Job
	var done bool
	err = d.read(ctx, func(q *queue.Queue, _ time.Time) error {
		var ok bool
		if found, ok = q.Job(id); !ok {
			return &queue.Error{Kind: queue.KindNotFound, Code: queue.NoSuchJob, Subject: id.String(), Text: fmt.Sprintf("job %v is not found", id)}
		}
		done = found.State.Final()
		if !done && wt != nil {
			if d.waiters[id.Job] == nil {
				d.waiters[id.Job] = make(map[*waiter]bool)
			}
			d.waiters[id.Job][wt] = true
		}
		return nil
	})
	if err != nil {
		return queue.Job{}, false, err
	}
	return found, done, nil
}

func (d *Daemon) unregister(wt *waiter) *request {
	return &request{read: true, apply: func(*queue.Queue, time.Time) error {
		d.drop(wt)
		return nil
	}}
}

func (d *Daemon) drop(wt *waiter) {
	delete(d.waiters[wt.id.Job], wt)
	if len(d.waiters[wt.id.Job]) == 0 {
		delete(d.waiters, wt.id.Job)
	}
}

// wake tells who waits for a job of which something ended.
func (d *Daemon) wake(number int64) {
	for wt := range d.waiters[number] {
		if job, ok := d.q.Job(wt.id); !ok || job.State.Final() {
			close(wt.ended)
			d.drop(wt)
		}
	}
}
