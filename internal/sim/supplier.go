package sim

import (
	"math"
	"math/rand/v2"
	"slices"
	"time"
)

// supplier brings the held hosts to a goal.
type supplier interface {
	// steer takes one step toward the goal, with the batch system as it is.
	steer(now time.Duration, goal int) error
	// next is when something happens by itself, as a host that joins; else never.
	next() time.Duration
	// happen lets that happen.
	happen(now time.Duration) error
	// quiet is until when steer has nothing to do for a goal, if nothing happens;
	// 0 if it has.
	quiet(goal int) time.Duration
	// totals is what is held and was done so far.
	totals() *totals
}

// loser is what agents can be taken away from.
type loser interface {
	// lose takes an agent away for a time, with all that runs there.
	lose(now time.Duration, agent int) error
}

var (
	_ loser    = (*elastic)(nil)
	_ loser    = (*hoarder)(nil)
	_ supplier = (*elastic)(nil)
	_ supplier = (*hoarder)(nil)
)

// totals is the state and the counts of a supplier.
type totals struct {
	supply, inFlight   int // slots, as the supplier sees them
	withheld           int // slots that it leaves alone until they are of use
	need               int // slots of the job that it gathers for, if that is not the first
	allocated          int // slots of all hosts that were launched and not released
	launches           int
	accepted, declined int // offers
}

// joining is a host on its way.
type joining struct {
	at   time.Duration
	name string
}

// nextJoin is when the first of those in line joins.
func nextJoin(line []joining) time.Duration {
	if len(line) == 0 {
		return never
	}
	return line[0].at
}

// offered is how many agents, from the first, other frameworks leave free.
func (c *Config) offered(now time.Duration) int {
	n := len(c.Agents)
	for _, o := range c.Outages {
		if now >= o.From && now < o.To {
			n = min(n, o.Free)
		}
	}
	if o := &c.Others; o.Share > 0 && float64(now%o.Period) < o.Duty*float64(o.Period) {
		n = min(n, len(c.Agents)-int(math.Ceil(o.Share*float64(len(c.Agents)))))
	}
	return n
}

// normal95 is the 95th percentile of the standard normal distribution.
const normal95 = 1.6448536269514722

// patience is longer than any host takes.
func (c *Config) patience() time.Duration {
	return min(time.Duration(float64(c.JoinDelay)*math.Pow(max(c.JoinSpread, 1), 4))+time.Hour, maxSpan)
}

// joinDelay is how long the next host takes.
func (c *Config) joinDelay(rng *rand.Rand) time.Duration {
	if c.JoinSpread <= 1 {
		return c.JoinDelay
	}
	factor := math.Exp(rng.NormFloat64() * math.Log(c.JoinSpread) / normal95)
	return time.Duration(math.Min(float64(c.JoinDelay)*factor, float64(maxSpan)))
}

// put keeps those in line in order.
func put(line []joining, j joining) []joining {
	at, _ := slices.BinarySearchFunc(line, j.at, func(other joining, at time.Duration) int {
		if other.at <= at {
			return -1
		}
		return 1
	})
	return slices.Insert(line, at, j)
}
