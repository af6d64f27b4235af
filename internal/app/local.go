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

// LocalConfig is a system with an embedded Mesos cluster on this machine. Its agents' CPUs and memory are promises of their
// configuration: nothing keeps jobs within them.
type LocalConfig struct {
	Config
	Agents      int
	AgentCPUs   int
	AgentMemMiB int
	// AllocationInterval is between two rounds of offers.
	AllocationInterval time.Duration
}

// Limits of an embedded cluster on one machine.
const (
	maxLocalAgents    = 1000
	maxLocalAgentCPUs = 100_000
)

// DefaultLocalConfig is what `sluice local` starts from.
func DefaultLocalConfig() LocalConfig {
	c := LocalConfig{Config: DefaultConfig(), Agents: 16, AgentCPUs: 8, AgentMemMiB: 8 * 512, AllocationInterval: 200 * time.Millisecond}
	c.Listen = "127.0.0.1:0"
	c.HostLocal = true
	return c
}

// Validate says in one line what is wrong and what is allowed.
func (c *LocalConfig) Validate() error {
	if c.Agents < 1 || c.Agents > maxLocalAgents {
		return invalid("agents %d: want 1 to %d", c.Agents, maxLocalAgents)
	}
	if c.AgentCPUs < 1 || c.AgentCPUs > maxLocalAgentCPUs {
		return invalid("agent-cpus %d: want 1 to %d", c.AgentCPUs, maxLocalAgentCPUs)
	}
	if c.AgentMemMiB < 32 {
		return invalid("agent-mem %d: want at least 32 MiB", c.AgentMemMiB)
	}
	return c.Config.Validate()
}

// Local is a system and the cluster that it runs on.
type Local struct {
	*App
	cluster   *minimesos.Cluster
	sandboxes string
}

// OpenLocal starts a cluster and a system on it. Close ends both, with all hosts and jobs.
func OpenLocal(ctx context.Context, cfg LocalConfig) (*Local, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	// Hosts of an earlier cluster ended with it; what they left in their sandboxes is of no use to anyone.
	l := &Local{sandboxes: filepath.Join(cfg.StateDir, "agents")}
	agents := make([]minimesos.AgentConfig, cfg.Agents)
	for i := range agents {
		agents[i] = minimesos.AgentConfig{
			Hostname: fmt.Sprintf("agent%d", i+1), CPUs: float64(cfg.AgentCPUs), MemMiB: float64(cfg.AgentMemMiB),
		}
	}
	cluster, err := minimesos.Start(ctx, minimesos.Config{
		WorkDir: l.sandboxes, Agents: agents, AllocationInterval: cfg.AllocationInterval, Logger: cfg.Log,
	})
	if err != nil {
		return nil, err
	}
	l.cluster = cluster
	cfg.Framework.Master = cluster.URL()
	if l.App, err = Open(ctx, cfg.Config); err != nil {
		return nil, errors.Join(err, l.stopCluster())
	}
	return l, nil
}

// Close ends the system, its hosts and the cluster.
func (l *Local) Close() error {
	return errors.Join(l.App.Close(), l.stopCluster())
}

func (l *Local) stopCluster() error {
	l.cluster.Stop()
	if err := os.RemoveAll(l.sandboxes); err != nil {
		return fmt.Errorf("remove sandboxes: %w", err)
	}
	return nil
}
