package sim

import (
	"fmt"
	"math"
	"math/rand/v2"
	"time"

	"gonum.org/v1/gonum/stat/distuv"
)

// Lublin is the workload model of Lublin and Feitelson, "The workload on parallel supercomputers: modeling the
// characteristics of rigid jobs", Journal of Parallel and Distributed Computing 63(11), 2003, with the parameters of their
// program m_lublin99. It begins at midnight.
type Lublin struct {
	// Jobs is how many are submitted.
	Jobs int
	// Slots is the size of the machine, ≥ 2: the largest job.
	Slots int
	// Kind is whose parameters are taken.
	Kind LublinKind
	// Rate multiplies the rate of arrivals, > 0; 1 is the model's.
	Rate float64
	// Seed decides everything that is random.
	Seed uint64
}

// LublinKind is a population of the model.
type LublinKind uint8

// The populations for which parameters were published.
const (
	LublinAll LublinKind = iota
	LublinBatch
	LublinInteractive
)

// gammaDist is a gamma distribution of shape a and scale b.
type gammaDist struct{ a, b float64 }

func (g gammaDist) of(src rand.Source) distuv.Gamma {
	return distuv.Gamma{Alpha: g.a, Beta: 1 / g.b, Src: src}
}

// lublinParameters in the paper's names. The logarithm of run times is hyper-gamma: the first gamma with the probability
// pa·slots + pb. The logarithm of the time between arrivals at rush hour is gamma(arr), stretched by arar for the whole day;
// gamma(num) spreads arrivals over the day. Sizes are 1 with the probability serial, powers of two with pow2, and else
// any; their log2 is uniform from uLow to uMed with the probability uProb, else from there to that of the machine.
type lublinParameters struct {
	serial, pow2, uLow, belowHigh, uProb float64
	short, long                          gammaDist
	pa, pb                               float64
	arr, num                             gammaDist
	arar                                 float64
}

var lublinOf = [...]lublinParameters{
	LublinAll: {
		serial: 0.244, pow2: 0.576, uLow: 0.8, belowHigh: 2.5, uProb: 0.86,
		short: gammaDist{4.2, 0.94}, long: gammaDist{312, 0.03}, pa: -0.0054, pb: 0.78,
		arr: gammaDist{10.2303, 0.4871}, num: gammaDist{8.1737, 3.9631}, arar: 1.0225,
	},
	LublinBatch: {
		serial: 0.2927, pow2: 0.6686, uLow: 1.2, belowHigh: 2, uProb: 0.875,
		short: gammaDist{6.57, 0.823}, long: gammaDist{639.1, 0.0156}, pa: -0.003, pb: 0.6986,
		arr: gammaDist{6.0415, 0.8531}, num: gammaDist{6.1271, 5.2740}, arar: 1.0519,
	},
	LublinInteractive: {
		serial: 0.1541, pow2: 0.625, uLow: 1, belowHigh: 2.5, uProb: 0.705,
		short: gammaDist{3.8351, 0.6605}, long: gammaDist{7.073, 0.6856}, pa: -0.0118, pb: 0.9156,
		arr: gammaDist{6.5510, 0.6621}, num: gammaDist{8.9186, 3.6680}, arar: 0.9797,
	},
}

// Constants of the model: larger logarithms of seconds are drawn again, the day has half hours, of which the first of
// gamma(num) is the one at half past five in the morning.
const (
	lublinMaxRun     = 12
	lublinMaxArrival = 13
	lublinBuckets    = 48
	lublinBucket     = 30 * time.Minute
	lublinDayStart   = 11
)

// Generate returns the jobs in the order of submission. The error is an ErrConfig.
func (l Lublin) Generate() ([]Job, error) {
	if l.Jobs < 1 || l.Jobs > maxJobs || l.Slots < 2 || l.Slots > slotsLimit || int(l.Kind) >= len(lublinOf) || !(l.Rate > 0 && l.Rate <= 1e6) {
		return nil, fmt.Errorf("%w: a Lublin workload of %d jobs on %d slots at %v times the rate: want 1 to %d jobs, 2 to %d slots and a rate above 0",
			ErrConfig, l.Jobs, l.Slots, l.Rate, maxJobs, slotsLimit)
	}
	g := lublin{lublinParameters: &lublinOf[l.Kind], rng: rand.New(rand.NewPCG(l.Seed, 0x10b11)), high: math.Log2(float64(l.Slots))}
	day := g.day()
	jobs := make([]Job, l.Jobs)
	for i := range jobs {
		slots := min(g.slots(), l.Slots)
		at := float64(g.arrive(&day)) / l.Rate
		if at > float64(maxSpan) || g.began > maxSpan {
			return nil, fmt.Errorf("%w: job %d of %d would come after %v: want fewer jobs or a higher rate", ErrConfig, i, l.Jobs, maxSpan)
		}
		jobs[i] = Job{Submit: time.Duration(at), Run: max(time.Second, g.run(slots)), Slots: slots}
	}
	return jobs, nil
}

// lublin is the model at work.
type lublin struct {
	*lublinParameters
	rng  *rand.Rand
	high float64 // log2 of the machine's size

	bucket int           // of the day, in which the last job arrived
	began  time.Duration // of the bucket
	points float64       // that were paid for time in it
}

// day is the share of arrivals in each half hour, 1 in the mean.
func (g *lublin) day() (weights [lublinBuckets]float64) {
	arrivals, sum := g.num.of(g.rng), 0.0
	for i := lublinDayStart; i < lublinBuckets+lublinDayStart; i++ {
		w := arrivals.CDF(float64(i)+0.5) - arrivals.CDF(float64(i)-0.5)
		weights[(i-1)%lublinBuckets] = w
		sum += w
	}
	for i := range weights {
		weights[i] *= lublinBuckets / sum
	}
	return weights
}

// arrive is the time of the next job. What is drawn is a number of points, which a half hour costs the more, the more arrivals
// there are in it.
func (g *lublin) arrive(weights *[lublinBuckets]float64) time.Duration {
	between := gammaDist{g.arr.a * g.arar, g.arr.b}.of(g.rng)
	g.points += math.Exp(below(between, lublinMaxArrival)) / lublinBucket.Seconds()
	for g.points > weights[g.bucket] {
		g.points -= weights[g.bucket]
		g.bucket = (g.bucket + 1) % lublinBuckets
		g.began += lublinBucket
	}
	return g.began + time.Duration(g.points/weights[g.bucket]*float64(lublinBucket))
}

// below draws until a value is small enough.
func below(d distuv.Gamma, limit float64) float64 {
	for {
		if v := d.Rand(); v <= limit {
			return v
		}
	}
}

func (g *lublin) slots() int {
	u := g.rng.Float64()
	if u <= g.serial {
		return 1
	}
	low, high := g.uLow, max(g.high-g.belowHigh, g.uLow)
	if g.rng.Float64() > g.uProb {
		low, high = high, max(g.high, high)
	}
	size := low + g.rng.Float64()*(high-low)
	if u <= g.serial+g.pow2 {
		size = math.Round(size)
	}
	return int(math.Round(math.Exp2(size)))
}

func (g *lublin) run(slots int) time.Duration {
	d := g.long
	if g.rng.Float64() <= g.pa*float64(slots)+g.pb {
		d = g.short
	}
	return time.Duration(math.Exp(below(d.of(g.rng), lublinMaxRun)) * float64(time.Second))
}
