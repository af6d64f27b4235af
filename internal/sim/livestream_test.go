package sim_test

import (
	"math/rand/v2"
	"testing"
	"time"

	"sluice/queue"
)

// streamFor is for how long small jobs come.
const streamFor = 3 * time.Hour

// stream makes a world in which small jobs come all the time, and one large job between them; where the cluster is too small for
// that, any world.
func stream(rng *rand.Rand) *livePlan {
	p := &livePlan{}
	p.settings(rng)
	p.cluster(rng)
	p.queues(rng)
	p.queue.ReserveFor = one(rng, 0, 100*24*time.Hour)
	large := p.largeJob(rng)
	p.large = large
	small := &liveJob{spec: queue.Spec{Command: ":", User: "ann", Queue: one(rng, "normal", "low"), MinSlots: 1, MaxSlots: 1}}
	small.spec.Rerunnable = one(rng, true, false)
	small.spec.Need.MemMiB = one(rng, 0, 0, 700)
	if large == nil || !p.could(&small.spec) {
		return plan(rng)
	}
	slots := 0
	for _, a := range p.agents {
		slots += p.holds(a, &small.spec, "")
	}
	if most := p.control.MaxSlots; most > 0 {
		slots = min(slots, most)
	}
	const meanRun = time.Minute
	gap := time.Duration(float64(meanRun) / (one(rng, 0.3, 0.8, 1.2) * float64(max(slots, 1))))
	for at := time.Duration(0); at < streamFor; at += time.Duration(2 * rng.Float64() * float64(gap)) {
		if large != nil && at >= 10*time.Minute {
			p.add(large, at)
			large = nil
		}
		j := &liveJob{spec: small.spec, run: time.Duration(2+rng.IntN(116)) * time.Second}
		if p.queue.Backfill && rng.IntN(2) == 0 {
			j.spec.RunLimit = j.run + 10*time.Second
		}
		p.add(j, at)
	}
	return p
}

// largeJob is a job that an empty cluster can run, but mostly not beside others; nil if none was found.
func (p *livePlan) largeJob(rng *rand.Rand) *liveJob {
	for range 100 {
		j := p.job(rng)
		j.spec.Array, j.after, j.spec.Queue, j.spec.User, j.spec.Priority = nil, nil, "normal", "bob", 0
		if j.spec.MinSlots > 2 && p.could(&j.spec) {
			return j
		}
	}
	return nil
}

// TestNoJobStarves runs a large job in a stream of small ones that came after it: it starts all the same.
func TestNoJobStarves(t *testing.T) {
	runWorlds(t, stream, max(1, *worlds/10))
}
