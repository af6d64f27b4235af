package framework

import (
	"errors"
	"fmt"
	"maps"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	mesos "github.com/mesos/mesos-go/api/v1/lib"

	"sluice/framework/fleet"
	"sluice/queue"
)

// taskInfo is the Mesos task that becomes a host.
func taskInfo(c *Config, h fleet.Host, command queue.HostCommand, resources []mesos.Resource) mesos.TaskInfo {
	shell := false
	program := command.Argv[0]
	if !path.IsAbs(program) && !strings.HasPrefix(program, "./") {
		program = "./" + program // in the sandbox, not on the agent's PATH
	}
	argv := append([]string{program}, command.Argv[1:]...)
	info := &mesos.CommandInfo{Shell: &shell, Value: &program, Arguments: argv}
	for _, f := range command.Files {
		yes, no, executable, name := true, false, f.Executable, f.Name
		info.URIs = append(info.URIs, mesos.CommandInfo_URI{
			Value: f.URI, Executable: &executable, Extract: &no, Cache: &yes,
			OutputFile: optional(name),
		})
	}
	env := maps.Clone(command.Env)
	if ports := portsIn(resources); ports != "" {
		env = withVariable(env, queue.EnvHostPorts, ports)
	}
	if len(env) > 0 {
		info.Environment = &mesos.Environment{}
		for _, name := range slices.Sorted(maps.Keys(env)) {
			value := env[name]
			info.Environment.Variables = append(info.Environment.Variables, mesos.Environment_Variable{Name: name, Value: &value})
		}
	}
	tags := maps.Clone(c.Labels)
	if tags == nil {
		tags = map[string]string{}
	}
	tags["slots"] = strconv.Itoa(h.Spec.Slots)
	if h.Spec.Profile != "" {
		tags["profile"] = h.Spec.Profile
	}
	task := mesos.TaskInfo{
		Name: h.Name(), TaskID: mesos.TaskID{Value: h.Name()}, AgentID: mesos.AgentID{Value: h.Agent},
		Resources: resources, Command: info, Labels: labels(tags), Container: container(c.surroundings(h.Spec.Profile)),
		Discovery:  &mesos.DiscoveryInfo{Visibility: mesos.FRAMEWORK, Name: optional(c.Name), Labels: labels(tags)},
		KillPolicy: &mesos.KillPolicy{GracePeriod: &mesos.DurationInfo{Nanoseconds: c.KillGrace.Nanoseconds()}},
	}
	if c.HostMaxTime > 0 {
		task.MaxCompletionTime = &mesos.DurationInfo{Nanoseconds: c.HostMaxTime.Nanoseconds()}
	}
	return task
}

func withVariable(env map[string]string, name, value string) map[string]string {
	if env == nil {
		env = make(map[string]string, 1)
	}
	env[name] = value
	return env
}

// portsIn are the ports among resources, as 31000-31001,31005-31005.
func portsIn(resources []mesos.Resource) string {
	var all mesos.Value_Ranges
	for i := range resources {
		if r := resources[i].Ranges; r != nil {
			all.Range = append(all.Range, r.Range...)
		}
	}
	return strings.Trim(ranges(&all), "[]")
}

// container is what the Mesos containerizer makes for a host beside its sandbox; nil = nothing.
func container(image, network string) *mesos.ContainerInfo {
	if image == "" && network == "" {
		return nil
	}
	kind := mesos.ContainerInfo_MESOS
	info := &mesos.ContainerInfo{Type: &kind}
	if image != "" {
		docker := mesos.Image_DOCKER
		info.Mesos = &mesos.ContainerInfo_MesosInfo{
			Image: &mesos.Image{Type: &docker, Docker: &mesos.Image_Docker{Name: strings.TrimPrefix(image, dockerScheme)}},
		}
	}
	if network != "" {
		info.NetworkInfos = []mesos.NetworkInfo{{Name: &network}}
	}
	return info
}

// checkTask finds what is wrong with how hosts are to run.
func (c *Config) checkTask() error {
	switch {
	case c.KillGrace < 0:
		return fmt.Errorf("check framework: kill grace is %v: want a time from 0", c.KillGrace)
	case c.HostMaxTime != 0 && c.HostMaxTime < time.Minute:
		return fmt.Errorf("check framework: longest time of a host is %v: no job would get far, want a minute at least", c.HostMaxTime)
	case c.HostMaxTime != 0 && c.HostMaxTime <= c.Fleet.HostTTL:
		return fmt.Errorf("check framework: hosts are drained at the age of %v but killed with their jobs at %v: leave time for the jobs",
			c.Fleet.HostTTL, c.HostMaxTime)
	}
	if err := errors.Join(checkImage(c.HostImage), checkNetwork(c.HostNetwork)); err != nil {
		return fmt.Errorf("check framework: %w", err)
	}
	return c.checkProfiles()
}
