package framework

import (
	"flag"
	"fmt"
	"os"
	"slices"
	"testing"

	"sluice/framework/minimesos"
)

// TestMain lets more tests run beside each other than there are processors: they wait for clocks and other processes.
func TestMain(m *testing.M) {
	if err := flag.Set("test.parallel", "8"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// TestHostsComeAndGo is the main path: need, hosts; no need, none, and the framework silent.
func TestHostsComeAndGo(t *testing.T) {
	r := newRig(t, minimesos.Config{})
	r.start()
	r.want(6)
	if s := r.fw.Status(); !s.Connected || s.FrameworkID != r.store.id() || s.Master != r.cluster.URL() || !s.Suppressed {
		t.Errorf("status %+v", s)
	}
	r.batch.busy(true)
	before := r.tasks()
	r.goal = 0
	r.batch.need(nil)
	r.wait("drains", func() bool { return r.fw.Status().Hosts["closed"] == len(before) })
	if now := r.tasks(); !slices.Equal(now, before) {
		t.Fatalf("tasks with jobs were ended: %v → %v", before, now)
	}
	r.batch.busy(false)
	r.wait("nothing left", r.empty)
	if s := r.fw.Status(); !s.Suppressed || s.Supply != 0 || s.Kills < len(before) {
		t.Errorf("status %+v", s)
	}
}
