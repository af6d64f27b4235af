package main

import (
	"bytes"
	"errors"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"sluice/queue"
	"sluice/queue/wire"
)

// heard is what a command has written so far.
type heard struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (h *heard) Write(b []byte) (int, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.text.Write(b)
}

func (h *heard) String() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.text.String()
}

func (u *lsfUser) command(stdin io.Reader, args ...string) (*exec.Cmd, *heard, *heard) {
	cmd, out, errs := sluice(u.t, args...), new(heard), new(heard)
	cmd.Dir, cmd.Stdin, cmd.Stdout, cmd.Stderr = u.work, stdin, out, errs
	cmd.Env = append(cmd.Env, wire.EnvAPI+"="+u.client.API())
	return cmd, out, errs
}

func exitOf(err error) int {
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		return exit.ExitCode()
	}
	if err != nil {
		return -1
	}
	return 0
}

// TestInteractiveJobs is what users see of bsub -I: what they type is the job's input, what it writes they see, and its exit code
// is bsub's.
func TestInteractiveJobs(t *testing.T) {
	u := newUser(t)
	cmd, out, errs := u.command(strings.NewReader("hello\n"), "bsub", "-I", "tr a-z A-Z; echo oops >&2; exit 5")
	if code := exitOf(cmd.Run()); code != 5 || out.String() != "Job <1> is submitted to default queue <normal>.\nHELLO\noops\n" ||
		!strings.HasPrefix(errs.String(), "<<Waiting for dispatch ...>>\n<<Starting on ") {
		t.Errorf("exit code %d, %q, %q", code, out, errs)
	}
	// Much of it, in both directions.
	big := bytes.Repeat([]byte("0123456789abcde\n"), 100_000)
	cmd, out, _ = u.command(bytes.NewReader(big), "bsub", "-I", "cat")
	if code := exitOf(cmd.Run()); code != 0 || !strings.HasSuffix(out.String(), "\n"+string(big)) {
		t.Errorf("exit code %d, %d bytes of %d", code, len(out.String()), len(big))
	}
	// Ctrl-C, to a job without a terminal.
	cmd, out, _ = u.command(nil, "bsub", "-I", `trap "echo stopped; exit 7" INT; echo ready; while :; do sleep 0.05; done`)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the job is ready", func() bool { return strings.Contains(out.String(), "ready\n") })
	if err := cmd.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	if code := exitOf(cmd.Wait()); code != 130 || !strings.HasSuffix(out.String(), "stopped\n") {
		t.Errorf("exit code %d, %q", code, out)
	}
	// A client that goes takes its job with it, also while that pends.
	cmd, out, _ = u.command(nil, "bsub", "-I", "echo ready; sleep 1000")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the job is ready", func() bool { return strings.Contains(out.String(), "ready\n") })
	if err := errors.Join(cmd.Process.Kill(), ignoreExit(cmd.Wait())); err != nil {
		t.Fatal(err)
	}
	cmd, _, errs = u.command(nil, "bsub", "-I", "-w", "ended(4) && started(99)", "true")
	if code := exitOf(cmd.Run()); code != lsfFailed {
		t.Errorf("exit code %d, %q", code, errs)
	}
	eventually(t, "the job ends", func() bool { n := u.states(); return n[queue.Running] == 0 && n[queue.Pending] == 0 })
	if jobs := u.must("bjobs", "-a", "-noheader", "-o", "jobid stat exit_code"); !strings.Contains(jobs, "4") || strings.Contains(jobs, "RUN") {
		t.Errorf("jobs: %s", jobs)
	}
}

// TestInteractiveTerminal is a session at a terminal, as a user types it.
func TestInteractiveTerminal(t *testing.T) {
	u := newUser(t)
	ours, theirs := openTerminal(t)
	cmd, out, errs := u.command(nil, "bsub", "-Is", "/bin/sh")
	cmd.Stdin = theirs
	before, err := unix.IoctlGetTermios(int(theirs.Fd()), unix.TCGETS)
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	says := func(what, text string) {
		t.Helper()
		eventually(t, what, func() bool { return strings.Contains(out.String(), text) })
	}
	types := func(text string) {
		t.Helper()
		if _, err := ours.WriteString(text); err != nil {
			t.Fatal(err)
		}
	}
	says("a prompt", "# ")
	types("echo $((6*7)) $(stty size)\r")
	says("the answer", "\r\n42 33 111\r\n")
	types("sleep 1000; echo after\r")
	says("the echo", "sleep 1000; echo after\r\n")
	eventually(t, "the command runs", func() bool {
		return exec.CommandContext(t.Context(), "pgrep", "-f", "^sleep 1000$").Run() == nil
	})
	types("\x03")
	says("a prompt again", "^C\r\n# ")
	types("echo still here\r")
	says("the shell", "\r\nstill here\r\n")
	types("exit 3\r")
	if code := exitOf(cmd.Wait()); code != 3 || strings.Contains(out.String(), "\r\nafter\r\n") {
		t.Errorf("exit code %d, %q, %q", code, out, errs)
	}
	if after, err := unix.IoctlGetTermios(int(theirs.Fd()), unix.TCGETS); err != nil || *after != *before {
		t.Errorf("the terminal is not as it was: %v", err)
	}
}

// openTerminal is a pseudo-terminal of 33 rows and 111 columns: the user's side, and the program's.
func openTerminal(t *testing.T) (ours, theirs *os.File) {
	t.Helper()
	ours, err := os.OpenFile("/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	fd := int(ours.Fd())
	other, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), unix.TIOCGPTPEER, unix.O_RDWR|unix.O_NOCTTY)
	err = errors.Join(unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0), unix.IoctlSetWinsize(fd, unix.TIOCSWINSZ, &unix.Winsize{Row: 33, Col: 111}))
	if errno != 0 {
		other, _, errno = unix.Syscall(unix.SYS_IOCTL, uintptr(fd), unix.TIOCGPTPEER, unix.O_RDWR|unix.O_NOCTTY)
	}
	if err != nil || errno != 0 {
		t.Fatal(err, errno)
	}
	theirs = os.NewFile(other, "terminal")
	t.Cleanup(func() {
		if err := errors.Join(theirs.Close(), ours.Close()); err != nil {
			t.Error(err)
		}
	})
	return ours, theirs
}

// TestInteractiveOutputFile has what an interactive job writes go to a file, not to its client.
func TestInteractiveOutputFile(t *testing.T) {
	u := newUser(t)
	shown := u.must("bsub", "-I", "-o", "out.%J", "echo to the file")
	if strings.Contains(shown, "to the file") {
		t.Errorf("shown is %q", shown)
	}
	contains(t, u.read("out.1"), "follows:\n\nto the file\n")
	contains(t, u.must("bsub", "-I", "-e", "err.%J", "echo shown; echo not shown >&2"), "shown\n")
	if got := u.read("err.2"); got != "not shown\n" {
		t.Errorf("the error file holds %q", got)
	}
}
