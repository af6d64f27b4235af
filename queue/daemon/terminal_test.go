package daemon

import (
	"context"
	"testing"
	"time"

	"sluice/queue"
	"sluice/queue/wire"
)

// interactive is a bench with a host that runs interactive jobs.
func interactive(t *testing.T, change func(*Config)) (*bench, *robot) {
	t.Helper()
	b := newBench(t, change)
	host := b.join(&wire.Hello{Host: "h1", Token: b.addHost("h1", 4), Terminals: true})
	return b, host
}

func interactiveJob() queue.Spec {
	spec := command("talk")
	spec.Interactive = queue.InteractiveShell
	return spec
}

func (b *bench) attach(id queue.ID) *wire.Conn {
	b.t.Helper()
	conn, err := b.client.Attach(context.Background(), id)
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(func() { _ = conn.Close() })
	b.eventually("the client is that of its job", func() (known bool) {
		err := b.read(context.Background(), func(*queue.Queue, time.Time) error {
			known = b.terminals[id] != nil
			return nil
		})
		return err == nil && known
	})
	return conn
}

func hearAttached(t *testing.T, conn *wire.Conn) *wire.Attached {
	t.Helper()
	m := new(wire.Attached)
	if err := conn.Receive(m, patience); err != nil {
		t.Fatal(err)
	}
	return m
}

func (r *robot) hearTerminal() *wire.Terminal {
	r.t.Helper()
	m := r.hear()
	if m.GetTerminal() == nil {
		r.t.Fatalf("heard %v", m)
	}
	return m.GetTerminal()
}

func (r *robot) speak(m *wire.Terminal) {
	r.t.Helper()
	r.tell(&wire.HostMessage{Body: &wire.HostMessage_Terminal{Terminal: m}})
}

func TestInteractiveJob(t *testing.T) {
	b, host := interactive(t, nil)
	spec := interactiveJob()
	spec.Hold = true
	id := b.submit(spec)
	client := b.attach(id)
	_, err := b.client.Attach(context.Background(), id)
	wantCode(t, err, queue.WrongState) // it has a client
	b.act(wire.ActRequest{Action: wire.Resume, IDs: []queue.ID{id}})
	start := host.hearStart()
	if start.Terminal != 2 {
		t.Errorf("%v", start)
	}
	if m := hearAttached(t, client); m.GetStarted() != "h1" {
		t.Errorf("%v", m)
	}
	if err := client.Send(&wire.Terminal{Credit: 10, Rows: 5, Cols: 6}, &wire.Terminal{Data: []byte("in"), Eof: true}); err != nil {
		t.Fatal(err)
	}
	if m := host.hearTerminal(); m.Credit != 10 || m.Rows != 5 || m.Cols != 6 || *m.Attempt != *start.Attempt {
		t.Errorf("%v", m)
	}
	if m := host.hearTerminal(); string(m.Data) != "in" || !m.Eof {
		t.Errorf("%v", m)
	}
	host.speak(&wire.Terminal{Attempt: &wire.Attempt{Job: 99, Attempt: 1}, Data: []byte("of no job")})
	host.speak(&wire.Terminal{Attempt: start.Attempt, Data: []byte("out"), Credit: 2})
	host.ended(start.Attempt, 3)
	if m := hearAttached(t, client).GetTerminal(); string(m.GetData()) != "out" || m.GetCredit() != 2 {
		t.Errorf("%v", m)
	}
	if m := hearAttached(t, client).GetEnd(); m.GetExitCode() != 3 || m.GetReason() != "" {
		t.Errorf("%v", m)
	}
	b.eventuallyState(id, queue.Exited)
}

func TestAttachIsRefused(t *testing.T) {
	b, host := interactive(t, nil)
	plain := b.submit(command("true"))
	for id, code := range map[queue.ID]queue.Code{plain: queue.WrongState, {Job: 99}: queue.NoSuchJob} {
		_, err := b.client.Attach(context.Background(), id)
		wantCode(t, err, code)
	}
	host.hearStart()
	ended := b.submit(interactiveJob())
	start := host.hearStart()
	host.ended(start.Attempt, 0)
	host.acknowledged(start.Attempt)
	_, err := b.client.Attach(context.Background(), ended)
	wantCode(t, err, queue.AlreadyFinished)
	spec := interactiveJob()
	spec.Array = &queue.Array{Ranges: []queue.Range{{First: 1, Last: 2, Step: 1}}}
	_, err = b.client.Submit(context.Background(), spec)
	wantCode(t, err, queue.BadSpec)
}

// Without its client no interactive job goes on: one that does not come, one that goes, and one that is too slow.
func TestInteractiveJobWithoutClient(t *testing.T) {
	b, host := interactive(t, func(c *Config) { c.AttachWithin = 10 * time.Millisecond })
	b.submit(interactiveJob())
	start := host.hearStart()
	if s := host.hearSignal(); s.ExitCode != 130 || *s.Attempt != *start.Attempt {
		t.Errorf("no client comes: %v", s)
	}
	host.ended(start.Attempt, 130)
	host.acknowledged(start.Attempt)

	spec := interactiveJob()
	spec.Hold = true
	for name, leave := range map[string]func(*wire.Conn, *wire.Attempt){
		"goes": func(client *wire.Conn, _ *wire.Attempt) { _ = client.Close() },
		"too slow": func(_ *wire.Conn, a *wire.Attempt) {
			for range 40 {
				host.speak(&wire.Terminal{Attempt: a, Data: make([]byte, 100_000)})
			}
		},
	} {
		id := b.submit(spec)
		client := b.attach(id)
		b.act(wire.ActRequest{Action: wire.Resume, IDs: []queue.ID{id}})
		start := host.hearStart()
		hearAttached(t, client)
		leave(client, start.Attempt)
		if m := host.hearTerminal(); !m.Hangup || *m.Attempt != *start.Attempt {
			t.Errorf("%s: %v", name, m)
		}
		if s := host.hearSignal(); s.ExitCode != 130 || *s.Attempt != *start.Attempt {
			t.Errorf("%s: %v", name, s)
		}
		host.ended(start.Attempt, 130)
		host.acknowledged(start.Attempt)
	}
	id := b.submit(spec)
	_ = b.attach(id).Close()
	b.eventuallyState(id, queue.Exited) // one that pends ends, too
}

// A host of an older version is not spoken to.
func TestInteractiveJobOnOldHost(t *testing.T) {
	b := newBench(t, nil)
	host := b.host("h1", 1)
	spec := interactiveJob()
	spec.Hold = true
	id := b.submit(spec)
	client := b.attach(id)
	b.act(wire.ActRequest{Action: wire.Resume, IDs: []queue.ID{id}})
	host.hearStart()
	if end := hearAttached(t, client).GetEnd(); end.GetExitCode() != 255 || end.GetReason() == "" {
		t.Errorf("%v", end)
	}
}
