package tuning

import (
	"fmt"
	"math"
	"slices"
	"time"

	"sluice/controller"
	"sluice/controller/tune"
	"sluice/internal/sim"
)

// The tests hold a backlog of one-slot jobs, which end after the workload's mean run time in the mean and are replaced by as
// many, around the set point.
const (
	maxBacklog = 2000 // slots of jobs
	ofCluster  = 0.6  // part of the cluster that is used at the set point
	stepBy     = 0.3  // of the step and the relay, as a part of the set point
	deadzone   = 0.02 // hysteresis of the relay, as a part of the set point
	relayRuns  = 60   // of mean run and join delay: how long a relay test may take
)

// bench is where the tests are made.
type bench struct {
	cluster  sim.Config
	control  controller.Config
	setpoint float64
	backlog  int
	run      time.Duration // mean run time
	settle   time.Duration // until what was launched surely runs
}

func newBench(s *Setup) (*bench, error) {
	total := 0
	for _, slots := range s.Cluster.Agents {
		total += slots
	}
	b := &bench{cluster: s.Cluster, control: s.Control, setpoint: s.Control.Target / (1 + s.Control.Target)}
	b.backlog = int(math.Min(maxBacklog, ofCluster*float64(total)/b.setpoint))
	if float64(b.backlog)*b.setpoint < 1/stepBy {
		return nil, fmt.Errorf("%w: %d slots: a step of a third of a slot shows nothing: want a larger cluster", sim.ErrConfig, total)
	}
	work, slots := 0.0, 0.0
	for _, j := range s.Jobs {
		work += j.Run.Seconds() * float64(j.Slots)
		slots += float64(j.Slots)
	}
	b.run = max(time.Duration(work/slots*float64(time.Second)), s.Control.Period)
	b.settle = 5*(s.Cluster.JoinDelay+s.Control.Period) + time.Minute
	b.cluster.Target, b.cluster.Hoard = s.Control.Target, false
	return b, nil
}

// jobs is the backlog and what replaces it for a time.
func (b *bench) jobs(span time.Duration) ([]sim.Job, error) {
	first, err := sim.Stream{Jobs: b.backlog, Run: b.run, Seed: b.cluster.Seed}.Generate()
	if err != nil {
		return nil, err
	}
	gap := time.Duration(float64(b.run) / (b.setpoint * float64(b.backlog)))
	later, err := sim.Stream{Jobs: int(span/max(gap, 1)) + 1, Gap: gap, Run: b.run, Seed: b.cluster.Seed + 1}.Generate()
	if err != nil {
		return nil, err
	}
	return append(first, later...), nil
}

// program is a test's policy: a goal as a share of all slots of jobs.
type program struct {
	share func(at time.Time, load controller.Load) float64
	most  int
}

var _ sim.Policy = (*program)(nil)

// Name is as in sim.Policy.
func (p *program) Name() string { return "test" }

// Decide is as in sim.Policy.
func (p *program) Decide(now time.Time, load controller.Load) int {
	n := float64(load.Running + load.Pending)
	return int(math.Round(math.Min(math.Max(p.share(now, load), 0)*n, float64(p.most))))
}

func (b *bench) simulate(span time.Duration, share func(time.Time, controller.Load) float64, observe func(sim.Sample)) error {
	jobs, err := b.jobs(span)
	if err != nil {
		return err
	}
	cluster := b.cluster
	cluster.Until = span
	policy := &program{share: share, most: sum(cluster.Agents)}
	_, err = sim.Run(cluster, jobs, policy, observe)
	return err
}

func sum(agents []int) (total int) {
	for _, n := range agents {
		total += n
	}
	return total
}

// stepTest steps the goal from nothing to the set point and above, and fits what came of it. A step down is not made: what
// runs is not taken back, so it would show the run times of the jobs, which are no property of the cluster.
func (b *bench) stepTest() (tune.Fit, error) {
	var records []controller.Record
	began := time.Time{}
	err := b.simulate(2*b.settle, func(now time.Time, _ controller.Load) float64 {
		if began.IsZero() {
			began = now
		}
		if now.Sub(began) < b.settle {
			return b.setpoint
		}
		return (1 + stepBy) * b.setpoint
	}, func(s sim.Sample) {
		records = append(records, controller.Record{At: time.Unix(0, 0).Add(s.At), Load: s.Load, Goal: s.Goal})
	})
	if err != nil {
		return tune.Fit{}, err
	}
	samples, err := tune.Samples(slices.Clip(records))
	if err != nil {
		return tune.Fit{}, err
	}
	return tune.Identify(samples)
}

// relayTest lets the cluster oscillate around the set point.
func (b *bench) relayTest() (tune.Ultimate, error) {
	relay, err := tune.NewRelay(b.setpoint, b.setpoint, stepBy*b.setpoint, deadzone*b.setpoint)
	if err != nil {
		return tune.Ultimate{}, err
	}
	begin := time.Time{}
	err = b.simulate(relayRuns*(b.run+b.settle), func(now time.Time, load controller.Load) float64 {
		if begin.IsZero() {
			begin = now
		}
		n := load.Running + load.Pending
		if n == 0 || relay.Done() {
			return 0
		}
		return relay.Step(now.Sub(begin).Seconds(), float64(load.Running)/float64(n))
	}, nil)
	if err != nil {
		return tune.Ultimate{}, err
	}
	return relay.Ultimate()
}
