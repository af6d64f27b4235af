package wire

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"os"
	"sync"

	"sluice/queue"
	"sluice/queue/history"
)

var hostname = sync.OnceValue(func() string {
	name, err := os.Hostname()
	if err != nil {
		return "localhost"
	}
	return name
})

// Submit submits one job or array. When it returns without error the job is durable. The spec's user is ignored; its
// submission host is filled in where it is empty.
func (c *Client) Submit(ctx context.Context, spec queue.Spec) (Submitted, error) {
	if spec.SubmitHost == "" {
		spec.SubmitHost = hostname()
	}
	return fetch[Submitted](ctx, c, http.MethodPost, "/v1/jobs", SubmitRequest{spec})
}

// SubmitBatch submits up to MaxBatch jobs and arrays, in order, and gives what became of each. A refused one does not hinder
// the others.
func (c *Client) SubmitBatch(ctx context.Context, specs []queue.Spec) ([]Submitted, error) {
	return c.submitBatch(ctx, specs, false)
}

// SubmitUntilRefused is SubmitBatch that ends with the first refused one: those after it are not tried, and have neither an ID nor
// an Error.
func (c *Client) SubmitUntilRefused(ctx context.Context, specs []queue.Spec) ([]Submitted, error) {
	return c.submitBatch(ctx, specs, true)
}

func (c *Client) submitBatch(ctx context.Context, specs []queue.Spec, stop bool) ([]Submitted, error) {
	request := BatchRequest{Jobs: make([]BatchJob, len(specs)), Stop: stop}
	known := make(map[queue.Env]int)
	for i, spec := range specs {
		at, ok := known[spec.Env]
		if !ok {
			at = len(request.Envs)
			known[spec.Env] = at
			request.Envs = append(request.Envs, spec.Env)
		}
		if spec.SubmitHost == "" {
			spec.SubmitHost = hostname()
		}
		spec.Env = queue.Env{}
		request.Jobs[i] = BatchJob{Spec: spec, Env: at}
	}
	return fetch[[]Submitted](ctx, c, http.MethodPost, "/v1/jobs/batch", request)
}

// KeepInput has the daemon keep a copy of content, of MaxInput bytes at most, and gives its name for the Input of a job's spec. A copy that
// no job refers to is removed after an hour.
func (c *Client) KeepInput(ctx context.Context, content io.Reader) (string, error) {
	body, err := c.send(ctx, http.MethodPost, "/v1/inputs", io.NopCloser(content), "application/octet-stream")
	if err != nil {
		return "", err
	}
	kept, err := read[KeptInput](ctx, c, body)
	return kept.Input, err
}

// Jobs calls each with the selected jobs in the order of their ids, as they come from the daemon. Jobs submitted or ended
// meanwhile may be among them or not. An error of each ends it and is returned.
func (c *Client) Jobs(ctx context.Context, ask JobsRequest, each func(queue.Job) error) error {
	return stream(ctx, c, "/v1/jobs/query", ask, each)
}

// Arrays is Jobs for whole arrays.
func (c *Client) Arrays(ctx context.Context, ask JobsRequest, each func(queue.ArrayCounts) error) error {
	return stream(ctx, c, "/v1/jobs/arrays", ask, each)
}

// Act does what act says to each job it names or selects and calls each with the outcome.
func (c *Client) Act(ctx context.Context, act ActRequest, each func(Acted) error) error {
	return stream(ctx, c, "/v1/jobs/act", act, each)
}

// Wait returns when the job, or each element of the array, has ended: at once if that is so already.
func (c *Client) Wait(ctx context.Context, id queue.ID) (queue.Job, error) {
	for {
		waited, err := fetch[Waited](ctx, c, http.MethodGet, "/v1/jobs/"+url.PathEscape(id.String())+"/wait", nil)
		if err != nil || waited.Ended {
			return waited.Job, err
		}
	}
}

// Await returns when a condition is met, or can be met no more.
func (c *Client) Await(ctx context.Context, condition *queue.Condition) (queue.Outcome, error) {
	for {
		outcome, err := fetch[queue.Outcome](ctx, c, http.MethodPost, "/v1/await", AwaitRequest{condition})
		if err != nil || outcome.Met || outcome.Never {
			return outcome, err
		}
	}
}

// Queues are the queues, by priority.
func (c *Client) Queues(ctx context.Context) ([]queue.QueueInfo, error) {
	return fetch[[]queue.QueueInfo](ctx, c, http.MethodGet, "/v1/queues", nil)
}

// Apps are the applications, as configured.
func (c *Client) Apps(ctx context.Context) ([]queue.AppInfo, error) {
	return fetch[[]queue.AppInfo](ctx, c, http.MethodGet, "/v1/apps", nil)
}

// SetQueue opens, closes, activates or inactivates a queue; for administrators.
func (c *Client) SetQueue(ctx context.Context, name string, change Change) error {
	_, err := fetch[struct{}](ctx, c, http.MethodPost, "/v1/queues/"+url.PathEscape(name), change)
	return err
}

// Hosts are the hosts, by name.
func (c *Client) Hosts(ctx context.Context) ([]queue.Host, error) {
	return fetch[[]queue.Host](ctx, c, http.MethodGet, "/v1/hosts", nil)
}

// SetHost opens or closes a host to new jobs; for administrators.
func (c *Client) SetHost(ctx context.Context, name string, open bool) error {
	_, err := fetch[struct{}](ctx, c, http.MethodPost, "/v1/hosts/"+url.PathEscape(name), Change{Open: &open})
	return err
}

// Reconfigure has the daemon read its configuration files anew and put what they say in force, or just check them; for
// administrators.
func (c *Client) Reconfigure(ctx context.Context, checkOnly bool) (Reconfigured, error) {
	return fetch[Reconfigured](ctx, c, http.MethodPost, "/v1/reconfigure", ReconfigureRequest{CheckOnly: checkOnly})
}

// Peek gives what a job has written so far, or the end of it that is kept once the job has ended. It is refused with NoSuchJob
// when nothing is known of the job or it never ran, and with WrongState when it has not started.
func (c *Client) Peek(ctx context.Context, id queue.ID, ask PeekRequest) (Peeked, error) {
	return fetch[Peeked](ctx, c, http.MethodPost, "/v1/jobs/"+url.PathEscape(id.String())+"/peek", ask)
}

// Past calls each with what became of the selected jobs, in the order of their ids, as it comes from the daemon. Each element of an
// array is one.
func (c *Client) Past(ctx context.Context, ask PastRequest, each func(history.Past) error) error {
	return stream(ctx, c, "/v1/history/jobs", ask, each)
}

// Chronicle calls each with what happened, in order, as it comes from the daemon.
func (c *Client) Chronicle(ctx context.Context, ask EventsRequest, each func(history.Happening) error) error {
	return stream(ctx, c, "/v1/history/events", ask, each)
}

// PastSummary sums up the ended jobs among the selected ones.
func (c *Client) PastSummary(ctx context.Context, filter history.Filter) (history.Summary, error) {
	return fetch[history.Summary](ctx, c, http.MethodPost, "/v1/history/summary", PastRequest{Filter: filter})
}

// Users are those who have jobs, by name.
func (c *Client) Users(ctx context.Context) ([]queue.UserInfo, error) {
	return fetch[[]queue.UserInfo](ctx, c, http.MethodGet, "/v1/users", nil)
}

// Params are the daemon's parameters.
func (c *Client) Params(ctx context.Context) (Params, error) {
	return fetch[Params](ctx, c, http.MethodGet, "/v1/params", nil)
}

// Cluster says who the daemon is and who the caller is to it.
func (c *Client) Cluster(ctx context.Context) (Cluster, error) {
	return fetch[Cluster](ctx, c, http.MethodGet, "/v1/cluster", nil)
}

// Status is the whole program's status as the daemon prints it: see `sluice ctl status`.
func (c *Client) Status(ctx context.Context) (json.RawMessage, error) {
	return fetch[json.RawMessage](ctx, c, http.MethodGet, "/v1/status", nil)
}

// Control sends an order to the program around the daemon (see `sluice ctl`) and gives its answer; for administrators.
func (c *Client) Control(ctx context.Context, order any) (json.RawMessage, error) {
	return fetch[json.RawMessage](ctx, c, http.MethodPost, "/v1/control", order)
}
