package tuning

import (
	"errors"
	"fmt"
	"math"
	"time"

	"sluice/controller"
	"sluice/controller/tune"
	"sluice/internal/sim"
)

// Setup is what to tune for.
type Setup struct {
	Cluster sim.Config
	// Control has the gains to improve on; all else in it stays.
	Control controller.Config
	// Jobs are the workload, in the order of submission. Without any, gains are judged by the answer of the model in Log.
	Jobs []sim.Job
	// Log is a recorded run to identify the process from, in place of tests on the simulator; nil = there is none.
	Log []controller.Record
	// Evaluations that the search may take, ≥ 0; 0 is no search.
	Evaluations int
	// Churn is how much launches weigh in the cost beside the error, ≥ 0.
	Churn float64
	// Progress is told after each simulation how many of how many were made; may be nil.
	Progress func(done, total int)
}

// Row is gains and how they did.
type Row struct {
	// Rule is the name of the rule, "present" or "search".
	Rule   string `json:"rule"`
	Source string `json:"source,omitempty"`
	tune.Gains
	// IAE is the mean of |y − y*| over the time in which something pends; ITAE weighs it by how long it has lasted, as a part of
	// the present gains' ITAE.
	IAE       float64 `json:"iae"`
	ITAE      float64 `json:"itae"`
	Overshoot float64 `json:"overshoot"`
	Settling  float64 `json:"settling_s"`
	// Launches and the rest are of the simulated workload; 0 without one.
	Launches       int     `json:"launches"`
	MeanWait       float64 `json:"mean_wait_s"`
	OverAllocation float64 `json:"over_allocation"`
	// Cost is what the search makes small: ITAE + churn × launches, each as a part of the present gains'.
	Cost float64 `json:"cost"`
	// Half is the cost on the first half of the jobs, which the search saw; 0 without jobs.
	Half float64 `json:"cost_first_half"`
	// Reason says why the rule gives no gains; "" where it does.
	Reason string `json:"reason,omitempty"`
}

// Report is what was found.
type Report struct {
	Fit      tune.Fit      `json:"model"`
	Ultimate tune.Ultimate `json:"ultimate"`
	// Notes say what has to be known about the two, a line each.
	Notes []string `json:"notes,omitempty"`
	Rows  []Row    `json:"rows"` // present gains first
	// Best is the index in Rows of the least cost; 0 where nothing is better than the present gains by more than noise.
	Best int `json:"best"`
}

// Bounds of the search, and what a rule may propose to be judged at all: beyond them the goal of a real cluster only jumps, and
// each jump is simulated. A model bears more.
var (
	least       = tune.Gains{Kp: 0.001, Ki: 1e-5, Kd: 0.01}
	most        = tune.Gains{Kp: 5, Ki: 0.5, Kd: 5}
	mostOnModel = tune.Gains{Kp: 100, Ki: 50, Kd: 500}
)

func (t *tuner) most() tune.Gains {
	if t.Jobs == nil {
		return mostOnModel
	}
	return most
}

// clearly is by how much the cost must be less to count as better.
const clearly = 0.02

// Run tunes. When Setup.Cluster.Stop ends it, or anything else does, it returns what was found so far beside the error, with
// Rows as far as they were judged. Errors are of the kinds of controller/tune and internal/sim.
func Run(s Setup) (Report, error) {
	t := &tuner{Setup: s, total: 1 + len(tune.Rules())}
	if s.Evaluations > 0 {
		t.total += s.Evaluations + 1
	}
	if err := t.identify(); err != nil {
		return t.report, err
	}
	if err := t.judgeRules(); err != nil {
		return t.report, err
	}
	err := t.search()
	t.choose()
	return t.report, err
}

// tuner is a Run at work.
type tuner struct {
	Setup
	report      Report
	done, total int
	base, half  score // of the present gains
}

// score is what a cost is made of.
type score struct{ itae, launches float64 }

func (t *tuner) identify() (err error) {
	r := &t.report
	if t.Log != nil {
		samples, err := tune.Samples(t.Log)
		if err != nil {
			return err
		}
		if r.Fit, err = tune.Identify(samples); err != nil {
			return err
		}
		r.Ultimate = r.Fit.Ultimate()
		r.note("The ultimate point is the model's: a relay test cannot be made on a log.")
		return nil
	}
	b, err := newBench(&t.Setup)
	if err != nil {
		return err
	}
	if r.Fit, err = b.stepTest(); err != nil {
		return err
	}
	if r.Fit.DeadShare() > 0.9 {
		r.note("A step up is nearly pure dead time: hosts join after a delay, all at once. A step down takes as long as jobs run and is not a part of the model.")
	}
	r.Ultimate, err = b.relayTest()
	if errors.Is(err, tune.ErrOscillation) {
		r.Ultimate, err = r.Fit.Ultimate(), nil
		r.note("The relay test did not oscillate in time: the ultimate point is the model's.")
	}
	return err
}

func (r *Report) note(text string) { r.Notes = append(r.Notes, text) }

func (t *tuner) judgeRules() error {
	present := tune.Gains{Kp: t.Control.Kp, Ki: t.Control.Ki, Kd: t.Control.Kd}
	row := Row{Rule: "present", Gains: present}
	var err error
	if t.base, err = t.measure(present, t.Jobs, &row); err != nil {
		return err
	}
	if t.half, err = t.measure(present, t.firstHalf(), &Row{}); err != nil {
		return err
	}
	row.ITAE, row.Cost, row.Half = 1, 1+t.Churn, 1+t.Churn
	if t.Jobs == nil {
		row.Half = 0
	}
	t.add(row)
	for _, rule := range tune.Rules() {
		row := Row{Rule: rule.Name, Source: rule.Source, Gains: round(rule.Gains(t.report.Fit.Model, t.report.Ultimate))}
		if row.Reason = unfit(row.Gains, t.most()); row.Reason == "" {
			if err := t.judge(&row); err != nil {
				return err
			}
		}
		t.add(row)
	}
	return nil
}

func round(g tune.Gains) tune.Gains {
	return tune.Gains{Kp: tune.Round(g.Kp), Ki: tune.Round(g.Ki), Kd: tune.Round(g.Kd)}
}

// unfit says why gains are not simulated.
func unfit(g, most tune.Gains) string {
	for _, v := range []struct {
		name      string
		val, most float64
	}{{"kp", g.Kp, most.Kp}, {"ki", g.Ki, most.Ki}, {"kd", g.Kd, most.Kd}} {
		if !(v.val <= v.most) {
			return fmt.Sprintf("%s %.3g is more than %g: the goal would only jump", v.name, v.val, v.most)
		}
	}
	return ""
}

func (t *tuner) add(r Row) {
	t.report.Rows = append(t.report.Rows, r)
	t.progress()
}

func (t *tuner) progress() {
	t.done = min(t.done+1, t.total)
	if t.Progress != nil {
		t.Progress(t.done, t.total)
	}
}

func (t *tuner) firstHalf() []sim.Job { return t.Jobs[:(len(t.Jobs)+1)/2] }

// judge fills in a row.
func (t *tuner) judge(row *Row) error {
	all, err := t.measure(row.Gains, t.Jobs, row)
	if err != nil {
		return err
	}
	row.ITAE, row.Cost = ratio(all.itae, t.base.itae), t.cost(all, t.base)
	if t.Jobs == nil {
		return nil
	}
	half, err := t.measure(row.Gains, t.firstHalf(), &Row{})
	row.Half = t.cost(half, t.half)
	return err
}

func (t *tuner) cost(s, base score) float64 {
	return ratio(s.itae, base.itae) + t.Churn*ratio(s.launches, base.launches)
}

// ratio is a part of a base, and 1 of none.
func ratio(v, base float64) float64 {
	if base <= 0 {
		return 1 + v
	}
	return v / base
}

// measure simulates gains on jobs, or without jobs on the model.
func (t *tuner) measure(g tune.Gains, jobs []sim.Job, row *Row) (score, error) {
	cfg := t.Control
	cfg.Kp, cfg.Ki, cfg.Kd = g.Kp, g.Ki, g.Kd
	if t.Jobs == nil {
		return t.onModel(cfg, row)
	}
	policy, err := sim.NewPID("pid", cfg)
	if err != nil {
		return score{}, err
	}
	cluster := t.Cluster
	cluster.Target, cluster.Hoard = cfg.Target, false
	var itae tune.ITAE
	setpoint := cfg.Target / (1 + cfg.Target)
	result, err := sim.Run(cluster, jobs, policy, func(s sim.Sample) {
		if s.Running+s.Pending > 0 {
			itae.Add(s.At.Seconds(), s.Load, setpoint)
		}
	})
	if err != nil {
		return score{}, err
	}
	row.IAE, row.Overshoot, row.Settling = result.IAE, result.Overshoot, result.Settling
	row.Launches, row.MeanWait, row.OverAllocation = result.Launches, result.MeanWait, result.OverAllocation
	return score{itae.Sum(), float64(result.Launches)}, nil
}

// responseSpan is how many times L + T an answer of the model is followed.
const responseSpan = 30

// loss is the disturbance of half-time, as a share of all slots.
const loss = 0.05

func (t *tuner) respond(cfg controller.Config) ([]controller.Record, error) {
	m := t.report.Fit.Model
	steps := int(math.Max(100, math.Min(responseSpan*(m.L+m.T)/cfg.Period.Seconds(), 50_000)))
	return tune.Experiment{Model: m, Control: cfg, Loss: loss, Steps: steps}.Run()
}

func (t *tuner) onModel(cfg controller.Config, row *Row) (score, error) {
	records, err := t.respond(cfg)
	if err != nil {
		return score{}, err
	}
	setpoint := cfg.Target / (1 + cfg.Target)
	var itae tune.ITAE
	peak, off := 0.0, 0.0
	row.Settling = -1
	for i := range records {
		r := &records[i]
		itae.Add(r.At.Sub(records[0].At).Seconds(), r.Load, setpoint)
		if i < len(records)/2 {
			peak = math.Max(peak, r.Y)
			if math.Abs(r.Y-setpoint) > setpoint/10 {
				row.Settling = -1
			} else if row.Settling < 0 {
				row.Settling = r.At.Sub(records[0].At).Seconds()
			}
		}
		off += math.Abs(r.Y - setpoint)
	}
	row.IAE, row.Overshoot = off/float64(len(records)), math.Max(0, peak/setpoint-1)
	return score{itae: itae.Sum()}, nil
}

// search looks for better gains on the first half of the jobs, and judges the best on all.
func (t *tuner) search() error {
	if t.Evaluations == 0 {
		return nil
	}
	s := tune.Search{Low: least, High: t.most(), Evaluations: t.Evaluations, Seed: t.Cluster.Seed}
	for _, row := range t.report.Rows {
		if row.Reason == "" {
			s.Start = append(s.Start, row.Gains)
		}
	}
	jobs, base := t.firstHalf(), t.half
	if t.Jobs == nil {
		base = t.base
	}
	s.Cost = func(g tune.Gains) (float64, error) {
		got, err := t.measure(g, jobs, &Row{})
		if err != nil {
			return 0, err
		}
		t.progress()
		return t.cost(got, base), nil
	}
	best, err := s.Run()
	if best.Evaluations == 0 {
		return err
	}
	row := Row{Rule: "search", Gains: best.Gains}
	if err != nil { // stopped: what is known is known of the half
		row.Reason, row.Half = "not judged on all jobs: stopped", best.Cost
		t.report.Rows = append(t.report.Rows, row)
		return err
	}
	if err := t.judge(&row); err != nil {
		return err
	}
	t.done = t.total - 1
	t.add(row)
	return nil
}

// choose picks the row of least cost that is clearly better than the present gains on all jobs, and not worse on the first
// half: what is better by chance is seldom so twice.
func (t *tuner) choose() {
	rows := t.report.Rows
	for i := range rows {
		if r := &rows[i]; r.Reason == "" && r.Half <= rows[0].Half && r.Cost < rows[0].Cost*(1-clearly) && r.Cost < rows[t.report.Best].Cost {
			t.report.Best = i
		}
	}
}

// Response is how the identified model answers with the gains of a row: running/(running+pending) over time.
func (r *Report) Response(control controller.Config, row *Row) (at []time.Duration, y []float64, err error) {
	control.Kp, control.Ki, control.Kd = row.Kp, row.Ki, row.Kd
	t := tuner{report: *r}
	records, err := t.respond(control)
	for i := range records {
		at = append(at, records[i].At.Sub(records[0].At))
		y = append(y, records[i].Y)
	}
	return at, y, err
}
