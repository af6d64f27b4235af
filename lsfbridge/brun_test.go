package lsfbridge

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"sluice/queue"
)

func TestForcedRun(t *testing.T) {
	r, err := ParseForcedRun([]string{"-b", "-m", "olmaster node2#3", "143[7]"})
	if err != nil {
		t.Fatal(err)
	}
	want := &ForcedRun{ID: queue.ID{Job: 143, Index: 7}, Hosts: []queue.Placement{{Host: "olmaster"}, {Host: "node2", Slots: 3}}}
	if diff := cmp.Diff(want, r); diff != "" {
		t.Error(diff)
	}
}

// TestForcedRunAsRecorded compares with what OpenLava 4.0 said to an administrator, and to another user.
func TestForcedRunAsRecorded(t *testing.T) {
	r, err := ParseForcedRun([]string{"-m", "olmaster", "143"})
	if err != nil {
		t.Fatal(err)
	}
	same(t, r.Done(), "Job <143> is being forced to run.")
	same(t, r.Refused(&queue.Error{Kind: queue.KindDenied, Code: queue.NotYours}), "Failed to run the job: User permission denied")
}
