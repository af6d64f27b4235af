package queue

import (
	"cmp"
	"errors"
	"slices"
	"time"
)

// Reconfigure changes the configuration, as if the Queue had been made with the new one and then had all its events applied. No
// job is lost and none that runs is touched: it keeps the run limit it started with. Jobs of a queue that is configured no more are
// in lost_and_found, and go on when it comes back; a queue that comes back is open and active as it was left. Jobs
// of an application that is configured no more are as if of none, until it comes back. The fields that say how hosts
// are filled and lost (SlotMemMiB, MaxJobSlots, Backfill, ReserveFor, Lease, LeaseMargin, UnknownAfter) cannot change.
//
// Like SetWeight it is no event: who makes a new Queue gives it the same configuration. Weights that were set are those of the
// configuration again. After an error nothing has changed.
func (q *Queue) Reconfigure(cfg Config) error {
	cfg = cfg.withDefaults()
	if err := cfg.validate(); err != nil {
		return &Error{Kind: KindInvalid, Code: BadSpec, Text: err.Error()}
	}
	if cfg.fixed() != q.cfg.fixed() {
		return &Error{Kind: KindInvalid, Code: BadSpec, Text: errFixed.Error()}
	}
	q.adopt(cfg)
	for _, u := range q.users {
		q.granted.grant(u)
	}
	q.classes, q.live, q.memo, q.dirty = map[classKey]*class{}, nil, memo{}, true
	for _, h := range q.hosts {
		h.held = nil
	}
	q.jobs.from(0, func(j *job) bool {
		j.class, j.listed, j.counted, j.startable = nil, false, false, 0
		j.queue, j.app = q.queueOf(j.spec.Queue), q.apps[j.spec.App]
		j.held(func(h *host, slots int) { h.hold(j.queue, slots) })
		j.tally(func(s State, slots int) {
			j.queue.count(s, slots, j.user)
			j.app.add(s, slots)
			if s.Placed() {
				for _, l := range j.user.quotas {
					l.held += slots
				}
			}
		})
		q.settle(j)
		return true
	})
	return nil
}

var errFixed = errors.New("configure queue: how hosts are filled and lost can only change with a restart")

type fixed struct {
	slotMem, jobSlots                    int
	backfill                             bool
	reserve, lease, margin, unknownAfter time.Duration
}

// fixed are the fields that only New takes.
func (c *Config) fixed() fixed {
	return fixed{c.SlotMemMiB, c.MaxJobSlots, c.Backfill, c.ReserveFor, c.Lease, c.LeaseMargin, c.UnknownAfter}
}

// adopt takes over a valid configuration. The queues are then empty, and users hold nothing.
func (q *Queue) adopt(cfg Config) {
	q.cfg = cfg
	q.granted = newAllotments(cfg.Users, cfg.MaxUserPending)
	q.queues, q.named, q.presets = nil, make(map[string]*queueState, len(cfg.Queues)), nil
	for i, spec := range cfg.Queues {
		s := newQueueState(spec, i)
		if was, known := q.switched[spec.Name]; known {
			s.open, s.active, s.since = was.open, was.active, was.since
		}
		q.queues = append(q.queues, s)
		q.named[spec.Name] = s
	}
	q.apps = make(map[string]*appState, len(cfg.Apps))
	for _, spec := range cfg.Apps {
		q.apps[spec.Name] = &appState{spec: spec}
	}
	for _, name := range cfg.DefaultQueues {
		q.presets = append(q.presets, q.named[name])
	}
	slices.SortStableFunc(q.queues, func(a, b *queueState) int { return cmp.Compare(b.spec.Priority, a.spec.Priority) })
	q.strays = newQueueState(QueueSpec{Name: lostAndFound, Terms: Terms{Description: "jobs whose queue was removed"}}, len(cfg.Queues))
	q.strays.open, q.strays.active = false, false
}

const lostAndFound = "lost_and_found"

// queueOf is where jobs are that name a queue.
func (q *Queue) queueOf(name string) *queueState {
	if s := q.named[name]; s != nil {
		return s
	}
	return q.strays
}

// switched is what was last said about a queue, whether or not it is configured.
type switched struct {
	open, active bool
	since        stamp // when it was last made active
}

// tally calls f with the slots that elements hold or want, by state.
func (j *job) tally(f func(State, int)) {
	one := func(_ int32, e *element) {
		switch {
		case e.run != nil:
			f(e.state, int(e.run.slots))
		case pends(e.state):
			f(e.state, j.spec.MinSlots)
		}
	}
	a := j.array
	if a == nil {
		one(0, &j.one)
		return
	}
	if pends(a.state) {
		f(a.state, int(a.pristine)*j.spec.MinSlots)
	}
	a.records(one)
}
