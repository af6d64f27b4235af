package app

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/sirupsen/logrus"

	"sluice/controller"
	"sluice/framework"
	"sluice/framework/zk"
	"sluice/queue"
	"sluice/queue/daemon"
)

// Config is everything that an operator may set. Start from DefaultConfig.
type Config struct {
	Version  string
	StateDir string // holds the socket, the journal and the lock; made if it is not there

	Listen    string // host:port of the network API, for hosts and remote clients
	Advertise string // URL at which hosts reach Listen; "" = found from the way to the master
	TLSCert   string // PEM files; both or none
	TLSKey    string
	TokenFile string // lines user:token of remote clients; "" = none may call

	// ConfDir holds LSF's configuration files (lsb.queues …), read at the start and by Reconfigure; "" = none. What is set here, too, goes
	// before what they say.
	ConfDir string
	// Weights are of queues, by name, where they are not 1.
	Weights map[string]float64

	Cluster    string   // the name that lsid shows; "" = the files', or sluice
	Admins     []string // beside root and the daemon's own user
	HostBinary string   // the program that hosts run; "" = this one
	HostLocal  bool     // hosts share this machine's file system: nothing is fetched

	// Notifier is a program that sends mail about jobs (bsub -B, -N): it gets the recipient as its argument and the mail on standard
	// input, as sendmail does. "" = no mail is sent.
	Notifier   string
	Outputs    int64         // bytes kept of what ended jobs wrote, in all; 0 = 1 GiB
	JobOutput  int64         // bytes kept of each stream of an ended job, its end; 0 = 1 MiB
	History    time.Duration // how long ended jobs stay in bhist and bacct; 0 = 30 days
	Queue      queue.Config
	Controller controller.Config
	Outer      controller.OuterConfig // the intent, if any, and the limits of the target
	Framework  framework.Config

	// Election is where one of several instances is elected, for Serve: zk://[user:password@]host:port,…/path (or file:///path
	// of a file that holds that), "none", or "" = beside the masters, at /sluice/NAME, if these are in ZooKeeper, else none.
	Election string
	// ElectionTimeout is how long after its death a leader is replaced, at least a second; 10 s.
	ElectionTimeout time.Duration
	// Standby makes Serve wait while another instance has the state dir; an election implies it.
	Standby bool

	// Reload makes Run read the conf dir anew at each receive; nil = it never does.
	Reload <-chan os.Signal

	Log logrus.FieldLogger
	// Observe sees every step of the controller, in the loop's goroutine; may be nil.
	Observe func(controller.Record)

	elected *zk.Election // by Serve; nil = there is no election
}

// controlDefaults are the controller's, but for hosts of at least two slots where there is so much to hold: a goal that creeps
// up slot by slot would make a host of each (docs/control.md).
func controlDefaults() controller.Config {
	c := controller.DefaultConfig()
	c.Quantum = 2
	return c
}

// DefaultConfig is what `sluice run` starts from.
func DefaultConfig() Config {
	return Config{
		Version:    "dev",
		Listen:     ":6180",
		Controller: controlDefaults(),
		Outer:      controller.DefaultOuterConfig(),
		Framework:  framework.DefaultConfig(),
		Log:        logrus.StandardLogger(),

		ElectionTimeout: zk.ElectionTimeout,
	}
}

// Within the least lease a host hears from the daemon some times; a job that is lost runs again only after the lease.
const leastLease, mostLease = 20 * time.Second, 7 * 24 * time.Hour

// Validate says in one line what is wrong and what is allowed.
func (c *Config) Validate() error {
	if c.StateDir == "" {
		return invalid("state-dir: want a directory for the journal and the socket")
	}
	if _, _, err := net.SplitHostPort(c.Listen); err != nil {
		return invalid("listen %q: want host:port, as in :6180 or 10.0.0.5:6180", c.Listen)
	}
	if c.Advertise != "" {
		u, err := url.Parse(c.Advertise)
		if err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") {
			return invalid("advertise %q: want a URL that hosts can reach, as in http://10.0.0.5:6180", c.Advertise)
		}
	}
	if (c.TLSCert == "") != (c.TLSKey == "") {
		return invalid("tls-cert and tls-key: give both or none")
	}
	if c.Outputs < 0 || c.JobOutput < 0 || c.JobOutput > daemon.MaxOutputBytes {
		return invalid("output of %d bytes a stream and %d in all: want up to %d a stream", c.JobOutput, c.Outputs, daemon.MaxOutputBytes)
	}
	if c.Notifier != "" {
		if _, err := exec.LookPath(c.Notifier); err != nil {
			return invalid("notifier %q: want a program that takes mail as sendmail does: %v", c.Notifier, err)
		}
	}
	if c.Queue.Lease != 0 && (c.Queue.Lease < leastLease || c.Queue.Lease > mostLease) {
		return invalid("host-lease %v: want %v to %v", c.Queue.Lease, leastLease, mostLease)
	}
	if c.History < 0 {
		return invalid("history %v: want a positive duration", c.History)
	}
	if _, _, err := c.batch(); err != nil {
		return c.badConf(err)
	}
	if c.ElectionTimeout < time.Second {
		return invalid("election-timeout %v: want at least 1s", c.ElectionTimeout)
	}
	if _, _, err := c.election(); err != nil {
		return invalid("%s", err.Error())
	}
	if err := c.Controller.Validate(); err != nil {
		return &queue.Error{Kind: queue.KindInvalid, Code: queue.BadSpec, Text: err.Error()}
	}
	if err := c.Outer.Validate(c.Controller.Period); err != nil {
		return &queue.Error{Kind: queue.KindInvalid, Code: queue.BadSpec, Text: err.Error()}
	}
	return nil
}

func invalid(format string, args ...any) error {
	return &queue.Error{Kind: queue.KindInvalid, Code: queue.BadSpec, Text: fmt.Sprintf(format, args...)}
}

// advertised is the URL at which hosts reach the listener. A listener on all addresses is reached at the address that
// packets to the master leave from.
func (c *Config) advertised(listener net.Addr) (string, error) {
	if c.Advertise != "" {
		return strings.TrimSuffix(c.Advertise, "/"), nil
	}
	host, port, err := net.SplitHostPort(listener.String())
	if err != nil {
		return "", fmt.Errorf("read listen address: %w", err)
	}
	if ip := net.ParseIP(host); ip != nil && ip.IsUnspecified() {
		if host, err = addressTowards(c.Framework.Master); err != nil {
			return "", err
		}
	}
	scheme := "http"
	if c.TLSCert != "" {
		scheme = "https"
	}
	return scheme + "://" + net.JoinHostPort(host, port), nil
}

// addressTowards is the local address of packets to the first master of a list. Nothing is sent: connecting a UDP socket
// only asks the routing table.
func addressTowards(masters string) (string, error) {
	first, _, _ := strings.Cut(masters, ",")
	if zk.IsAddress(masters) { // the masters are not known yet, but where they register is
		address, err := zk.ParseAddress(masters)
		if err != nil {
			return "", err
		}
		first = "zk://" + address.Servers[0]
	} else if !strings.Contains(first, "://") {
		first = "http://" + first
	}
	u, err := url.Parse(first)
	if err != nil || u.Hostname() == "" {
		return "", invalid("master %q: want http(s)://host:port or zk://host:port/path", masters)
	}
	dialer := net.Dialer{Timeout: 5 * time.Second}
	conn, err := dialer.Dial("udp", net.JoinHostPort(u.Hostname(), "9"))
	if err != nil {
		return "", fmt.Errorf("find the address that hosts reach us at (give --advertise): %w", err)
	}
	local, ok := conn.LocalAddr().(*net.UDPAddr)
	if err := conn.Close(); err != nil || !ok {
		return "", errors.New("find the address that hosts reach us at: give --advertise")
	}
	return local.IP.String(), nil
}

// hostBinary is the program that hosts run.
func (c *Config) hostBinary() (string, error) {
	if c.HostBinary != "" {
		return c.HostBinary, nil
	}
	path, err := os.Executable()
	if err != nil {
		return "", fmt.Errorf("find own binary (give --host-binary): %w", err)
	}
	return path, nil
}
