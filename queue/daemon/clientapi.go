package daemon

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"sluice/queue"
	"sluice/queue/wire"
)

const (
	maxSubmitBody = 16 << 20         // of one job: its strings, escaped
	maxQueryBody  = 4 << 20          // of a query or an order
	bodyTimeout   = 60 * time.Second // for a request's body to come
	chunk         = 1000             // jobs of one request to the owner
)

// decode reads a request's body. On error it has answered.
func decode(w http.ResponseWriter, r *http.Request, limit int64, into any) bool {
	control := http.NewResponseController(w)
	// Where a connection has no deadlines, ReadHeaderTimeout and Stop are all there is.
	_ = control.SetReadDeadline(time.Now().Add(bodyTimeout))
	defer func() { _ = control.SetReadDeadline(time.Time{}) }()
	decoder := json.NewDecoder(http.MaxBytesReader(w, r.Body, limit))
	decoder.DisallowUnknownFields()
	err := decoder.Decode(into)
	if err == nil {
		return true
	}
	text := fmt.Sprintf("request is not understood: %v", err)
	if _, tooLarge := errors.AsType[*http.MaxBytesError](err); tooLarge {
		text = fmt.Sprintf("request has more than %d bytes", limit)
	}
	wire.WriteError(w, &queue.Error{Kind: queue.KindInvalid, Text: text})
	return false
}

func actor(r *http.Request) queue.Actor {
	a, _ := ActorOf(r.Context()) // guard lets none other through
	return a
}

// finish answers with v or the error.
func finish(w http.ResponseWriter, v any, err error) {
	if err != nil {
		wire.WriteError(w, err)
		return
	}
	wire.WriteJSON(w, http.StatusOK, v)
}

func (d *Daemon) submit(w http.ResponseWriter, r *http.Request) {
	var ask wire.SubmitRequest
	if !decode(w, r, maxSubmitBody, &ask) {
		return
	}
	done := make([]wire.Submitted, 1)
	err := d.submitAll(r, []queue.Spec{ask.Spec}, done, false)
	if err == nil {
		err = done[0].Error.Err()
	}
	finish(w, done[0], err)
}

func (d *Daemon) submitBatch(w http.ResponseWriter, r *http.Request) {
	if err := d.uploading.enter(r.Context()); err != nil {
		return // the client went away
	}
	defer d.uploading.leave()
	var ask wire.BatchRequest
	if !decode(w, r, wire.MaxBody, &ask) {
		return
	}
	if len(ask.Jobs) > wire.MaxBatch {
		wire.WriteError(w, &queue.Error{
			Kind: queue.KindInvalid, Code: queue.TooManyJobs,
			Text: fmt.Sprintf("%d jobs in one request: at most %d are taken", len(ask.Jobs), wire.MaxBatch),
		})
		return
	}
	specs := make([]queue.Spec, len(ask.Jobs))
	for i, job := range ask.Jobs {
		specs[i] = job.Spec
		if job.Env < 0 || job.Env >= len(ask.Envs) {
			wire.WriteError(w, &queue.Error{Kind: queue.KindInvalid, Text: fmt.Sprintf("job %d of the batch: there is no environment %d", i, job.Env)})
			return
		}
		specs[i].Env = ask.Envs[job.Env]
	}
	done := make([]wire.Submitted, len(specs))
	for i := 0; i < len(specs); i += chunk {
		n := min(i+chunk, len(specs))
		if err := d.submitAll(r, specs[i:n], done[i:n], ask.Stop); err != nil {
			for k := i; k < n; k++ {
				done[k] = wire.Submitted{Error: wire.NewErrorBody(err)}
			}
		}
		if ask.Stop && slices.ContainsFunc(done[i:n], func(s wire.Submitted) bool { return s.Error != nil }) {
			break
		}
	}
	wire.WriteJSON(w, http.StatusOK, done)
}

// submitAll submits jobs in one transaction, with stop up to the first that is refused. The error is the journal's: then none was
// submitted.
func (d *Daemon) submitAll(r *http.Request, specs []queue.Spec, done []wire.Submitted, stop bool) error {
	user := actor(r).User
	results := make([]wire.Submitted, len(specs))
	for i := range specs {
		specs[i].User = user
		if specs[i].Project == "" || specs[i].Project == plain {
			specs[i].Project = d.settings.Load().Project
		}
		err := checkSize(&specs[i])
		if err == nil {
			err = d.claimInput(user, specs[i].Input)
		}
		results[i].Error = wire.NewErrorBody(err)
	}
	err := d.change(r.Context(), func(q *queue.Queue, now time.Time) error {
		for i, spec := range specs {
			var id queue.ID
			if results[i].Error == nil {
				var err error
				id, err = q.Submit(now, spec)
				results[i].Error = wire.NewErrorBody(err)
			}
			switch {
			case results[i].Error != nil && stop:
				clear(results[i+1:])
				return nil
			case results[i].Error != nil:
				continue
			}
			results[i] = wire.Submitted{ID: id, Queue: spec.Queue, Default: spec.Queue == "", Notes: d.notes(&spec)}
			if job, ok := q.Job(id); ok {
				results[i].Queue = job.Spec.Queue
			}
		}
		return nil
	})
	if err == nil {
		copy(done, results)
	}
	return err
}

func checkSize(s *queue.Spec) error {
	env := 0
	for _, v := range s.Env.Strings() {
		env += len(v) + 1
	}
	switch {
	case len(s.Command) > wire.MaxCommand:
		return &queue.Error{Kind: queue.KindInvalid, Code: queue.BadSpec, Text: fmt.Sprintf("the command has %d bytes, at most %d are taken", len(s.Command), wire.MaxCommand)}
	case env > wire.MaxEnv:
		return &queue.Error{Kind: queue.KindInvalid, Code: queue.BadSpec, Text: fmt.Sprintf("the environment has %d bytes, at most %d are taken", env, wire.MaxEnv)}
	}
	return nil
}

func (d *Daemon) listQueues(w http.ResponseWriter, r *http.Request) {
	var queues []queue.QueueInfo
	err := d.read(r.Context(), func(q *queue.Queue, _ time.Time) error {
		queues = q.Queues()
		return nil
	})
	finish(w, queues, err)
}

func (d *Daemon) listApps(w http.ResponseWriter, r *http.Request) {
	var apps []queue.AppInfo
	err := d.read(r.Context(), func(q *queue.Queue, _ time.Time) error {
		apps = q.Apps()
		return nil
	})
	finish(w, apps, err)
}

func (d *Daemon) changeQueue(w http.ResponseWriter, r *http.Request) {
	var change wire.Change
	if !decode(w, r, maxQueryBody, &change) {
		return
	}
	name, by := r.PathValue("name"), actor(r)
	err := d.change(r.Context(), func(q *queue.Queue, now time.Time) error {
		open, active := true, true
		for _, info := range q.Queues() {
			if info.Name == name {
				open, active = info.Open, info.Active
			}
		}
		if change.Open != nil {
			open = *change.Open
		}
		if change.Active != nil {
			active = *change.Active
		}
		return q.SetQueue(now, by, name, open, active)
	})
	finish(w, struct{}{}, err)
}

func (d *Daemon) listHosts(w http.ResponseWriter, r *http.Request) {
	var hosts []queue.Host
	err := d.read(r.Context(), func(q *queue.Queue, _ time.Time) error {
		hosts = q.Hosts()
		for i := range hosts {
			hosts[i].TokenHash = ""
		}
		d.addMachines(hosts)
		return nil
	})
	finish(w, hosts, err)
}

func (d *Daemon) changeHost(w http.ResponseWriter, r *http.Request) {
	var change wire.Change
	if !decode(w, r, maxQueryBody, &change) {
		return
	}
	name, by := r.PathValue("name"), actor(r)
	switch {
	case change.Open == nil || change.Active != nil:
		wire.WriteError(w, &queue.Error{Kind: queue.KindInvalid, Subject: name, Text: "a host can be opened or closed"})
		return
	case !by.Admin:
		wire.WriteError(w, &queue.Error{Kind: queue.KindDenied, Subject: name, Text: "only an administrator may change a host: permission denied"})
		return
	}
	err := d.change(r.Context(), func(q *queue.Queue, now time.Time) error {
		if *change.Open {
			return q.OpenHost(now, name, queue.ClosedAdmin)
		}
		return q.CloseHost(now, name, queue.ClosedAdmin)
	})
	finish(w, struct{}{}, err)
}

func (d *Daemon) listUsers(w http.ResponseWriter, r *http.Request) {
	var users []queue.UserInfo
	err := d.read(r.Context(), func(q *queue.Queue, _ time.Time) error {
		users = q.Users()
		return nil
	})
	finish(w, users, err)
}

func (d *Daemon) showParams(w http.ResponseWriter, r *http.Request) {
	s := d.settings.Load()
	params := wire.Params{KillGrace: s.KillGrace, Project: s.Project}
	if d.cfg.History != nil {
		params.History = d.cfg.History.Keep()
	}
	err := d.read(r.Context(), func(q *queue.Queue, _ time.Time) error {
		c := q.Config()
		params.CleanPeriod, params.MaxArray, params.MaxJobs = c.KeepFinished, c.MaxArray, c.MaxJobs
		params.DefaultQueues, params.PreExecRetries = c.DefaultQueues, c.PreExecRetries
		params.MaxPending, params.DefaultApp = c.MaxPending, c.DefaultApp
		return nil
	})
	finish(w, params, err)
}

func (d *Daemon) showCluster(w http.ResponseWriter, r *http.Request) {
	by, s := actor(r), d.settings.Load()
	wire.WriteJSON(w, http.StatusOK, wire.Cluster{
		Name: s.Cluster, MasterHost: d.cfg.MasterHost, Version: d.cfg.Version,
		Admins: s.Admins, User: by.User, Admin: by.Admin, StartedAt: d.started,
	})
}

// showHealth is 200 while changes are durable, else 503.
func (d *Daemon) showHealth(w http.ResponseWriter, r *http.Request) {
	err := d.read(r.Context(), func(*queue.Queue, time.Time) error {
		if d.cause != nil {
			return d.unwritable()
		}
		return nil
	})
	finish(w, map[string]bool{"ok": true}, err)
}

func noSuchCall(w http.ResponseWriter, r *http.Request) {
	wire.WriteError(w, &queue.Error{Kind: queue.KindNotFound, Subject: r.URL.Path, Text: fmt.Sprintf("%s %s: no such call", r.Method, r.URL.Path)})
}
