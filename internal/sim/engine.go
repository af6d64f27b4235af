package sim

import (
	"fmt"
	"math"
	"time"

	"sluice/controller"
)

// start is the date of the simulation's beginning, for policies, which work on
// dates. Which one it is does not matter.
var start = time.Unix(0, 0).UTC()

// date is the date of a time of the simulation.
func date(at time.Duration) time.Time { return start.Add(at) }

const never = time.Duration(math.MaxInt64)

// Sample is the state after a decision, for traces and plots.
type Sample struct {
	// At is the time since the beginning.
	At time.Duration
	controller.Load
	// Goal is what the policy decided on this load.
	Goal int
	// Allocated is the slots of all hosts, closed ones too.
	Allocated int
}

// Run simulates until the last job has ended (or Config.Until). jobs are in the
// order of submission and are not changed. observe, if not nil, is called after
// each decision; decisions while nothing is held or wanted are left out.
// The error is an ErrConfig.
func Run(cfg Config, jobs []Job, policy Policy, observe func(Sample)) (Result, error) {
	if err := cfg.validate(); err != nil {
		return Result{}, err
	}
	if err := cfg.validateJobs(jobs); err != nil {
		return Result{}, err
	}
	e, err := newEngine(&cfg, jobs, policy, observe)
	if err != nil {
		return Result{}, err
	}
	if err := e.run(); err != nil {
		return Result{}, err
	}
	if left := len(jobs) - e.meter.ended; left > 0 && cfg.Until == 0 {
		return Result{}, fmt.Errorf("%w: policy %s starves: %d of %d jobs can never start", ErrConfig, policy.Name(), left, len(jobs))
	}
	r := e.meter.result(policy.Name(), e.fleet.totals())
	r.Reruns, r.LostSlotSeconds = e.batch.reruns, e.batch.lost
	if w, ok := policy.(witness); ok {
		w.testify(&r)
	}
	return r, nil
}

// engine is one run.
type engine struct {
	cfg     *Config
	policy  Policy
	batch   *batch
	fleet   supplier
	agents  loser
	meter   *meter
	observe func(Sample)
	now     time.Duration
	goal    int
	load    controller.Load // of the last decision
	rester  rester          // the policy, if it is one
	calm    time.Duration   // until then nothing happens unless the goal changes
	losses  losses
	stalled time.Duration // for how long something pends and nothing runs
}

// stallLimit is how long nothing may run while something pends before a policy
// counts as starving the jobs.
const stallLimit = 30 * 24 * time.Hour

// stopEvery is how many decisions are between two questions whether to stop.
const stopEvery = 4096

func newEngine(cfg *Config, jobs []Job, policy Policy, observe func(Sample)) (*engine, error) {
	b, err := newBatch(cfg, jobs)
	if err != nil {
		return nil, err
	}
	e := &engine{cfg: cfg, policy: policy, batch: b, meter: newMeter(cfg, jobs), observe: observe, losses: newLosses(cfg)}
	e.rester, _ = policy.(rester)
	if w, ok := policy.(witness); ok {
		w.attend(b.q.Evidence)
	}
	if cfg.Hoard {
		plain := newHoarder(cfg, b)
		e.fleet, e.agents = plain, plain
	} else {
		drained := newElastic(cfg, b)
		e.fleet, e.agents = drained, drained
	}
	return e, nil
}

func (e *engine) run() error {
	tick := time.Duration(0)
	for n := 0; ; n++ {
		if n%stopEvery == 0 && e.cfg.Stop != nil {
			if err := e.cfg.Stop(); err != nil {
				return err
			}
		}
		if tick < e.calm {
			e.advance(tick)
		} else if err := e.until(tick); err != nil {
			return err
		}
		ended := e.cfg.Until > 0 && e.now >= e.cfg.Until
		if e.done() || ended || e.stalled > stallLimit {
			return nil
		}
		if err := e.decide(); err != nil {
			return err
		}
		tick = e.nextTick(tick)
		if e.rester != nil && tick < e.calm {
			tick = e.coast(tick)
		}
	}
}

// quiet is when something may happen or be done next by itself: a job ends or
// comes, a host joins, the queue or the fleet has to look again. Until then a
// decision changes something only where the goal does.
func (e *engine) quiet() time.Duration {
	at := e.fleet.quiet(e.goal)
	if at == 0 || e.batch.changed || e.done() {
		return 0 // most often
	}
	at = min(at, e.batch.nextEnd(), e.batch.nextWake(), e.fleet.next(), e.nextSubmit(), e.losses.next)
	if e.cfg.Until > 0 {
		at = min(at, e.cfg.Until)
	}
	return at
}

func (e *engine) done() bool { return e.meter.ended == len(e.batch.jobs) }

// nextTick is the next time of a decision. While there is nothing to decide
// on, that is the first one after the next submission.
func (e *engine) nextTick(tick time.Duration) time.Duration {
	tick += e.cfg.Period
	if e.batch.running+e.batch.pending > 0 || e.fleet.totals().allocated > 0 || e.goal > 0 {
		return tick
	}
	if at := e.nextSubmit(); at != never && at > tick {
		tick = at - (at-tick)%e.cfg.Period
	}
	return tick
}

// until handles all events up to a time, and stands there after.
func (e *engine) until(limit time.Duration) error {
	for !e.done() {
		at := min(e.batch.nextEnd(), e.fleet.next(), e.nextSubmit(), e.losses.next)
		if at > limit {
			e.advance(limit)
			return nil
		}
		e.advance(at)
		if err := e.events(at); err != nil {
			return fmt.Errorf("simulate at %v: %w", at, err)
		}
		e.batch.schedule(at)
	}
	return nil
}

// events handles what happens at one time: ends before joins before submissions.
func (e *engine) events(at time.Duration) error {
	for e.batch.nextEnd() == at {
		j, started, err := e.batch.finish(at)
		if err != nil {
			return err
		}
		e.meter.end(at, j, started)
		e.stalled = 0
	}
	for e.fleet.next() == at {
		if err := e.fleet.happen(at); err != nil {
			return err
		}
	}
	for e.losses.next == at {
		if err := e.agents.lose(at, e.losses.rng.IntN(len(e.cfg.Agents))); err != nil {
			return err
		}
		e.losses.draw()
	}
	for e.nextSubmit() == at {
		if err := e.batch.submit(at); err != nil {
			return err
		}
	}
	return nil
}

// advance moves the clock; the meter sees for how long what was, was.
func (e *engine) advance(to time.Duration) {
	e.meter.pass(to-e.now, e.batch, e.fleet.totals().allocated)
	if e.batch.pending > 0 && e.batch.running == 0 {
		e.stalled += to - e.now
	}
	e.now = to
}

func (e *engine) decide() error {
	e.batch.look()
	e.load = e.measure()
	if goal := e.policy.Decide(date(e.now), e.load); goal != e.goal || e.now >= e.calm {
		e.goal = goal
		if err := e.fleet.steer(e.now, e.goal); err != nil {
			return fmt.Errorf("simulate at %v: %w", e.now, err)
		}
		e.batch.schedule(e.now)
		e.calm = e.quiet()
	}
	e.meter.decided(e.now, &e.load, e.goal)
	e.show(e.now)
	return nil
}

// measure is the load as it is.
func (e *engine) measure() controller.Load {
	held := e.fleet.totals()
	load := controller.Load{
		Running: e.batch.running, Pending: e.batch.pending, FirstNeed: max(e.batch.load.FirstNeed, held.need),
		Supply: held.supply, InFlight: held.inFlight, Withheld: held.withheld, Draining: e.batch.draining,
	}
	if len(e.cfg.Queues) > 0 { // else they are the default ones, which weigh 1
		load.Weight = e.batch.load.PendingWeight
	}
	return load
}

func (e *engine) show(at time.Duration) {
	if e.observe != nil {
		e.observe(Sample{At: at, Load: e.load, Goal: e.goal, Allocated: e.fleet.totals().allocated})
	}
}

func (e *engine) nextSubmit() time.Duration {
	if e.batch.submitted == len(e.batch.jobs) {
		return never
	}
	return e.batch.jobs[e.batch.submitted].Submit
}
