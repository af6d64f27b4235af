package minimesos

import (
	"crypto/tls"
	"errors"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
)

// seat is the place of one master process: an address, and what answers there. The process that leads has the state of the
// cluster, the others stand by.
type seat struct {
	cluster *Cluster
	port    *port
	address string // host:port
	id      string // of the master process that is there now

	server *http.Server // nil: the process is dead. Under the cluster's lock
	member *membership  // in ZooKeeper; nil = none. Under the cluster's lock
	leads  atomic.Pointer[master]
	knows  atomic.Pointer[string] // address of the leader as this process knows it; nil = none
}

func (c *Cluster) newSeat(address string) (*seat, error) {
	if c.conf.inMemory() {
		return c.memorySeat(), nil
	}
	port, err := listen(address)
	if err != nil {
		return nil, err
	}
	return &seat{cluster: c, port: port, address: port.address()}, nil
}

// open starts a master process: it stands by.
func (s *seat) open() {
	s.id = uuid.NewString()
	s.server = &http.Server{Handler: s, ReadHeaderTimeout: 30 * time.Second, MaxHeaderBytes: 1 << 20}
	if s.port == nil {
		return // in memory
	}
	server, log := s.server, s.cluster.conf.Logger
	listener := s.port.open()
	serve := func() error { return server.Serve(listener) }
	if security := s.cluster.conf.TLS; security != nil {
		serve = func() error { return server.Serve(tls.NewListener(listener, security)) }
	}
	go func() {
		if err := serve(); !errors.Is(err, http.ErrServerClosed) {
			log.WithError(err).Error("master stopped serving")
		}
	}()
}

// kill ends the process as kill -9 does. A dead process can be killed again.
func (s *seat) kill() error {
	if s.server == nil {
		return nil
	}
	server := s.server
	s.server = nil
	if s.member != nil {
		s.member.sever()
		s.member = nil
	}
	s.leads.Store(nil)
	s.knows.Store(nil)
	return server.Close()
}

// ServeHTTP answers as the leader does, or as a master does that stands by.
func (s *seat) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if m := s.leads.Load(); m != nil {
		m.ServeHTTP(w, r)
		return
	}
	path := strings.TrimPrefix(strings.TrimSuffix(r.URL.Path, "/"), "/master")
	leader := s.knows.Load()
	switch {
	case path == "/health":
		w.WriteHeader(http.StatusOK)
	case path == "/version":
		m := &master{started: s.cluster.started}
		if err := m.writeJSON(w, m.versionJSON()); err != nil {
			writeError(w, err)
		}
	case path == schedulerPath && !s.authentic(w, r):
	case leader == nil:
		writeError(w, &httpError{http.StatusServiceUnavailable, "No leader elected"})
	default:
		location := "//" + *leader
		if path != "/redirect" {
			location += "/master" + path
			if r.URL.RawQuery != "" {
				location += "?" + r.URL.RawQuery
			}
		}
		w.Header().Set("Location", location)
		w.WriteHeader(http.StatusTemporaryRedirect)
	}
}

func (s *seat) authentic(w http.ResponseWriter, r *http.Request) bool {
	_, err := s.cluster.conf.authenticate(w, r)
	if err != nil {
		writeError(w, err)
	}
	return err == nil
}
