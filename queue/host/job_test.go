package host

import (
	"errors"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"sluice/queue/wire"
)

func TestExitCodes(t *testing.T) {
	d := newDaemon(t)
	startHost(t, d)
	tests := []struct {
		command string
		code    int32
		reason  string
	}{
		{"/bin/true", 0, ""},
		{"exit 3", 3, ""},
		{"/no/such/command", 127, ""},
		{"kill -9 $$", 137, "killed by signal 9"},
		{"kill -SEGV $$", 139, "killed by signal 11"},
		{"exit 255", 255, ""},
		{"echo one\necho two\nexit 4", 4, ""},
		{"#!/bin/sh -e\nfalse\nexit 5", 1, ""},
		{"#!/no/such/interpreter\n", 127, ""},
		{"if", 2, ""},
		{"", 0, ""},
	}
	for _, test := range tests {
		ended := d.run(newStart(test.command))
		if ended.ExitCode != test.code || ended.Reason != test.reason {
			t.Errorf("%q: exit code %d, reason %q; want %d, %q", test.command, ended.ExitCode, ended.Reason, test.code, test.reason)
		}
		if ended.Processes < 1 || ended.MaxRssMib < 1 || ended.AtUnixNs == 0 {
			t.Errorf("%q: usage is missing: %v", test.command, ended)
		}
	}
}

func TestUsageIsMeasured(t *testing.T) {
	t.Parallel()
	d := newDaemon(t)
	startHost(t, d, func(c *Config) { c.SampleEvery = 20 * time.Millisecond })
	if ended := d.run(newStart("true")); ended.MaxRssMib < 1 || ended.MaxRssMib > 6 {
		t.Errorf("%d MiB for a shell", ended.MaxRssMib)
	}
	// Far more than the keeper has itself, also with the race detector: of less only samples tell.
	if ended := d.run(newStart("dd if=/dev/zero of=/dev/null bs=500M count=1")); ended.MaxRssMib < 500 || ended.MaxRssMib > 550 {
		t.Errorf("%d MiB for 500 MiB", ended.MaxRssMib)
	}
	// How many processes there were is only known of a job that was there when they were counted.
	eventually(t, "all four processes of a job are counted", func() bool {
		return d.run(newStart("sleep 100 & sleep 100 & sleep 0.1")).Processes == 4
	})
	ended := d.run(newStart(`i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done`))
	if ended.CpuNs < 10_000_000 {
		t.Errorf("cpu %d ns for a loop", ended.CpuNs)
	}
}

func TestEnvironment(t *testing.T) {
	t.Setenv(TokenVariable, "secret of this process")
	d := newDaemon(t)
	startHost(t, d)
	out := filepath.Join(t.TempDir(), "out")
	ended := d.run(newStart("env -0 | sort -z | tr '\\0' '\\n' > "+out+"\necho pid $$ >> "+out+"; pwd -P >> "+out+"; umask >> "+out,
		func(s *wire.Start) {
			s.Env = []string{
				"LSB_JOBID=7", "LSB_JOBINDEX=0", "LSB_MCPU_HOSTS=h1 1 ", "ODD=a=b c", "EMPTY=", "LS_JOBPID=1", "USER=u",
				TokenVariable + "=x", "bad",
			}
			s.Cwd, s.Umask = "/usr", 0o027
		}))
	if ended.ExitCode != 0 {
		t.Fatalf("%v", ended)
	}
	lines := strings.Split(readFile(t, out), "\n")
	pid := int32(d.pid(keyOf(ended.Attempt)))
	want := []string{
		"EMPTY=", "LSB_JOBID=7", "LSB_JOBINDEX=0", "LSB_MCPU_HOSTS=h1 1 ", "LOGNAME=" + ownUser(), "ODD=a=b c",
		"PATH=/usr/local/bin:/usr/bin:/bin", "PWD=/usr", "SHELL=/bin/sh", "USER=u",
		"LS_JOBPID=" + itoa(pid), "pid " + itoa(pid), "/usr", "0027", "HOME=" + home(t),
	}
	for _, line := range want {
		if !slices.Contains(lines, line) {
			t.Errorf("no line %q", line)
		}
	}
	for _, line := range lines {
		name, _, _ := strings.Cut(line, "=")
		if strings.Contains(line, TokenVariable) || name == "bad" {
			t.Errorf("the job sees %q", line)
		}
		known := slices.ContainsFunc(want, func(w string) bool { return strings.HasPrefix(w, name+"=") }) || name == "LSB_JOBFILENAME" ||
			name == "OLDPWD" || name == "_"
		if strings.Contains(line, "=") && !known {
			t.Errorf("the job sees %q, which nobody gave it", line)
		}
	}
}

func TestNice(t *testing.T) {
	d := newDaemon(t)
	startHost(t, d)
	out := filepath.Join(t.TempDir(), "out")
	base := readNice(t, "self")
	ended := d.run(newStart("sleep 0.05; cat /proc/self/stat > "+out, func(s *wire.Start) { s.Nice = 7 }))
	if got := niceOf(t, readFile(t, out)); ended.ExitCode != 0 || got != base+7 {
		t.Errorf("nice value %d, want %d: %v", got, base+7, ended)
	}
}

func readNice(t *testing.T, process string) int {
	t.Helper()
	return niceOf(t, readFile(t, "/proc/"+process+"/stat"))
}

// niceOf is the 19th field of /proc/PID/stat.
func niceOf(t *testing.T, stat string) int {
	t.Helper()
	_, rest, _ := strings.Cut(stat, ") ")
	nice, err := strconv.Atoi(strings.Fields(rest)[16])
	if err != nil {
		t.Fatal(err)
	}
	return nice
}

func TestHostFile(t *testing.T) {
	d := newDaemon(t)
	startHost(t, d)
	out := filepath.Join(t.TempDir(), "out")
	machines := func(text string) func(*wire.Start) {
		return func(s *wire.Start) { s.Env = []string{wire.EnvMachines + "=" + text} }
	}
	if ended := d.run(newStart(`cat "$LSB_DJOB_HOSTFILE" > `+out+`; echo "$LSB_DJOB_HOSTFILE" > `+out+".name", machines("m1 2 m2 1 "))); ended.ExitCode != 0 {
		t.Fatal(ended)
	}
	if got := readFile(t, out); got != "m1\nm1\nm2\n" {
		t.Errorf("host file %q", got)
	}
	if _, err := os.Stat(strings.TrimSpace(readFile(t, out+".name"))); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("host file after the job: %v", err)
	}
	if ended := d.run(newStart("true", machines("m1 many "))); ended.ExitCode == 0 || !strings.Contains(ended.Reason, "machines") {
		t.Errorf("machines without slots: %v", ended)
	}
	if ended := d.run(newStart(`[ -z "$LSB_DJOB_HOSTFILE" ]`)); ended.ExitCode != 0 {
		t.Errorf("a job of one slot has a host file: %v", ended)
	}
}

func TestScriptNamesItself(t *testing.T) {
	d := newDaemon(t)
	startHost(t, d)
	out := filepath.Join(t.TempDir(), "out")
	for _, command := range []string{
		`[ "$0" = "$LSB_JOBFILENAME" ] && grep -q 'a mark' "$0" && echo ok > ` + out,
		"#!/bin/sh\n" + `[ "$0" = "$LSB_JOBFILENAME" ] && [ "$LS_JOBPID" = $$ ] && echo ok > ` + out,
	} {
		if ended := d.run(newStart(command)); ended.ExitCode != 0 || readFile(t, out) != "ok\n" {
			t.Errorf("%q: %v", command, ended)
		}
		_ = os.Remove(out)
	}
}

func TestWorkingDirectory(t *testing.T) {
	d := newDaemon(t)
	startHost(t, d)
	out := filepath.Join(t.TempDir(), "out")
	for cwd, want := range map[string]string{"/usr": "/usr", "/no/such/dir": home(t), "": home(t), "/etc/passwd": home(t), "relative": home(t)} {
		if ended := d.run(newStart("pwd -P > "+out, func(s *wire.Start) { s.Cwd = cwd })); ended.ExitCode != 0 {
			t.Errorf("cwd %q: %v", cwd, ended)
		}
		if got := strings.TrimSpace(readFile(t, out)); got != want {
			t.Errorf("cwd %q: runs in %q, want %q", cwd, got, want)
		}
	}
}

func TestStandardInput(t *testing.T) {
	d := newDaemon(t)
	startHost(t, d)
	dir := t.TempDir()
	writeFile(t, filepath.Join(dir, "in"), "input\n")
	ended := d.run(newStart("cat > out", func(s *wire.Start) { s.Cwd, s.Stdin = dir, "in" }))
	if got := readFile(t, filepath.Join(dir, "out")); ended.ExitCode != 0 || got != "input\n" {
		t.Errorf("%v, read %q", ended, got)
	}
	ended = d.run(newStart("cat > out", func(s *wire.Start) { s.Cwd = dir }))
	if got := readFile(t, filepath.Join(dir, "out")); ended.ExitCode != 0 || got != "" {
		t.Errorf("without input: %v, read %q", ended, got)
	}
	ended = d.run(newStart("touch ran", func(s *wire.Start) { s.Cwd, s.Stdin, s.Stdout = dir, "missing", "o" }))
	if ended.ExitCode != exitNotStarted || !strings.Contains(ended.Reason, "open input file missing: no such file") {
		t.Errorf("missing input: %v", ended)
	}
	if report := readFile(t, filepath.Join(dir, "o")); !strings.Contains(report, "could not be started: open input file missing") {
		t.Errorf("missing input: the report says %q", report)
	}
	if _, err := os.Stat(filepath.Join(dir, "ran")); err == nil {
		t.Error("the job ran without its input")
	}
}

func isDir(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

func TestUnknownUser(t *testing.T) {
	d := newDaemon(t)
	startHost(t, d)
	for name, want := range map[string]string{
		"no-such-user-here": "no such user on this host", "": "not the name of a user", "-G": "not the name of a user",
	} {
		ended := d.run(newStart("true", func(s *wire.Start) { s.User = name }))
		if ended.ExitCode != exitNotStarted || !strings.Contains(ended.Reason, want) {
			t.Errorf("user %q: %v", name, ended)
		}
	}
}

// A root host runs jobs with their user's rights, and opens what they name with those rights.
func TestOtherUser(t *testing.T) {
	d := newDaemon(t)
	startHost(t, d)
	if os.Getuid() != 0 { // then there are no rights to give
		ended := d.run(newStart("true", func(s *wire.Start) { s.User = "root" }))
		if ended.ExitCode != exitNotStarted || !strings.Contains(ended.Reason, "and not as root") {
			t.Errorf("%v", ended)
		}
		return
	}
	asNobody := func(s *wire.Start) { s.User = "nobody" }
	dir := workDir(t)
	if err := os.Chmod(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	writeFile(t, filepath.Join(dir, "secret"), "x")
	if err := os.Chmod(filepath.Join(dir, "secret"), 0o600); err != nil {
		t.Fatal(err)
	}

	out := filepath.Join(dir, "out")
	ended := d.run(newStart("id -un; id -Gn; echo to stderr > /dev/stderr; cat secret", asNobody, func(s *wire.Start) {
		s.Cwd, s.Stdout = dir, out
	}))
	report := readFile(t, out)
	if ended.ExitCode != 1 || !strings.Contains(report, "follows:\n\nnobody\nnogroup\nto stderr\ncat: secret: Permission denied\n") {
		t.Errorf("%v\n%s", ended, report)
	}
	if info, err := os.Stat(out); err != nil || info.Sys() == nil || ownerOf(t, out) != 65534 {
		t.Errorf("the output is not nobody's: %v", err)
	}

	for _, target := range []string{"/etc/sluice-test-must-not-be", filepath.Join(dir, "secret")} {
		ended := d.run(newStart("echo gotcha; false", asNobody, func(s *wire.Start) { s.Cwd, s.Stdout = dir, target }))
		if !strings.Contains(ended.Reason, "permission denied") {
			t.Errorf("-o %s: %v", target, ended)
		}
	}
	link := filepath.Join(dir, "link")
	if err := os.Symlink("/etc/sluice-test-must-not-be", link); err != nil {
		t.Fatal(err)
	}
	if ended := d.run(newStart("echo gotcha; false", asNobody, func(s *wire.Start) { s.Stdout = link })); !strings.Contains(ended.Reason, "permission denied") {
		t.Errorf("-o link: %v", ended)
	}
	if _, err := os.Stat("/etc/sluice-test-must-not-be"); err == nil {
		t.Error("root's rights were used to write")
	}
	ended = d.run(newStart("cat", asNobody, func(s *wire.Start) { s.Cwd, s.Stdin = dir, "secret" }))
	if ended.ExitCode != exitNotStarted || !strings.Contains(ended.Reason, "permission denied") {
		t.Errorf("-i secret: %v", ended)
	}
	ended = d.run(newStart("pwd", asNobody, func(s *wire.Start) { s.Cwd, s.Stdout = "/root", out }))
	if ended.ExitCode != 0 || strings.Contains(readFile(t, out), "</root> was used as the working directory") {
		t.Errorf("cwd /root: %v", ended)
	}
	// Whose home is not there either is in /tmp, with the groups that the system gives.
	if u, err := user.Lookup("nobody"); err == nil && !isDir(u.HomeDir) {
		ended = d.run(newStart("pwd; id -G", asNobody, func(s *wire.Start) { s.Cwd, s.Stdout, s.TruncateStdout = "/no/such", out, true }))
		groups, err := exec.CommandContext(t.Context(), "id", "-G", "nobody").Output()
		if err != nil || ended.ExitCode != 0 || !strings.HasSuffix(readFile(t, out), "follows:\n\n/tmp\n"+string(groups)) {
			t.Errorf("%v, %v: %s", ended, err, readFile(t, out))
		}
	}
}
