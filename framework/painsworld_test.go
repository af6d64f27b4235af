package framework

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	mesos "github.com/mesos/mesos-go/api/v1/lib"
	"github.com/mesos/mesos-go/api/v1/lib/scheduler"
	"github.com/mesos/mesos-go/api/v1/lib/scheduler/calls"

	"sluice/framework/fleet"
	"sluice/framework/minimesos"
	"sluice/framework/zk"
	"sluice/internal/testneed"
	"sluice/queue"
)

// More of what users of other frameworks reported; these need exact times or moments, and live in virtual time.

// inWorld runs a story in a world without faults, where every offer must be answered in a second from the start.
func inWorld(t *testing.T, story func(w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1, false)
		defer w.close()
		w.endFaults()
		w.calmSince = time.Now().Add(-recovery)
		story(w)
		if len(w.wrong) > 0 {
			t.Error(w.report())
		}
	})
}

// Cook#267: offers that were neither accepted nor declined.
func TestPainOffersForgotten(t *testing.T) {
	inWorld(t, func(w *world) {
		for _, slots := range []int{1, 6, 12, 0, 3, 0} {
			w.want(slots)
			w.rest("hosts", 5*time.Minute, func() string {
				if slots == 0 {
					return w.nothing()
				}
				return w.full()
			})
		}
		if len(w.ledger.agent) < 6 {
			t.Errorf("only %d offers came", len(w.ledger.agent))
		}
	})
}

// aws-parallelcluster#1763: one slow poll, or one that shows nothing, and all nodes count as down.
func TestPainSlowPoll(t *testing.T) {
	inWorld(t, func(w *world) {
		w.want(8)
		w.rest("hosts", 5*time.Minute, w.full)
		w.occupy()
		before := w.batch.living()
		unchanged := func(what string) {
			t.Helper()
			if after := w.batch.living(); !slices.Equal(before, after) || w.counts.kills > 0 {
				t.Errorf("%s: tasks %v became %v, %d kills", what, before, after, w.counts.kills)
			}
		}
		for range 600 {
			w.advance(500 * time.Millisecond) // nobody polls
			w.flow()
		}
		unchanged("no poll for five minutes")
		w.inst.fw.SetGoal(8, queue.Snapshot{At: time.Now(), Demand: oneSlot(8)})
		w.flow()
		unchanged("a poll that shows no host")
		w.want(8)
		w.rest("the same hosts", time.Minute, w.full)
		unchanged("after all")
	})
}

// karpenter-provider-aws#3059: hosts come and go all the time. A need that flutters faster than the idle timeout moves nothing, and
// revives no more often than is allowed.
func TestPainThrash(t *testing.T) {
	inWorld(t, func(w *world) {
		w.want(9)
		w.rest("hosts", 5*time.Minute, w.full)
		before, launches := w.batch.living(), w.counts.launches
		w.counts.revives = 0
		const seconds = 1800
		for i := range seconds {
			w.want(9 * (i / 2 % 2))
			if i/2%2 > 0 {
				w.occupy()
			} else {
				w.vacate()
			}
			w.turn()
			w.flow()
			w.advance(time.Second)
			w.flow()
		}
		if after := w.batch.living(); !slices.Equal(before, after) || w.counts.launches != launches || w.counts.kills > 0 {
			t.Errorf("tasks %v became %v, by %d launches and %d kills", before, after, w.counts.launches-launches, w.counts.kills)
		}
		if most := int(seconds * time.Second / w.cfg.Fleet.ReviveEvery); w.counts.revives > most {
			t.Errorf("%d revives in %d s", w.counts.revives, seconds)
		}
	})
}

// aws-parallelcluster#333: a job is dispatched onto a host that is being removed, and dies with it.
func TestPainJobOnHostBeingRemoved(t *testing.T) {
	inWorld(t, func(w *world) {
		w.want(4)
		w.rest("hosts", 5*time.Minute, w.full)
		started := 0
		w.onRelease = func(o *op) bool {
			if strings.HasPrefix(o.key, "batch close") { // decided, and about to be done
				started++
				w.occupy()
			}
			return false
		}
		w.want(0)
		w.rest("drains", time.Minute, func() string { return w.all(fleet.Closed) })
		before := w.batch.living()
		for range 60 {
			w.turn()
			w.flow()
			w.advance(time.Second)
		}
		if after := w.batch.living(); started == 0 || len(after) == 0 || !slices.Equal(before, after) {
			t.Fatalf("%d jobs started in the last moment; tasks %v became %v", started, before, after)
		}
		w.vacate()
		w.rest("nothing", 5*time.Minute, w.nothing)
	})
}

// genome/gms#29: a host name with its domain against one without breaks the cluster.
func TestPainShortHostNames(t *testing.T) {
	list := agents(2)
	list[0].Hostname, list[1].Hostname = "node0.cluster.example", "node1"
	r := newRig(t, minimesos.Config{Agents: list})
	r.start()
	r.want(4, queue.Demand{Slots: 2, Count: 1, Need: queue.Need{Hosts: "node0"}}, queue.Demand{Slots: 2, Count: 1, Need: queue.Need{Hosts: "node1.cluster.example"}})
	on := map[string]int{}
	for _, h := range r.poll().Hosts {
		on[h.Location] += h.Slots
	}
	if on["node0.cluster.example"] != 2 || on["node1"] != 2 {
		t.Errorf("slots on %v", on)
	}
}

// marathon#2509: leadership is kept after ZooKeeper is lost. Nothing is taken then, and nothing is lost.
func TestPainLeadershipKeptAfterZooKeeperLoss(t *testing.T) {
	t.Parallel()
	server := testneed.StartZooKeeper(t)
	address, err := zk.ParseAddress("zk://" + server.Address() + "/lead")
	if err != nil {
		t.Fatal(err)
	}
	election, err := zk.Stand(address, "here", time.Second, testLog(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(election.Close)
	var accepts tap
	r := newRig(t, minimesos.Config{OnCall: accepts.onCall})
	r.cfg.Leads = election.Leads
	r.start()
	r.wait("the lead", election.Leads)
	r.want(4)
	before, taken := r.tasks(), len(accepts.of(scheduler.Call_ACCEPT))
	server.Stop()
	r.wait("doubt", func() bool { return !election.Leads() })
	declined := r.fw.Status().OffersDeclined
	r.goal = 8
	r.batch.need(oneSlot(8))
	r.wait("offers declined", func() bool { return r.fw.Status().OffersDeclined > declined && r.offersHeld() == 0 })
	if n := len(accepts.of(scheduler.Call_ACCEPT)); n != taken {
		t.Errorf("%d ACCEPTs without the lead", n-taken)
	}
	r.hostsStay(before)
	server.Start()
	r.want(8)
}

// neighbour is another framework, which wants all there is.
type neighbour struct {
	header http.Header
	mu     sync.Mutex
	status int
	agents map[string]time.Time // when it was offered each
}

var _ http.ResponseWriter = (*neighbour)(nil)

func (n *neighbour) Header() http.Header    { return n.header }
func (n *neighbour) Flush()                 {}
func (n *neighbour) WriteHeader(status int) { n.status = status }

func (n *neighbour) Write(data []byte) (int, error) {
	var e scheduler.Event
	_, message, _ := strings.Cut(string(data), "\n")
	if err := e.Unmarshal([]byte(message)); err != nil {
		return 0, err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, o := range e.Offers.GetOffers() {
		if n.agents[o.AgentID.Value].IsZero() {
			n.agents[o.AgentID.Value] = time.Now()
		}
	}
	return len(data), nil
}

// moveIn subscribes a neighbour.
func (w *world) moveIn() *neighbour {
	info := &mesos.FrameworkInfo{User: "root", Name: "greedy", Roles: []string{"*"}, Capabilities: []mesos.FrameworkInfo_Capability{
		{Type: mesos.FrameworkInfo_Capability_MULTI_ROLE},
	}}
	body, err := calls.Subscribe(info).Marshal()
	if err != nil {
		w.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	w.leave = append(w.leave, cancel)
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://master"+schedulerPath, strings.NewReader(string(body)))
	if err != nil {
		w.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-protobuf")
	req.Header.Set("Accept", "application/x-protobuf")
	n := &neighbour{header: http.Header{}, agents: map[string]time.Time{}}
	w.running.Go(func() {
		defer func() {
			if r := recover(); r != nil && r != http.ErrAbortHandler { //nolint:errorlint // a panic's value
				panic(r)
			}
		}()
		w.cluster.Handler().ServeHTTP(n, req)
	})
	synctest.Wait()
	return n
}

// A greedy neighbour gets what Sluice does not need within one allocation interval: all of an idle cluster, the rest of one where Sluice has what
// it wants, and what Sluice gives back.
func TestGreedyNeighbourIsServed(t *testing.T) {
	const interval = time.Second // between two allocations
	for name, slots := range map[string]int{"idle": 0, "satisfied": 5, "satisfied, after a need for all": 12} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(w *world) {
				w.want(slots)
				w.rest("what is wanted", 5*time.Minute, func() string {
					if slots == 0 {
						return w.nothing()
					}
					return w.full()
				})
				if slots == 12 { // some of it is given back
					w.want(4)
					w.rest("less", 5*time.Minute, w.full)
				}
				n, began := w.moveIn(), time.Now()
				w.flow()
				w.advance(interval)
				w.flow()
				free := 3
				for _, h := range w.batch.hosts {
					if h.Slots == 4 { // fills its agent
						free--
					}
				}
				n.mu.Lock()
				defer n.mu.Unlock()
				if len(n.agents) < free || free == 0 {
					t.Errorf("offers of %d agents, %d have something free", len(n.agents), free)
				}
				for agent, at := range n.agents {
					if d := at.Sub(began); d > interval {
						t.Errorf("agent %s was offered after %v", agent, d)
					}
				}
			})
		})
	}
}

// The mailbox of the owner is bounded: the stream is not read on while it is full, and calls of ours go through all the same.
func TestMailboxIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMailbox()
		for range maxMail {
			if err := m.wait(t.Context()); err != nil {
				t.Fatal(err)
			}
			m.put(nil)
		}
		waited := make(chan error, 1)
		go func() { waited <- m.wait(t.Context()) }()
		synctest.Wait()
		select {
		case err := <-waited:
			t.Fatalf("there was room beyond the limit: %v", err)
		default:
		}
		m.put(nil) // an answer to a call never waits
		if n := len(m.take()); n != maxMail+1 {
			t.Errorf("%d items", n)
		}
		if err := <-waited; err != nil {
			t.Error(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		for range maxMail {
			m.put(nil)
		}
		cancel()
		if err := m.wait(ctx); err == nil {
			t.Error("waited for room after the end")
		}
	})
}
