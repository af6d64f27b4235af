package framework

import (
	"bytes"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mesos/mesos-go/api/v1/lib/scheduler"
	"github.com/sirupsen/logrus"

	"sluice/framework/minimesos"
)

// front stands before a master, so that what comes on the way to a master can be tried.
type front struct {
	*httptest.Server
	proxy  *httputil.ReverseProxy
	mu     sync.Mutex
	answer func(w http.ResponseWriter, r *http.Request) (done bool)
}

func newFront(t *testing.T, master string) *front {
	u, err := url.Parse(master)
	if err != nil {
		t.Fatal(err)
	}
	f := &front{proxy: httputil.NewSingleHostReverseProxy(u)}
	f.proxy.FlushInterval = -1
	f.Server = httptest.NewServer(f)
	t.Cleanup(func() { f.CloseClientConnections(); f.Close() })
	return f
}

func (f *front) set(answer func(w http.ResponseWriter, r *http.Request) bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.answer = answer
}

func (f *front) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	answer := f.answer
	f.mu.Unlock()
	if answer != nil && answer(w, r) {
		return
	}
	f.proxy.ServeHTTP(w, r)
}

// warnings is a log hook that keeps what is logged at warning or above.
type warnings struct {
	mu    sync.Mutex
	lines []string
}

func (w *warnings) Levels() []logrus.Level { return logrus.AllLevels[:logrus.WarnLevel+1] }

func (w *warnings) Fire(e *logrus.Entry) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.lines = append(w.lines, e.Message)
	return nil
}

func (w *warnings) all() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.lines)
}

func (r *rig) watchLog() *warnings {
	w := &warnings{}
	log := logrus.New()
	log.SetOutput(r.Output())
	log.AddHook(w)
	r.cfg.Logger = log
	return w
}

// A master that does not lead redirects: also the calls must then go to the leader. mesos-go sends them to the first.
func TestCallsFollowTheRedirect(t *testing.T) {
	r := newRig(t, minimesos.Config{})
	var others atomic.Int32
	f := newFront(t, r.cluster.URL())
	f.set(func(w http.ResponseWriter, req *http.Request) bool {
		others.Add(1)
		w.Header().Set("Location", strings.TrimPrefix(r.cluster.URL(), "http:")+"/master/api/v1/scheduler")
		w.WriteHeader(http.StatusTemporaryRedirect)
		return true
	})
	r.cfg.Master = f.URL
	r.start()
	r.want(8)
	if n := others.Load(); n != 2 { // the first subscription, and the one under the new id
		t.Errorf("%d requests to the master that does not lead", n)
	}
	if m := r.fw.Status().Master; m != r.cluster.URL() {
		t.Errorf("master %s", m)
	}
}

// A master on its way up refuses connections, then answers 404, then 503: all are retried, each is said once.
func TestMasterOnItsWayUp(t *testing.T) {
	t.Parallel()
	r := newRig(t, minimesos.Config{})
	log := r.watchLog()
	f := newFront(t, r.cluster.URL())
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	refused := "http://" + listener.Addr().String()
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	var requests atomic.Int32
	f.set(func(w http.ResponseWriter, _ *http.Request) bool {
		switch n := requests.Add(1); {
		case n <= 1:
			http.Error(w, "404 Not Found.", http.StatusNotFound)
		case n <= 2:
			http.Error(w, "No leader elected", http.StatusServiceUnavailable)
		default:
			return false
		}
		return true
	})
	r.cfg.Master = refused + "," + f.URL
	r.start()
	r.want(4)
	lines := strings.Join(log.all(), "\n")
	for _, want := range []string{"connection refused", "404 Not Found. (404)", "No leader elected (503)"} {
		if !strings.Contains(lines, want) {
			t.Errorf("%q was not said in:\n%s", want, lines)
		}
	}
	for _, line := range log.all() {
		if strings.HasPrefix(line, "not connected") && !strings.Contains(line, "retrying") || strings.Contains(line, "\n") {
			t.Errorf("line %q", line)
		}
	}
}

// A stale stream id is a 400 that mesos-go does not take for the end of the subscription.
func TestStaleStreamID(t *testing.T) {
	r := newRig(t, minimesos.Config{})
	f := newFront(t, r.cluster.URL())
	r.cfg.Master = f.URL
	r.start()
	r.want(4)
	id := r.store.id()
	var spoilt atomic.Int32
	f.set(func(_ http.ResponseWriter, req *http.Request) bool {
		if req.Header.Get(streamIDHeader) != "" && spoilt.Add(1) == 1 {
			req.Header.Set(streamIDHeader, "not-this-one")
		}
		return false
	})
	r.want(8)
	if spoilt.Load() == 0 || r.fw.Status().Reconnects == 0 || r.store.id() != id {
		t.Errorf("%d calls spoilt, status %+v", spoilt.Load(), r.fw.Status())
	}
}

// A wrong secret is said in one line; the secret file is read again at each attempt.
func TestWrongSecret(t *testing.T) {
	r := newRig(t, minimesos.Config{})
	log := r.watchLog()
	f := newFront(t, r.cluster.URL())
	f.set(func(w http.ResponseWriter, req *http.Request) bool {
		if user, secret, _ := req.BasicAuth(); user == "sluice" && secret == "right" {
			return false
		}
		w.Header().Set("WWW-Authenticate", `Basic realm="mesos-master-scheduler"`)
		http.Error(w, "401 Unauthorized.", http.StatusUnauthorized)
		return true
	})
	r.cfg.Master, r.cfg.Principal, r.cfg.SecretFile = f.URL, "sluice", filepath.Join(t.TempDir(), "secret")
	write := func(secret string) {
		if err := os.WriteFile(r.cfg.SecretFile, []byte(secret+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("wrong")
	r.start()
	r.wait("some attempts", func() bool { return r.fw.Status().Reconnects >= 2 })
	if lines := log.all(); len(lines) != 1 || !strings.Contains(lines[0], "refuses the principal and secret") {
		t.Errorf("log %q", lines)
	}
	write("right")
	r.want(4)
}

// One event with more offers than 4 MiB ends the stream of mesos-go's reader, again and again.
func TestManyOffersInOneEvent(t *testing.T) {
	list := agents(300)
	for i := range list {
		list[i].Attributes = map[string]string{"rack": strings.Repeat("x", 16000)}
	}
	r := newRig(t, minimesos.Config{Agents: list, AllocationInterval: time.Second})
	r.start()
	r.want(5)
	if n := r.fw.Status().OffersDeclined + r.fw.Status().OffersAccepted; n < len(list) {
		t.Errorf("%d of %d offers answered", n, len(list))
	}
	if n := r.fw.Status().Reconnects; n > 0 {
		t.Errorf("%d reconnects", n)
	}
}

// While the store cannot be written, nothing rests on it: no launch, no acknowledgement, and no offer is held.
func TestStoreDown(t *testing.T) {
	var calls tap
	r := newRig(t, minimesos.Config{OnCall: calls.onCall})
	var down atomic.Bool
	r.store.hook = func(string) error {
		if down.Load() {
			return errTest
		}
		return nil
	}
	r.start()
	r.wait("the subscription", func() bool { return r.fw.Status().Connected })
	down.Store(true)
	r.goal = 4
	r.batch.need(oneSlot(4))
	r.wait("a launch given up", func() bool { return r.fw.Status().Launches > 0 && r.offersHeld() == 0 && r.fw.keeper.broken.Load() })
	if len(r.tasks()) > 0 {
		t.Error("launched without a record")
	}
	down.Store(false)
	r.want(4)
	down.Store(true)
	acked := func() int { return len(calls.of(scheduler.Call_ACKNOWLEDGE)) }
	before := acked()
	r.goal = 0
	r.batch.need(nil)
	r.wait("the host closed", func() bool { return r.batch.open() == 0 || r.fw.keeper.broken.Load() })
	if n := acked(); n != before {
		t.Errorf("%d acknowledgements of what is not durable", n-before)
	}
	down.Store(false)
	r.wait("nothing left", r.empty)
}

// While the batch system hangs, offers are given back within a second or so; later the hosts come.
func TestBatchSystemHangs(t *testing.T) {
	r := newRig(t, minimesos.Config{})
	hang := make(chan struct{})
	var hanging atomic.Bool
	hanging.Store(true)
	r.batch.hook = func(string, string) error {
		if hanging.Load() {
			select {
			case <-hang:
			case <-t.Context().Done():
			}
		}
		return nil
	}
	r.start()
	r.goal = 4
	r.batch.need(oneSlot(4))
	r.wait("a launch given up", func() bool { return r.fw.Status().Launches > 0 && r.offersHeld() == 0 })
	if len(r.tasks()) > 0 {
		t.Error("launched without a host in the batch system")
	}
	hanging.Store(false)
	close(hang)
	r.want(4)
	r.wait("only the living hosts in the batch system", func() bool { return len(r.batch.names()) == 1 })
}

func (r *rig) offersHeld() (n int) {
	for _, f := range r.state().Frameworks {
		n += len(f.Offers)
	}
	return n
}

// The end of a local cluster: the framework and all hosts end, and the store forgets both.
func TestTeardown(t *testing.T) {
	r := newRig(t, minimesos.Config{})
	r.start()
	r.want(6)
	if err := r.fw.Teardown(t.Context()); err != nil {
		t.Fatal(err)
	}
	if names := r.batch.names(); len(names) > 0 || r.store.id() != "" || len(r.store.keys(bucketFleet)) > 0 {
		t.Errorf("left: hosts %v, id %q, records %v", names, r.store.id(), r.store.keys(bucketFleet))
	}
	if s := r.state(); len(s.Frameworks) > 0 || len(s.Completed) != 1 {
		t.Errorf("mesos has %+v", s)
	}
	r.fw.Stop()
	if err := r.fw.Err(); err != nil {
		t.Errorf("stopped for %v", err)
	}
	if err := r.fw.Teardown(t.Context()); !errors.Is(err, errNotConnected) {
		t.Errorf("torn down twice: %v", err)
	}
}

// A new cluster has neither our framework nor our hosts.
func TestNewCluster(t *testing.T) {
	r := newRig(t, minimesos.Config{})
	r.start()
	r.want(4)
	old := r.batch.names()
	r.fw.Stop()
	fresh := newRig(t, minimesos.Config{})
	fresh.store, fresh.batch = r.store, r.batch
	fresh.cfg.NewCluster = true
	fresh.start()
	fresh.wait("the old host gone", func() bool { return r.batch.wasRemoved(old[0]) == "dead" })
	fresh.want(4)
	if !strings.HasPrefix(fresh.store.id(), fresh.fw.Status().FrameworkID) || len(fresh.tasks()) != 1 {
		t.Errorf("id %s, tasks %v", fresh.store.id(), fresh.tasks())
	}
}

func TestDrain(t *testing.T) {
	r := newRig(t, minimesos.Config{})
	r.start()
	r.want(4)
	r.batch.busy(true)
	host := r.tasks()[0]
	if err := r.fw.Drain("no-such-host"); err == nil {
		t.Error("an unknown host was drained")
	}
	if err := r.fw.Drain(host); err != nil {
		t.Fatal(err)
	}
	r.wait("a replacement beside the busy host", func() bool { return len(r.tasks()) == 2 && r.batch.open() == 4 })
	r.batch.busy(false)
	r.wait("the drained host gone", func() bool { return len(r.tasks()) == 1 && r.tasks()[0] != host })
}

// An ACCEPT whose answer is lost is not sent again: it is asked what became of the task.
func TestAnswerToAcceptLost(t *testing.T) {
	t.Parallel()
	for _, arrives := range []bool{true, false} {
		r := newRig(t, minimesos.Config{})
		f := newFront(t, r.cluster.URL())
		var accepts atomic.Int32
		f.set(func(w http.ResponseWriter, req *http.Request) bool {
			body, err := io.ReadAll(req.Body)
			var call scheduler.Call
			if err == nil {
				err = call.Unmarshal(body)
			}
			if err != nil {
				t.Error(err)
			}
			req.Body = io.NopCloser(bytes.NewReader(body))
			if call.Type != scheduler.Call_ACCEPT || accepts.Add(1) > 1 {
				return false
			}
			if arrives {
				f.proxy.ServeHTTP(httptest.NewRecorder(), req)
			}
			panic(http.ErrAbortHandler) // the connection breaks
		})
		r.cfg.Master = f.URL
		r.start()
		r.want(4)
		if n := accepts.Load(); (n == 1) != arrives {
			t.Errorf("arrived %t: %d ACCEPTs", arrives, n)
		}
		r.wait("one host, and no offer held", func() bool {
			return len(r.tasks()) == 1 && len(r.batch.names()) == 1 && r.offersHeld() == 0
		})
		r.fw.Stop()
	}
}
