package queue

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// idle complains of a job that pends although nothing keeps it from starting.
func idle(q *Queue) error {
	var ranks []rank
	for _, c := range q.live {
		if c.queue.active {
			ranks = append(ranks, rank{c, c.head()})
		}
	}
	slices.SortFunc(ranks, compareRanks)
	blocked, limited := false, map[*quota]bool{}
	claims := map[*group]bool{}
	queues := map[*queueState]bool{} // whose limit on hosts a job waits for
	claim := func(c *class) {
		for g := c.group; g != nil; g = g.parent {
			claims[g] = true
		}
	}
	for _, r := range ranks {
		c := r.class
		left, hosts, room := 1<<30, 0, 0
		var free, whole []int
		excused := queues[c.queue]
		for _, l := range c.quotas {
			left = min(left, l.most-l.held)
			excused = excused || limited[l]
		}
		for _, h := range q.hosts {
			if !h.usable() || !HostsAllow(c.need.Hosts, h.spec.Name, h.spec.Location) {
				continue
			}
			slots, all := h.spec.Slots-h.used, h.spec.Slots
			if limit := c.need.HostLimit; limit > 0 {
				slots, all = min(slots, limit-heldBy(h, c.queue)), min(all, limit)
			}
			if each := q.memOf(&c.need); each > 0 && h.spec.MemMiB > 0 {
				slots, all = min(slots, (h.spec.MemMiB-h.mem)/each), min(all, h.spec.MemMiB/each)
			}
			if c.need.GPUs > 0 {
				slots, all = min(slots, h.spec.GPUs-h.gpus), min(all, h.spec.GPUs)
			}
			if n := c.need.HostGPUs; n > 0 {
				slots, all = slots*min((h.spec.GPUs-h.gpus)/n, 1), all*min(h.spec.GPUs/n, 1)
			}
			if h.sole > 0 || c.need.Exclusive && h.used > 0 {
				slots = 0
			}
			free, whole = append(free, slots), append(whole, all)
			if c.need.OneHost {
				hosts, room = max(hosts, slots), max(room, all)
			} else {
				hosts, room = hosts+slots, room+all
			}
		}
		if c.need.PerHost > 0 {
			hosts, room = tiled(free, c.need.PerHost, c.min), tiled(whole, c.need.PerHost, c.min)
		}
		full, claimed := false, false
		for g := c.group; g != nil; g = g.parent {
			full = full || g.limit != noLimit && g.started >= g.limit
			claimed = claimed || claims[g]
		}
		switch {
		case full:
		case claimed && hosts >= c.min: // perhaps what is left of the limit is kept for a job before it
		case left < c.min:
			claim(c)
			for _, l := range c.quotas {
				limited[l] = true // perhaps only since it kept hosts
			}
			blocked = blocked || room >= c.min
		case hosts >= c.min && !blocked && !excused:
			return fmt.Errorf("job %d (%+v, %d slots at least) pends although %d slots are there for it; dirty %v, kept until %v",
				r.head.job.number, c.need, c.min, hosts, q.dirty, q.retryAt.time())
		case room >= c.min:
			claim(c)
			queues[c.queue] = c.need.HostLimit > 0 // perhaps only that
			blocked = true
		}
	}
	return nil
}

// heldBy are the slots of a host that jobs of a queue hold.
func heldBy(h *host, s *queueState) (n int) {
	for _, runs := range [...][]*run{h.runs, h.guests} {
		for _, r := range runs {
			for _, p := range r.e.place {
				if p.Host == h.spec.Name && r.e.job.queue == s {
					n += p.Slots
				}
			}
		}
	}
	return n
}

// tiled is want if a job of so many slots can be spread evenly over hosts with some slots, else 0.
func tiled(slots []int, each, want int) int {
	count := func(least int) (n int) {
		for _, s := range slots {
			if s >= least {
				n++
			}
		}
		return n
	}
	full := min(count(each), want/each)
	if rest := want - full*each; rest > 0 && (rest >= each || count(rest) <= full) {
		return 0
	}
	return want
}

func TestRandomWorlds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld(t, anyConfig(t))
		for range rapid.IntRange(1, 150).Draw(t, "steps") {
			w.step()
		}
		w.replay()
		w.drain()
		w.replay()
	})
}

// replay checks that the events give the state that they came from, wherever one stops.
func (w *world) replay() {
	w.q.Tick(w.now)
	w.deliver()
	w.points = append(w.points, point{len(w.events), w.now, w.dump(w.q)})
	q, err := New(w.cfg)
	if err != nil {
		w.t.Fatal(err)
	}
	applied := 0
	for _, p := range w.points {
		for ; applied < p.events; applied++ {
			if err := q.Apply(w.events[applied]); err != nil {
				w.t.Fatal(err)
			}
		}
		q.begin(p.at, stampOf(p.at))
		if out := q.Take(nil); len(out) > 0 {
			w.t.Fatalf("replay decided on %v", out)
		}
		if err := audit(q); err != nil {
			w.t.Fatalf("after replay: %v", err)
		}
		if got := w.dump(q); got != p.dump {
			w.t.Fatalf("replay of %d events gives another state:\n%s", p.events, difference(got, p.dump))
		}
	}
}

// difference is the first line in which two texts differ.
func difference(a, b string) string {
	x, y := strings.Split(a, "\n"), strings.Split(b, "\n")
	for i := range min(len(x), len(y)) {
		if x[i] != y[i] {
			return fmt.Sprintf("line %d is  %s\n    was %s", i, x[i], y[i])
		}
	}
	return fmt.Sprintf("%d lines, were %d", len(x), len(y))
}

// drain lets everything end: no job may be lost, and none may be left that could run.
func (w *world) drain() {
	if w.loose {
		w.reconfigure(w.full)
	}
	admin := Actor{User: "root", Admin: true}
	for range 3 {
		for _, n := range slices.Clone(w.names) {
			if !w.hosts[n].connected {
				w.join()
			}
		}
	}
	for _, s := range w.q.queues {
		if err := w.q.SetQueue(w.now, admin, s.spec.Name, true, true); err != nil {
			w.t.Fatal(err)
		}
	}
	for _, g := range w.q.Groups() {
		if err := w.q.SetGroupLimit(w.now, admin, g.Name, nil); err != nil {
			w.t.Fatal(err)
		}
	}
	w.deliver()
	for i := range 4 { // as many as a job may need that is spread evenly
		big := HostSpec{Name: "big" + strconv.Itoa(i), Slots: 64, GPUs: 64}
		if err := w.q.AddHost(w.now, big); err != nil {
			w.t.Fatal(err)
		}
		w.hosts[big.Name] = &machine{name: big.Name, procs: map[Attempt]*proc{}}
		w.names = append(w.names, big.Name)
	}
	for range 2000 {
		w.now = w.now.Add(time.Second)
		for range 3 {
			w.join()
		}
		for _, n := range w.names {
			m := w.hosts[n]
			for _, a := range sorted(m) {
				if m.connected {
					w.end(m, a, 0)
					if err := w.q.Finished(w.now, a.ID, a.Attempt, Result{ExitCode: m.procs[a].code}); err != nil &&
						!errors.Is(err, &Error{Code: StaleAttempt}) && !errors.Is(err, &Error{Code: NoSuchJob}) {
						w.t.Fatal(err)
					}
					delete(m.procs, a)
				}
			}
		}
		w.q.Tick(w.now)
		w.schedule()
		if w.q.slots == [Unknown + 1]int{} {
			break
		}
	}
	w.account()
}

// account checks that every element ever submitted is in one state or was forgotten, and that nothing is left that could run.
func (w *world) account() {
	gone := map[int64]bool{}
	for _, ev := range w.events {
		if ev.Kind == JobForgotten {
			gone[ev.Job.Job] = true
		}
	}
	for _, id := range w.jobs {
		n := 0
		jobs, more := w.q.Jobs(Filter{IDs: []ID{id}}, ID{}, 1<<30)
		for _, j := range jobs {
			n++
			if j.State.Final() {
				continue
			}
			job := w.q.jobs.get(id.Job)
			reasons := w.q.PendReasons(j.ID)
			elsewhere := job.spec.Need.Hosts != "" || job.spec.MinSlots > 3 && job.queue.spec.Name == "tight" || job.queue.spec.Name == "some"
			if job.ineligible == gateOpen && !elsewhere && j.State == Pending && (job.array == nil || !job.array.each) {
				w.t.Fatalf("job %v is %v at the end: %v", j.ID, j.State, reasons)
			}
		}
		if want := w.sizes[id.Job]; !gone[id.Job] && (n != want || more) {
			w.t.Fatalf("job %d has %d elements, want %d", id.Job, n, want)
		}
	}
}
