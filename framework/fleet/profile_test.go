package fleet

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"sluice/queue"
)

// Jobs of a profile get hosts of their own, sized as it says; free slots of another kind are of no use to them.
func TestProfiles(t *testing.T) {
	cfg := Config{Profiles: map[string]Profile{"fat": {SlotCPUs: 2, SlotMemMiB: 4096}, "thin": {MaxHostSlots: 1}}}
	if err := cfg.Validate(); err != nil {
		t.Fatal(err)
	}
	f := New(cfg, rand.New(rand.NewPCG(1, 1)), nil)
	now := time.Unix(1e9, 0)
	f.Step(now, Connection{Up: true})
	demand := []queue.Demand{
		{Slots: 1, Count: 3, Need: queue.Need{Profile: "fat"}},
		{Slots: 1, Count: 2},
		{Slots: 1, Count: 2, Need: queue.Need{Profile: "thin"}},
	}
	f.Step(now, Goal{Slots: 10, Snapshot: queue.Snapshot{At: now, Demand: demand}})
	var offers Offers
	for i := range 5 {
		offers = append(offers, Offer{ID: fmt.Sprintf("O%d", i), Agent: fmt.Sprintf("S%d", i), Free: Resources{CPUs: 8, MemMiB: 16384}})
	}
	got := map[string][]Resources{}
	for _, e := range f.Step(now, offers).Effects {
		if l, ok := e.(Launch); ok {
			got[l.Host.Spec.Profile] = append(got[l.Host.Spec.Profile], l.Host.Resources)
		}
	}
	want := "map[:[{2 1024 0 0 0}] fat:[{6 12288 0 0 0}] thin:[{1 512 0 0 0} {1 512 0 0 0}]]"
	if fmt.Sprint(got) != want {
		t.Errorf("launched %v, want %s", got, want)
	}
	if wanted := f.Stats().Wanted; wanted != 0 {
		t.Errorf("%d slots wanted still", wanted)
	}
	// Slots of one kind do not serve jobs of another.
	f.Step(now, Goal{Slots: 12, Snapshot: queue.Snapshot{At: now.Add(time.Second), Demand: append(demand, queue.Demand{Slots: 1, Count: 2, Need: queue.Need{Profile: "thin"}})}})
	if wanted := f.Stats().Wanted; wanted != 2 {
		t.Errorf("%d slots wanted, want those of two more thin hosts", wanted)
	}
	for _, bad := range []Profile{{SlotCPUs: -1}, {SlotCPUs: 0.001}, {SlotMemMiB: -1}, {MaxHostSlots: -1}} {
		if (Config{Profiles: map[string]Profile{"x": bad}}).Validate() == nil {
			t.Errorf("%+v passed", bad)
		}
	}
}
