package minimesos

import (
	"cmp"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	mesos "github.com/mesos/mesos-go/api/v1/lib"
	inverse "github.com/mesos/mesos-go/api/v1/lib/allocator"
	"github.com/mesos/mesos-go/api/v1/lib/maintenance"
	"github.com/mesos/mesos-go/api/v1/lib/scheduler"
)

// upkeep is what operators plan to do with machines and agents. All but the offers and answers outlives a master.
type upkeep struct {
	schedule maintenance.Schedule
	machines map[machineID]*machine
	inverse  map[string]*inverseOffer // outstanding ones, by id
	drains   map[string]*drain        // by agent
}

func newUpkeep() upkeep {
	return upkeep{machines: map[machineID]*machine{}, inverse: map[string]*inverseOffer{}, drains: map[string]*drain{}}
}

// inherit takes over what the registry keeps of an earlier master's upkeep.
func (m *master) inherit(from *master) {
	if from == nil {
		return
	}
	from.mu.Lock()
	defer from.mu.Unlock()
	m.schedule, m.drains, m.alloc.weights = from.schedule, from.drains, from.alloc.weights
	for id, known := range from.machines {
		m.machines[id] = &machine{window: known.window, down: known.down, replies: map[string]reply{}}
	}
}

// machineID names a machine as a schedule does.
type machineID struct{ hostname, ip string }

func machineOf(id mesos.MachineID) machineID {
	return machineID{strings.ToLower(id.GetHostname()), id.GetIP()}
}

// machine is one that is in the schedule.
type machine struct {
	window  mesos.Unavailability
	down    bool
	replies map[string]reply // to inverse offers, by framework
}

// reply is what a framework said last of a machine, and until when it is not asked again.
type reply struct {
	status inverse.InverseOfferStatus
	until  time.Time
}

// inverseOffer asks a framework to leave an agent.
type inverseOffer struct{ id, framework, agent string }

// machineOf gives the machine of an agent if it is in the schedule.
func (m *master) machineOf(a *agentRecord) *machine {
	return m.machines[machineID{strings.ToLower(a.cfg.Hostname), a.url.Address.GetIP()}]
}

// setSchedule replaces the schedule: all offers are made anew.
func (m *master) setSchedule(s maintenance.Schedule) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	machines, err := m.scheduled(s)
	if err != nil {
		return err
	}
	m.schedule, m.machines = s, machines
	for _, o := range m.offersOf(func(*offer) bool { return true }) {
		m.rescind(o)
	}
	m.rescindInverse(func(*inverseOffer) bool { return true })
	m.allocate()
	return nil
}

// scheduled reads a schedule. Machines that are down stay so, and cannot be left out.
func (m *master) scheduled(s maintenance.Schedule) (map[machineID]*machine, error) {
	machines := map[machineID]*machine{}
	for _, w := range s.Windows {
		if len(w.MachineIDs) == 0 {
			return nil, badRequest("List of machines in the maintenance window is empty")
		}
		if err := checkMachines(w.MachineIDs); err != nil {
			return nil, err
		}
		if w.Unavailability.GetDuration().GetNanoseconds() < 0 {
			return nil, badRequest("Unavailability 'duration' is negative")
		}
		for i := range w.MachineIDs {
			id := machineOf(w.MachineIDs[i])
			if machines[id] != nil {
				return nil, badRequest("Machine '%s' appears more than once in the schedule", toJSON(&w.MachineIDs[i]))
			}
			known := m.machines[id]
			machines[id] = &machine{window: w.Unavailability, down: known != nil && known.down, replies: map[string]reply{}}
		}
	}
	for id, known := range m.machines {
		if known.down && machines[id] == nil {
			return nil, badRequest("Machine '%s' is deactivated and cannot be removed from the schedule", id)
		}
	}
	return machines, nil
}

func (id machineID) String() string { return string(toJSON(id.message())) }

func (id machineID) message() *mesos.MachineID {
	var p mesos.MachineID
	if id.hostname != "" {
		p.Hostname = &id.hostname
	}
	if id.ip != "" {
		p.IP = &id.ip
	}
	return &p
}

func checkMachines(ids []mesos.MachineID) error {
	if len(ids) == 0 {
		return badRequest("List of machines is empty")
	}
	seen := map[machineID]bool{}
	for i := range ids {
		id := machineOf(ids[i])
		if id == (machineID{}) {
			return badRequest("Both 'hostname' and 'ip' for a machine are empty")
		}
		if id.ip != "" {
			if _, err := netip.ParseAddr(id.ip); err != nil {
				return badRequest("Failed to parse the IP '%s'", id.ip)
			}
		}
		if seen[id] {
			return badRequest("Machine '%s' appears more than once in the list", toJSON(&ids[i]))
		}
		seen[id] = true
	}
	return nil
}

// machinesDown begins the maintenance of machines: their agents are removed, with all tasks.
func (m *master) machinesDown(ids []mesos.MachineID) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := checkMachines(ids); err != nil {
		return err
	}
	for i := range ids {
		switch known := m.machines[machineOf(ids[i])]; {
		case known == nil:
			return badRequest("Machine '%s' is not part of a maintenance schedule", toJSON(&ids[i]))
		case known.down:
			return badRequest("Machine '%s' is not in DRAINING mode and cannot be brought down", toJSON(&ids[i]))
		}
	}
	for i := range ids {
		known := m.machines[machineOf(ids[i])]
		known.down = true
		for _, id := range sortedKeys(m.agents) {
			if a := m.agents[id]; m.machineOf(a) == known {
				m.removeAgent(a, "Operator initiated 'Machine DOWN'")
			}
		}
	}
	return nil
}

// removeAgent ends an agent and all of its tasks at an operator's wish.
func (m *master) removeAgent(a *agentRecord, why string) {
	if a.timeout != nil {
		a.timeout.Stop()
	}
	m.eachTaskOf(a.id, func(f *framework, t *task) {
		if !terminal(t.state) {
			m.loseTask(f, t, masterStatus{
				state: mesos.TASK_LOST, reason: mesos.REASON_AGENT_REMOVED, message: "Agent " + a.cfg.Hostname + " removed: " + why,
			})
			return
		}
		m.removeTask(f, t)
	})
	for _, o := range m.offersOf(func(o *offer) bool { return o.agent == a.id }) {
		m.rescind(o)
	}
	m.rescindInverse(func(o *inverseOffer) bool { return o.agent == a.id })
	delete(m.agents, a.id)
	m.alloc.removeAgent(a.id)
	m.tellFailure(a.id)
	a.link.end(ending{})
}

// machinesUp ends the maintenance of machines: their agents may register again.
func (m *master) machinesUp(ids []mesos.MachineID) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := checkMachines(ids); err != nil {
		return err
	}
	for i := range ids {
		id := machineOf(ids[i])
		known := m.machines[id]
		if known == nil && !m.hasMachine(id) {
			return badRequest("Machine '%s' is not part of a maintenance schedule", toJSON(&ids[i]))
		}
		if known == nil || !known.down {
			return badRequest("Machine '%s' is not in DOWN mode and cannot be brought up", toJSON(&ids[i]))
		}
	}
	for i := range ids {
		id := machineOf(ids[i])
		delete(m.machines, id)
		for w := range m.schedule.Windows {
			list := &m.schedule.Windows[w].MachineIDs
			*list = slices.DeleteFunc(slices.Clone(*list), func(x mesos.MachineID) bool { return machineOf(x) == id })
		}
	}
	m.schedule.Windows = slices.DeleteFunc(slices.Clone(m.schedule.Windows), func(w maintenance.Window) bool { return len(w.MachineIDs) == 0 })
	return nil
}

func (m *master) hasMachine(id machineID) bool {
	for _, a := range m.agents {
		if id == (machineID{strings.ToLower(a.cfg.Hostname), a.url.Address.GetIP()}) {
			return true
		}
	}
	return false
}

// status tells what became of the schedule.
func (m *master) status() *maintenance.ClusterStatus {
	m.mu.Lock()
	defer m.mu.Unlock()
	var s maintenance.ClusterStatus
	for _, w := range m.schedule.Windows {
		for _, id := range w.MachineIDs {
			known := m.machines[machineOf(id)]
			if known.down {
				s.DownMachines = append(s.DownMachines, id)
				continue
			}
			d := maintenance.ClusterStatus_DrainingMachine{ID: id}
			for _, framework := range sortedKeys(known.replies) {
				d.Statuses = append(d.Statuses, known.replies[framework].status)
			}
			s.DrainingMachines = append(s.DrainingMachines, d)
		}
	}
	return &s
}

// askBack makes inverse offers to all frameworks that have something of an agent which is to be taken away, one event each.
func (m *master) askBack() {
	now := time.Now()
	byFramework := map[string][]mesos.InverseOffer{}
	for _, id := range sortedKeys(m.agents) {
		a := m.agents[id]
		known := m.machineOf(a)
		if known == nil || known.down {
			continue
		}
		for _, f := range m.liveFrameworks() {
			if f.sub == nil || !m.holds(f, id) || known.replies[f.id()].until.After(now) || m.asked(f.id(), id) {
				continue
			}
			o := &inverseOffer{id: m.id + "-O" + strconv.Itoa(m.nextOffer), framework: f.id(), agent: id}
			m.nextOffer++
			m.inverse[o.id] = o
			byFramework[f.id()] = append(byFramework[f.id()], mesos.InverseOffer{
				OfferID: mesos.OfferID{Value: o.id}, URL: a.url, FrameworkID: mesos.FrameworkID{Value: f.id()},
				AgentID: &mesos.AgentID{Value: id}, Unavailability: known.window,
			})
		}
	}
	for id, offers := range byFramework {
		m.send(m.frameworks[id], &scheduler.Event{
			Type: scheduler.Event_INVERSE_OFFERS, InverseOffers: &scheduler.Event_InverseOffers{InverseOffers: offers},
		})
	}
}

// holds says whether a framework has a task on an agent, or an offer of it.
func (m *master) holds(f *framework, agent string) bool {
	for _, t := range f.tasks {
		if t.agent == agent && !t.freed {
			return true
		}
	}
	for _, o := range m.offers {
		if o.agent == agent && o.framework == f.id() {
			return true
		}
	}
	return false
}

func (m *master) asked(framework, agent string) bool {
	for _, o := range m.inverse {
		if o.framework == framework && o.agent == agent {
			return true
		}
	}
	return false
}

// answerInverse notes what a framework says of inverse offers.
func (m *master) answerInverse(f *framework, ids []mesos.OfferID, filters *mesos.Filters, status inverse.InverseOfferStatus_Status) {
	now := time.Now()
	for _, id := range ids {
		o := m.inverse[id.Value]
		if o == nil || o.framework != f.id() {
			continue
		}
		delete(m.inverse, o.id)
		a := m.agents[o.agent]
		if a == nil || m.machineOf(a) == nil {
			continue
		}
		// As any filter it lasts at least one interval.
		refused := max(refusal(filters), m.cfg.AllocationInterval)
		m.machineOf(a).replies[f.id()] = reply{until: now.Add(refused), status: inverse.InverseOfferStatus{
			Status: &status, FrameworkID: mesos.FrameworkID{Value: f.id()}, Timestamp: mesos.TimeInfo{Nanoseconds: now.UnixNano()},
		}}
	}
}

// rescindInverse takes inverse offers back and tells the frameworks.
func (m *master) rescindInverse(match func(*inverseOffer) bool) {
	list := m.dropInverse(match)
	for _, o := range list {
		m.send(m.frameworks[o.framework], &scheduler.Event{
			Type:                scheduler.Event_RESCIND_INVERSE_OFFER,
			RescindInverseOffer: &scheduler.Event_RescindInverseOffer{InverseOfferID: mesos.OfferID{Value: o.id}},
		})
	}
}

// dropInverse takes inverse offers back silently.
func (m *master) dropInverse(match func(*inverseOffer) bool) (list []*inverseOffer) {
	for _, o := range m.inverse {
		if match(o) {
			list = append(list, o)
			delete(m.inverse, o.id)
		}
	}
	slices.SortFunc(list, func(a, b *inverseOffer) int { return cmp.Compare(a.id, b.id) })
	return list
}
