package daemon

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"log"
	"net"
	"net/http"
	"os"
	"sync"
	"syscall"
	"time"

	"github.com/sirupsen/logrus"

	"sluice/queue/wire"
)

// routes adds the daemon's own handlers.
func (d *Daemon) routes() {
	for pattern, h := range map[string]http.HandlerFunc{
		"POST /v1/jobs":            d.submit,
		"POST /v1/jobs/batch":      d.submitBatch,
		"POST /v1/inputs":          d.keepInput,
		"POST /v1/jobs/query":      d.queryJobs,
		"POST /v1/jobs/arrays":     d.queryArrays,
		"POST /v1/jobs/act":        d.actOnJobs,
		"GET /v1/jobs/{id}/wait":   d.waitForJob,
		"POST /v1/jobs/{id}/peek":  d.peek,
		"GET /v1/jobs/{id}/attach": d.attach,
		"POST /v1/await":           d.await,
		"POST /v1/history/jobs":    d.queryPast,
		"POST /v1/history/summary": d.summarizePast,
		"POST /v1/history/events":  d.queryEvents,
		"GET /v1/queues":           d.listQueues,
		"GET /v1/apps":             d.listApps,
		"POST /v1/queues/{name}":   d.changeQueue,
		"GET /v1/users":            d.listUsers,
		"GET /v1/groups":           d.listGroups,
		"POST /v1/groups":          d.changeGroups,
		"GET /v1/params":           d.showParams,
		"GET /v1/hosts":            d.listHosts,
		"POST /v1/hosts/{name}":    d.changeHost,
		"GET /v1/cluster":          d.showCluster,
	} {
		d.Handle(pattern, User, h)
	}
	d.Handle("GET /v1/health", Public, http.HandlerFunc(d.showHealth))
	d.Handle("GET "+wire.HostPath, Public, http.HandlerFunc(d.serveHost))
	d.Handle("GET /v1/bin/{sum}", Public, http.HandlerFunc(d.binary.serve))
	d.Handle("/v1/", Public, http.HandlerFunc(noSuchCall))
}

// Handler serves the API of clients and hosts. It knows a caller by the connection (ServeUnix) or a bearer token.
func (d *Daemon) Handler() http.Handler { return d.mux }

// ServeUnix listens at path, replacing a socket nobody listens at, and serves in the background until Stop. Everyone may
// connect; who it is, the system says.
func (d *Daemon) ServeUnix(path string) error {
	l, err := listenUnix(context.Background(), path)
	if err != nil {
		return fmt.Errorf("listen at %s: %w", path, err)
	}
	return d.serve(newCountedListener(l, maxConns))
}

func listenUnix(ctx context.Context, path string) (net.Listener, error) {
	const longest = 107 // of sun_path
	if len(path) > longest {
		return nil, fmt.Errorf("the path of a socket has at most %d characters: use a shorter state dir", longest)
	}
	if info, err := os.Lstat(path); err == nil && info.Mode().Type() == fs.ModeSocket {
		if c, err := new(net.Dialer).DialContext(ctx, "unix", path); err == nil {
			return nil, errors.Join(errors.New("another daemon listens there"), c.Close())
		} else if !errors.Is(err, syscall.ECONNREFUSED) {
			return nil, err
		}
		if err := os.Remove(path); err != nil {
			return nil, err
		}
	}
	l, err := new(net.ListenConfig).Listen(ctx, "unix", path)
	if err != nil {
		return nil, err
	}
	if err := os.Chmod(path, 0o666); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return l, nil
}

// ServeTCP serves l, which it then owns, in the background until Stop; config nil = no TLS.
func (d *Daemon) ServeTCP(l net.Listener, config *tls.Config) error {
	l = newCountedListener(l, maxConns)
	if config != nil {
		config = config.Clone()
		config.NextProtos = []string{"http/1.1"} // hosts upgrade their connection
		l = tls.NewListener(l, config)
	}
	return d.serve(l)
}

func (d *Daemon) serve(l net.Listener) error {
	logger := d.log.WithField("listener", l.Addr().String())
	errorLog := logger.WriterLevel(logrus.DebugLevel)
	server := &http.Server{
		Handler: d.mux, ConnContext: withPeer, ErrorLog: log.New(errorLog, "", 0),
		ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 64 << 10,
	}
	release, ok := d.track(func() { _ = server.Close() }) // it is a listener and connections: nothing is lost
	if !ok {
		return errors.Join(errStopping, l.Close(), errorLog.Close())
	}
	d.services.Go(func() {
		defer release()
		err := server.Serve(l)
		if !errors.Is(err, http.ErrServerClosed) {
			logger.WithError(err).Error("no longer listening")
		}
		if err := errorLog.Close(); err != nil {
			logger.WithError(err).Warn("cannot close the server's log")
		}
	})
	return nil
}

// countedListener accepts a bounded number of connections at once.
type countedListener struct {
	net.Listener
	room   gate
	closed chan struct{}
	once   sync.Once
}

func newCountedListener(l net.Listener, n int) net.Listener {
	return &countedListener{Listener: l, room: newGate(n), closed: make(chan struct{})}
}

// Accept waits until there is room for a connection, and for it.
func (l *countedListener) Accept() (net.Conn, error) {
	select {
	case l.room <- struct{}{}:
	case <-l.closed:
		return nil, net.ErrClosed
	}
	c, err := l.Listener.Accept()
	if err != nil {
		l.room.leave()
		return nil, err
	}
	return &countedConn{Conn: c, leave: sync.OnceFunc(l.room.leave)}, nil
}

// Close ends Accept.
func (l *countedListener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return l.Listener.Close()
}

type countedConn struct {
	net.Conn
	leave func()
}

// Close makes room for another connection.
func (c *countedConn) Close() error {
	c.leave()
	return c.Conn.Close()
}
