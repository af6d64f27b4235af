package app

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/sirupsen/logrus"

	"sluice/controller"
	"sluice/framework/fleet"
	"sluice/queue"
)

// poller is the batch system as the control loop sees it.
type poller interface {
	Poll(ctx context.Context) (queue.Snapshot, error)
	// Await tells of slots that will be brought once the first pending job can start with them.
	Await(ctx context.Context, slots int) error
}

// supplier is the framework as the control loop sees it.
type supplier interface {
	// SetGoal hands over a goal and the snapshot that it was made of; it does not block.
	SetGoal(goal int, snapshot queue.Snapshot)
	// Supply is the slots that are held and to come.
	Supply() fleet.Holding
}

// loop closes the control loop: once a period it polls the batch system, steps the controller and hands the goal to the
// framework. A poll that fails or comes late is not a load of zero: the goal is held and nothing is handed over, so that
// the fleet decides nothing on stale data.
type loop struct {
	batch    poller
	fleet    supplier
	log      logrus.FieldLogger
	observer func(controller.Record) // of every step; may be nil
	awaited  int                     // what the batch system was told of last

	mu         sync.Mutex
	controller *controller.Controller
	outer      *controller.Outer // nil = no intent
	limits     controller.OuterConfig
	fixed      float64 // the target that an operator set
	last       controller.Record
	load       queue.Load
	held       int       // slots of all hosts
	polled     time.Time // the last good poll
	paused     bool
	errors     int
	failure    string // the newest error, "" after a good step

	moved    bool                  // the target, by the intent, since the last look
	remember func(context.Context) // after a move of the target by an intent; may be nil
}

func newLoop(cfg controller.Config, limits controller.OuterConfig, batch poller, fleet supplier, log logrus.FieldLogger) (*loop, error) {
	c, err := controller.New(cfg)
	if err != nil {
		return nil, err
	}
	l := &loop{batch: batch, fleet: fleet, log: log, controller: c, limits: limits, fixed: cfg.Target}
	if limits.Intent != (controller.Intent{}) {
		if l.outer, err = controller.NewOuter(limits, cfg.Period, cfg.Target); err != nil {
			return nil, err
		}
	}
	return l, nil
}

// run steps once a period until ctx ends.
func (l *loop) run(ctx context.Context) {
	ticker := time.NewTicker(l.config().Period)
	defer ticker.Stop()
	for {
		l.step(ctx)
		if l.remember != nil && l.takeMoved() {
			l.remember(ctx)
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// step is one poll and one step of the controller. The poll may take one period: an older answer would be stale.
func (l *loop) step(ctx context.Context) {
	held := l.fleet.Supply()
	limited, cancel := context.WithTimeout(ctx, max(l.config().Period, time.Second))
	snapshot, err := l.poll(limited, held.Coming)
	cancel()
	if ctx.Err() != nil {
		return
	}
	load := controller.Load{Supply: held.Supply, InFlight: held.InFlight, Withheld: held.Withheld, FirstNeed: held.Need}
	record, fresh := l.record(snapshot, err, load)
	if l.observer != nil {
		l.observer(record)
	}
	if fresh {
		l.fleet.SetGoal(record.Goal, snapshot)
	}
}

func (l *loop) poll(ctx context.Context, awaited int) (queue.Snapshot, error) {
	if awaited != l.awaited {
		if err := l.batch.Await(ctx, awaited); err != nil {
			return queue.Snapshot{}, err
		}
		l.awaited = awaited
	}
	return l.batch.Poll(ctx)
}

// record steps the controller, or holds it where there is nothing to step on; fresh tells which. It adds to the load what
// the batch system says.
func (l *loop) record(snapshot queue.Snapshot, err error, load controller.Load) (record controller.Record, fresh bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	if err == nil {
		l.polled, l.load, l.held = now, snapshot.Load, slots(snapshot.Hosts)
		if !l.paused {
			load.Running, load.Pending, load.FirstNeed = snapshot.Load.Running, snapshot.Load.Pending, max(snapshot.Load.FirstNeed, load.FirstNeed)
			load.InFlight = min(load.InFlight, load.Supply)
			load.Draining, load.Weight = draining(snapshot.Hosts), snapshot.Load.PendingWeight
			record, err = l.controller.Step(now, load)
		} else {
			record = l.controller.Hold(now)
		}
	} else {
		record = l.controller.Hold(now)
	}
	if moveErr := l.move(&record, snapshot.Evidence); err == nil {
		err = moveErr
	}
	l.note(err)
	l.last = record
	return record, err == nil
}

func slots(hosts []queue.Host) int {
	n := 0
	for _, h := range hosts {
		n += h.Slots
	}
	return n
}

// draining is the slots in use on closed hosts.
func draining(hosts []queue.Host) int {
	used := 0
	for i := range hosts {
		if hosts[i].Closed != 0 {
			used += hosts[i].Used
		}
	}
	return used
}

// note counts an error and logs it once, when it begins or changes, and once when it is over.
func (l *loop) note(err error) {
	switch {
	case err == nil && l.failure != "":
		l.failure = ""
		l.log.Info("the batch system answers again")
	case err != nil:
		l.errors++
		if text := err.Error(); text != l.failure {
			l.failure = text
			l.log.WithError(err).Warn("the goal is held: no load to decide on")
		}
	}
}

func (l *loop) config() controller.Config {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.controller.Config()
}

func firstLine(err error) string {
	line, _, _ := strings.Cut(err.Error(), "\n")
	return line
}

// errFlex is a minimum that is not a number of slots.
var errFlex = errors.New("flex: want a number of slots from 0")

// apply changes what Control names about the loop, once keep, if not nil, has made it durable: it is told the target and
// intent that will be in force, and the goal now. Nothing is changed where apply returns an error.
func (l *loop) apply(c Control, keep func(aim Control, goal int) error) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	cfg := l.controller.Config()
	outer, fixed, err := l.intend(c)
	if err != nil {
		return err
	}
	switch {
	case outer == nil:
		cfg.Target = fixed
	case outer != l.outer:
		cfg.Target = outer.Last().Target
	}
	for _, v := range []struct{ to, from *float64 }{{&cfg.Kp, c.Kp}, {&cfg.Ki, c.Ki}, {&cfg.Kd, c.Kd}} {
		if v.from != nil {
			*v.to = *v.from
		}
	}
	if c.Flex != nil {
		if *c.Flex < 0 {
			return &queue.Error{Kind: queue.KindInvalid, Code: queue.BadSpec, Text: errFlex.Error()}
		}
		cfg.MinSlots = *c.Flex
	}
	check := cfg
	check.Target = fixed // also one that only waits for the end of an intent
	if err := errors.Join(cfg.Validate(), check.Validate()); err != nil {
		return invalid("%s", firstLine(err))
	}
	if keep != nil {
		if err := keep(aimOf(outer, fixed), l.controller.Goal()); err != nil {
			return err
		}
	}
	if err := l.controller.Configure(time.Now(), cfg); err != nil {
		return fmt.Errorf("configure controller: %w", err)
	}
	l.fixed, l.outer = fixed, outer
	if c.Paused != nil {
		l.paused = *c.Paused
	}
	return nil
}

// fill writes what the loop knows into s.
func (l *loop) fill(s *Status) {
	l.mu.Lock()
	defer l.mu.Unlock()
	cfg := l.controller.Config()
	l.fillIntent(s)
	s.Target, s.Kp, s.Ki, s.Kd = cfg.Target, cfg.Kp, cfg.Ki, cfg.Kd
	s.Running, s.Pending, s.Waiting = l.load.Running, l.load.Pending, l.load.Waiting
	if s.Pending > 0 {
		s.Ratio = float64(s.Running) / float64(s.Pending)
	}
	s.Held = l.held
	s.Goal, s.Paused, s.Errors = l.last.Goal, l.paused, l.errors
	if !l.polled.IsZero() {
		s.PollAgeSeconds = time.Since(l.polled).Seconds()
	}
	s.Reason = l.reason()
}

// reason says in one line why the goal is what it is.
func (l *loop) reason() string {
	if l.outer != nil && l.outer.Last().Bound && !l.paused {
		return l.why() + "; meanwhile the intent cannot be met"
	}
	return l.why()
}

func (l *loop) why() string {
	if l.failure != "" {
		return "held: " + l.failure
	}
	if l.paused {
		return "held: paused by an operator"
	}
	if text, ok := reasons[l.last.Saturation]; ok {
		return text
	}
	return fmt.Sprintf("the law: %.1f slots bring running/pending to %.4g", l.last.U, l.controller.Config().Target)
}

var reasons = map[controller.Saturation]string{
	controller.SaturationIdle:    "no jobs: only the minimum is held",
	controller.SaturationMin:     "the minimum holds the goal up",
	controller.SaturationMax:     "the maximum holds the goal down",
	controller.SaturationStep:    "the step limit delays the rise",
	controller.SaturationSupply:  "Mesos has not granted all of the goal yet",
	controller.SaturationNeed:    "the first pending job needs more than the target calls for",
	controller.SaturationStarved: "the first pending job needs more than the maximum: it cannot start",
	controller.SaturationDemand:  "the jobs could not use more",
	controller.SaturationScaleIn: "a surplus is kept until it has lasted the scale-in delay",
}
