package minimesos

import (
	"math"

	mesos "github.com/mesos/mesos-go/api/v1/lib"
)

// checkTask validates a task against the framework and the resources at hand, in the order of a real master, and
// returns what it needs.
func checkTask(f *framework, t *mesos.TaskInfo, have allocation) (bundle, error) {
	for i := range t.Resources {
		if err := checkResource(&t.Resources[i]); err != nil {
			return nil, err
		}
	}
	id := t.TaskID.Value
	if err := validateID(id); err != nil {
		return nil, err
	}
	if f.tasks[id] != nil || f.unreachable[id] != nil {
		return nil, wiref("Task has duplicate ID: %s", id)
	}
	if t.AgentID.Value != have.agent {
		return nil, wiref("Task uses invalid agent %s while agent %s is expected", t.AgentID.Value, have.agent)
	}
	for _, check := range []func(*mesos.TaskInfo) error{
		checkTimes, checkChecks, checkTaskResources, checkRevocable, checkCommand, checkContainer, checkLimits,
	} {
		if err := check(t); err != nil {
			return nil, err
		}
	}
	if (t.Command == nil) == (t.Executor == nil) {
		return nil, wiref("Task should have at least one (but not both) of CommandInfo or ExecutorInfo present")
	}
	if t.Executor != nil {
		if err := checkExecutor(f, t.Executor); err != nil {
			return nil, err
		}
	}
	// An agent prints what is missing as allocated to the role of the offers.
	needs := bundleOf(t.Resources, have.role)
	available := have.resources.allocatedTo(have.role)
	if !available.contains(needs) {
		return nil, wiref("Total resources %s required by task and its executor is more than available %s",
			needs, available)
	}
	for i := range needs {
		needs[i].alloc = ""
	}
	return needs, nil
}

func checkResource(r *mesos.Resource) error {
	switch r.GetType() {
	case mesos.SCALAR:
		v := r.GetScalar().GetValue()
		if r.Scalar == nil {
			return wiref("Resource '%s' is invalid: Invalid scalar resource", r.Name)
		}
		if v < 0 || math.IsNaN(v) || math.IsInf(v, 0) {
			return wiref("Resource '%s:%s' is invalid: Invalid scalar resource: value <= 0", r.Name, cNumber(v))
		}
	case mesos.RANGES:
		for _, s := range r.GetRanges().GetRange() {
			if s.Begin > s.End {
				return wiref("Resource '%s:[%d-%d]' is invalid: Invalid ranges resource: begin > end", r.Name, s.Begin, s.End)
			}
		}
	case mesos.SET:
	default:
		return wiref("Resource '%s' is invalid: Unsupported resource type", r.Name)
	}
	return nil
}

func checkTimes(t *mesos.TaskInfo) error {
	if t.GetKillPolicy().GetGracePeriod().GetNanoseconds() < 0 {
		return wiref("Task's 'kill_policy.grace_period' must be non-negative")
	}
	if t.GetMaxCompletionTime().GetNanoseconds() < 0 {
		return wiref("Task's `max_completion_time` must be non-negative")
	}
	return nil
}

// checkChecks refuses what a real master refuses. Checks that pass are accepted but not run.
func checkChecks(t *mesos.TaskInfo) error {
	if c := t.Check; c != nil && c.Type == mesos.CheckInfo_UNKNOWN {
		return wiref("Task uses invalid check: CheckInfo must specify 'type'")
	}
	h := t.HealthCheck
	if h == nil {
		return nil
	}
	const prefix = "Task uses invalid health check: "
	switch {
	case h.Type == mesos.HealthCheck_UNKNOWN:
		return wiref(prefix + "HealthCheck must specify 'type'")
	case h.Type == mesos.HealthCheck_COMMAND && h.Command == nil:
		return wiref(prefix + "Expecting 'command' to be set for COMMAND health check")
	case h.Type == mesos.HealthCheck_HTTP && h.HTTP == nil:
		return wiref(prefix + "Expecting 'http' to be set for HTTP health check")
	case h.Type == mesos.HealthCheck_TCP && h.TCP == nil:
		return wiref(prefix + "Expecting 'tcp' to be set for TCP health check")
	}
	for _, d := range []struct {
		name  string
		value float64
	}{
		{"delay_seconds", h.GetDelaySeconds()},
		{"grace_period_seconds", h.GetGracePeriodSeconds()},
		{"interval_seconds", h.GetIntervalSeconds()},
		{"timeout_seconds", h.GetTimeoutSeconds()},
	} {
		if d.value < 0 {
			return wiref(prefix+"Expecting '%s' to be non-negative", d.name)
		}
	}
	return nil
}

func checkTaskResources(t *mesos.TaskInfo) error {
	if len(t.Resources) == 0 {
		return wiref("Task uses no resources")
	}
	for i := range t.Resources {
		r := &t.Resources[i]
		if v := r.GetScalar().GetValue(); r.Name == "gpus" && v != math.Trunc(v) {
			return wiref("Task uses invalid resources: Invalid 'gpus' resource: The 'gpus' resource must be an unsigned integer")
		}
	}
	return nil
}

func checkCommand(t *mesos.TaskInfo) error {
	for _, v := range t.GetCommand().GetEnvironment().GetVariables() {
		const text = "Task's `CommandInfo` is invalid: Environment variable '%s' of type '%s' must have a %s set"
		switch {
		case v.GetType() == mesos.Environment_Variable_SECRET && v.Secret == nil:
			return wiref(text, v.Name, "SECRET", "secret")
		case v.GetType() == mesos.Environment_Variable_VALUE && v.Value == nil:
			return wiref(text, v.Name, "VALUE", "value")
		}
	}
	return nil
}

func checkContainer(t *mesos.TaskInfo) error {
	if c := t.Container; c != nil && c.GetType() == mesos.ContainerInfo_DOCKER && c.Docker == nil {
		return wiref("Task's `ContainerInfo` is invalid: DockerInfo 'docker' is not set for DOCKER typed ContainerInfo")
	}
	return nil
}

func checkLimits(t *mesos.TaskInfo) error {
	request := bundleOf(t.Resources, "")
	for _, l := range []struct{ name, text string }{{"cpus", "cpu"}, {"mem", "memory"}} {
		limit, set := t.Limits[l.name]
		if set && limit.Value < float64(request.scalar(l.name))/1000 {
			return wiref("The %s limit must be greater than or equal to the %s request", l.text, l.text)
		}
	}
	return nil
}

func checkExecutor(f *framework, e *mesos.ExecutorInfo) error {
	if err := validateID(e.ExecutorID.Value); err != nil {
		return err
	}
	if e.Type == mesos.ExecutorInfo_DEFAULT {
		return wiref("'ExecutorInfo.type' must be 'CUSTOM'")
	}
	if e.Command == nil {
		return wiref("'ExecutorInfo.command' must be set for 'CUSTOM' executor")
	}
	if e.FrameworkID != nil && e.FrameworkID.Value != f.id() {
		return wiref("ExecutorInfo has an invalid FrameworkID (Actual: %s vs Expected: %s)", e.FrameworkID.Value, f.id())
	}
	return wiref("Custom executors are not supported by this master")
}
