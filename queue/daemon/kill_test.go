package daemon

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"sluice/queue"
	"sluice/queue/journal"
	"sluice/queue/spool"
	"sluice/queue/wire"
)

const childEnv = "SLUICE_TEST_DAEMON_DIR"

func TestMain(m *testing.M) {
	if dir := os.Getenv(childEnv); dir != "" {
		if err := child(dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		select {} // until it is killed
	}
	os.Exit(m.Run())
}

// child is a daemon in a process of its own, with the hosts h1 and h2. It prints their tokens, then "ready".
func child(dir string) error {
	if _, err := journal.Lock(dir); err != nil {
		return err
	}
	j, err := journal.Open(filepath.Join(dir, "journal.db"), journal.Options{})
	if err != nil {
		return err
	}
	inputs, err := spool.Open(filepath.Join(dir, "input"), spool.Limits{})
	if err != nil {
		return err
	}
	d, err := Open(context.Background(), Config{Journal: j, Inputs: inputs, HostURL: "unix://" + dir + "/api.sock", HostLocal: true})
	if err != nil {
		return err
	}
	for _, name := range []string{"h1", "h2"} {
		c, err := d.AddHost(context.Background(), queue.HostSpec{Name: name, Slots: 4})
		if err == nil {
			fmt.Println(name, c.Env[EnvHostToken])
		}
	}
	if err := d.ServeUnix(filepath.Join(dir, "api.sock")); err != nil {
		return err
	}
	fmt.Println("ready")
	return nil
}

// startChild starts a child and waits until it is ready; it gives the tokens of hosts that have not joined yet.
func startChild(t *testing.T, dir string) (*exec.Cmd, map[string]string) {
	t.Helper()
	c := exec.Command(os.Args[0])
	c.Env, c.Stderr = append(os.Environ(), childEnv+"="+dir), os.Stderr
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	tokens := make(map[string]string)
	for lines := bufio.NewScanner(out); lines.Scan() && lines.Text() != "ready"; {
		name, token, _ := strings.Cut(lines.Text(), " ")
		tokens[name] = token
	}
	return c, tokens
}

// TestKilledDaemon kills a daemon's process again and again while clients submit and hosts run jobs: what was acknowledged is
// there, once, has run, and no attempt ran twice.
func TestKilledDaemon(t *testing.T) {
	dir := t.TempDir()
	daemon, tokens := startChild(t, dir)
	w := &worlds{socket: filepath.Join(dir, "api.sock"), ran: make(map[wire.Attempt]int), stop: make(chan struct{})}
	for _, name := range []string{"h1", "h2"} {
		w.wg.Go(func() { w.live(name, tokens[name]) })
	}
	client, err := wire.NewClient(wire.Options{API: "unix://" + w.socket})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	accepted := make(map[string]queue.ID)
	submit := func(name string) bool {
		done, err := client.Submit(context.Background(), command(name))
		if err == nil {
			accepted[name] = done.ID
		}
		return err == nil
	}
	const rounds = 4
	for round := range rounds {
		for n := range 40 + 17*round {
			if n == 20+17*round {
				if err := daemon.Process.Kill(); err != nil {
					t.Fatal(err)
				}
			}
			if !submit(fmt.Sprintf("%d.%d", round, n)) && n < 20 {
				t.Fatalf("submission %d.%d was refused", round, n)
			}
		}
		if err := daemon.Wait(); err == nil {
			t.Fatal("the daemon ended by itself")
		}
		daemon, _ = startChild(t, dir)
	}
	b := &bench{t: t, client: client}
	b.eventually("all jobs have ended", func() bool {
		for _, job := range b.jobs(wire.JobsRequest{}) {
			if job.State != queue.Done {
				return false
			}
		}
		return true
	})
	close(w.stop)
	w.wg.Wait()
	seen := make(map[string]queue.ID)
	for _, job := range b.jobs(wire.JobsRequest{}) {
		if _, twice := seen[job.Spec.Command]; twice || job.Attempt != 1 {
			t.Errorf("job %s is there twice, or started twice: %+v", job.Spec.Command, job)
		}
		seen[job.Spec.Command] = job.ID
	}
	for name, id := range accepted {
		if seen[name] != id {
			t.Errorf("job %s was accepted as %v, but it is %v", name, id, seen[name])
		}
	}
	for attempt, n := range w.ran {
		if n != 1 {
			t.Errorf("attempt %v ran %d times", attempt, n)
		}
	}
	if len(w.ran) != len(seen) || len(accepted) < 20*rounds {
		t.Errorf("%d attempts ran, there are %d jobs, %d were accepted", len(w.ran), len(seen), len(accepted))
	}
	if err := daemon.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := daemon.Wait(); err == nil {
		t.Error("the daemon ended by itself")
	}
}

// worlds are robots that run jobs at once and keep what they know over broken connections, as hosts do.
type worlds struct {
	socket string
	wg     sync.WaitGroup
	stop   chan struct{}

	mu  sync.Mutex
	ran map[wire.Attempt]int
}

// live is one host's life.
func (w *worlds) live(name, token string) {
	hello := &wire.Hello{Host: name, Token: token}
	known := make(map[wire.Attempt]bool)
	for {
		select {
		case <-w.stop:
			return
		default:
		}
		conn, err := wire.DialHost(context.Background(), "unix://"+w.socket, nil)
		if err != nil {
			continue
		}
		hello.Known = nil
		for a := range known {
			hello.Known = append(hello.Known, &a)
		}
		w.serve(conn, hello, known)
		_ = conn.Close()
	}
}

func (w *worlds) serve(conn *wire.Conn, hello *wire.Hello, known map[wire.Attempt]bool) {
	if conn.Send(&wire.HostMessage{Body: &wire.HostMessage_Hello{Hello: hello}}) != nil {
		return
	}
	done := make(chan struct{})
	defer close(done)
	go func() {
		select {
		case <-w.stop:
			_ = conn.Close()
		case <-done:
		}
	}()
	for {
		m := new(wire.DaemonMessage)
		if conn.Receive(m, patience) != nil {
			return
		}
		switch {
		case m.GetWelcome() != nil:
			if s := m.GetWelcome().Session; s != "" {
				hello.Session, hello.Token = s, ""
			}
			for a := range known {
				if conn.Send(endedMessage(&a, 0)) != nil {
					return
				}
			}
		case m.GetStart() != nil:
			a := *m.GetStart().Attempt
			if known[a] {
				continue // sent again
			}
			known[a] = true
			w.mu.Lock()
			w.ran[a]++
			w.mu.Unlock()
			started := &wire.HostMessage{Body: &wire.HostMessage_Started{Started: &wire.Started{Attempt: &a, Pid: 1}}}
			if conn.Send(started, endedMessage(&a, 0)) != nil {
				return
			}
		case m.GetEndedAck() != nil:
			delete(known, *m.GetEndedAck().Attempt)
		}
	}
}

// TestKilledDaemonKeepsInputs kills a daemon's process while clients submit jobs with input: what was acknowledged has its input, whole,
// and nothing that was half-written is left.
func TestKilledDaemonKeepsInputs(t *testing.T) {
	dir := t.TempDir()
	daemon, _ := startChild(t, dir)
	client, err := wire.NewClient(wire.Options{API: "unix://" + filepath.Join(dir, "api.sock")})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	accepted := make(map[string]string) // contents by name
	for round := range 3 {
		for n := range 30 {
			if n == 15 {
				go func() { _ = daemon.Process.Kill() }() // Wait below says that it was
			}
			content := strings.Repeat(fmt.Sprintf("%d.%d\n", round, n), 1+n*5000)
			name, err := client.KeepInput(context.Background(), strings.NewReader(content))
			if err != nil {
				continue
			}
			if _, err := client.Submit(context.Background(), reading(name)); err == nil {
				accepted[name] = content
			}
		}
		if err := daemon.Wait(); err == nil {
			t.Fatal("the daemon ended by itself")
		}
		if round < 2 {
			daemon, _ = startChild(t, dir)
		}
	}
	if len(accepted) < 45 {
		t.Errorf("only %d submissions were acknowledged", len(accepted))
	}
	store, err := spool.Open(filepath.Join(dir, "input"), spool.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	for name, content := range accepted {
		got := make([]byte, len(content)+1)
		if n, size, err := store.Read(me(), name, got, 0); err != nil || string(got[:n]) != content || size != int64(len(content)) {
			t.Errorf("of an acknowledged input of %d bytes there are %d (%v)", len(content), n, err)
		}
	}
	left, err := filepath.Glob(filepath.Join(dir, "input", "new-*"))
	if err != nil || len(left) > 0 {
		t.Errorf("half-written files are left: %v (%v)", left, err)
	}
}
