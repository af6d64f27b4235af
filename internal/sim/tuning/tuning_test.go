package tuning

import (
	"errors"
	"math"
	"reflect"
	"strings"
	"testing"
	"time"

	"sluice/controller"
	"sluice/controller/tune"
	"sluice/internal/sim"
)

func setup(t *testing.T) Setup {
	t.Helper()
	jobs, err := sim.Stream{Jobs: 300, Gap: 5 * time.Second, Run: 2 * time.Minute, MaxSlots: 4, Seed: 3}.Generate()
	if err != nil {
		t.Fatal(err)
	}
	agents, err := sim.UniformAgents(256, 8)
	if err != nil {
		t.Fatal(err)
	}
	control := controller.DefaultConfig()
	control.MaxSlots = 256
	return Setup{
		Cluster: sim.Config{Agents: agents, HostsPerAgent: 8, JoinDelay: 20 * time.Second, IdleTimeout: time.Minute, Seed: 1, Period: control.Period},
		Control: control, Jobs: jobs, Evaluations: 12, Churn: 0.5,
	}
}

// The cluster's dead time is the join delay; what the search finds is on the table, and no row is worth less than what it was
// measured at.
func TestRun(t *testing.T) {
	s := setup(t)
	told := 0
	s.Progress = func(done, total int) {
		if done < told || done > total {
			t.Errorf("progress %d of %d after %d", done, total, told)
		}
		told = done
	}
	r, err := Run(s)
	if err != nil {
		t.Fatal(err)
	}
	if math.Abs(r.Fit.L-20) > 2 || math.Abs(r.Fit.K-1) > 0.1 {
		t.Errorf("model %+v of a join delay of 20 s", r.Fit)
	}
	if r.Ultimate.Pu < 20 || !(r.Ultimate.Ku > 0) {
		t.Errorf("ultimate point %+v", r.Ultimate)
	}
	first, last := r.Rows[0], r.Rows[len(r.Rows)-1]
	if len(r.Rows) != 2+len(tune.Rules()) || first.Rule != "present" || last.Rule != "search" {
		t.Fatalf("rows %+v", r.Rows)
	}
	if first.Cost != 1.5 || first.Kp != s.Control.Kp || first.Launches == 0 || first.MeanWait == 0 {
		t.Errorf("present gains: %+v", first)
	}
	for _, row := range r.Rows {
		if row.Reason == "" && last.Half > row.Half {
			t.Errorf("the search found %.3f on the half that it saw, %s has %.3f", last.Half, row.Rule, row.Half)
		}
	}
	if b := r.Rows[r.Best]; b.Cost > first.Cost || b.Half > first.Half {
		t.Errorf("best %+v", b)
	}
	s.Progress = nil
	again, err := Run(s)
	if err != nil || !reflect.DeepEqual(again, r) {
		t.Errorf("another run of the same seed differs: %v", err)
	}
}

// Stopped in the search, it shows what it has.
func TestStopped(t *testing.T) {
	s := setup(t)
	stop := errors.New("stop")
	s.Evaluations = 1000
	searching := false
	s.Progress = func(done, _ int) { searching = done > len(tune.Rules())+3 }
	s.Cluster.Stop = func() error {
		if searching {
			return stop
		}
		return nil
	}
	r, err := Run(s)
	if !errors.Is(err, stop) || len(r.Rows) < 1+len(tune.Rules()) {
		t.Errorf("%d rows, %v", len(r.Rows), err)
	}
}

// A recorded run tells the same process as the tests, as far as its goals moved.
func TestFromLog(t *testing.T) {
	s := setup(t)
	var log []controller.Record
	policy, err := sim.NewPID("pid", s.Control)
	if err != nil {
		t.Fatal(err)
	}
	cluster := s.Cluster
	cluster.Target = s.Control.Target
	if _, err := sim.Run(cluster, s.Jobs, policy, func(x sim.Sample) {
		if x.At < 10*time.Minute {
			log = append(log, controller.Record{At: time.Unix(0, 0).Add(x.At), Load: x.Load, Goal: x.Goal})
		}
	}); err != nil {
		t.Fatal(err)
	}
	s.Log, s.Jobs, s.Evaluations = log, nil, 20
	r, err := Run(s)
	if err != nil {
		t.Fatal(err)
	}
	// Some of its steps went down, when the jobs' ends count as a lag: how the 20 s are shared is not told.
	if math.Abs(r.Fit.L+r.Fit.T-20) > 4 {
		t.Errorf("model %+v of a join delay of 20 s", r.Fit)
	}
	for _, row := range r.Rows {
		if row.Reason == "" && (row.Launches != 0 || row.Half != 0 && row.Rule == "present" || !(row.Cost >= 0)) {
			t.Errorf("%+v", row)
		}
	}
	if _, err := Run(Setup{Cluster: s.Cluster, Control: s.Control, Log: log[:3]}); !errors.Is(err, tune.ErrExcitation) {
		t.Errorf("three records: %v", err)
	}
}

func TestPicture(t *testing.T) {
	s := setup(t)
	s.Evaluations = 0
	r, err := Run(s)
	if err != nil {
		t.Fatal(err)
	}
	for format, magic := range map[string]string{"svg": "<?xml", "png": "\x89PNG"} {
		var picture strings.Builder
		if err := r.Picture(&picture, format, s.Control); err != nil {
			t.Fatal(err)
		}
		text := picture.String()
		if !strings.HasPrefix(text, magic) {
			t.Errorf("%s: %.20q", format, text)
		}
		if format == "svg" && (!strings.Contains(text, "SIMC PI") || !strings.Contains(text, "Step response")) {
			t.Error("the picture does not name its curves")
		}
	}
}

func TestClusterTooSmall(t *testing.T) {
	s := setup(t)
	s.Cluster.Agents = []int{1, 1}
	if _, err := Run(s); !errors.Is(err, sim.ErrConfig) {
		t.Errorf("%v, want an ErrConfig", err)
	}
}
