package queue

import (
	"errors"
	"slices"
	"strings"
	"time"
)

// host is a batch host and what runs on it.
type host struct {
	spec    HostSpec
	names   bareNames
	status  HostStatus
	closed  Closed
	session string        // hash of the session it may rejoin with
	lease   time.Duration // that it was promised
	added   stamp
	idle    stamp // since when, 0 while a job holds a slot
	first   stamp // the earliest start among its jobs, while aged
	aged    bool
	lostAt  stamp
	shown   bool // its jobs were shown as UNKWN since it was lost
	given   bool // they were given up since

	used   int // slots, memory and GPUs held by jobs
	mem    int
	gpus   int
	sole   int                 // exclusive jobs that hold it
	slots  [Unknown + 1]int32  // by state of the jobs that hold them
	held   map[*queueState]int // slots, by queues that limit them
	runs   []*run              // whose process runs here
	guests []*run              // that hold slots here, with their process elsewhere

	// Its place in supply.
	bucket *bucket
	pos    int // in bucket
	member int // in supply.members, -1 = not there
	free   int // slots it is listed with, 0 while it takes no job

	page  int  // in book
	stale bool // its page is

	places [][]Placement // shared by its jobs, by slots

	kept      uint64 // the pass in which a blocked job keeps it
	keptUntil stamp  // jobs that end before may still use it then
}

// usable reports that the host could run jobs once others end.
func (h *host) usable() bool { return h.status == HostOK && h.closed == 0 }

func (h *host) seat(r *run) {
	r.pos = int32(len(h.runs))
	h.runs = append(h.runs, r)
}

func (h *host) unseat(r *run) {
	last := h.runs[len(h.runs)-1]
	h.runs[r.pos], last.pos = last, r.pos
	h.runs[len(h.runs)-1] = nil
	h.runs = h.runs[:len(h.runs)-1]
}

// count moves a run's slots on its hosts from one state to another; 0 is no state.
func (q *Queue) count(r *run, place []Placement, from, to State) {
	q.book.mark(r.host)
	r.host.shift(from, to, int32(place[0].Slots))
	for i, o := range r.others {
		q.book.mark(o)
		o.shift(from, to, int32(place[i+1].Slots))
	}
}

func (h *host) shift(from, to State, n int32) {
	if from != 0 {
		h.slots[from] -= n
	}
	if to != 0 {
		h.slots[to] += n
	}
}

// jobs are the runs that hold slots of the host, by job: first those whose process it runs.
func (h *host) jobs() (runs, guests []*run) {
	byID := func(a, b *run) int { return compareID(a.e.id(), b.e.id()) }
	runs, guests = slices.Clone(h.runs), slices.Clone(h.guests)
	slices.SortFunc(runs, byID)
	slices.SortFunc(guests, byID)
	return runs, guests
}

// eldest is the earliest start among its jobs; 0 without any.
func (h *host) eldest() stamp {
	if !h.aged {
		h.first, h.aged = h.earliest(), true
	}
	return h.first
}

// begun and over keep that up to date for a job that started at a time.
func (h *host) begun(at stamp) {
	if h.first == 0 || at < h.first {
		h.first = at
	}
}

func (h *host) over(started stamp) {
	if started == h.first {
		h.aged = false // there may be others of that time
	}
}

func (h *host) earliest() (first stamp) {
	for _, runs := range [...][]*run{h.runs, h.guests} {
		for _, r := range runs {
			if first == 0 || r.e.started < first {
				first = r.e.started
			}
		}
	}
	return first
}

// take gives slots of a host, with their memory and GPUs, to a job.
func (q *Queue) take(h *host, slots int, j *job) {
	s := j.spec
	q.book.mark(h)
	h.used += slots
	h.mem += slots * q.memOf(&s.Need)
	h.gpus += s.Need.GPUsFor(slots)
	h.idle = 0
	h.hold(j.queue, slots)
	if s.Need.Exclusive {
		h.sole++
	}
	q.supply.list(h)
}

func (q *Queue) give(h *host, slots int, j *job, at stamp) {
	s := j.spec
	q.book.mark(h)
	h.used -= slots
	h.mem -= slots * q.memOf(&s.Need)
	h.gpus -= s.Need.GPUsFor(slots)
	h.hold(j.queue, -slots)
	if h.used == 0 {
		h.idle = at
	}
	if s.Need.Exclusive {
		h.sole--
	}
	q.supply.list(h)
	q.dirty = true
}

// memOf is the memory that each slot takes.
func (q *Queue) memOf(n *Need) int {
	if n.MemMiB > 0 {
		return n.MemMiB
	}
	return q.cfg.SlotMemMiB
}

func (q *Queue) foldHostCreated(ev *Event) error {
	if ev.Host == nil || ev.Host.Slots < 1 || ev.Host.Slots > maxHostSlots || ev.Host.Name == "" || q.hosts[ev.Host.Name] != nil {
		return errImpossible
	}
	h := &host{spec: *ev.Host, names: bareNamesOf(ev.Host), status: HostAdded, added: stampOf(ev.At), member: -1}
	q.hosts[h.spec.Name] = h
	at, _ := slices.BinarySearchFunc(q.roll, h.spec.Name, hostByName)
	q.roll = slices.Insert(q.roll, at, h)
	q.book.add(h)
	q.book.mark(h)
	return nil
}

func hostByName(h *host, name string) int { return strings.Compare(h.spec.Name, name) }

func (q *Queue) foldHost(ev *Event) error {
	h := q.hosts[ev.HostName]
	if h == nil {
		return errors.New("no such host")
	}
	at := stampOf(ev.At)
	q.lost = slices.DeleteFunc(q.lost, func(l *host) bool { return l == h && ev.Kind != HostClosed && ev.Kind != HostOpened })
	switch ev.Kind {
	case HostJoined:
		if h.status == HostAdded {
			h.idle = at
		}
		h.status, h.session, h.lease, h.lostAt = HostOK, ev.SessionHash, ev.Lease, 0
		h.closed &^= ClosedExit
	case HostLost:
		h.status, h.lostAt, h.shown, h.given = HostUnavailable, at, false, false
		q.lost = append(q.lost, h)
	case HostClosed:
		h.closed |= ev.Closed
	case HostOpened:
		h.closed &^= ev.Closed
	case HostRemoved:
		if len(h.runs) > 0 {
			return errors.New("host removed while it runs jobs")
		}
		h.status = 0
		delete(q.hosts, ev.HostName)
		if at, found := slices.BinarySearchFunc(q.roll, ev.HostName, hostByName); found {
			q.roll = slices.Delete(q.roll, at, at+1)
			q.book.remove(h)
		}
	}
	q.book.mark(h)
	q.supply.changed(h)
	q.dirty = true
	return nil
}

func (q *Queue) foldQueue(ev *Event) error {
	now, known := q.switched[ev.QueueName]
	if ev.Active && known && !now.active {
		now.since = q.at
	}
	now.open, now.active = ev.Open, ev.Active
	q.switched[ev.QueueName] = now
	if s := q.named[ev.QueueName]; s != nil { // else it is configured no more, but may come back
		s.open, s.active, s.since = now.open, now.active, now.since
		q.dirty = true
	}
	return nil
}
