package framework

import (
	"testing"

	mesos "github.com/mesos/mesos-go/api/v1/lib"

	"sluice/framework/fleet"
	"sluice/framework/minimesos"
	"sluice/queue"
)

// TestPorts takes ports out of the ranges that agents offer, those that are reserved for the role first, and hands them to the host.
func TestPorts(t *testing.T) {
	kind, role, everybody := mesos.RANGES, "batch", "*"
	ranged := func(role *string, bounds ...uint64) mesos.Resource {
		r := mesos.Resource{Name: "ports", Type: &kind, Ranges: &mesos.Value_Ranges{}, Role: role}
		for i := 0; i < len(bounds); i += 2 {
			r.Ranges.Range = append(r.Ranges.Range, mesos.Value_Range{Begin: bounds[i], End: bounds[i+1]})
		}
		return r
	}
	offer := &mesos.Offer{
		AllocationInfo: &mesos.Resource_AllocationInfo{Role: &role},
		Resources: []mesos.Resource{
			ranged(&everybody, 31000, 31001, 9, 8, 31005, 31009, 0, 1<<40), // two of the ranges are nonsense
			ranged(&role, 32000, 32000),
		},
	}
	if o := offerOf(offer); o.Free.Ports != 8 {
		t.Errorf("%d ports offered, want 8", o.Free.Ports)
	}
	host := fleet.Host{Spec: queue.HostSpec{Name: "h"}, Resources: fleet.Resources{Ports: 4}}
	taken := portion([]*mesos.Offer{offer}, host)
	if len(taken) != 2 || taken[0].GetRole() != role || taken[1].GetRole() != everybody {
		t.Fatalf("taken: %v", taken)
	}
	command := queue.HostCommand{Argv: []string{"sluice", "host"}}
	task := taskInfo(&Config{}, host, command, taken)
	if v := task.Command.Environment.Variables; len(v) != 1 || v[0].Name != queue.EnvHostPorts || v[0].GetValue() != "32000-32000,31000-31001,31005-31005" {
		t.Errorf("environment: %v", v)
	}
	if len(command.Env) > 0 {
		t.Errorf("the batch system's own map has changed: %v", command.Env)
	}
	if plain := taskInfo(&Config{}, fleet.Host{}, command, nil); plain.Command.Environment != nil {
		t.Errorf("without ports: %v", plain.Command.Environment)
	}
}

// TestPortsLimitHosts: no host has more slots than its ports serve, and Mesos sees who has which.
func TestPortsLimitHosts(t *testing.T) {
	t.Parallel()
	list := agents(2)
	list[0].PortFirst, list[0].PortLast = 31000, 31006
	list[1].PortFirst, list[1].PortLast = 31100, 31101
	r := newRig(t, minimesos.Config{Agents: list})
	r.cfg.Fleet.SlotPorts = 2
	r.start()
	r.goal = 8
	r.batch.need([]queue.Demand{{Slots: 1, Count: 8}})
	r.wait("all slots that there are ports for", func() bool { return r.batch.open() == 4 })
	for _, h := range r.poll().Hosts {
		if want := map[string]int{"node0": 3, "node1": 1}[h.Location]; h.Slots != want || h.SlotPorts != 2 {
			t.Errorf("host %+v: want %d slots of 2 ports", h.HostSpec, want)
		}
	}
	used := map[string]bool{}
	for _, f := range r.state().Frameworks {
		for _, task := range f.Tasks {
			used[task.Resources.Ports] = true
		}
	}
	if len(used) != 2 || !used["[31000-31005]"] || !used["[31100-31101]"] {
		t.Errorf("ports in use: %v", used)
	}
}
