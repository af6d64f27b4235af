package daemon

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/user"
	"strconv"
	"time"

	"github.com/sirupsen/logrus"

	"sluice/queue"
)

// Config is a daemon's configuration. Journal is needed, HostURL for AddHost; other zero fields have the defaults named.
type Config struct {
	Queue   queue.Config
	Journal Journal // stays the caller's: close it after Stop
	Outputs Outputs // stays the caller's likewise; nil = output of ended jobs is not kept
	Inputs  Inputs  // stays the caller's likewise; nil = jobs have no copies of their input files
	History History // of Journal; stays the caller's likewise; nil = none is kept
	// Chronicle is usually the History, too; nil = what happened is told job by job only.
	Chronicle Chronicle
	Logger    logrus.FieldLogger
	// Notifier tells people about their jobs; nil = nobody is told.
	Notifier Notifier

	Cluster    string   // name that lsid shows ("sluice")
	MasterHost string   // host name that lsid shows (the machine's)
	Version    string   // of the program
	Admins     []string // beside root and the daemon's own user
	Project    string   // of jobs that ask for none ("default")
	TokenFile  string   // lines user:token for clients over TCP; "" = no clients over TCP

	HostURL    string            // how hosts reach the daemon: http://…, https://… or unix:///path
	HostBinary string            // path of the program that hosts run (this one)
	HostLocal  bool              // hosts share the file system: they run HostBinary itself instead of fetching it
	HostEnv    map[string]string // given to every host's command beside its token

	Heartbeat    time.Duration // of hosts; three missed ones break a session (5 s)
	OutputBytes  int64         // kept of each stream of an ended job: its end (1 MiB)
	KillGrace    time.Duration // between INT, TERM and KILL of a job that is to end (10 s)
	LimitWarning time.Duration // between USR2 and INT of a job that has reached its run limit (10 min)
	AttachWithin time.Duration // how long an interactive job runs without its client (30 s)
	CompactEvery time.Duration // between compactions of the journal (10 min)
}

// Journal is where the daemon keeps its events. A failed Append or Put leaves nothing behind.
type Journal interface {
	Append(ctx context.Context, events []queue.Event) error
	Replay(ctx context.Context, apply func(queue.Event) error) error
	Put(ctx context.Context, bucket string, changes map[string][]byte) error
	Compact(ctx context.Context) (deleted int, err error)
}

// MaxOutputBytes is the most that is kept of a stream; hosts keep no more.
const MaxOutputBytes = 16 << 20

func (c *Config) complete() error {
	if c.Journal == nil {
		return errors.New("no journal is configured")
	}
	if c.Heartbeat < 0 || c.LimitWarning < 0 || c.AttachWithin < 0 || c.CompactEvery < 0 {
		return fmt.Errorf("heartbeat %v, limit warning %v, attach within %v, time between compactions %v: want positive durations",
			c.Heartbeat, c.LimitWarning, c.AttachWithin, c.CompactEvery)
	}
	if c.OutputBytes < 0 || c.OutputBytes > MaxOutputBytes {
		return fmt.Errorf("output of %d bytes kept: want 0 to %d", c.OutputBytes, MaxOutputBytes)
	}
	if c.Logger == nil {
		silent := logrus.New()
		silent.SetOutput(io.Discard)
		c.Logger = silent
	}
	c.Heartbeat = cmp.Or(c.Heartbeat, 5*time.Second)
	c.OutputBytes = cmp.Or(c.OutputBytes, 1<<20)
	c.LimitWarning = cmp.Or(c.LimitWarning, 10*time.Minute)
	c.AttachWithin = cmp.Or(c.AttachWithin, 30*time.Second)
	c.CompactEvery = cmp.Or(c.CompactEvery, 10*time.Minute)
	if c.MasterHost == "" {
		name, err := os.Hostname()
		if err != nil {
			return fmt.Errorf("find host name: %w", err)
		}
		c.MasterHost = name
	}
	if c.HostBinary == "" {
		path, err := os.Executable()
		if err != nil {
			return fmt.Errorf("find own program: %w", err)
		}
		c.HostBinary = path
	}
	return nil
}

// settings are the part that Reconfigure can change, complete.
func (c *Config) settings() (*Settings, error) {
	s := &Settings{Queue: c.Queue, Cluster: c.Cluster, Admins: c.Admins, Project: c.Project, KillGrace: c.KillGrace}
	err := s.complete()
	return s, err
}

// userName is the name of a user, or its number where it has none.
func userName(uid int) string {
	number := strconv.Itoa(uid)
	if u, err := user.LookupId(number); err == nil {
		return u.Username
	}
	return number
}
