package fleet

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"sluice/queue"
)

func TestStateText(t *testing.T) {
	for s := Launching; s <= Gone; s++ {
		text, err := json.Marshal(s)
		var back State
		if err != nil || json.Unmarshal(text, &back) != nil || back != s {
			t.Errorf("%v → %s → %v", s, text, back)
		}
	}
	var s State
	if err := json.Unmarshal([]byte(`"closing"`), &s); err == nil {
		t.Error("an unknown state was read")
	}
	if State(0).String() != "State(0)" || TaskState(99).String() != "TaskState(99)" || TaskGone.String() != "TASK_GONE" {
		t.Error("names of states")
	}
}

func TestConfigValidate(t *testing.T) {
	if err := (Config{}).Validate(); err != nil {
		t.Error(err)
	}
	for _, c := range []Config{{SlotCPUs: -1}, {SlotCPUs: 0.001}, {SlotMemMiB: -1}, {IdleTimeout: -time.Second}, {HostsPerAgent: -2}} {
		if c.Validate() == nil {
			t.Errorf("%+v passed", c)
		}
	}
}

// A host name matches with or without its domain, as users write it either way.
func TestNamesWithAndWithoutDomain(t *testing.T) {
	for _, tt := range []struct {
		hosts, name string
		want        bool
	}{
		{"", "n1.example", true},
		{"n1", "n1.example", true},
		{"n1.example", "n1", true},
		{"n2,n1", "n1", true},
		{"n1", "n10.example", false},
		{"n2,n3", "n1", false},
		{"n1", "", false},
	} {
		if got := (&shape{hosts: tt.hosts}).allows(tt.name); got != tt.want {
			t.Errorf("%q allows %q: %t", tt.hosts, tt.name, got)
		}
	}
}

// BenchmarkOffers decides about 10,000 offers at once, with a fleet and many classes of demand there. The bar is 100 ms.
func BenchmarkOffers(b *testing.B) {
	const agents = 10_000
	offers := make(Offers, agents)
	for i := range offers {
		offers[i] = Offer{
			ID: fmt.Sprintf("O%d", i), Agent: fmt.Sprintf("S%d", i), Hostname: fmt.Sprintf("n%d.example", i), Role: "*",
			Free: Resources{CPUs: float64(1 + i%64), MemMiB: float64(1024 * (1 + i%200)), GPUs: i % 7 / 6},
		}
	}
	var demand []queue.Demand
	for i := range 500 {
		demand = append(demand, queue.Demand{Slots: 1 + i%8, Count: 50, Need: queue.Need{MemMiB: 512 * (1 + i%40), OneHost: i%3 == 0, GPUs: i % 11 / 10}})
	}
	for _, name := range []string{"taken", "declined"} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				b.StopTimer()
				f := New(Config{MaxLaunchesPerStep: agents}, rand.New(rand.NewPCG(1, 1)), nil)
				now := time.Unix(1e9, 0)
				f.Step(now, Connection{Up: true})
				if name == "taken" {
					f.Step(now, Goal{Slots: 50_000, Snapshot: queue.Snapshot{At: now, Demand: demand}})
				}
				b.StartTimer()
				f.Step(now, offers)
			}
		})
	}
}

func Example() {
	f := New(Config{SlotMemMiB: 1024}, rand.New(rand.NewPCG(1, 2)), nil)
	now := time.Unix(0, 0)
	f.Step(now, Connection{Up: true, Suppressed: true})
	wanted := f.Step(now, Goal{Slots: 2, Snapshot: queue.Snapshot{At: now, Demand: []queue.Demand{{Slots: 1, Count: 5}}}})
	fmt.Printf("%T\n", wanted.Effects[len(wanted.Effects)-1])
	out := f.Step(now, Offers{{ID: "O1", Agent: "S1", Free: Resources{CPUs: 8, MemMiB: 4096}}})
	// out.Changed is to be stored before the launch is made.
	launch, ok := out.Effects[0].(Launch)
	if !ok {
		panic("the offer is of use")
	}
	fmt.Println(len(out.Changed), launch.Host.Spec.Slots, launch.Host.Resources, launch.Offers)
	// Output:
	// fleet.Revive
	// 1 2 {2 2048 0 0 0} [O1]
}
