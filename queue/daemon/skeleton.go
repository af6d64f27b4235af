package daemon

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"

	"sluice/queue"
)

var errSkeleton = errors.New("not there yet")

type Daemon struct{ mux *http.ServeMux }

func (d *Daemon) guard(access Access, h http.Handler) http.Handler { return h }

// Open replays the journal and starts the daemon; hosts that had joined are unavailable until they come back.
func Open(ctx context.Context, config Config) (*Daemon, error) { return nil, errSkeleton }

// Stop ends the daemon: listeners, sessions (the hosts keep their jobs), then the owner. It may be called more than once.
func (d *Daemon) Stop() {}

// Handler serves the API of clients and hosts. It knows a caller by the connection (ServeUnix) or a bearer token.
func (d *Daemon) Handler() http.Handler { return d.mux }

// ServeUnix listens at path, replacing a socket nobody listens at, and serves in the background until Stop.
func (d *Daemon) ServeUnix(path string) error { return errSkeleton }

// ServeTCP serves l, which it then owns, in the background until Stop; config nil = no TLS.
func (d *Daemon) ServeTCP(l net.Listener, config *tls.Config) error { return errSkeleton }

// Poll gives one consistent view.
func (d *Daemon) Poll(ctx context.Context) (queue.Snapshot, error) { return queue.Snapshot{}, errSkeleton }

// AddHost adds a host and gives the command that its task must run. Asked again before the host joined, it gives a fresh
// command that replaces the earlier one.
func (d *Daemon) AddHost(ctx context.Context, spec queue.HostSpec) (queue.HostCommand, error) {
	return queue.HostCommand{}, errSkeleton
}

// CloseHost closes a host to new jobs, because it is to be drained.
func (d *Daemon) CloseHost(ctx context.Context, name string) error { return errSkeleton }

// OpenHost takes CloseHost back.
func (d *Daemon) OpenHost(ctx context.Context, name string) error { return errSkeleton }

// RemoveHost forgets a host. While it holds jobs that is refused (queue.HostBusy), unless its processes are surely gone: then
// its jobs are rerun or ended at once. An unknown host is queue.NoSuchHost.
func (d *Daemon) RemoveHost(ctx context.Context, name, reason string, processesGone bool) error {
	return errSkeleton
}
