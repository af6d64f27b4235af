package host

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sirupsen/logrus"

	"sluice/queue/wire"
)

// The test program is its own keeper, and its own host for tests that kill one.
const hostArg = "test-host"

func TestMain(m *testing.M) {
	if len(os.Args) == 2 && os.Args[1] == KeeperArg {
		os.Exit(Keep())
	}
	if len(os.Args) == 3 && os.Args[1] == hostArg {
		os.Exit(runTestHost(os.Args[2]))
	}
	// Under the race detector each keeper would take a second to exit.
	if err := os.Setenv("GORACE", "atexit_sleep_ms=0 "+os.Getenv("GORACE")); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}

type testHost struct{ Socket, WorkDir string }

func runTestHost(text string) int {
	var h testHost
	if err := json.Unmarshal([]byte(text), &h); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	log := logrus.New()
	err := Run(context.Background(), Config{Name: "h1", Token: "token", WorkDir: h.WorkDir, Dial: dialSocket(h.Socket), Logger: log})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
	return ExitCode(err)
}

func dialSocket(path string) func(context.Context) (Conn, error) {
	return func(ctx context.Context) (Conn, error) {
		raw, err := (&net.Dialer{}).DialContext(ctx, "unix", path)
		if err != nil {
			return nil, err
		}
		return wire.NewConn(raw), nil
	}
}

// daemon is a batch daemon that does what a test tells it.
type daemon struct {
	t        testing.TB
	socket   string
	listener net.Listener

	mu         sync.Mutex
	conn       *wire.Conn
	joined     *wire.Conn // conn, when Welcome was sent on it
	hellos     []*wire.Hello
	started    map[attemptKey]*wire.Started
	ended      map[attemptKey]*wire.Ended
	reports    map[attemptKey]int // how often Ended came
	drains     int
	usages     map[attemptKey]*wire.Usage
	heard      map[attemptKey][]byte         // from interactive jobs
	credit     map[attemptKey]int64          // that they gave
	takes      bool                          // they get credit for all that they say
	outputs    map[int64]*wire.Output        // answers to Peek, by number
	asked      int64                         // questions of fetch
	askedInput map[attemptKey]*wire.AskInput // the newest
	welcome    wire.Welcome
	load       *wire.HostLoad // the newest
	mute       bool           // no HeartbeatAck
	keep       bool           // no EndedAck
	onEnded    func(*wire.Ended)
	changed    chan struct{} // closed and replaced at each message
}

func newDaemon(t testing.TB) *daemon {
	t.Helper()
	dir, err := os.MkdirTemp("", "sluice-test-") //nolint:usetesting // t.TempDir may be too long for a socket
	if err != nil {
		t.Fatal(err)
	}
	d := &daemon{
		t: t, socket: filepath.Join(dir, "s"), started: map[attemptKey]*wire.Started{}, ended: map[attemptKey]*wire.Ended{},
		reports: map[attemptKey]int{}, outputs: map[int64]*wire.Output{}, usages: map[attemptKey]*wire.Usage{}, heard: map[attemptKey][]byte{}, credit: map[attemptKey]int64{}, askedInput: map[attemptKey]*wire.AskInput{}, changed: make(chan struct{}),
		welcome: wire.Welcome{Session: "secret", LeaseNs: int64(time.Minute), HeartbeatNs: int64(400 * time.Millisecond)},
	}
	if d.listener, err = net.Listen("unix", d.socket); err != nil {
		t.Fatal(err)
	}
	go d.serve()
	t.Cleanup(func() {
		_ = d.listener.Close()
		d.drop()
		_ = os.RemoveAll(dir)
	})
	return d
}

func (d *daemon) serve() {
	for {
		raw, err := d.listener.Accept()
		if err != nil {
			return
		}
		conn := wire.NewConn(raw)
		d.mu.Lock()
		d.conn = conn
		d.mu.Unlock()
		go d.talk(conn)
	}
}

func (d *daemon) talk(conn *wire.Conn) {
	for {
		m := new(wire.HostMessage)
		if err := conn.Receive(m, 0); err != nil {
			return
		}
		d.mu.Lock()
		answer := d.answer(m)
		close(d.changed)
		d.changed = make(chan struct{})
		then := d.onEnded
		d.mu.Unlock()
		if answer != nil {
			_ = conn.Send(answer)
		}
		if m.GetHello() != nil {
			d.set(func(d *daemon) { d.joined = conn })
		}
		if ended := m.GetEnded(); ended != nil && then != nil {
			then(ended)
		}
	}
}

func (d *daemon) answer(m *wire.HostMessage) wire.Message {
	switch body := m.Body.(type) {
	case *wire.HostMessage_Hello:
		d.hellos = append(d.hellos, body.Hello)
		w := d.welcome
		return &wire.DaemonMessage{Body: &wire.DaemonMessage_Welcome{Welcome: &w}}
	case *wire.HostMessage_Started:
		d.started[keyOf(body.Started.GetAttempt())] = body.Started
	case *wire.HostMessage_Ended:
		key := keyOf(body.Ended.GetAttempt())
		d.ended[key] = body.Ended
		d.reports[key]++
		if !d.keep {
			return &wire.DaemonMessage{Body: &wire.DaemonMessage_EndedAck{EndedAck: &wire.EndedAck{Attempt: body.Ended.Attempt}}}
		}
	case *wire.HostMessage_Heartbeat:
		if !d.mute {
			return &wire.DaemonMessage{Body: &wire.DaemonMessage_HeartbeatAck{HeartbeatAck: &wire.HeartbeatAck{Number: body.Heartbeat.Number}}}
		}
	case *wire.HostMessage_Terminal:
		key, m := keyOf(body.Terminal.GetAttempt()), body.Terminal
		d.heard[key] = append(d.heard[key], m.GetData()...)
		d.credit[key] += m.GetCredit()
		if n := len(m.GetData()); d.takes && n > 0 {
			return &wire.DaemonMessage{Body: &wire.DaemonMessage_Terminal{Terminal: &wire.Terminal{Attempt: m.GetAttempt(), Credit: int64(n)}}}
		}
	case *wire.HostMessage_Usages:
		for _, u := range body.Usages.GetUsages() {
			d.usages[keyOf(u.GetAttempt())] = u
		}
	case *wire.HostMessage_AskInput:
		d.askedInput[keyOf(body.AskInput.GetAttempt())] = body.AskInput
	case *wire.HostMessage_Load:
		d.load = body.Load
	case *wire.HostMessage_Draining:
		d.drains++
	case *wire.HostMessage_Output:
		d.outputs[body.Output.GetNumber()] = body.Output
	}
	return nil
}

// drop breaks the connection.
func (d *daemon) drop() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.conn != nil {
		_ = d.conn.Close()
	}
}

// set changes how the daemon behaves.
func (d *daemon) set(change func(*daemon)) {
	d.mu.Lock()
	defer d.mu.Unlock()
	change(d)
}

func (d *daemon) send(body *wire.DaemonMessage) {
	d.t.Helper()
	d.await("a connection", func() bool { return d.conn != nil && d.joined == d.conn })
	d.mu.Lock()
	conn := d.conn
	d.mu.Unlock()
	if err := conn.Send(body); err != nil {
		d.t.Errorf("send to host: %v", err)
	}
}

const testPatience = 30 * time.Second

// await waits until a condition on the daemon's fields holds.
func (d *daemon) await(what string, condition func() bool) {
	d.t.Helper()
	deadline := time.After(testPatience)
	for {
		d.mu.Lock()
		ok, changed := condition(), d.changed
		d.mu.Unlock()
		if ok {
			return
		}
		select {
		case <-changed:
		case <-time.After(20 * time.Millisecond): // a connection is no message
		case <-deadline:
			d.t.Fatalf("no %s in %v", what, testPatience)
		}
	}
}

// begin starts a job and gives its key.
func (d *daemon) begin(s *wire.Start) attemptKey {
	d.t.Helper()
	d.send(&wire.DaemonMessage{Body: &wire.DaemonMessage_Start{Start: s}})
	return keyOf(s.Attempt)
}

// run starts a job and gives its end.
func (d *daemon) run(s *wire.Start) *wire.Ended {
	d.t.Helper()
	return d.end(d.begin(s))
}

func (d *daemon) end(key attemptKey) *wire.Ended {
	d.t.Helper()
	d.await("end of job "+key.String(), func() bool { return d.ended[key] != nil })
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.ended[key]
}

// pid waits until a job is started.
func (d *daemon) pid(key attemptKey) int {
	d.t.Helper()
	d.await("start of job "+key.String(), func() bool { return d.started[key] != nil })
	d.mu.Lock()
	defer d.mu.Unlock()
	return int(d.started[key].Pid)
}

func (d *daemon) signal(key attemptKey, number, exitCode int32, reason string) {
	d.t.Helper()
	d.send(&wire.DaemonMessage{Body: &wire.DaemonMessage_Signal{Signal: &wire.Signal{
		Attempt: key.wire(), Signal: number, ExitCode: exitCode, Reason: reason,
	}}})
}

// runningHost is Run in this process, with a keeper of its own.
type runningHost struct {
	workDir string
	stop    context.CancelFunc // as SIGTERM
	result  chan error
}

func startHost(t testing.TB, d *daemon, change ...func(*Config)) *runningHost {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	h := &runningHost{workDir: workDir(t), stop: cancel, result: make(chan error, 1)}
	abort := make(chan struct{})
	config := Config{Name: "h1", Token: "token", WorkDir: h.workDir, Dial: dialSocket(d.socket), Abort: abort, Logger: testLogger(t)}
	for _, c := range change {
		c(&config)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		h.result <- Run(ctx, config)
	}()
	t.Cleanup(func() {
		cancel()
		select {
		case <-done:
		default:
			close(abort)
			<-done
		}
	})
	return h
}

// workDir is one that every user can enter; t.TempDir is not.
func workDir(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "sluice-test-") //nolint:usetesting // see above
	if err == nil {
		err = os.Chmod(dir, 0o755)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

func (h *runningHost) wait(t testing.TB) error {
	t.Helper()
	select {
	case err := <-h.result:
		return err
	case <-time.After(testPatience):
		t.Fatal("the host does not end")
		return nil
	}
}

// testLogger sends logs to the test, until it is over.
func testLogger(t testing.TB) logrus.FieldLogger {
	log := logrus.New()
	log.SetLevel(logrus.DebugLevel)
	w := &testWriter{t: t}
	t.Cleanup(func() { w.mu.Lock(); w.over = true; w.mu.Unlock() })
	log.SetOutput(w)
	return log
}

type testWriter struct {
	t    testing.TB
	mu   sync.Mutex
	over bool
}

func (w *testWriter) Write(data []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.over {
		w.t.Logf("%s", data)
	}
	return len(data), nil
}

var lastJob atomic.Int64

// newStart is a Start of the test's own user.
func newStart(command string, change ...func(*wire.Start)) *wire.Start {
	s := &wire.Start{
		Attempt: &wire.Attempt{Job: lastJob.Add(1), Attempt: 1}, Command: command, User: ownUser(), Cwd: "/tmp", Umask: 0o022, Slots: 1,
		Env:         []string{"PATH=/usr/local/bin:/usr/bin:/bin", "HOME=/tmp"},
		KillGraceNs: int64(time.Minute), // a test that waits for it fails
		Report:      &wire.Report{Queue: "normal", SubmitHost: "sub", Hosts: []string{"h1"}},
	}
	for _, c := range change {
		c(s)
	}
	return s
}

var ownUser = sync.OnceValue(func() string {
	u, err := user.Current()
	if err != nil {
		panic(err)
	}
	return u.Username
})

// hostProcess is a host in a process of its own.
func hostProcess(t *testing.T, d *daemon, change ...func(*exec.Cmd, *testHost)) *exec.Cmd {
	t.Helper()
	h := testHost{Socket: d.socket, WorkDir: workDir(t)}
	cmd := exec.Command("/proc/self/exe")
	for _, c := range change {
		c(cmd, &h)
	}
	text, err := json.Marshal(h)
	if err != nil {
		t.Fatal(err)
	}
	cmd.Args = append(cmd.Args, hostArg, string(text))
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	return cmd
}

// exitCodeOf waits for a host process, and kills one that does not end.
func exitCodeOf(cmd *exec.Cmd) int {
	hard := time.AfterFunc(testPatience, func() { _ = cmd.Process.Kill() })
	defer hard.Stop()
	_ = cmd.Wait()
	return cmd.ProcessState.ExitCode()
}

// eventually waits for a condition outside this process.
func eventually(t testing.TB, what string, condition func() bool) {
	t.Helper()
	deadline := time.After(testPatience)
	poll := time.NewTicker(5 * time.Millisecond)
	defer poll.Stop()
	for !condition() {
		select {
		case <-poll.C:
		case <-deadline:
			t.Fatalf("not within %v: %s", testPatience, what)
		}
	}
}
