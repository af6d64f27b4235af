package minimesos

import (
	"fmt"
	"math"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	mesos "github.com/mesos/mesos-go/api/v1/lib"
	"github.com/mesos/mesos-go/api/v1/lib/scheduler"
)

type framework struct {
	info         mesos.FrameworkInfo
	sub          *subscription // nil while disconnected
	recovered    bool          // known only from an agent, after a restart of the master
	tasks        map[string]*task
	unreachable  map[string]*task
	completed    []*task // oldest first
	registered   time.Time
	reregistered time.Time
	unregistered time.Time
	failover     *time.Timer // runs while disconnected
}

func newFramework(info mesos.FrameworkInfo) *framework {
	return &framework{info: info, tasks: map[string]*task{}, unreachable: map[string]*task{}}
}

func (f *framework) id() string { return f.info.ID.GetValue() }

func (f *framework) has(c mesos.FrameworkInfo_Capability_Type) bool { return hasCapability(&f.info, c) }

func hasCapability(info *mesos.FrameworkInfo, c mesos.FrameworkInfo_Capability_Type) bool {
	return slices.ContainsFunc(info.Capabilities, func(x mesos.FrameworkInfo_Capability) bool { return x.Type == c })
}

// rolesOf returns the roles that a framework has.
func rolesOf(info *mesos.FrameworkInfo) []string {
	if hasCapability(info, mesos.FrameworkInfo_Capability_MULTI_ROLE) {
		return info.Roles
	}
	if info.Role != nil {
		return []string{*info.Role}
	}
	return []string{unreserved}
}

// subscribe connects a stream to a framework, a new or a known one, and queues its first events. It returns the
// framework's id. A subscription that is refused gets an ERROR event and ends.
func (m *master) subscribe(sub *subscription, c *scheduler.Call) string {
	m.mu.Lock()
	defer m.mu.Unlock()
	info := *c.Subscribe.FrameworkInfo
	id := info.ID.GetValue()
	err := checkFramework(&info, c.Subscribe.SuppressedRoles)
	if err == nil && slices.ContainsFunc(m.completed, func(f *framework) bool { return f.id() == id }) {
		err = wiref("Framework has been removed")
	}
	f := m.frameworks[id]
	if err == nil && f != nil && !f.recovered && f.info.GetPrincipal() != info.GetPrincipal() {
		err = wiref("Changing framework's principal is not allowed.")
	}
	if err != nil || m.stopped {
		if err != nil {
			sub.send(errorEvent(err.Error()))
		}
		sub.end()
		return id
	}
	if id == "" {
		id = fmt.Sprintf("%s-%04d", m.id, m.nextFramework)
		m.nextFramework++
		info.ID = &mesos.FrameworkID{Value: id}
	}
	if m.cfg.OnEvent != nil {
		sub.hook = func(e *scheduler.Event) Verdict { return m.cfg.OnEvent(id, e) }
	}
	m.connect(f, sub, info, c.Subscribe.SuppressedRoles)
	return id
}

// connect makes sub the stream of the framework f, which is nil for a new one.
func (m *master) connect(f *framework, sub *subscription, info mesos.FrameworkInfo, suppressed []string) {
	now := time.Now()
	wasConnected := false
	if f == nil {
		f = newFramework(info)
		f.registered = now
		m.frameworks[f.id()] = f
		m.setRoles(f, suppressed)
	} else {
		wasConnected = f.sub != nil
		m.failOver(f, info, suppressed)
		f.reregistered = now
	}
	f.sub = sub
	m.log.WithField("framework", f.id()).Info("subscribed")
	sub.send(m.subscribedEvent(f.id()))
	sub.send(heartbeatEvent())
	m.alloc.setFrameworkActive(f.id(), true)
	if !wasConnected {
		m.allocate()
	}
	for _, a := range m.agents {
		a.link.flush(f.info)
	}
}

// failOver takes a known framework from its previous stream. Its offers are void without a RESCIND, but for those of
// roles that it has given up.
func (m *master) failOver(f *framework, info mesos.FrameworkInfo, suppressed []string) {
	if f.failover != nil {
		f.failover.Stop()
		f.failover = nil
	}
	if !f.recovered {
		info.User, info.Checkpoint = f.info.User, f.info.Checkpoint
	}
	f.info, f.recovered = info, false
	m.dropRoles(f)
	for _, o := range m.offersOf(func(o *offer) bool { return o.framework == f.id() }) {
		m.takeBack(o, 0)
	}
	m.dropInverse(func(o *inverseOffer) bool { return o.framework == f.id() })
	if f.sub != nil {
		f.sub.send(errorEvent("Framework failed over"))
		f.sub.end()
	}
	m.setRoles(f, suppressed)
}

func (m *master) setRoles(f *framework, suppressed []string) {
	m.alloc.setFramework(f.id(), rolesOf(&f.info), suppressed, f.has(mesos.FrameworkInfo_Capability_GPU_RESOURCES))
	m.alloc.setAbilities(f.id(), f.has(mesos.FrameworkInfo_Capability_REVOCABLE_RESOURCES), f.has(mesos.FrameworkInfo_Capability_REGION_AWARE))
}

// dropRoles rescinds the offers for roles that the framework has no more.
func (m *master) dropRoles(f *framework) {
	roles := rolesOf(&f.info)
	for _, o := range m.offersOf(func(o *offer) bool { return o.framework == f.id() && !slices.Contains(roles, o.role) }) {
		m.rescind(o)
	}
}

func (m *master) subscribedEvent(id string) *scheduler.Event {
	beat := m.cfg.HeartbeatInterval.Seconds()
	return &scheduler.Event{
		Type: scheduler.Event_SUBSCRIBED,
		Subscribed: &scheduler.Event_Subscribed{
			FrameworkID: &mesos.FrameworkID{Value: id}, HeartbeatIntervalSeconds: &beat, MasterInfo: m.info(),
		},
	}
}

// info describes the master as SUBSCRIBED does.
func (m *master) info() *mesos.MasterInfo {
	info := masterInfo(m.id, m.address)
	info.Domain = m.cfg.Domain.message()
	return info
}

// masterInfo describes a master process.
func masterInfo(id, address string) *mesos.MasterInfo {
	addr := netip.MustParseAddrPort(address) // a listener's own address
	host, pid, v := addr.Addr().String(), "master@"+address, version
	port := uint32(addr.Port())
	var ip uint32
	if four := addr.Addr().Unmap(); four.Is4() {
		b := four.As4()
		ip = uint32(b[0]) | uint32(b[1])<<8 | uint32(b[2])<<16 | uint32(b[3])<<24
	}
	return &mesos.MasterInfo{
		ID: id, IP: ip, Port: &port, PID: &pid, Hostname: &host, Version: &v,
		Address: &mesos.Address{Hostname: &host, IP: &host, Port: int32(port)},
		Capabilities: []mesos.MasterInfo_Capability{
			{Type: mesos.MasterInfo_Capability_AGENT_UPDATE},
			{Type: mesos.MasterInfo_Capability_AGENT_DRAINING},
			{Type: capabilityQuotaV2},
		},
	}
}

// disconnected is called when the stream sub has broken. The framework has failover_timeout seconds to come back.
func (m *master) disconnected(id string, sub *subscription) {
	m.mu.Lock()
	defer m.mu.Unlock()
	f := m.frameworks[id]
	if m.stopped || f == nil || f.sub != sub {
		return
	}
	m.log.WithField("framework", id).Info("disconnected")
	f.sub = nil
	m.alloc.setFrameworkActive(id, false)
	for _, o := range m.offersOf(func(o *offer) bool { return o.framework == id }) {
		m.takeBack(o, 0)
	}
	m.dropInverse(func(o *inverseOffer) bool { return o.framework == id })
	timeout := f.info.GetFailoverTimeout()
	if !(timeout > 0) {
		m.removeFramework(f)
		return
	}
	d := time.Duration(min(timeout*float64(time.Second), float64(maxRefusal)))
	f.failover = m.after(d, func() { m.removeFramework(f) })
}

// teardown removes a framework for an operator.
func (m *master) teardown(id string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	f := m.frameworks[id]
	if f != nil {
		m.removeFramework(f)
	}
	return f != nil
}

// removeFramework ends a framework for good and kills its tasks.
func (m *master) removeFramework(f *framework) {
	m.log.WithField("framework", f.id()).Info("removed")
	if f.failover != nil {
		f.failover.Stop()
	}
	for _, o := range m.offersOf(func(o *offer) bool { return o.framework == f.id() }) {
		m.takeBack(o, 0)
	}
	for _, t := range f.tasks {
		if !terminal(t.state) {
			t.state = mesos.TASK_KILLED
		}
		m.removeTask(f, t)
	}
	if f.sub != nil {
		f.sub.end()
		f.sub = nil
	}
	m.alloc.removeFramework(f.id())
	delete(m.frameworks, f.id())
	f.unregistered = time.Now()
	m.completed = append(m.completed, f)
	if len(m.completed) > maxCompletedFrameworks {
		m.completed = slices.Delete(m.completed, 0, 1)
	}
	for _, a := range m.agents {
		a.link.end(ending{framework: f.id()})
	}
}

// updateFramework changes what a connected framework said of itself.
func (m *master) updateFramework(u *scheduler.Call_UpdateFramework) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	info := u.FrameworkInfo
	f := m.frameworks[info.ID.GetValue()]
	if f == nil {
		return badRequest("Framework cannot be found")
	}
	if err := checkFramework(&info, nil); err != nil {
		return badRequest("Supplied FrameworkInfo is not valid: %s", err)
	}
	if err := checkSuppressed(&info, u.SuppressedRoles); err != nil {
		return badRequest("'UpdateFramework' call is not valid: %s", err)
	}
	const unsupported = "FrameworkInfo update is not valid: Updating 'FrameworkInfo.%s' is unsupported; attempted to " +
		"update from '%v' to '%v'"
	switch {
	case info.GetPrincipal() != f.info.GetPrincipal():
		return badRequest("FrameworkInfo update is not valid: Changing framework's principal is not allowed.")
	case info.User != f.info.User:
		return badRequest(unsupported, "user", f.info.User, info.User)
	case info.GetCheckpoint() != f.info.GetCheckpoint():
		return badRequest(unsupported, "checkpoint", f.info.GetCheckpoint(), info.GetCheckpoint())
	}
	f.info = info
	m.dropRoles(f)
	m.setRoles(f, u.SuppressedRoles)
	return nil
}

// checkFramework finds what makes a subscription end with an ERROR event.
func checkFramework(info *mesos.FrameworkInfo, suppressed []string) error {
	if err := checkRoles(info); err != nil {
		return err
	}
	if id := info.ID.GetValue(); id != "" {
		if err := validateID(id); err != nil {
			return err
		}
	}
	if t := info.GetFailoverTimeout(); math.Abs(t) > float64(math.MaxInt64)/1e9 || math.IsNaN(t) {
		return wiref("The framework failover_timeout (%s) is invalid", cNumber(t))
	}
	return checkSuppressed(info, suppressed)
}

func checkRoles(info *mesos.FrameworkInfo) error {
	multi := hasCapability(info, mesos.FrameworkInfo_Capability_MULTI_ROLE)
	switch {
	case multi && info.Role != nil:
		return wiref("'FrameworkInfo.role' must not be set when the framework is MULTI_ROLE capable")
	case !multi && len(info.Roles) > 0:
		return wiref("'FrameworkInfo.roles' must not be set when the framework is not MULTI_ROLE capable")
	}
	if !multi {
		if err := validateRole(rolesOf(info)[0]); err != nil {
			return wiref("'FrameworkInfo.role' is not a valid role: %s", err)
		}
		return nil
	}
	var duplicates []string
	for i, role := range info.Roles {
		if slices.Contains(info.Roles[:i], role) && !slices.Contains(duplicates, role) {
			duplicates = append(duplicates, role)
		}
	}
	if len(duplicates) > 0 {
		return wiref("'FrameworkInfo.roles' contains duplicate items: { %s }", strings.Join(duplicates, ", "))
	}
	for _, role := range info.Roles {
		if err := validateRole(role); err != nil {
			return wiref("'FrameworkInfo.roles' contains invalid role: %s", err)
		}
	}
	return nil
}

func checkSuppressed(info *mesos.FrameworkInfo, suppressed []string) error {
	roles := rolesOf(info)
	var foreign []string
	for _, role := range suppressed {
		if !slices.Contains(roles, role) {
			foreign = append(foreign, role)
		}
	}
	if len(foreign) > 0 {
		return wiref("Suppressed roles { %s } are not contained in the set of roles", strings.Join(foreign, ", "))
	}
	return nil
}

func (m *master) newAgentID() string {
	id := m.id + "-S" + strconv.Itoa(m.nextAgent)
	m.nextAgent++
	return id
}
