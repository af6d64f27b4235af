package fleet

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"sluice/queue"
)

// What may be taken back is used first, by jobs only that can run again; each offer is answered once; CPUs and memory of a host are
// each of one kind.
func TestRevocable(t *testing.T) {
	again, once := queue.Demand{Slots: 1, Count: 3, Need: queue.Need{Rerunnable: true}}, queue.Demand{Slots: 1, Count: 2}
	free, spare := Resources{CPUs: 2, MemMiB: 4096}, Resources{CPUs: 4}
	for _, tt := range []struct {
		name    string
		allowed bool
		demand  []queue.Demand
		offers  Offers
		want    string // slots of revocable and of firm hosts, per launch
	}{
		{"not opted in", false, []queue.Demand{again}, Offers{{ID: "O1", Agent: "S1", Free: free, Revocable: spare}}, "[firm 2]"},
		{"jobs that can run again", true, []queue.Demand{again}, Offers{{ID: "O1", Agent: "S1", Free: free, Revocable: spare}}, "[revocable 3]"},
		{"jobs that cannot", true, []queue.Demand{once}, Offers{{ID: "O1", Agent: "S1", Free: free, Revocable: spare}}, "[firm 2]"},
		{
			"both, on two agents", true,
			[]queue.Demand{once, again},
			Offers{{ID: "O1", Agent: "S1", Free: free, Revocable: spare}, {ID: "O2", Agent: "S2", Free: free, Revocable: spare}},
			"[firm 2 revocable 3]",
		},
		{
			"firm goes to others first", true,
			[]queue.Demand{again, once},
			Offers{{ID: "O1", Agent: "S1", Free: free, Revocable: spare}, {ID: "O2", Agent: "S2", Free: free}},
			"[revocable 3 firm 2]",
		},
		{
			"parts of one agent", true,
			[]queue.Demand{again},
			Offers{{ID: "O1", Agent: "S1", Free: free, Revocable: Resources{CPUs: 1}}, {ID: "O2", Agent: "S1", Revocable: Resources{CPUs: 2}}},
			"[revocable 3]",
		},
		{
			"memory of its own", true,
			[]queue.Demand{again},
			Offers{{ID: "O1", Agent: "S1", Free: Resources{CPUs: 1, MemMiB: 100}, Revocable: Resources{CPUs: 4, MemMiB: 2048}}},
			"[revocable 3 with memory]",
		},
		{"nothing but spare CPUs", true, []queue.Demand{again}, Offers{{ID: "O1", Agent: "S1", Revocable: spare}}, "[]"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := New(Config{Revocable: tt.allowed}, rand.New(rand.NewPCG(1, 1)), nil)
			now := time.Unix(1e9, 0)
			f.Step(now, Connection{Up: true})
			f.Step(now, Goal{Slots: 5, Snapshot: queue.Snapshot{At: now, Demand: tt.demand}})
			got, answered := []string{}, map[string]int{}
			for _, e := range f.Step(now, tt.offers).Effects {
				switch e := e.(type) {
				case Launch:
					kind := "firm"
					if e.Host.Spec.Revocable {
						kind = "revocable"
					}
					text := fmt.Sprintf("%s %d", kind, e.Host.Spec.Slots)
					if e.Host.RevocableMem {
						text += " with memory"
					}
					got = append(got, text)
					for _, id := range e.Offers {
						answered[id]++
					}
				case Decline:
					for _, id := range e.Offers {
						answered[id]++
					}
				}
			}
			if fmt.Sprint(got) != tt.want {
				t.Errorf("launched %v, want %s", got, tt.want)
			}
			for _, o := range tt.offers {
				if answered[o.ID] != 1 {
					t.Errorf("%s answered %d times", o.ID, answered[o.ID])
				}
			}
		})
	}
}

// Who takes resources back does not thereby say that the agent is bad.
func TestPreemptedIsNoFault(t *testing.T) {
	for _, preempted := range []bool{false, true} {
		f := New(Config{}, rand.New(rand.NewPCG(1, 1)), nil)
		now := time.Unix(1e9, 0)
		f.Step(now, Connection{Up: true})
		f.Step(now, Goal{Slots: 1, Snapshot: queue.Snapshot{At: now, Demand: []queue.Demand{{Slots: 1, Count: 1}}}})
		out := f.Step(now, Offers{{ID: "O", Agent: "S", Free: Resources{CPUs: 1, MemMiB: 512}}})
		f.Step(now, Result{Of: out.Effects[0]})
		f.Step(now, Update{Task: f.Hosts()[0].Name(), Agent: "S", State: TaskFailed, Preempted: preempted})
		if shunned := f.agent("S").until.After(now); shunned == preempted {
			t.Errorf("preempted %t: shunned %t", preempted, shunned)
		}
	}
}
