package framework

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/sirupsen/logrus"

	"sluice/framework/fleet"
	"sluice/queue"
)

// Config is how the framework shows itself, where the master is, and the rules of the fleet. Start from DefaultConfig.
type Config struct {
	// Master is the URL of a master, or several with commas between; http(s)://host:port, or host:port. Or the place in
	// ZooKeeper where the masters register: zk://[user:password@]host:port,…/path, or file:///path of a file that holds that.
	Master string
	// Detector finds the leading master; nil = by Master. It must outlive the framework.
	Detector Detector
	// CAFile holds the certificates, PEM, of those who may sign a master's; "" = the system's. Masters that are found in
	// ZooKeeper are spoken to over TLS if it or ClientCert is given.
	CAFile string
	// ClientCert and ClientKey, PEM, are what we show to a master over TLS; read at each handshake. Both or none.
	ClientCert, ClientKey string
	// Leads is asked before each ACCEPT is sent, and must not block: while it says no, offers are declined and everything
	// else goes on. nil = always yes.
	Leads func() bool

	User string // that tasks run as on the agents
	Name string // of the framework; begins the names of hosts unless Fleet.HostPrefix is set
	// Role is the role to take offers for, or several with commas between, the preferred ones first; "*".
	Role       string
	Principal  string // to authenticate as; "" = no authentication
	SecretFile string // holds the principal's secret; read at each subscription
	Hostname   string // of this scheduler, for people; "" = the machine's
	WebUIURL   string // shown by the master's pages
	// Labels are shown with the framework and its tasks.
	Labels map[string]string

	// FailoverTimeout is how long the master keeps the tasks while no scheduler is connected; a week.
	FailoverTimeout time.Duration
	// GPUs asks for offers of agents with GPUs, which masters otherwise keep from a framework.
	GPUs bool
	// KillGrace is between SIGTERM and SIGKILL when a host is released; 30 s.
	KillGrace time.Duration
	// HostMaxTime is when Mesos kills a host, with its jobs, whatever we say or whether we are there; 0 = never.
	HostMaxTime time.Duration
	// HostImage is the image that hosts run in, docker://[REGISTRY/]NAME[:TAG], by the Mesos containerizer; "" = none, the agent's
	// own files. The program comes into the sandbox all the same.
	HostImage string
	// HostNetwork names a network of the agents that hosts are attached to; "" = the agent's own.
	HostNetwork string
	// Profiles are kinds of host for the jobs of queues that name them (queue.QueueSpec.Profile); see AddProfile.
	Profiles map[string]Profile
	// NewFrameworkID allows a new framework id, and forgets all hosts, when the master says that ours was removed. Without
	// it that is the end: ErrRemoved.
	NewFrameworkID bool
	// NewCluster says that the Mesos cluster is a new one: the framework id and the hosts that the store tells of ended
	// with the old one.
	NewCluster bool

	Fleet  fleet.Config
	Logger logrus.FieldLogger
}

// DefaultConfig is what to start from.
func DefaultConfig() Config {
	return Config{
		Name: "sluice", Role: "*", FailoverTimeout: 7 * 24 * time.Hour, KillGrace: 30 * time.Second,
		GPUs: true, Logger: logrus.StandardLogger(),
	}
}

// Batch is the batch system as far as the framework gives it hosts. A call may be repeated; one about a host that the
// batch system does not know is an error of queue.KindNotFound. Calls of different hosts come concurrently.
type Batch interface {
	// AddHost makes a host known and says what its task must run to become it.
	AddHost(ctx context.Context, spec queue.HostSpec) (queue.HostCommand, error)
	// CloseHost lets no further job start on the host, for queue.ClosedDrain; OpenHost takes that back.
	CloseHost(ctx context.Context, name string) error
	OpenHost(ctx context.Context, name string) error
	// RemoveHost forgets a host whose task has ended. processesGone says that no process of it can be alive, so that its
	// jobs, if it had any, may run elsewhere at once.
	RemoveHost(ctx context.Context, name, reason string, processesGone bool) error
}

// Store keeps what must survive a restart: durable when Put returns.
type Store interface {
	// Put changes keys of a bucket, all or none; a nil value deletes the key.
	Put(ctx context.Context, bucket string, changes map[string][]byte) error
	All(ctx context.Context, bucket string) (map[string][]byte, error)
}

// What ends a framework for good; see Framework.Err.
var (
	// ErrFailedOver: another instance has subscribed with our framework id. It has the hosts now.
	ErrFailedOver = errors.New("another instance has taken over the framework")
	// ErrRemoved: the master has removed our framework, with all its tasks; its id can not be used again.
	ErrRemoved = errors.New("the master has removed the framework")
)

// Validate says in one line what is wrong with the configuration, as New does.
func (c *Config) Validate() error {
	checked := *c
	if err := checked.check(); err != nil {
		return err
	}
	if _, err := checked.security(); err != nil {
		return err
	}
	_, end, err := checked.detector()
	if err == nil {
		end()
	}
	return err
}

// check completes the configuration and says in one line what is wrong with it.
func (c *Config) check() error {
	switch {
	case c.Name == "" || c.User == "":
		return errors.New("check framework: want a name and a user")
	case c.FailoverTimeout <= 0:
		return fmt.Errorf("check framework: failover timeout is %v: the master would end all tasks at every lost connection", c.FailoverTimeout)
	case c.SecretFile != "" && c.Principal == "":
		return errors.New("check framework: a secret file needs a principal")
	}
	if err := c.checkTask(); err != nil {
		return err
	}
	if err := checkRoles(c.roles()); err != nil {
		return err
	}
	c.Fleet.Roles = c.roles()
	if _, err := c.secret(); err != nil {
		return err
	}
	if c.Hostname == "" {
		// The name is for people only: without it the master shows none.
		c.Hostname, _ = os.Hostname()
	}
	if c.Fleet.HostPrefix == "" {
		c.Fleet.HostPrefix = hostPrefix(c.Name)
	}
	if c.Logger == nil {
		c.Logger = logrus.StandardLogger()
	}
	if c.Leads == nil {
		c.Leads = func() bool { return true }
	}
	return c.Fleet.Validate()
}

func (c *Config) secret() (string, error) {
	if c.SecretFile == "" {
		return "", nil
	}
	data, err := os.ReadFile(c.SecretFile)
	if err != nil {
		return "", fmt.Errorf("read secret of principal %s: %w", c.Principal, err)
	}
	return strings.TrimSpace(string(data)), nil
}

func (c *Config) roles() []string {
	var roles []string
	for role := range strings.SplitSeq(c.Role, ",") {
		if role = strings.TrimSpace(role); role != "" {
			roles = append(roles, role)
		}
	}
	if len(roles) == 0 {
		return []string{"*"}
	}
	return roles
}

const maxRoles = 16

// checkRoles finds what a master would refuse only at the subscription.
func checkRoles(roles []string) error {
	if len(roles) > maxRoles {
		return fmt.Errorf("check framework: %d roles: at most %d are possible", len(roles), maxRoles)
	}
	for i, role := range roles {
		if slices.Contains(roles[:i], role) {
			return fmt.Errorf("check framework: role %q is given twice", role)
		}
		for part := range strings.SplitSeq(role, "/") {
			if part == "" || part == "." || part == ".." || part == "*" && role != "*" || part[0] == '-' || strings.ContainsAny(part, " \t\r\n\v\f\b\x7f") {
				return fmt.Errorf("check framework: %q is no role: want a name, or names with / between, without blanks and not beginning with -", role)
			}
		}
	}
	return nil
}

// maxPrefix leaves room for the unique part of a host's name.
const maxPrefix = 40

// hostPrefix makes of a name what may begin a host's name and a task id.
func hostPrefix(name string) string {
	clean := strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9':
			return r
		case r >= 'A' && r <= 'Z':
			return r - 'A' + 'a'
		default:
			return '-'
		}
	}, name)
	clean = strings.Trim(clean[:min(len(clean), maxPrefix)], "-")
	if clean == "" {
		return "sluice"
	}
	return clean
}
