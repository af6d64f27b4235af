package minimesos

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"

	mesos "github.com/mesos/mesos-go/api/v1/lib"
)

// refuse ends a task that asks for what this agent does not have, as an agent without containers and cgroups does.
func (c *container) refuse() bool {
	info := &c.info
	_, cpus := info.Limits["cpus"]
	_, mem := info.Limits["mem"]
	switch {
	case cpus:
		c.finish(mesos.TASK_DROPPED, noIsolator("CPU", "cgroups/cpu"))
	case mem:
		c.finish(mesos.TASK_DROPPED, noIsolator("Memory", "cgroups/mem"))
	case info.Container != nil && info.Container.GetType() == mesos.ContainerInfo_DOCKER:
		c.finish(mesos.TASK_FAILED, agentMade(mesos.REASON_EXECUTOR_TERMINATED,
			"Abnormal executor termination: unknown container"))
	case info.Container != nil && len(info.Container.Volumes) > 0:
		c.finish(mesos.TASK_FAILED, agentMade(mesos.REASON_CONTAINER_LAUNCH_FAILED,
			"Failed to launch container: Volumes in ContainerInfo is not supported"))
	case info.Container.GetMesos().GetImage() != nil:
		c.finish(mesos.TASK_FAILED, agentMade(mesos.REASON_CONTAINER_LAUNCH_FAILED,
			fmt.Sprintf("Failed to launch container: Unsupported container image type: %d", info.Container.Mesos.Image.GetType())))
	case network(info.Container) != "":
		c.finish(mesos.TASK_FAILED, agentMade(mesos.REASON_CONTAINER_LAUNCH_FAILED,
			"Failed to launch container: Unknown CNI network '"+network(info.Container)+"'"))
	default:
		return false
	}
	return true
}

// network is the named network that a task asks for.
func network(c *mesos.ContainerInfo) string {
	for _, n := range c.GetNetworkInfos() {
		if n.GetName() != "" {
			return n.GetName()
		}
	}
	return ""
}

func noIsolator(what, isolator string) statusDetails {
	d := agentMade(mesos.REASON_GC_ERROR, what+" limits can only be set on tasks launched in Mesos containers when the "+
		"agent has loaded the '"+isolator+"' isolator")
	d.noExecutor = true
	return d
}

// account is the user that a task runs as.
type account struct {
	uid, gid uint32
	groups   []uint32
}

// credential is nil for our own user.
func (a *account) credential() *syscall.Credential {
	if a == nil {
		return nil
	}
	return &syscall.Credential{Uid: a.uid, Gid: a.gid, Groups: a.groups}
}

func taskUser(fw mesos.FrameworkInfo, info mesos.TaskInfo) string {
	if u := info.GetCommand().GetUser(); u != "" {
		return u
	}
	if os.Geteuid() != 0 {
		return "" // the framework's user is an offer that we cannot take up
	}
	return fw.User
}

var errNoSuchUser = errors.New("no such user")

// findAccount looks a user up; nil means our own. Only root may be somebody else.
func findAccount(name string) (*account, error) {
	if name == "" {
		return nil, nil
	}
	u, err := user.Lookup(name)
	if err != nil {
		return nil, errNoSuchUser
	}
	uid, err := strconv.ParseUint(u.Uid, 10, 32)
	if err != nil {
		return nil, fmt.Errorf("look up user %s: %w", name, err)
	}
	if int(uid) == os.Geteuid() {
		return nil, nil
	}
	if os.Geteuid() != 0 {
		return nil, syscall.EPERM
	}
	gid, err := strconv.ParseUint(u.Gid, 10, 32)
	if err != nil {
		return nil, fmt.Errorf("look up user %s: %w", name, err)
	}
	a := &account{uid: uint32(uid), gid: uint32(gid)}
	ids, err := u.GroupIds()
	if err != nil {
		return nil, fmt.Errorf("look up groups of %s: %w", name, err)
	}
	for _, id := range ids {
		if n, err := strconv.ParseUint(id, 10, 32); err == nil {
			a.groups = append(a.groups, uint32(n))
		}
	}
	return a, nil
}

// sandboxPath is where a run of a task lives.
func sandboxPath(workDir, agentID string, key taskKey, run string) string {
	return filepath.Join(workDir, agentID, "frameworks", key.framework, "executors", key.task, "runs", run)
}

// provision makes the sandbox of a task and fetches its files. Its errors are told to the framework.
func (realRunner) provision(ctx context.Context, c *container) error {
	runs := filepath.Dir(c.sandbox)
	if err := os.MkdirAll(runs, 0o755); err != nil {
		return wiref("Failed to create sandbox: %v", err)
	}
	if err := os.Mkdir(c.sandbox, 0o750); err != nil {
		return wiref("Failed to create sandbox: %v", err)
	}
	latest := filepath.Join(runs, "latest")
	if err := os.Remove(latest); err != nil && !errors.Is(err, os.ErrNotExist) {
		return wiref("Failed to link sandbox: %v", err)
	}
	if err := os.Symlink(c.sandbox, latest); err != nil {
		return wiref("Failed to link sandbox: %v", err)
	}
	if err := c.makeOutputs(); err != nil {
		return err
	}
	if uris := c.info.GetCommand().GetURIs(); len(uris) > 0 {
		if err := c.fetch(ctx, uris); err != nil {
			return wiref("Failed to fetch all URIs for container '%s': exited with status 1", c.id)
		}
	}
	return nil
}

// makeOutputs creates stdout and stderr and gives everything to the task's user.
func (c *container) makeOutputs() error {
	account, err := findAccount(c.user)
	files := []string{filepath.Join(c.sandbox, "stdout"), filepath.Join(c.sandbox, "stderr")}
	if err != nil {
		reason := err.Error()
		if errors.Is(err, errNoSuchUser) {
			reason = "No such user '" + c.user + "'"
		}
		return wiref("Failed to chown '%s' to user '%s' : %s", files[0], c.user, reason)
	}
	c.account = account
	for _, name := range files {
		f, err := appendTo(name)
		if err != nil {
			return err
		}
		if err := f.Close(); err != nil {
			return err
		}
	}
	return account.own(append(files, c.sandbox)...)
}

// own gives files to the account.
func (a *account) own(paths ...string) error {
	if a == nil {
		return nil
	}
	for _, path := range paths {
		if err := os.Lchown(path, int(a.uid), int(a.gid)); err != nil {
			return fmt.Errorf("give %s to user %d: %w", path, a.uid, err)
		}
	}
	return nil
}
