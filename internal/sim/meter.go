package sim

import (
	"math"
	"slices"
	"time"

	"sluice/controller"
)

// Result is how a policy did. Its JSON is what `sluice simulate --json` prints.
type Result struct {
	Policy string  `json:"policy"`
	Target float64 `json:"target"`
	Jobs   int     `json:"jobs"`
	// Waits of the jobs that ended, in seconds. The bounded slowdown is
	// max(1, (wait+run)/max(run, 10 s)), in the mean; the ratio weighs wait and
	// run by slots: Little's law promises 1/τ.
	MeanWait            float64 `json:"mean_wait_s"`
	P95Wait             float64 `json:"p95_wait_s"`
	MeanBoundedSlowdown float64 `json:"mean_bounded_slowdown"`
	WaitPerRun          float64 `json:"wait_per_run"`
	// Makespan is from the first submission to the last end.
	Makespan float64 `json:"makespan_s"`
	// Slot-seconds that jobs ran for and that hosts were held for, and the
	// excess of the latter as a part of the former.
	UsedSlotSeconds      float64 `json:"used_slot_s"`
	AllocatedSlotSeconds float64 `json:"allocated_slot_s"`
	OverAllocation       float64 `json:"over_allocation"`
	// Launches of hosts, and what became of offers.
	Launches       int `json:"launches"`
	OffersAccepted int `json:"offers_accepted"`
	OffersDeclined int `json:"offers_declined"`
	// IAE is the mean of |y − y*| over the time in which something pends.
	IAE float64 `json:"iae"`
	// Overshoot is how far the greatest supply was above the greatest need, the
	// larger of N·y* and the first job's need, as a part of it.
	Overshoot float64 `json:"overshoot"`
	// Settling is from the first submission until y was first within a tenth of
	// y* for ten decisions on end; −1 if it never was.
	Settling float64 `json:"settling_s"`
	// ReversalsPerHour counts changes of the goal's direction, per hour with jobs.
	ReversalsPerHour float64 `json:"reversals_per_hour"`
	// Reruns counts jobs that began again because their agent was lost, and the
	// slot-seconds that they had run for.
	Reruns          int     `json:"reruns,omitempty"`
	LostSlotSeconds float64 `json:"lost_slot_s,omitempty"`
	// Intent is how near the promise was kept, of policies that make one.
	Intent *Verdict `json:"intent,omitempty"`
	// Queues is the mean wait by queue, in seconds, where Config.Queues are given.
	Queues map[string]float64 `json:"mean_wait_by_queue_s,omitempty"`
}

// slowdownBound is the run time below which a job counts as this long.
const slowdownBound = 10 * time.Second

// settledFor is how many decisions on end must find y near y*.
const settledFor = 10

// meter gathers a Result.
type meter struct {
	target, setpoint float64

	first, last time.Duration // submission, end
	ended       int
	waits       []time.Duration
	slowdowns   float64
	slotWait    float64
	used, alloc float64 // slot-seconds
	deviation   float64 // ∫|y − y*| dt while something pends
	busy        float64 // seconds with jobs
	peakSupply  int
	peakNeed    float64
	near        int
	settled     time.Duration
	direction   int
	goal        int
	reversals   int
	queues      map[string]*queueWaits // nil where nobody asks for them
}

// queueWaits are the jobs of a queue that ended, and the seconds that they waited.
type queueWaits struct{ jobs, wait float64 }

func newMeter(cfg *Config, jobs []Job) *meter {
	m := &meter{target: cfg.Target, setpoint: cfg.Target / (1 + cfg.Target), settled: -1}
	m.waits = make([]time.Duration, 0, len(jobs))
	if len(cfg.Queues) > 0 {
		m.queues = make(map[string]*queueWaits)
	}
	if len(jobs) > 0 {
		m.first = jobs[0].Submit
	}
	return m
}

// pass accounts for a time in which nothing changed.
func (m *meter) pass(elapsed time.Duration, b *batch, allocated int) {
	if elapsed == 0 {
		return
	}
	dt := elapsed.Seconds()
	m.used += dt * float64(b.running)
	m.alloc += dt * float64(allocated)
	n := b.running + b.pending
	if n > 0 {
		m.busy += dt
	}
	if b.pending > 0 {
		m.deviation += dt * math.Abs(float64(b.running)/float64(n)-m.setpoint)
	}
}

// passAgain is n times pass. It adds one by one, so that it makes no difference
// to the sums which of both it was.
func (m *meter) passAgain(n int, each time.Duration, b *batch, allocated int) {
	one := meter{setpoint: m.setpoint}
	one.pass(each, b, allocated)
	for range n {
		m.used += one.used
		m.alloc += one.alloc
		m.busy += one.busy
		m.deviation += one.deviation
	}
}

// end accounts for a job.
func (m *meter) end(now time.Duration, j *Job, started time.Duration) {
	wait := started - j.Submit
	m.ended++
	m.last = now
	m.waits = append(m.waits, wait)
	m.slowdowns += max(1, (wait+j.Run).Seconds()/max(j.Run, slowdownBound).Seconds())
	m.slotWait += wait.Seconds() * float64(j.Slots)
	if m.queues == nil {
		return
	}
	if m.queues[j.Queue] == nil {
		m.queues[j.Queue] = &queueWaits{}
	}
	m.queues[j.Queue].jobs++
	m.queues[j.Queue].wait += wait.Seconds()
}

// decided accounts for a decision on a load.
func (m *meter) decided(now time.Duration, load *controller.Load, goal int) {
	n := float64(load.Running + load.Pending)
	m.peakSupply = max(m.peakSupply, load.Supply)
	m.peakNeed = max(m.peakNeed, n*m.setpoint, float64(load.FirstNeed))
	if goal != m.goal {
		direction := 1
		if goal < m.goal {
			direction = -1
		}
		if m.direction == -direction {
			m.reversals++
		}
		m.direction, m.goal = direction, goal
	}
	if m.settled >= 0 || n == 0 {
		return
	}
	if y := float64(load.Running) / n; math.Abs(y-m.setpoint) > m.setpoint/10 {
		m.near = 0
		return
	}
	if m.near++; m.near == settledFor {
		m.settled = now
	}
}

// decidedAgain accounts for n decisions like the last one, the first of them at a time.
func (m *meter) decidedAgain(n int, period, first time.Duration) {
	if m.settled >= 0 || m.near == 0 {
		return
	}
	if missing := settledFor - m.near; n >= missing {
		m.settled = first + time.Duration(missing-1)*period
	}
	m.near += n
}

func (m *meter) result(policy string, held *totals) Result {
	r := Result{
		Policy: policy, Target: m.target, Jobs: m.ended,
		UsedSlotSeconds: m.used, AllocatedSlotSeconds: m.alloc,
		Launches: held.launches, OffersAccepted: held.accepted, OffersDeclined: held.declined,
		Settling: -1,
	}
	if m.settled >= 0 {
		r.Settling = (m.settled - m.first).Seconds()
	}
	if m.ended > 0 {
		r.Makespan = (m.last - m.first).Seconds()
		slices.Sort(m.waits)
		sum := 0.0
		for _, w := range m.waits {
			sum += w.Seconds()
		}
		r.MeanWait = sum / float64(m.ended)
		r.P95Wait = m.waits[(len(m.waits)*95+99)/100-1].Seconds()
		r.MeanBoundedSlowdown = m.slowdowns / float64(m.ended)
	}
	if m.used > 0 {
		r.WaitPerRun = m.slotWait / m.used
		r.OverAllocation = (m.alloc - m.used) / m.used
	}
	if r.Makespan > 0 {
		r.IAE = m.deviation / r.Makespan
	}
	if m.peakNeed > 0 {
		r.Overshoot = math.Max(0, float64(m.peakSupply)/math.Ceil(m.peakNeed)-1)
	}
	if m.busy > 0 {
		r.ReversalsPerHour = float64(m.reversals) / (m.busy / 3600)
	}
	for name, q := range m.queues {
		if r.Queues == nil {
			r.Queues = make(map[string]float64, len(m.queues))
		}
		r.Queues[name] = q.wait / q.jobs
	}
	return r
}
