package app

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"strings"
	"time"

	"sluice/framework/zk"
	"sluice/queue/journal"
)

const (
	electionRoot = "/sluice/"
	noElection   = "none"
	// lockEvery is between two tries of a state dir that another instance has.
	lockEvery = 500 * time.Millisecond
)

var (
	errDeposed = errors.New("another instance leads")
	errOver    = errors.New("the instance ends")
)

// election is where instances are elected; false = nowhere.
func (c *Config) election() (zk.Address, bool, error) {
	text := c.Election
	switch {
	case text == noElection, text == "" && !zk.IsAddress(c.Framework.Master):
		return zk.Address{}, false, nil
	case text != "":
		address, err := zk.ParseAddress(text)
		if err != nil {
			return zk.Address{}, false, fmt.Errorf("election: %w, or none", err)
		}
		return address, true, nil
	}
	masters, err := zk.ParseAddress(c.Framework.Master)
	if err != nil {
		return zk.Address{}, false, fmt.Errorf("master: %w", err)
	}
	address, err := masters.At(electionRoot + url.PathEscape(c.Framework.Name))
	return address, true, err
}

// Serve runs a system until ctx ends (nil) or it cannot go on (its error). Before, it waits for its turn: until it is elected, if
// there is an election, and until no other instance has the state dir, if it is a standby. When another instance is elected it
// closes the system, which ends no job, and waits again. ready is called each time that the system takes jobs; it may be nil.
func Serve(ctx context.Context, cfg Config, ready func(*App)) error {
	if err := cfg.Validate(); err != nil {
		return err
	}
	if err := cfg.Framework.Validate(); err != nil {
		return err
	}
	address, elects, err := cfg.election()
	if err != nil {
		return err
	}
	if !elects {
		return serve(ctx, cfg, ready)
	}
	e, err := zk.Stand(address, myself(), cfg.ElectionTimeout, cfg.Log)
	if err != nil {
		return err
	}
	defer e.Close() // after the system: the next one finds the state dir free
	s := &stander{Election: e, cfg: cfg, at: address}
	s.cfg.elected, s.cfg.Framework.Leads, s.cfg.Standby = e, e.Leads, true
	for {
		if err := s.await(ctx); err != nil {
			return nil
		}
		if err := s.reign(ctx, ready); !errors.Is(err, errDeposed) {
			return err
		}
		cfg.Log.Warn("another instance was elected: this one has stopped and waits again")
	}
}

// myself names this process to people.
func myself() string {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown host"
	}
	return fmt.Sprintf("%s (process %d)", host, os.Getpid())
}

// stander is an instance that takes part in an election.
type stander struct {
	*zk.Election
	cfg  Config
	at   zk.Address
	said string // the last standing that was logged
}

// await returns when this instance leads, or with an error when ctx ends.
func (s *stander) await(ctx context.Context) error {
	for !s.Leads() {
		s.say(s.Standing())
		select {
		case <-s.Changed():
		case <-ctx.Done():
			return errOver
		}
	}
	s.say(s.Standing())
	return nil
}

// say logs a standing that differs from the last.
func (s *stander) say(now zk.Standing) {
	var text string
	warn := false
	switch {
	case now.State == zk.Leading:
		text = "elected: this instance leads"
	case now.State == zk.Doubtful:
		text, warn = "another instance may lead: no offer is taken until ZooKeeper answers", true
	case now.Trouble != nil:
		text, warn = "waiting for the election (--election none runs a single instance without one): "+now.Trouble.Error(), true
	case now.Leader == "":
		return // not known yet
	default:
		text = "waiting: " + now.Leader + " leads"
	}
	if text == s.said {
		return
	}
	s.said = text
	log := s.cfg.Log.WithField("election", s.at.String())
	if warn {
		log.Warn(text)
	} else {
		log.Info(text)
	}
}

// reign runs a system until another instance leads: errDeposed.
func (s *stander) reign(ctx context.Context, ready func(*App)) error {
	ctx, end := context.WithCancelCause(ctx)
	defer end(nil)
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		for {
			standing := s.Standing()
			if standing.State == zk.Waiting {
				end(errDeposed)
				return
			}
			s.say(standing)
			select {
			case <-s.Changed():
			case <-ctx.Done():
				return
			}
		}
	}()
	err := serve(ctx, s.cfg, ready)
	deposed := errors.Is(context.Cause(ctx), errDeposed)
	end(errOver)
	<-watched
	if deposed {
		// What closing failed at is logged: another instance waits.
		if err != nil {
			s.cfg.Log.WithError(err).Error("not closed cleanly")
		}
		return errDeposed
	}
	return err
}

// serve runs one system. nil when ctx ended, also before there was one.
func serve(ctx context.Context, cfg Config, ready func(*App)) error {
	system, err := openInTurn(ctx, cfg)
	if system == nil {
		return err
	}
	if ready != nil {
		ready(system)
	}
	err = system.Run(ctx)
	system.takeLeave()
	return errors.Join(err, system.Close())
}

// takeLeave says what becomes of the hosts.
func (a *App) takeLeave() {
	switch n := a.framework.Status().Joined; n {
	case 0:
		a.log.Info("stopping; no host is held")
	case 1:
		a.log.Info("stopping; a host goes on for its lease: a start with the same state dir within that time takes it back")
	default:
		a.log.Infof("stopping; %d hosts go on for their lease: a start with the same state dir within that time takes them back", n)
	}
}

// openInTurn opens a system; a standby waits while another instance has the state dir. nil and nil when ctx ended before.
func openInTurn(ctx context.Context, cfg Config) (*App, error) {
	ticker := time.NewTicker(lockEvery)
	defer ticker.Stop()
	said := false
	for {
		system, err := Open(ctx, cfg)
		if err == nil || !cfg.Standby || !errors.Is(err, journal.ErrInUse) {
			return system, err
		}
		if !said {
			said = true
			text, _, _ := strings.Cut(err.Error(), ": end it first")
			cfg.Log.Infof("waiting: %s; taking over when that ends", text)
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return nil, nil
		}
	}
}

// electionStatus is how this instance stands; nil without an election.
func (a *App) electionStatus() *ElectionStatus {
	if a.cfg.elected == nil {
		return nil
	}
	s := a.cfg.elected.Standing()
	status := &ElectionStatus{State: s.State.String(), Behind: s.Behind}
	if s.State == zk.Leading && !a.cfg.elected.Leads() {
		status.State = zk.Doubtful.String()
	}
	if s.Trouble != nil {
		status.Trouble = s.Trouble.Error()
	}
	return status
}
