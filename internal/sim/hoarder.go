package sim

import (
	"math/rand/v2"
	"strconv"
	"time"

	"sluice/queue"
)

// hoarder is the plain way of frameworks that cannot drain: it takes whole
// agents up to the goal and leaves their hosts open until they happen to be
// idle for the idle timeout, whatever the goal is then, unless hosts are still
// being gathered for the first pending job.
type hoarder struct {
	cfg   *Config
	batch *batch
	sum   totals

	hosts   []string // names, by agent; "" where there is none
	free    int      // agents without a host
	line    []joining
	names   int
	rng     *rand.Rand      // of join delays
	down    []time.Duration // until when agents are lost
	refusal time.Duration   // when offers that were refused come again
}

// refuseFor is Mesos's default for how long a declined offer stays away.
const refuseFor = 5 * time.Second

func newHoarder(cfg *Config, b *batch) *hoarder {
	return &hoarder{cfg: cfg, batch: b, hosts: make([]string, len(cfg.Agents)), free: len(cfg.Agents), down: make([]time.Duration, len(cfg.Agents)), rng: rand.New(rand.NewPCG(cfg.Seed, 0x301e))}
}

func (h *hoarder) totals() *totals { return &h.sum }

// quiet is never promised: it looks at its hosts in every period.
func (h *hoarder) quiet(int) time.Duration { return 0 }

func (h *hoarder) next() time.Duration { return nextJoin(h.line) }

func (h *hoarder) happen(now time.Duration) error {
	name := h.line[0].name
	h.line = h.line[1:]
	h.sum.inFlight -= h.batch.hosts[name].slots
	return h.batch.joinHost(now, name)
}

func (h *hoarder) steer(now time.Duration, goal int) error {
	if h.sum.supply > h.sum.inFlight && h.sum.supply-h.sum.inFlight >= h.batch.load.FirstNeed {
		if err := h.retire(now); err != nil {
			return err
		}
	}
	if h.free == 0 {
		return nil
	}
	if h.sum.supply < goal {
		return h.launch(now, goal)
	}
	h.refuse(now, h.free)
	return nil
}

// retire releases the hosts that were idle long enough.
func (h *hoarder) retire(now time.Duration) error {
	for agent, name := range h.hosts {
		if name == "" {
			continue
		}
		host := h.batch.hosts[name]
		if host.used > 0 || now-host.idleSince < h.cfg.IdleTimeout || h.isJoining(name) {
			continue
		}
		if err := h.batch.removeHost(now, name); err != nil {
			return err
		}
		h.hosts[agent] = ""
		h.free++
		h.sum.supply -= host.slots
		h.sum.allocated -= host.slots
	}
	return nil
}

func (h *hoarder) isJoining(name string) bool {
	for i := range h.line {
		if h.line[i].name == name {
			return true
		}
	}
	return false
}

// launch accepts offers up to the goal and refuses the rest.
func (h *hoarder) launch(now time.Duration, goal int) error {
	left := 0
	for agent := range h.cfg.offered(now) {
		if h.hosts[agent] != "" || now < h.down[agent] {
			continue
		}
		if h.sum.supply >= goal {
			left++
			continue
		}
		slots := h.cfg.Agents[agent]
		h.names++
		name := "host" + strconv.Itoa(h.names)
		if err := h.batch.addHost(now, queue.HostSpec{Name: name, Slots: slots, Elastic: true}); err != nil {
			return err
		}
		h.hosts[agent] = name
		h.free--
		h.line = put(h.line, joining{now + h.cfg.joinDelay(h.rng), name})
		h.sum.supply += slots
		h.sum.inFlight += slots
		h.sum.allocated += slots
		h.sum.launches++
		h.sum.accepted++
	}
	h.refuse(now, left)
	return nil
}

// refuse declines offers that nobody wants, which come again after a while.
// Without jobs offers are suppressed.
func (h *hoarder) refuse(now time.Duration, offers int) {
	if h.batch.running+h.batch.pending == 0 || now < h.refusal {
		return
	}
	h.sum.declined += offers
	h.refusal = now + refuseFor
}
