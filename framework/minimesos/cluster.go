package minimesos

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"
)

// Cluster is a running master with its agents. Safe for concurrent use.
type Cluster struct {
	conf    Config
	port    *port
	address string
	workDir string
	ownDir  bool // the work directory is ours to remove
	guard   *guardian
	unwatch func() bool

	mu      sync.Mutex
	stopped bool
	master  *master
	server  *http.Server
	agents  []*agent
	rejoin  sync.WaitGroup // agents on their way to a new master
	giveUp  func()         // ends their waiting
}

// ErrUnknownAgent is returned for an id that no agent of the cluster has.
var ErrUnknownAgent = errors.New("unknown agent")

// Start starts a master and its agents. They run until Stop is called or ctx is done, which stops the cluster too.
func Start(ctx context.Context, conf Config) (*Cluster, error) {
	conf.setDefaults()
	if err := conf.validate(); err != nil {
		return nil, err
	}
	c := &Cluster{conf: conf}
	if err := c.makeWorkDir(); err != nil {
		return nil, err
	}
	if err := c.start(); err != nil {
		return nil, errors.Join(err, c.removeWorkDir())
	}
	for _, a := range conf.Agents {
		if _, err := c.AddAgent(a); err != nil {
			c.Stop()
			return nil, err
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.unwatch = context.AfterFunc(ctx, c.Stop)
	return c, nil
}

func (c *Cluster) start() error {
	port, err := listen(c.conf.Listen)
	if err != nil {
		return fmt.Errorf("start master: %w", err)
	}
	if c.guard, err = startGuardian(); err != nil {
		return errors.Join(err, port.close())
	}
	c.port = port
	c.giveUp = func() {}
	c.address = port.address()
	c.serve(newMaster(&c.conf, uuid.NewString(), c.address))
	return nil
}

func (c *Cluster) makeWorkDir() error {
	dir, err := filepath.Abs(c.conf.WorkDir)
	if c.conf.WorkDir == "" {
		c.ownDir = true
		dir, err = os.MkdirTemp("", "minimesos-")
	}
	if err == nil {
		// Tasks of other users must get to their sandboxes.
		err = errors.Join(os.MkdirAll(dir, 0o755), openForAll(dir, c.ownDir))
	}
	if err != nil {
		return fmt.Errorf("make work directory: %w", err)
	}
	c.workDir = dir
	return nil
}

func openForAll(dir string, ours bool) error {
	if !ours {
		return nil
	}
	return os.Chmod(dir, 0o755)
}

func (c *Cluster) removeWorkDir() error {
	if !c.ownDir {
		return nil
	}
	return os.RemoveAll(c.workDir)
}

// serve makes m the master behind the port.
func (c *Cluster) serve(m *master) {
	c.master = m
	c.server = &http.Server{Handler: m, ReadHeaderTimeout: 30 * time.Second, MaxHeaderBytes: 1 << 20}
	server, listener, log := c.server, c.port.open(), c.conf.Logger
	go func() {
		if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			log.WithError(err).Error("master stopped serving")
		}
	}()
}

// URL is where the master listens: http://host:port.
func (c *Cluster) URL() string { return "http://" + c.address }

// WorkDir is the directory that holds the sandboxes.
func (c *Cluster) WorkDir() string { return c.workDir }

// Agents lists the ids of the agents, lost ones included, in the order in which they were added.
func (c *Cluster) Agents() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	ids := make([]string, len(c.agents))
	for i, a := range c.agents {
		a.call(func() { ids[i] = a.id })
	}
	return ids
}

// AddAgent starts one more agent and returns its id. Its resources are offered at once. While no master is there the id
// is empty: the next master gives one.
func (c *Cluster) AddAgent(cfg AgentConfig) (string, error) {
	cfg.setDefaults()
	if err := cfg.validate(); err != nil {
		return "", err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.stopped:
		return "", errors.New("add agent: the cluster is stopped")
	case len(c.agents) >= maxAgents:
		return "", fmt.Errorf("add agent: there are %d already", maxAgents)
	}
	a := newAgent(&c.conf, cfg, c.workDir, c.address, c.guard, realRunner{})
	c.agents = append(c.agents, a)
	return a.connect(c.master), nil
}

// LoseAgent ends the agent process of an agent as kill -9 does: the connection to the master breaks, its offers are
// rescinded. Tasks of checkpointing frameworks run on; after AgentTimeout they count as unreachable. Those of others end.
func (c *Cluster) LoseAgent(id string) error {
	return c.drop(id, (*agent).lose)
}

// CrashAgent ends the machine of an agent: all of its processes die, and it does not come back.
func (c *Cluster) CrashAgent(id string) error {
	return c.drop(id, (*agent).crash)
}

func (c *Cluster) drop(id string, how func(*agent)) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	a, err := c.find(id)
	if err != nil {
		return err
	}
	how(a)
	c.master.agentGone(id)
	return nil
}

// ReturnAgent starts the agent process of a lost agent again, with what it knew.
func (c *Cluster) ReturnAgent(id string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	a, err := c.find(id)
	if err != nil {
		return err
	}
	a.comeBack()
	a.connect(c.master)
	return nil
}

func (c *Cluster) find(id string) (*agent, error) {
	i := slices.IndexFunc(c.agents, func(a *agent) bool {
		var same bool
		a.call(func() { same = a.id == id })
		return same
	})
	if i < 0 || c.stopped {
		return nil, fmt.Errorf("%w %q", ErrUnknownAgent, id)
	}
	return c.agents[i], nil
}

// KillMaster ends the master as kill -9 does: event streams are cut without a last chunk, and until RestartMaster
// nobody answers. Agents and tasks live on.
func (c *Cluster) KillMaster() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.stopped {
		return errors.New("kill master: the cluster is stopped")
	}
	return c.killMaster()
}

func (c *Cluster) killMaster() error {
	c.giveUp()
	c.rejoin.Wait()
	c.master.stop()
	for _, a := range c.agents {
		a.disconnect()
	}
	if err := c.server.Close(); err != nil {
		return fmt.Errorf("kill master: %w", err)
	}
	return nil
}

// RestartMaster kills the master, if KillMaster has not, and starts another one at the same address, as with a
// replicated registry: frameworks have to subscribe again, the new master knows of agents and tasks only when the agents
// register again, after ReregisterDelay. Tasks are not touched. Agents that do not come back within AgentTimeout count as
// unreachable.
func (c *Cluster) RestartMaster() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.stopped {
		return errors.New("restart master: the cluster is stopped")
	}
	if err := c.killMaster(); err != nil {
		return fmt.Errorf("restart master: %w", err)
	}
	m := newMaster(&c.conf, uuid.NewString(), c.address)
	m.ready = m.started.Add(c.conf.RecoveryTime)
	for _, a := range c.agents {
		var id string
		if a.call(func() { id = a.id }); id != "" {
			m.expect(id)
		}
	}
	c.serve(m)
	ctx, cancel := context.WithCancel(context.Background())
	c.giveUp = cancel
	for _, a := range c.agents {
		c.rejoin.Go(func() {
			if wait(ctx, c.conf.RecoveryTime+c.conf.ReregisterDelay) == nil {
				a.connect(m)
			}
		})
	}
	return nil
}

// Stop kills every task with its whole tree, closes the master and waits until nothing is left. A work directory that
// Start made is removed. Calling it again does nothing.
func (c *Cluster) Stop() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.stopped {
		return
	}
	c.stopped = true
	if c.unwatch != nil {
		c.unwatch()
	}
	c.giveUp()
	c.rejoin.Wait()
	c.master.stop()
	for _, a := range c.agents {
		a.stop()
	}
	for _, err := range []error{c.server.Close(), c.port.close(), c.guard.stop(), c.removeWorkDir()} {
		if err != nil {
			c.conf.Logger.WithError(err).Error("not stopped cleanly")
		}
	}
}
