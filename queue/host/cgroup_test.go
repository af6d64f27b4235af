package host

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// fakeGroup is a directory with the files of a control group.
func fakeGroup(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755); err != nil {
			t.Fatal(err)
		}
		writeFile(t, filepath.Join(dir, name), text)
	}
	return dir
}

// Only a group that is ours alone is divided, and by moving the host's processes out of it first.
func TestGroupIsDividedWhereItIsOurs(t *testing.T) {
	whole := func() map[string]string {
		return map[string]string{
			"cgroup.controllers": "cpuset cpu io memory pids\n", "cgroup.procs": "11\n12\n", "cgroup.subtree_control": "",
			hostGroup + "/cgroup.procs": "",
		}
	}
	dir := fakeGroup(t, whole())
	c, err := openCgroups(dir, []int{11, 12})
	if err != nil || c == nil {
		t.Fatalf("%v, %v", c, err)
	}
	// A file that is written is no control group: the last process stands there, and the first bytes of the controllers.
	if got := readFile(t, filepath.Join(dir, hostGroup, "cgroup.procs")); got != "12" {
		t.Errorf("moved %q", got)
	}
	if got := readFile(t, filepath.Join(dir, "cgroup.subtree_control")); got != "+memory" {
		t.Errorf("divided by %q", got)
	}
	for name, change := range map[string]func(map[string]string){
		"another's process": func(f map[string]string) { f["cgroup.procs"] += "13\n" },
		"no memory":         func(f map[string]string) { f["cgroup.controllers"] = "cpu\n" },
		"no group":          func(f map[string]string) { clear(f) },
	} {
		files := whole()
		change(files)
		dir := fakeGroup(t, files)
		if c, err := openCgroups(dir, []int{11, 12}); c != nil || err != nil {
			t.Errorf("%s: %v, %v", name, c, err)
		}
		if moved, err := os.ReadFile(filepath.Join(dir, hostGroup, "cgroup.procs")); err == nil && len(moved) > 0 {
			t.Errorf("%s: processes were moved", name)
		}
	}
	files := whole()
	delete(files, "cgroup.subtree_control")
	dir = fakeGroup(t, files)
	if c, err := openCgroups(dir, []int{11, 12}); c != nil || err == nil {
		t.Errorf("cannot be divided: %v, %v", c, err)
	}
	if back := readFile(t, filepath.Join(dir, "cgroup.procs")); !strings.HasPrefix(back, "12") {
		t.Errorf("the processes are not moved back: %q", back)
	}
}

func TestOutOfMemory(t *testing.T) {
	for text, want := range map[string]bool{
		"low 0\nhigh 0\nmax 7\noom 1\noom_kill 3\noom_group_kill 1\n": true, "oom 5\noom_kill 0\n": false, "": false,
	} {
		g := &jobGroup{path: fakeGroup(t, map[string]string{"memory.events": text})}
		if g.outOfMemory() != want {
			t.Errorf("%q: %v", text, !want)
		}
	}
}

func TestCgroupMount(t *testing.T) {
	const other = "25 18 0:23 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"
	for text, want := range map[string][2]string{
		"": {}, other: {}, "broken - cgroup2 x\n": {},
		other + "30 23 0:26 /a/b /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n": {"/sys/fs/cgroup", "/a/b"},
	} {
		if mount, root := cgroupMount(strings.NewReader(text)); mount != want[0] || root != want[1] {
			t.Errorf("%q: %q, %q", text, mount, root)
		}
	}
}

// In a real group, where this machine lets us make one: what runs there is ended as a whole, whatever it does.
func TestRealGroup(t *testing.T) {
	own, err := ownCgroup()
	if err != nil {
		t.Fatal(err)
	}
	base := filepath.Join(own, "sluice-test-"+tag())
	if own == "" || os.Mkdir(base, 0o755) != nil {
		t.Log("there is no control group that may be divided: nothing to see")
		return
	}
	defer func() {
		if err := os.Remove(base); err != nil {
			t.Error(err)
		}
	}()
	g, err := (&cgroups{base}).newGroup(attemptKey{attempt: 1}, 0)
	if err != nil {
		t.Fatal(err)
	}
	sleep := tag()
	cmd := exec.CommandContext(t.Context(), "/bin/sh", "-c", "setsid sleep "+sleep+" & setsid sleep "+sleep+" & exec sleep "+sleep)
	cmd.SysProcAttr = &syscall.SysProcAttr{UseCgroupFD: true, CgroupFD: int(g.dir.Fd())}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "all are there", func() bool { return processesWith(t, "sleep "+sleep) >= 3 })
	if err := g.kill(); err != nil {
		t.Fatal(err)
	}
	if _, ok := errors.AsType[*exec.ExitError](cmd.Wait()); !ok {
		t.Error("the main process was not killed")
	}
	eventually(t, "the group is empty", func() bool {
		events, err := readGroupFile(g.path, "cgroup.events")
		return err == nil && strings.Contains(events, "populated 0")
	})
	if err := g.remove(); err != nil {
		t.Error(err)
	}
	if n := processesWith(t, "sleep "+sleep); n != 0 || g.outOfMemory() {
		t.Errorf("%d processes are left", n)
	}
}
