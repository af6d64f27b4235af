package minimesos

import (
	"slices"
	"time"

	mesos "github.com/mesos/mesos-go/api/v1/lib"
	"github.com/mesos/mesos-go/api/v1/lib/scheduler"
)

// accept uses offers for operations; what is left goes back with the call's filter.
func (m *master) accept(f *framework, a *scheduler.Call_Accept) {
	err := m.checkOffers(f, a.OfferIDs)
	var used allocation
	for _, id := range a.OfferIDs {
		o := m.offers[id.Value]
		if o == nil {
			continue
		}
		if err != nil {
			m.takeBack(o, 0)
			continue
		}
		m.forgetOffer(o)
		rest := used.resources.plus(o.resources)
		used = o.allocation
		used.resources = rest
	}
	if err != nil {
		m.refuseOperations(f, a.Operations, "Task launched with invalid offers: "+err.Error())
		return
	}
	for i := range a.Operations {
		used.resources = m.operate(f, &a.Operations[i], used)
	}
	m.alloc.recover(time.Now(), used, refusal(a.Filters))
}

// checkOffers tells why offers cannot be used together by the framework.
func (m *master) checkOffers(f *framework, ids []mesos.OfferID) error {
	if len(ids) == 0 {
		return wiref("No offers specified")
	}
	for i, id := range ids {
		if slices.Contains(ids[:i], id) {
			return wiref("Duplicate offer %s in offer list", id.Value)
		}
	}
	for _, id := range ids {
		if m.offers[id.Value] == nil {
			return wiref("Offer %s is no longer valid", id.Value)
		}
	}
	for _, id := range ids {
		if owner := m.offers[id.Value].framework; owner != f.id() {
			return wiref("Offer %s has invalid framework %s while framework %s is expected", id.Value, owner, f.id())
		}
	}
	first := m.offers[ids[0].Value]
	for _, id := range ids {
		if role := m.offers[id.Value].role; role != first.role {
			return wiref("Aggregated offers must be allocated to the same role. Offer %s uses role '%s but another is "+
				"using role '%s", id.Value, role, first.role)
		}
	}
	for _, id := range ids {
		if agent := m.offers[id.Value].agent; agent != first.agent {
			return wiref("Aggregated offers must belong to one single agent. Offer %s uses agent %s and agent %s",
				id.Value, agent, first.agent)
		}
	}
	return nil
}

// refuseOperations answers an ACCEPT of offers that cannot be used: one update per task.
func (m *master) refuseOperations(f *framework, ops []mesos.Offer_Operation, message string) {
	for i := range ops {
		for _, t := range launched(&ops[i]) {
			m.sendMasterStatus(f, masterStatus{
				task: t.TaskID.Value, agent: t.AgentID.Value, state: mesos.TASK_DROPPED,
				reason: mesos.REASON_INVALID_OFFERS, message: message,
			})
		}
		if ops[i].ID != nil {
			m.sendOperationError(f, ops[i].ID, message)
		}
	}
}

func launched(op *mesos.Offer_Operation) []mesos.TaskInfo {
	switch {
	case op.Type == mesos.Offer_Operation_LAUNCH && op.Launch != nil:
		return op.Launch.TaskInfos
	case op.Type == mesos.Offer_Operation_LAUNCH_GROUP && op.LaunchGroup != nil:
		return op.LaunchGroup.TaskGroup.Tasks
	}
	return nil
}

// operate performs one operation and returns what is left of the resources.
func (m *master) operate(f *framework, op *mesos.Offer_Operation, have allocation) bundle {
	switch op.Type {
	case mesos.Offer_Operation_LAUNCH:
		for _, t := range launched(op) {
			have.resources = m.launch(f, t, have)
		}
	case mesos.Offer_Operation_LAUNCH_GROUP:
		for _, t := range launched(op) {
			m.sendMasterStatus(f, masterStatus{
				task: t.TaskID.Value, agent: t.AgentID.Value, state: mesos.TASK_ERROR,
				reason: mesos.REASON_TASK_GROUP_INVALID, message: "Task groups are not supported by this master",
			})
		}
	default:
		if _, known := mesos.Offer_Operation_Type_name[int32(op.Type)]; known && op.ID != nil {
			m.sendOperationError(f, op.ID, "Operation is not supported by this master")
		}
	}
	return have.resources
}

// launch checks a task, hands it to its agent and returns what is left of the resources.
func (m *master) launch(f *framework, info mesos.TaskInfo, have allocation) bundle {
	needs, err := checkTask(f, &info, have)
	if err != nil {
		m.sendMasterStatus(f, masterStatus{
			task: info.TaskID.Value, agent: info.AgentID.Value, state: mesos.TASK_ERROR,
			reason: mesos.REASON_TASK_INVALID, message: err.Error(),
		})
		return have.resources
	}
	for i := range info.Resources {
		if info.Resources[i].AllocationInfo == nil {
			role := have.role
			info.Resources[i].AllocationInfo = &mesos.Resource_AllocationInfo{Role: &role}
		}
	}
	t := &task{
		info: info, agent: have.agent, role: have.role, resources: needs, state: mesos.TASK_STAGING,
	}
	f.tasks[info.TaskID.Value] = t
	m.agents[have.agent].link.launch(f.info, have.role, info)
	return have.resources.minus(needs)
}

func (m *master) sendOperationError(f *framework, id *mesos.OperationID, message string) {
	m.send(f, operationEvent(mesos.OperationStatus{
		OperationID: id, State: mesos.OPERATION_ERROR, Message: &message,
	}))
}

func operationEvent(status mesos.OperationStatus) *scheduler.Event {
	return &scheduler.Event{
		Type:                  scheduler.Event_UPDATE_OPERATION_STATUS,
		UpdateOperationStatus: &scheduler.Event_UpdateOperationStatus{Status: status},
	}
}

// reconcileOperations answers for each operation that it is not known, as none ever is.
func (m *master) reconcileOperations(f *framework, r *scheduler.Call_ReconcileOperations) {
	for _, op := range r.Operations {
		message := "Reconciliation: Operation is unknown"
		m.send(f, operationEvent(mesos.OperationStatus{
			OperationID: &op.OperationID, State: mesos.OPERATION_UNKNOWN, Message: &message, AgentID: op.AgentID,
		}))
	}
}
