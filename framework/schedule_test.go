package framework

import (
	"encoding/json"
	"flag"
	"fmt"
	"math/rand/v2"
	"runtime"
	"runtime/debug"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"sluice/framework/fleet"
)

// Flags of the fault schedules: `go test ./framework -run Schedules -schedules 10000`, and of one that failed
// `go test ./framework -run Schedules -seed N -v`.
var (
	schedules = flag.Int("schedules", 200, "how many random fault schedules to run")
	firstSeed = flag.Uint64("first-seed", 1, "seed of the first of them; the others follow; 0 = a random one")
	oneSeed   = flag.Uint64("seed", 0, "run this fault schedule only, and tell all that happens in it (with -v)")
)

// TestFaultSchedules runs the whole framework in virtual time against an embedded master in memory, while all that crosses
// between it, the master, the batch system and its store is dropped, delayed, doubled or reordered, and the master, agents, tasks
// and the framework itself are ended and started at any point. In each schedule the invariants must hold, and when the faults
// end the world must come to rest: first with all that is wanted, then with nothing.
func TestFaultSchedules(t *testing.T) {
	if *oneSeed != 0 {
		runSchedule(t, *oneSeed, true)
		return
	}
	defer debug.SetGCPercent(debug.SetGCPercent(400)) // thousands of small worlds
	first := *firstSeed
	if first == 0 {
		first = rand.Uint64()>>16 | 1
		t.Logf("from seed %d", first)
	}
	var sum tally
	var mu sync.Mutex
	var next, failed atomic.Int64
	began := time.Now()
	t.Run("seeds", func(t *testing.T) {
		for range runtime.GOMAXPROCS(0) {
			t.Run("", func(t *testing.T) {
				t.Parallel()
				for i := next.Add(1); i <= int64(*schedules) && failed.Load() < 3; i = next.Add(1) {
					counts, ok := runSchedule(t, first+uint64(i)-1, false)
					mu.Lock()
					sum.add(counts)
					mu.Unlock()
					if !ok {
						failed.Add(1)
					}
				}
			})
		}
	})
	t.Logf("%d schedules in %v: %+v", *schedules, time.Since(began).Round(time.Millisecond), sum)
	if failed.Load() == 0 && (sum.launches < *schedules || sum.kills < *schedules || sum.restarts < *schedules/10 || sum.refusals < *schedules) {
		t.Errorf("the schedules were too dull: %+v", sum)
	}
}

func (c *tally) add(o tally) {
	c.steps += o.steps
	c.launches += o.launches
	c.kills += o.kills
	c.revives += o.revives
	c.restarts += o.restarts
	c.refusals += o.refusals
}

// TestFaultScheduleReplays: a seed tells all that happens.
func TestFaultScheduleReplays(t *testing.T) {
	for seed := range uint64(20) {
		var hashes [2]uint64
		for i := range hashes {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, seed+1, false)
				defer w.close()
				w.play()
				hashes[i] = w.hash
			})
		}
		if hashes[0] != hashes[1] {
			t.Errorf("seed %d gave two different histories", seed+1)
		}
	}
}

// runSchedule reports a schedule whose invariants do not hold, with the command that runs it again.
func runSchedule(t *testing.T, seed uint64, verbose bool) (counts tally, ok bool) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, seed, verbose)
		defer w.close()
		w.play()
		counts = w.counts
		counts.restarts = w.killed
		if ok = len(w.wrong) == 0; !ok {
			t.Errorf("%s\n\nseed %d fails; see all of it with\n\tgo test ./framework -run TestFaultSchedules -v -seed %d", w.report(), seed, seed)
		}
	})
	return counts, ok
}

// play is one schedule.
func (w *world) play() {
	for _, f := range allFaults {
		if w.rng.IntN(3) == 0 {
			w.faults = append(w.faults, f)
		}
	}
	w.change()
	if w.rng.IntN(3) > 0 { // begin with hosts
		w.want(1 + w.rng.IntN(9))
		w.endFaults()
		w.rest("the first hosts", time.Minute, w.full)
	}
	for range 60 + w.rng.IntN(240) {
		w.act()
		if len(w.wrong) > 0 {
			return
		}
	}
	w.endFaults()
	w.want(9)
	w.rest("all that is wanted", 30*time.Minute, w.full)
	w.want(0)
	w.rest("nothing", 30*time.Minute, w.nothing)
}

// want makes so many jobs pend.
func (w *world) want(slots int) {
	w.mu.Lock()
	w.batch.jobs, w.batch.wide = slots, 0
	w.mu.Unlock()
	w.goal = slots
}

// rest lets time pass without faults until missing gives "".
func (w *world) rest(what string, limit time.Duration, missing func() string) {
	until := time.Now().Add(limit)
	turn := time.NewTicker(time.Second)
	defer turn.Stop()
	for len(w.wrong) == 0 {
		w.flow()
		w.checkOffers()
		select {
		case <-w.poke:
			continue
		case <-turn.C:
		}
		w.join()
		w.flow()
		w.turn()
		w.flow()
		why := missing()
		if why == "" {
			return
		}
		if time.Now().After(until) {
			w.fail("waited in vain for %s: %s", what, why)
		}
	}
}

// flow lets everything through that waits.
func (w *world) flow() {
	for {
		if ops := w.settle(); len(ops) > 0 {
			if w.onRelease == nil || !w.onRelease(ops[0]) {
				w.release(ops[0], passes)
			}
			continue
		}
		open := w.open()
		if len(open) == 0 {
			return
		}
		w.pass(open[0], 0, 1)
	}
}

// What the framework may take when nothing goes wrong any more: until it has noticed, and then.
const (
	recovery   = 30 * time.Second
	answerTime = 1250 * time.Millisecond // a second, and the tick in which it is over
)

// checkOffers looks for offers that the framework neither took nor gave back.
func (w *world) checkOffers() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for id, o := range w.ledger.offers {
		if o.answered || o.stream.gone || o.stream.broken != nil {
			delete(w.ledger.offers, id)
			continue
		}
		from := o.at
		if healthy := w.calmSince.Add(recovery); from.Before(healthy) {
			from = healthy
		}
		if time.Since(from) > answerTime {
			w.failLocked("offer %s is held for %v", offerNumber(id), time.Since(o.at))
			return
		}
	}
}

// full says what is missing until the hosts have the slots that are wanted, no host can be spared, and all agree about which
// hosts there are.
func (w *world) full() string {
	s := w.inst.fw.Status()
	w.mu.Lock()
	defer w.mu.Unlock()
	open := w.batch.open()
	switch {
	case open < w.goal || s.Supply != open:
		return fmt.Sprintf("%d slots are open, the fleet holds %d, %d are wanted", open, s.Supply, w.goal)
	case len(w.batch.alive) != len(w.batch.hosts) || len(w.ledger.states) != len(w.batch.hosts):
		return fmt.Sprintf("%d tasks, %d hosts, %d records", len(w.batch.alive), len(w.batch.hosts), len(w.ledger.states))
	}
	for name, h := range w.batch.hosts {
		if h.Slots <= open-w.goal {
			return fmt.Sprintf("%d slots are open, %d are wanted: %s is too much", open, w.goal, name)
		}
	}
	for name := range w.batch.alive {
		if w.ledger.states[name] != fleet.Open {
			return fmt.Sprintf("host %s is %v", name, w.ledger.states[name])
		}
	}
	return ""
}

// nothing says what is left that should not be.
func (w *world) nothing() string {
	s := w.inst.fw.Status()
	w.mu.Lock()
	left := fmt.Sprintf("tasks %d, hosts %d, records %d", len(w.batch.alive), len(w.batch.hosts), len(w.ledger.states))
	done := len(w.batch.alive)+len(w.batch.hosts)+len(w.ledger.states) == 0
	w.mu.Unlock()
	if !done || !s.Suppressed || !s.Connected {
		return fmt.Sprintf("%s; status %+v", left, s)
	}
	var state mesosState
	if err := json.Unmarshal([]byte(w.state()), &state); err != nil {
		return err.Error()
	}
	for _, f := range state.Frameworks {
		for _, task := range f.Tasks {
			return fmt.Sprintf("the master has task %s, %s", task.ID, task.State)
		}
		if f.ID == w.store.id() && len(f.Offers) > 0 {
			return fmt.Sprintf("%d offers are outstanding", len(f.Offers))
		}
	}
	return ""
}

// cutLast is strings.Cut at the last separator.
func cutLast(s, sep string) (before, after string, found bool) {
	i := strings.LastIndex(s, sep)
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+len(sep):], true
}
