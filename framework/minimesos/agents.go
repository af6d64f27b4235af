package minimesos

import (
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	mesos "github.com/mesos/mesos-go/api/v1/lib"
	"github.com/mesos/mesos-go/api/v1/lib/scheduler"
)

// agentLink is how the master reaches an agent. The calls return at once; what they ask for happens later, in order.
type agentLink interface {
	launch(fw mesos.FrameworkInfo, role string, task mesos.TaskInfo)
	kill(framework, task string)
	acknowledge(framework, task string, uuid []byte)
	// flush makes the agent send again at once what the framework has not acknowledged: it is back.
	flush(fw mesos.FrameworkInfo)
	end(what ending)
}

// ending says what of an agent ends: the tasks of a framework, all tasks because the agent is drained, or else the agent
// itself. Only of a drain do frameworks hear.
type ending struct {
	framework string
	drain     *drain
}

// agentRecord is what the master knows of a registered agent.
type agentRecord struct {
	id         string
	cfg        AgentConfig
	link       agentLink
	connected  bool
	registered time.Time
	url        *mesos.URL
	attributes []mesos.Attribute
	kills      []taskKey   // asked for while the agent was disconnected
	timeout    *time.Timer // until a disconnected agent is unreachable
}

type taskKey struct{ framework, task string }

// agentTask is what an agent tells of one of its tasks when it registers again.
type agentTask struct {
	framework mesos.FrameworkInfo
	role      string
	info      mesos.TaskInfo
	latest    mesos.TaskState
	status    *mesos.TaskStatus // waiting for an acknowledgement, or acknowledged last
}

// register admits an agent. An empty id asks for a new one. The tasks are those that it still has from before.
func (m *master) register(id string, cfg AgentConfig, link agentLink, tasks []agentTask) string {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.stopped {
		return id
	}
	if id == "" {
		id = m.newAgentID()
	}
	if known := m.agents[id]; known != nil {
		m.reconnect(known, tasks)
		return id
	}
	if known := m.machines[machineID{strings.ToLower(cfg.Hostname), m.agentURL(id, cfg).Address.GetIP()}]; known != nil && known.down {
		m.log.WithField("agent", id).Warn("refused: its machine is down")
		link.end(ending{})
		return id
	}
	_, wasUnreachable := m.unreachable[id]
	wasRecovered := m.recovered[id]
	delete(m.unreachable, id)
	delete(m.recovered, id)
	total := agentResources(cfg)
	a := &agentRecord{id: id, cfg: cfg, link: link, connected: true, registered: time.Now(), url: m.agentURL(id, cfg)}
	for _, name := range sortedKeys(cfg.Attributes) {
		a.attributes = append(a.attributes, attribute(name, cfg.Attributes[name]))
	}
	m.agents[id] = a
	m.alloc.addAgent(id, total)
	m.alloc.setAgentActive(id, m.drains[id] == nil)
	m.alloc.agents[id].remote = cfg.Domain.remote(m.cfg.Domain)
	m.log.WithField("agent", id).Info("registered")
	for _, t := range tasks {
		m.readmit(a, t, wasUnreachable, wasRecovered)
	}
	m.allocate()
	return id
}

// reconnect continues with an agent that was away for less than the timeout.
func (m *master) reconnect(a *agentRecord, tasks []agentTask) {
	if a.timeout != nil { // nil: it never was away, and registers twice
		a.timeout.Stop()
	}
	a.connected = true
	m.alloc.setAgentActive(a.id, m.drains[a.id] == nil)
	// Tasks that the agent never heard of were lost on the way.
	known := map[taskKey]bool{}
	for _, t := range tasks {
		known[taskKey{t.framework.ID.GetValue(), t.info.TaskID.Value}] = true
	}
	m.eachTaskOf(a.id, func(f *framework, t *task) {
		if !known[taskKey{f.id(), t.info.TaskID.Value}] && !terminal(t.state) {
			m.loseTask(f, t, masterStatus{
				state: mesos.TASK_DROPPED, reason: mesos.REASON_RECONCILIATION,
				message: "Reconciliation: task unknown to the agent",
			})
		}
	})
	for _, k := range a.kills {
		a.link.kill(k.framework, k.task)
	}
	a.kills = nil
}

// readmit takes over a task that an agent brings from a previous life of the master or of the connection.
func (m *master) readmit(a *agentRecord, at agentTask, wasUnreachable, wasRecovered bool) {
	id := at.framework.ID.GetValue()
	if slices.ContainsFunc(m.completed, func(f *framework) bool { return f.id() == id }) {
		a.link.end(ending{framework: id})
		return
	}
	f := m.frameworks[id]
	if f == nil {
		f = newFramework(at.framework)
		f.recovered = true
		f.registered = time.Now()
		m.frameworks[id] = f
		m.setRoles(f, nil)
	}
	t := &task{info: at.info, agent: a.id, role: at.role, resources: bundleOf(at.info.Resources, ""), state: at.latest}
	for i := range t.resources {
		t.resources[i].alloc = ""
	}
	if at.status != nil {
		reported := at.status.GetState()
		t.reported = &reported
		t.record(*at.status)
	}
	delete(f.unreachable, at.info.TaskID.Value)
	f.tasks[at.info.TaskID.Value] = t
	if terminal(at.latest) {
		t.freed = true
		return
	}
	m.alloc.charge(id, at.role, a.id, t.resources)
	if wasUnreachable || !wasRecovered {
		message := "Unknown agent reregistered"
		if wasUnreachable {
			message = "Unreachable agent re-reregistered"
		}
		m.sendMasterStatus(f, masterStatus{
			task: at.info.TaskID.Value, agent: a.id, state: t.visible(), reason: mesos.REASON_AGENT_REREGISTERED,
			message: message, last: at.status,
		})
	}
}

// agentGone is called when the connection to an agent breaks.
func (m *master) agentGone(id string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	a := m.agents[id]
	if m.stopped || a == nil || !a.connected {
		return
	}
	m.log.WithField("agent", id).Warn("disconnected")
	a.connected = false
	m.alloc.setAgentActive(id, false)
	for _, o := range m.offersOf(func(o *offer) bool { return o.agent == id }) {
		m.rescind(o)
	}
	m.eachTaskOf(id, func(f *framework, t *task) {
		if !f.info.GetCheckpoint() && !terminal(t.state) {
			m.loseTask(f, t, masterStatus{
				state: mesos.TASK_LOST, reason: mesos.REASON_AGENT_DISCONNECTED,
				message: "Agent " + a.cfg.Hostname + " disconnected",
			})
		}
	})
	a.timeout = m.after(m.cfg.AgentTimeout, func() { m.agentUnreachable(a) })
}

// agentUnreachable is called when an agent has been away for too long.
func (m *master) agentUnreachable(a *agentRecord) {
	if m.agents[a.id] != a || a.connected {
		return
	}
	m.log.WithField("agent", a.id).Warn("unreachable")
	since := mesos.TimeInfo{Nanoseconds: time.Now().UnixNano()}
	m.eachTaskOf(a.id, func(f *framework, t *task) {
		if terminal(t.state) {
			m.removeTask(f, t)
			return
		}
		s := masterStatus{
			task: t.info.TaskID.Value, agent: a.id, state: mesos.TASK_UNREACHABLE, reason: mesos.REASON_AGENT_REMOVED,
			message: "health check timed out", unreachable: &since,
		}
		status := m.sendMasterStatus(f, s)
		m.free(f, t)
		t.state, t.removedAt, t.reported = status.GetState(), &since, status.State
		t.record(status)
		delete(f.tasks, s.task)
		f.unreachable[s.task] = t
	})
	delete(m.agents, a.id)
	m.alloc.removeAgent(a.id)
	m.unreachable[a.id] = since
	m.tellFailure(a.id)
}

// expect tells a new master of an agent that its predecessor had, as the registry does.
func (m *master) expect(id string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.recovered[id] = true
	m.after(m.cfg.AgentTimeout, func() {
		if m.recovered[id] {
			delete(m.recovered, id)
			m.unreachable[id] = mesos.TimeInfo{Nanoseconds: time.Now().UnixNano()}
			m.tellFailure(id)
		}
	})
}

func (m *master) tellFailure(agent string) {
	for _, f := range m.frameworks {
		m.send(f, &scheduler.Event{
			Type: scheduler.Event_FAILURE, Failure: &scheduler.Event_Failure{AgentID: &mesos.AgentID{Value: agent}},
		})
	}
}

// loseTask ends a task that its agent will not tell of any more.
func (m *master) loseTask(f *framework, t *task, s masterStatus) {
	s.task, s.agent = t.info.TaskID.Value, t.agent
	status := m.sendMasterStatus(f, s)
	t.state, t.reported = status.GetState(), status.State
	t.record(status)
	m.removeTask(f, t)
}

func (m *master) eachTaskOf(agent string, do func(*framework, *task)) {
	for _, f := range m.frameworks {
		for _, t := range f.tasks {
			if t.agent == agent {
				do(f, t)
			}
		}
	}
}

// agentURL tells where an agent is reached: as a process beside the master, at the same address.
func (m *master) agentURL(id string, cfg AgentConfig) *mesos.URL {
	addr := netip.MustParseAddrPort(m.address) // a listener's own address
	host, ip := cfg.Hostname, addr.Addr().String()
	path := agentPath(id)
	return &mesos.URL{
		Scheme: "http", Address: mesos.Address{Hostname: &host, IP: &ip, Port: int32(addr.Port())}, Path: &path,
	}
}

// agentPath is "/slave(N)", N counting from 1.
func agentPath(id string) string {
	n, _ := strconv.Atoi(id[strings.LastIndex(id, "-S")+2:]) // made by newAgentID
	return "/slave(" + strconv.Itoa(n+1) + ")"
}

func agentResources(cfg AgentConfig) bundle {
	ports := resource{
		resourceKey: resourceKey{name: "ports", role: unreserved}, kind: mesos.RANGES,
		spans: []span{{cfg.PortFirst, cfg.PortLast}},
	}
	b := bundle{ports}
	for _, s := range []struct {
		name  string
		value float64
	}{{"cpus", cfg.CPUs}, {"gpus", cfg.GPUs}, {"mem", cfg.MemMiB}, {"disk", cfg.DiskMiB}} {
		b = b.plus(bundle{scalarResource(s.name, s.value)})
	}
	for role, r := range cfg.Reserved {
		for _, s := range []resource{
			scalarResource("cpus", r.CPUs), scalarResource("mem", r.MemMiB), scalarResource("disk", r.DiskMiB),
		} {
			s.role = role
			b = b.plus(bundle{s})
		}
	}
	return b.plus(revocableResources(cfg))
}

var rangesText = regexp.MustCompile(`^\[\d+-\d+(?:,\d+-\d+)*\]$`)

// attribute gives a value the type that a real agent sees in its text.
func attribute(name, value string) mesos.Attribute {
	if f, err := strconv.ParseFloat(value, 64); err == nil {
		return mesos.Attribute{Name: name, Type: mesos.SCALAR, Scalar: &mesos.Value_Scalar{Value: f}}
	}
	if rangesText.MatchString(value) {
		ranges := &mesos.Value_Ranges{}
		for _, part := range strings.Split(strings.Trim(value, "[]"), ",") {
			begin, end, _ := strings.Cut(part, "-")
			var r mesos.Value_Range
			r.Begin, _ = strconv.ParseUint(begin, 10, 64) // digits, and who writes more than fit gets the greatest
			r.End, _ = strconv.ParseUint(end, 10, 64)
			ranges.Range = append(ranges.Range, r)
		}
		return mesos.Attribute{Name: name, Type: mesos.RANGES, Ranges: ranges}
	}
	return mesos.Attribute{Name: name, Type: mesos.TEXT, Text: &mesos.Value_Text{Value: value}}
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
