package framework

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	mesos "github.com/mesos/mesos-go/api/v1/lib"

	"sluice/framework/fleet"
	"sluice/framework/minimesos"
	"sluice/queue"
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

func (b *fakeBatch) location(host string) string {
	b.mu.Lock()
	defer b.mu.Unlock()
	if h := b.hosts[host]; h != nil {
		return h.Location
	}
	return ""
}

// other is the task beside one.
func (r *rig) other(than string) string {
	for _, task := range r.tasks() {
		if task != than {
			return task
		}
	}
	return ""
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

// operator posts to the master as an operator does.
func (r *rig) operator(path, body string) {
	r.Helper()
	res, err := http.Post(r.cluster.URL()+path, "application/json", strings.NewReader(body))
	if err != nil {
		r.Fatal(err)
	}
	text, err := io.ReadAll(res.Body)
	if err := errors.Join(err, res.Body.Close()); err != nil || res.StatusCode != http.StatusOK {
		r.Fatalf("POST %s: %d %s %v", path, res.StatusCode, text, err)
	}
}

// maintenance is what the master tells of the schedule.
func (r *rig) maintenance() string {
	r.Helper()
	res, err := http.Get(r.cluster.URL() + "/maintenance/status")
	if err != nil {
		r.Fatal(err)
	}
	text, err := io.ReadAll(res.Body)
	if err := errors.Join(err, res.Body.Close()); err != nil {
		r.Fatal(err)
	}
	return string(text)
}

// schedule plans a maintenance of a machine, in seconds from now.
func (r *rig) schedule(hostname string, in int) {
	r.Helper()
	r.operator("/maintenance/schedule", fmt.Sprintf(
		`{"windows":[{"machine_ids":[{"hostname":%q,"ip":"127.0.0.1"}],"unavailability":{"start":{"nanoseconds":%d},"duration":{"nanoseconds":3600000000000}}}]}`,
		hostname, time.Now().Add(time.Duration(in)*time.Second).UnixNano()))
}

// TestMaintenance: an agent whose maintenance is near is vacated. Its jobs run to their end, the master hears yes only then, other
// hosts take the place, and when the machine goes nothing is lost.
func TestMaintenance(t *testing.T) {
	t.Parallel()
	r := newRig(t, minimesos.Config{})
	r.start()
	r.want(4)
	old := r.tasks()[0]
	machine := r.batch.location(old)
	r.batch.busy(true)
	r.batch.need(oneSlot(4))
	r.schedule(machine, 600)
	r.wait("the host closed and another one launched", func() bool { return r.fw.Status().Hosts["closed"] == 1 && len(r.tasks()) == 2 })
	if got := r.maintenance(); strings.Contains(got, "ACCEPT") {
		t.Fatalf("given away with jobs on it: %s", got)
	}
	if got := r.batch.location(r.other(old)); got == machine {
		t.Fatalf("launched on %s again", got)
	}
	r.batch.busy(false)
	r.wait("the agent given away", func() bool { return strings.Contains(r.maintenance(), `"status":"ACCEPT"`) })
	r.wait("its host removed", func() bool { return len(r.tasks()) == 1 && r.batch.wasRemoved(old) == "dead" })
	r.operator("/machine/down", fmt.Sprintf(`[{"hostname":%q,"ip":"127.0.0.1"}]`, machine))
	r.wait("four slots elsewhere", func() bool { return r.batch.open() == 4 })
	r.operator("/machine/up", fmt.Sprintf(`[{"hostname":%q,"ip":"127.0.0.1"}]`, machine))
}

// TestMachineDown: a machine that goes down with jobs on it takes its host along; the host is replaced.
func TestMachineDown(t *testing.T) {
	t.Parallel()
	r := newRig(t, minimesos.Config{})
	r.start()
	r.want(4)
	old := r.tasks()[0]
	machine := r.batch.location(old)
	r.batch.busy(true)
	r.batch.need(oneSlot(4))
	r.schedule(machine, -1)
	r.wait("no", func() bool { return strings.Contains(r.maintenance(), `"status":"DECLINE"`) })
	r.operator("/machine/down", fmt.Sprintf(`[{"hostname":%q,"ip":"127.0.0.1"}]`, machine))
	r.wait("another host", func() bool { return len(r.tasks()) == 1 && r.tasks()[0] != old && r.batch.open() == 4 })
	if got := r.batch.wasRemoved(old); got != "maybe alive" {
		t.Errorf("removed as %s: TASK_LOST does not say that its processes are gone", got)
	}
}

// TestAgentDrained: of an agent that Mesos drains nothing is asked any more; its host is closed at once and replaced.
func TestAgentDrained(t *testing.T) {
	t.Parallel()
	r := newRig(t, minimesos.Config{})
	r.start()
	r.want(4)
	old := r.tasks()[0]
	agent := r.agentOf(old)
	r.operator("/api/v1", fmt.Sprintf(`{"type":"DRAIN_AGENT","drain_agent":{"agent_id":{"value":%q}}}`, agent))
	r.wait("a host elsewhere", func() bool {
		tasks := r.tasks()
		return len(tasks) == 1 && tasks[0] != old && r.agentOf(tasks[0]) != agent && r.batch.open() == 4
	})
	if got := r.batch.wasRemoved(old); got != "dead" {
		t.Errorf("removed as %s", got)
	}
}

// TestRoles: what is reserved for one of our roles is used before what everybody may have, then the role that is named first; the
// master charges the task to the role whose offer was taken, and all roles fall silent together.
func TestRoles(t *testing.T) {
	t.Parallel()
	list := agents(3)
	list[1].Reserved = map[string]minimesos.Reservation{"batch/night": {CPUs: 2, MemMiB: 1024}}
	list[1].CPUs, list[1].MemMiB = 0.5, 64 // of its own nearly nothing
	list[2].Reserved = map[string]minimesos.Reservation{"other": {CPUs: 2, MemMiB: 1024}}
	r := newRig(t, minimesos.Config{Agents: list})
	r.cfg.Role = "spare, batch/night"
	r.start()
	r.want(2)
	if role, on := r.roleOf(r.tasks()[0]), r.batch.location(r.tasks()[0]); role != "batch/night" || on != "node1" {
		t.Errorf("two slots on %s as %s, want those reserved on node1", on, role)
	}
	r.want(6)
	for _, task := range r.tasks() {
		if on := r.batch.location(task); on != "node1" && r.roleOf(task) != "spare" {
			t.Errorf("host on %s as %s, want the first role", on, r.roleOf(task))
		}
	}
	r.batch.need(nil)
	r.goal = 0
	r.wait("nothing left", r.empty)
	r.wait("silence of all roles", func() bool { return r.fw.Status().Suppressed && r.offersHeld() == 0 })
}

// roleOf is the role that a task is charged to.
func (r *rig) roleOf(task string) string {
	for _, f := range r.state().Frameworks {
		for _, t := range f.Tasks {
			if t.ID == task {
				return t.Role
			}
		}
	}
	return ""
}

// TestBadRoles: what the master would refuse at the subscription is said at once.
func TestBadRoles(t *testing.T) {
	for _, role := range []string{"a b", "-a", "a/../b", "a//b", "/a", "a,a", "x/*"} {
		cfg := DefaultConfig()
		cfg.Master, cfg.User, cfg.Role = "http://127.0.0.1:1", "root", role
		if err := cfg.Validate(); err == nil || !strings.Contains(err.Error(), "role") || strings.Contains(err.Error(), "\n") {
			t.Errorf("%q: %v", role, err)
		}
	}
}

// TestOldReservations: resources come in the form of masters before 1.4, too.
func TestOldReservations(t *testing.T) {
	scalar, role, everybody := mesos.SCALAR, "batch", "*"
	offer := &mesos.Offer{
		AllocationInfo: &mesos.Resource_AllocationInfo{Role: &role},
		Resources: []mesos.Resource{
			{Name: "cpus", Type: &scalar, Scalar: &mesos.Value_Scalar{Value: 3}, Role: &everybody},
			{Name: "cpus", Type: &scalar, Scalar: &mesos.Value_Scalar{Value: 2}, Role: &role},
		},
	}
	if o := offerOf(offer); o.Free.CPUs != 5 || o.ReservedCPUs != 2 {
		t.Errorf("%+v", o)
	}
	taken := portion([]*mesos.Offer{offer}, fleet.Host{Resources: fleet.Resources{CPUs: 2.5}})
	if len(taken) != 2 || taken[0].GetRole() != "batch" || taken[0].Scalar.Value != 2 || taken[1].Scalar.Value != 0.5 {
		t.Errorf("%v", taken)
	}
}

// TestHostTask: a host's task says to the tools of Mesos what it is, when Mesos itself is to end it, and what it runs in.
func TestHostTask(t *testing.T) {
	cfg := DefaultConfig()
	cfg.Master, cfg.User, cfg.Name, cfg.Labels = "http://127.0.0.1:1", "root", "night", map[string]string{"team": "x"}
	cfg.HostMaxTime, cfg.HostImage, cfg.HostNetwork = 48*time.Hour, "docker://registry.example:5000/base:12", "jobs"
	if err := cfg.Validate(); err != nil {
		t.Fatal(err)
	}
	host := fleet.Host{Spec: queue.HostSpec{Name: "night-1", Slots: 3}, Agent: "S1"}
	task := taskInfo(&cfg, host, queue.HostCommand{Argv: []string{"sluice", "host"}}, nil)
	if d := task.Discovery; d.GetName() != "night" || d.Visibility != mesos.FRAMEWORK || len(d.GetLabels().Labels) != 2 {
		t.Errorf("discovery %v", d)
	}
	if task.MaxCompletionTime.GetNanoseconds() != cfg.HostMaxTime.Nanoseconds() || task.KillPolicy.GracePeriod.Nanoseconds != cfg.KillGrace.Nanoseconds() {
		t.Errorf("ends %v, %v", task.MaxCompletionTime, task.KillPolicy)
	}
	c := task.Container
	if c.GetType() != mesos.ContainerInfo_MESOS || c.Mesos.Image.GetDocker().GetName() != "registry.example:5000/base:12" || c.NetworkInfos[0].GetName() != "jobs" {
		t.Errorf("container %v", c)
	}
	if plain := taskInfo(&Config{}, host, queue.HostCommand{Argv: []string{"sluice"}}, nil); plain.Container != nil || plain.MaxCompletionTime != nil {
		t.Errorf("%v", plain)
	}
	for _, change := range []func(*Config){
		func(c *Config) { c.HostImage = "http://x/y" },
		func(c *Config) { c.HostImage = "docker://" },
		func(c *Config) { c.HostImage = "a b" },
		func(c *Config) { c.HostNetwork = "a b" },
		func(c *Config) { c.HostMaxTime = time.Second },
		func(c *Config) { c.HostMaxTime, c.Fleet.HostTTL = time.Hour, 2*time.Hour },
		func(c *Config) { c.HostMaxTime = -time.Hour },
		func(c *Config) { c.KillGrace = -1 },
	} {
		bad := cfg
		change(&bad)
		if err := bad.Validate(); err == nil || strings.Contains(err.Error(), "\n") {
			t.Errorf("%+v passed: %v", bad, err)
		}
	}
}

// TestMissingImage: why no host comes to life is said in one line, once for many, in the words of the agent.
func TestMissingImage(t *testing.T) {
	t.Parallel()
	r := newRig(t, minimesos.Config{})
	said := r.watchLog()
	r.cfg.HostImage = "docker://debian:12"
	r.start()
	r.goal = 12
	r.batch.need(oneSlot(12))
	r.wait("hosts that failed", func() bool { return r.fw.Status().Launches >= 3 && len(r.tasks()) == 0 && len(r.batch.names()) == 0 })
	if lines := said.all(); len(lines) != 1 || lines[0] != "a host has ended: TASK_FAILED Failed to launch container: Unsupported container image type: 2" {
		t.Errorf("said %q", lines)
	}
}

// TestRevocable: jobs that can run again use what may be taken back, others do not, and the master is told which is which.
func TestRevocable(t *testing.T) {
	t.Parallel()
	list := agents(2)
	list[0].Revocable = minimesos.Reservation{CPUs: 4}
	r := newRig(t, minimesos.Config{Agents: list})
	r.cfg.Fleet.Revocable = true
	r.start()
	r.want(4, queue.Demand{Slots: 1, Count: 4, Need: queue.Need{Rerunnable: true}})
	if on := r.batch.location(r.tasks()[0]); on != "node0" || !r.batch.revocable(r.tasks()[0]) {
		t.Errorf("host on %s, revocable %t", on, r.batch.revocable(r.tasks()[0]))
	}
	spare := r.tasks()[0]
	r.batch.busy(true)
	r.want(6, oneSlot(2)...)
	if r.batch.revocable(r.other(spare)) {
		t.Error("a job that cannot run again is to run on what may be taken back")
	}
}

func (b *fakeBatch) revocable(host string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	h := b.hosts[host]
	return h != nil && h.Revocable
}

// TestAddProfile reads what is given on the command line.
func TestAddProfile(t *testing.T) {
	cfg := DefaultConfig()
	cfg.Master, cfg.User, cfg.HostImage = "http://127.0.0.1:1", "root", "docker://base"
	name, err := cfg.AddProfile("gpu:slot-cpus=2.5, slot-mem=8192,max-host-slots=4,slot-disk=10,slot-ports=2,image=docker://cuda:12,network=fast")
	if err != nil || name != "gpu" {
		t.Fatal(name, err)
	}
	want := Profile{fleet.Profile{SlotCPUs: 2.5, SlotMemMiB: 8192, SlotDiskMiB: 10, SlotPorts: 2, MaxHostSlots: 4}, "docker://cuda:12", "fast"}
	if err := cfg.check(); err != nil || cfg.Profiles["gpu"] != want || cfg.Fleet.Profiles["gpu"] != want.Profile {
		t.Errorf("%+v, %v", cfg.Profiles, err)
	}
	for _, text := range []string{
		"", "gpu", ":slot-mem=1", "gpu:slot-mem=1", "x:", "x:slot-mem", "x:slot-mem=-1", "x:slot-cpus=0", "x:slot-cpus=NaN", "x:mem=1", "x:image=http://y",
		"x:network=a b", "x:slot-mem=1,,",
	} {
		if _, err := cfg.AddProfile(text); err == nil || strings.Contains(err.Error(), "\n") {
			t.Errorf("%q: %v", text, err)
		}
	}
	for profile, image := range map[string]string{"gpu": "cuda:12", "": "base", "gone": "base"} {
		host := fleet.Host{Spec: queue.HostSpec{Name: "h", Profile: profile}}
		task := taskInfo(&cfg, host, queue.HostCommand{Argv: []string{"sluice"}}, nil)
		if got := task.Container.Mesos.Image.Docker.Name; got != image {
			t.Errorf("profile %q: image %s", profile, got)
		}
	}
}

// TestProfiles: jobs of a profile get a host of their own, beside that of others.
func TestProfiles(t *testing.T) {
	t.Parallel()
	r := newRig(t, minimesos.Config{})
	if _, err := r.cfg.AddProfile("fat:slot-cpus=2,slot-mem=512"); err != nil {
		t.Fatal(err)
	}
	r.start()
	r.want(4, queue.Demand{Slots: 1, Count: 2, Need: queue.Need{Profile: "fat"}}, queue.Demand{Slots: 1, Count: 2})
	kinds := r.batch.kinds()
	if len(kinds) != 2 || kinds["fat"] != 2 || kinds[""] != 2 {
		t.Errorf("slots by profile %v", kinds)
	}
}

// kinds are the slots by profile.
func (b *fakeBatch) kinds() map[string]int {
	b.mu.Lock()
	defer b.mu.Unlock()
	slots := map[string]int{}
	for _, h := range b.hosts {
		slots[h.Profile] += h.Slots
	}
	return slots
}

// TestFaultDomains: agents of all regions are used, and hosts are spread over zones.
func TestFaultDomains(t *testing.T) {
	t.Parallel()
	list := agents(6)
	for i := range list {
		list[i].Domain = minimesos.FaultDomain{Region: fmt.Sprintf("r%d", i/4), Zone: fmt.Sprintf("z%d", i/2)}
	}
	r := newRig(t, minimesos.Config{Agents: list, Domain: minimesos.FaultDomain{Region: "r0", Zone: "z0"}})
	r.constrain("@zone:GROUP_BY:3")
	r.start()
	r.want(12) // three agents of four slots
	if on := r.batch.hostsOn("@zone"); len(on) != 3 || on["z0"] != 1 || on["z1"] != 1 || on["z2"] != 1 {
		t.Errorf("hosts on %v", on)
	}
	if on := r.batch.hostsOn("@region"); on["r0"] != 2 || on["r1"] != 1 {
		t.Errorf("hosts in %v", on)
	}
}
