package conformance

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	mesos "github.com/mesos/mesos-go/api/v1/lib"
	"github.com/mesos/mesos-go/api/v1/lib/scheduler"
	"github.com/mesos/mesos-go/api/v1/lib/scheduler/calls"
)

const (
	schedulerPath = "/api/v1/scheduler"
	streamHeader  = "Mesos-Stream-Id"
	// patience is how long a test waits for what must happen; allocation intervals and agents may be slow.
	patience = 60 * time.Second
	// idle is how long nothing may come that must not: a few allocation intervals.
	idle = 3 * time.Second
	// least is what the tasks of these tests need.
	leastCPUs, leastMem = 0.1, 32
)

// client is a framework with as little of its own as possible: one stream, and calls.
type client struct {
	*testing.T
	id     string
	stream string
	role   string
	events chan *scheduler.Event // closed when the stream ends
	hangUp context.CancelFunc
}

// info describes a framework of these tests.
func (s *settings) info(name string) *mesos.FrameworkInfo {
	failover, checkpoint := 60.0, true
	info := &mesos.FrameworkInfo{
		User: s.user, Name: prefix + name, Roles: []string{s.role}, FailoverTimeout: &failover, Checkpoint: &checkpoint,
	}
	if s.principal != "" {
		info.Principal = &s.principal
	}
	for _, t := range []mesos.FrameworkInfo_Capability_Type{
		mesos.FrameworkInfo_Capability_MULTI_ROLE, mesos.FrameworkInfo_Capability_PARTITION_AWARE,
		mesos.FrameworkInfo_Capability_TASK_KILLING_STATE, mesos.FrameworkInfo_Capability_RESERVATION_REFINEMENT,
	} {
		info.Capabilities = append(info.Capabilities, mesos.FrameworkInfo_Capability{Type: t})
	}
	return info
}

// post makes a call. The body of the answer is the caller's to close.
func post(t *testing.T, ctx context.Context, call *scheduler.Call, stream string) *http.Response { //nolint:revive // t is first in tests
	t.Helper()
	body, err := call.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, master.url+schedulerPath, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-protobuf")
	req.Header.Set("Accept", "application/x-protobuf")
	if stream != "" {
		req.Header.Set(streamHeader, stream)
	}
	if master.principal != "" {
		req.SetBasicAuth(master.principal, master.secret)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	return res
}

// connect opens a stream and gives what it begins with.
func connect(t *testing.T, subscribe *scheduler.Call) *client {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	t.Cleanup(cancel)
	res := post(t, ctx, subscribe, "")
	if res.StatusCode != http.StatusOK {
		t.Fatalf("SUBSCRIBE: %s: %s", res.Status, text(res))
	}
	c := &client{T: t, stream: res.Header.Get(streamHeader), events: make(chan *scheduler.Event, 1000), hangUp: cancel}
	if roles := subscribe.Subscribe.FrameworkInfo.Roles; len(roles) > 0 {
		c.role = roles[0]
	}
	go c.read(res.Body)
	return c
}

// subscribe is connect for a framework that must be taken; it is torn down with the test.
func subscribe(t *testing.T, info *mesos.FrameworkInfo, options ...scheduler.CallOpt) *client {
	t.Helper()
	c := connect(t, calls.Subscribe(info).With(options...))
	first := c.next()
	if first.Type != scheduler.Event_SUBSCRIBED {
		t.Fatalf("the stream begins with %v", first)
	}
	c.id = first.Subscribed.FrameworkID.GetValue()
	t.Cleanup(func() { endFramework(t, c.id) })
	return c
}

// silently subscribes without offers.
func silently(call *scheduler.Call) {
	call.Subscribe.SuppressedRoles = call.Subscribe.FrameworkInfo.Roles
}

// endFramework ends a framework as an operator does. One that has ended already is no error.
func endFramework(t *testing.T, id string) {
	t.Helper()
	req, err := http.NewRequestWithContext(context.Background(), http.MethodPost, master.url+"/master/teardown", strings.NewReader("frameworkId="+id))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if master.principal != "" {
		req.SetBasicAuth(master.principal, master.secret)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	if text(res); res.StatusCode != http.StatusOK && res.StatusCode != http.StatusBadRequest {
		t.Errorf("tear down %s: %s", id, res.Status)
	}
}

func text(res *http.Response) string {
	defer res.Body.Close()
	data, err := io.ReadAll(res.Body)
	return strings.TrimSpace(string(data) + fmt.Sprint(errors.Join(err)))[:min(len(data), 300)]
}

func (c *client) read(body io.ReadCloser) {
	defer body.Close()
	defer close(c.events)
	in := bufio.NewReader(body)
	for {
		line, err := in.ReadString('\n')
		if err != nil {
			return
		}
		size, err := strconv.Atoi(strings.TrimSuffix(line, "\n"))
		if err != nil {
			c.Errorf("length of a record: %v", err)
			return
		}
		record := make([]byte, size)
		if _, err := io.ReadFull(in, record); err != nil {
			return
		}
		e := &scheduler.Event{}
		if err := e.Unmarshal(record); err != nil {
			c.Errorf("event: %v", err)
			return
		}
		c.events <- e
	}
}

// next is the next event but heartbeats.
func (c *client) next() *scheduler.Event {
	c.Helper()
	return c.await(func(*scheduler.Event) bool { return true })
}

// await passes over events until one fits; offers among them are given back for long.
func (c *client) await(fits func(*scheduler.Event) bool) *scheduler.Event {
	c.Helper()
	deadline := time.After(patience)
	for {
		select {
		case e, ok := <-c.events:
			switch {
			case !ok:
				c.Fatal("the stream has ended")
			case e.Type == scheduler.Event_HEARTBEAT:
			case fits(e):
				return e
			case e.Type == scheduler.Event_OFFERS:
				for _, o := range e.Offers.Offers {
					c.do(calls.Decline(o.ID).With(calls.RefuseSeconds(time.Hour)))
				}
			}
		case <-deadline:
			c.Fatal("waited in vain for an event")
		}
	}
}

// silent fails if an event comes that must not, within some allocation intervals.
func (c *client) silent(bad func(*scheduler.Event) bool) {
	c.Helper()
	enough := time.After(idle)
	for {
		select {
		case e, ok := <-c.events:
			if !ok {
				c.Fatal("the stream has ended")
			}
			if bad(e) {
				c.Fatalf("there came %v", e)
			}
		case <-enough:
			return
		}
	}
}

// ends waits for the end of the stream.
func (c *client) ends() {
	c.Helper()
	deadline := time.After(patience)
	for {
		select {
		case _, ok := <-c.events:
			if !ok {
				return
			}
		case <-deadline:
			c.Fatal("the stream goes on")
		}
	}
}

func offers(e *scheduler.Event) bool { return e.Type == scheduler.Event_OFFERS }

// do makes a call that must be accepted.
func (c *client) do(call *scheduler.Call) {
	c.Helper()
	if status, said := c.try(call, c.stream); status != http.StatusAccepted {
		c.Fatalf("%v: %d %s", call.Type, status, said)
	}
}

// try makes a call under a stream id.
func (c *client) try(call *scheduler.Call, stream string) (status int, said string) {
	c.Helper()
	if call.FrameworkID == nil {
		call.FrameworkID = &mesos.FrameworkID{Value: c.id}
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	res := post(c.T, ctx, call, stream)
	return res.StatusCode, text(res)
}

// offer waits for an offer that is large enough for a task. All others are given back.
func (c *client) offer() mesos.Offer {
	c.Helper()
	var found *mesos.Offer
	c.await(func(e *scheduler.Event) bool {
		if !offers(e) {
			return false
		}
		for i, o := range e.Offers.Offers {
			if found == nil && enough(&o) {
				found = &e.Offers.Offers[i]
				continue
			}
			c.do(calls.Decline(o.ID).With(calls.RefuseSeconds(time.Second)))
		}
		return found != nil
	})
	return *found
}

func enough(o *mesos.Offer) bool {
	sum := map[string]float64{}
	for _, r := range o.Resources {
		if r.Scalar != nil && len(r.Reservations) == 0 && r.Revocable == nil {
			sum[r.Name] += r.Scalar.Value
		}
	}
	return sum["cpus"] >= leastCPUs && sum["mem"] >= leastMem
}

// task is a shell command for an offer.
func (c *client) task(o mesos.Offer, id, command string) mesos.TaskInfo {
	scalar := mesos.SCALAR
	resource := func(name string, value float64) mesos.Resource {
		return mesos.Resource{Name: name, Type: &scalar, Scalar: &mesos.Value_Scalar{Value: value}, AllocationInfo: o.AllocationInfo}
	}
	shell := true
	return mesos.TaskInfo{
		Name: prefix + id, TaskID: mesos.TaskID{Value: prefix + id}, AgentID: o.AgentID,
		Resources: []mesos.Resource{resource("cpus", leastCPUs), resource("mem", leastMem)},
		Command:   &mesos.CommandInfo{Shell: &shell, Value: &command},
	}
}

func (c *client) accept(task mesos.TaskInfo, offers ...mesos.OfferID) {
	c.Helper()
	c.do(calls.Accept(calls.OfferOperations{calls.OpLaunch(task)}.WithOffers(offers...)).With(calls.RefuseSeconds(time.Hour)))
}

// status waits for the next update of a task.
func (c *client) status(task string) *mesos.TaskStatus {
	c.Helper()
	e := c.await(func(e *scheduler.Event) bool {
		return e.Type == scheduler.Event_UPDATE && e.Update.Status.TaskID.Value == prefix+task
	})
	return &e.Update.Status
}

// sees waits for the states of a task in order, and acknowledges each.
func (c *client) sees(task string, states ...mesos.TaskState) {
	c.Helper()
	for _, want := range states {
		s := c.status(task)
		if s.GetState() != want {
			c.Fatalf("task %s: %v (%s), want %v", task, s.GetState(), s.GetMessage(), want)
		}
		if len(s.UUID) == 0 {
			c.Fatalf("task %s: %v has no uuid", task, want)
		}
		c.do(calls.Acknowledge(s.AgentID.Value, s.TaskID.Value, s.UUID))
	}
}

// asks gives the answer to a reconciliation.
func (c *client) asks(task, agent string) *mesos.TaskStatus {
	c.Helper()
	c.do(calls.Reconcile(calls.ReconcileTasks(map[string]string{prefix + task: agent})))
	return c.status(task)
}

// run launches a task that sleeps, and waits until it runs.
func (c *client) run(id string) (agent string) {
	c.Helper()
	o := c.offer()
	c.accept(c.task(o, id, "exec sleep 600"), o.ID)
	c.sees(id, mesos.TASK_STARTING, mesos.TASK_RUNNING)
	return o.AgentID.Value
}

func has(reasons []mesos.TaskStatus_Reason, s *mesos.TaskStatus) bool {
	return s.Reason != nil && slices.Contains(reasons, *s.Reason)
}
