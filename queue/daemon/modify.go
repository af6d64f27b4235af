package daemon

import (
	"fmt"

	"sluice/queue"
	"sluice/queue/wire"
)

// setters take one part of a spec over from another one.
var setters = map[wire.Field]func(to, from *queue.Spec){
	wire.FieldName:    func(to, from *queue.Spec) { to.Name = from.Name },
	wire.FieldCommand: func(to, from *queue.Spec) { to.Command = from.Command },
	wire.FieldQueue:   func(to, from *queue.Spec) { to.Queue = from.Queue },
	wire.FieldProject: func(to, from *queue.Spec) { to.Project = from.Project },
	wire.FieldApp:     func(to, from *queue.Spec) { to.App = from.App },
	wire.FieldGroup:   func(to, from *queue.Spec) { to.Group = from.Group },
	wire.FieldStdin:   func(to, from *queue.Spec) { to.Stdin, to.Input = from.Stdin, from.Input },
	wire.FieldStdout: func(to, from *queue.Spec) {
		to.Stdout, to.TruncateStdout = from.Stdout, from.TruncateStdout
	},
	wire.FieldStderr: func(to, from *queue.Spec) {
		to.Stderr, to.TruncateStderr = from.Stderr, from.TruncateStderr
	},
	wire.FieldSlots: func(to, from *queue.Spec) { to.MinSlots, to.MaxSlots = from.MinSlots, from.MaxSlots },
	wire.FieldResources: func(to, from *queue.Spec) {
		to.Need.MemMiB, to.Need.OneHost, to.Need.PerHost = from.Need.MemMiB, from.Need.OneHost, from.Need.PerHost
		to.Need.GPUs, to.Need.HostGPUs = from.Need.GPUs, from.Need.HostGPUs
		to.ResReq = from.ResReq
	},
	wire.FieldHosts:      func(to, from *queue.Spec) { to.Need.Hosts = from.Need.Hosts },
	wire.FieldExclusive:  func(to, from *queue.Spec) { to.Need.Exclusive = from.Need.Exclusive },
	wire.FieldAfter:      func(to, from *queue.Spec) { to.After = from.After },
	wire.FieldBeginAt:    func(to, from *queue.Spec) { to.BeginAt = from.BeginAt },
	wire.FieldEndBy:      func(to, from *queue.Spec) { to.EndBy = from.EndBy },
	wire.FieldRunLimit:   func(to, from *queue.Spec) { to.RunLimit = from.RunLimit },
	wire.FieldPriority:   func(to, from *queue.Spec) { to.Priority = from.Priority },
	wire.FieldRerunnable: func(to, from *queue.Spec) { to.Rerunnable, to.NotRerunnable = from.Rerunnable, from.NotRerunnable },

	wire.FieldMemLimit:     func(to, from *queue.Spec) { to.Limits.MemKiB = from.Limits.MemKiB },
	wire.FieldSwapLimit:    func(to, from *queue.Spec) { to.Limits.SwapKiB = from.Limits.SwapKiB },
	wire.FieldCPULimit:     func(to, from *queue.Spec) { to.Limits.CPU = from.Limits.CPU },
	wire.FieldProcessLimit: func(to, from *queue.Spec) { to.Limits.Processes = from.Limits.Processes },
	wire.FieldThreadLimit:  func(to, from *queue.Spec) { to.Limits.Threads = from.Limits.Threads },
	wire.FieldFileLimit:    func(to, from *queue.Spec) { to.Limits.FileKiB = from.Limits.FileKiB },
	wire.FieldDataLimit:    func(to, from *queue.Spec) { to.Limits.DataKiB = from.Limits.DataKiB },
	wire.FieldStackLimit:   func(to, from *queue.Spec) { to.Limits.StackKiB = from.Limits.StackKiB },
	wire.FieldCoreLimit:    func(to, from *queue.Spec) { to.Limits.CoreKiB = from.Limits.CoreKiB },
	wire.FieldNotifyBegin:  func(to, from *queue.Spec) { to.NotifyBegin = from.NotifyBegin },
	wire.FieldNotifyEnd:    func(to, from *queue.Spec) { to.NotifyEnd = from.NotifyEnd },
	wire.FieldMailUser:     func(to, from *queue.Spec) { to.MailUser = from.MailUser },
	wire.FieldRequeueExit:  func(to, from *queue.Spec) { to.RequeueExit = from.RequeueExit },
	wire.FieldPreExec:      func(to, from *queue.Spec) { to.PreExec = from.PreExec },
	wire.FieldPostExec:     func(to, from *queue.Spec) { to.PostExec = from.PostExec },
	wire.FieldLoginShell:   func(to, from *queue.Spec) { to.LoginShell = from.LoginShell },
}

// modification is the change of a job's spec that a request is for.
func modification(ask *wire.ActRequest) (func(*queue.Spec), error) {
	if ask.Spec == nil {
		return nil, &queue.Error{Kind: queue.KindInvalid, Code: queue.BadSpec, Text: "a modification without a spec"}
	}
	if err := checkSize(ask.Spec); err != nil {
		return nil, err
	}
	for _, field := range ask.Fields {
		if setters[field] == nil {
			return nil, &queue.Error{Kind: queue.KindInvalid, Code: queue.BadSpec, Subject: string(field), Text: fmt.Sprintf("a job has no part %q that can be modified", field)}
		}
	}
	return func(spec *queue.Spec) {
		for _, field := range ask.Fields {
			setters[field](spec, ask.Spec)
		}
	}, nil
}
