package conformance

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/sirupsen/logrus"

	"sluice/framework"
	"sluice/framework/fleet"
	"sluice/queue"
)

// The tests here run package framework itself.

// lab is a framework with a batch system and a store that outlive it.
type lab struct {
	*testing.T
	cfg   framework.Config
	fw    *framework.Framework
	goal  int
	batch batch
	store store
}

func newLab(t *testing.T, name string) *lab {
	cfg := framework.DefaultConfig()
	cfg.Master, cfg.Name, cfg.Role, cfg.User = master.url, prefix+name, master.role, master.user
	cfg.Principal, cfg.SecretFile = master.principal, master.secrets
	cfg.KillGrace = time.Second
	log := logrus.New()
	log.SetOutput(t.Output())
	cfg.Logger = log
	cfg.Fleet = fleet.Config{SlotCPUs: leastCPUs, SlotMemMiB: leastMem, MaxHostSlots: 1, IdleTimeout: time.Second, KillRetry: 5 * time.Second}
	l := &lab{T: t, cfg: cfg, batch: batch{hosts: map[string]*queue.Host{}}, store: store{buckets: map[string]map[string][]byte{}}}
	t.Cleanup(func() {
		l.fw.Stop()
		if id := l.fw.Status().FrameworkID; id != "" {
			endFramework(t, id)
		}
	})
	return l
}

func (l *lab) start() {
	l.Helper()
	fw, err := framework.New(l.cfg, &l.batch, &l.store)
	if err != nil {
		l.Fatal(err)
	}
	if err := fw.Start(l.Context()); err != nil {
		l.Fatal(err)
	}
	l.fw = fw
}

// wait lets the control loop turn until the master shows what is waited for. A host joins when the master says that its task
// runs.
func (l *lab) wait(what string, holds func(tasks map[string]string) bool) map[string]string {
	l.Helper()
	var tasks map[string]string
	eventually(l.T, what, func(s *clusterState) bool {
		tasks = s.tasksOf(l.fw.Status().FrameworkID)
		maps.DeleteFunc(tasks, func(_, state string) bool { return state == "TASK_KILLED" }) // not acknowledged yet
		l.fw.SetGoal(l.goal, l.batch.look(l.goal, tasks))
		return holds(tasks)
	})
	return tasks
}

func (l *lab) want(hosts int) []string {
	l.Helper()
	l.goal = hosts
	tasks := l.wait("the hosts", func(tasks map[string]string) bool {
		return len(tasks) == hosts && l.fw.Status().Hosts["open"] == hosts
	})
	return slices.Sorted(maps.Keys(tasks))
}

// Hosts come, outlive the framework, are taken back by the next one under the same id, and go when nothing needs them.
func TestHosts(t *testing.T) {
	t.Parallel()
	l := newLab(t, "hosts")
	l.start()
	before := l.want(2)
	id := l.fw.Status().FrameworkID
	l.fw.Stop()
	l.start()
	if after := l.want(2); !slices.Equal(before, after) || l.fw.Status().FrameworkID != id {
		t.Errorf("framework %s with %v became %s with %v", id, before, l.fw.Status().FrameworkID, after)
	}
	l.goal = 0
	l.wait("nothing left, and no offers wanted", func(tasks map[string]string) bool {
		return len(tasks) == 0 && l.fw.Status().Suppressed && len(l.batch.look(0, nil).Hosts) == 0
	})
	if err := l.fw.Teardown(t.Context()); err != nil {
		t.Error(err)
	}
}

// A framework whose id the master has removed stands down, and keeps its id: a new one needs an order.
func TestRemovedFrameworkStandsDown(t *testing.T) {
	t.Parallel()
	l := newLab(t, "removed")
	l.start()
	l.want(1)
	id := l.fw.Status().FrameworkID
	endFramework(t, id)
	select {
	case <-l.fw.Done():
	case <-time.After(patience):
		t.Fatal("the framework goes on")
	}
	if err := l.fw.Err(); !errors.Is(err, framework.ErrRemoved) {
		t.Errorf("it stood down for %v", err)
	}
	if kept := l.store.value("framework", "id"); kept != id {
		t.Errorf("id %s became %q", id, kept)
	}
}

// A second instance takes over, the first stands down; no host is lost.
func TestInstanceTakesOver(t *testing.T) {
	t.Parallel()
	l := newLab(t, "takeover")
	l.start()
	before := l.want(1)
	first := l.fw
	t.Cleanup(first.Stop)
	l.start()
	select {
	case <-first.Done():
	case <-time.After(patience):
		t.Fatal("the first instance goes on")
	}
	if err := first.Err(); !errors.Is(err, framework.ErrFailedOver) {
		t.Errorf("it stood down for %v", err)
	}
	if after := l.want(1); !slices.Equal(before, after) {
		t.Errorf("hosts %v became %v", before, after)
	}
}

// batch is a batch system without jobs of its own.
type batch struct {
	mu    sync.Mutex
	hosts map[string]*queue.Host
}

var _ framework.Batch = (*batch)(nil)

func (b *batch) AddHost(_ context.Context, spec queue.HostSpec) (queue.HostCommand, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.hosts[spec.Name] = &queue.Host{HostSpec: spec, Status: queue.HostAdded, AddedAt: time.Now()}
	return queue.HostCommand{Argv: []string{"/bin/sh", "-c", "exec sleep 600"}}, nil
}

func (b *batch) change(name string, f func(h *queue.Host)) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	h := b.hosts[name]
	if h == nil {
		return &queue.Error{Kind: queue.KindNotFound, Code: queue.NoSuchHost, Text: name + ": no such host"}
	}
	f(h)
	return nil
}

func (b *batch) CloseHost(_ context.Context, name string) error {
	return b.change(name, func(h *queue.Host) { h.Closed |= queue.ClosedDrain })
}

func (b *batch) OpenHost(_ context.Context, name string) error {
	return b.change(name, func(h *queue.Host) { h.Closed &^= queue.ClosedDrain })
}

func (b *batch) RemoveHost(_ context.Context, name, _ string, _ bool) error {
	return b.change(name, func(*queue.Host) { delete(b.hosts, name) })
}

// look is a poll.
func (b *batch) look(jobs int, tasks map[string]string) queue.Snapshot {
	b.mu.Lock()
	defer b.mu.Unlock()
	s := queue.Snapshot{}
	if jobs > 0 {
		s.Demand = []queue.Demand{{Slots: 1, Count: jobs}}
	}
	for _, name := range slices.Sorted(maps.Keys(b.hosts)) {
		h := b.hosts[name]
		if h.Status == queue.HostAdded && tasks[name] == "TASK_RUNNING" {
			h.Status, h.IdleSince = queue.HostOK, time.Now()
		}
		s.Hosts = append(s.Hosts, *h)
	}
	s.At = time.Now()
	return s
}

// store is a store in memory.
type store struct {
	mu      sync.Mutex
	buckets map[string]map[string][]byte
}

var _ framework.Store = (*store)(nil)

func (s *store) Put(_ context.Context, bucket string, changes map[string][]byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.buckets[bucket] == nil {
		s.buckets[bucket] = map[string][]byte{}
	}
	for key, value := range changes {
		if s.buckets[bucket][key] = slices.Clone(value); value == nil {
			delete(s.buckets[bucket], key)
		}
	}
	return nil
}

func (s *store) All(_ context.Context, bucket string) (map[string][]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.buckets[bucket]), nil
}

func (s *store) value(bucket, key string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return string(s.buckets[bucket][key])
}
