package minimesos

import (
	"bufio"
	"compress/gzip"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gogo/protobuf/proto"
	"github.com/mesos/mesos-go/api/v1/lib/scheduler"
)

// The replay tests run exchanges that were recorded against a real master, in virtual time: the requests are sent with
// the recorded pauses, and every response and event must be the recorded one, at about the recorded time, byte for byte
// but for random ids and times.

// step is one line of a recording.
type step struct {
	T          float64     `json:"t"` // milliseconds
	Kind       string      `json:"kind"`
	N          int         `json:"n"`
	Method     string      `json:"method"`
	Path       string      `json:"path"`
	Headers    [][2]string `json:"headers"`
	Body       string      `json:"body"`
	BodyB64    string      `json:"body_b64"`
	Status     int         `json:"status"`
	Stream     string      `json:"stream"`
	How        string      `json:"how"`
	Text       string      `json:"text"`
	Resources  string      `json:"resources"`
	Attributes string      `json:"attributes"`
	Interval   string      `json:"allocation_interval"`
	Timeout    string      `json:"offer_timeout"`
	PingLimit  string      `json:"agent_timeout"`
	Name       string      `json:"name"`
	Hostname   string      `json:"hostname"`
	Domain     FaultDomain `json:"domain"`
	Revocable  float64     `json:"revocable_cpus"`
}

func (s *step) bytes(t testing.TB) []byte {
	if s.BodyB64 == "" {
		return []byte(s.Body)
	}
	b, err := base64.StdEncoding.DecodeString(s.BodyB64)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func loadSteps(t testing.TB, path string) []step {
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	unzipped, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	var steps []step
	for dec := json.NewDecoder(unzipped); ; {
		var s step
		if err := dec.Decode(&s); errors.Is(err, io.EOF) {
			return steps
		} else if err != nil {
			t.Fatal(err)
		}
		steps = append(steps, s)
	}
}

// limits on what a replayed case may do differently, with the reason.
var replayNotes = map[string]struct {
	skip  string // text in a note: the rest of the case from there on is not replayed
	allow string // type of events that may come beyond the recorded ones
}{
	"01d-subscribe-protobuf": {allow: "OFFERS"},                                   // a stream is closed before it was read
	"04d-rescind-agent-lost": {skip: "FAILURE 3693 ms"},                           // an agent that unregisters is not played here
	"08d-teardown":           {allow: "OFFERS"},                                   // a framework is removed about when the tick comes
	"09b-drain-agent":        {skip: `format of max_grace_period: {"seconds": 2`}, // what reactivated the agent is not in it
	"10c-update-framework":   {skip: "offer_constraints are in the same message"}, // there are none here
}

func TestReplay(t *testing.T) {
	paths, err := filepath.Glob("testdata/replay/*.jsonl.gz")
	if err != nil || len(paths) == 0 {
		t.Fatalf("no recordings: %v", err)
	}
	for _, path := range paths {
		name := strings.TrimSuffix(filepath.Base(path), ".jsonl.gz")
		t.Run(name, func(t *testing.T) {
			steps := loadSteps(t, path)
			if until := replayNotes[name].skip; until != "" {
				i := slices.IndexFunc(steps, func(s step) bool { return s.Kind == "note" && strings.Contains(s.Text, until) })
				if i < 0 {
					t.Fatalf("no note %q", until)
				}
				steps = steps[:i]
			}
			synctest.Test(t, func(t *testing.T) { replay(t, steps, replayNotes[name].allow) })
		})
	}
}

// replayer plays one recording.
type replayer struct {
	t       *testing.T
	m       *master
	agents  []*agent
	names   []string // of the agents
	conf    Config
	client  *http.Client
	steps   []step
	streams map[string]*liveStream
	pending map[int]chan *liveResponse
	known   map[string]string // recorded random id -> live one
	rec     float64           // recorded time of the last request
	live    time.Time         // its live time
	last    float64
}

type liveResponse struct {
	res  *http.Response
	body []byte
	err  error
}

type liveRecord struct {
	body []byte
	at   time.Time
}

type liveStream struct {
	media   string
	records chan liveRecord
	early   []liveRecord // read, but not awaited yet
	whole   chan bool
	cancel  func()
}

func replay(t *testing.T, steps []step, allow string) {
	r := &replayer{
		t: t, steps: steps, streams: map[string]*liveStream{}, pending: map[int]chan *liveResponse{},
		known: map[string]string{}, live: time.Now(),
	}
	listener := (&port{tcp: nowhere{}}).open()
	r.start()
	server := &http.Server{Handler: r.m}
	served := make(chan struct{})
	go func() { defer close(served); _ = server.Serve(listener) }()
	transport := &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) {
		return dial(listener)
	}, DisableCompression: true}
	r.client = &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error {
		return http.ErrUseLastResponse
	}}
	for i := range steps {
		r.play(&steps[i])
		if t.Failed() {
			t.Logf("at step %d: %.1f ms", i, steps[i].T)
			break
		}
	}
	r.m.stop()
	for _, a := range r.agents {
		a.stop()
	}
	for _, s := range r.streams {
		s.cancel()
	}
	_ = server.Close()
	transport.CloseIdleConnections()
	<-served
	synctest.Wait()
	r.leftovers(allow)
}

// start makes the master with the recorded id and address, so that all ids made from them are equal.
func (r *replayer) start() {
	id, address := "11111111-2222-3333-4444-555555555555", "127.0.0.1:5050"
	info := regexp.MustCompile(`"master_info":\{"id":"([0-9a-f-]+)".*?"pid":"master@([0-9.:]+)"`)
	for i := range r.steps {
		if s := &r.steps[i]; s.Kind == "record" {
			if found := info.FindSubmatch(recordJSON(r.t, s.bytes(r.t), s.BodyB64 != "")); found != nil {
				id, address = string(found[1]), string(found[2])
				break
			}
		}
	}
	r.conf = Config{LaunchDelay: 170 * time.Millisecond}
	for _, s := range r.steps {
		if s.Kind == "master" {
			r.conf.Domain = s.Domain
			r.conf.AllocationInterval = parseDuration(s.Interval)
			r.conf.OfferTimeout = parseDuration(s.Timeout)
			r.conf.AgentTimeout = parseDuration(s.PingLimit)
		}
	}
	r.conf.setDefaults()
	r.m = newMaster(&r.conf, id, address)
}

// parseDuration reads "5secs" and "200ms".
func parseDuration(s string) time.Duration {
	d, err := time.ParseDuration(strings.Replace(s, "secs", "s", 1))
	if err != nil {
		return 0
	}
	return d
}

func (r *replayer) play(s *step) {
	switch s.Kind {
	case "agent":
		r.pause(s)
		r.addAgent(s)
	case "lose":
		r.pause(s)
		a := r.agents[slices.Index(r.names, s.Name)]
		a.lose()
		r.m.agentGone(a.id)
	case "request":
		r.pause(s)
		r.send(s)
	case "response":
		r.response(s)
	case "record":
		r.record(s)
	case "end":
		r.end(s)
	}
	if s.Kind != "note" {
		r.last = s.T
	}
}

// pause waits as long as the recording did since the step before.
func (r *replayer) pause(s *step) {
	if d := s.T - r.last; d > 0 {
		<-time.After(time.Duration(d * float64(time.Millisecond)))
	}
	r.rec, r.live = s.T, time.Now()
}

// registration is how long the agents of the recordings took from their start until they were registered.
const registration = 930 * time.Millisecond

func (r *replayer) addAgent(s *step) {
	if i := slices.Index(r.names, s.Name); i >= 0 {
		d := registration
		r.agents[i].call(func() {
			if len(r.agents[i].tasks) > 0 { // it waits for the executors
				d += 2 * time.Second
			}
		})
		time.AfterFunc(d, func() {
			r.agents[i].comeBack()
			r.agents[i].connect(r.m)
		})
		return
	}
	cfg := agentConfig(s.Resources)
	cfg.Hostname, cfg.Domain, cfg.Revocable.CPUs = s.Hostname, s.Domain, s.Revocable
	for _, part := range strings.Split(s.Attributes, ";") {
		if name, value, ok := strings.Cut(part, ":"); ok {
			cfg.Attributes[name] = value
		}
	}
	cfg.setDefaults()
	a := newAgent(&r.conf, cfg, "/nowhere", r.m.address, nil, fakeRunner{})
	r.agents, r.names = append(r.agents, a), append(r.names, s.Name)
	number := r.agentNumber(cfg)
	time.AfterFunc(registration, func() {
		// The agents of a recording registered in any order: the number is that which its ports have in the offers.
		r.m.mu.Lock()
		r.m.nextAgent = number
		r.m.mu.Unlock()
		a.connect(r.m)
	})
}

// agentConfig reads what is given to a real agent: "cpus:4;cpus(web):1;mem:2048;ports:[31000-31999]".
func agentConfig(resources string) AgentConfig {
	// What the machine of the recordings had, where nothing else was said.
	cfg := AgentConfig{
		Attributes: map[string]string{}, Reserved: map[string]Reservation{},
		DiskMiB: 252899, PortFirst: 31000, PortLast: 32000,
	}
	for _, part := range strings.Split(resources, ";") {
		name, value, _ := strings.Cut(part, ":")
		number, _ := strconv.ParseFloat(value, 64)
		kind, role, reserved := strings.Cut(strings.TrimSuffix(name, ")"), "(")
		reservation := cfg.Reserved[role]
		cpus, mem := &cfg.CPUs, &cfg.MemMiB
		if reserved = reserved && role != unreserved; reserved {
			cpus, mem = &reservation.CPUs, &reservation.MemMiB
		}
		switch kind {
		case "cpus":
			*cpus = number
		case "mem":
			*mem = number
		case "disk":
			cfg.DiskMiB = number
		case "ports":
			first, last, _ := strings.Cut(strings.Trim(value, "[]"), "-")
			cfg.PortFirst, _ = strconv.ParseUint(first, 10, 64)
			cfg.PortLast, _ = strconv.ParseUint(last, 10, 64)
		}
		if reserved {
			cfg.Reserved[role] = reservation
		}
	}
	return cfg
}

func (r *replayer) agentNumber(cfg AgentConfig) int {
	first := `"begin":` + strconv.FormatUint(cfg.PortFirst, 10) + ","
	number := regexp.MustCompile(`"agent_id":\{"value":"[0-9a-f-]+-S(\d+)"\}`)
	for i := range r.steps {
		s := &r.steps[i]
		if s.Kind != "record" {
			continue
		}
		for _, offer := range strings.Split(string(recordJSON(r.t, s.bytes(r.t), s.BodyB64 != "")), `{"id":`) {
			if found := number.FindStringSubmatch(offer); found != nil && strings.Contains(offer, first) {
				n, _ := strconv.Atoi(found[1])
				return n
			}
		}
	}
	return len(r.agents) - 1
}

func (r *replayer) send(s *step) {
	body := r.translate(string(s.bytes(r.t)))
	ctx, cancel := context.WithCancel(context.Background())
	req, err := http.NewRequestWithContext(ctx, s.Method, "http://"+r.m.address+s.Path, strings.NewReader(body))
	if err != nil {
		r.t.Fatal(err)
	}
	if body == "" {
		req.Body = http.NoBody
	}
	for _, h := range s.Headers {
		if h[0] == "Transfer-Encoding" { // the recorded body has the framing of its chunks
			req.ContentLength = -1
			req.Body = io.NopCloser(strings.NewReader(regexp.MustCompile(`\{.*\}`).FindString(body)))
		} else {
			req.Header[http.CanonicalHeaderKey(h[0])] = append(req.Header[http.CanonicalHeaderKey(h[0])], r.translate(h[1]))
		}
	}
	stream := ""
	for i := range r.steps {
		if x := &r.steps[i]; x.Kind == "response" && x.N == s.N {
			stream = x.Stream
		}
	}
	if stream == "" {
		defer cancel()
	} else {
		r.streams[stream] = &liveStream{records: make(chan liveRecord, 10000), whole: make(chan bool, 1), cancel: cancel}
	}
	answer := make(chan *liveResponse, 1)
	r.pending[s.N] = answer
	res, err := r.client.Do(req)
	if err != nil {
		answer <- &liveResponse{err: err}
		return
	}
	if stream != "" && res.StatusCode == http.StatusOK {
		live := r.streams[stream]
		live.media = res.Header.Get("Content-Type")
		go live.read(res.Body)
		answer <- &liveResponse{res: res}
		return
	}
	text, err := io.ReadAll(res.Body)
	answer <- &liveResponse{res, text, errors.Join(err, res.Body.Close())}
}

func (s *liveStream) read(body io.ReadCloser) {
	defer body.Close()
	in := bufio.NewReader(body)
	for {
		record, err := readRecord(in)
		if err != nil {
			s.whole <- errors.Is(err, io.EOF)
			close(s.records)
			return
		}
		s.records <- liveRecord{record, time.Now()}
	}
}

func (r *replayer) response(s *step) {
	live := <-r.pending[s.N]
	if live.err != nil {
		r.t.Errorf("request %d: %v", s.N, live.err)
		return
	}
	if live.res.StatusCode != s.Status {
		r.t.Errorf("request %d: status %d, recorded %d; body %q", s.N, live.res.StatusCode, s.Status, live.body)
	}
	for _, h := range s.Headers {
		got := live.res.Header.Get(h[0])
		if h[0] == streamIDHeader {
			r.known[h[1]] = got
		} else if got != h[1] && h[0] != "Connection" {
			r.t.Errorf("request %d: header %s %q, recorded %q", s.N, h[0], got, h[1])
		}
	}
	if s.Status == http.StatusAccepted && (live.res.ContentLength != 0 || live.res.Header.Get("Content-Type") != "") {
		r.t.Errorf("request %d: 202 with length %d, type %q", s.N, live.res.ContentLength, live.res.Header.Get("Content-Type"))
	}
	if want := r.translate(s.Body); s.Stream == "" && live.res.Request.Method != http.MethodHead && unclocked(live.body) != unclocked([]byte(want)) {
		r.t.Errorf("request %d: body\n%q\nrecorded\n%q", s.N, live.body, want)
	}
}

var timestamp = regexp.MustCompile(`"timestamp":\{"nanoseconds":\d+\}`)

// unclocked takes the times at which something happened from a body.
func unclocked(body []byte) string { return string(timestamp.ReplaceAll(body, nil)) }

// record waits for the recorded event. Events of different tasks may come in another order.
func (r *replayer) record(s *step) {
	want := recordJSON(r.t, s.bytes(r.t), s.BodyB64 != "")
	if string(want) == `{"type":"HEARTBEAT"}` {
		return
	}
	stream := r.streams[s.Stream]
	deadline := time.After(time.Until(r.live) + time.Duration((s.T-r.rec)*float64(time.Millisecond)) + 3*time.Second)
	for i := 0; ; i++ {
		if i >= len(stream.early) {
			select {
			case rec, ok := <-stream.records:
				if !ok {
					r.t.Errorf("stream %s ended before\n%s", s.Stream, want)
					return
				}
				rec.body = recordJSON(r.t, rec.body, stream.media == mediaProtobuf)
				stream.early = append(stream.early, rec)
			case <-deadline:
				r.t.Errorf("stream %s: nothing like\n%s\ngot instead %s", s.Stream, want, texts(stream.early))
				return
			}
		}
		if got := stream.early[i]; eventKey(got.body) == eventKey([]byte(r.translate(string(want)))) {
			stream.early = slices.Delete(stream.early, i, i+1)
			r.compare(want, got.body)
			r.checkTime(s, got)
			return
		}
	}
}

// checkTime allows for the phase of the allocator's ticks, and for a busy machine in the recording.
func (r *replayer) checkTime(s *step, got liveRecord) {
	const tolerance = 1.3
	recorded := (s.T - r.rec) / 1000
	live := got.at.Sub(r.live).Seconds()
	if live < recorded-tolerance || live > recorded+tolerance {
		r.t.Errorf("%.3f s after the last request, recorded %.3f s:\n%s", live, recorded, got.body)
	}
}

func (r *replayer) end(s *step) {
	stream := r.streams[s.Stream]
	if strings.Contains(s.How, "closed by th") {
		r.pause(s)
		stream.cancel()
		synctest.Wait()
		return
	}
	select {
	case whole := <-stream.whole:
		if !whole {
			r.t.Errorf("stream %s was cut", s.Stream)
		}
	case <-time.After(time.Until(r.live) + time.Duration((s.T-r.rec)*float64(time.Millisecond)) + 3*time.Second):
		r.t.Errorf("stream %s does not end", s.Stream)
	}
}

// leftovers finds events that were not recorded.
func (r *replayer) leftovers(allow string) {
	for name, s := range r.streams {
		for rec := range s.records {
			rec.body = recordJSON(r.t, rec.body, s.media == mediaProtobuf)
			s.early = append(s.early, rec)
		}
		for _, rec := range s.early {
			kind, _, _ := strings.Cut(eventKey(rec.body), `"`)
			// A hundred answers are left out of a recording.
			if kind != "HEARTBEAT" && kind != allow && !strings.Contains(string(rec.body), `"bulk0`) {
				r.t.Errorf("stream %s: not recorded: %s", name, rec.body)
			}
		}
	}
}

// translate puts live ids for recorded ones.
func (r *replayer) translate(text string) string {
	var pairs []string
	ids := slices.Collect(maps.Keys(r.known))
	slices.SortFunc(ids, func(a, b string) int { return len(b) - len(a) })
	for _, id := range ids {
		pairs = append(pairs, id, r.known[id])
	}
	return strings.NewReplacer(pairs...).Replace(text)
}

func texts(records []liveRecord) string {
	var out []string
	for _, r := range records {
		out = append(out, string(r.body))
	}
	return strings.Join(out, "\n")
}

// recordJSON gives the JSON form of an event.
func recordJSON(t testing.TB, body []byte, isProto bool) []byte {
	if !isProto {
		return body
	}
	e := &scheduler.Event{}
	if err := proto.Unmarshal(body, e); err != nil {
		t.Fatalf("event: %v", err)
	}
	return toJSON(e)
}

var rescindPattern = regexp.MustCompile(`"rescind[a-z_]*":\{.*`)

var taskIDPattern = regexp.MustCompile(`"task_id":\{"value":("(?:[^"\\]|\\.)*")\}`)

// eventKey is equal for events that may stand for each other.
func eventKey(body []byte) string {
	var e struct {
		Type string `json:"type"`
	}
	if json.Unmarshal(body, &e) != nil {
		return "broken"
	}
	return e.Type + string(taskIDPattern.Find(body)) + string(rescindPattern.Find(body))
}
