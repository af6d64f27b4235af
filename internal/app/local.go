package app

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"sluice/framework/minimesos"
)

// LocalConfig is a system with an embedded Mesos cluster on this machine. Its agents' CPUs, memory and GPUs are promises of their
// configuration: nothing keeps jobs within them.
type LocalConfig struct {
	Config
	Agents       int
	AgentCPUs    int
	AgentMemMiB  int
	AgentGPUs    int
	MasterListen string // host:port of the master
	// AllocationInterval is between two rounds of offers.
	AllocationInterval time.Duration
}

// Limits of an embedded cluster on one machine.
const (
	maxLocalAgents    = 1000
	maxLocalAgentCPUs = 100_000
	maxLocalAgentGPUs = 1000
	// Agents share the ports of the machine, below those that Linux gives out by itself.
	firstLocalPort, lastLocalPort = 31000, 32767
)

// DefaultLocalConfig is what `sluice local` starts from.
func DefaultLocalConfig() LocalConfig {
	c := LocalConfig{Config: DefaultConfig(), Agents: 16, AgentCPUs: 8, AgentMemMiB: 8 * 512, MasterListen: "127.0.0.1:0", AllocationInterval: 200 * time.Millisecond}
	c.Listen = "127.0.0.1:0"
	c.HostLocal = true
	return c
}

// Validate says in one line what is wrong and what is allowed.
func (c *LocalConfig) Validate() error {
	if err := c.validateCluster(); err != nil {
		return err
	}
	return c.Config.Validate()
}

func (c *LocalConfig) validateCluster() error {
	if c.Agents < 1 || c.Agents > maxLocalAgents {
		return invalid("agents %d: want 1 to %d", c.Agents, maxLocalAgents)
	}
	if c.AgentCPUs < 1 || c.AgentCPUs > maxLocalAgentCPUs {
		return invalid("agent-cpus %d: want 1 to %d", c.AgentCPUs, maxLocalAgentCPUs)
	}
	if c.AgentGPUs < 0 || c.AgentGPUs > maxLocalAgentGPUs {
		return invalid("agent-gpus %d: want 0 to %d", c.AgentGPUs, maxLocalAgentGPUs)
	}
	if c.AgentMemMiB < 32 {
		return invalid("agent-mem %d: want at least 32 MiB", c.AgentMemMiB)
	}
	return nil
}

// Cluster is an embedded Mesos cluster.
type Cluster struct {
	master    *minimesos.Cluster
	sandboxes string
}

// OpenCluster starts a cluster; only the cluster's part of the configuration is used.
func OpenCluster(ctx context.Context, cfg LocalConfig) (*Cluster, error) {
	if err := cfg.validateCluster(); err != nil {
		return nil, err
	}
	agents := make([]minimesos.AgentConfig, cfg.Agents)
	ports := (lastLocalPort - firstLocalPort + 1) / cfg.Agents
	for i := range agents {
		agents[i] = minimesos.AgentConfig{
			Hostname: fmt.Sprintf("agent%d", i+1), CPUs: float64(cfg.AgentCPUs), MemMiB: float64(cfg.AgentMemMiB),
			GPUs: float64(cfg.AgentGPUs), PortFirst: uint64(firstLocalPort + i*ports), PortLast: uint64(firstLocalPort + (i+1)*ports - 1),
		}
	}
	sandboxes, err := cfg.makeSandboxes()
	if err != nil {
		return nil, err
	}
	// It ends with Close, not with ctx: what runs on it is to end before it.
	master, err := minimesos.Start(context.WithoutCancel(ctx), minimesos.Config{
		Listen: cfg.MasterListen, WorkDir: sandboxes, Agents: agents, AllocationInterval: cfg.AllocationInterval, Logger: cfg.Log,
	})
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(sandboxes))
	}
	return &Cluster{master: master, sandboxes: sandboxes}, nil
}

// sandboxPrefix begins the names of the directories that clusters keep their sandboxes in.
const sandboxPrefix = "sluice-agents-"

// makeSandboxes makes a directory in the state dir or, without one, for temporary files.
func (c *LocalConfig) makeSandboxes() (string, error) {
	if c.StateDir != "" {
		if err := os.MkdirAll(c.StateDir, 0o755); err != nil {
			return "", fmt.Errorf("make state dir: %w", err)
		}
	}
	dir, err := os.MkdirTemp(c.StateDir, sandboxPrefix)
	if err != nil {
		return "", fmt.Errorf("make sandboxes: %w", err)
	}
	// Tasks may run as other users.
	if err := os.Chmod(dir, 0o755); err != nil {
		return "", fmt.Errorf("make sandboxes: %w", err)
	}
	return dir, nil
}

// removeStale removes what clusters that were killed left in the state dir, which must be locked.
func (c *Cluster) removeStale(stateDir string) error {
	left, err := filepath.Glob(filepath.Join(stateDir, sandboxPrefix+"*"))
	if err != nil {
		return err
	}
	for _, dir := range left {
		if dir != c.sandboxes {
			if err := os.RemoveAll(dir); err != nil {
				return fmt.Errorf("remove old sandboxes: %w", err)
			}
		}
	}
	return nil
}

// Master is the URL of the cluster's master.
func (c *Cluster) Master() string { return c.master.URL() }

// Close ends the cluster with all its tasks and removes their sandboxes.
func (c *Cluster) Close() error {
	c.master.Stop()
	if err := os.RemoveAll(c.sandboxes); err != nil {
		return fmt.Errorf("remove sandboxes: %w", err)
	}
	return nil
}

// Local is a system and the cluster that it runs on.
type Local struct {
	*App
	*Cluster
}

// OpenLocal starts a cluster and a system on it. Close ends both, with all hosts and jobs.
func OpenLocal(ctx context.Context, cfg LocalConfig) (*Local, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	cluster, err := OpenCluster(ctx, cfg)
	if err != nil {
		return nil, err
	}
	cfg.Framework.Master = cluster.Master()
	cfg.Framework.NewCluster = true
	system, err := Open(ctx, cfg.Config)
	if err != nil {
		return nil, errors.Join(err, cluster.Close())
	}
	l := &Local{App: system, Cluster: cluster}
	if err := cluster.removeStale(cfg.StateDir); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return l, nil
}

// Close ends the system, its hosts and the cluster.
func (l *Local) Close() error { return errors.Join(l.App.Close(), l.Cluster.Close()) }
