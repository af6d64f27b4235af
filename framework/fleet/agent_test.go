package fleet

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"sluice/queue"
)

// Agents that come and go leave nothing behind, but those are remembered that hosts are on or failed on.
func TestAgentsAreForgotten(t *testing.T) {
	f := New(Config{}, rand.New(rand.NewPCG(1, 1)), nil)
	now := time.Unix(1e9, 0)
	f.Step(now, Connection{Up: true})
	f.Step(now, Goal{Slots: 2, Snapshot: queue.Snapshot{At: now, Demand: []queue.Demand{{Slots: 1, Count: 2}}}})
	for _, agent := range []string{"used", "bad"} {
		out := f.Step(now, Offers{{ID: "O", Agent: agent, Free: Resources{CPUs: 1, MemMiB: 512}}})
		f.Step(now, Result{Of: out.Effects[0]})
	}
	for _, h := range f.Hosts() {
		if h.Agent == "bad" {
			f.Step(now, Update{Task: h.Name(), Agent: h.Agent, State: TaskFailed})
		}
	}
	pass := func() {
		for i := range 100 * fewAgents {
			f.Step(now, Offers{{ID: "O", Agent: fmt.Sprint(i), Free: Resources{MemMiB: 1}}})
			if n := len(f.agents.byID); n > 2*fewAgents {
				t.Fatalf("%d agents are remembered", n)
			}
		}
	}
	pass()
	if used, bad := f.agents.byID["used"], f.agents.byID["bad"]; used == nil || used.hosts != 1 || bad == nil || !bad.until.After(now) {
		t.Fatalf("hosts on %+v, failed on %+v", used, bad)
	}
	now = now.Add(time.Hour)
	f.Step(now, Goal{Snapshot: queue.Snapshot{At: now}}) // no job waits for which offers would be remembered
	pass()
	if used, bad := f.agents.byID["used"], f.agents.byID["bad"]; used == nil || bad != nil {
		t.Fatalf("an hour later: hosts on %+v, failed on %+v", used, bad)
	}
}
