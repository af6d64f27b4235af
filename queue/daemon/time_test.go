package daemon

import (
	"context"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"sluice/queue"
	"sluice/queue/journal"
	"sluice/queue/wire"
)

// clockwork is a daemon in a bubble of virtual time, with hosts at pipes.
type clockwork struct {
	t *testing.T
	*Daemon
}

// inBubble runs a test with a daemon of a lease of 60 s and a heartbeat of 5 s.
func inBubble(t *testing.T, test func(c *clockwork)) {
	path := t.TempDir() + "/journal.db"
	synctest.Test(t, func(t *testing.T) {
		j, err := journal.Open(path, journal.Options{})
		if err != nil {
			t.Fatal(err)
		}
		d, err := Open(context.Background(), Config{
			Journal: j, HostURL: "unix:///nowhere", HostLocal: true,
			Queue: queue.Config{Lease: time.Minute, LeaseMargin: 15 * time.Second, UnknownAfter: 10 * time.Second},
		})
		if err != nil {
			t.Fatal(err)
		}
		test(&clockwork{t, d})
		d.Stop()
		if err := j.Close(); err != nil {
			t.Fatal(err)
		}
	})
}

func (c *clockwork) join(hello *wire.Hello) *robot {
	c.t.Helper()
	ours, theirs := net.Pipe()
	go c.converse(wire.NewConn(ours))
	r := &robot{t: c.t, conn: wire.NewConn(theirs), name: hello.Host, session: hello.Session}
	c.t.Cleanup(func() { _ = r.conn.Close() })
	r.tell(&wire.HostMessage{Body: &wire.HostMessage_Hello{Hello: hello}})
	if r.welcome = r.hear().GetWelcome(); r.welcome == nil {
		c.t.Fatalf("host %s is not welcome", hello.Host)
	}
	if r.welcome.Session != "" {
		r.session = r.welcome.Session
	}
	return r
}

func (c *clockwork) host(name string) *robot {
	c.t.Helper()
	command, err := c.AddHost(context.Background(), queue.HostSpec{Name: name, Slots: 1})
	if err != nil {
		c.t.Fatal(err)
	}
	return c.join(&wire.Hello{Host: name, Token: command.Env[EnvHostToken]})
}

func (c *clockwork) submit(spec queue.Spec) (id queue.ID) {
	c.t.Helper()
	spec.User = "ada"
	err := c.change(context.Background(), func(q *queue.Queue, now time.Time) (err error) {
		id, err = q.Submit(now, spec)
		return err
	})
	if err != nil {
		c.t.Fatal(err)
	}
	return id
}

func (c *clockwork) job(id queue.ID) (job queue.Job) {
	c.t.Helper()
	err := c.read(context.Background(), func(q *queue.Queue, _ time.Time) error {
		job, _ = q.Job(id)
		return nil
	})
	if err != nil {
		c.t.Fatal(err)
	}
	return job
}

func (c *clockwork) status(name string) (status queue.HostStatus) {
	c.t.Helper()
	s, err := c.Poll(context.Background())
	if err != nil {
		c.t.Fatal(err)
	}
	for _, h := range s.Hosts {
		if h.Name == name {
			status = h.Status
		}
	}
	return status
}

// TestSilentHost keeps a host's connection open but silent: it counts as lost after three heartbeats, and its rerunnable job
// starts elsewhere only when the host must have ended it.
func TestSilentHost(t *testing.T) {
	inBubble(t, func(c *clockwork) {
		spec := command("sleep 1000")
		spec.Rerunnable = true
		h1 := c.host("h1")
		id := c.submit(spec)
		start := h1.hearStart()
		h1.started(start.Attempt)
		for beat := range int64(10) {
			<-time.After(14 * time.Second) // virtual
			h1.beat(beat)
		}
		if s := c.status("h1"); s != queue.HostOK {
			t.Fatalf("host is %v while it beats", s)
		}
		heard := time.Now()
		h1.gone()
		if silent := time.Since(heard); silent != 15*time.Second {
			t.Errorf("dropped after %v of silence", silent)
		}
		lost := time.Now()
		h2 := c.host("h2")
		// h2 hears nothing until the lease of h1 and the margin are over; its own heartbeats go on meanwhile.
		for n := int64(0); time.Since(lost) < 70*time.Second; n++ {
			h2.beat(n)
			switch state := c.job(id).State; {
			case time.Since(lost) < 10*time.Second && state != queue.Running,
				time.Since(lost) > 10*time.Second && state != queue.Unknown:
				t.Errorf("after %v the job is %v", time.Since(lost), state)
			}
			<-time.After(7 * time.Second)
		}
		again := h2.hearStart()
		if waited := time.Since(lost); waited < 75*time.Second || again.Attempt.Attempt != 2 || again.Attempt.Job != id.Job {
			t.Errorf("after %v h2 got %v", waited, again.Attempt)
		}
		// The host comes back too late: its attempt is no longer its own, and what it says of it changes nothing.
		h1 = c.join(&wire.Hello{Host: "h1", Session: h1.session, Known: []*wire.Attempt{start.Attempt}})
		if len(h1.welcome.Kill) != 1 || *h1.welcome.Kill[0] != *start.Attempt {
			t.Errorf("welcome is %v", h1.welcome)
		}
		h1.ended(start.Attempt, 0)
		h1.acknowledged(start.Attempt)
		if job := c.job(id); job.State != queue.Running || job.Attempt != 2 {
			t.Errorf("job is %+v", job)
		}
		h2.ended(again.Attempt, 0)
		h2.acknowledged(again.Attempt)
		if job := c.job(id); job.State != queue.Done {
			t.Errorf("job is %+v", job)
		}
	})
}

func TestRunLimitIsKept(t *testing.T) {
	inBubble(t, func(c *clockwork) {
		spec := command("sleep 1000")
		spec.RunLimit = 8 * time.Second
		h := c.host("h1")
		id := c.submit(spec)
		start := h.hearStart()
		began := time.Now()
		if kill := h.hearSignal(); kill.Signal != 0 || kill.ExitCode != 140 || *kill.Attempt != *start.Attempt {
			t.Errorf("heard %v", kill)
		}
		if ran := time.Since(began); ran < 8*time.Second || ran > 8*time.Second+10*time.Millisecond {
			t.Errorf("killed after %v", ran)
		}
		h.ended(start.Attempt, 140)
		h.acknowledged(start.Attempt)
		if job := c.job(id); job.State != queue.Exited || job.ExitCode != 140 {
			t.Errorf("job is %+v", job)
		}
	})
}

func TestHelloMustCome(t *testing.T) {
	inBubble(t, func(c *clockwork) {
		ours, theirs := net.Pipe()
		ended := make(chan time.Duration)
		go func() {
			began := time.Now()
			c.converse(wire.NewConn(ours))
			ended <- time.Since(began)
		}()
		if waited := <-ended; waited != helloTimeout {
			t.Errorf("a silent connection lasted %v", waited)
		}
		if err := theirs.Close(); err != nil {
			t.Error(err)
		}
	})
}

// TestLeaveEndsHeartbeats shows that a host which was told to leave and does not is left to its lease.
func TestLeaveEndsHeartbeats(t *testing.T) {
	inBubble(t, func(c *clockwork) {
		h := c.host("h1")
		if err := c.RemoveHost(context.Background(), "h1", "idle", false); err != nil {
			t.Fatal(err)
		}
		if m := h.hear(); m.GetLeave() == nil {
			t.Fatalf("heard %v", m)
		}
		h.tell(&wire.HostMessage{Body: &wire.HostMessage_Heartbeat{Heartbeat: &wire.Heartbeat{Number: 1}}})
		h.gone()
	})
}
