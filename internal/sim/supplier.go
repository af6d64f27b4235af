package sim

import "time"

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

var (
	_ supplier = (*elastic)(nil)
	_ supplier = (*hoarder)(nil)
)

// totals is the state and the counts of a supplier.
type totals struct {
	supply, inFlight   int // slots, as the supplier sees them
	withheld           int // slots that it leaves alone until they are of use
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
	return n
}
