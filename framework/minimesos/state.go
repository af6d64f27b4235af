package minimesos

import (
	"bytes"
	"cmp"
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	mesos "github.com/mesos/mesos-go/api/v1/lib"
)

// The forms below are those of the operator endpoints of a real master; their fields keep its order.

// decimal is a number that is printed with a fraction.
type decimal float64

// MarshalJSON prints the number as a real master does.
func (d decimal) MarshalJSON() ([]byte, error) { return appendFloat(nil, float64(d)), nil }

func seconds(t time.Time) decimal {
	if t.IsZero() {
		return 0
	}
	return decimal(float64(t.UnixMicro()) / 1e6)
}

type versionForm struct {
	BuildDate string  `json:"build_date"`
	BuildTime decimal `json:"build_time"`
	BuildUser string  `json:"build_user"`
	Version   string  `json:"version"`
}

type leaderForm struct {
	ID       string `json:"id"`
	PID      string `json:"pid"`
	Port     uint32 `json:"port"`
	Hostname string `json:"hostname"`
}

type stateForm struct {
	Version      string          `json:"version"`
	BuildDate    string          `json:"build_date"`
	BuildTime    decimal         `json:"build_time"`
	BuildUser    string          `json:"build_user"`
	StartTime    decimal         `json:"start_time"`
	ElectedTime  decimal         `json:"elected_time"`
	ID           string          `json:"id"`
	PID          string          `json:"pid"`
	Hostname     string          `json:"hostname"`
	Capabilities []string        `json:"capabilities"`
	Activated    decimal         `json:"activated_slaves"`
	Deactivated  decimal         `json:"deactivated_slaves"`
	Unreachable  decimal         `json:"unreachable_slaves"`
	Leader       string          `json:"leader"`
	LeaderInfo   leaderForm      `json:"leader_info"`
	Flags        map[string]any  `json:"flags"`
	Slaves       []agentForm     `json:"slaves"`
	Recovered    []string        `json:"recovered_slaves"`
	Frameworks   []frameworkForm `json:"frameworks"`
	Completed    []frameworkForm `json:"completed_frameworks"`
	OrphanTasks  []taskForm      `json:"orphan_tasks"`
	Unregistered []string        `json:"unregistered_frameworks"`
}

type agentForm struct {
	ID           string            `json:"id"`
	Hostname     string            `json:"hostname"`
	Port         int32             `json:"port"`
	Attributes   map[string]string `json:"attributes"`
	PID          string            `json:"pid"`
	Registered   decimal           `json:"registered_time"`
	Resources    map[string]any    `json:"resources"`
	Used         map[string]any    `json:"used_resources"`
	Offered      map[string]any    `json:"offered_resources"`
	Reserved     map[string]any    `json:"reserved_resources"`
	Unreserved   map[string]any    `json:"unreserved_resources"`
	Active       bool              `json:"active"`
	Deactivated  bool              `json:"deactivated"`
	Version      string            `json:"version"`
	Capabilities []string          `json:"capabilities"`
}

type frameworkForm struct {
	ID              string          `json:"id"`
	Name            string          `json:"name"`
	Used            map[string]any  `json:"used_resources"`
	Offered         map[string]any  `json:"offered_resources"`
	Capabilities    []string        `json:"capabilities"`
	Hostname        string          `json:"hostname"`
	WebUIURL        string          `json:"webui_url"`
	Active          bool            `json:"active"`
	Connected       bool            `json:"connected"`
	Recovered       bool            `json:"recovered"`
	User            string          `json:"user"`
	FailoverTimeout decimal         `json:"failover_timeout"`
	Checkpoint      bool            `json:"checkpoint"`
	Registered      decimal         `json:"registered_time"`
	Unregistered    decimal         `json:"unregistered_time"`
	Principal       string          `json:"principal,omitempty"`
	Resources       map[string]any  `json:"resources"`
	Role            string          `json:"role,omitempty"`
	Roles           []string        `json:"roles,omitempty"`
	Tasks           []taskForm      `json:"tasks"`
	Unreachable     []taskForm      `json:"unreachable_tasks"`
	Completed       []taskForm      `json:"completed_tasks"`
	Offers          []offerForm     `json:"offers"`
	Executors       []string        `json:"executors"`
	Reregistered    *decimal        `json:"reregistered_time,omitempty"`
	Labels          json.RawMessage `json:"labels,omitempty"`
}

type taskForm struct {
	ID          string          `json:"id"`
	Name        string          `json:"name"`
	FrameworkID string          `json:"framework_id"`
	ExecutorID  string          `json:"executor_id"`
	AgentID     string          `json:"slave_id"`
	State       string          `json:"state"`
	Resources   map[string]any  `json:"resources"`
	Role        string          `json:"role"`
	Statuses    []statusForm    `json:"statuses"`
	Labels      json.RawMessage `json:"labels,omitempty"`
	Discovery   json.RawMessage `json:"discovery,omitempty"`
}

type statusForm struct {
	State     string          `json:"state"`
	Timestamp decimal         `json:"timestamp"`
	Container json.RawMessage `json:"container_status,omitempty"`
}

type offerForm struct {
	ID          string            `json:"id"`
	FrameworkID string            `json:"framework_id"`
	Allocation  map[string]string `json:"allocation_info"`
	AgentID     string            `json:"slave_id"`
	Resources   map[string]any    `json:"resources"`
}

func (m *master) writeJSON(w http.ResponseWriter, form any) error {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(form); err != nil {
		return err
	}
	w.Header().Set("Content-Type", mediaJSON)
	w.Write(bytes.TrimSuffix(b.Bytes(), []byte("\n"))) //nolint:errcheck // the client is gone
	return nil
}

func (m *master) versionJSON() versionForm {
	built := m.started.UTC()
	return versionForm{built.Format("2006-01-02 15:04:05 MST"), seconds(built.Truncate(time.Second)), "", version}
}

func (m *master) stateJSON() any {
	m.mu.Lock()
	defer m.mu.Unlock()
	info, v := m.info(), m.versionJSON()
	s := stateForm{
		Version: version, BuildDate: v.BuildDate, BuildTime: v.BuildTime, StartTime: seconds(m.started),
		ElectedTime: seconds(m.started), ID: m.id, PID: info.GetPID(), Hostname: info.GetHostname(),
		Capabilities: []string{"AGENT_UPDATE", "AGENT_DRAINING", "QUOTA_V2"}, Leader: info.GetPID(),
		LeaderInfo:  leaderForm{m.id, info.GetPID(), info.GetPort(), info.GetHostname()},
		Unreachable: decimal(len(m.unreachable)), Slaves: m.agentForms(), Recovered: m.recoveredIDs(),
		Frameworks: m.frameworkForms(m.liveFrameworks()), Completed: m.frameworkForms(m.completed),
		OrphanTasks: []taskForm{}, Unregistered: []string{},
		Flags: map[string]any{
			"allocation_interval": duration(m.cfg.AllocationInterval), "hostname": info.GetHostname(),
			"ip": info.GetAddress().GetIP(), "port": strconv.Itoa(int(info.GetPort())),
		},
	}
	for _, a := range m.agents {
		if a.connected {
			s.Activated++
		} else {
			s.Deactivated++
		}
	}
	return s
}

// duration prints like "1secs", as flags do.
func duration(d time.Duration) string {
	if d%time.Second == 0 {
		return strconv.Itoa(int(d/time.Second)) + "secs"
	}
	return strconv.FormatFloat(float64(d)/float64(time.Millisecond), 'f', -1, 64) + "ms"
}

func (m *master) slavesJSON() any {
	m.mu.Lock()
	defer m.mu.Unlock()
	return struct {
		Slaves    []agentForm `json:"slaves"`
		Recovered []string    `json:"recovered_slaves"`
	}{m.agentForms(), m.recoveredIDs()}
}

func (m *master) frameworksJSON() any {
	m.mu.Lock()
	defer m.mu.Unlock()
	return struct {
		Frameworks   []frameworkForm `json:"frameworks"`
		Completed    []frameworkForm `json:"completed_frameworks"`
		Unregistered []string        `json:"unregistered_frameworks"`
	}{m.frameworkForms(m.liveFrameworks()), m.frameworkForms(m.completed), []string{}}
}

func (m *master) tasksJSON() any {
	m.mu.Lock()
	defer m.mu.Unlock()
	tasks := []taskForm{}
	for _, f := range append(m.liveFrameworks(), m.completed...) {
		tasks = append(tasks, taskForms(f, slices.Collect(maps.Values(f.tasks)))...)
		tasks = append(tasks, taskForms(f, f.completed)...)
	}
	return map[string]any{"tasks": tasks}
}

func (m *master) liveFrameworks() []*framework {
	out := slices.Collect(maps.Values(m.frameworks))
	slices.SortFunc(out, func(a, b *framework) int { return cmp.Compare(a.id(), b.id()) })
	return out
}

func (m *master) recoveredIDs() []string {
	return slices.AppendSeq([]string{}, maps.Keys(m.recovered))
}

func (m *master) agentForms() []agentForm {
	forms := []agentForm{}
	for _, a := range m.agents {
		var used, offered bundle
		m.eachTaskOf(a.id, func(_ *framework, t *task) {
			if !t.freed {
				used = used.plus(t.resources)
			}
		})
		for _, o := range m.offersOf(func(o *offer) bool { return o.agent == a.id }) {
			offered = offered.plus(o.resources)
		}
		total := quantities(agentResources(a.cfg))
		attributes := a.cfg.Attributes
		if attributes == nil {
			attributes = map[string]string{}
		}
		forms = append(forms, agentForm{
			ID: a.id, Hostname: a.cfg.Hostname, Port: a.url.Address.Port, Attributes: attributes,
			PID:        strings.TrimPrefix(a.url.GetPath(), "/") + "@" + m.address,
			Registered: seconds(a.registered), Resources: total, Used: quantities(used), Offered: quantities(offered),
			Reserved: map[string]any{}, Unreserved: total, Active: a.connected, Version: version,
			Capabilities: []string{"MULTI_ROLE", "HIERARCHICAL_ROLE", "RESERVATION_REFINEMENT"},
		})
	}
	slices.SortFunc(forms, func(a, b agentForm) int { return cmp.Compare(a.ID, b.ID) })
	return forms
}

func (m *master) frameworkForms(list []*framework) []frameworkForm {
	forms := []frameworkForm{}
	for _, f := range list {
		forms = append(forms, m.frameworkForm(f))
	}
	return forms
}

func (m *master) frameworkForm(f *framework) frameworkForm {
	var used, offered bundle
	for _, t := range f.tasks {
		if !t.freed {
			used = used.plus(t.resources)
		}
	}
	form := frameworkForm{
		ID: f.id(), Name: f.info.Name, Capabilities: []string{}, Hostname: f.info.GetHostname(),
		WebUIURL: f.info.GetWebUiURL(), Active: f.sub != nil, Connected: f.sub != nil, Recovered: f.recovered,
		User: f.info.User, FailoverTimeout: decimal(f.info.GetFailoverTimeout()), Checkpoint: f.info.GetCheckpoint(),
		Registered: seconds(f.registered), Unregistered: seconds(f.unregistered), Principal: f.info.GetPrincipal(),
		Tasks: taskForms(f, slices.Collect(maps.Values(f.tasks))), Completed: taskForms(f, f.completed),
		Unreachable: taskForms(f, slices.Collect(maps.Values(f.unreachable))), Offers: []offerForm{}, Executors: []string{},
		Labels: labels(f.info.Labels),
	}
	for _, c := range f.info.Capabilities {
		form.Capabilities = append(form.Capabilities, c.Type.String())
	}
	if f.has(mesos.FrameworkInfo_Capability_MULTI_ROLE) {
		form.Roles = f.info.Roles
	} else {
		form.Role = rolesOf(&f.info)[0]
	}
	if !f.reregistered.IsZero() {
		at := seconds(f.reregistered)
		form.Reregistered = &at
	}
	for _, o := range m.offersOf(func(o *offer) bool { return o.framework == f.id() }) {
		offered = offered.plus(o.resources)
		form.Offers = append(form.Offers, offerForm{
			o.id, f.id(), map[string]string{"role": o.role}, o.agent, quantities(o.resources),
		})
	}
	form.Used, form.Offered, form.Resources = quantities(used), quantities(offered), quantities(used.plus(offered))
	return form
}

func taskForms(f *framework, tasks []*task) []taskForm {
	forms := []taskForm{}
	for _, t := range tasks {
		form := taskForm{
			ID: t.info.TaskID.Value, Name: t.info.Name, FrameworkID: f.id(), AgentID: t.agent, State: t.state.String(),
			Resources: quantities(t.resources), Role: t.role, Statuses: []statusForm{}, Labels: labels(t.info.Labels),
		}
		if d := t.info.Discovery; d != nil {
			form.Discovery = toJSON(d)
		}
		for _, s := range t.statuses {
			status := statusForm{State: s.GetState().String(), Timestamp: decimal(s.GetTimestamp())}
			if s.ContainerStatus != nil {
				status.Container = toJSON(s.ContainerStatus)
			}
			form.Statuses = append(form.Statuses, status)
		}
		forms = append(forms, form)
	}
	slices.SortFunc(forms, func(a, b taskForm) int { return cmp.Compare(a.ID, b.ID) })
	return forms
}

// labels prints the list without its wrapper.
func labels(l *mesos.Labels) json.RawMessage {
	if l == nil {
		return nil
	}
	parts := make([][]byte, len(l.Labels))
	for i := range l.Labels {
		parts[i] = toJSON(&l.Labels[i])
	}
	return slices.Concat([]byte("["), bytes.Join(parts, []byte(",")), []byte("]"))
}

// quantities prints resources as sums by name; the four usual scalars are always there.
func quantities(b bundle) map[string]any {
	out := map[string]any{"cpus": decimal(0), "gpus": decimal(0), "mem": decimal(0), "disk": decimal(0)}
	for _, r := range b {
		if r.kind == mesos.SCALAR {
			out[r.name] = decimal(b.scalar(r.name)) / 1000
		} else {
			out[r.name] = r.quantity()
		}
	}
	return out
}
