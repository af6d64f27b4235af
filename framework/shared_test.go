package framework

import (
	"testing"

	"sluice/framework/minimesos"
)

// racks are agents with a rack each, of one letter.
func racks(letters string) []minimesos.AgentConfig {
	list := agents(len(letters))
	for i := range list {
		list[i].Attributes = map[string]string{"rack": letters[i : i+1]}
	}
	return list
}

func (r *rig) constrain(texts ...string) {
	r.Helper()
	for _, text := range texts {
		if err := r.cfg.Fleet.Constrain(text); err != nil {
			r.Fatal(err)
		}
	}
}

// hostsOn counts the hosts of the batch system by an attribute of their agents.
func (b *fakeBatch) hostsOn(attribute string) map[string]int {
	b.mu.Lock()
	defer b.mu.Unlock()
	on := map[string]int{}
	for _, h := range b.hosts {
		on[h.Attributes[attribute]]++
	}
	return on
}

// TestConstraints: hosts live only where constraints allow, and the status tells of the offers that were declined for them.
func TestConstraints(t *testing.T) {
	t.Parallel()
	r := newRig(t, minimesos.Config{Agents: racks("aabbcc")})
	r.constrain("rack:NOT_IN:c", "rack:MAX_PER:1")
	r.start()
	r.want(8) // two agents of four slots
	if on := r.batch.hostsOn("rack"); len(on) != 2 || on["a"] != 1 || on["b"] != 1 {
		t.Fatalf("hosts on %v", on)
	}
	r.goal = 16
	r.batch.need(oneSlot(16))
	declined := func(constraint string) func() bool {
		return func() bool { return r.fw.Status().Declined["constraint "+constraint] > 0 }
	}
	r.wait("offers declined for rack c", declined("rack:NOT_IN:c"))
	r.wait("offers declined for a second host", declined("rack:MAX_PER:1"))
	if on := r.batch.hostsOn("rack"); len(on) != 2 || on["a"] != 1 || on["b"] != 1 {
		t.Fatalf("hosts on %v", on)
	}
}
