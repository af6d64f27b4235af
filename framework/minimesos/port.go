package minimesos

import (
	"context"
	"net"
	"net/netip"
	"sync"
)

// port holds a TCP port for all masters of a cluster, one after the other: between two of them nobody else can get it.
type port struct {
	tcp net.Listener

	mu      sync.Mutex
	current *portListener // of the master that is there now
}

// portListener is a master's share of a port.
type portListener struct {
	port   *port
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

var _ net.Listener = (*portListener)(nil)

func listen(address string) (*port, error) {
	tcp, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", address)
	if err != nil {
		return nil, err
	}
	p := &port{tcp: tcp}
	go p.run()
	return p, nil
}

// address is where others reach us: a wildcard address is told as the loopback one.
func (p *port) address() string {
	addr := netip.MustParseAddrPort(p.tcp.Addr().String()) // a listener's own address
	if addr.Addr().IsUnspecified() {
		addr = netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), addr.Port())
	}
	return addr.String()
}

// open returns a listener that gets the connections from now on.
func (p *port) open() *portListener {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.current = &portListener{port: p, conns: make(chan net.Conn), closed: make(chan struct{})}
	return p.current
}

// close gives the port back. A nil one is of a master in memory.
func (p *port) close() error {
	if p == nil {
		return nil
	}
	return p.tcp.Close()
}

func (p *port) run() {
	for {
		conn, err := p.tcp.Accept()
		if err != nil {
			return // closed
		}
		p.mu.Lock()
		l := p.current
		p.mu.Unlock()
		if l == nil || !l.give(conn) {
			_ = conn.Close() // no master is there: the client sees a reset
		}
	}
}

func (l *portListener) give(conn net.Conn) bool {
	select {
	case l.conns <- conn:
		return true
	case <-l.closed:
		return false
	}
}

// Accept returns the next connection until Close.
func (l *portListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

// Close ends this listener, not the port.
func (l *portListener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

// Addr is that of the port.
func (l *portListener) Addr() net.Addr { return l.port.tcp.Addr() }
