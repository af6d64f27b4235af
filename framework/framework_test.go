package framework

import (
	"slices"
	"testing"

	"sluice/framework/minimesos"
)

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
