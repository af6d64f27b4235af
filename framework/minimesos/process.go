package minimesos

import (
	"bytes"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	mesos "github.com/mesos/mesos-go/api/v1/lib"
)

const defaultPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// realRunner runs tasks as processes of this machine.
type realRunner struct{}

var (
	_ runner      = realRunner{}
	_ taskProcess = (*process)(nil)
)

// process is the main process of a task. It leads a session of its own.
type process struct {
	cmd    *exec.Cmd // nil if the command could not be run at all
	pid    int
	mark   string // stands in the environment of every process of the task
	reaped atomic.Bool
}

// start runs the command of a task in its sandbox. A binary that is missing counts as run and ends with status 1,
// as an executor has it.
func (realRunner) start(c *container) (taskProcess, error) {
	command := c.info.Command
	if command.Value == nil && command.GetShell() {
		return nil, errors.New("shell command without a value")
	}
	env := taskEnvironment(c)
	argv, path := []string{"sh", "-c", command.GetValue()}, "/bin/sh"
	if !command.GetShell() {
		argv = command.Arguments
		if len(argv) == 0 {
			argv = []string{command.GetValue()}
		}
		path = lookPath(command.GetValue(), env["PATH"])
	}
	stdout, err := appendTo(filepath.Join(c.sandbox, "stdout"))
	if err != nil {
		return nil, err
	}
	defer stdout.Close() //nolint:errcheck // written by the task only
	stderr, err := appendTo(filepath.Join(c.sandbox, "stderr"))
	if err != nil {
		return nil, err
	}
	defer stderr.Close() //nolint:errcheck // written by the task, and below
	cmd := &exec.Cmd{
		Path: path, Args: argv, Dir: c.sandbox, Stdout: stdout, Stderr: stderr,
		SysProcAttr: &syscall.SysProcAttr{Setsid: true, Credential: c.account.credential()},
	}
	for _, k := range sortedKeys(env) {
		cmd.Env = append(cmd.Env, k+"="+env[k])
	}
	p := &process{cmd: cmd, pid: os.Getpid(), mark: "/" + c.id}
	if err := cmd.Start(); err != nil {
		fmt.Fprintf(stderr, "Failed to execute command: %v\n", err)
		p.cmd = nil
		p.reaped.Store(true)
		return p, nil
	}
	p.pid = cmd.Process.Pid
	return p, nil
}

func appendTo(path string) (*os.File, error) {
	return os.OpenFile(path, os.O_WRONLY|os.O_APPEND|os.O_CREATE|syscall.O_NOFOLLOW, 0o644)
}

// taskEnvironment is what a task sees: nothing of our own environment.
func taskEnvironment(c *container) map[string]string {
	checkpoint := "0"
	if c.framework.GetCheckpoint() {
		checkpoint = "1"
	}
	host := netip.MustParseAddrPort(c.agent.endpoint).Addr().String() // a listener's own address
	env := map[string]string{
		"LIBPROCESS_IP":                        host,
		"LIBPROCESS_PORT":                      "0",
		"MESOS_AGENT_ENDPOINT":                 c.agent.endpoint,
		"MESOS_ALLOCATION_ROLE":                c.role,
		"MESOS_CHECKPOINT":                     checkpoint,
		"MESOS_DIRECTORY":                      c.sandbox,
		"MESOS_EXECUTOR_ID":                    c.key.task,
		"MESOS_EXECUTOR_SHUTDOWN_GRACE_PERIOD": "5secs",
		"MESOS_FRAMEWORK_ID":                   c.key.framework,
		"MESOS_HTTP_COMMAND_EXECUTOR":          "0",
		"MESOS_SANDBOX":                        c.sandbox,
		"MESOS_SLAVE_ID":                       c.agent.id,
		"MESOS_SLAVE_PID":                      strings.TrimPrefix(agentPath(c.agent.id), "/") + "@" + c.agent.endpoint,
		"PATH":                                 defaultPath,
	}
	if checkpoint == "1" {
		env["MESOS_RECOVERY_TIMEOUT"] = "15mins"
		env["MESOS_SUBSCRIPTION_BACKOFF_MAX"] = "2secs"
	}
	for _, v := range c.info.GetCommand().GetEnvironment().GetVariables() {
		if v.GetType() == mesos.Environment_Variable_SECRET {
			env[v.Name] = string(v.GetSecret().GetValue().GetData())
		} else {
			env[v.Name] = v.GetValue()
		}
	}
	return env
}

// lookPath finds a command the way execvp does in the environment of the task. What is not found is returned as it is.
func lookPath(name, path string) string {
	if strings.Contains(name, "/") {
		return name
	}
	for _, dir := range filepath.SplitList(path) {
		full := filepath.Join(dir, name)
		if info, err := os.Stat(full); err == nil && !info.IsDir() && info.Mode()&0o111 != 0 {
			return full
		}
	}
	return name
}

func (p *process) id() int { return p.pid }

// wait returns when the main process has ended. It is called once.
func (p *process) wait() exit {
	if p.cmd == nil {
		return exit{message: "Command exited with status 1"}
	}
	err := p.cmd.Wait()
	p.reaped.Store(true)
	state := p.cmd.ProcessState
	if state == nil {
		return exit{message: "Failed to wait for the command: " + err.Error()}
	}
	status, ok := state.Sys().(syscall.WaitStatus)
	if ok && status.Signaled() {
		text := "Command terminated with signal " + signalText(status.Signal())
		if status.CoreDump() {
			text += " (core dumped)"
		}
		return exit{message: text}
	}
	return exit{success: state.ExitCode() == 0, message: "Command exited with status " + strconv.Itoa(state.ExitCode())}
}

// signalText is strsignal of the C library.
func signalText(s syscall.Signal) string {
	if s == syscall.SIGUSR1 || s == syscall.SIGUSR2 {
		return "User defined signal " + map[syscall.Signal]string{syscall.SIGUSR1: "1", syscall.SIGUSR2: "2"}[s]
	}
	text := s.String()
	return strings.ToUpper(text[:1]) + text[1:]
}

// terminateTree asks every process of the task to end. Stopped ones are woken to hear it.
func (p *process) terminateTree() {
	for _, pid := range family([]*process{p}, p.mark) {
		signal(pid, syscall.SIGTERM)
		signal(pid, syscall.SIGCONT)
	}
}

// killAll ends every process of the task for sure.
func (p *process) killAll() { killUntilGone([]*process{p}, p.mark) }

// killGroup ends the process group of the main process only, which is quick.
func (p *process) killGroup() {
	if !p.reaped.Load() {
		signal(-p.pid, syscall.SIGKILL)
	}
}

// sweep ends what is left of an agent's tasks.
func (realRunner) sweep(left []taskProcess, agentID string) {
	roots := make([]*process, len(left))
	for i, p := range left {
		roots[i] = p.(*process) //nolint:errcheck // start made them
	}
	killUntilGone(roots, agentID)
}

// signal sends a signal to a process that may be gone already.
func signal(pid int, s syscall.Signal) {
	_ = syscall.Kill(pid, s) // gone, or not ours to kill: nothing to do about it
}

// killUntilGone sends SIGKILL to the families of the roots and to all that carry the mark, again and again as they may
// fork meanwhile.
func killUntilGone(roots []*process, mark string) {
	const rounds = 200
	for range rounds {
		pids := family(roots, mark)
		if len(pids) == 0 {
			return
		}
		for _, pid := range pids {
			signal(pid, syscall.SIGKILL)
		}
		time.Sleep(time.Millisecond) // until the kernel has done it
	}
}

type procEntry struct {
	pid, parent, group, session int
}

// family lists the living processes that descend from the roots, share a session or a group with one that does, or have
// the mark in their environment: the last finds those that have detached themselves.
func family(roots []*process, mark string) []int {
	member := map[int]bool{}
	sessions := map[int]bool{}
	for _, r := range roots {
		if !r.reaped.Load() {
			member[r.pid], sessions[r.pid] = true, true
		}
	}
	entries := processes()
	for _, e := range entries {
		if hasMark(e.pid, mark) {
			member[e.pid] = true
		}
	}
	for grown := true; grown; {
		grown = false
		for _, e := range entries {
			if !member[e.pid] && (member[e.parent] || sessions[e.session]) {
				member[e.pid], grown = true, true
			}
		}
	}
	var pids []int
	for _, e := range entries {
		if member[e.pid] && e.pid != os.Getpid() && e.pid > 1 {
			pids = append(pids, e.pid)
		}
	}
	return pids
}

func hasMark(pid int, mark string) bool {
	const shortest = 16 // an empty mark would be everywhere
	if len(mark) < shortest {
		return false
	}
	env, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/environ")
	return err == nil && bytes.Contains(env, []byte(mark))
}

// processes lists what runs on this machine, zombies left out.
func processes() []procEntry {
	dir, err := os.Open("/proc")
	if err != nil {
		return nil
	}
	defer dir.Close() //nolint:errcheck // only read
	names, err := dir.Readdirnames(-1)
	if err != nil {
		return nil
	}
	var out []procEntry
	for _, name := range names {
		pid, err := strconv.Atoi(name)
		if err != nil {
			continue
		}
		stat, err := os.ReadFile("/proc/" + name + "/stat")
		if err != nil {
			continue
		}
		// The name of the command stands in parentheses and may contain anything.
		fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
		if len(fields) < 4 || fields[0] == "Z" || fields[0] == "X" {
			continue
		}
		e := procEntry{pid: pid}
		for i, n := range []*int{&e.parent, &e.group, &e.session} {
			*n, _ = strconv.Atoi(fields[i+1]) // written by the kernel
		}
		out = append(out, e)
	}
	return out
}
