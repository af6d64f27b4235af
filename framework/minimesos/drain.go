package minimesos

import (
	"time"

	mesos "github.com/mesos/mesos-go/api/v1/lib"
	operator "github.com/mesos/mesos-go/api/v1/lib/master"
)

// drain is an operator's order about an agent: no offers of it are made, and, if it is more than deactivated, its tasks end.
type drain struct {
	grace    time.Duration // at most, of the tasks; negative = their own
	markGone bool          // the agent is removed for good when they have ended
}

// drainAgent ends the tasks of an agent and makes no more offers of it until reactivateAgent.
func (m *master) drainAgent(d *operator.Call_DrainAgent) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	a := m.agents[d.AgentID.Value]
	if a == nil {
		return badRequest("Unknown agent")
	}
	order := &drain{grace: -1, markGone: d.GetMarkGone()}
	if p := d.MaxGracePeriod; p != nil {
		order.grace = max(0, time.Duration(p.Seconds)*time.Second+time.Duration(p.Nanos))
	}
	m.deactivate(a, order)
	a.link.end(ending{drain: order})
	m.drained(a)
	return nil
}

// deactivateAgent makes no more offers of an agent; its tasks run on.
func (m *master) deactivateAgent(id string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	a := m.agents[id]
	if a == nil {
		return badRequest("Unknown agent")
	}
	m.deactivate(a, &drain{})
	return nil
}

func (m *master) deactivate(a *agentRecord, order *drain) {
	m.drains[a.id] = order
	m.alloc.setAgentActive(a.id, false)
	for _, o := range m.offersOf(func(o *offer) bool { return o.agent == a.id }) {
		m.rescind(o)
	}
}

func (m *master) reactivateAgent(id string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.drains[id] == nil {
		return badRequest("Agent is not deactivated")
	}
	delete(m.drains, id)
	if a := m.agents[id]; a != nil && a.connected {
		m.alloc.setAgentActive(id, true)
	}
	return nil
}

// drained removes an agent that is to be gone once its last task is over.
func (m *master) drained(a *agentRecord) {
	order := m.drains[a.id]
	if order == nil || !order.markGone || m.agents[a.id] != a {
		return
	}
	left := false
	m.eachTaskOf(a.id, func(*framework, *task) { left = true })
	if left {
		return
	}
	delete(m.drains, a.id)
	m.removeAgent(a, "Operator marked agent gone")
}

// end ends what it is told to.
func (a *agent) end(what ending) {
	a.box.post(func() {
		switch {
		case a.away:
		case what.framework != "":
			a.shutdownFramework(what.framework)
		case what.drain != nil:
			a.drain(what.drain)
		default:
			a.shutDown()
		}
	})
}

func (a *agent) shutdownFramework(framework string) {
	for key, c := range a.tasks {
		if key.framework == framework {
			c.shutdown()
		}
	}
}

func (a *agent) drain(order *drain) {
	for _, c := range a.tasks {
		c.drained, c.grace, c.markGone = true, order.grace, order.markGone && !terminal(c.latest)
		c.kill()
	}
}

// shutDown ends the agent process with all of its tasks.
func (a *agent) shutDown() {
	a.away, a.master = true, nil
	for _, c := range a.tasks {
		c.mute()
		if c.proc != nil {
			c.proc.killAll()
		}
	}
}

// killGrace is between SIGTERM and SIGKILL.
func (c *container) killGrace() time.Duration {
	grace := c.agent.conf.KillGrace
	if p := c.info.KillPolicy; p != nil && p.GracePeriod != nil {
		grace = time.Duration(p.GracePeriod.Nanoseconds)
	}
	if c.drained && c.grace >= 0 {
		grace = min(grace, c.grace)
	}
	return grace
}

// endedBy says what a task was killed for: in the words of an executor, or of an agent that drains.
func (c *container) endedBy(message string) statusDetails {
	d := executorMade(message)
	if c.drained {
		reason := mesos.REASON_AGENT_DRAINING
		d.reason = &reason
	}
	return d
}

// goneAlready ends a task for its framework as soon as it is being killed, if its agent is to be gone: a real agent turns the first
// update of the drain into the last one.
func (c *container) goneAlready() {
	if !c.markGone {
		return
	}
	c.agent.after(c.killGrace(), c.proc.killAll)
	state := mesos.TASK_GONE_BY_OPERATOR
	if !hasCapability(&c.framework, mesos.FrameworkInfo_Capability_PARTITION_AWARE) {
		state = mesos.TASK_LOST
	}
	c.finish(state, c.endedBy(""))
}
