package daemon

import (
	"context"
	"strings"
	"testing"
	"time"

	"sluice/queue"
	"sluice/queue/wire"
)

func TestJoinNeedsTheToken(t *testing.T) {
	b := newBench(t, nil)
	first := b.addHost("h1", 1)
	token := b.addHost("h1", 2) // asked again before it joined: replaces the first
	other := b.addHost("h2", 1)
	refused := func(what string, final bool, hello *wire.Hello) {
		t.Helper()
		r, answer := b.dial(hello)
		if answer.GetRefused() == nil || answer.GetRefused().Final != final {
			t.Errorf("%s: heard %v", what, answer)
		}
		r.gone()
	}
	refused("no token", true, &wire.Hello{Host: "h1"})
	refused("replaced token", true, &wire.Hello{Host: "h1", Token: first})
	refused("another host's token", true, &wire.Hello{Host: "h1", Token: other})
	refused("unknown host", true, &wire.Hello{Host: "h3", Token: token})
	refused("session before any", true, &wire.Hello{Host: "h1", Session: token})

	h := b.join(&wire.Hello{Host: "h1", Token: token})
	if h.session == "" || h.session == token {
		t.Errorf("session is %q", h.session)
	}
	again := b.join(&wire.Hello{Host: "h1", Token: token}) // the host may never have heard of its session
	h.gone()
	refused("session that was replaced", true, &wire.Hello{Host: "h1", Session: h.session})
	again.beat(1)
	refused("token used before", true, &wire.Hello{Host: "h1", Token: token})
	refused("another host's session", true, &wire.Hello{Host: "h2", Session: again.session})
	newest := b.join(&wire.Hello{Host: "h1", Session: again.session})
	again.gone() // of two connections the newer one wins
	newest.beat(2)

	b.restart()
	refused("token used before a restart", true, &wire.Hello{Host: "h1", Token: token})
	b.join(&wire.Hello{Host: "h1", Session: again.session}).beat(3)

	hosts, err := b.client.Hosts(context.Background())
	if err != nil || hosts[0].Slots != 2 {
		t.Errorf("hosts are %+v: %v", hosts, err)
	}
	if _, err := b.AddHost(context.Background(), queue.HostSpec{Name: "h1", Slots: 1}); err == nil {
		t.Error("a host that joined was added again")
	}
}

func TestSecretsAreNotInTheJournal(t *testing.T) {
	b := newBench(t, nil)
	token := b.addHost("h1", 1)
	h := b.join(&wire.Hello{Host: "h1", Token: token})
	events := 0
	err := b.journal.Replay(context.Background(), func(e queue.Event) error {
		events++
		if e.SessionHash == h.session || e.Host != nil && e.Host.TokenHash == token {
			t.Errorf("event %s holds a secret", e.Kind)
		}
		return nil
	})
	if err != nil || events < 2 {
		t.Errorf("%d events: %v", events, err)
	}
}

func TestHostCommand(t *testing.T) {
	b := newBench(t, func(c *Config) {
		c.HostLocal, c.HostURL, c.HostEnv = false, "http://192.0.2.1:99/", map[string]string{"A": "b"}
	})
	c, err := b.AddHost(context.Background(), queue.HostSpec{Name: "h1", Slots: 1})
	if err != nil {
		t.Fatal(err)
	}
	if len(c.Files) != 1 || !strings.HasPrefix(c.Files[0].URI, "http://192.0.2.1:99/v1/bin/") || !c.Files[0].Executable {
		t.Fatalf("files are %+v", c.Files)
	}
	name := c.Files[0].Name
	sum := strings.TrimPrefix(c.Files[0].URI, "http://192.0.2.1:99/v1/bin/")
	if len(sum) != 64 || name != "sluice-"+sum[:12] {
		t.Errorf("the file's name is %s, its checksum %s", name, sum)
	}
	want := "./" + name + " host --api http://192.0.2.1:99/ --name h1"
	if got := strings.Join(c.Argv, " "); got != want {
		t.Errorf("command is %s, want %s", got, want)
	}
	if c.Env["A"] != "b" || len(c.Env[EnvHostToken]) != 64 || strings.Contains(strings.Join(c.Argv, " "), c.Env[EnvHostToken]) {
		t.Errorf("environment is %v", c.Env)
	}
}

// TestHostComesBack breaks a host's connection at several points: nothing is started twice, what did not reach it is sent
// again, and what ended meanwhile is taken.
func TestHostComesBack(t *testing.T) {
	b := newBench(t, nil)
	h := b.host("h1", 3)
	ids := []queue.ID{b.submit(command("a")), b.submit(command("b")), b.submit(command("c"))}
	starts := []*wire.Start{h.hearStart(), h.hearStart(), h.hearStart()}
	h.started(starts[0].Attempt)
	h.started(starts[1].Attempt)
	b.eventually("two run", func() bool { return b.job(ids[0]).PID != 0 && b.job(ids[1]).PID != 0 })
	if err := h.conn.Close(); err != nil {
		t.Fatal(err)
	}
	b.eventually("h1 is unavailable", func() bool {
		hosts, err := b.client.Hosts(context.Background())
		return err == nil && hosts[0].Status == queue.HostUnavailable
	})
	for _, err := range b.act(wire.ActRequest{Action: wire.Kill, IDs: ids[:1]}) {
		if err != nil {
			t.Fatal(err)
		}
	}
	b.act(wire.ActRequest{Action: wire.Stop, IDs: ids[1:2]})

	stranger := &wire.Attempt{Job: 77, Attempt: 1}
	h = b.join(&wire.Hello{Host: "h1", Session: h.session, Known: []*wire.Attempt{starts[0].Attempt, starts[1].Attempt, stranger}})
	if h.welcome.Session != "" || len(h.welcome.Kill) != 1 || *h.welcome.Kill[0] != *stranger {
		t.Errorf("welcome is %v", h.welcome)
	}
	if again := h.hearStart(); *again.Attempt != *starts[2].Attempt {
		t.Errorf("started %v, want the one that never arrived, %v", again.Attempt, starts[2].Attempt)
	}
	if kill := h.hearSignal(); *kill.Attempt != *starts[0].Attempt || kill.Signal != 0 || kill.ExitCode != 130 {
		t.Errorf("heard %v, want the kill it missed", kill)
	}
	if stop := h.hearSignal(); *stop.Attempt != *starts[1].Attempt || stop.Signal != sigStop {
		t.Errorf("heard %v, want the stop it missed", stop)
	}
	for _, start := range starts {
		h.ended(start.Attempt, 0)
		h.acknowledged(start.Attempt)
	}
	h.ended(stranger, 0)
	h.acknowledged(stranger)
	if job := b.job(ids[2]); job.State != queue.Done || job.Attempt != 1 {
		t.Errorf("job is %+v", job)
	}
}

// TestRestart stops the daemon while jobs run, pend and end: all of it is there after the restart, and nothing starts twice.
func TestRestart(t *testing.T) {
	b := newBench(t, nil)
	h := b.host("h1", 2)
	running, ending := b.submit(command("a")), b.submit(command("b"))
	waiting := b.submit(command("c"))
	starts := []*wire.Start{h.hearStart(), h.hearStart()}
	for _, start := range starts {
		h.started(start.Attempt)
	}
	h.beat(1)
	b.eventually("both run", func() bool { return b.job(running).PID != 0 && b.job(ending).PID != 0 })
	b.restart()
	h.gone()
	if b.job(running).State != queue.Running || b.job(waiting).State != queue.Pending {
		t.Errorf("after the restart: %v, %v", b.job(running).State, b.job(waiting).State)
	}
	next := b.submit(command("d"))
	if next.Job <= waiting.Job {
		t.Errorf("number %v was given out again", next)
	}
	h = b.join(&wire.Hello{Host: "h1", Session: h.session, Known: []*wire.Attempt{starts[0].Attempt, starts[1].Attempt}})
	h.ended(starts[1].Attempt, 0)
	h.acknowledged(starts[1].Attempt)
	if start := h.hearStart(); start.Attempt.Job != waiting.Job || start.Attempt.Attempt != 1 {
		t.Errorf("started %v", start.Attempt)
	}
	if b.job(running).Attempt != 1 || b.job(ending).State != queue.Done {
		t.Errorf("after it came back: %+v, %+v", b.job(running), b.job(ending))
	}
}

func TestOnlyItsHostSpeaksForAJob(t *testing.T) {
	b := newBench(t, nil)
	h1 := b.host("h1", 1)
	id := b.submit(command("a"))
	start := h1.hearStart()
	h1.started(start.Attempt)
	h2 := b.host("h2", 1)
	h2.ended(start.Attempt, 0)
	h2.acknowledged(start.Attempt) // so that it forgets
	stale := *start.Attempt
	stale.Attempt = 9
	h1.ended(&stale, 0)
	h1.acknowledged(&stale)
	if state := b.job(id).State; state != queue.Running {
		t.Errorf("job is %v", state)
	}
}

func TestBadHosts(t *testing.T) {
	b := newBench(t, nil)
	conn, err := wire.DialHost(context.Background(), "unix://"+b.socket(), nil)
	if err != nil {
		t.Fatal(err)
	}
	r := &robot{t: t, conn: conn}
	r.tell(&wire.HostMessage{Body: &wire.HostMessage_Heartbeat{Heartbeat: &wire.Heartbeat{}}})
	r.gone() // no hello
	h := b.host("h1", 1)
	h.tell(&wire.HostMessage{})
	h.gone() // a message that is not understood
	h = b.host("h2", 1)
	h.tell(&wire.HostMessage{Body: &wire.HostMessage_Ended{Ended: &wire.Ended{}}})
	if h.hear().GetEndedAck() == nil {
		t.Error("an end of nothing is not acknowledged")
	}
	h.beat(1)
	b.eventually("one host is connected", func() bool { return len(b.hosting) == 1 })
}

func TestDrainAndRemove(t *testing.T) {
	b := newBench(t, nil)
	ctx := context.Background()
	h := b.host("h1", 1)
	id := b.submit(command("a"))
	start := h.hearStart()
	if err := b.CloseHost(ctx, "h1"); err != nil {
		t.Fatal(err)
	}
	wantCode(t, b.RemoveHost(ctx, "h1", "", false), queue.HostBusy)
	pending := b.submit(command("b"))
	h.ended(start.Attempt, 0)
	h.acknowledged(start.Attempt)
	if b.job(id).State != queue.Done || b.job(pending).State != queue.Pending {
		t.Error("a closed host took a job")
	}
	if err := b.OpenHost(ctx, "h1"); err != nil {
		t.Fatal(err)
	}
	h.ended(h.hearStart().Attempt, 0)
	h.hear()
	h.tell(&wire.HostMessage{Body: &wire.HostMessage_Draining{Draining: &wire.Draining{}}})
	h.beat(1)
	b.eventually("h1 is closed, because it is ending", func() bool {
		hosts, err := b.client.Hosts(ctx)
		return err == nil && hosts[0].Closed == queue.ClosedExit
	})
	if err := b.RemoveHost(ctx, "h1", "idle", false); err != nil {
		t.Fatal(err)
	}
	if m := h.hear(); m.GetLeave() == nil {
		t.Errorf("heard %v, want to be told to leave", m)
	}
	wantCode(t, b.RemoveHost(ctx, "h1", "", false), queue.NoSuchHost)

	h = b.host("h2", 1)
	lost := b.submit(command("c"))
	h.hearStart()
	if err := b.RemoveHost(ctx, "h2", "its task was lost", true); err != nil {
		t.Fatal(err)
	}
	if job := b.job(lost); job.State != queue.Exited || !strings.Contains(job.Reason, "its task was lost") {
		t.Errorf("job is %+v", job)
	}
}

func TestSlowHostIsDropped(t *testing.T) {
	b := newBench(t, nil)
	h := b.host("h1", 1)
	err := b.read(context.Background(), func(*queue.Queue, time.Time) error {
		s := b.sessions["h1"]
		s.mu.Lock()
		s.out = make([]wire.Message, maxOutbox)
		s.mu.Unlock()
		s.send(heartbeatAck(1)) // must return at once, though nobody reads
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	h.gone()
	b.join(&wire.Hello{Host: "h1", Session: h.session}).beat(1)
}
