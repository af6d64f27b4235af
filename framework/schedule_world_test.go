package framework

import (
	"cmp"
	"context"
	"fmt"
	"hash/fnv"
	"io"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	mesos "github.com/mesos/mesos-go/api/v1/lib"
	"github.com/sirupsen/logrus"

	"sluice/framework/fleet"
	"sluice/framework/minimesos"
)

// outcome is what becomes of something that crosses from the framework to the world outside.
type outcome int

const (
	passes    outcome = iota
	fails             // not done, and its sender knows
	isLost            // done, but its sender gets an error
	vanishes          // not done, and its sender cannot tell
	comesLate         // a call: answered as done, but it arrives later
	strays            // a call: its sender gets an error, and it arrives later
	isRefused         // a call: answered with 503
	isTwofold         // a call: arrives twice
)

var outcomeNames = [...]string{"", " fails", " is lost", " vanishes", " comes late", " strays", " is refused", " arrives twice"}

// world is a framework in virtual time at an embedded master in memory, with a batch system and a store. Whatever crosses
// between them waits until the world lets it through, so that a seed says all that happens, and in which order.
type world struct {
	*testing.T
	rng     *rand.Rand
	cluster *minimesos.Cluster
	cfg     Config
	began   time.Time
	log     logrus.FieldLogger

	inst      *instance
	instances int
	agents    []*labAgent
	crashes   int
	killed    int
	goal      int
	goals     []pastGoal
	calmSince time.Time // zero while there are faults
	faults    []fault   // of this schedule
	held      *snapshotTaken
	leave     []func()         // ends neighbours
	onRelease func(o *op) bool // may deal with what would be let out: true; nil = never
	running   sync.WaitGroup

	mu          sync.Mutex
	poke        chan struct{}
	ops         []*op
	ghosts      []ghost
	streams     []*stream
	streamCount int
	store       *memStore
	batch       labBatch
	ledger      ledger
	wrong       []string // invariants that did not hold
	trace       []string
	hash        uint64
	verbose     bool
	counts      tally
}

// tally is how much happened, so that a harness that does nothing is noticed.
type tally struct{ steps, launches, kills, revives, restarts, refusals int }

type pastGoal struct {
	slots int
	at    time.Time
}

// labAgent is one agent, under the id that it has now.
type labAgent struct {
	id   string
	away bool
}

// op is a write, an order to the batch system or a call, on its way out.
type op struct {
	key     string
	inst    *instance
	verdict chan outcome
}

// instance is one process of the framework.
type instance struct {
	world  *world
	number int
	fw     *Framework
	dead   atomic.Bool // kill -9: nothing that it does happens any more
	leads  atomic.Bool
}

// newWorld must be called in a bubble.
func newWorld(t *testing.T, seed uint64, verbose bool) *world {
	w := &world{
		T: t, rng: rand.New(rand.NewPCG(seed, 4)), began: time.Now(), poke: make(chan struct{}, 1), store: newMemStore(), verbose: verbose,
		hash: fnv.New64a().Sum64(),
	}
	w.batch.init()
	w.ledger.init()
	quiet := logrus.New()
	quiet.SetOutput(io.Discard)
	w.log = quiet
	if verbose {
		log := logrus.New()
		log.SetOutput(t.Output())
		log.SetLevel(logrus.DebugLevel)
		log.SetFormatter(&logrus.TextFormatter{DisableTimestamp: true})
		w.log = log
	}
	conf := minimesos.Config{
		WorkDir: t.TempDir(), Agents: agents(3), Tasks: w.task, AckRetry: 2 * time.Second, OfferTimeout: 20 * time.Second,
		AgentTimeout: 6 * time.Second, ReregisterDelay: 300 * time.Millisecond, RecoveryTime: 500 * time.Millisecond,
		HeartbeatInterval: 2 * time.Second, KillGrace: time.Second, LaunchDelay: 50 * time.Millisecond,
	}
	cluster, err := minimesos.Start(t.Context(), conf)
	if err != nil {
		t.Fatal(err)
	}
	w.cluster = cluster
	for _, id := range cluster.Agents() {
		w.agents = append(w.agents, &labAgent{id: id})
	}
	w.cfg = DefaultConfig()
	w.cfg.Master, w.cfg.User, w.cfg.Hostname, w.cfg.Logger = cluster.URL(), "root", "here", w.log
	w.cfg.KillGrace = time.Second
	w.cfg.Fleet = fleet.Config{
		SlotMemMiB: 128, IdleTimeout: 4 * time.Second, LaunchTimeout: 15 * time.Second, JoinTimeout: 8 * time.Second,
		KillRetry: 4 * time.Second, UnreachableAfter: 8 * time.Second, ForgetAfter: 25 * time.Second,
		ReconcileEvery: 30 * time.Second, StaleAfter: 10 * time.Second, DeclineFor: 30 * time.Second, ReviveEvery: time.Second,
		ReviveMax: 10 * time.Second,
	}
	w.startInstance()
	return w
}

// startInstance starts a framework on the store.
func (w *world) startInstance() {
	w.instances++
	i := &instance{world: w, number: w.instances}
	i.leads.Store(true)
	cfg := w.cfg
	cfg.Leads = i.leads.Load
	fw, err := New(cfg, labClient{i}, labStore{i})
	if err != nil {
		w.Fatal(err)
	}
	fw.random = w.newRand()
	fw.link.dice.rng, fw.sender.dice.rng, fw.keeper.dice.rng = w.newRand(), w.newRand(), w.newRand()
	fw.transport.streams.Transport, fw.transport.calls.Transport = wire{i}, wire{i}
	i.fw, w.inst = fw, i
	if err := fw.Start(context.Background()); err != nil {
		w.fail("start: %v", err)
	}
}

func (w *world) newRand() *rand.Rand { return rand.New(rand.NewPCG(w.rng.Uint64(), w.rng.Uint64())) }

// close ends all, so that the bubble can end.
func (w *world) close() {
	w.inst.dead.Store(true)
	w.inst.fw.Stop()
	for _, s := range w.streams {
		s.cut()
	}
	for _, leave := range w.leave {
		leave()
	}
	w.cluster.Stop()
	w.running.Wait()
}

// fail notes that an invariant does not hold.
func (w *world) fail(format string, args ...any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.failLocked(format, args...)
}

func (w *world) failLocked(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	w.wrong = append(w.wrong, text)
	w.tellLocked("VIOLATED: %s", text)
}

// tell adds to the trace, of which two runs of a seed must have the same.
func (w *world) tell(format string, args ...any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.tellLocked(format, args...)
}

func (w *world) tellLocked(format string, args ...any) {
	line := fmt.Sprintf("%8.3f ", time.Since(w.began).Seconds()) + fmt.Sprintf(format, args...)
	h := fnv.New64a()
	fmt.Fprintf(h, "%x %s", w.hash, line)
	w.hash = h.Sum64()
	if w.verbose {
		w.Log(line)
	}
	const kept = 60
	if w.trace = append(w.trace, line); len(w.trace) > 2*kept {
		w.trace = slices.Clone(w.trace[kept:])
	}
}

// gate holds what an instance does to the outside until the world decides about it.
func (w *world) gate(ctx context.Context, from *instance, key string) outcome {
	if from.dead.Load() || ctx.Err() != nil {
		return fails
	}
	o := &op{key: fmt.Sprintf("%s (%d)", key, from.number), inst: from, verdict: make(chan outcome, 1)}
	w.mu.Lock()
	w.ops = append(w.ops, o)
	w.mu.Unlock()
	wake(w.poke)
	select {
	case verdict := <-o.verdict:
		if from.dead.Load() {
			return fails
		}
		return verdict
	case <-ctx.Done():
		w.mu.Lock()
		w.ops = slices.DeleteFunc(w.ops, func(x *op) bool { return x == o })
		w.mu.Unlock()
		return fails
	}
}

// settle waits until nothing moves any more, and gives what waits for a decision, in an order that depends on the seed only.
func (w *world) settle() []*op {
	synctest.Wait()
	w.mu.Lock()
	defer w.mu.Unlock()
	slices.SortStableFunc(w.ops, func(a, b *op) int { return cmp.Compare(a.key, b.key) })
	w.streams = slices.DeleteFunc(w.streams, func(s *stream) bool { return s.status != http.StatusOK || s.gone && s.ctx.Err() != nil })
	for _, s := range w.streams {
		s.settle()
	}
	return slices.Clone(w.ops)
}

// release lets one thing out.
func (w *world) release(o *op, verdict outcome) {
	w.mu.Lock()
	w.ops = slices.DeleteFunc(w.ops, func(x *op) bool { return x == o })
	w.tellLocked("%s%s", o.key, outcomeNames[verdict])
	w.mu.Unlock()
	o.verdict <- verdict
	synctest.Wait()
}

// open gives the streams on which something waits to be delivered.
func (w *world) open() (waiting []*stream) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, s := range w.streams {
		if len(s.queue) > 0 && !s.mute {
			waiting = append(waiting, s)
		}
	}
	return waiting
}

func (w *world) pass(s *stream, i, times int) {
	word := ""
	switch {
	case times == 0:
		word = " is dropped"
	case times > 1:
		word = " arrives twice"
	case i > 0:
		word = " overtakes"
	}
	w.tell("event %s%s (stream %d)", s.queue[i].key, word, s.number)
	r := s.take(i)
	for range times {
		s.deliver(r)
		synctest.Wait() // each is an input of its own
	}
	if s.ended && len(s.queue) == 0 {
		s.sever(io.EOF)
	}
	synctest.Wait()
}

// advance lets time pass, in which nothing gets through.
func (w *world) advance(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

// kill is kill -9: what the instance was about to do does not happen. What it had sent may.
func (w *world) kill() {
	w.killed++
	w.tell("kill -9 of instance %d", w.inst.number)
	w.inst.dead.Store(true)
	w.inst.fw.Stop()
	synctest.Wait()
	w.ledger.died()
	w.startInstance()
	synctest.Wait()
}

func (w *world) restart() {
	w.tell("stop and start of instance %d", w.inst.number)
	w.inst.fw.Stop()
	synctest.Wait()
	w.ledger.died()
	w.startInstance()
	synctest.Wait()
}

func (w *world) restartMaster() {
	w.tell("restart of the master")
	if err := w.cluster.KillMaster(); err != nil {
		w.Fatal(err)
	}
	for _, s := range slices.Clone(w.streams) {
		s.cut()
	}
	synctest.Wait()
	if err := w.cluster.RestartMaster(); err != nil {
		w.Fatal(err)
	}
	synctest.Wait()
}

// breakStreams ends the framework's connections.
func (w *world) breakStreams() {
	w.tell("the connection breaks")
	for _, s := range slices.Clone(w.streams) {
		s.cut()
		s.sever(io.ErrUnexpectedEOF)
	}
	synctest.Wait()
}

func (w *world) muteStreams() {
	w.tell("the connection is a black hole")
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, s := range w.streams {
		s.mute = true
	}
}

// state is what the master tells of itself.
func (w *world) state() string {
	r := newRecorder()
	req, err := http.NewRequestWithContext(context.Background(), http.MethodGet, "http://master/state", http.NoBody)
	if err != nil {
		w.Fatal(err)
	}
	w.cluster.Handler().ServeHTTP(r, req)
	return r.Body.String()
}

func (w *world) report() string {
	return fmt.Sprintf("%s\nlast of the trace:\n%s\nstatus %+v\nbatch system:\n%sstored %v\nalive %v", strings.Join(w.wrong, "\n"),
		strings.Join(w.trace[max(0, len(w.trace)-60):], "\n"), w.inst.fw.Status(), w.batch.String(), w.store.keys(bucketFleet), w.batch.living())
}

// task is what the tasks of the embedded Mesos do: they become hosts, and end when they are told to.
func (w *world) task(ctx context.Context, info mesos.TaskInfo) error {
	p := w.begin(info)
	select {
	case <-ctx.Done():
		w.ended(p, true)
	case <-p.exit:
		w.ended(p, false)
	}
	return nil
}
