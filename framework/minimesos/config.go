package minimesos

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"sync/atomic"
	"time"

	"github.com/mesos/mesos-go/api/v1/lib/scheduler"
	"github.com/sirupsen/logrus"
)

// Config says what cluster to start. The zero value of a duration means its default.
type Config struct {
	// Listen is the master's address, host:port. Default "127.0.0.1:0": any free port of the loopback interface.
	Listen string
	// Masters is how many there are, 1 to 9; default 1. One leads, the others stand by: they redirect to the leader, or answer
	// 503 while none is known. The second and further ones listen on free ports of Listen's host.
	Masters int
	// ZooKeeper, if not empty, is where the masters register and elect the leader: zk://[user:password@]host:port,…/path.
	// Else the next master leads ElectionTime after the death of the leader.
	ZooKeeper        string
	ZooKeeperTimeout time.Duration // of the masters' sessions; default 10 s
	ElectionTime     time.Duration // default 200 ms
	// Domain is where the masters stand: agents of other regions are offered to frameworks only that are REGION_AWARE.
	Domain FaultDomain
	// TLS, if not nil, is what the masters speak.
	TLS *tls.Config
	// Credentials are the secrets by principal that frameworks authenticate with (HTTP Basic); nil = they need not.
	Credentials map[string]string
	// WorkDir holds the sandboxes: <WorkDir>/<agent id>/frameworks/<id>/executors/<task id>/runs/<container id>. When
	// empty, a temporary directory is made and Stop removes it; a given one is left as it is.
	WorkDir string
	// Agents are started with the master; more may be added later.
	Agents []AgentConfig

	AllocationInterval time.Duration // between two runs of the allocator; default 1 s
	HeartbeatInterval  time.Duration // between two HEARTBEATs; default 15 s
	AckRetry           time.Duration // until an unacknowledged update is sent again, doubling; default 10 s
	OfferTimeout       time.Duration // until an offer is rescinded; default never
	AgentTimeout       time.Duration // until a lost agent counts as unreachable; default 75 s
	ReregisterDelay    time.Duration // until agents notice a new master; default 200 ms
	RecoveryTime       time.Duration // in which a restarted master answers 503; default none
	LaunchDelay        time.Duration // between ACCEPT and the start of a task, as a slow agent has it; default none
	KillGrace          time.Duration // between SIGTERM and SIGKILL for tasks without a kill policy; default 3 s

	// OnEvent decides what becomes of an event on its way to a framework, OnCall of a call on its way to the master (not
	// of SUBSCRIBE). Nil lets everything pass. Both are called while the master is locked or about to be: they must be
	// quick and must not call the Cluster.
	OnEvent func(frameworkID string, event *scheduler.Event) Verdict
	OnCall  func(call *scheduler.Call) Verdict

	// Tasks, if not nil, is what all tasks do, in place of processes: then the cluster has no sockets either, and is reached
	// by Cluster.Handler only.
	Tasks Body

	credentials *atomic.Pointer[map[string]string] // in place of Credentials, once set

	// Logger receives what a real master and its agents would log; default none.
	Logger logrus.FieldLogger
}

// AgentConfig describes one agent.
type AgentConfig struct {
	Hostname  string  // default "127.0.0.1"
	CPUs      float64 // default 4
	MemMiB    float64 // default 2048
	DiskMiB   float64 // default 4096
	GPUs      float64 // default none; a whole number
	PortFirst uint64  // first port offered; default 31000
	PortLast  uint64  // last port offered; default 31999
	// Attributes are offered as a real agent would: numbers as SCALAR, [a-b] as RANGES, others as TEXT.
	Attributes map[string]string
	// Reserved are resources beside the above that only a role, and roles below it, may have.
	Reserved map[string]Reservation
	// Revocable is what the agent offers beside all that, for as long as nobody needs it; its disk does not count.
	Revocable Reservation
	Domain    FaultDomain
}

// Reservation is what an agent holds ready for one role.
type Reservation struct {
	CPUs, MemMiB, DiskMiB float64
}

// Verdict is what a fault hook wants done with a message. The zero value lets it pass.
type Verdict struct {
	Drop   bool          // lose it; a call is still answered 202
	Delay  time.Duration // deliver it later; what comes after overtakes it
	Copies int           // deliver it this many times more
	Status int           // calls only: answer with this HTTP status instead, and do nothing
}

const (
	defaultListen   = "127.0.0.1:0"
	defaultHostname = "127.0.0.1"
	maxAgents       = 10000
	maxMasters      = 9
)

func (c *Config) setDefaults() {
	if c.Listen == "" {
		c.Listen = defaultListen
	}
	for _, d := range []struct {
		value *time.Duration
		def   time.Duration
	}{
		{&c.AllocationInterval, time.Second},
		{&c.HeartbeatInterval, 15 * time.Second},
		{&c.AckRetry, 10 * time.Second},
		{&c.AgentTimeout, 75 * time.Second},
		{&c.ReregisterDelay, 200 * time.Millisecond},
		{&c.KillGrace, 3 * time.Second},
		{&c.ZooKeeperTimeout, 10 * time.Second},
		{&c.ElectionTime, 200 * time.Millisecond},
	} {
		if *d.value == 0 {
			*d.value = d.def
		}
	}
	if c.Masters == 0 {
		c.Masters = 1
	}
	c.credentials = &atomic.Pointer[map[string]string]{}
	if c.Logger == nil {
		silent := logrus.New()
		silent.SetOutput(io.Discard)
		c.Logger = silent
	}
}

func (c *Config) validate() error {
	for _, d := range []time.Duration{
		c.AllocationInterval, c.HeartbeatInterval, c.AckRetry, c.OfferTimeout, c.AgentTimeout, c.ReregisterDelay,
		c.RecoveryTime, c.LaunchDelay, c.KillGrace, c.ZooKeeperTimeout, c.ElectionTime,
	} {
		if d < 0 {
			return fmt.Errorf("check configuration: negative duration %v", d)
		}
	}
	if c.Masters < 1 || c.Masters > maxMasters {
		return fmt.Errorf("check configuration: %d masters, want 1 to %d", c.Masters, maxMasters)
	}
	if len(c.Agents) > maxAgents {
		return fmt.Errorf("check configuration: %d agents, at most %d are possible", len(c.Agents), maxAgents)
	}
	return nil
}

func (a *AgentConfig) setDefaults() {
	if a.Hostname == "" {
		a.Hostname = defaultHostname
	}
	if a.CPUs == 0 {
		a.CPUs = 4
	}
	if a.MemMiB == 0 {
		a.MemMiB = 2048
	}
	if a.DiskMiB == 0 {
		a.DiskMiB = 4096
	}
	if a.PortFirst == 0 && a.PortLast == 0 {
		a.PortFirst, a.PortLast = 31000, 31999
	}
}

func (a *AgentConfig) validate() error {
	if !(a.CPUs > 0) || !(a.MemMiB >= 0) || !(a.DiskMiB >= 0) || !(a.GPUs >= 0) {
		return errors.New("check agent: resources must be positive numbers")
	}
	for role, r := range a.Reserved {
		if err := validateRole(role); err != nil || role == unreserved {
			return fmt.Errorf("check agent: resources cannot be reserved for role %q", role)
		}
		if !(r.CPUs >= 0) || !(r.MemMiB >= 0) || !(r.DiskMiB >= 0) {
			return errors.New("check agent: reserved resources must be positive numbers")
		}
	}
	if a.GPUs != float64(int64(a.GPUs)) {
		return fmt.Errorf("check agent: %v GPUs is not a whole number", a.GPUs)
	}
	if a.PortFirst > a.PortLast || a.PortLast > 65535 {
		return fmt.Errorf("check agent: ports %d-%d are not a range of ports", a.PortFirst, a.PortLast)
	}
	return nil
}
