package sim

import (
	"fmt"
	"slices"
	"time"

	"sluice/controller"
	"sluice/queue"
)

// witness is a policy that looks at what starts and ends have told, too.
type witness interface {
	// attend tells it where to look.
	attend(evidence func() queue.Evidence)
	// testify writes into a result how near the promise was kept.
	testify(r *Result)
}

var (
	_ Policy  = (*intent)(nil)
	_ witness = (*intent)(nil)
)

// intent is the controller with the outer loop around it, as internal/app wires them.
type intent struct {
	ctl   *controller.Controller
	outer *controller.Outer
	last  time.Time

	evidence func() queue.Evidence
	seen     queue.Evidence
	shown    controller.Evidence
	marks    [2]controller.Evidence // when so many jobs had started as twice before, and before
}

// NewIntent is the controller whose target an outer loop moves, so that the
// intent of the limits holds on the evidence of the real queue. It begins at the
// configuration's target. The error is a controller.ErrConfig.
func NewIntent(cfg controller.Config, limits controller.OuterConfig) (Policy, error) {
	if limits.Intent == (controller.Intent{}) {
		return nil, fmt.Errorf("%w: intent none: want one, as in wait<=10m", controller.ErrConfig)
	}
	outer, err := controller.NewOuter(limits, cfg.Period, cfg.Target)
	if err != nil {
		return nil, err
	}
	cfg.Target = outer.Last().Target
	ctl, err := controller.New(cfg)
	if err != nil {
		return nil, err
	}
	return &intent{ctl: ctl, outer: outer}, nil
}

// Name is the intent.
func (p *intent) Name() string { return p.outer.Config().Intent.String() }

func (p *intent) attend(evidence func() queue.Evidence) { p.evidence = evidence }

// Decide steps both loops.
func (p *intent) Decide(now time.Time, load controller.Load) int {
	p.look()
	p.sleep(now)
	rec, err := p.ctl.Step(now, load)
	if err != nil {
		rec = p.ctl.Hold(now)
	}
	p.move(&rec)
	return p.ctl.Goal()
}

// sleep gives the outer loop the time that the simulator left out because there
// was no job: a system that runs polls on.
func (p *intent) sleep(now time.Time) {
	period := p.ctl.Config().Period
	if p.last.IsZero() {
		p.last = now
	}
	for stride := maxStride * period; now.Sub(p.last) > stride; {
		p.last = p.last.Add(stride)
		p.move(&controller.Record{At: p.last, Saturation: controller.SaturationIdle})
	}
	p.last = now
}

// maxStride is how many periods the outer loop takes for one without doubt of the clock.
const maxStride = 10

func (p *intent) look() {
	p.seen = p.evidence()
	v := &p.seen
	p.shown = controller.Evidence{
		Started: v.Started, StartedSlots: float64(v.StartedSlots), WaitSlotSeconds: v.WaitSlotSeconds,
		Finished: v.Finished, FinishedSlots: float64(v.FinishedSlots), RunSlotSeconds: v.RunSlotSeconds,
		Waits: v.Waits[:], Bounds: queue.WaitBound,
	}
	if v.Started > 0 && v.Started >= 2*p.marks[0].Started {
		p.marks[1], p.marks[0] = p.marks[0], p.shown
		p.marks[0].Waits = slices.Clone(p.shown.Waits)
	}
}

func (p *intent) move(rec *controller.Record) {
	cfg := p.ctl.Config()
	target := p.outer.Step(rec, cfg.Period, &p.shown).Target
	if target == cfg.Target {
		return
	}
	cfg.Target = target
	if err := p.ctl.Configure(rec.At, cfg); err != nil {
		panic(fmt.Sprintf("sim: target %v of the outer loop refused: %v", target, err))
	}
}

// Verdict is how near an intent's promise was kept. Seconds, or a slowdown.
type Verdict struct {
	// Limit is what was promised, Measured what came, over all that started, and
	// Settled the same over the last of them, a half or more, when there was time to learn.
	Limit    float64 `json:"limit"`
	Measured float64 `json:"measured"`
	Settled  float64 `json:"settled"`
	// Target is τ at the end, and Reason why.
	Target float64 `json:"target"`
	Reason string  `json:"reason"`
}

// testify measures the whole run, the time before the outer loop had learnt anything included.
func (p *intent) testify(r *Result) {
	p.look()
	i := p.outer.Config().Intent
	v := Verdict{Target: p.outer.Last().Target, Reason: p.outer.Last().Reason}
	since := &p.marks[0]
	if 2*since.Started > p.shown.Started {
		since = &p.marks[1]
	}
	v.Limit, v.Measured, v.Settled = i.Limit(), i.Measure(&controller.Evidence{}, &p.shown), i.Measure(since, &p.shown)
	r.Intent = &v
}
