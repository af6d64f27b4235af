package minimesos

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/go-zookeeper/zk"
	mesos "github.com/mesos/mesos-go/api/v1/lib"
	"github.com/sirupsen/logrus"
)

const (
	memberPrefix = "json.info_"
	memberRetry  = 200 * time.Millisecond
)

// ensemble is where masters register: zk://[user:password@]host:port,…/path.
type ensemble struct {
	servers []string
	path    string
	auth    []byte
}

func parseEnsemble(text string) (ensemble, error) {
	rest, ok := strings.CutPrefix(text, "zk://")
	servers, path, found := strings.Cut(rest, "/")
	if !ok || !found || servers == "" || path == "" {
		return ensemble{}, fmt.Errorf("check configuration: %q is not zk://host:port/path", text)
	}
	e := ensemble{path: "/" + path}
	if at := strings.LastIndex(servers, "@"); at >= 0 {
		e.auth, servers = []byte(servers[:at]), servers[at+1:]
	}
	e.servers = strings.Split(servers, ",")
	return e, nil
}

// memberData is a master's registration: its MasterInfo with sorted keys.
func memberData(info *mesos.MasterInfo) ([]byte, error) {
	decoder := json.NewDecoder(bytes.NewReader(toJSON(info)))
	decoder.UseNumber()
	var form map[string]any
	if err := decoder.Decode(&form); err != nil {
		return nil, fmt.Errorf("print registration: %w", err)
	}
	return json.Marshal(form)
}

// membership is a master process's part in the election in ZooKeeper. As in a real master, the lowest node leads, and a
// process that led and has lost its session ends; its supervisor starts it again.
type membership struct {
	seat    *seat
	at      ensemble
	timeout time.Duration
	data    []byte
	log     logrus.FieldLogger
	ctx     context.Context
	stop    context.CancelFunc
	done    chan struct{}

	mu     sync.Mutex
	conn   net.Conn // nil = none
	broken bool     // no connection is made any more: the process is dead
	expiry *time.Timer
	lost   chan struct{} // closed when the session has ended, as far as this side can tell
	once   sync.Once
}

// join registers a process until it is left.
func (s *seat) join(at ensemble) error {
	data, err := memberData(masterInfo(s.id, s.address))
	if err != nil {
		return err
	}
	ctx, stop := context.WithCancel(context.Background())
	m := &membership{
		seat: s, at: at, timeout: s.cluster.conf.ZooKeeperTimeout, data: data, ctx: ctx, stop: stop, done: make(chan struct{}),
		log: s.cluster.conf.Logger.WithField("master", s.address), lost: make(chan struct{}),
	}
	s.member = m
	s.cluster.members.Go(func() {
		defer close(m.done)
		m.run()
	})
	return nil
}

// sever ends the connection as the death of the process does: ZooKeeper finds out after the session's time.
func (m *membership) sever() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.broken = true
	if m.conn != nil {
		_ = m.conn.Close() // it is meant to break
	}
	m.stop()
}

func (m *membership) dial(network, address string, timeout time.Duration) (net.Conn, error) {
	conn, err := (&net.Dialer{Timeout: timeout}).DialContext(m.ctx, network, address)
	if err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.broken {
		return nil, errors.Join(errors.New("the process is dead"), conn.Close())
	}
	m.conn = conn
	return conn, nil
}

// event follows the connection: the session counts as lost when there was none for its time.
func (m *membership) event(e zk.Event) {
	if e.Type != zk.EventSession {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	switch e.State {
	case zk.StateHasSession:
		if m.expiry != nil {
			m.expiry.Stop()
			m.expiry = nil
		}
	case zk.StateExpired:
		m.lose()
	case zk.StateDisconnected:
		if m.expiry == nil {
			m.expiry = time.AfterFunc(m.timeout, m.lose)
		}
	default:
	}
}

func (m *membership) lose() { m.once.Do(func() { close(m.lost) }) }

func (m *membership) run() {
	conn, _, err := zk.Connect(m.at.servers, m.timeout, zk.WithDialer(m.dial), zk.WithEventCallback(m.event), zk.WithLogger(quiet{m.log}))
	if err != nil {
		m.log.WithError(err).Error("no ZooKeeper")
		return
	}
	defer conn.Close()
	node := ""
	for m.ctx.Err() == nil {
		if node == "" {
			node, err = m.register(conn)
		}
		var watch <-chan zk.Event
		if err == nil {
			watch, err = m.follow(conn, node)
		}
		var retry <-chan time.Time
		if err != nil {
			m.log.WithError(err).Debug("asking ZooKeeper again")
			retry = time.After(memberRetry)
			err = nil
		}
		select {
		case <-watch:
		case <-retry:
		case <-m.ctx.Done():
		case <-m.lost:
			m.seat.cluster.loseSession(m)
			return
		}
	}
}

func (m *membership) register(conn *zk.Conn) (string, error) {
	acl := zk.WorldACL(zk.PermAll)
	if m.at.auth != nil {
		if err := conn.AddAuth("digest", m.at.auth); err != nil {
			return "", err
		}
		acl = append(zk.AuthACL(zk.PermAll), zk.WorldACL(zk.PermRead)...)
	}
	for i, sign := range m.at.path + "/" {
		if i == 0 || sign != '/' {
			continue
		}
		if _, err := conn.Create(m.at.path[:i], nil, 0, acl); err != nil && !errors.Is(err, zk.ErrNodeExists) {
			return "", err
		}
	}
	path, err := conn.Create(m.at.path+"/"+memberPrefix, m.data, zk.FlagEphemeral|zk.FlagSequence, acl)
	return path[strings.LastIndex(path, "/")+1:], err
}

// follow finds out who leads.
func (m *membership) follow(conn *zk.Conn, node string) (<-chan zk.Event, error) {
	children, _, watch, err := conn.ChildrenW(m.at.path)
	if err != nil {
		return nil, err
	}
	children = slices.DeleteFunc(children, func(c string) bool { return !strings.HasPrefix(c, memberPrefix) })
	if len(children) == 0 {
		return watch, nil
	}
	first := slices.Min(children) // ten digits each
	if first == node {
		m.seat.cluster.elect(m)
		return watch, nil
	}
	data, _, err := conn.Get(m.at.path + "/" + first)
	if err != nil {
		return nil, err
	}
	var info struct {
		Address struct {
			IP   string
			Port int
		}
	}
	if err := json.Unmarshal(data, &info); err != nil {
		return nil, err
	}
	leader := net.JoinHostPort(info.Address.IP, strconv.Itoa(info.Address.Port))
	m.seat.knows.Store(&leader)
	return watch, nil
}

// quiet is where ZooKeeper's client writes.
type quiet struct{ log logrus.FieldLogger }

var _ zk.Logger = quiet{}

// Printf writes one line.
func (q quiet) Printf(format string, args ...any) { q.log.Debugf("zookeeper: "+format, args...) }
