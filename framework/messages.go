package framework

import (
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	mesos "github.com/mesos/mesos-go/api/v1/lib"
	"github.com/mesos/mesos-go/api/v1/lib/scheduler"
	"github.com/mesos/mesos-go/api/v1/lib/scheduler/calls"

	"sluice/framework/fleet"
)

func frameworkInfo(c *Config, id string) *mesos.FrameworkInfo {
	failover, checkpoint := c.FailoverTimeout.Seconds(), true
	info := &mesos.FrameworkInfo{
		User: c.User, Name: c.Name, Roles: c.roles(), FailoverTimeout: &failover, Checkpoint: &checkpoint,
		Hostname: optional(c.Hostname), Principal: optional(c.Principal), WebUiURL: optional(c.WebUIURL),
		Labels: labels(c.Labels),
	}
	if id != "" {
		info.ID = &mesos.FrameworkID{Value: id}
	}
	for _, t := range []mesos.FrameworkInfo_Capability_Type{
		mesos.FrameworkInfo_Capability_MULTI_ROLE, mesos.FrameworkInfo_Capability_PARTITION_AWARE,
		mesos.FrameworkInfo_Capability_TASK_KILLING_STATE, mesos.FrameworkInfo_Capability_RESERVATION_REFINEMENT,
		mesos.FrameworkInfo_Capability_REGION_AWARE,
	} {
		info.Capabilities = append(info.Capabilities, mesos.FrameworkInfo_Capability{Type: t})
	}
	if c.Fleet.Revocable {
		info.Capabilities = append(info.Capabilities,
			mesos.FrameworkInfo_Capability{Type: mesos.FrameworkInfo_Capability_REVOCABLE_RESOURCES})
	}
	if c.GPUs {
		info.Capabilities = append(info.Capabilities,
			mesos.FrameworkInfo_Capability{Type: mesos.FrameworkInfo_Capability_GPU_RESOURCES})
	}
	return info
}

func optional(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

func labels(of map[string]string) *mesos.Labels {
	if len(of) == 0 {
		return nil
	}
	l := &mesos.Labels{}
	for _, key := range slices.Sorted(maps.Keys(of)) {
		value := of[key]
		l.Labels = append(l.Labels, mesos.Label{Key: key, Value: &value})
	}
	return l
}

// Names of Mesos's resources.
const (
	resourceCPUs  = "cpus"
	resourceMem   = "mem"
	resourceDisk  = "disk"
	resourceGPUs  = "gpus"
	resourcePorts = "ports"
)

// plain says whether a resource may be used for a host: volumes, shared resources, and those of external
// providers have owners or rules of their own.
func plain(r *mesos.Resource) bool {
	if r.Type == nil || r.Disk != nil || r.Shared != nil || r.ProviderID != nil {
		return false
	}
	switch *r.Type {
	case mesos.SCALAR:
		return r.Scalar != nil
	case mesos.RANGES:
		return r.Ranges != nil && r.Name == resourcePorts
	default:
		return false
	}
}

func offerOf(o *mesos.Offer) fleet.Offer {
	f := fleet.Offer{ID: o.ID.Value, Agent: o.AgentID.Value, Hostname: o.Hostname, Attributes: attributes(o)}
	if o.AllocationInfo != nil {
		f.Role = o.AllocationInfo.GetRole()
	}
	f.UnavailableFrom, f.UnavailableUntil = timesOf(o.Unavailability)
	for i := range o.Resources {
		r := &o.Resources[i]
		if !plain(r) {
			continue
		}
		if r.Revocable != nil {
			add(&f.Revocable, r)
			continue
		}
		add(&f.Free, r)
		if r.Name == resourceCPUs && r.Scalar != nil && reserved(r) {
			f.ReservedCPUs += r.Scalar.Value
		}
	}
	return f
}

func add(to *fleet.Resources, r *mesos.Resource) {
	if r.Ranges != nil {
		for _, s := range r.Ranges.Range {
			to.Ports += portsOf(s)
		}
		return
	}
	switch r.Name {
	case resourceCPUs:
		to.CPUs += r.Scalar.Value
	case resourceMem:
		to.MemMiB += r.Scalar.Value
	case resourceDisk:
		to.DiskMiB += r.Scalar.Value
	case resourceGPUs:
		to.GPUs += int(r.Scalar.Value)
	}
}

// portsOf is how many ports a range has. There are no more than 65,536, whatever an agent says.
func portsOf(r mesos.Value_Range) int {
	if r.Begin > r.End || r.End > math.MaxUint16 {
		return 0
	}
	return int(r.End - r.Begin + 1)
}

// reserved says whether a resource is reserved for a role: in the present form, or in that of masters before 1.4, which do not know
// RESERVATION_REFINEMENT.
func reserved(r *mesos.Resource) bool {
	return len(r.Reservations) > 0 || r.Role != nil && *r.Role != "*" && *r.Role != ""
}

// timesOf gives the beginning and the end of a maintenance; zero = there is none, or no known end.
func timesOf(u *mesos.Unavailability) (from, until time.Time) {
	if u == nil {
		return from, until
	}
	from = time.Unix(0, u.Start.Nanoseconds)
	if u.Duration != nil {
		until = from.Add(time.Duration(u.Duration.Nanoseconds))
	}
	return from, until
}

func inverseOffersOf(list []mesos.InverseOffer) fleet.InverseOffers {
	var offers fleet.InverseOffers
	for i := range list {
		o := fleet.InverseOffer{ID: list[i].OfferID.Value, Agent: list[i].GetAgentID().GetValue()}
		o.From, o.Until = timesOf(&list[i].Unavailability)
		offers = append(offers, o)
	}
	return offers
}

func inverseCall(a fleet.AnswerInverse) *scheduler.Call {
	answer := calls.DeclineInverseOffers
	if a.Accept {
		answer = calls.AcceptInverseOffers
	}
	return answer(offerIDs(a.IDs)...).With(calls.RefuseSeconds(a.Refuse))
}

// attributes are those of the offer's agent, and its fault domain as @region and @zone.
func attributes(o *mesos.Offer) map[string]string {
	m := make(map[string]string, len(o.Attributes)+2)
	for i := range o.Attributes {
		switch a := &o.Attributes[i]; {
		case a.Text != nil:
			m[a.Name] = a.Text.GetValue()
		case a.Scalar != nil:
			m[a.Name] = strconv.FormatFloat(a.Scalar.Value, 'g', -1, 64)
		case a.Ranges != nil:
			m[a.Name] = ranges(a.Ranges)
		}
	}
	if d := o.GetDomain().GetFaultDomain(); d != nil {
		m["@region"], m["@zone"] = d.Region.Name, d.Zone.Name
	}
	if len(m) == 0 {
		return nil
	}
	return m
}

// ranges prints as agents take them: [1-3,5-6].
func ranges(of *mesos.Value_Ranges) string {
	parts := make([]string, len(of.Range))
	for i, r := range of.Range {
		parts[i] = strconv.FormatUint(r.Begin, 10) + "-" + strconv.FormatUint(r.End, 10)
	}
	return "[" + strings.Join(parts, ",") + "]"
}

// portion takes what a host uses out of the resources of offers, reserved ones first, in Mesos's own form.
func portion(offers []*mesos.Offer, h fleet.Host) []mesos.Resource {
	var all []mesos.Resource
	for _, o := range offers {
		for i := range o.Resources {
			if r := o.Resources[i]; plain(&r) {
				if r.AllocationInfo == nil {
					r.AllocationInfo = o.AllocationInfo
				}
				all = append(all, r)
			}
		}
	}
	slices.SortStableFunc(all, func(a, b mesos.Resource) int {
		switch {
		case reserved(&a) == reserved(&b):
			return 0
		case reserved(&a):
			return -1
		default:
			return 1
		}
	})
	var taken []mesos.Resource
	for _, want := range []struct {
		name      string
		amount    float64
		revocable bool
	}{
		{resourceCPUs, h.Resources.CPUs, h.Spec.Revocable},
		{resourceMem, h.Resources.MemMiB, h.RevocableMem},
		{resourceDisk, h.Resources.DiskMiB, false},
		{resourceGPUs, float64(h.Resources.GPUs), false},
	} {
		taken = append(taken, take(all, want.name, want.amount, want.revocable)...)
	}
	return append(taken, takePorts(all, h.Resources.Ports)...)
}

// takePorts takes the first so many ports.
func takePorts(from []mesos.Resource, n int) []mesos.Resource {
	var taken []mesos.Resource
	for _, r := range from {
		if r.Ranges == nil || r.Revocable != nil {
			continue
		}
		var ranges []mesos.Value_Range
		for _, s := range r.Ranges.Range {
			if have := min(n, portsOf(s)); have > 0 {
				ranges = append(ranges, mesos.Value_Range{Begin: s.Begin, End: s.Begin + uint64(have) - 1})
				n -= have
			}
		}
		if len(ranges) > 0 {
			r.Ranges = &mesos.Value_Ranges{Range: ranges}
			taken = append(taken, r)
		}
	}
	return taken
}

// leastAmount is what Mesos can tell from nothing: amounts have three decimals.
const leastAmount = 0.001

func take(from []mesos.Resource, name string, amount float64, revocable bool) []mesos.Resource {
	var taken []mesos.Resource
	for _, r := range from {
		if amount < leastAmount {
			break
		}
		if r.Name != name || r.Scalar == nil || (r.Revocable != nil) != revocable || r.Scalar.Value < leastAmount {
			continue
		}
		n := min(amount, r.Scalar.Value)
		amount -= n
		r.Scalar = &mesos.Value_Scalar{Value: n}
		taken = append(taken, r)
	}
	return taken
}

var taskStates = map[mesos.TaskState]fleet.TaskState{
	mesos.TASK_STAGING: fleet.TaskStaging, mesos.TASK_STARTING: fleet.TaskStarting, mesos.TASK_RUNNING: fleet.TaskRunning,
	mesos.TASK_KILLING: fleet.TaskKilling, mesos.TASK_FINISHED: fleet.TaskFinished, mesos.TASK_FAILED: fleet.TaskFailed,
	mesos.TASK_KILLED: fleet.TaskKilled, mesos.TASK_ERROR: fleet.TaskError, mesos.TASK_LOST: fleet.TaskLost,
	mesos.TASK_DROPPED: fleet.TaskDropped, mesos.TASK_UNREACHABLE: fleet.TaskUnreachable, mesos.TASK_GONE: fleet.TaskGone,
	mesos.TASK_GONE_BY_OPERATOR: fleet.TaskGoneByOperator, mesos.TASK_UNKNOWN: fleet.TaskUnknown,
}

// updateOf is what the fleet learns of an update; false for a state that this version of Mesos's protocol does not have.
func updateOf(s *mesos.TaskStatus) (fleet.Update, bool) {
	state, known := taskStates[s.GetState()]
	u := fleet.Update{
		Task: s.TaskID.Value, State: state, Reason: s.GetMessage(),
		Preempted:     s.Reason != nil && *s.Reason == mesos.REASON_CONTAINER_PREEMPTED,
		InvalidOffers: s.Reason != nil && *s.Reason == mesos.REASON_INVALID_OFFERS,
	}
	if s.Reason != nil && *s.Reason == mesos.REASON_AGENT_DRAINING {
		u.Reason = strings.TrimSpace("its agent is drained " + u.Reason)
	}
	if s.AgentID != nil {
		u.Agent = s.AgentID.Value
	}
	return u, known && s.State != nil
}

func acceptCall(l fleet.Launch, task mesos.TaskInfo) *scheduler.Call {
	return calls.Accept(calls.OfferOperations{calls.OpLaunch(task)}.WithOffers(offerIDs(l.Offers)...)).
		With(calls.RefuseSeconds(l.Refuse))
}

func offerIDs(ids []string) []mesos.OfferID {
	out := make([]mesos.OfferID, len(ids))
	for i, id := range ids {
		out[i].Value = id
	}
	return out
}

func reconcileCall(r fleet.Reconcile) *scheduler.Call {
	tasks := make(map[string]string, len(r.Tasks))
	for _, t := range r.Tasks {
		tasks[t.Task] = t.Agent
	}
	return calls.Reconcile(calls.ReconcileTasks(tasks))
}
