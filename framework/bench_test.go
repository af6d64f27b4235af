package framework

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	mesos "github.com/mesos/mesos-go/api/v1/lib"
	"github.com/mesos/mesos-go/api/v1/lib/scheduler"
	"github.com/sirupsen/logrus"

	"sluice/framework/fleet"
	"sluice/queue"
)

// quickMaster is a master that costs next to nothing: it sends what it is told to, and accepts all calls.
type quickMaster struct {
	onCall func(call *scheduler.Call)
	out    *io.PipeWriter
	ready  chan struct{} // closed when the framework has subscribed under its id
}

var _ http.RoundTripper = (*quickMaster)(nil)

const benchID = "bench-0000"

func (m *quickMaster) RoundTrip(req *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(req.Body)
	if err != nil {
		return nil, err
	}
	var call scheduler.Call
	if err := call.Unmarshal(body); err != nil {
		return nil, err
	}
	res := &http.Response{StatusCode: http.StatusAccepted, Body: http.NoBody, Header: http.Header{}, Request: req, ProtoMajor: 1, ProtoMinor: 1}
	if call.Type != scheduler.Call_SUBSCRIBE {
		m.onCall(&call)
		return res, nil
	}
	in, out := io.Pipe()
	context.AfterFunc(req.Context(), func() { _ = in.Close() }) // as a connection does
	res.StatusCode, res.Body, res.ContentLength = http.StatusOK, in, -1
	res.Header.Set(streamIDHeader, "stream")
	res.Header.Set("Content-Type", "application/x-protobuf")
	m.out = out
	hello := encodeRecord(&scheduler.Event{Type: scheduler.Event_SUBSCRIBED, Subscribed: &scheduler.Event_Subscribed{FrameworkID: &mesos.FrameworkID{Value: benchID}}})
	go func() {
		_, _ = out.Write(hello) // to nobody if it has ended meanwhile
		close(m.ready)
	}()
	return res, nil
}

// send writes records; it returns when they are read.
func (m *quickMaster) send(b *testing.B, data []byte) {
	if _, err := m.out.Write(data); err != nil {
		b.Error(err)
	}
}

func encodeRecord(e *scheduler.Event) []byte {
	data, err := e.Marshal()
	if err != nil {
		panic(err)
	}
	return append(strconv.AppendInt(nil, int64(len(data)), 10), append([]byte{'\n'}, data...)...)
}

// quickBatch knows all hosts at once.
type quickBatch struct{}

var _ Batch = quickBatch{}

func (quickBatch) AddHost(context.Context, queue.HostSpec) (queue.HostCommand, error) {
	return queue.HostCommand{Argv: []string{"./sluice", "host"}}, nil
}
func (quickBatch) CloseHost(context.Context, string) error                { return nil }
func (quickBatch) OpenHost(context.Context, string) error                 { return nil }
func (quickBatch) RemoveHost(context.Context, string, string, bool) error { return nil }

// startQuick starts a framework whose store tells of some hosts.
func startQuick(b *testing.B, hosts []fleet.Host, onCall func(call *scheduler.Call)) (*Framework, *quickMaster) {
	b.Helper()
	store := newMemStore()
	store.buckets[bucketFramework] = map[string][]byte{keyFrameworkID: []byte(benchID)}
	store.buckets[bucketFleet] = encoded(b, hosts)
	cfg := DefaultConfig()
	cfg.Master, cfg.User = "http://127.0.0.1:1", "root"
	quiet := logrus.New()
	quiet.SetOutput(io.Discard)
	cfg.Logger = quiet
	cfg.Fleet.MaxLaunchesPerStep = 10_000
	fw, err := New(cfg, quickBatch{}, store)
	if err != nil {
		b.Fatal(err)
	}
	m := &quickMaster{onCall: onCall, ready: make(chan struct{})}
	fw.transport.streams.Transport, fw.transport.calls.Transport = m, m
	if err := fw.Start(b.Context()); err != nil {
		b.Fatal(err)
	}
	<-m.ready
	return fw, m
}

// peak gives the most memory that the process held since it was called, in MiB.
func peak(b *testing.B) func() float64 {
	b.Helper()
	debug.FreeOSMemory()
	if err := os.WriteFile("/proc/self/clear_refs", []byte("5"), 0o600); err != nil {
		b.Fatal(err)
	}
	return func() float64 {
		data, err := os.ReadFile("/proc/self/status")
		if err != nil {
			b.Fatal(err)
		}
		lines := bufio.NewScanner(bytes.NewReader(data))
		for lines.Scan() {
			if rest, ok := strings.CutPrefix(lines.Text(), "VmHWM:"); ok {
				kib, err := strconv.Atoi(strings.TrimSuffix(strings.TrimSpace(rest), " kB"))
				if err != nil {
					b.Fatal(err)
				}
				return float64(kib) / 1024
			}
		}
		b.Fatal("no VmHWM")
		return 0
	}
}

// BenchmarkOffersWholePath: all agents of a large cluster offer at once. From the first byte of the event to the answer to the
// last call: read, decoded, decided, recorded, encoded, sent. The bars are 100 ms and 256 MiB.
func BenchmarkOffersWholePath(b *testing.B) {
	const size = 10_000
	event := encodeRecord(manyOffers(size))
	for _, take := range []int{0, 100, 1000} {
		b.Run(fmt.Sprintf("agents=%d/hosts=%d", size, take), func(b *testing.B) {
			most := peak(b)
			for b.Loop() {
				b.StopTimer()
				var answered atomic.Int64
				done := make(chan struct{})
				fw, m := startQuick(b, nil, func(call *scheduler.Call) {
					n := 0
					switch call.Type {
					case scheduler.Call_ACCEPT:
						n = len(call.Accept.OfferIDs)
					case scheduler.Call_DECLINE:
						n = len(call.Decline.OfferIDs)
					default:
					}
					if n > 0 && answered.Add(int64(n)) == size {
						close(done)
					}
				})
				if take > 0 {
					fw.SetGoal(take*4, queue.Snapshot{At: time.Now(), Demand: oneSlot(take * 4)})
				}
				b.StartTimer()
				m.send(b, event)
				<-done
				b.StopTimer()
				fw.Stop()
				b.StartTimer()
			}
			b.ReportMetric(most(), "peak-MiB")
		})
	}
}

// manyOffers is as a master sends them: 4 CPUs, memory, disk and ports of each agent.
func manyOffers(n int) *scheduler.Event {
	scalar, ranges, role := mesos.SCALAR, mesos.RANGES, "*"
	allocated := &mesos.Resource_AllocationInfo{Role: &role}
	amount := func(name string, value float64) mesos.Resource {
		return mesos.Resource{Name: name, Type: &scalar, Scalar: &mesos.Value_Scalar{Value: value}, AllocationInfo: allocated}
	}
	e := &scheduler.Event{Type: scheduler.Event_OFFERS, Offers: &scheduler.Event_Offers{}}
	for i := range n {
		host, ip, path := fmt.Sprintf("node%d.cluster.example", i), "10.0.0.1", "/slave(1)"
		e.Offers.Offers = append(e.Offers.Offers, mesos.Offer{
			ID:             mesos.OfferID{Value: fmt.Sprintf("d0767983-2b20-4f5a-8977-93cff32e3aaf-O%d", i)},
			FrameworkID:    mesos.FrameworkID{Value: benchID},
			AgentID:        mesos.AgentID{Value: fmt.Sprintf("d0767983-2b20-4f5a-8977-93cff32e3aaf-S%d", i)},
			Hostname:       host,
			URL:            &mesos.URL{Scheme: "http", Address: mesos.Address{Hostname: &host, IP: &ip, Port: 5051}, Path: &path},
			AllocationInfo: allocated,
			Attributes:     []mesos.Attribute{{Name: "rack", Type: mesos.TEXT, Text: &mesos.Value_Text{Value: fmt.Sprintf("r%d", i%40)}}},
			Resources: []mesos.Resource{
				amount("cpus", 4), amount("mem", 8192), amount("disk", 65536),
				{Name: "ports", Type: &ranges, Ranges: &mesos.Value_Ranges{Range: []mesos.Value_Range{{Begin: 31000, End: 32000}}}, AllocationInfo: allocated},
			},
		})
	}
	return e
}

// BenchmarkReconcileWholePath: a framework comes back and asks what became of its tasks, by name and for all; from the start to the last answer
// taken in. The bar is 5 s.
func BenchmarkReconcileWholePath(b *testing.B) {
	const size = 10_000
	hosts := manyHosts(size)
	b.Run(fmt.Sprintf("tasks=%d", size), func(b *testing.B) {
		most := peak(b)
		for b.Loop() {
			var m *quickMaster
			var mu sync.Mutex // held while m is not known yet
			mu.Lock()
			fw, started := startQuick(b, hosts, func(call *scheduler.Call) {
				if call.Type != scheduler.Call_RECONCILE {
					return
				}
				mu.Lock()
				defer mu.Unlock()
				answers := answersTo(call, hosts)
				go m.send(b, answers)
			})
			m = started
			mu.Unlock()
			for fw.Status().Updates < 2*size {
				fw.SetGoal(0, queue.Snapshot{At: time.Now()})
				<-time.After(time.Millisecond)
			}
			b.StopTimer()
			fw.Stop()
			b.StartTimer()
		}
		b.ReportMetric(most(), "peak-MiB")
	})
}

func manyHosts(n int) []fleet.Host {
	hosts := make([]fleet.Host, n)
	now := time.Now()
	for i := range hosts {
		hosts[i] = fleet.Host{
			Spec:  queue.HostSpec{Name: fmt.Sprintf("sluice-%d", i), Slots: 4, MemMiB: 2048, Elastic: true, Location: fmt.Sprintf("node%d", i)},
			Agent: fmt.Sprintf("S%d", i), Role: "*", State: fleet.Open, Since: now, LaunchedAt: now, Ran: true,
		}
	}
	return hosts
}

// answersTo is what a master says to a reconciliation.
func answersTo(call *scheduler.Call, hosts []fleet.Host) []byte {
	var all bytes.Buffer
	state, reason, source := mesos.TASK_RUNNING, mesos.REASON_RECONCILIATION, mesos.SOURCE_MASTER
	say := func(task, agent string) {
		message := "Reconciliation: Latest task state"
		all.Write(encodeRecord(&scheduler.Event{Type: scheduler.Event_UPDATE, Update: &scheduler.Event_Update{Status: mesos.TaskStatus{
			TaskID: mesos.TaskID{Value: task}, AgentID: &mesos.AgentID{Value: agent}, State: &state, Reason: &reason, Source: &source, Message: &message,
		}}}))
	}
	for _, t := range call.Reconcile.Tasks {
		say(t.TaskID.Value, t.AgentID.GetValue())
	}
	if len(call.Reconcile.Tasks) == 0 {
		for _, h := range hosts {
			say(h.Name(), h.Agent)
		}
	}
	return all.Bytes()
}

// BenchmarkEventStream reads 1 MB of updates of 1,000 tasks, as a cluster in trouble sends them in a second.
func BenchmarkEventStream(b *testing.B) {
	hosts := manyHosts(1000)
	var data []byte
	events := 0
	for len(data) < 1e6 {
		data = append(data, answersTo(&scheduler.Call{Reconcile: &scheduler.Call_Reconcile{}}, hosts)...)
		events += len(hosts)
	}
	b.Run("size=1MB", func(b *testing.B) {
		fw, m := startQuick(b, hosts, func(*scheduler.Call) {})
		defer fw.Stop()
		b.SetBytes(int64(len(data)))
		for b.Loop() {
			seen := fw.Status().Updates
			m.send(b, data)
			for fw.Status().Updates < seen+events {
				<-time.After(100 * time.Microsecond)
			}
		}
	})
}

func encoded(b *testing.B, hosts []fleet.Host) map[string][]byte {
	b.Helper()
	records := make(map[string][]byte, len(hosts))
	for _, h := range hosts {
		data, err := json.Marshal(h)
		if err != nil {
			b.Fatal(err)
		}
		records[h.Name()] = data
	}
	return records
}
