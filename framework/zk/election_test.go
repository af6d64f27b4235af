package zk

import (
	"errors"
	"math/rand/v2"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-zookeeper/zk"

	"sluice/internal/testneed"
)

// wire is a way to a server that can be cut (connections break, new ones are refused) or frozen (nothing comes through).
type wire struct {
	net.Listener
	to string

	mu     sync.Mutex
	cut    bool
	frozen chan struct{} // open while frozen; nil = it is not
	conns  map[net.Conn]bool
}

func newWire(t *testing.T, to string) *wire {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w := &wire{Listener: listener, to: to, conns: map[net.Conn]bool{}}
	go w.run()
	t.Cleanup(func() {
		w.set(true, false)
		_ = listener.Close() // nothing was written
	})
	return w
}

func (w *wire) address() string { return w.Addr().String() }

// set cuts or freezes it; neither heals it.
func (w *wire) set(cut, frozen bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.cut = cut
	if w.frozen != nil {
		close(w.frozen)
		w.frozen = nil
	}
	if frozen {
		w.frozen = make(chan struct{})
	}
	if cut {
		for c := range w.conns {
			_ = c.Close() // it is meant to break
		}
		clear(w.conns)
	}
}

func (w *wire) run() {
	for {
		in, err := w.Accept()
		if err != nil {
			return
		}
		out, err := net.Dial("tcp", w.to)
		w.mu.Lock()
		if err != nil || w.cut {
			_ = in.Close()
			if err == nil {
				_ = out.Close()
			}
			w.mu.Unlock()
			continue
		}
		w.conns[in], w.conns[out] = true, true
		w.mu.Unlock()
		go w.copy(in, out)
		go w.copy(out, in)
	}
}

func (w *wire) copy(to, from net.Conn) {
	defer to.Close()
	defer from.Close()
	buffer := make([]byte, 64<<10)
	for {
		n, err := from.Read(buffer)
		if err != nil {
			return
		}
		w.mu.Lock()
		frozen := w.frozen
		w.mu.Unlock()
		if frozen != nil {
			<-frozen
		}
		if _, err := to.Write(buffer[:n]); err != nil {
			return
		}
	}
}

func stand(t *testing.T, server, name string, timeout time.Duration) *Election {
	t.Helper()
	a, err := ParseAddress("zk://" + server + "/sluice/test")
	if err != nil {
		t.Fatal(err)
	}
	e, err := Stand(a, name, timeout, testLog(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(e.Close)
	return e
}

func (e *Election) wantState(t *testing.T, want State) {
	t.Helper()
	eventually(t, e.name+" "+want.String(), func() bool { return e.Standing().State == want })
}

// The first leads, the others wait in order; who leaves makes way at once.
func TestElection(t *testing.T) {
	t.Parallel()
	server := testneed.StartZooKeeper(t)
	first := stand(t, server.Address(), "first", 2*time.Second)
	first.wantState(t, Leading)
	second := stand(t, server.Address(), "second", 2*time.Second)
	eventually(t, "second in the line", func() bool { return second.Standing().Leader == "first" })
	third := stand(t, server.Address(), "third", 2*time.Second)
	eventually(t, "the whole line", func() bool { return slices.Equal(first.Standing().Behind, []string{"second", "third"}) })
	if !first.Leads() || second.Leads() || third.Leads() {
		t.Error("not only the first leads")
	}
	second.Close()
	eventually(t, "the line without the second", func() bool { return slices.Equal(first.Standing().Behind, []string{"third"}) })
	first.Close()
	third.wantState(t, Leading)
	h := newHand(t, server.Address())
	children, _, err := h.Children("/sluice/test")
	if err != nil || len(children) != 1 {
		t.Errorf("nodes %v, %v", children, err)
	}
	h.remove("/sluice/test/" + children[0])
	eventually(t, "a new place after the old was removed", func() bool {
		now, _, err := h.Children("/sluice/test")
		return err == nil && len(now) == 1 && now[0] != children[0] && third.Leads()
	})
}

// A leader that ZooKeeper does not hear any more stops before another can begin, whether its connections break or hang, and is
// the last in the line when it is back.
func TestLostLeader(t *testing.T) {
	t.Parallel()
	server := testneed.StartZooKeeper(t)
	for _, hangs := range []bool{false, true} {
		way := newWire(t, server.Address())
		first := stand(t, way.address(), "first", 1200*time.Millisecond)
		first.wantState(t, Leading)
		second := stand(t, server.Address(), "second", 1200*time.Millisecond)
		eventually(t, "second in the line", func() bool { return second.Standing().Leader == "first" })
		way.set(!hangs, hangs)
		eventually(t, "second leads", func() bool {
			leads := second.Leads()
			if leads && first.Leads() {
				t.Errorf("hangs %t: two lead", hangs)
			}
			return leads
		})
		if s := first.Standing(); s.State != Doubtful || s.Trouble == nil {
			t.Errorf("hangs %t: first %+v", hangs, s)
		}
		way.set(false, false) // what hung comes now: old answers must not count
		eventually(t, "first waits", func() bool {
			if first.Leads() {
				t.Errorf("hangs %t: the first leads again", hangs)
			}
			return first.Standing().State == Waiting
		})
		if s := first.Standing(); s.Leader != "second" || s.Trouble != nil {
			t.Errorf("hangs %t: first %+v", hangs, s)
		}
		first.Close()
		second.Close()
	}
}

// When the server that it speaks to fails, a leader goes on with another one, in the same session: it stays the leader.
func TestLeaderChangesServers(t *testing.T) {
	t.Parallel()
	server := testneed.StartZooKeeper(t)
	ways := []*wire{newWire(t, server.Address()), newWire(t, server.Address())}
	first := stand(t, ways[0].address()+","+ways[1].address(), "first", 20*time.Second)
	first.wantState(t, Leading)
	second := stand(t, server.Address(), "second", 20*time.Second)
	eventually(t, "second in the line", func() bool { return second.Standing().Leader == "first" })
	session := first.session.conn.SessionID()
	for range 2 {
		for i, way := range ways {
			way.set(true, false)
			ways[1-i].set(false, false)
			eventually(t, "an answer by the other way", func() bool {
				_, _, err := first.session.conn.Exists("/sluice/test")
				return err == nil && first.Leads()
			})
		}
	}
	if first.Standing().State != Leading || second.Standing().State != Waiting || first.session.conn.SessionID() != session {
		t.Errorf("first %+v, second %+v", first.Standing(), second.Standing())
	}
}

// An outage of ZooKeeper itself, longer than the sessions: nobody leads during it, and one after it.
func TestElectionOutage(t *testing.T) {
	t.Parallel()
	server := testneed.StartZooKeeper(t)
	first := stand(t, server.Address(), "first", time.Second)
	first.wantState(t, Leading)
	second := stand(t, server.Address(), "second", time.Second)
	eventually(t, "second in the line", func() bool { return second.Standing().Leader == "first" })
	server.Stop()
	first.wantState(t, Doubtful)
	if first.Leads() || second.Leads() {
		t.Error("somebody leads without ZooKeeper")
	}
	if s := first.Standing(); s.Trouble == nil || !strings.Contains(s.Trouble.Error(), "ZooKeeper at "+server.Address()) {
		t.Errorf("trouble %v", s.Trouble)
	}
	server.Start()
	eventually(t, "one leads", func() bool { return first.Leads() != second.Leads() })
}

// However the ways to ZooKeeper fail, never two lead at once, and one leads in the end.
func TestNeverTwoLeaders(t *testing.T) {
	t.Parallel()
	server := testneed.StartZooKeeper(t)
	var ways []*wire
	var line []*Election
	for _, name := range []string{"a", "b", "c"} {
		way := newWire(t, server.Address())
		ways, line = append(ways, way), append(line, stand(t, way.address(), name, 600*time.Millisecond))
	}
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	terms := 0
	leader := ""
	look := func() (leads int) {
		for _, e := range line {
			if e.Leads() {
				leads++
				if e.name != leader {
					leader = e.name
					terms++
				}
			}
		}
		if leads > 1 {
			t.Errorf("seed %d: %d lead", seed, leads)
		}
		return leads
	}
	ticker := time.NewTicker(time.Millisecond)
	defer ticker.Stop()
	const wanted = 5
	deadline := time.Now().Add(until)
	for next := 0; terms < wanted && time.Now().Before(deadline); next-- {
		<-ticker.C
		look()
		if next > 0 {
			continue
		}
		next = 100 + random.IntN(700)
		for i, way := range ways {
			switch fault := random.IntN(3); {
			case fault > 0 && (line[i].name == leader || random.IntN(4) == 0):
				way.set(fault == 1, fault == 2)
			default:
				way.set(false, false)
			}
		}
	}
	for _, way := range ways {
		way.set(false, false)
	}
	eventually(t, "one leader", func() bool { return look() == 1 })
	if terms < wanted {
		t.Errorf("seed %d: %d terms only", seed, terms)
	}
}

// The time of the session is what the servers grant, not what was asked for.
func TestGrantedTime(t *testing.T) {
	t.Parallel()
	server := testneed.StartZooKeeper(t)
	e := stand(t, server.Address(), "patient", time.Hour)
	e.wantState(t, Leading)
	e.session.mu.Lock()
	defer e.session.mu.Unlock()
	if e.session.timeout != time.Minute {
		t.Errorf("session time %v, the server grants at most a minute", e.session.timeout)
	}
}

// With credentials, others may see the line but not change it, and a wrong password stands in no line.
func TestElectionDigest(t *testing.T) {
	t.Parallel()
	server := testneed.StartZooKeeper(t)
	e := stand(t, "us:right@"+server.Address(), "us", 2*time.Second)
	e.wantState(t, Leading)
	wrong := stand(t, "us:wrong@"+server.Address(), "them", 2*time.Second)
	eventually(t, "the refusal", func() bool {
		trouble := wrong.Standing().Trouble
		return trouble != nil && strings.Contains(trouble.Error(), "gives no access to /sluice/test as user us")
	})
	h := newHand(t, server.Address())
	children, _, err := h.Children("/sluice/test")
	if err != nil || len(children) != 1 {
		t.Fatalf("nodes %v, %v", children, err)
	}
	if err := h.Delete("/sluice/test/"+children[0], -1); !errors.Is(err, zk.ErrNoAuth) {
		t.Errorf("a stranger deletes: %v", err)
	}
}
