package sim

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"time"

	"sluice/framework/fleet"
	"sluice/queue"
)

// agentDown is how long a lost agent is away.
const agentDown = 10 * time.Minute

// maxReruns is how often a job may be lost before it counts as one that can
// never end.
const maxReruns = 100

// losses says when agents are lost: each at random, once in a mean time.
type losses struct {
	rng  *rand.Rand
	mean time.Duration // between losses of any; 0 = there are none
	next time.Duration
}

func newLosses(cfg *Config) losses {
	l := losses{rng: rand.New(rand.NewPCG(cfg.Seed, 0x1055)), next: never}
	if cfg.AgentMTBF > 0 {
		l.mean = max(cfg.AgentMTBF/time.Duration(len(cfg.Agents)), 1)
		l.next = 0
		l.draw()
	}
	return l
}

func (l *losses) draw() {
	l.next += time.Duration(math.Min(max(1, l.rng.ExpFloat64()*float64(l.mean)), float64(maxSpan)))
}

// lose takes an agent away for a time, with all that runs there.
func (e *elastic) lose(now time.Duration, lost int) error {
	a := &e.agents[lost]
	a.down = now + agentDown
	var names []string
	for name, t := range e.tasks {
		if t.agent == lost {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	for _, name := range names {
		t := e.tasks[name]
		delete(e.tasks, name)
		a.free += t.slots
		e.sum.allocated -= t.slots
		if err := e.step(now, fleet.Update{Task: name, Agent: a.id, State: fleet.TaskGone}); err != nil {
			return err
		}
	}
	return e.step(now, fleet.AgentLost{Agent: a.id})
}

// lose is as in supplier.
func (h *hoarder) lose(now time.Duration, lost int) error {
	h.down[lost] = now + agentDown
	name := h.hosts[lost]
	if name == "" {
		return nil
	}
	slots := h.batch.hosts[name].slots
	if h.isJoining(name) {
		h.sum.inFlight -= slots
		h.line = slices.DeleteFunc(h.line, func(j joining) bool { return j.name == name })
	}
	h.hosts[lost] = ""
	h.free++
	h.sum.supply -= slots
	h.sum.allocated -= slots
	return h.batch.die(now, name)
}

// die loses a host. The jobs that held slots of it are pending again; those
// whose process is elsewhere are ended there at once.
func (b *batch) die(now time.Duration, name string) error {
	var lost []int
	if b.hosts[name].used > 0 {
		lost = b.evict(name)
	}
	if err := b.q.HostDied(date(now), name, "its agent was lost"); err != nil {
		return fmt.Errorf("lose host: %w", err)
	}
	for _, i := range lost {
		j, s := &b.jobs[i], &b.state[i]
		if b.stays[s.stay].places[0].Host != name {
			if err := b.finished(now, i); err != nil {
				return err
			}
		}
		b.leave(now, i)
		b.pending += j.Slots
		b.lost += float64(j.Slots) * (now - s.started).Seconds()
		if b.reruns++; s.attempt >= maxReruns {
			return fmt.Errorf("%w: job %d was lost with its agent %d times: it runs too long for agents that are lost so often", ErrConfig, i, s.attempt)
		}
	}
	delete(b.hosts, name)
	b.changed = true
	return nil
}

// evict forgets when the jobs on a host would have ended, and gives their numbers.
func (b *batch) evict(host string) []int {
	var lost []int
	b.ends = slices.DeleteFunc(b.ends, func(end jobEnd) bool {
		held := slices.ContainsFunc(b.stays[b.state[end.job].stay].places, func(p queue.Placement) bool { return p.Host == host })
		if held {
			lost = append(lost, end.job)
		}
		return held
	})
	b.ends.init()
	slices.Sort(lost)
	return lost
}

// leave takes a job off its hosts.
func (b *batch) leave(now time.Duration, job int) {
	s := &b.state[job]
	for i, p := range b.stays[s.stay].places {
		host := b.hostOf(s, i)
		if host.used -= p.Slots; host.used == 0 {
			host.idleSince = now
		}
		if !host.open {
			b.draining -= p.Slots
		}
	}
	b.stays[s.stay] = stay{}
	b.spare = append(b.spare, s.stay)
	b.running -= b.jobs[job].Slots
}
