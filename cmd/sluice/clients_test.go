package main

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strings"
	"testing"

	"sluice/internal/testneed"
	"sluice/queue/wire"
)

// startLocal starts `sluice local`, as another process with agents of four slots, for as long as the test lasts, and gives
// the address of its API. LSF's commands are in the PATH already; see TestMain.
func startLocal(t *testing.T, args ...string) string {
	t.Helper()
	dir := shortTempDir(t)
	var log bytes.Buffer
	local := sluice(t, append([]string{
		"local", "--state-dir", dir, "--agents", "4", "--agent-cpus", "4", "--target", "5",
		"--idle-timeout", "5s", "--period", "200ms",
	}, args...)...)
	local.Stderr = &log
	if err := local.Start(); err != nil {
		t.Fatal(err)
	}
	api := "unix://" + filepath.Join(dir, wire.SocketName)
	t.Cleanup(func() {
		failed := t.Failed()
		if failed {
			logState(t, api)
		}
		if err := errors.Join(local.Process.Signal(os.Interrupt), local.Wait()); err != nil || failed {
			t.Errorf("sluice local: %v\n%s", err, &log)
		}
	})
	client, err := wire.NewClient(wire.Options{StateDir: dir, API: api})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	eventually(t, "sluice local answers", func() bool { _, err := client.Status(t.Context()); return err == nil })
	return api
}

// logState logs what a system shows when a test of it has failed: its jobs that have not ended, its hosts and its controller.
func logState(t *testing.T, api string) {
	t.Helper()
	for _, args := range [][]string{{"bjobs", "-l", "-u", "all"}, {"bhosts", "-w"}, {"ctl", "status"}} {
		cmd := sluice(t, args...)
		cmd.Env = append(cmd.Env, wire.EnvAPI+"="+api)
		said, err := cmd.CombinedOutput()
		t.Logf("%q: %v\n%s", args, err, said)
	}
}

// TestClients runs the workloads of programs that drive LSF by its commands.
func TestClients(t *testing.T) {
	for _, c := range []struct {
		name, program, script string
		args                  []string
		want                  string // the last line
	}{
		{"batchtools-lsf", "Rscript", "batchtools.R", []string{"lsf"}, "OK"},
		{"batchtools-openlava", "Rscript", "batchtools.R", []string{"openlava"}, "OK"},
		// Toil is Debian's, and so must its Python be.
		{"toil", "toil", "toil_sum.py", []string{"./store", "--batchSystem", "lsf", "--disableCaching", "--statePollingWait", "1", "--retryCount", "1", "--logWarning"}, "55"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			program := testneed.Need(t, c.program)
			if c.program == "toil" {
				program = filepath.Join(filepath.Dir(program), "python3")
			}
			script, err := filepath.Abs(filepath.Join("..", "..", "scripts", "clients", c.script))
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithTimeout(t.Context(), 3*patience)
			defer cancel()
			run := exec.CommandContext(ctx, program, append([]string{script}, c.args...)...)
			run.Dir = shortTempDir(t)
			me, err := user.Current()
			if err != nil {
				t.Fatal(err)
			}
			run.Env = append(os.Environ(), wire.EnvAPI+"="+startLocal(t), "HOME="+run.Dir, "USER="+me.Username)
			out, err := run.CombinedOutput()
			lines := strings.Split(strings.TrimSpace(string(out)), "\n")
			if last := lines[len(lines)-1]; err != nil || last != c.want {
				t.Errorf("%v, last line %q, want %q:\n%s", err, last, c.want, out)
			}
		})
	}
}
