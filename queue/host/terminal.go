package host

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"sluice/queue/wire"
)

// How a job speaks with its submitter; see wire.Start.
const (
	terminalNone = iota
	terminalPipes
	terminalPseudo
)

const (
	// terminalPatience is how long the rest of an ended job's output waits for a client that takes none of it.
	terminalPatience = 30 * time.Second
	// exitHungUp is reported for a job that was ended because its client went.
	exitHungUp = 128 + int(unix.SIGHUP)
	// endOfInput is the character that ends the input from a pseudo-terminal.
	endOfInput = 4
)

// terminal is the conversation of an interactive job with its submitter. Two goroutines of its own move the bytes: what the
// job writes goes out as far as there is credit, so that a client that does not read holds up the job and nobody else; what
// the client sends waits, at most a window of it, until the job reads it.
type terminal struct {
	key    attemptKey
	pseudo bool
	send   func(*frame)

	mu      sync.Mutex
	changed *sync.Cond
	out     *os.File // what the job writes; of a pseudo-terminal also where its input goes
	in      *os.File
	size    *unix.Winsize // the client's; nil = not known
	credit  int64
	input   []byte // not yet taken by the job
	eof     bool   // no input follows
	over    bool   // nobody reads the input any more
	hungUp  bool
	moved   time.Time     // when something was sent last
	drained chan struct{} // closed when all that the job wrote is sent
}

// newTerminal is nil for a job that is not interactive.
func newTerminal(key attemptKey, way int32, send func(*frame)) *terminal {
	if way == terminalNone {
		return nil
	}
	t := &terminal{key: key, pseudo: way == terminalPseudo, send: send, drained: make(chan struct{})}
	t.changed = sync.NewCond(&t.mu)
	return t
}

// open makes the job's side, which the job's user owns, and starts to move bytes.
func (t *terminal) open(owner *account) (stdin, stdout *os.File, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.hungUp {
		return nil, nil, errors.New("make terminal: its client is gone")
	}
	if t.pseudo {
		stdin, err = t.openPseudo(owner)
		stdout = stdin
	} else {
		stdin, stdout, err = t.openPipes(owner)
	}
	if err != nil {
		return nil, nil, fmt.Errorf("make terminal: %w", err)
	}
	t.resize()
	go t.read(t.out)
	go t.write(t.in)
	return stdin, stdout, nil
}

func (t *terminal) openPseudo(owner *account) (*os.File, error) {
	fd, err := unix.Open("/dev/ptmx", unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	ours := os.NewFile(uintptr(fd), "terminal")
	if err := unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0); err != nil {
		return nil, errors.Join(err, ours.Close())
	}
	// Not by its name: /dev/pts may be another's here.
	other, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), unix.TIOCGPTPEER, unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC)
	if errno != 0 {
		return nil, errors.Join(errno, ours.Close())
	}
	theirs := os.NewFile(other, "terminal")
	err = unix.Fchmod(int(other), 0o620)
	if !owner.own {
		err = errors.Join(err, unix.Fchown(int(other), int(owner.uid), -1))
	}
	if err != nil {
		return nil, errors.Join(err, theirs.Close(), ours.Close())
	}
	t.out, t.in = ours, ours
	return theirs, nil
}

func (t *terminal) openPipes(owner *account) (stdin, stdout *os.File, err error) {
	stdin, in, err := ownedPipe(owner, 0)
	if err != nil {
		return nil, nil, err
	}
	out, stdout, err := ownedPipe(owner, 1)
	if err != nil {
		return nil, nil, errors.Join(err, stdin.Close(), in.Close())
	}
	t.out, t.in = out, in
	return stdin, stdout, nil
}

// ownedPipe is a pipe of which the job's user owns one end, 0 to read from or 1 to write to.
func ownedPipe(owner *account, theirs int) (r, w *os.File, err error) {
	var fds [2]int
	if err := unix.Pipe2(fds[:], unix.O_CLOEXEC); err != nil {
		return nil, nil, err
	}
	err = unix.SetNonblock(fds[1-theirs], true) // our end only
	if !owner.own {
		err = errors.Join(err, unix.Fchown(fds[theirs], int(owner.uid), int(owner.gid)))
	}
	r, w = os.NewFile(uintptr(fds[0]), "input"), os.NewFile(uintptr(fds[1]), "output")
	if err != nil {
		return nil, nil, errors.Join(err, r.Close(), w.Close())
	}
	return r, w, nil
}

// read sends what the job writes.
func (t *terminal) read(out *os.File) {
	defer close(t.drained)
	buffer := make([]byte, wire.TerminalPiece)
	for {
		most := t.awaitCredit()
		if most == 0 {
			return
		}
		n, err := out.Read(buffer[:min(most, int64(len(buffer)))])
		if n > 0 {
			t.mu.Lock()
			t.credit -= int64(n)
			t.moved = time.Now()
			t.mu.Unlock()
			t.tell(&wire.Terminal{Data: slices.Clone(buffer[:n])})
		}
		if err != nil { // the end; of a pseudo-terminal that is an error
			return
		}
	}
}

func (t *terminal) awaitCredit() int64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	for t.credit == 0 && !t.hungUp {
		t.changed.Wait()
	}
	if t.hungUp {
		return 0
	}
	return t.credit
}

func (t *terminal) tell(m *wire.Terminal) {
	m.Attempt = t.key.wire()
	t.send(&frame{kind: frameTerminal, body: m})
}

// write gives the job its input, and the client credit for as much. A job that does not want it is not asked again.
func (t *terminal) write(in *os.File) {
	wanted := true
	for {
		t.mu.Lock()
		for len(t.input) == 0 && !t.eof && !t.over {
			t.changed.Wait()
		}
		data, over := t.input, t.over
		t.input = nil
		t.mu.Unlock()
		switch {
		case over:
			return
		case len(data) > 0:
			if wanted {
				_, err := in.Write(data)
				wanted = err == nil
			}
			t.tell(&wire.Terminal{Credit: int64(len(data))})
			continue
		case t.pseudo:
			_, _ = in.Write([]byte{endOfInput}) // who has gone needs no end
		default:
			_ = in.Close() // likewise
		}
		return
	}
}

// take takes what the client says. It gives false where that is the end, because the client is gone or breaks the rules.
func (t *terminal) take(m *wire.Terminal) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if m.GetHangup() || len(t.input)+len(m.GetData()) > wire.TerminalWindow || t.eof && len(m.GetData()) > 0 {
		t.hangUpLocked()
		return false
	}
	t.credit = min(t.credit+max(m.GetCredit(), 0), wire.TerminalWindow)
	t.input = append(t.input, m.GetData()...)
	t.eof = t.eof || m.GetEof()
	if rows, cols := m.GetRows(), m.GetCols(); rows > 0 && cols > 0 && rows <= 1<<15 && cols <= 1<<15 {
		t.size = &unix.Winsize{Row: uint16(rows), Col: uint16(cols)}
		t.resize()
	}
	t.changed.Broadcast()
	return true
}

// resize gives the pseudo-terminal, once it is there, the client's size.
func (t *terminal) resize() {
	if !t.pseudo || t.out == nil || t.size == nil || t.hungUp {
		return
	}
	if raw, err := t.out.SyscallConn(); err == nil {
		// A size that cannot be set is no reason to end.
		_ = raw.Control(func(fd uintptr) { _ = unix.IoctlSetWinsize(int(fd), unix.TIOCSWINSZ, t.size) })
	}
}

// hangUp ends the conversation: the job finds nobody at the other end.
func (t *terminal) hangUp() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.hangUpLocked()
}

func (t *terminal) hangUpLocked() {
	if t.hungUp {
		return
	}
	t.hungUp, t.over = true, true
	if t.out != nil {
		_ = t.out.Close() // both ends of a pipe may be closed already
		_ = t.in.Close()
	}
	t.changed.Broadcast()
}

// finish waits until the client has all that the job wrote. No process of the job is left.
func (t *terminal) finish() {
	t.mu.Lock()
	t.over, t.moved = true, time.Now()
	opened := t.out != nil && !(t.credit == 0 && t.isEmpty())
	t.changed.Broadcast()
	t.mu.Unlock()
	if opened {
		look := time.NewTicker(time.Second)
		defer look.Stop()
		for waiting := true; waiting; {
			select {
			case <-t.drained:
				waiting = false
			case <-look.C:
				t.mu.Lock()
				waiting = time.Since(t.moved) < terminalPatience
				t.mu.Unlock()
			}
		}
	}
	t.hangUp()
}

// isEmpty says whether the job has written nothing that is not read yet.
func (t *terminal) isEmpty() bool {
	raw, err := t.out.SyscallConn()
	if err != nil {
		return true // hung up
	}
	empty := true
	err = raw.Control(func(fd uintptr) {
		ready := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
		n, err := unix.Poll(ready, 0)
		empty = err == nil && (n == 0 || ready[0].Revents&unix.POLLIN == 0)
	})
	return empty || err != nil
}

// terminalSignals are those that a client passes on.
var terminalSignals = []unix.Signal{unix.SIGHUP, unix.SIGINT, unix.SIGQUIT, unix.SIGTERM, unix.SIGUSR1, unix.SIGUSR2}

// terminal takes what the client of an interactive job says.
func (k *keeper) terminal(m *wire.Terminal) {
	j := k.jobs[keyOf(m.GetAttempt())]
	if j == nil || j.tty == nil {
		return
	}
	if !j.tty.take(m) {
		k.end(j, j.orderOf(exitHungUp, "the client of the interactive job is gone", 0))
		return
	}
	number := unix.Signal(m.GetSignal())
	if j.stage == stageMain && j.phase == running && !j.reaped && slices.Contains(terminalSignals, number) {
		if err := ignoreGone(unix.Kill(-j.pid, number)); err != nil {
			k.warn("signal job %s: %v", j.key, err)
		}
	}
}
