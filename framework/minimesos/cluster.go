package minimesos

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Cluster is a running master with its agents. Safe for concurrent use.
type Cluster struct {
	conf     Config
	started  time.Time
	ensemble *ensemble // where masters are elected; nil = here
	members  sync.WaitGroup
	workDir  string
	ownDir   bool // the work directory is ours to remove
	guard    *guardian
	unwatch  func() bool
	url      atomic.Pointer[string] // of the leader, or of the last one

	mu      sync.Mutex
	stopped bool
	seats   []*seat
	leading *seat         // nil = no master leads
	master  *master       // that leads, or led last
	elected chan struct{} // closed when the first one leads
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
	c := &Cluster{conf: conf, started: time.Now(), elected: make(chan struct{}), giveUp: func() {}}
	if conf.ZooKeeper != "" {
		at, err := parseEnsemble(conf.ZooKeeper)
		if err != nil {
			return nil, err
		}
		c.ensemble = &at
	}
	if err := c.makeWorkDir(); err != nil {
		return nil, err
	}
	if err := c.start(); err != nil {
		return nil, errors.Join(err, c.removeWorkDir())
	}
	if err := c.awaitLeader(ctx); err != nil {
		c.Stop()
		return nil, err
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
	a := newAgent(&c.conf, cfg, c.workDir, c.seats[0].address, c.guard, c.runner())
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

// Stop kills every task with its whole tree, closes the master and waits until nothing is left. A work directory that
// Start made is removed. Calling it again does nothing.
func (c *Cluster) Stop() {
	c.stop()
	c.members.Wait() // they may wait for the cluster's lock
}

func (c *Cluster) stop() {
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
	if c.master != nil {
		c.master.stop()
	}
	for _, a := range c.agents {
		a.stop()
	}
	for _, err := range []error{c.closeSeats(), c.guard.stop(), c.removeWorkDir()} {
		if err != nil {
			c.conf.Logger.WithError(err).Error("not stopped cleanly")
		}
	}
}
