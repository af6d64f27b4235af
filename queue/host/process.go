package host

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// process is what /proc/PID/stat says of one process.
type process struct {
	pid, ppid, pgid, sid int
	start                uint64        // in clock ticks since boot; with the pid it names the process for ever
	swapKiB, rssKiB      int64         // virtual size, resident size
	cpu                  time.Duration // user + system, with that of children it has waited for
	threads              int
}

// clockTick is the unit of times in /proc, the same on every Linux.
const clockTick = 10 * time.Millisecond

var errNoStat = errors.New("unreadable process status")

// readProcess gives os.ErrNotExist, or ESRCH, for a process that is gone.
func readProcess(pid int) (process, error) {
	fd, err := unix.Open("/proc/"+strconv.Itoa(pid)+"/stat", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return process{}, err
	}
	var buffer [1024]byte
	n, err := unix.Read(fd, buffer[:])
	if err := errors.Join(err, unix.Close(fd)); err != nil {
		return process{}, err
	}
	return parseStat(pid, buffer[:n])
}

// parseStat reads proc_pid_stat(5). The name of the program, in parentheses, may hold anything.
func parseStat(pid int, stat []byte) (process, error) {
	end := bytes.LastIndexByte(stat, ')')
	if end < 0 {
		return process{}, errNoStat
	}
	// The first of these fields is the third of the file.
	fields := bytes.Fields(stat[end+1:])
	if len(fields) < 22 {
		return process{}, errNoStat
	}
	p := process{pid: pid}
	var user, system, userChildren, systemChildren int
	for field, into := range map[int]*int{
		1: &p.ppid, 2: &p.pgid, 3: &p.sid, 11: &user, 12: &system, 13: &userChildren, 14: &systemChildren, 17: &p.threads,
	} {
		number, err := strconv.Atoi(string(fields[field]))
		if err != nil {
			return process{}, errNoStat
		}
		*into = number
	}
	var errs [3]error
	p.start, errs[0] = strconv.ParseUint(string(fields[19]), 10, 64)
	p.swapKiB, errs[1] = strconv.ParseInt(string(fields[20]), 10, 64)
	p.rssKiB, errs[2] = strconv.ParseInt(string(fields[21]), 10, 64)
	if errors.Join(errs[:]...) != nil {
		return process{}, errNoStat
	}
	p.cpu = clockTick * time.Duration(user+system+userChildren+systemChildren)
	p.swapKiB /= 1024
	p.rssKiB *= int64(os.Getpagesize() / 1024)
	return p, nil
}

// processes is one reading of /proc.
type processes struct {
	all      map[int]process
	children map[int][]int
}

func readProcesses() (processes, error) {
	dir, err := os.Open("/proc")
	if err != nil {
		return processes{}, fmt.Errorf("read processes: %w", err)
	}
	names, err := dir.Readdirnames(-1)
	if err := errors.Join(err, dir.Close()); err != nil {
		return processes{}, fmt.Errorf("read processes: %w", err)
	}
	table := processes{all: map[int]process{}, children: map[int][]int{}}
	for _, name := range names {
		pid, err := strconv.Atoi(name)
		if err != nil {
			continue
		}
		p, err := readProcess(pid)
		if err != nil {
			continue // it ended while we read
		}
		table.all[pid] = p
		table.children[p.ppid] = append(table.children[p.ppid], pid)
	}
	return table, nil
}

// tree is the processes of roots and all their descendants, each once: a root may have been another's descendant when the
// table was read, and have lost its parent since.
func (t processes) tree(roots []int) []process {
	var found []process
	seen := make(map[int]bool)
	pending := append([]int(nil), roots...)
	for len(pending) > 0 {
		pid := pending[len(pending)-1]
		pending = pending[:len(pending)-1]
		if p, ok := t.all[pid]; ok && !seen[pid] {
			seen[pid] = true
			found = append(found, p)
			pending = append(pending, t.children[pid]...)
		}
	}
	return found
}

// signalProcess signals p and never a process that got p's number after it. A process that is gone is no error.
func signalProcess(p process, signal unix.Signal) error {
	fd, err := unix.PidfdOpen(p.pid, 0)
	switch {
	case errors.Is(err, unix.ENOSYS):
		return ignoreGone(unix.Kill(p.pid, signal))
	case err != nil:
		return ignoreGone(err)
	}
	if again, readErr := readProcess(p.pid); readErr == nil && again.start == p.start {
		err = ignoreGone(unix.PidfdSendSignal(fd, signal, nil, 0))
	}
	return errors.Join(err, unix.Close(fd))
}

func ignoreGone(err error) error {
	if errors.Is(err, unix.ESRCH) || errors.Is(err, unix.EINVAL) {
		return nil
	}
	return err
}

// killTree kills every process of a tree, its process groups first: the kernel does not let a process of a group that is
// being killed fork, so a group cannot outrun us.
func killTree(tree []process, spareGroup int) error {
	var errs []error
	groups := map[int]bool{spareGroup: true, 0: true, 1: true}
	for _, p := range tree {
		if !groups[p.pgid] {
			groups[p.pgid] = true
			errs = append(errs, ignoreGone(unix.Kill(-p.pgid, unix.SIGKILL)))
		}
	}
	return errors.Join(append(errs, signalTree(tree, unix.SIGKILL))...)
}

func signalTree(tree []process, signal unix.Signal) error {
	var errs []error
	for _, p := range tree {
		errs = append(errs, signalProcess(p, signal))
	}
	return errors.Join(errs...)
}

// ownChildren are the children of the given threads of this process. Nothing may be reaped meanwhile: then the kernel's list
// only grows, and misses none.
func ownChildren(threads []int, buffer []byte) ([]int, error) {
	var children []int
	for _, thread := range threads {
		path := "/proc/self/task/" + strconv.Itoa(thread) + "/children"
		list, err := readSmall(path, buffer)
		if errors.Is(err, os.ErrNotExist) {
			return childrenByScan()
		}
		if err != nil {
			return nil, fmt.Errorf("read own children: %w", err)
		}
		for _, word := range bytes.Fields(list) {
			pid, err := strconv.Atoi(string(word))
			if err != nil {
				return nil, fmt.Errorf("read own children: %w", err)
			}
			children = append(children, pid)
		}
	}
	return children, nil
}

// childrenByScan is for kernels without the list of children.
func childrenByScan() ([]int, error) {
	table, err := readProcesses()
	return table.children[os.Getpid()], err
}

// readSmall reads a whole file of /proc, into buffer where it has room.
func readSmall(path string, buffer []byte) ([]byte, error) {
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	buffer = buffer[:0]
	for {
		if len(buffer) == cap(buffer) {
			buffer = append(buffer, 0)[:len(buffer)]
		}
		n, err := unix.Read(fd, buffer[len(buffer):cap(buffer)])
		if err != nil || n <= 0 {
			return buffer, errors.Join(err, unix.Close(fd))
		}
		buffer = buffer[:len(buffer)+n]
	}
}
