package host

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// helper is a program of the system that runs for its output. The keeper's loop starts it, because it reaps all children.
type helper struct {
	argv    []string
	output  *os.File // given to it, closed by the loop
	started chan error
	pid     int                  // these two are the loop's
	until   time.Time            // when it is killed
	done    chan unix.WaitStatus // holds one
}

// maxHelperOutput is how much of a helper's output is read.
const maxHelperOutput = 64 << 10

// help runs a program for its standard output. It is for other goroutines than the keeper's loop.
func (k *keeper) help(ctx context.Context, argv ...string) ([]byte, error) {
	path, err := exec.LookPath(argv[0])
	if err != nil {
		return nil, err
	}
	read, write, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer read.Close() //nolint:errcheck // only read from
	h := &helper{
		argv: append([]string{path}, argv[1:]...), output: write,
		started: make(chan error, 1), done: make(chan unix.WaitStatus, 1),
	}
	k.asks <- h
	if err := <-h.started; err != nil {
		return nil, fmt.Errorf("run %s: %w", argv[0], err)
	}
	if deadline, ok := ctx.Deadline(); ok {
		if err := read.SetReadDeadline(deadline); err != nil {
			return nil, err
		}
	}
	output, err := io.ReadAll(io.LimitReader(read, maxHelperOutput))
	if err != nil {
		return nil, fmt.Errorf("run %s: %w", argv[0], err)
	}
	select {
	case status := <-h.done:
		if status.ExitStatus() != 0 {
			return nil, fmt.Errorf("run %s: exit code %d", argv[0], status.ExitStatus())
		}
		return output, nil
	case <-ctx.Done():
		return nil, fmt.Errorf("run %s: %w", argv[0], ctx.Err())
	}
}

// startHelper is for the keeper's loop.
func (k *keeper) startHelper(h *helper) {
	null, err := os.Open(os.DevNull)
	if err == nil {
		h.pid, err = syscall.ForkExec(h.argv[0], h.argv, &syscall.ProcAttr{
			Env:   []string{"PATH=/usr/local/bin:/usr/bin:/bin", "LC_ALL=C"},
			Files: []uintptr{null.Fd(), h.output.Fd(), null.Fd()},
			Sys:   &syscall.SysProcAttr{Setsid: true, Pdeathsig: syscall.SIGKILL},
		})
		if closeErr := null.Close(); closeErr != nil {
			k.warn("run %s: %v", h.argv[0], closeErr)
		}
	}
	if closeErr := h.output.Close(); closeErr != nil {
		k.warn("run %s: %v", h.argv[0], closeErr)
	}
	if err == nil {
		k.helpers[h.pid] = h
		h.until = time.Now().Add(lookupTimeout)
	}
	h.started <- err
}
