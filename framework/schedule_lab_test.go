package framework

import (
	"context"
	"fmt"
	"maps"
	"net/http/httptest"
	"slices"
	"time"

	mesos "github.com/mesos/mesos-go/api/v1/lib"

	"sluice/queue"
)

func newRecorder() *httptest.ResponseRecorder { return httptest.NewRecorder() }

// labBatch is the batch system of a world: hosts join when their processes run, jobs hold slots of them. Under the world's lock
// but for living and String.
type labBatch struct {
	hosts   map[string]*queue.Host
	alive   map[string]*process  // host → the process of its task
	started map[string]int       // times
	removed map[string]bool      // processes said to be gone
	found   map[string]time.Time // when the connection to a host was there again
	cut     map[string]bool      // agents whose hosts cannot reach the batch system
	jobs    int                  // pending, one slot each
	wide    int                  // further jobs, of two slots that must be on one host
	crash   bool                 // an agent is just crashing: its processes die for that
}

// process is what runs in a task.
type process struct {
	name, agent string
	exit        chan struct{}
}

func (b *labBatch) init() {
	b.hosts, b.alive = map[string]*queue.Host{}, map[string]*process{}
	b.cut = map[string]bool{}
	b.found = map[string]time.Time{}
	b.started, b.removed = map[string]int{}, map[string]bool{}
}

func (w *world) begin(info mesos.TaskInfo) *process {
	p := &process{name: info.TaskID.Value, agent: info.AgentID.Value, exit: make(chan struct{})}
	w.mu.Lock()
	defer w.mu.Unlock()
	b := &w.batch
	b.started[p.name]++
	w.counts.launches++
	if b.started[p.name] > 1 {
		w.failLocked("task %s was launched %d times", p.name, b.started[p.name])
	}
	if w.ledger.states[p.name] == 0 {
		w.failLocked("task %s starts, and no record tells of it", p.name)
	}
	if gone, ok := b.removed[p.name]; ok && gone {
		w.failLocked("task %s starts though its processes were said to be gone", p.name)
	}
	b.alive[p.name] = p
	return p
}

// ended is called when a process ends; told says that it was by Mesos.
func (w *world) ended(p *process, told bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	b := &w.batch
	delete(b.alive, p.name)
	h := b.hosts[p.name]
	if h == nil {
		return
	}
	if told && h.Used > 0 && !b.crash {
		w.failLocked("the task of host %s was ended while %d slots of it were in use", p.name, h.Used)
	}
	if h.Status == queue.HostOK {
		h.Status, h.LostAt = queue.HostUnavailable, time.Now()
	}
}

// join lets hosts whose processes run join.
func (w *world) join() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, name := range slices.Sorted(maps.Keys(w.batch.alive)) {
		if h := w.batch.hosts[name]; h != nil && h.Status != queue.HostOK && !w.batch.cut[w.batch.alive[name].agent] {
			if h.Status == queue.HostUnavailable {
				w.batch.found[name] = time.Now()
			}
			h.Status, h.LostAt = queue.HostOK, time.Time{}
			if h.Used == 0 {
				h.IdleSince = time.Now()
			}
		}
	}
}

// dispatch starts a pending job.
func (w *world) dispatch() {
	w.mu.Lock()
	defer w.mu.Unlock()
	b := &w.batch
	for _, name := range slices.Sorted(maps.Keys(b.hosts)) {
		h := b.hosts[name]
		if h.Status != queue.HostOK || h.Closed != 0 {
			continue
		}
		switch {
		case b.wide > 0 && h.Slots-h.Used >= 2:
			b.wide--
			h.Used += 2
		case b.jobs > 0 && h.Used < h.Slots:
			b.jobs--
			h.Used++
		default:
			continue
		}
		h.IdleSince = time.Time{}
		return
	}
}

// finish ends all jobs of a host.
func (w *world) finish(h *queue.Host) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if h.Used > 0 {
		h.Used, h.IdleSince = 0, time.Now()
	}
}

// snapshotTaken is a poll whose answer has not been handed over yet.
type snapshotTaken struct {
	goal     int
	snapshot queue.Snapshot
}

func (w *world) poll() *snapshotTaken {
	w.mu.Lock()
	defer w.mu.Unlock()
	b := &w.batch
	s := queue.Snapshot{At: time.Now()}
	if b.wide > 0 {
		s.Demand = append(s.Demand, queue.Demand{Slots: 2, Count: b.wide, Need: queue.Need{OneHost: true}})
	}
	if b.jobs > 0 {
		s.Demand = append(s.Demand, queue.Demand{Slots: 1, Count: b.jobs})
	}
	for _, name := range slices.Sorted(maps.Keys(b.hosts)) {
		s.Hosts = append(s.Hosts, *b.hosts[name])
	}
	return &snapshotTaken{w.goal, s}
}

// hand gives the framework a poll's answer.
func (w *world) hand(s *snapshotTaken) {
	w.goals = append(w.goals, pastGoal{s.goal, time.Now()})
	w.inst.fw.SetGoal(s.goal, s.snapshot)
}

// open is the slots of the hosts that take jobs. The caller holds the world's lock.
func (b *labBatch) open() (slots int) {
	for _, h := range b.hosts {
		if h.Status == queue.HostOK && h.Closed == 0 {
			slots += h.Slots
		}
	}
	return slots
}

func (b *labBatch) living() []string { return slices.Sorted(maps.Keys(b.alive)) }

func (b *labBatch) String() (text string) {
	for _, name := range slices.Sorted(maps.Keys(b.hosts)) {
		h := b.hosts[name]
		text += fmt.Sprintf("  %s slots %d used %d status %v closed %v\n", name, h.Slots, h.Used, h.Status, h.Closed)
	}
	return text
}

// labClient is the batch system as an instance sees it.
type labClient struct{ *instance }

var _ Batch = labClient{}

func (c labClient) do(ctx context.Context, op, name string, f func(b *labBatch, h *queue.Host)) error {
	w := c.world
	outcome := w.gate(ctx, c.instance, "batch "+op+" "+name)
	if err := ctx.Err(); err != nil {
		return err
	}
	if outcome != passes && outcome != isLost && outcome != isTwofold {
		return errTest
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	h := w.batch.hosts[name]
	if h == nil && op != "add" {
		return &queue.Error{Kind: queue.KindNotFound, Code: queue.NoSuchHost, Text: name + ": no such host"}
	}
	f(&w.batch, h)
	if outcome == isLost {
		return errTest
	}
	return nil
}

func (c labClient) AddHost(ctx context.Context, spec queue.HostSpec) (queue.HostCommand, error) {
	err := c.do(ctx, "add", spec.Name, func(b *labBatch, h *queue.Host) {
		if h == nil {
			b.hosts[spec.Name] = &queue.Host{HostSpec: spec, Status: queue.HostAdded, AddedAt: time.Now()}
		}
	})
	return queue.HostCommand{Argv: []string{"./sluice", "host"}}, err
}

func (c labClient) CloseHost(ctx context.Context, name string) error {
	return c.do(ctx, "close", name, func(_ *labBatch, h *queue.Host) { h.Closed |= queue.ClosedDrain })
}

func (c labClient) OpenHost(ctx context.Context, name string) error {
	return c.do(ctx, "open", name, func(_ *labBatch, h *queue.Host) { h.Closed &^= queue.ClosedDrain })
}

func (c labClient) RemoveHost(ctx context.Context, name, _ string, processesGone bool) error {
	return c.do(ctx, "remove", name, func(b *labBatch, _ *queue.Host) {
		if processesGone && b.alive[name] != nil {
			c.world.failLocked("the processes of %s were said to be gone, but its task runs", name)
		}
		b.removed[name] = processesGone
		delete(b.hosts, name)
	})
}

// labStore is the store as an instance sees it.
type labStore struct{ *instance }

var _ Store = labStore{}

func (s labStore) Put(ctx context.Context, bucket string, changes map[string][]byte) error {
	w := s.world
	w.ledger.writing(w, bucket, changes)
	outcome := w.gate(ctx, s.instance, fmt.Sprintf("put %s %v", bucket, slices.Sorted(maps.Keys(changes))))
	if err := ctx.Err(); err != nil {
		return err
	}
	if outcome != passes && outcome != isLost && outcome != isTwofold {
		return errTest
	}
	if err := w.store.Put(ctx, bucket, changes); err != nil {
		return err
	}
	w.ledger.written(w, bucket)
	if outcome == isLost {
		return errTest
	}
	return nil
}

func (s labStore) All(ctx context.Context, bucket string) (map[string][]byte, error) {
	return s.world.store.All(ctx, bucket)
}
