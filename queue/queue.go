package queue

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"
)

// Queue is the batch system's state. It is not safe for concurrent use: one goroutine owns it.
//
// Every mutating method applies what it decides at once and records it as events. Take hands them over. Who journals them
// must do so before it answers or acts; if the journal fails, throw the Queue away and make a new one from the journal.
type Queue struct {
	cfg      Config
	queues   []*queueState // by priority, then as configured
	named    map[string]*queueState
	apps     map[string]*appState
	presets  []*queueState       // for jobs that name no queue: the first that takes them
	switched map[string]switched // by queue
	granted  allotments
	strays   *queueState // for jobs whose queue is configured no more
	users    map[string]*userState
	groups   groupTree
	jobs     directory
	alike    alike
	inputs   map[Input]int // jobs that refer to it
	last     int64         // highest job number ever given
	order    int64         // of the next job
	tasks    int           // records in memory: jobs and started elements
	folds    uint64
	slots    [Unknown + 1]int
	pend     int     // elements, held ones included
	work     float64 // slot-seconds of ended jobs
	at       stamp   // of the event that is being folded

	evidence Evidence

	hosts  map[string]*host
	roll   []*host // all, by name
	book   book
	lost   []*host // unavailable ones
	supply supply

	classes   map[classKey]*class
	live      []*class // those with something to start
	memo      memo
	pass      pass
	eligibles []eligible // memory of AppendDemand
	dirty     bool
	awaited   int   // slots; see Await
	retryAt   stamp // when a reservation begins or ends; never = none stands
	deadlines heapOf[*run]
	alarms    heapOf[alarm]
	ended     line[retired] // in the order of their ends
	spare     []*run        // to be used again
	blank     []*job        // likewise
	out       []Event
}

// Actor is who gives a command.
type Actor struct {
	User  string
	Admin bool // may do to any job what its owner may
}

// New makes an empty Queue.
func New(cfg Config) (*Queue, error) {
	cfg = cfg.withDefaults()
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	q := &Queue{
		users: map[string]*userState{}, hosts: map[string]*host{}, switched: map[string]switched{}, inputs: map[Input]int{},
		classes: map[classKey]*class{}, retryAt: never, order: 1,
	}
	q.adopt(cfg)
	q.deadlines.less = func(a, b *run) bool { return a.deadline < b.deadline }
	q.deadlines.moved = func(r *run, pos int) { r.timer = int32(pos) }
	q.alarms.less = func(a, b alarm) bool { return a.at < b.at }
	q.pass.heads.less = classBefore
	q.pass.id = 1 // hosts that nobody keeps hold 0
	return q, nil
}

func newQueueState(spec QueueSpec, place int) *queueState {
	s := &queueState{spec: spec, place: place, weight: wholeWeight, open: true, active: true, all: quota{most: spec.MaxSlots}}
	if spec.Weight > 0 {
		s.weight = int(math.Round(spec.Weight * wholeWeight))
	}
	s.allows, s.hosts = rollOf(spec.Users), spec.hostList()
	return s
}

// Take appends the events since the last Take to buf. An empty buf is exchanged for the Queue's own: its memory is for the next
// events, and the caller's no more.
func (q *Queue) Take(buf []Event) []Event {
	out := q.out
	if len(buf) == 0 {
		q.out = buf
		return out
	}
	buf = append(buf, out...)
	clear(out)
	q.out = out[:0]
	return buf
}

// Apply folds an event of the past into the state; it records nothing. An error says that the event cannot have happened:
// the journal is damaged, and the Queue is to be thrown away.
func (q *Queue) Apply(ev Event) error {
	if err := q.fold(&ev); err != nil {
		return fmt.Errorf("apply %s of %v at %v: %w", ev.Kind, subject(&ev), ev.At, err)
	}
	return nil
}

func subject(ev *Event) string {
	if ev.Job != (ID{}) {
		return "job " + ev.Job.String()
	}
	return fmt.Sprintf("%q", cmp.Or(ev.HostName, ev.QueueName, ev.GroupName))
}

// record begins a new event. The pointer holds until the next one.
func (q *Queue) record(kind EventKind, now time.Time) *Event {
	n := len(q.out)
	q.out = slices.Grow(q.out, 1)[:n+1]
	ev := &q.out[n] // filled in there: an Event is large
	*ev = Event{}
	ev.Kind, ev.At = kind, now
	return ev
}

// commit applies an event that a command decided on, after it was filled in.
func (q *Queue) commit(ev *Event) {
	if err := q.fold(ev); err != nil {
		panic(fmt.Sprintf("queue: decided on an impossible event: %+v: %v", *ev, err))
	}
}

var errImpossible = errors.New("impossible in this state")

// fold is the only way in which the state changes.
func (q *Queue) fold(ev *Event) error {
	q.folds++
	q.at = stampOf(ev.At)
	switch ev.Kind {
	case JobSubmitted:
		return q.foldSubmitted(ev)
	case HostCreated:
		return q.foldHostCreated(ev)
	case HostJoined, HostLost, HostClosed, HostOpened, HostRemoved:
		return q.foldHost(ev)
	case QueueSwitched:
		return q.foldQueue(ev)
	case GroupAdded, GroupLimited, GroupRemoved:
		return q.foldGroup(ev)
	}
	j := q.jobs.get(ev.Job.Job)
	if j == nil {
		return errors.New("no such job")
	}
	switch ev.Kind {
	case JobForgotten:
		return q.foldForgotten(j)
	case JobQueueMoved, JobReprioritised:
		return q.foldMoved(j, ev)
	case JobModified:
		return q.foldModified(j, ev)
	}
	if j.array != nil && ev.Job.Index == 0 {
		return q.foldArray(j, ev)
	}
	e, ok := q.touch(j, ev.Job.Index)
	if !ok {
		return errors.New("no such element")
	}
	switch ev.Kind {
	case JobStarted:
		return q.foldStarted(e, ev)
	case JobFinished, JobRequeued, JobStopped, JobResumed:
		return q.foldElement(e, ev)
	}
	return q.foldRunning(e, ev)
}

// touch finds an element and gives it a record of its own.
func (q *Queue) touch(j *job, index int) (*element, bool) {
	if j.array == nil {
		return &j.one, index == 0
	}
	ordinal, ok := j.array.ordinal(index)
	if !ok {
		return nil, false
	}
	if e := j.array.at(ordinal); e != nil {
		return e, true
	}
	q.tasks++
	return j.array.record(j, ordinal), true
}

// peek finds an element that has a record; e is nil for a pristine one.
func (q *Queue) peek(j *job, index int) (e *element, ok bool) {
	if j.array == nil {
		return &j.one, index == 0
	}
	ordinal, ok := j.array.ordinal(index)
	if !ok {
		return nil, false
	}
	return j.array.at(ordinal), true
}
