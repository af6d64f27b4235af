package app

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"sync"

	"github.com/sirupsen/logrus"

	"sluice/framework"
	"sluice/queue/daemon"
	"sluice/queue/journal"
	"sluice/queue/output"
	"sluice/queue/spool"
	"sluice/queue/wire"
)

// App is a running system. Its methods may be called from any goroutine.
type App struct {
	given     Config // as opened
	cfg       Config // with what LSF's files say of queues; under applying once the system runs
	log       logrus.FieldLogger
	url       string
	daemon    *daemon.Daemon
	framework *framework.Framework
	loop      *loop
	store     store
	settings  *settings
	applying  sync.Mutex // one change at a time
	listener  net.Listener
	security  *tls.Config

	closers []func() error // in the order of opening
	once    sync.Once
	closed  error
}

// Open starts a system: it takes the state dir (another instance there is refused), replays the journal, serves the API
// and subscribes at the master. Run makes it take offers. Close it, also after a failed Run; a failed Open leaves nothing
// behind.
func Open(ctx context.Context, cfg Config) (*App, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	a := &App{given: cfg, cfg: cfg, log: cfg.Log}
	settings, files, err := cfg.batch()
	if err != nil {
		return nil, cfg.badConf(err)
	}
	for _, w := range files.Warnings {
		a.log.Warn(w.String())
	}
	a.cfg.Queue, a.cfg.Framework.Fleet.MaxHostSlots = settings.Queue, cfg.hostSlots(files)
	if err := a.open(ctx, settings); err != nil {
		return nil, errors.Join(err, a.Close())
	}
	return a, nil
}

func (a *App) open(ctx context.Context, settings daemon.Settings) error {
	store, err := a.openState()
	if err != nil {
		return err
	}
	if err := a.openDaemon(ctx, store, settings); err != nil {
		return err
	}
	if a.framework, err = framework.New(a.cfg.Framework, a.daemon, store); err != nil {
		return err
	}
	a.loop, err = newLoop(a.cfg.Controller, a.cfg.Outer, a.daemon, supply{a.framework}, a.log)
	if err != nil {
		return err
	}
	a.loop.observer = a.cfg.Observe
	a.framework.SetFloor(a.cfg.Controller.MinSlots)
	a.store = store
	if err := a.takeUpSettings(ctx); err != nil {
		return err
	}
	if err := a.serve(); err != nil {
		return err
	}
	if err := a.framework.Start(ctx); err != nil {
		return err
	}
	a.onClose(func() error { a.framework.Stop(); return nil })
	return nil
}

// openState takes the state dir's lock and opens its journal.
func (a *App) openState() (*journal.Journal, error) {
	dir, err := filepath.Abs(a.cfg.StateDir)
	if err != nil {
		return nil, fmt.Errorf("find state dir: %w", err)
	}
	a.cfg.StateDir = dir
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("make state dir: %w", err)
	}
	release, err := journal.Lock(a.cfg.StateDir)
	if err != nil {
		return nil, err
	}
	a.onClose(release)
	store, err := journal.Open(filepath.Join(a.cfg.StateDir, "journal.db"), journal.Options{})
	if err != nil {
		return nil, err
	}
	a.onClose(store.Close)
	return store, nil
}

func (a *App) openDaemon(ctx context.Context, store *journal.Journal, settings daemon.Settings) error {
	binary, err := a.cfg.hostBinary()
	if err != nil {
		return err
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", a.cfg.Listen)
	if err != nil {
		return fmt.Errorf("listen for hosts (change --listen): %w", err)
	}
	a.onClose(func() error { return ignoreClosed(listener.Close()) })
	if a.url, err = a.cfg.advertised(listener.Addr()); err != nil {
		return err
	}
	security, err := a.tls()
	if err != nil {
		return err
	}
	past, err := journal.OpenHistory(ctx, filepath.Join(a.cfg.StateDir, "history.db"), store, journal.HistoryOptions{Keep: a.cfg.History})
	if err != nil {
		return err
	}
	a.onClose(past.Close)
	outputs, err := output.Open(filepath.Join(a.cfg.StateDir, "output"), output.Limits{Bytes: a.cfg.Outputs})
	if err != nil {
		return err
	}
	a.onClose(outputs.Close)
	inputs, err := spool.Open(filepath.Join(a.cfg.StateDir, "input"), spool.Limits{File: wire.MaxInput})
	if err != nil {
		return err
	}
	var notifier daemon.Notifier
	if a.cfg.Notifier != "" {
		m := newMailer(a.cfg.Notifier, a.log)
		a.onClose(m.Close)
		notifier = m
	}
	a.daemon, err = daemon.Open(ctx, daemon.Config{
		Notifier: notifier,
		Queue:    settings.Queue, Journal: store, History: past, Chronicle: past, Outputs: outputs, Inputs: inputs, OutputBytes: a.cfg.JobOutput, Logger: a.log,
		Cluster: settings.Cluster, Version: a.cfg.Version, Admins: settings.Admins, TokenFile: a.cfg.TokenFile,
		Project: settings.Project, KillGrace: settings.KillGrace,
		HostURL: a.url, HostBinary: binary, HostLocal: a.cfg.HostLocal,
	})
	if err != nil {
		return err
	}
	a.onClose(func() error { a.daemon.Stop(); return nil })
	a.listener, a.security = listener, security
	return nil
}

func (a *App) tls() (*tls.Config, error) {
	if a.cfg.TLSCert == "" {
		return nil, nil
	}
	pair, err := tls.LoadX509KeyPair(a.cfg.TLSCert, a.cfg.TLSKey)
	if err != nil {
		return nil, fmt.Errorf("read TLS certificate: %w", err)
	}
	return &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}, nil
}

// serve opens the API to clients and hosts, once everything behind it is there.
func (a *App) serve() error {
	a.handleControl()
	if err := a.daemon.ServeUnix(a.Socket()); err != nil {
		return err
	}
	return a.daemon.ServeTCP(a.listener, a.security)
}

// Socket is the path of the API's unix socket.
func (a *App) Socket() string { return filepath.Join(a.cfg.StateDir, "api.sock") }

// Run closes the control loop until ctx ends (nil) or the framework can not go on (its error).
func (a *App) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	done := make(chan struct{})
	go func() {
		defer close(done)
		a.loop.run(ctx)
	}()
	var err error
	for running := true; running; {
		select {
		case <-a.cfg.Reload:
			a.reload(ctx)
			continue
		case <-ctx.Done():
		case <-a.framework.Done():
			err = a.framework.Err()
			if errors.Is(err, framework.ErrRemoved) {
				err = fmt.Errorf("%w, and with it all hosts: --new-framework-id goes on with the jobs that are left", err)
			}
		}
		running = false
	}
	cancel()
	<-done
	return err
}

// Teardown ends the framework at the master, and with it every host. For a cluster that ends with the program; a system
// that is to go on later is only closed.
func (a *App) Teardown(ctx context.Context) error { return a.framework.Teardown(ctx) }

func (a *App) onClose(f func() error) { a.closers = append(a.closers, f) }

// Close stops everything in reverse order. Hosts go on running their jobs and are taken back by the next instance with the
// same state dir.
func (a *App) Close() error {
	a.once.Do(func() {
		var failed []error
		for i := len(a.closers) - 1; i >= 0; i-- {
			failed = append(failed, a.closers[i]())
		}
		a.closed = errors.Join(failed...)
	})
	return a.closed
}

func ignoreClosed(err error) error {
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}
