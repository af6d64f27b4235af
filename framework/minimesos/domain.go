package minimesos

import (
	mesos "github.com/mesos/mesos-go/api/v1/lib"
)

// FaultDomain is where a machine stands. The zero value is none.
type FaultDomain struct{ Region, Zone string }

func (d FaultDomain) message() *mesos.DomainInfo {
	if d == (FaultDomain{}) {
		return nil
	}
	return &mesos.DomainInfo{FaultDomain: &mesos.DomainInfo_FaultDomain{
		Region: mesos.DomainInfo_FaultDomain_RegionInfo{Name: d.Region},
		Zone:   mesos.DomainInfo_FaultDomain_ZoneInfo{Name: d.Zone},
	}}
}

// remote says whether an agent stands in another region than the master: it is offered to those only who know of regions.
func (d FaultDomain) remote(from FaultDomain) bool {
	return d != (FaultDomain{}) && from != (FaultDomain{}) && d.Region != from.Region
}

// revocable marks resources in the allocator that may be taken back.
const revocable = "{REV}"

// revocableResources are what an agent offers beside its own, as long as nobody needs it.
func revocableResources(cfg AgentConfig) bundle {
	var b bundle
	for _, r := range []resource{scalarResource("cpus", cfg.Revocable.CPUs), scalarResource("mem", cfg.Revocable.MemMiB)} {
		r.special = revocable
		b = b.plus(bundle{r})
	}
	return b
}

// firm leaves out what may be taken back.
func (b bundle) firm() bundle {
	var part bundle
	for _, r := range b {
		if r.special != revocable {
			part = append(part, r)
		}
	}
	return part
}

// checkRevocable refuses a task that would be taken back in part.
func checkRevocable(t *mesos.TaskInfo) error {
	kinds := map[string][2]bool{}
	for i := range t.Resources {
		r := &t.Resources[i]
		kind := kinds[r.Name]
		kind[0], kind[1] = kind[0] || r.Revocable != nil, kind[1] || r.Revocable == nil
		kinds[r.Name] = kind
		if kind[0] && kind[1] {
			return wiref("Cannot use both revocable and non-revocable '%s' at the same time", r.Name)
		}
	}
	return nil
}
