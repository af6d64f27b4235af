package host

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"sluice/queue/wire"
)

// keeperProcess is the keeper as the session sees it.
type keeperProcess struct {
	config Config
	cmd    *exec.Cmd
	link   *wire.Conn
	out    *outbox
	frames chan *frame   // closed when the keeper is gone and no process of a job is left
	gone   chan struct{} // closed with frames
	dirs   []string      // that the keeper removes when it ends
	quit   chan struct{} // closed by stop: nobody reads events any more
}

var _ runner = (*keeperProcess)(nil)

const (
	// keeperStart is how long a keeper may take to be ready, keeperStop to be gone.
	keeperStart = 30 * time.Second
	keeperStop  = hostGonePatience + 15*time.Second
)

// startKeeper starts a keeper and waits until it is ready.
func startKeeper(config Config) (*keeperProcess, error) {
	k := &keeperProcess{
		config: config, frames: make(chan *frame, 64), gone: make(chan struct{}), quit: make(chan struct{}),
	}
	// Should the keeper die, its orphans become ours, and we can end them.
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		return nil, fmt.Errorf("become subreaper: %w", err)
	}
	if err := k.spawn(); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrKeeper, err)
	}
	if err := k.configure(); err != nil {
		k.reap()
		return nil, fmt.Errorf("%w: %w", ErrKeeper, err)
	}
	k.out = newOutbox(k.link, func(error) { _ = k.link.Close() }) // the reader sees that
	go k.receive()
	return k, nil
}

func (k *keeperProcess) spawn() error {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("make socket pair: %w", err)
	}
	ours, theirs := os.NewFile(uintptr(fds[0]), "keeper"), os.NewFile(uintptr(fds[1]), "session")
	raw, err := net.FileConn(ours)
	if err := errors.Join(err, ours.Close()); err != nil {
		return errors.Join(err, theirs.Close())
	}
	k.link = wire.NewConn(raw)
	// The keeper outlives a cancelled context on purpose: it is told to end, and ends the jobs first.
	k.cmd = exec.Command(k.config.KeeperCommand[0], k.config.KeeperCommand[1:]...) //nolint:noctx // see above
	k.cmd.ExtraFiles = []*os.File{theirs}                                          // keeperFD
	k.cmd.Stderr = os.Stderr
	k.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true} // a signal to our group is not for it
	for _, variable := range os.Environ() {
		if !strings.HasPrefix(variable, TokenVariable+"=") {
			k.cmd.Env = append(k.cmd.Env, variable)
		}
	}
	err = k.cmd.Start()
	if closeErr := theirs.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		return errors.Join(fmt.Errorf("start %s: %w", k.config.KeeperCommand[0], err), k.link.Close())
	}
	return nil
}

// configure tells the keeper what it needs and waits for it.
func (k *keeperProcess) configure() error {
	name := "sluice"
	if u, err := user.Current(); err == nil {
		name = u.Username
	}
	text, err := json.Marshal(keeperConfig{
		Name: k.config.Name, Sender: name + "@" + k.config.Name, WorkDir: k.config.WorkDir,
		SpoolBytes: k.config.SpoolBytes, SampleEvery: k.config.SampleEvery, GPUs: k.config.GPUs, Ports: k.config.Ports,
	})
	if err != nil {
		return err
	}
	if err := k.link.Send(&frame{kind: frameConfig, text: string(text)}); err != nil {
		return err
	}
	var answer frame
	if err := k.link.Receive(&answer, keeperStart); err != nil {
		return fmt.Errorf("wait for the keeper: %w", err)
	}
	if answer.kind != frameReady {
		return fmt.Errorf("wait for the keeper: %w", errBadFrame)
	}
	k.dirs = strings.Split(answer.text, "\x00")
	return nil
}

func (k *keeperProcess) receive() {
	defer close(k.gone)
	defer close(k.frames)
	for {
		f := new(frame)
		if err := k.link.Receive(f, 0); err != nil {
			break
		}
		select {
		case k.frames <- f:
		case <-k.quit:
		}
	}
	k.reap()
}

// reap waits for the keeper's end, after which no process of a job is left. Without the keeper, what it kept is now ours.
func (k *keeperProcess) reap() {
	if err := k.link.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
		k.config.Logger.WithError(err).Warn("close connection to keeper")
	}
	hard := time.AfterFunc(keeperStop, func() { _ = k.cmd.Process.Kill() }) // it may be gone already
	err := k.cmd.Wait()
	hard.Stop()
	if err == nil {
		return // it has ended the jobs itself
	}
	k.config.Logger.WithError(err).Error("the keeper of the jobs died; ending what it kept")
	err = endOrphans(time.Now().Add(hostGonePatience))
	for _, dir := range k.dirs {
		err = errors.Join(err, os.RemoveAll(dir))
	}
	if err != nil {
		k.config.Logger.WithError(err).Error("end jobs without keeper")
	}
}

// endOrphans kills and reaps all children of this process and their descendants.
func endOrphans(until time.Time) error {
	for wait := firstRound; ; wait = min(2*wait, lastRound) {
		for {
			pid, err := unix.Wait4(-1, nil, unix.WNOHANG, nil)
			if errors.Is(err, unix.ECHILD) {
				return nil
			}
			if pid <= 0 && !errors.Is(err, unix.EINTR) {
				break
			}
		}
		table, err := readProcesses()
		left := table.children[os.Getpid()]
		err = errors.Join(err, killTree(table.tree(left), unix.Getpgrp()))
		if time.Now().After(until) {
			return fmt.Errorf("processes %v are left: %w", left, err)
		}
		time.Sleep(wait)
	}
}

// send passes a frame on, in order.
func (k *keeperProcess) send(f *frame) { k.out.send(f) }

// renew sets the time after which the keeper ends all attempts by itself.
func (k *keeperProcess) renew(lease time.Duration) {
	k.out.send(&frame{kind: frameRenew, number: bootClock() + int64(lease)})
}

// events are what the keeper says; closed when it is gone and no process of a job is left.
func (k *keeperProcess) events() <-chan *frame { return k.frames }

// stop lets the keeper end what is left, and waits for it.
func (k *keeperProcess) stop() error {
	close(k.quit)
	k.out.close()
	err := k.link.Close()
	<-k.gone
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}
