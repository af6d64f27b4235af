package sim

import (
	"fmt"
	"math"
	"slices"
	"time"

	"sluice/controller"
)

// Policy decides how many slots to hold. It is asked once a period, with the
// same load that the controller gets, and may keep state.
type Policy interface {
	// Name is what the table calls it.
	Name() string
	// Decide returns the slots to hold from now on.
	Decide(now time.Time, load controller.Load) int
}

var (
	_ Policy = (*greedy)(nil)
	_ Policy = (*static)(nil)
	_ Policy = (*seed)(nil)
	_ Policy = (*hpa)(nil)
	_ Policy = (*pid)(nil)
)

type greedy struct{ slots int }

// NewGreedy holds all slots of the cluster while anything is pending.
func NewGreedy(slots int) Policy { return &greedy{slots} }

// Name is as in Policy.
func (p *greedy) Name() string { return "greedy" }

// Decide is as in Policy.
func (p *greedy) Decide(_ time.Time, load controller.Load) int {
	if load.Pending == 0 {
		return 0
	}
	return p.slots
}

type static struct{ slots int }

// NewStatic holds the same slots always.
func NewStatic(slots int) Policy { return &static{slots} }

// Name is as in Policy.
func (p *static) Name() string { return fmt.Sprintf("static:%d", p.slots) }

// Decide is as in Policy.
func (p *static) Decide(time.Time, controller.Load) int { return p.slots }

// seed is the law of "Controlling a Mesos Framework" (2017), unscaled, with
// the gains and the measured value of its later code.
type seed struct {
	target    float64
	hostSlots int
	integral  float64
	last      float64
	lastAt    time.Time
}

// Constants of the seed's code: gains, and the range of outputs outside of
// which its integral is frozen.
const (
	seedKp, seedKi, seedKd = 1.0, 0.2, 0.01
	seedLow, seedHigh      = 0, 100
)

// NewSeed is the law that the controller descends from: its goal is a number
// of tasks, each of hostSlots slots, from the ratio running/(running+pending)
// to the target. It does not scale with the load, is unlimited, and freezes
// its integral while the output is out of range. Without jobs it runs down.
func NewSeed(target float64, hostSlots int) Policy {
	return &seed{target: target, hostSlots: hostSlots}
}

// Name is as in Policy.
func (p *seed) Name() string { return "seed" }

// Decide is as in Policy.
func (p *seed) Decide(now time.Time, load controller.Load) int {
	var target, ratio float64
	if load.Pending > 0 {
		target = p.target
	}
	if n := load.Running + load.Pending; n > 0 {
		ratio = float64(load.Running) / float64(n)
	} else {
		ratio = float64(load.Supply) / float64(p.hostSlots) / 10
	}
	e := target - ratio
	dt := now.Sub(p.lastAt).Seconds()
	slope := 0.0
	if p.lastAt.IsZero() {
		dt = 1
	} else {
		slope = (e - p.last) / dt
	}
	p.last, p.lastAt = e, now
	out := seedKp*e + seedKi*(p.integral+e*dt) + seedKd*slope
	if out >= seedLow && out <= seedHigh {
		p.integral += e * dt
	}
	return max(0, int(out)) * p.hostSlots
}

// hpa is the rule of the Kubernetes Horizontal Pod Autoscaler on the demand
// per held slot, with its defaults.
type hpa struct {
	perSlot float64 // demand per slot that is aimed at
	at      time.Time
	goal    int
	grow    int // least slots that a scale-up may add
	wants   []hpaWant
}

type hpaWant struct {
	at   time.Time
	want int
}

// Defaults of the autoscaler: sync period, tolerance, stabilisation window for
// scaling down, and scaling up by the greater of 4 pods and 100 % per period.
const (
	hpaPeriod    = 15 * time.Second
	hpaTolerance = 0.1
	hpaWindow    = 300 * time.Second
	hpaPods      = 4
)

// NewHPA is the autoscaler that aims at the running and pending slots per held
// slot that the target τ = running/pending stands for, (1+τ)/τ; a pod is a
// host of hostSlots slots. It never goes below one pod nor, so that it can end at
// all, below what the first pending job needs.
func NewHPA(target float64, hostSlots int) Policy {
	return &hpa{perSlot: (1 + target) / target, goal: hostSlots, grow: hpaPods * hostSlots}
}

// Name is as in Policy.
func (p *hpa) Name() string { return "hpa" }

// Decide is as in Policy.
func (p *hpa) Decide(now time.Time, load controller.Load) int {
	if !p.at.IsZero() && now.Sub(p.at) < hpaPeriod {
		return p.goal
	}
	p.at = now
	minimum := p.grow / hpaPods
	want := p.goal
	usage := float64(load.Running+load.Pending) / float64(p.goal) / p.perSlot
	if math.Abs(usage-1) > hpaTolerance {
		want = int(math.Ceil(float64(p.goal) * usage))
	}
	want = max(minimum, load.FirstNeed, min(want, p.goal+max(p.goal, p.grow)))
	p.wants = slices.DeleteFunc(p.wants, func(w hpaWant) bool { return now.Sub(w.at) >= hpaWindow })
	p.wants = append(p.wants, hpaWant{now, want})
	for _, w := range p.wants {
		if want < p.goal {
			want = max(want, min(w.want, p.goal))
		}
	}
	p.goal = want
	return p.goal
}

type pid struct {
	name string
	ctl  *controller.Controller
}

// NewPID is the controller itself. The name tells variants apart.
func NewPID(name string, cfg controller.Config) (Policy, error) {
	ctl, err := controller.New(cfg)
	if err != nil {
		return nil, err
	}
	return &pid{name, ctl}, nil
}

// Name is as in Policy.
func (p *pid) Name() string { return p.name }

// Decide steps the controller; what it refuses it holds.
func (p *pid) Decide(now time.Time, load controller.Load) int {
	if _, err := p.ctl.Step(now, load); err != nil {
		p.ctl.Hold(now)
	}
	return p.ctl.Goal()
}
