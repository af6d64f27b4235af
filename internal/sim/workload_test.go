package sim

import (
	"errors"
	"math"
	"math/bits"
	"reflect"
	"testing"
	"time"

	"gonum.org/v1/gonum/stat"
)

// What the model's paper says of its jobs, for the parameters of all jobs on 128 processors.
func TestLublin(t *testing.T) {
	l := Lublin{Jobs: 40_000, Slots: 128, Kind: LublinAll, Rate: 1, Seed: 7}
	jobs, err := l.Generate()
	if err != nil {
		t.Fatal(err)
	}
	serial, pow2, large := 0.0, 0.0, 0
	var shortRuns, longRuns []float64
	perHour := [24]float64{}
	for i, j := range jobs {
		if i > 0 && j.Submit < jobs[i-1].Submit {
			t.Fatalf("job %d is submitted before the one before it", i)
		}
		if j.Run <= 0 || j.Run.Seconds() > math.Exp(lublinMaxRun) || j.Slots < 1 || j.Slots > 128 {
			t.Fatalf("job %d: %+v", i, j)
		}
		perHour[int(j.Submit.Hours())%24]++
		switch {
		case j.Slots == 1:
			serial++
			shortRuns = append(shortRuns, math.Log(j.Run.Seconds()))
		case bits.OnesCount(uint(j.Slots)) == 1:
			pow2++
		}
		if j.Slots > 16 {
			large++
			longRuns = append(longRuns, math.Log(j.Run.Seconds()))
		}
	}
	near := func(what string, got, want, tolerance float64) {
		if math.Abs(got-want) > tolerance {
			t.Errorf("%s: %.4f, want %.4f ± %.4f", what, got, want, tolerance)
		}
	}
	n := float64(len(jobs))
	near("serial jobs", serial/n, 0.244, 0.01)
	if pow2/n < 0.56 || pow2/n > 0.68 {
		t.Errorf("powers of two: %.3f, want 0.576 and some by rounding", pow2/n)
	}
	// A mixture of gammas of mean 3.95 and 9.36, the first with 0.78 − 0.0054·slots.
	near("log run time of serial jobs", stat.Mean(shortRuns, nil), 0.7746*3.948+0.2254*9.36, 0.1)
	if m := stat.Mean(longRuns, nil); m < stat.Mean(shortRuns, nil)+0.3 {
		t.Errorf("larger jobs do not run longer: %.2f", m)
	}
	// Few come before dawn, most in the early afternoon.
	night, day := perHour[3]+perHour[4]+perHour[5], perHour[13]+perHour[14]+perHour[15]
	if day < 3*night {
		t.Errorf("%v jobs by night, %v by day", night, day)
	}
	again, err := l.Generate()
	if err != nil || !reflect.DeepEqual(again, jobs) {
		t.Errorf("another run of the same seed differs: %v", err)
	}
	fast := l
	fast.Rate = 4
	quick, err := fast.Generate()
	if err != nil || quick[999].Submit != jobs[999].Submit/4 {
		t.Errorf("at four times the rate job 999 comes at %v, not a fourth of %v: %v", quick[999].Submit, jobs[999].Submit, err)
	}
	for _, bad := range []Lublin{{}, {Jobs: 1, Slots: 1, Rate: 1}, {Jobs: 1, Slots: 8, Rate: math.NaN()}, {Jobs: 1, Slots: 8, Rate: 1, Kind: 9}} {
		if _, err := bad.Generate(); !errors.Is(err, ErrConfig) {
			t.Errorf("%+v: %v, want an ErrConfig", bad, err)
		}
	}
}

// perSpan counts the submissions from a time until another.
func perSpan(jobs []Job, from, to time.Duration) (n int) {
	for _, j := range jobs {
		if j.Submit >= from && j.Submit < to {
			n++
		}
	}
	return n
}

func TestShapes(t *testing.T) {
	s := Stream{Jobs: 3000, Gap: 10 * time.Second, Run: time.Minute, Seed: 2}
	near := func(what string, got int, want float64) {
		if math.Abs(float64(got)-want) > 5*math.Sqrt(want) {
			t.Errorf("%s: %d submissions, want about %.0f", what, got, want)
		}
	}
	step, err := s.Step(time.Second, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	near("before the step", perSpan(step, 0, time.Hour), 360)
	near("after it", perSpan(step, time.Hour, time.Hour+20*time.Minute), 1200)
	square, err := s.Square(30*time.Minute, 90*time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	for cycle := range 5 {
		begin := time.Duration(cycle) * 2 * time.Hour
		near("on", perSpan(square, begin, begin+30*time.Minute), 180)
		if n := perSpan(square, begin+30*time.Minute, begin+2*time.Hour); n != 0 {
			t.Errorf("%d submissions in a pause", n)
		}
	}
	ramp, err := s.Ramp(2 * time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	near("first half of the ramp", perSpan(ramp, 0, time.Hour), 90)
	near("second half", perSpan(ramp, time.Hour, 2*time.Hour), 270)
	near("at the top", perSpan(ramp, 2*time.Hour, 3*time.Hour), 360)
	for name, jobs := range map[string][]Job{"step": step, "square": square, "ramp": ramp} {
		if len(jobs) != s.Jobs {
			t.Errorf("%s: %d jobs", name, len(jobs))
		}
	}
	for name, make := range map[string]func() ([]Job, error){
		"step": func() ([]Job, error) { return s.Step(-1, 0) }, "square": func() ([]Job, error) { return s.Square(0, time.Hour) },
		"ramp": func() ([]Job, error) { return s.Ramp(0) },
	} {
		if _, err := make(); !errors.Is(err, ErrConfig) {
			t.Errorf("%s: %v, want an ErrConfig", name, err)
		}
	}
}
