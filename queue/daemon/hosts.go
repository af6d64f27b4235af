package daemon

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"strings"
	"time"

	"sluice/queue"
)

// EnvHostToken is the environment variable with the one-time token of a host's command.
const EnvHostToken = "SLUICE_HOST_TOKEN" //nolint:gosec // a name

// maxDemand is how many classes of demand a snapshot names; those that would start first.
const maxDemand = 256

// Poll gives one consistent view.
func (d *Daemon) Poll(ctx context.Context) (queue.Snapshot, error) {
	var s queue.Snapshot
	err := d.read(ctx, func(q *queue.Queue, now time.Time) error {
		evidence := q.Evidence()
		s = queue.Snapshot{At: now, Load: q.Load(), Demand: q.Demand(maxDemand), Hosts: q.Hosts(), Evidence: &evidence}
		return nil
	})
	if err != nil {
		return queue.Snapshot{}, err
	}
	return s, nil
}

// AddHost adds a host and gives the command that its task must run. Asked again before the host joined, it gives a fresh
// command that replaces the earlier one.
func (d *Daemon) AddHost(ctx context.Context, spec queue.HostSpec) (queue.HostCommand, error) {
	if d.cfg.HostURL == "" {
		return queue.HostCommand{}, errors.New("add host: no address for hosts is configured")
	}
	token := newSecret()
	spec.TokenHash = hashOf(token)
	spec.Attributes = maps.Clone(spec.Attributes)
	err := d.change(ctx, func(q *queue.Queue, now time.Time) error {
		if h, ok := q.Host(spec.Name); ok && h.Status == queue.HostAdded {
			if err := q.RemoveHost(now, spec.Name); err != nil {
				return err
			}
		}
		return q.AddHost(now, spec)
	})
	if err != nil {
		return queue.HostCommand{}, err
	}
	return d.hostCommand(spec.Name, token), nil
}

func (d *Daemon) hostCommand(name, token string) queue.HostCommand {
	c := queue.HostCommand{Env: maps.Clone(d.cfg.HostEnv)}
	if c.Env == nil {
		c.Env = make(map[string]string)
	}
	c.Env[EnvHostToken] = token
	program := d.binary.path
	if !d.cfg.HostLocal {
		program = "./" + d.binary.name()
		c.Files = []queue.HostFile{{URI: strings.TrimSuffix(d.cfg.HostURL, "/") + "/v1/bin/" + d.binary.sum, Name: d.binary.name(), Executable: true}}
	}
	c.Argv = []string{program, "host", "--api", d.cfg.HostURL, "--name", name}
	return c
}

// CloseHost closes a host to new jobs, because it is to be drained.
func (d *Daemon) CloseHost(ctx context.Context, name string) error {
	return d.change(ctx, func(q *queue.Queue, now time.Time) error { return q.CloseHost(now, name, queue.ClosedDrain) })
}

// OpenHost takes CloseHost back.
func (d *Daemon) OpenHost(ctx context.Context, name string) error {
	return d.change(ctx, func(q *queue.Queue, now time.Time) error { return q.OpenHost(now, name, queue.ClosedDrain) })
}

// Await says that so many slots will be brought once the first pending job can start with them; see queue.Queue.Await.
func (d *Daemon) Await(ctx context.Context, slots int) error {
	return d.change(ctx, func(q *queue.Queue, _ time.Time) error {
		q.Await(slots)
		return nil
	})
}

// RemoveHost forgets a host. While it holds jobs that is refused (queue.HostBusy), unless its processes are surely gone: then
// its jobs are rerun or ended at once, with the reason given. An unknown host is queue.NoSuchHost.
func (d *Daemon) RemoveHost(ctx context.Context, name, reason string, processesGone bool) error {
	return d.change(ctx, func(q *queue.Queue, now time.Time) error {
		if processesGone {
			return q.HostDied(now, name, reason)
		}
		return q.RemoveHost(now, name)
	})
}

// newSecret is 256 random bits in hex.
func newSecret() string {
	var b [32]byte
	if _, err := rand.Read(b[:]); err != nil {
		panic(fmt.Sprintf("daemon: no randomness: %v", err)) // never returned, see crypto/rand
	}
	return hex.EncodeToString(b[:])
}

func hashOf(secret string) string {
	sum := sha256.Sum256([]byte(secret))
	return hex.EncodeToString(sum[:])
}

// isHashOf compares in a time that tells nothing of hash. Nothing has the empty hash.
func isHashOf(secret, hash string) bool {
	return hash != "" && subtle.ConstantTimeCompare([]byte(hashOf(secret)), []byte(hash)) == 1
}
