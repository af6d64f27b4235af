package minimesos

import (
	"bytes"
	"slices"
	"time"

	mesos "github.com/mesos/mesos-go/api/v1/lib"
	"github.com/mesos/mesos-go/api/v1/lib/scheduler"
)

// task is what the master knows of a task.
type task struct {
	info      mesos.TaskInfo
	agent     string
	role      string
	resources bundle
	freed     bool             // the resources have gone back to the allocator
	state     mesos.TaskState  // latest, as the agent said
	reported  *mesos.TaskState // that of the update which the framework has to acknowledge, or acknowledged last
	statuses  []mesos.TaskStatus
	removedAt *mesos.TimeInfo // when its agent became unreachable
}

func terminal(s mesos.TaskState) bool {
	switch s {
	case mesos.TASK_FINISHED, mesos.TASK_FAILED, mesos.TASK_KILLED, mesos.TASK_ERROR, mesos.TASK_LOST,
		mesos.TASK_DROPPED, mesos.TASK_GONE, mesos.TASK_GONE_BY_OPERATOR:
		return true
	}
	return false
}

// visible is the state that reconciliation tells.
func (t *task) visible() mesos.TaskState {
	if t.reported != nil {
		return *t.reported
	}
	return t.state
}

func (t *task) record(s mesos.TaskStatus) {
	if len(t.statuses) >= maxStatuses {
		t.statuses = slices.Delete(t.statuses, 0, 1)
	}
	// A re-delivery is the same status.
	if n := len(t.statuses); n > 0 && len(s.UUID) > 0 && bytes.Equal(t.statuses[n-1].UUID, s.UUID) {
		return
	}
	t.statuses = append(t.statuses, s)
}

// free returns the resources of a task to the allocator, once.
func (m *master) free(f *framework, t *task) {
	if !t.freed {
		t.freed = true
		m.alloc.recover(time.Now(), allocation{f.id(), t.role, t.agent, t.resources}, 0)
	}
}

// removeTask moves a task to the completed ones.
func (m *master) removeTask(f *framework, t *task) {
	m.free(f, t)
	delete(f.tasks, t.info.TaskID.Value)
	f.completed = append(f.completed, t)
	if len(f.completed) > maxCompletedTasks {
		f.completed = slices.Delete(f.completed, 0, 1)
	}
}

// masterStatus is a status that the master makes: it has no uuid and is not to be acknowledged.
type masterStatus struct {
	task, agent string
	state       mesos.TaskState
	reason      mesos.TaskStatus_Reason
	message     string
	unreachable *mesos.TimeInfo
	last        *mesos.TaskStatus // where the parts that describe the container are taken from
}

func now() float64 { return float64(time.Now().UnixMicro()) / 1e6 }

// sendMasterStatus tells a framework the state of a task, in the words that it understands.
func (m *master) sendMasterStatus(f *framework, s masterStatus) mesos.TaskStatus {
	if !f.has(mesos.FrameworkInfo_Capability_PARTITION_AWARE) {
		switch s.state {
		case mesos.TASK_DROPPED, mesos.TASK_UNREACHABLE, mesos.TASK_GONE, mesos.TASK_UNKNOWN:
			s.state = mesos.TASK_LOST
		}
	}
	at, source := now(), mesos.SOURCE_MASTER
	status := mesos.TaskStatus{
		TaskID: mesos.TaskID{Value: s.task}, State: &s.state, Message: &s.message, Source: &source, Reason: &s.reason,
		Timestamp: &at, UnreachableTime: s.unreachable,
	}
	if s.agent != "" {
		status.AgentID = &mesos.AgentID{Value: s.agent}
	}
	if s.last != nil {
		status.ContainerStatus, status.Healthy, status.CheckStatus = s.last.ContainerStatus, s.last.Healthy, s.last.CheckStatus
	}
	m.send(f, updateEvent(status))
	return status
}

// statusUpdate takes a status from an agent and passes it on. It is called again for every re-delivery.
func (m *master) statusUpdate(agent, frameworkID string, status mesos.TaskStatus, latest mesos.TaskState) {
	m.mu.Lock()
	defer m.mu.Unlock()
	f, a := m.frameworks[frameworkID], m.agents[agent]
	if m.stopped || f == nil || a == nil || !a.connected {
		return // the agent tries again
	}
	if t := f.tasks[status.TaskID.Value]; t != nil && t.agent == agent {
		t.state = latest
		reported := status.GetState()
		t.reported = &reported
		t.record(status)
		if terminal(latest) {
			m.free(f, t)
		}
	}
	m.send(f, updateEvent(status))
}

func (m *master) acknowledge(f *framework, ack *scheduler.Call_Acknowledge) {
	a := m.agents[ack.AgentID.Value]
	if a == nil || !a.connected {
		return
	}
	t := f.tasks[ack.TaskID.Value]
	if t != nil && len(t.statuses) > 0 {
		last := t.statuses[len(t.statuses)-1]
		if terminal(last.GetState()) && bytes.Equal(last.UUID, ack.UUID) {
			m.removeTask(f, t)
			defer m.drained(a)
		}
	}
	a.link.acknowledge(f.id(), ack.TaskID.Value, ack.UUID)
}

func (m *master) kill(f *framework, k *scheduler.Call_Kill) {
	t := f.tasks[k.TaskID.Value]
	if t == nil {
		m.answer(f, k.TaskID.Value, k.AgentID.GetValue())
		return
	}
	if k.AgentID != nil && k.AgentID.Value != t.agent {
		return
	}
	a := m.agents[t.agent]
	if !a.connected {
		a.kills = append(a.kills, taskKey{f.id(), k.TaskID.Value})
		return
	}
	a.link.kill(f.id(), k.TaskID.Value)
}

func (m *master) reconcile(f *framework, r *scheduler.Call_Reconcile) {
	if len(r.Tasks) == 0 {
		for id := range f.tasks {
			m.answer(f, id, "")
		}
	}
	for _, t := range r.Tasks {
		m.answer(f, t.TaskID.Value, t.AgentID.GetValue())
	}
}

// answer tells the framework what is known of a task. After a restart of the master nothing is said of what agents may
// still know that have not come back.
func (m *master) answer(f *framework, id, agent string) {
	s := masterStatus{task: id, agent: agent, reason: mesos.REASON_RECONCILIATION}
	since, wasUnreachable := m.unreachable[agent]
	switch t := f.tasks[id]; {
	case t != nil:
		s.agent, s.state, s.message = t.agent, t.visible(), "Reconciliation: Latest task state"
		if n := len(t.statuses); n > 0 {
			s.last = &t.statuses[n-1]
		}
	case m.agents[agent] != nil:
		s.state, s.message = mesos.TASK_GONE, "Reconciliation: Task is unknown to the agent"
	case wasUnreachable:
		s.state, s.message = mesos.TASK_UNREACHABLE, "Reconciliation: Task is unreachable"
		s.unreachable = &since
	case m.recovered[agent] || agent == "" && len(m.recovered) > 0:
		return
	default:
		s.state, s.message = mesos.TASK_UNKNOWN, "Reconciliation: Task is unknown"
	}
	m.sendMasterStatus(f, s)
}
