package sim

import (
	"fmt"
	"time"

	"sluice/queue"
)

// batch is the batch system: the real queue, fed with the simulation's jobs,
// hosts and time. Job i of the simulation is number i+1 of the queue.
type batch struct {
	q     *queue.Queue
	jobs  []Job      // the caller's
	state []jobState // of each of them
	stays []stay     // of the running ones
	spare []int32    // places in stays
	hosts map[string]*batchHost

	submitted        int // jobs, from the first
	running, pending int // slots
	draining         int // slots in use on closed hosts
	changed          bool
	load             queue.Load     // of the last look
	events           []queue.Event  // memory of schedule
	demand           []queue.Demand // memory of snapshot
	ends             endHeap
	reruns           int        // of jobs whose host was lost
	lost             float64    // slot-seconds that they had run
	spec             queue.Spec // of the job submitted last
}

// jobState is what has become of a job. It holds no pointers: there are millions of it.
type jobState struct {
	started time.Duration
	attempt int32 // starts so far
	stay    int32 // place in stays, while it runs
}

// stay is where a job runs.
type stay struct {
	places []queue.Placement // the queue's own; not to be changed
	first  *batchHost        // of the first of them
}

// batchHost is a host as the batch system sees it.
type batchHost struct {
	slots, used int
	open        bool
	idleSince   time.Duration
	noted       time.Duration // when it became idle, as seen last; see elastic.nextIdle
}

// strictly is how long a blocked job keeps its hosts when no other may ever
// pass: longer than any simulation.
const strictly = maxSpan

func newBatch(cfg *Config, jobs []Job) (*batch, error) {
	qc := queue.Config{Queues: cfg.Queues, MaxJobs: len(jobs) + 1, Backfill: cfg.Backfill, ReserveFor: cfg.ReserveFor, KeepFinished: time.Second}
	if cfg.ReserveFor == 0 {
		qc.ReserveFor = strictly
	}
	q, err := queue.New(qc)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrConfig, err)
	}
	return &batch{
		q: q, jobs: jobs, state: make([]jobState, len(jobs)), hosts: make(map[string]*batchHost),
		spec: queue.Spec{User: "sim", Command: ":", Rerunnable: cfg.AgentMTBF > 0},
	}, nil
}

// submit makes the next job pending.
func (b *batch) submit(now time.Duration) error {
	j := &b.jobs[b.submitted]
	b.spec.Queue, b.spec.MinSlots, b.spec.RunLimit = j.Queue, j.Slots, j.Limit
	id, err := b.q.Submit(date(now), b.spec)
	if err != nil {
		return fmt.Errorf("submit job %d: %w", b.submitted, err)
	}
	b.submitted++
	if id.Job != int64(b.submitted) {
		panic(fmt.Sprintf("sim: job %d became number %d", b.submitted, id.Job))
	}
	b.pending += j.Slots
	b.changed = true
	return nil
}

// schedule lets the queue start what it can.
func (b *batch) schedule(now time.Duration) {
	at := date(now)
	b.q.Tick(at)
	started := b.q.Schedule(at)
	b.events = b.q.Take(b.events[:0])
	if started == 0 {
		return
	}
	b.changed = true
	for i := range b.events {
		if ev := &b.events[i]; ev.Kind == queue.JobStarted {
			b.start(now, int(ev.Job.Job)-1, ev.Placement)
		}
	}
}

func (b *batch) start(now time.Duration, job int, places []queue.Placement) {
	j, s := &b.jobs[job], &b.state[job]
	s.started, s.stay = now, b.begin(stay{places, b.hosts[places[0].Host]})
	s.attempt++
	for i, p := range places {
		b.hostOf(s, i).used += p.Slots
	}
	b.pending -= j.Slots
	b.running += j.Slots
	b.ends.add(jobEnd{now + j.Run, job})
}

// begin gives a stay a place.
func (b *batch) begin(s stay) int32 {
	if last := len(b.spare) - 1; last >= 0 {
		at := b.spare[last]
		b.spare = b.spare[:last]
		b.stays[at] = s
		return at
	}
	b.stays = append(b.stays, s)
	return int32(len(b.stays) - 1)
}

// hostOf is the host of a running job's placement.
func (b *batch) hostOf(j *jobState, placement int) *batchHost {
	s := &b.stays[j.stay]
	if placement == 0 {
		return s.first
	}
	return b.hosts[s.places[placement].Host]
}

// nextWake is when the queue has to look at the time again.
func (b *batch) nextWake() time.Duration {
	if wake := b.q.NextWake(); !wake.IsZero() {
		return wake.Sub(start)
	}
	return never
}

// nextEnd is when the next running job ends.
func (b *batch) nextEnd() time.Duration {
	if len(b.ends) == 0 {
		return never
	}
	return b.ends[0].at
}

// finish ends the next running job, and gives it with the time at which it started.
func (b *batch) finish(now time.Duration) (*Job, time.Duration, error) {
	job := b.ends.take().job
	if err := b.finished(now, job); err != nil {
		return nil, 0, err
	}
	b.leave(now, job)
	b.changed = true
	return &b.jobs[job], b.state[job].started, nil
}

// finished tells the queue that a job ended.
func (b *batch) finished(now time.Duration, job int) error {
	if err := b.q.Finished(date(now), queue.ID{Job: int64(job) + 1}, int(b.state[job].attempt), queue.Result{}); err != nil {
		return fmt.Errorf("end job %d: %w", job, err)
	}
	return nil
}

// addHost makes a host known; it takes jobs once it joined.
func (b *batch) addHost(now time.Duration, spec queue.HostSpec) error {
	if err := b.q.AddHost(date(now), spec); err != nil {
		return fmt.Errorf("add host: %w", err)
	}
	b.hosts[spec.Name] = &batchHost{slots: spec.Slots, open: true, idleSince: now, noted: never}
	return nil
}

func (b *batch) joinHost(now time.Duration, name string) error {
	if _, err := b.q.JoinHost(date(now), name, "sim", nil); err != nil {
		return fmt.Errorf("join host: %w", err)
	}
	b.hosts[name].idleSince = now
	b.changed = true
	return nil
}

// setOpen opens a host to new jobs or closes it.
func (b *batch) setOpen(now time.Duration, name string, open bool) error {
	host, ok := b.hosts[name]
	if !ok {
		return &queue.Error{Kind: queue.KindNotFound, Code: queue.NoSuchHost, Subject: name, Text: "no such host"}
	}
	change, sign := b.q.OpenHost, -1
	if !open {
		change, sign = b.q.CloseHost, 1
	}
	if err := change(date(now), name, queue.ClosedDrain); err != nil {
		return fmt.Errorf("open or close host: %w", err)
	}
	if host.open != open {
		host.open = open
		b.draining += sign * host.used
		b.changed = true
	}
	return nil
}

func (b *batch) removeHost(now time.Duration, name string) error {
	if err := b.q.RemoveHost(date(now), name); err != nil {
		return fmt.Errorf("remove host: %w", err)
	}
	delete(b.hosts, name)
	b.changed = true
	return nil
}

// snapshot is what a poll gives, with the load of the last look. Its hosts and its demand are good until the next one.
func (b *batch) snapshot(now time.Duration) queue.Snapshot {
	hosts, delta := b.q.HostViews()
	b.demand = b.q.AppendDemand(b.demand[:0], 0)
	return queue.Snapshot{At: date(now), Load: b.load, Demand: b.demand, Hosts: hosts, Delta: delta}
}

// look brings load up to date.
func (b *batch) look() {
	if b.changed {
		b.load = b.q.Load()
	}
}
