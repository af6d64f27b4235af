package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"sync"
	"syscall"
	"time"
	"unicode"

	"golang.org/x/sys/unix"

	"sluice/queue"
	"sluice/queue/wire"
)

// speaker is a connection to an interactive job.
type speaker interface {
	Send(messages ...wire.Message) error
	Receive(m wire.Message, patience time.Duration) error
	Close() error
}

var _ speaker = (*wire.Conn)(nil)

// conversation is what the user and an interactive job say to each other. What the job writes is printed as it comes, and
// credit given for more when it is; what the user types is sent as far as the job gives credit.
type conversation struct {
	call   *lsfCall
	conn   speaker
	pseudo bool
	screen *screen // nil: the user has no terminal, or the job none

	mu      sync.Mutex
	changed *sync.Cond
	begun   bool // the job has started
	credit  int64
	over    bool
}

// interact speaks with an interactive job until it ends, and gives its exit code.
func (c *lsfCall) interact(ctx context.Context, client submitter, id queue.ID, way queue.Interactive) (int, error) {
	conn, err := client.Attach(ctx, id)
	if err != nil {
		return c.fail(err)
	}
	v := &conversation{call: c, conn: conn, pseudo: way != queue.InteractivePipes}
	v.changed = sync.NewCond(&v.mu)
	defer context.AfterFunc(ctx, func() { v.interrupted(context.Cause(ctx)) })()
	c.say("<<Waiting for dispatch ...>>")
	code, err := v.hear()
	v.mu.Lock()
	v.over = true
	v.changed.Broadcast()
	v.mu.Unlock()
	if v.screen != nil {
		v.screen.restore()
	}
	if err := errors.Join(err, c.stdout.Flush()); err != nil {
		return c.fail(fmt.Errorf("speak with job %v: %w", id, err))
	}
	_ = conn.Close() // all is said
	return code, nil
}

// printable replaces control characters of what others wrote.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return '?'
		}
		return r
	}, text)
}

// interrupted passes the first interrupt on to a job that runs; everything else, and the next one, ends the conversation and
// with it the job.
func (v *conversation) interrupted(cause error) {
	v.mu.Lock()
	begun := v.begun
	v.mu.Unlock()
	if i, ok := errors.AsType[interruptedError](cause); ok && i.signal == syscall.SIGINT && begun {
		v.say(&wire.Terminal{Signal: int32(i.signal)})
		return
	}
	_ = v.conn.Close() // hear sees it
}

// hear takes what the daemon says until the job has ended.
func (v *conversation) hear() (code int, err error) {
	for {
		m := new(wire.Attached)
		if err := v.conn.Receive(m, 0); err != nil {
			if errors.Is(err, io.EOF) {
				err = errors.New("the daemon closed the connection; the job is ended")
			}
			return 0, err
		}
		switch body := m.Body.(type) {
		case *wire.Attached_Started:
			v.started(body.Started)
		case *wire.Attached_Terminal:
			err = v.said(body.Terminal)
		case *wire.Attached_End:
			return v.ended(body.End), nil
		default:
			err = errors.New("the daemon sent a message that is not understood")
		}
		if err != nil {
			return 0, err
		}
	}
}

// started begins to speak, anew if the job is.
func (v *conversation) started(host string) {
	v.call.say("<<Starting on " + printable(host) + ">>")
	v.mu.Lock()
	first := !v.begun
	v.begun, v.credit = true, wire.TerminalWindow
	v.changed.Broadcast()
	v.mu.Unlock()
	m := &wire.Terminal{Credit: wire.TerminalWindow}
	if first {
		v.screen = v.openScreen()
		go v.listen()
	}
	if v.screen != nil {
		m.Rows, m.Cols = v.screen.size()
	}
	v.say(m)
}

func (v *conversation) said(m *wire.Terminal) error {
	if n := m.GetCredit(); n > 0 {
		v.mu.Lock()
		v.credit = min(v.credit+n, wire.TerminalWindow)
		v.changed.Broadcast()
		v.mu.Unlock()
	}
	if len(m.GetData()) == 0 {
		return nil
	}
	if _, err := v.call.stdout.Write(m.GetData()); err != nil {
		return err
	}
	if err := v.call.stdout.Flush(); err != nil {
		return err
	}
	v.say(&wire.Terminal{Credit: int64(len(m.GetData()))})
	return nil
}

// say sends what the daemon is to know. That a connection is broken shows where it is read: the last words may be there still.
func (v *conversation) say(m *wire.Terminal) { _ = v.conn.Send(m) }

func (v *conversation) ended(end *wire.TerminalEnd) int {
	if v.screen != nil {
		v.screen.restore()
	}
	if end.GetReason() != "" {
		v.call.say(printable(end.GetReason()))
	}
	if end.GetExitCode() == 0 && end.GetReason() != "" {
		return lsfFailed // it never ran
	}
	return int(end.GetExitCode())
}

// listen sends what the user types.
func (v *conversation) listen() {
	buffer := make([]byte, wire.TerminalPiece)
	for {
		v.mu.Lock()
		for v.credit == 0 && !v.over {
			v.changed.Wait()
		}
		most, over := v.credit, v.over
		v.mu.Unlock()
		if over {
			return
		}
		n, err := v.call.stdin.Read(buffer[:min(most, int64(len(buffer)))])
		m := &wire.Terminal{Data: append([]byte(nil), buffer[:n]...), Eof: err != nil}
		v.mu.Lock()
		v.credit -= int64(n)
		v.mu.Unlock()
		if sendErr := v.conn.Send(m); sendErr != nil || err != nil { // a broken connection shows where it is read
			return
		}
	}
}

// screen is the user's terminal while the job's takes its place: what is typed goes there as it is.
type screen struct {
	fd     int
	before unix.Termios
	resize chan os.Signal
	once   sync.Once
}

func (v *conversation) openScreen() *screen {
	f, ok := v.call.stdin.(*os.File)
	if !v.pseudo || !ok {
		return nil
	}
	fd := int(f.Fd())
	before, err := unix.IoctlGetTermios(fd, unix.TCGETS)
	if err != nil {
		return nil // no terminal
	}
	raw := *before
	raw.Iflag &^= unix.IGNBRK | unix.BRKINT | unix.PARMRK | unix.ISTRIP | unix.INLCR | unix.IGNCR | unix.ICRNL | unix.IXON
	raw.Oflag &^= unix.OPOST
	raw.Lflag &^= unix.ECHO | unix.ECHONL | unix.ICANON | unix.ISIG | unix.IEXTEN
	raw.Cflag = raw.Cflag&^(unix.CSIZE|unix.PARENB) | unix.CS8
	raw.Cc[unix.VMIN], raw.Cc[unix.VTIME] = 1, 0
	if err := unix.IoctlSetTermios(fd, unix.TCSETS, &raw); err != nil {
		v.call.say("bsub: the terminal stays as it is: " + err.Error())
		return nil
	}
	s := &screen{fd: fd, before: *before, resize: make(chan os.Signal, 1)}
	signal.Notify(s.resize, syscall.SIGWINCH)
	go func() {
		for range s.resize {
			m := new(wire.Terminal)
			if m.Rows, m.Cols = s.size(); v.conn.Send(m) != nil {
				return
			}
		}
	}()
	return s
}

func (s *screen) size() (rows, cols int32) {
	size, err := unix.IoctlGetWinsize(s.fd, unix.TIOCGWINSZ)
	if err != nil {
		return 0, 0
	}
	return int32(size.Row), int32(size.Col)
}

func (s *screen) restore() {
	s.once.Do(func() {
		signal.Stop(s.resize)
		close(s.resize)
		_ = unix.IoctlSetTermios(s.fd, unix.TCSETS, &s.before) // nobody could do more about it
	})
}
