package daemon

import (
	"bytes"
	"cmp"
	"encoding/json"
	"math"
	"net/http"
	"strings"
	"time"

	"sluice/queue"
	"sluice/queue/wire"
)

// Jobs that the owner looks at for one page: few for the first, which is to be there soon.
const (
	firstPage   = 50
	laterPages  = 500
	reasonPages = 100
	allUsers    = "all" // bjobs -u all
)

// begin reads a streamed query's body and waits for room. On false it has answered.
func (d *Daemon) begin(w http.ResponseWriter, r *http.Request, ask any) bool {
	if !decode(w, r, maxQueryBody, ask) {
		return false
	}
	return d.streaming.enter(r.Context()) == nil
}

func (d *Daemon) queryJobs(w http.ResponseWriter, r *http.Request) {
	var ask wire.JobsRequest
	if !d.begin(w, r, &ask) {
		return
	}
	defer d.streaming.leave()
	if ask.Filter.User == allUsers {
		ask.Filter.User = ""
	}
	out := newStream(w)
	specs := specWriter{env: ask.Env}
	size, after, more := firstPage, queue.ID{}, true
	for more && out.err == nil {
		var page []queue.Job
		err := d.read(r.Context(), func(q *queue.Queue, _ time.Time) error {
			page, more = q.Jobs(ask.Filter, after, size)
			d.addLive(page)
			for i := range page {
				if ask.Reasons && (page[i].State == queue.Pending || page[i].State == queue.HeldPending) {
					page[i].Reason = strings.Join(q.PendReasons(page[i].ID), "\n")
				}
			}
			return nil
		})
		if err != nil {
			out.end(err)
			return
		}
		for _, job := range page {
			spec, err := specs.encode(job.Spec)
			if err != nil {
				out.end(err)
				return
			}
			out.item(jobLine{job, spec})
			after = job.ID
		}
		out.page()
		size = laterPages
		if ask.Reasons {
			size = reasonPages
		}
	}
	out.end(nil)
}

// jobLine is a job with its spec already encoded.
type jobLine struct {
	queue.Job
	Spec json.RawMessage `json:"spec"`
}

// specWriter encodes specs, once where jobs that follow each other share one.
type specWriter struct {
	env  bool
	last *queue.Spec
	text json.RawMessage
}

func (w *specWriter) encode(s *queue.Spec) (json.RawMessage, error) {
	if s == w.last {
		return w.text, nil
	}
	spec := *s
	if !w.env {
		spec.Env = queue.Env{}
	}
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(&spec); err != nil {
		return nil, err
	}
	w.last, w.text = s, b.Bytes()
	return w.text, nil
}

func (d *Daemon) queryArrays(w http.ResponseWriter, r *http.Request) {
	var ask wire.JobsRequest
	if !d.begin(w, r, &ask) {
		return
	}
	defer d.streaming.leave()
	if ask.Filter.User == allUsers {
		ask.Filter.User = ""
	}
	out := newStream(w)
	after, more := int64(0), true
	for more && out.err == nil {
		var page []queue.ArrayCounts
		err := d.read(r.Context(), func(q *queue.Queue, _ time.Time) error {
			page, more = q.Arrays(ask.Filter, after, laterPages)
			return nil
		})
		if err != nil {
			out.end(err)
			return
		}
		for _, a := range page {
			after = a.ID.Job
			if !ask.Env {
				spec := *a.Spec
				spec.Env = queue.Env{}
				a.Spec = &spec
			}
			out.item(a)
		}
		out.page()
	}
	out.end(nil)
}

// unfinished are the states of jobs that an order without ids is for.
var unfinished = []queue.State{
	queue.Pending, queue.HeldPending, queue.Running, queue.UserSuspended, queue.SysSuspended,
	queue.Unknown, queue.Zombie,
}

func (d *Daemon) actOnJobs(w http.ResponseWriter, r *http.Request) {
	var ask wire.ActRequest
	if !d.begin(w, r, &ask) {
		return
	}
	defer d.streaming.leave()
	by := actor(r)
	order, err := orderOf(ask, by)
	if err == nil && ask.Spec != nil {
		err = d.claimInput(by.User, ask.Spec.Input)
	}
	if err != nil {
		wire.WriteError(w, err)
		return
	}
	ids := ask.IDs
	if len(ids) == 0 {
		if ids, err = d.selectJobs(r, ask, by); err != nil {
			wire.WriteError(w, err)
			return
		}
	}
	out := newStream(w)
	for len(ids) > 0 && out.err == nil {
		n := min(len(ids), chunk)
		results := make([]wire.Acted, n)
		err := d.change(r.Context(), func(q *queue.Queue, now time.Time) error {
			for i, id := range ids[:n] {
				results[i] = order(q, now, id)
			}
			return nil
		})
		if err != nil {
			out.end(err)
			return
		}
		for _, result := range results {
			out.item(result)
		}
		out.page()
		ids = ids[n:]
	}
	out.end(nil)
}

// orderOf is what to do to each job.
func orderOf(ask wire.ActRequest, by queue.Actor) (func(*queue.Queue, time.Time, queue.ID) wire.Acted, error) {
	act := func(do func(*queue.Queue, time.Time, queue.ID) error) func(*queue.Queue, time.Time, queue.ID) wire.Acted {
		return func(q *queue.Queue, now time.Time, id queue.ID) wire.Acted {
			return wire.Acted{ID: id, Error: wire.NewErrorBody(do(q, now, id))}
		}
	}
	switch ask.Action {
	case wire.Kill:
		return act(func(q *queue.Queue, now time.Time, id queue.ID) error { return q.Kill(now, by, id, ask.Signal) }), nil
	case wire.ForceKill:
		return act(func(q *queue.Queue, now time.Time, id queue.ID) error { return q.ForceKill(now, by, id) }), nil
	case wire.Stop:
		return act(func(q *queue.Queue, now time.Time, id queue.ID) error { return q.Stop(now, by, id) }), nil
	case wire.Resume:
		return act(func(q *queue.Queue, now time.Time, id queue.ID) error { return q.Resume(now, by, id) }), nil
	case wire.Requeue:
		return act(func(q *queue.Queue, now time.Time, id queue.ID) error { return q.Requeue(now, by, id, ask.Rerun) }), nil
	case wire.Switch:
		return act(func(q *queue.Queue, now time.Time, id queue.ID) error { return q.Switch(now, by, id, ask.Queue) }), nil
	case wire.ForceRun:
		return act(func(q *queue.Queue, now time.Time, id queue.ID) error { return q.Force(now, by, id, ask.Hosts) }), nil
	case wire.Modify:
		change, err := modification(&ask)
		if err != nil {
			return nil, err
		}
		return act(func(q *queue.Queue, now time.Time, id queue.ID) error {
			if job, ok := q.Job(id); ok && ask.Spec.Input != "" && job.Spec.User != by.User {
				return notYours(id, job.Spec.User) // the copy is the caller's
			}
			return q.Modify(now, by, id, change)
		}), nil
	case wire.Top, wire.Bottom:
		if len(ask.IDs) != 1 {
			return nil, &queue.Error{Kind: queue.KindInvalid, Code: queue.BadSpec, Text: "one job is moved at a time"}
		}
		return func(q *queue.Queue, now time.Time, id queue.ID) wire.Acted {
			position, err := q.Move(now, by, id, ask.Action == wire.Top, cmp.Or(ask.Position, 1))
			return wire.Acted{ID: id, Position: position, Error: wire.NewErrorBody(err)}
		}, nil
	}
	return nil, &queue.Error{Kind: queue.KindInvalid, Subject: string(ask.Action), Text: "no such action on jobs: " + string(ask.Action)}
}

// selectJobs is the jobs of an order without ids. An array is one of them, unless the filter tells its elements apart.
func (d *Daemon) selectJobs(r *http.Request, ask wire.ActRequest, by queue.Actor) ([]queue.ID, error) {
	f := ask.Filter
	whole := len(f.States) == 0 && f.Host == ""
	if len(f.States) == 0 {
		f.States = unfinished
	}
	switch f.User {
	case "":
		f.User = by.User
	case allUsers:
		f.User = ""
	}
	var ids []queue.ID
	after, more := queue.ID{}, true
	for more {
		var page []queue.Job
		err := d.read(r.Context(), func(q *queue.Queue, _ time.Time) error {
			page, more = q.Jobs(f, after, laterPages)
			return nil
		})
		if err != nil {
			return nil, err
		}
		for _, job := range page {
			after = job.ID
			if whole && job.ID.Index > 0 {
				ids = append(ids, queue.ID{Job: job.ID.Job})
				after.Index = math.MaxInt
				more = true
				break
			}
			ids = append(ids, job.ID)
		}
	}
	return ids, nil
}
