package host

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// cgroups are where jobs with a limit of memory get a control group (version 2) of their own, so that the kernel holds the
// limit at once and ends the job as a whole. They lie below the group that this host is in, and that is only ours to divide
// where nobody else is in it: usually it is not, and then watching must do.
type cgroups struct{ dir string }

const (
	// hostGroup is the group that the host's own processes move to: those that divide their memory hold no process.
	hostGroup = "sluice-host"
	// maxGroupFile is how much is read of a file of a group.
	maxGroupFile = 64 << 10
)

// openCgroups divides the group in dir, in which only own processes may be; it gives nil where that cannot be.
func openCgroups(dir string, own []int) (*cgroups, error) {
	controllers, err := readGroupFile(dir, "cgroup.controllers")
	if err != nil || !slices.Contains(strings.Fields(controllers), "memory") {
		return nil, ignoreMissing(err)
	}
	procs, err := readGroupFile(dir, "cgroup.procs")
	if err != nil {
		return nil, err
	}
	for word := range strings.FieldsSeq(procs) {
		if pid, err := strconv.Atoi(word); err != nil || !slices.Contains(own, pid) {
			return nil, nil //nolint:nilnil // it is not ours alone
		}
	}
	ours := filepath.Join(dir, hostGroup)
	if err := os.Mkdir(ours, 0o755); err != nil && !errors.Is(err, os.ErrExist) {
		return nil, ignoreMissing(err)
	}
	if err := moveTo(ours, own); err != nil {
		return nil, errors.Join(err, moveTo(dir, own))
	}
	if err := writeGroupFile(dir, "cgroup.subtree_control", "+memory"); err != nil {
		return nil, errors.Join(err, moveTo(dir, own), os.Remove(ours))
	}
	return &cgroups{dir}, nil
}

// ignoreMissing leaves errors out that say only that there are no such groups here, or that they are not for us.
func ignoreMissing(err error) error {
	if errors.Is(err, os.ErrNotExist) || errors.Is(err, os.ErrPermission) || errors.Is(err, unix.EROFS) {
		return nil
	}
	return err
}

func moveTo(dir string, pids []int) error {
	for _, pid := range pids {
		if err := writeGroupFile(dir, "cgroup.procs", strconv.Itoa(pid)); err != nil {
			return err
		}
	}
	return nil
}

// ownCgroup is the directory of the group that this process is in; "" where there is none of version 2.
func ownCgroup() (string, error) {
	mounts, err := os.Open("/proc/self/mountinfo")
	if err != nil {
		return "", err
	}
	mount, root := cgroupMount(mounts)
	if err := mounts.Close(); err != nil || mount == "" {
		return "", err
	}
	text, err := readGroupFile("/proc/self", "cgroup")
	if err != nil {
		return "", err
	}
	for line := range strings.Lines(text) {
		if path, ok := strings.CutPrefix(strings.TrimSuffix(line, "\n"), "0::"); ok {
			below, err := filepath.Rel(root, path)
			if err != nil || strings.HasPrefix(below, "..") {
				return "", nil // it is not visible from here
			}
			return filepath.Join(mount, below), nil
		}
	}
	return "", nil
}

// cgroupMount finds in proc_pid_mountinfo(5) where groups of version 2 are mounted, and which of them is there.
func cgroupMount(mountinfo io.Reader) (mount, root string) {
	lines := bufio.NewScanner(mountinfo)
	for lines.Scan() {
		before, after, ok := strings.Cut(lines.Text(), " - ")
		fields := strings.Fields(before)
		if ok && strings.HasPrefix(after, "cgroup2 ") && len(fields) >= 5 {
			return fields[4], fields[3]
		}
	}
	return "", ""
}

// jobGroup is the group of one job.
type jobGroup struct {
	path string
	dir  *os.File
}

// newGroup makes the group of a job; memKiB 0 = without a limit.
func (c *cgroups) newGroup(key attemptKey, memKiB int64) (*jobGroup, error) {
	g := &jobGroup{path: filepath.Join(c.dir, "sluice-job-"+key.String())}
	if err := os.Mkdir(g.path, 0o755); err != nil {
		return nil, fmt.Errorf("make control group: %w", err)
	}
	var err error
	if memKiB > 0 {
		err = errors.Join(g.limit(memKiB), writeGroupFile(g.path, "memory.oom.group", "1"))
	}
	if err == nil {
		g.dir, err = os.Open(g.path)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("make control group: %w", err), os.Remove(g.path))
	}
	return g, nil
}

// limit sets how much memory the group may have; 0 = no limit.
func (g *jobGroup) limit(memKiB int64) error {
	text := "max"
	if memKiB > 0 {
		text = strconv.FormatInt(memKiB<<10, 10)
	}
	return writeGroupFile(g.path, "memory.max", text)
}

// outOfMemory says whether the kernel has ended the job for its memory.
func (g *jobGroup) outOfMemory() bool {
	events, err := readGroupFile(g.path, "memory.events")
	if err != nil {
		return false
	}
	for line := range strings.Lines(events) {
		if count, ok := strings.CutPrefix(line, "oom_kill "); ok {
			return strings.TrimSpace(count) != "0"
		}
	}
	return false
}

// kill ends all processes in the group at once, those too that are being forked.
func (g *jobGroup) kill() error { return writeGroupFile(g.path, "cgroup.kill", "1") }

// remove takes the group away. No process is left in it.
func (g *jobGroup) remove() error { return errors.Join(g.dir.Close(), os.Remove(g.path)) }

func readGroupFile(dir, name string) (string, error) {
	data, err := readUpTo(filepath.Join(dir, name), maxGroupFile)
	return string(data), err
}

// readUpTo reads the first bytes of a file.
func readUpTo(path string, limit int64) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	data, err := io.ReadAll(io.LimitReader(file, limit))
	return data, errors.Join(err, file.Close())
}

func writeGroupFile(dir, name, text string) error {
	file, err := os.OpenFile(filepath.Join(dir, name), os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = file.WriteString(text)
	return errors.Join(err, file.Close())
}
