package minimesos

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"time"
)

// start opens the masters' seats and begins the first election.
func (c *Cluster) start() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	address := c.conf.Listen
	for range c.conf.Masters {
		s, err := c.newSeat(address)
		if err != nil {
			return errors.Join(fmt.Errorf("start master: %w", err), c.closeSeats())
		}
		c.seats = append(c.seats, s)
		host, _, err := net.SplitHostPort(address)
		if err != nil {
			return errors.Join(fmt.Errorf("start master: %w", err), c.closeSeats())
		}
		address = net.JoinHostPort(host, "0")
	}
	if !c.conf.inMemory() {
		var err error
		if c.guard, err = startGuardian(); err != nil {
			return errors.Join(err, c.closeSeats())
		}
	}
	for _, s := range c.seats {
		if err := c.open(s); err != nil {
			return errors.Join(err, c.closeSeats(), c.guard.stop())
		}
	}
	if c.ensemble == nil {
		c.lead(c.seats[0])
	}
	return nil
}

// electionPatience is how long Start waits for ZooKeeper.
const electionPatience = time.Minute

func (c *Cluster) awaitLeader(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, electionPatience)
	defer cancel()
	select {
	case <-c.elected:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("elect a master at %s: %w", c.conf.ZooKeeper, ctx.Err())
	}
}

// open starts the master process of a seat; it stands by.
func (c *Cluster) open(s *seat) error {
	s.open()
	if c.ensemble != nil {
		return s.join(*c.ensemble)
	}
	if c.leading != nil {
		s.knows.Store(&c.leading.address)
	}
	return nil
}

func (c *Cluster) closeSeats() error {
	var failed []error
	for _, s := range c.seats {
		if s.member != nil {
			s.member.stop() // in order: the session ends
			s.member = nil
		}
		failed = append(failed, s.kill(), s.port.close())
	}
	return errors.Join(failed...)
}

// lead makes the process in a seat the leader. As with a replicated registry it knows which agents there were, but of their
// tasks only when they register again, after ReregisterDelay. Those that do not come back within AgentTimeout count as
// unreachable.
func (c *Cluster) lead(s *seat) {
	first := c.master == nil
	m := newMaster(&c.conf, s.id, s.address)
	m.inherit(c.master)
	if first {
		close(c.elected)
	} else {
		m.ready = m.started.Add(c.conf.RecoveryTime)
	}
	for _, a := range c.agents {
		var id string
		if a.call(func() { id = a.id }); id != "" {
			m.expect(id)
		}
	}
	c.master, c.leading = m, s
	s.leads.Store(m)
	url := c.scheme() + s.address
	c.url.Store(&url)
	if c.ensemble == nil {
		for _, other := range c.seats {
			other.knows.Store(&s.address)
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	c.giveUp = cancel
	agents := slices.Clone(c.agents)
	c.rejoin.Go(func() {
		if wait(ctx, c.conf.RecoveryTime+c.conf.ReregisterDelay) != nil {
			return
		}
		for _, a := range agents {
			a.connect(m)
		}
	})
}

func (c *Cluster) scheme() string {
	if c.conf.TLS != nil {
		return "https://"
	}
	return "http://"
}

// URL is where the leading master listens, or listened last: http(s)://host:port.
func (c *Cluster) URL() string { return *c.url.Load() }

// URLs are those of all masters, dead ones included.
func (c *Cluster) URLs() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	urls := make([]string, len(c.seats))
	for i, s := range c.seats {
		urls[i] = c.scheme() + s.address
	}
	return urls
}

// KillMaster ends the leading master as kill -9 does: event streams are cut without a last chunk, and nobody answers there
// until RestartMaster. Where there are others, one of them leads after the election. Agents and tasks live on.
func (c *Cluster) KillMaster() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.stopped {
		return errors.New("kill master: the cluster is stopped")
	}
	if err := c.killLeader(); err != nil {
		return fmt.Errorf("kill master: %w", err)
	}
	c.succeed()
	return nil
}

func (c *Cluster) killLeader() error {
	c.giveUp()
	c.rejoin.Wait()
	c.master.stop()
	for _, a := range c.agents {
		a.disconnect()
	}
	s := c.leading
	c.leading = nil
	if s == nil {
		return nil
	}
	return s.kill()
}

// succeed lets the next living master lead after the election, if none does by then. With ZooKeeper that is decided there.
func (c *Cluster) succeed() {
	if c.ensemble != nil {
		return
	}
	time.AfterFunc(c.conf.ElectionTime, func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		for _, s := range c.seats {
			if s.server != nil && c.leading == nil && !c.stopped {
				c.lead(s)
			}
		}
	})
}

// RestartMaster kills the leading master, if KillMaster has not, and starts all dead ones again at the same addresses, as with
// a replicated registry. The only master leads again at once; of several, or with ZooKeeper, one is elected. Frameworks have
// to subscribe again; tasks are not touched.
func (c *Cluster) RestartMaster() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.stopped {
		return errors.New("restart master: the cluster is stopped")
	}
	if err := c.killLeader(); err != nil {
		return fmt.Errorf("restart master: %w", err)
	}
	for _, s := range c.seats {
		if s.server != nil {
			continue
		}
		if err := c.open(s); err != nil {
			return fmt.Errorf("restart master: %w", err)
		}
	}
	if len(c.seats) == 1 && c.ensemble == nil {
		c.lead(c.seats[0])
	} else {
		c.succeed()
	}
	return nil
}

// elect is called by a process that ZooKeeper says leads.
func (c *Cluster) elect(m *membership) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.stopped || m.seat.member != m || c.leading == m.seat {
		return
	}
	if old := c.leading; old != nil { // it has not noticed yet
		c.end(old)
	}
	c.lead(m.seat)
}

// loseSession is called by a process whose session in ZooKeeper is over.
func (c *Cluster) loseSession(m *membership) {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := m.seat
	if c.stopped || s.member != m {
		return
	}
	if c.leading == s {
		c.conf.Logger.WithField("master", s.address).Error("lost candidacy as a leader: the master ends and is started again")
		c.end(s)
		return
	}
	s.member = nil
	s.knows.Store(nil)
	if err := s.join(*c.ensemble); err != nil {
		c.conf.Logger.WithError(err).Error("master not registered")
	}
}

// end is the end of a leading process by itself; its supervisor starts it again.
func (c *Cluster) end(s *seat) {
	if err := errors.Join(c.killLeader(), c.open(s)); err != nil {
		c.conf.Logger.WithError(err).Error("master not restarted")
	}
}
