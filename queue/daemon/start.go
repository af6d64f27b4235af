package daemon

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"sluice/queue"
	"sluice/queue/wire"
)

const (
	// maxVariable is the most bytes of one environment variable that Linux hands to a process. A longer one would keep the
	// job from starting, so the lists of hosts are left out where they are longer.
	maxVariable = 128 << 10
	// maxReportHosts is how many slots the job's report names.
	maxReportHosts = 4096
)

// startMessage is what a host needs to run an attempt. The owner calls it.
func (d *Daemon) startMessage(job queue.Job, a queue.Attempt, placement []queue.Placement) *wire.Start {
	s := job.Spec
	hosts := perSlot(placement)
	limits, around := d.q.LimitsOf(a.ID), d.q.Around(a.ID)
	expand := func(path string) string { return expandPath(path, a.ID) }
	return &wire.Start{
		Attempt: attemptMessage(a), Command: s.Command, User: s.User, Cwd: s.Cwd, Umask: uint32(s.Umask), Nice: int32(around.Nice),
		Env:   d.jobEnv(s, a.ID, placement, hosts),
		Stdin: inputPath(s, a.ID), Input: s.Input, Stdout: expand(s.Stdout), Stderr: expand(s.Stderr),
		TruncateStdout: s.TruncateStdout, TruncateStderr: s.TruncateStderr,
		Slots: int32(placement[0].Slots), KillGraceNs: int64(d.settings.Load().KillGrace), Limits: limitsMessage(&limits),
		KeepBytes: d.keepBytes(), Terminal: terminalOf(s.Interactive), PreExec: around.Pre, PostExec: around.Post, JobStarter: around.Starter, LoginShell: s.LoginShell,
		Report: &wire.Report{
			JobName: jobName(s), Queue: s.Queue, SubmitHost: s.SubmitHost, Cluster: d.settings.Load().Cluster,
			SubmittedUnix: job.SubmittedAt.Unix(), Hosts: hosts[:min(len(hosts), maxReportHosts)],
		},
		Gpus: int32(s.Need.GPUsFor(placement[0].Slots)), Ports: int32(placement[0].Slots * d.slotPorts(placement[0].Host)),
	}
}

// slotPorts is how many ports of its machine a host has for each slot.
func (d *Daemon) slotPorts(host string) int {
	h, _ := d.q.Host(host)
	return h.SlotPorts
}

// terminalOf is how a job speaks with its submitter, as hosts know it.
func terminalOf(i queue.Interactive) int32 {
	switch i {
	case queue.InteractivePipes:
		return 1
	case queue.InteractiveTerminal, queue.InteractiveShell:
		return 2
	}
	return 0
}

func (d *Daemon) keepBytes() int64 {
	if d.cfg.Outputs == nil {
		return 0
	}
	return d.cfg.OutputBytes
}

// limitsMessage is nil where there are no limits.
func limitsMessage(l *queue.Limits) *wire.Limits {
	if *l == (queue.Limits{}) {
		return nil
	}
	return &wire.Limits{
		MemKib: l.MemKiB, SwapKib: l.SwapKiB, CpuNs: int64(l.CPU), Processes: int64(l.Processes), Threads: int64(l.Threads),
		FileKib: l.FileKiB, DataKib: l.DataKiB, StackKib: l.StackKiB, CoreKib: l.CoreKiB,
	}
}

// perSlot is one word for each slot.
func perSlot(placement []queue.Placement) []string {
	var words []string
	for _, p := range placement {
		words = append(words, slices.Repeat([]string{p.Host}, p.Slots)...)
	}
	return words
}

// expandPath replaces %J by the job's number and %I by the index (0 outside arrays), as LSF does; %% is a percent sign.
func expandPath(path string, id queue.ID) string {
	if !strings.Contains(path, "%") {
		return path
	}
	return strings.NewReplacer("%%", "%", "%J", strconv.FormatInt(id.Job, 10), "%I", strconv.Itoa(id.Index)).Replace(path)
}

// inputPath is the file that a job reads; the name of one that was copied means what it says.
func inputPath(s *queue.Spec, id queue.ID) string {
	if s.Input != "" {
		return s.Stdin
	}
	return expandPath(s.Stdin, id)
}

// jobName is the name that LSF gives a job: that of an array with its index list, the command where it has none.
func jobName(s *queue.Spec) string {
	switch {
	case s.Array != nil:
		return s.Name + indexList(s.Array)
	case s.Name == "":
		return s.Command
	}
	return s.Name
}

func indexList(a *queue.Array) string {
	parts := make([]string, len(a.Ranges))
	for i, r := range a.Ranges {
		switch {
		case r.First == r.Last:
			parts[i] = strconv.Itoa(r.First)
		case r.Step > 1:
			parts[i] = fmt.Sprintf("%d-%d:%d", r.First, r.Last, r.Step)
		default:
			parts[i] = fmt.Sprintf("%d-%d", r.First, r.Last)
		}
	}
	return "[" + strings.Join(parts, ",") + "]"
}

// ownVariables are those that only the system sets; a job submitted from within a job must not inherit them.
var ownVariables = []string{
	"LSB_JOBID", "LSB_BATCH_JID", "LSB_JOBINDEX", "LSB_JOBINDEX_END", "LSB_JOBINDEX_STEP", "LSB_JOBNAME",
	"LSB_HOSTS", "LSB_MCPU_HOSTS", "LSB_DJOB_NUMPROC", "LSB_MAX_NUM_PROCESSORS", "LSB_QUEUE", "LSB_SUB_HOST", "LSB_SUB_USER",
	"LSB_PROJECT_NAME", "LSB_INPUTFILE", "LSB_OUTPUTFILE", "LSB_ERRORFILE", "LSB_JOBFILENAME", "LSB_JOBPGIDS", "LSB_JOBPIDS",
	"LSB_JOBEXIT_STAT", "LSB_JOBPEND", "LSB_EXIT_PRE_ABORT", "LSB_DJOB_HOSTFILE", "LSB_DJOB_RANKFILE", "LSB_JOB_EXECUSER", "LSB_UNIXGROUP", "LS_SUBCWD",
	"LS_EXEC_T", "LS_JOBPID", "LSFUSER", EnvHostToken, queue.EnvHostPorts, wire.EnvMachines,
}

// jobEnv is the environment of a job: the submitter's, and what LSF tells a job.
func (d *Daemon) jobEnv(s *queue.Spec, id queue.ID, placement []queue.Placement, hosts []string) []string {
	env := slices.DeleteFunc(s.Env.Strings(), func(v string) bool {
		name, _, _ := strings.Cut(v, "=")
		return slices.Contains(ownVariables, name)
	})
	set := func(name, value string) {
		if len(name)+len(value)+2 <= maxVariable {
			env = append(env, name+"="+value)
		}
	}
	slots := strconv.Itoa(len(hosts))
	set("LSB_JOBID", strconv.FormatInt(id.Job, 10))
	set("LSB_BATCH_JID", id.String())
	set("LSB_JOBINDEX", strconv.Itoa(id.Index))
	if s.Array != nil {
		last, step := lastAndStep(s.Array, id.Index)
		set("LSB_JOBINDEX_END", strconv.Itoa(last))
		set("LSB_JOBINDEX_STEP", strconv.Itoa(step))
	}
	set("LSB_JOBNAME", jobName(s))
	set("LSB_HOSTS", strings.Join(hosts, " "))
	set("LSB_MCPU_HOSTS", countedHosts(placement))
	if len(hosts) > 1 {
		set(wire.EnvMachines, countedHosts(d.machines(placement)))
	}
	set("LSB_DJOB_NUMPROC", slots)
	set("LSB_MAX_NUM_PROCESSORS", slots)
	set("LSB_QUEUE", s.Queue)
	set("LSB_SUB_HOST", s.SubmitHost)
	set("LSB_SUB_USER", s.User)
	set("LSB_JOB_EXECUSER", s.User)
	if s.Project != "" {
		set("LSB_PROJECT_NAME", s.Project)
	}
	for name, path := range map[string]string{
		"LSB_INPUTFILE": inputPath(s, id), "LSB_OUTPUTFILE": expandPath(s.Stdout, id), "LSB_ERRORFILE": expandPath(s.Stderr, id),
	} {
		if path != "" {
			set(name, path)
		}
	}
	set("LS_SUBCWD", s.Cwd)
	set("LS_EXEC_T", "START")
	set("LSFUSER", s.User)
	return env
}

// machines is a placement with the names of the machines in place of the hosts', where they are known.
func (d *Daemon) machines(placement []queue.Placement) []queue.Placement {
	named := slices.Clone(placement)
	for i := range named {
		if h, ok := d.q.Host(named[i].Host); ok && h.Location != "" {
			named[i].Host = h.Location
		}
	}
	return named
}

// countedHosts is "host n host n " with the blank at its end that LSF has too.
func countedHosts(placement []queue.Placement) string {
	var b strings.Builder
	for _, p := range placement {
		fmt.Fprintf(&b, "%s %d ", p.Host, p.Slots)
	}
	return b.String()
}

// lastAndStep are the array's highest index, and the step of the range that an index belongs to.
func lastAndStep(a *queue.Array, index int) (last, step int) {
	step = 1
	for _, r := range a.Ranges {
		last = max(last, r.Last)
		if r.First <= index && index <= r.Last {
			step = max(1, r.Step)
		}
	}
	return last, step
}
