package framework

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/sirupsen/logrus"

	"sluice/framework/fleet"
	"sluice/framework/minimesos"
	"sluice/queue"
)

// rig is a framework at an embedded master, with a batch system and a store that outlive it.
type rig struct {
	*testing.T
	cluster *minimesos.Cluster
	cfg     Config
	batch   *fakeBatch
	store   *memStore
	fw      *Framework
	goal    int
	floor   int
	turn    func() // before each turn of the control loop; may be nil
}

// until is how long a test waits for what must happen.
const until = 30 * time.Second

func newRig(t *testing.T, mesos minimesos.Config) *rig {
	t.Helper()
	if mesos.Agents == nil {
		mesos.Agents = agents(3)
	}
	for _, d := range []struct {
		value *time.Duration
		short time.Duration
	}{
		{&mesos.AllocationInterval, 50 * time.Millisecond},
		{&mesos.AckRetry, 200 * time.Millisecond},
		{&mesos.ReregisterDelay, 100 * time.Millisecond},
		{&mesos.KillGrace, time.Second},
	} {
		if *d.value == 0 {
			*d.value = d.short
		}
	}
	cluster, err := minimesos.Start(t.Context(), mesos)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Stop)
	cfg := DefaultConfig()
	cfg.Master, cfg.User, cfg.KillGrace = cluster.URL(), "root", time.Second
	cfg.Logger = testLog(t)
	cfg.Fleet = fleet.Config{
		SlotMemMiB: 128, IdleTimeout: 300 * time.Millisecond, KillRetry: 500 * time.Millisecond,
		ReviveEvery: 100 * time.Millisecond, UnreachableAfter: 500 * time.Millisecond,
	}
	r := &rig{T: t, cluster: cluster, cfg: cfg, batch: newFakeBatch(t), store: newMemStore()}
	t.Cleanup(func() {
		if r.fw != nil {
			r.fw.Stop()
		}
	})
	return r
}

func agents(n int) []minimesos.AgentConfig {
	var list []minimesos.AgentConfig
	for i := range n {
		list = append(list, minimesos.AgentConfig{Hostname: fmt.Sprintf("node%d", i), CPUs: 4, MemMiB: 2048})
	}
	return list
}

// testLog writes to the test's log, until the test is over.
func testLog(t *testing.T) logrus.FieldLogger {
	log := logrus.New()
	log.SetOutput(t.Output())
	log.SetLevel(logrus.DebugLevel)
	return log
}

// start makes a framework on the rig's store, in place of any other, which must have been stopped.
func (r *rig) start() *Framework {
	r.Helper()
	fw, err := New(r.cfg, r.batch, r.store)
	if err != nil {
		r.Fatal(err)
	}
	fw.SetFloor(r.floor)
	if err := fw.Start(r.Context()); err != nil {
		r.Fatal(err)
	}
	r.fw = fw
	return fw
}

// poll is one turn of the control loop.
func (r *rig) poll() queue.Snapshot {
	if r.turn != nil {
		r.turn()
	}
	s := r.batch.snapshot()
	if r.fw != nil {
		r.fw.SetGoal(r.goal, s)
	}
	return s
}

// wait lets the control loop turn until cond holds.
func (r *rig) wait(what string, cond func() bool) {
	r.Helper()
	deadline := time.Now().Add(until)
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	for !cond() {
		if time.Now().After(deadline) {
			state, _ := json.Marshal(r.state())
			r.Fatalf("waited in vain for: %s\nstatus %+v\nmesos %s\nbatch %s\nstored %v", what, r.fw.Status(), state, r.batch, r.store.keys(bucketFleet))
		}
		<-ticker.C
		r.poll()
	}
}

// want sets the goal and what the jobs need, and waits until the hosts are there.
func (r *rig) want(slots int, demand ...queue.Demand) {
	r.Helper()
	if demand == nil && slots > 0 {
		demand = oneSlot(slots)
	}
	r.goal = slots
	r.batch.need(demand)
	r.wait(fmt.Sprintf("%d slots", slots), func() bool { return r.batch.open() == slots && r.fw.Status().Supply == slots })
}

func oneSlot(jobs int) []queue.Demand { return []queue.Demand{{Slots: 1, Count: jobs}} }

// mesosState is what the master tells of itself.
type mesosState struct {
	Frameworks []struct {
		ID     string
		Active bool
		Tasks  []struct {
			ID, State, Role string
			Agent           string `json:"slave_id"`
			Resources       struct{ Ports string }
		}
		Offers []struct{ ID string }
	}
	Completed []struct{ ID string } `json:"completed_frameworks"`
}

func (r *rig) state() mesosState {
	r.Helper()
	var s mesosState
	res, err := http.Get(r.cluster.URL() + "/state")
	if err != nil {
		return s // a master on its way up
	}
	defer res.Body.Close()
	data, err := io.ReadAll(res.Body)
	if err == nil && res.StatusCode == http.StatusOK {
		err = json.Unmarshal(data, &s)
	}
	if err != nil {
		r.Fatal(err)
	}
	return s
}

// tasks are the ids of the tasks that live, sorted.
func (r *rig) tasks() []string {
	r.Helper()
	var ids []string
	for _, f := range r.state().Frameworks {
		for _, t := range f.Tasks {
			if t.State == "TASK_STAGING" || t.State == "TASK_STARTING" || t.State == "TASK_RUNNING" || t.State == "TASK_KILLING" {
				ids = append(ids, t.ID)
			}
		}
	}
	slices.Sort(ids)
	return ids
}

func (r *rig) agentOf(task string) string {
	for _, f := range r.state().Frameworks {
		for _, t := range f.Tasks {
			if t.ID == task {
				return t.Agent
			}
		}
	}
	return ""
}

// empty says that nothing is left of any host, anywhere.
func (r *rig) empty() bool {
	return len(r.tasks()) == 0 && len(r.batch.names()) == 0 && len(r.store.keys(bucketFleet)) == 0
}

// fakeBatch is a batch system without jobs of its own: a host has joined when its task has written a file.
type fakeBatch struct {
	dir  string
	hook func(op, name string) error // before each call

	mu      sync.Mutex
	hosts   map[string]*queue.Host
	demand  []queue.Demand
	ever    map[string]int      // times added
	removed map[string]bool     // name → processes gone
	closed  map[string]struct{} // ever closed
}

var _ Batch = (*fakeBatch)(nil)

func newFakeBatch(t *testing.T) *fakeBatch {
	return &fakeBatch{
		dir: t.TempDir(), hosts: map[string]*queue.Host{}, ever: map[string]int{}, removed: map[string]bool{},
		closed: map[string]struct{}{},
	}
}

func (b *fakeBatch) do(op, name string, f func(h *queue.Host) error) error {
	if b.hook != nil {
		if err := b.hook(op, name); err != nil {
			return err
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	h := b.hosts[name]
	if h == nil && op != "add" {
		return &queue.Error{Kind: queue.KindNotFound, Code: queue.NoSuchHost, Text: name + ": no such host"}
	}
	return f(h)
}

func (b *fakeBatch) AddHost(_ context.Context, spec queue.HostSpec) (queue.HostCommand, error) {
	err := b.do("add", spec.Name, func(*queue.Host) error {
		b.ever[spec.Name]++
		b.hosts[spec.Name] = &queue.Host{HostSpec: spec, Status: queue.HostAdded, AddedAt: time.Now()}
		return nil
	})
	return queue.HostCommand{
		Argv: []string{"/bin/sh", "-c", `touch "$JOIN"; exec sleep 600`}, Env: map[string]string{"JOIN": filepath.Join(b.dir, spec.Name)},
	}, err
}

func (b *fakeBatch) CloseHost(_ context.Context, name string) error {
	return b.do("close", name, func(h *queue.Host) error {
		h.Closed |= queue.ClosedDrain
		b.closed[name] = struct{}{}
		return nil
	})
}

func (b *fakeBatch) OpenHost(_ context.Context, name string) error {
	return b.do("open", name, func(h *queue.Host) error { h.Closed &^= queue.ClosedDrain; return nil })
}

func (b *fakeBatch) RemoveHost(_ context.Context, name, _ string, processesGone bool) error {
	return b.do("remove", name, func(*queue.Host) error {
		delete(b.hosts, name)
		b.removed[name] = processesGone
		return nil
	})
}

func (b *fakeBatch) snapshot() queue.Snapshot {
	b.mu.Lock()
	defer b.mu.Unlock()
	s := queue.Snapshot{Demand: slices.Clone(b.demand)}
	for _, name := range slices.Sorted(maps.Keys(b.hosts)) {
		h := b.hosts[name]
		if _, err := os.Stat(filepath.Join(b.dir, name)); err == nil && h.Status == queue.HostAdded {
			h.Status, h.IdleSince = queue.HostOK, time.Now()
		}
		s.Hosts = append(s.Hosts, *h)
	}
	s.At = time.Now()
	return s
}

func (b *fakeBatch) need(demand []queue.Demand) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.demand = demand
}

// busy puts a job on every open host, or ends all of them.
func (b *fakeBatch) busy(yes bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, h := range b.hosts {
		switch {
		case yes && h.Status == queue.HostOK && h.Closed == 0:
			h.Used, h.IdleSince = h.Slots, time.Time{}
		case !yes && h.Used > 0:
			h.Used, h.IdleSince = 0, time.Now()
		}
	}
}

// lose breaks the connections of hosts; find restores one.
func (b *fakeBatch) lose(names ...string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, name := range names {
		b.hosts[name].Status, b.hosts[name].LostAt = queue.HostUnavailable, time.Now()
	}
}

func (b *fakeBatch) find(name string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if h := b.hosts[name]; h != nil {
		h.Status, h.LostAt, h.IdleSince = queue.HostOK, time.Time{}, time.Now()
	}
}

// wasRemoved says how a host was removed.
func (b *fakeBatch) wasRemoved(name string) string {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch gone, ok := b.removed[name]; {
	case !ok:
		return "not at all"
	case gone:
		return "dead"
	default:
		return "maybe alive"
	}
}

func (b *fakeBatch) open() (slots int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, h := range b.hosts {
		if h.Status == queue.HostOK && h.Closed == 0 {
			slots += h.Slots
		}
	}
	return slots
}

func (b *fakeBatch) names() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Sorted(maps.Keys(b.hosts))
}

func (b *fakeBatch) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	text := ""
	for _, name := range slices.Sorted(maps.Keys(b.hosts)) {
		text += fmt.Sprintf("%+v\n", *b.hosts[name])
	}
	return text
}

// memStore is a store that outlives frameworks.
type memStore struct {
	mu      sync.Mutex
	hook    func(bucket string) error // before each write
	buckets map[string]map[string][]byte
}

var _ Store = (*memStore)(nil)

func newMemStore() *memStore { return &memStore{buckets: map[string]map[string][]byte{}} }

func (s *memStore) Put(_ context.Context, bucket string, changes map[string][]byte) error {
	if s.hook != nil {
		if err := s.hook(bucket); err != nil {
			return err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.buckets[bucket] == nil {
		s.buckets[bucket] = map[string][]byte{}
	}
	for key, value := range changes {
		if value == nil {
			delete(s.buckets[bucket], key)
			continue
		}
		s.buckets[bucket][key] = slices.Clone(value)
	}
	return nil
}

func (s *memStore) All(_ context.Context, bucket string) (map[string][]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.buckets[bucket]), nil
}

func (s *memStore) keys(bucket string) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Sorted(maps.Keys(s.buckets[bucket]))
}

func (s *memStore) id() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return string(s.buckets[bucketFramework][keyFrameworkID])
}

func (s *memStore) value(bucket, key string) ([]byte, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	value, ok := s.buckets[bucket][key]
	return value, ok
}

var errTest = errors.New("made by the test")
