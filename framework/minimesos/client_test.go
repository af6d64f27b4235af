package minimesos

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/gogo/protobuf/proto"
	mesos "github.com/mesos/mesos-go/api/v1/lib"
	"github.com/mesos/mesos-go/api/v1/lib/scheduler"
)

// patience is how long a test waits for what must happen.
const patience = 20 * time.Second

// startCluster starts a cluster with short intervals; it is stopped with the test.
func startCluster(t testing.TB, change func(*Config)) *Cluster {
	t.Helper()
	conf := Config{
		Agents: []AgentConfig{{}}, AllocationInterval: 30 * time.Millisecond, KillGrace: 300 * time.Millisecond,
		ReregisterDelay: 20 * time.Millisecond, WorkDir: t.TempDir(),
	}
	if change != nil {
		change(&conf)
	}
	c, err := Start(context.Background(), conf)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Stop)
	return c
}

// testScheduler is a framework of a test: one event stream and calls, over real HTTP.
type testScheduler struct {
	t      testing.TB
	url    string
	id     string
	stream string
	events chan *scheduler.Event // closed when the stream ends
	passed []*scheduler.Event    // over by await, oldest first
	whole  chan bool             // gets whether the stream ended with a last chunk
	close  func()
}

const defaultInfo = `{"user":"root","name":"fw","roles":["*"],"failover_timeout":60,"checkpoint":true,` +
	`"capabilities":[{"type":"MULTI_ROLE"},{"type":"PARTITION_AWARE"},{"type":"TASK_KILLING_STATE"}]}`

// subscribe connects with the given FrameworkInfo and, unless empty, id.
func subscribe(t testing.TB, url, info, id string) *testScheduler {
	t.Helper()
	body := `{"type":"SUBSCRIBE","subscribe":{"framework_info":` + info + `}}`
	if id != "" {
		info = strings.Replace(info, "{", fmt.Sprintf(`{"id":{"value":%q},`, id), 1)
		body = fmt.Sprintf(`{"type":"SUBSCRIBE","framework_id":{"value":%q},"subscribe":{"framework_info":%s}}`, id, info)
	}
	ctx, cancel := context.WithCancel(context.Background())
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url+"/api/v1/scheduler", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", mediaJSON)
	req.Header.Set("Accept", mediaProtobuf)
	res, err := http.DefaultClient.Do(req) //nolint:bodyclose // read closes it
	if err != nil {
		t.Fatal(err)
	}
	if res.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(res.Body)
		t.Fatalf("SUBSCRIBE: %s: %s", res.Status, text)
	}
	s := &testScheduler{
		t: t, url: url, stream: res.Header.Get(streamIDHeader), close: cancel,
		events: make(chan *scheduler.Event, 10000), whole: make(chan bool, 1),
	}
	t.Cleanup(cancel)
	go s.read(res.Body)
	first := s.next()
	if first.Type == scheduler.Event_SUBSCRIBED {
		s.id = first.Subscribed.FrameworkID.Value
	}
	return s
}

func (s *testScheduler) read(body io.ReadCloser) {
	defer body.Close()
	defer close(s.events)
	in := bufio.NewReader(body)
	for {
		record, err := readRecord(in)
		if err != nil {
			s.whole <- errors.Is(err, io.EOF)
			return
		}
		e := &scheduler.Event{}
		if err := proto.Unmarshal(record, e); err != nil {
			s.t.Errorf("event: %v", err)
			return
		}
		s.events <- e
	}
}

func readRecord(in *bufio.Reader) ([]byte, error) {
	line, err := in.ReadString('\n')
	if err != nil {
		return nil, err
	}
	n, err := strconv.Atoi(strings.TrimSuffix(line, "\n"))
	if err != nil {
		return nil, err
	}
	record := make([]byte, n)
	_, err = io.ReadFull(in, record)
	return record, err
}

func (s *testScheduler) next() *scheduler.Event {
	s.t.Helper()
	return s.before(time.After(patience))
}

func (s *testScheduler) before(deadline <-chan time.Time) *scheduler.Event {
	s.t.Helper()
	select {
	case e, ok := <-s.events:
		if !ok {
			s.t.Fatal("the stream has ended")
		}
		return e
	case <-deadline:
		s.t.Fatal("what is waited for does not come")
	}
	return nil
}

// await returns the first event of the type that has not been returned yet; others wait for their turn.
func (s *testScheduler) await(kind scheduler.Event_Type) *scheduler.Event {
	s.t.Helper()
	same := func(e *scheduler.Event) bool { return e.Type == kind }
	deadline := time.After(patience)
	for !slices.ContainsFunc(s.passed, same) {
		s.passed = append(s.passed, s.before(deadline))
	}
	i := slices.IndexFunc(s.passed, same)
	e := s.passed[i]
	s.passed = slices.Delete(s.passed, i, i+1)
	return e
}

func (s *testScheduler) offer() mesos.Offer {
	s.t.Helper()
	return s.await(scheduler.Event_OFFERS).Offers.Offers[0]
}

// status waits for an update of the task in that state; updates on the way there are acknowledged, this one is too.
func (s *testScheduler) status(task string, state mesos.TaskState) mesos.TaskStatus {
	s.t.Helper()
	for {
		u := s.await(scheduler.Event_UPDATE).Update.Status
		if len(u.UUID) > 0 {
			s.ack(u)
		}
		if u.TaskID.Value == task && u.GetState() == state {
			return u
		}
		if u.TaskID.Value == task && terminal(u.GetState()) {
			s.t.Fatalf("task %s is %v (%s), want %v", task, u.GetState(), u.GetMessage(), state)
		}
	}
}

func (s *testScheduler) ack(u mesos.TaskStatus) {
	s.t.Helper()
	s.call(&scheduler.Call{Type: scheduler.Call_ACKNOWLEDGE, Acknowledge: &scheduler.Call_Acknowledge{
		AgentID: *u.AgentID, TaskID: u.TaskID, UUID: u.UUID,
	}})
}

// call sends a call, which must be accepted.
func (s *testScheduler) call(c *scheduler.Call) {
	s.t.Helper()
	if status, text := s.try(c); status != http.StatusAccepted {
		s.t.Fatalf("%v: %d %s", c.Type, status, text)
	}
}

func (s *testScheduler) try(c *scheduler.Call) (int, string) {
	s.t.Helper()
	c.FrameworkID = &mesos.FrameworkID{Value: s.id}
	body, err := proto.Marshal(c)
	if err != nil {
		s.t.Fatal(err)
	}
	req, err := http.NewRequest(http.MethodPost, s.url+"/api/v1/scheduler", bytes.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	req.Header.Set("Content-Type", mediaProtobuf)
	req.Header.Set(streamIDHeader, s.stream)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return res.StatusCode, string(text)
}

// shellTask is a small task that runs a shell command.
func shellTask(id, command string, offer mesos.Offer) mesos.TaskInfo {
	return mesos.TaskInfo{
		Name: id, TaskID: mesos.TaskID{Value: id}, AgentID: offer.AgentID, Command: &mesos.CommandInfo{Value: &command},
		Resources: bundle{scalarResource("cpus", 0.1), scalarResource("mem", 32)}.protos(false, ""),
	}
}

func (s *testScheduler) launch(offer mesos.Offer, refuse float64, tasks ...mesos.TaskInfo) {
	s.t.Helper()
	s.call(&scheduler.Call{Type: scheduler.Call_ACCEPT, Accept: &scheduler.Call_Accept{
		OfferIDs: []mesos.OfferID{offer.ID}, Filters: &mesos.Filters{RefuseSeconds: &refuse},
		Operations: []mesos.Offer_Operation{{
			Type: mesos.Offer_Operation_LAUNCH, Launch: &mesos.Offer_Operation_Launch{TaskInfos: tasks},
		}},
	}})
}

func (s *testScheduler) kill(task string) {
	s.t.Helper()
	s.call(&scheduler.Call{Type: scheduler.Call_KILL, Kill: &scheduler.Call_Kill{TaskID: mesos.TaskID{Value: task}}})
}

// eventually polls until the condition holds.
func eventually(t testing.TB, what string, holds func() bool) {
	t.Helper()
	poll := time.NewTicker(5 * time.Millisecond)
	defer poll.Stop()
	for deadline := time.After(patience); !holds(); {
		select {
		case <-poll.C:
		case <-deadline:
			t.Fatalf("not within %v: %s", patience, what)
		}
	}
}

func getJSON(t testing.TB, url string) map[string]any {
	t.Helper()
	res, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	out := map[string]any{}
	if err := json.NewDecoder(res.Body).Decode(&out); err != nil {
		t.Fatalf("%s: %v", url, err)
	}
	return out
}

func itoa(n int) string { return strconv.Itoa(n) }

func hex(n int) string { return strconv.FormatInt(int64(n), 16) }
