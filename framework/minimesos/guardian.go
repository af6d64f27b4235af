package minimesos

import (
	"context"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"sync"
	"syscall"
)

// guardianScript reads what agent ids begin with until its input ends, which it does when our process is gone, however
// that happened. Then it kills all that has one of them in its environment: the processes of tasks. After "quit" it has
// nothing to do.
const guardianScript = `
trap '' HUP INT TERM QUIT PIPE
ids=
while read -r id; do
  [ "$id" = quit ] && exit 0
  ids="$ids $id"
done
self=$$
round=0
while [ $round -lt 50 ]; do
  found=
  for p in /proc/[0-9]*; do
    pid=${p#/proc/}
    [ "$pid" = "$self" ] && continue
    for id in $ids; do
      if grep -aqF "$id" "$p/environ" 2>/dev/null; then
        kill -9 "$pid" 2>/dev/null && found=1
        break
      fi
    done
  done
  [ -z "$found" ] && exit 0
  round=$((round + 1))
done
`

// guardian is a small helper process that outlives us to kill the tasks when we are killed. Safe for concurrent use.
type guardian struct {
	mu  sync.Mutex
	cmd *exec.Cmd
	in  io.WriteCloser

	known map[string]bool
}

func startGuardian() (*guardian, error) {
	cmd := exec.CommandContext(context.Background(), "/bin/sh", "-c", guardianScript)
	cmd.Env = []string{"PATH=" + defaultPath}
	cmd.Dir = "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, fmt.Errorf("start guardian: %w", err)
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start guardian: %w", err)
	}
	return &guardian{cmd: cmd, in: in, known: map[string]bool{}}, nil
}

// watch adds the tasks of an agent to what dies with us. A nil guardian watches nothing.
func (g *guardian) watch(agentID string) {
	if g == nil {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	prefix, _, ok := strings.Cut(agentID, "-S")
	if !ok || g.known[prefix] {
		return
	}
	g.known[prefix] = true
	// Without the guardian the tasks end with Stop only.
	_, _ = io.WriteString(g.in, prefix+"-S\n")
}

// stop dismisses the guardian when no task is left, and waits for its end.
func (g *guardian) stop() error {
	if g == nil {
		return nil
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	_, _ = io.WriteString(g.in, "quit\n") // without it, the guardian looks once more
	if err := g.in.Close(); err != nil {
		return fmt.Errorf("stop guardian: %w", err)
	}
	if err := g.cmd.Wait(); err != nil {
		return fmt.Errorf("stop guardian: %w", err)
	}
	return nil
}
