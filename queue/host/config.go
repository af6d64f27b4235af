package host

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"time"

	"github.com/sirupsen/logrus"

	"sluice/queue/wire"
)

// TokenVariable is the environment variable that brings a host its one-time token. Whoever reads it removes it.
const TokenVariable = "SLUICE_HOST_TOKEN" //nolint:gosec // the name of a variable

// KeeperArg is the one argument of the keeper's process: a program that runs hosts calls Keep when it gets it.
const KeeperArg = "host-keeper"

// The ways in which a host ends other than in order. Test with errors.Is.
var (
	// ErrRefused: the daemon will never take this host.
	ErrRefused = errors.New("the batch daemon refused this host")
	// ErrLease: the daemon was out of reach for the lease (or never reached at all); the host's jobs were ended.
	ErrLease = errors.New("the batch daemon is out of reach")
	// ErrKeeper: the process that keeps the jobs died or could not be started; the host's jobs were ended.
	ErrKeeper = errors.New("the keeper of the jobs is gone")
	// ErrAborted: the host was told to end at once.
	ErrAborted = errors.New("told to end at once")
)

// Conn is a connection to the batch daemon. Send is safe for concurrent use; Receive waits for ever when patience is 0.
type Conn interface {
	Send(messages ...wire.Message) error
	Receive(m wire.Message, patience time.Duration) error
	Close() error
}

var _ Conn = (*wire.Conn)(nil)

// Config is a host's configuration. Name, Token and Dial are needed; other zero fields have the defaults named.
type Config struct {
	Name     string // of the host in the batch system
	Token    string // one-time
	Version  string // of the program
	Location string // host name of the machine
	Dial     func(context.Context) (Conn, error)
	Logger   logrus.FieldLogger

	WorkDir string          // for scripts and output of running jobs, and output that could not be delivered (".")
	Abort   <-chan struct{} // closed: end everything at once; nil = never

	DrainLimit  time.Duration // how long jobs may go on after ctx is cancelled (20 s; what kills the host must wait longer)
	JoinTimeout time.Duration // for the first Welcome (10 min)
	MaxJobs     int           // attempts known at one time (4096)
	SpoolBytes  int64         // of output kept for each stream of a job; what comes after is dropped (1 GiB)
	// GPUs names those that jobs may use, as CUDA_VISIBLE_DEVICES takes them; nil = they are numbered from 0.
	GPUs []string
	// Ports are those of the machine that jobs may listen on; see ParsePorts.
	Ports       []string
	SampleEvery time.Duration // between readings of the jobs' memory and process counts (5 s)

	KeeperCommand []string // runs Keep (this program with KeeperArg)
}

func (c Config) withDefaults() (Config, error) {
	switch {
	case c.Name == "":
		return c, errors.New("configure host: no name")
	case c.Dial == nil:
		return c, errors.New("configure host: no daemon to dial")
	case c.DrainLimit < 0 || c.JoinTimeout < 0 || c.MaxJobs < 0 || c.SpoolBytes < 0 || c.SampleEvery < 0:
		return c, errors.New("configure host: a limit is negative")
	}
	dir, err := filepath.Abs(c.WorkDir)
	if err != nil {
		return c, fmt.Errorf("configure host: work dir: %w", err)
	}
	c.WorkDir = dir
	if c.Logger == nil {
		silent := logrus.New()
		silent.SetOutput(io.Discard)
		c.Logger = silent
	}
	setDefault(&c.DrainLimit, 20*time.Second)
	setDefault(&c.JoinTimeout, 10*time.Minute)
	setDefault(&c.MaxJobs, 4096)
	setDefault(&c.SpoolBytes, 1<<30)
	setDefault(&c.SampleEvery, 5*time.Second)
	if len(c.KeeperCommand) == 0 {
		c.KeeperCommand = []string{"/proc/self/exe", KeeperArg}
	}
	return c, nil
}

func setDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

// ExitCode is the exit code of a process whose Run returned err: 0 after an ordered end, 2 refused, 3 daemon out of reach,
// 4 keeper gone, 130 told to end at once, else 1.
func ExitCode(err error) int {
	switch {
	case err == nil:
		return 0
	case errors.Is(err, ErrRefused):
		return 2
	case errors.Is(err, ErrLease):
		return 3
	case errors.Is(err, ErrKeeper):
		return 4
	case errors.Is(err, ErrAborted):
		return 130
	default:
		return 1
	}
}
