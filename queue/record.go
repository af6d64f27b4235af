package queue

// job is one submission: a job or an array. All its elements share its spec, queue and place in the order.
type job struct {
	number    int64
	spec      *Spec
	queue     *queueState
	app       *appState // nil = of none
	user      *userState
	group     *group // nil = in none
	order     int64  // jobs of equal priority start in this order, then by number
	submitted stamp
	since     stamp // when it was last eligible as a whole: submitted, due, dependency met, released

	one   element // of a job that is no array
	array *array  // nil for a job that is no array

	// What follows is derived from the above by settle.
	class      *class
	startable  int32 // its elements counted in class
	counted    bool  // it belongs to class now
	listed     bool  // class holds an entry of it
	strewn     bool  // a class that it left may do so
	ineligible gate  // why it does not belong to a class

	begin     stamp // earliest start, 0 once it came
	orphanAt  stamp // when it is looked at because its condition can be met no more
	paused    bool  // begin is the end of a pause after a pre-execution command that failed
	placed    int32 // elements that hold slots
	open      int32 // elements that have not ended
	need      *dependency
	watchers  []*leaf // conditions of others that watch it
	deaf      int     // dead ones among watchers
	nameNext  *job    // jobs of its user with its name
	namePrev  *job
	endedLast stamp // when its last element ended
}

// gate is why pending elements of a job cannot start, whatever hosts are free.
type gate uint8

const (
	gateOpen gate = iota
	gateNothing
	gateDependency
	gateNever
	gateBegin
	gatePreExec
	gateInactive
	gateArrayLimit
	gateTooLarge
	gateHostLimit
)

// element is what starts and ends: a job that is no array, or one element of an array. Elements of an array that were never
// touched do not exist; see array.
type element struct {
	job     *job
	run     *run // while it holds slots
	index   int32
	attempt int32 // starts so far
	state   State
	queued  bool // array.returned holds its ordinal
	barred  bool // it pends, but a dependency of its own is not met
	forced  bool // ended by force: its processes may still be running
	exit    int16
	refused int16 // times in a row that its pre-execution command failed
	pid     int32
	started stamp
	ended   stamp
	since   stamp       // when it was last released or requeued by itself; 0 = never
	place   []Placement // of the newest attempt; shared with its event, never changed
	usage   Usage
	reason  string
}

func (e *element) id() ID { return ID{Job: e.job.number, Index: int(e.index)} }

// run is what is only known of an element while it holds slots.
type run struct {
	e         *element
	host      *host   // where its process runs
	others    []*host // further hosts of a parallel job
	slots     int32   // on all hosts
	pos       int32   // in host.runs
	timer     int32   // in Queue.deadlines, -1 = none
	executing bool    // its host said that it runs
	ending    bool    // its host was asked to end it
	requeue   bool    // and it is to run again
	modified  bool    // its job was modified since it started
	exit      int16   // the exit code it is to have when its host is lost before it reports
	reason    string  // why it was asked to end
	deadline  stamp   // run limit or EndBy
	stopped   stamp   // since when it is suspended
	rested    stamp   // for how long it was suspended before
}

// userState is what a user has in the system.
type userState struct {
	name    string
	pending int // elements, held ones included
	mayPend int // likewise; 0 = no limit
	jobs    int // jobs in memory
	slots   [Unknown + 1]int
	named   map[string]*job        // newest job of each name; the rest by nameNext
	quotas  []*quota               // of his own, and of his groups
	in      map[*queueState]*quota // of queues that limit each user
}

// queueState is a queue and what is in it, in slots.
type queueState struct {
	spec   QueueSpec
	place  int // in the configuration
	weight int // in parts of wholeWeight
	open   bool
	active bool
	since  stamp            // when it was last made active
	slots  [Unknown + 1]int // by state of their jobs
	all    quota            // of all its jobs; without a limit, it counts what they hold
	allows roll             // who may submit
	hosts  string           // that its jobs may run on, as in a Need
	denied uint64           // the pass in which a blocked job claimed what its host limit leaves
}

// add accounts n slots of jobs in a state, or fewer with n < 0.
func (s *queueState) add(state State, n int, u *userState) {
	u.slots[state] += n
	if state.Placed() {
		for _, l := range u.quotas {
			l.held += n
		}
	}
	s.count(state, n, u)
}

// count is add for a queue that is changed under its jobs.
func (s *queueState) count(state State, n int, u *userState) {
	s.slots[state] += n
	if !state.Placed() {
		return
	}
	s.all.held += n
	if s.spec.UserSlots > 0 {
		s.of(u).held += n
	}
}
