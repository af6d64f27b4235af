package fleet

import (
	"fmt"
	"math"
	"math/rand/v2"
	"reflect"
	"slices"
	"time"

	"sluice/queue"
)

// Fleet is the set of elastic hosts and what is happening to each. It is not safe for concurrent use: one owner calls
// Step.
type Fleet struct {
	cfg Config
	rng *rand.Rand
	kinds

	members  map[string]*member
	order    []*member // by age, so that the same inputs give the same outputs
	agents   agents
	roster   roster
	drains   prospects // memory of drainBusy and reopen
	grouping grouping
	counted  census

	goal    int
	floor   int
	staleAt time.Time // until when it is worth acting on
	hasGoal bool
	snap    queue.Snapshot
	seenAt  int64          // when that was, Unix time in ns
	views   map[string]int // index in snap.Hosts, made when it is needed; see lookup
	viewed  bool
	unseen  []string // members that were forgotten since the newest snapshot, which may still show them

	connection
	nextFull  time.Time         // next full reconciliation
	strangers map[string]Update // tasks that no member knows, until a snapshot tells whether the batch system does
	trouble
	choice
	maintenance
	age
	first     first
	focus     focus
	vain      map[class]vain
	held      held
	idling    bool // as of the newest goal: see futile
	withheld  int  // see Stats
	largest   largest
	numbering int // of commands
	added     int // members so far

	// Of one Step.
	now     time.Time
	out     Output
	touched []*member
}

// member is a Host with what a restart may forget.
type member struct {
	// What steps look at most comes first, side by side in memory.
	number   int   // grows with age
	settled  bool  // see roster
	drains   bool  // where it was settled
	supplied bool  // its slots are supply, as of the census
	seen     bool  // in the newest snapshot
	changed  bool  // what the newest listing says of it; see follow
	view     sight // in the newest snapshot; meaningful if seen
	at       int   // its place there
	command  command
	askAt    time.Time // next explicit reconciliation; zero = none is due
	on       *agent    // while it is not Gone
	Host

	missing  int // snapshots in a row without it
	missedAt time.Time
	// launching says that the Launch has been given out and its Result has not come: nothing is known about it yet.
	launching  bool
	launchedAt time.Time // when the Result came; zero after a restart
	killAt     time.Time // next kill
	kills      int
	asks       int
	unknowns   int // answers in a row that the task is unknown
	unknown    time.Time
	touched    bool
	forgotten  bool // it is no member any more
}

// sight is what the fleet looks at of a queue.Host.
type sight struct {
	Status            queue.HostStatus
	Closed            queue.Closed
	Used              int
	IdleSince, LostAt time.Time
	eldest            int64 // Unix time in ns, of queue.Host.Eldest; the end of time where that is zero
}

func (s *sight) of(h *queue.Host) {
	s.Status, s.Closed, s.Used = h.Status, h.Closed, h.Used
	s.IdleSince, s.LostAt = h.IdleSince, h.LostAt
	if s.eldest = math.MaxInt64; !h.Eldest.IsZero() {
		s.eldest = h.Eldest.UnixNano()
	}
}

// command is the newest order about a host to the batch system.
type command struct {
	number      int
	asked, done time.Time
}

// Holding is what the fleet holds, in slots.
type Holding struct {
	Supply   int // in flight and open
	InFlight int
	// Withheld is what the goal allows beyond the supply, but is left alone: the first pending job could not start even
	// with it, and no later one may. It is no shortage.
	Withheld int
	// Coming is what is not there yet, but will be when the first pending job can start with it: in flight, withheld, or
	// wanted and not known to be scarce. The batch system does well to let no later job pass meanwhile.
	Coming int
	// Need is the slots of the first pending job that hosts are gathered for, where the first of all can not be served; 0 = that
	// is it.
	Need int
}

// Stats is the fleet in numbers; all but Hosts in slots.
type Stats struct {
	Holding
	Hosts      map[State]int
	Goal       int
	Wanted     int // what would be taken if it were offered
	Suppressed bool
}

// New makes a fleet of the hosts that an earlier one left in Output.Changed. It keeps rng, and uses it for names and
// jitter only.
func New(cfg Config, rng *rand.Rand, restored []Host) *Fleet {
	f := &Fleet{
		cfg: cfg.withDefaults(), rng: rng,
		members: make(map[string]*member), views: make(map[string]int), agents: agents{byID: make(map[string]*agent)}, strangers: make(map[string]Update),
		connection: connection{suppressed: true},
	}
	f.kinds = f.cfg.kinds()
	slices.SortFunc(restored, func(a, b Host) int {
		if c := a.LaunchedAt.Compare(b.LaunchedAt); c != 0 {
			return c
		}
		if a.Name() < b.Name() {
			return -1
		}
		return 1
	})
	for _, h := range restored {
		f.add(h)
	}
	return f
}

// Step takes one input at the time now, which never goes back, and decides.
func (f *Fleet) Step(now time.Time, in Input) Output {
	f.now = now
	f.counted.valid = false
	switch in := in.(type) {
	case Goal:
		f.takeGoal(&in)
		f.maintain()
		f.retire()
		f.scale()
		f.repeat()
		f.interest()
	case Offers:
		f.takeOffers(in)
		f.interest()
	case Update:
		f.takeUpdate(in)
	case Connection:
		f.connect(in)
		f.repeat()
		f.interest()
	case AgentLost:
		f.agentLost(in.Agent)
	case InverseOffers:
		f.takeInverse(in)
		f.interest()
	case RescindInverse:
		f.rescindInverse(in.ID)
		f.interest()
	case Drain:
		f.drain(in.Host)
		f.interest()
	case Result:
		f.takeResult(in)
	case Tick:
		f.maintain()
		f.repeat()
		f.interest()
	default:
		panic(fmt.Sprintf("fleet: unknown input %v", reflect.TypeOf(in))) // not %T, for which all inputs would be kept on the heap
	}
	return f.finish()
}

// Knows says whether there is a host of the name.
func (f *Fleet) Knows(host string) bool { return f.members[host] != nil }

// Serves says whether there is a host of the name that is not being ended.
func (f *Fleet) Serves(host string) bool {
	m := f.members[host]
	return m != nil && m.State != Releasing && m.State != Gone
}

// Suppressed says whether a subscription made now should suppress all roles.
func (f *Fleet) Suppressed() bool { return f.suppressed }

// Holding is what is held and what is to come, without the rest of Stats.
func (f *Fleet) Holding() Holding {
	c := f.census()
	h := Holding{Supply: c.supply, InFlight: c.inFlight, Withheld: f.withheld}
	h.Coming = h.InFlight
	if len(f.snap.Demand) > 0 && f.isVain(f.snap.Demand[0]) {
		h.Need = f.nextNeed()
		return h
	}
	if !f.scarceUntil.After(f.now) {
		h.Coming = max(h.InFlight, f.goal-h.Supply+h.InFlight)
	}
	return h
}

// Stats counts, in time proportional to the number of hosts.
func (f *Fleet) Stats() Stats {
	s := Stats{Hosts: make(map[State]int), Goal: f.goal, Suppressed: f.suppressed}
	for _, m := range f.order {
		s.Hosts[m.State]++
	}
	s.Holding, s.Wanted = f.Holding(), f.wanted()
	return s
}

// Hosts copies the records, oldest first.
func (f *Fleet) Hosts() []Host { return f.AppendHosts(make([]Host, 0, len(f.order))) }

// AppendHosts appends what Hosts gives to out.
func (f *Fleet) AppendHosts(out []Host) []Host {
	for _, m := range f.order {
		out = append(out, m.Host)
	}
	return out
}

func (f *Fleet) add(h Host) *member {
	f.added++
	m := &member{Host: h, number: f.added}
	f.members[h.Name()] = m
	f.order = append(f.order, m)
	f.roster.restless = append(f.roster.restless, m)
	f.roster.smallest = min(f.roster.smallest, h.Spec.Slots)
	if h.State != Gone {
		f.enter(m)
	}
	return m
}

// set moves a host to a state and marks it to be written down.
func (f *Fleet) set(m *member, s State, reason string) {
	if s == Gone && m.State != Gone {
		m.on.hosts--
		m.on = nil
	}
	if s != Gone && m.State == Gone {
		f.enter(m)
	}
	m.State, m.Since, m.Reason, m.command = s, f.now, reason, command{}
	f.touch(m)
}

// enter counts a host on its agent.
func (f *Fleet) enter(m *member) {
	m.on = f.agent(m.Agent)
	m.on.hosts++
}

func (f *Fleet) touch(m *member) {
	f.unsettle(m)
	f.counted.valid = false
	if !m.touched {
		m.touched = true
		f.touched = append(f.touched, m)
	}
}

func (f *Fleet) forget(m *member) {
	delete(f.members, m.Name())
	f.unseen = append(f.unseen, m.Name())
	delete(f.views, m.Name())
	if r := &f.roster; m.at < len(r.places) && r.places[m.at] == m {
		r.places[m.at] = nil
	}
	m.forgotten = true
	f.order, f.roster.restless = without(m, f.order), without(m, f.roster.restless)
	f.out.Removed = append(f.out.Removed, m.Name())
}

func (f *Fleet) emit(e Effect) { f.out.Effects = append(f.out.Effects, e) }

func (f *Fleet) finish() Output {
	out := f.out
	f.out = Output{}
	if len(f.touched) == 0 {
		return out
	}
	out.Changed = make([]Host, 0, len(f.touched))
	for _, m := range f.touched {
		m.touched = false
		if !m.forgotten {
			out.Changed = append(out.Changed, m.Host)
		}
	}
	clear(f.touched)
	f.touched = f.touched[:0]
	return out
}

// fresh says whether the goal is young enough to act on.
func (f *Fleet) fresh() bool { return f.hasGoal && f.now.Before(f.staleAt) }
