package daemon

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"sluice/queue"
	"sluice/queue/journal"
	"sluice/queue/wire"
)

// patience is how long a test waits for what must come; it is never waited out by a test that passes.
const patience = 20 * time.Second

var _ Journal = (*journal.Journal)(nil)

// bench is a daemon at a unix socket and what is needed to start it again.
type bench struct {
	t      testing.TB
	dir    string
	config Config
	wrap   func(Journal) Journal // nil = none
	*Daemon
	journal *journal.Journal
	client  *wire.Client
}

func newBench(t testing.TB, change func(*Config)) *bench {
	t.Helper()
	return newBenchOn(t, change, nil)
}

func newBenchOn(t testing.TB, change func(*Config), wrap func(Journal) Journal) *bench {
	t.Helper()
	b := &bench{t: t, dir: t.TempDir(), wrap: wrap}
	b.config = Config{HostURL: "unix://" + b.socket(), HostLocal: true, Heartbeat: time.Minute}
	if change != nil {
		change(&b.config)
	}
	b.start()
	t.Cleanup(b.stop)
	return b
}

func (b *bench) socket() string { return filepath.Join(b.dir, "api.sock") }

func (b *bench) start() {
	b.t.Helper()
	var err error
	if b.journal, err = journal.Open(filepath.Join(b.dir, "journal.db"), journal.Options{}); err != nil {
		b.t.Fatal(err)
	}
	config := b.config
	config.Journal = b.journal
	if b.wrap != nil {
		config.Journal = b.wrap(b.journal)
	}
	if b.Daemon, err = Open(context.Background(), config); err != nil {
		b.t.Fatal(err)
	}
	if err := b.ServeUnix(b.socket()); err != nil {
		b.t.Fatal(err)
	}
	if b.client, err = wire.NewClient(wire.Options{API: "unix://" + b.socket()}); err != nil {
		b.t.Fatal(err)
	}
}

func (b *bench) stop() {
	b.Stop()
	b.client.Close()
	if err := b.journal.Close(); err != nil {
		b.t.Error(err)
	}
}

func (b *bench) restart() {
	b.t.Helper()
	b.stop()
	b.start()
}

func (b *bench) submit(spec queue.Spec) queue.ID {
	b.t.Helper()
	done, err := b.client.Submit(context.Background(), spec)
	if err != nil {
		b.t.Fatal(err)
	}
	return done.ID
}

func command(text string) queue.Spec { return queue.Spec{Command: text, MinSlots: 1, MaxSlots: 1} }

func arrayOf(n int) queue.Spec {
	s := command("true")
	s.Name, s.Array = "arr", &queue.Array{Ranges: []queue.Range{{First: 1, Last: n, Step: 1}}}
	return s
}

func (b *bench) jobs(ask wire.JobsRequest) []queue.Job {
	b.t.Helper()
	var jobs []queue.Job
	err := b.client.Jobs(context.Background(), ask, func(j queue.Job) error {
		jobs = append(jobs, j)
		return nil
	})
	if err != nil {
		b.t.Fatal(err)
	}
	return jobs
}

func (b *bench) job(id queue.ID) queue.Job {
	b.t.Helper()
	jobs := b.jobs(wire.JobsRequest{Filter: queue.Filter{IDs: []queue.ID{id}}})
	if len(jobs) != 1 {
		b.t.Fatalf("job %v: %d jobs", id, len(jobs))
	}
	return jobs[0]
}

// eventually waits until the daemon's state is as wanted.
func (b *bench) eventually(what string, is func() bool) {
	b.t.Helper()
	poll, late := time.NewTicker(time.Millisecond), time.After(patience)
	defer poll.Stop()
	for !is() {
		select {
		case <-poll.C:
		case <-late:
			b.t.Fatalf("never came: %s", what)
		}
	}
}

func (b *bench) eventuallyState(id queue.ID, want queue.State) {
	b.t.Helper()
	b.eventually(id.String()+" is "+want.String(), func() bool { return b.job(id).State == want })
}

// act gives an order and the error for each job.
func (b *bench) act(ask wire.ActRequest) map[queue.ID]error {
	b.t.Helper()
	results := make(map[queue.ID]error)
	err := b.client.Act(context.Background(), ask, func(a wire.Acted) error {
		results[a.ID] = a.Error.Err()
		return nil
	})
	if err != nil {
		b.t.Fatal(err)
	}
	return results
}

// addHost adds a host and gives its token.
func (b *bench) addHost(name string, slots int) string {
	b.t.Helper()
	c, err := b.AddHost(context.Background(), queue.HostSpec{Name: name, Slots: slots, MemMiB: 1024, Elastic: true})
	if err != nil {
		b.t.Fatal(err)
	}
	return c.Env[EnvHostToken]
}

// robot is a scripted host.
type robot struct {
	t       testing.TB
	conn    *wire.Conn
	name    string
	session string
	welcome *wire.Welcome
}

// dial connects a robot and says hello; it gives the daemon's answer.
func (b *bench) dial(hello *wire.Hello) (*robot, *wire.DaemonMessage) {
	b.t.Helper()
	conn, err := wire.DialHost(context.Background(), "unix://"+b.socket(), nil)
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(func() { _ = conn.Close() })
	r := &robot{t: b.t, conn: conn, name: hello.Host, session: hello.Session}
	r.tell(&wire.HostMessage{Body: &wire.HostMessage_Hello{Hello: hello}})
	answer := r.hear()
	return r, answer
}

// join is dial for a host that is to be welcome.
func (b *bench) join(hello *wire.Hello) *robot {
	b.t.Helper()
	r, answer := b.dial(hello)
	if r.welcome = answer.GetWelcome(); r.welcome == nil {
		b.t.Fatalf("host %s is not welcome: %v", hello.Host, answer)
	}
	if r.welcome.Session != "" {
		r.session = r.welcome.Session
	}
	return r
}

// host adds a host and joins it.
func (b *bench) host(name string, slots int) *robot {
	b.t.Helper()
	return b.join(&wire.Hello{Host: name, Token: b.addHost(name, slots)})
}

func (r *robot) tell(m *wire.HostMessage) {
	r.t.Helper()
	if err := r.conn.Send(m); err != nil {
		r.t.Fatal(err)
	}
}

func (r *robot) hear() *wire.DaemonMessage {
	r.t.Helper()
	m := new(wire.DaemonMessage)
	if err := r.conn.Receive(m, patience); err != nil {
		r.t.Fatalf("host %s: %v", r.name, err)
	}
	return m
}

func (r *robot) hearStart() *wire.Start {
	r.t.Helper()
	m := r.hear()
	if m.GetStart() == nil {
		r.t.Fatalf("host %s: heard %v, want a start", r.name, m)
	}
	return m.GetStart()
}

func (r *robot) hearSignal() *wire.Signal {
	r.t.Helper()
	m := r.hear()
	if m.GetSignal() == nil {
		r.t.Fatalf("host %s: heard %v, want a signal", r.name, m)
	}
	return m.GetSignal()
}

// gone waits until the daemon closes the connection.
func (r *robot) gone() {
	r.t.Helper()
	for {
		if err := r.conn.Receive(new(wire.DaemonMessage), patience); err != nil {
			if errors.Is(err, os.ErrDeadlineExceeded) {
				r.t.Fatalf("host %s: the connection stays", r.name)
			}
			return
		}
	}
}

func (r *robot) started(a *wire.Attempt) {
	r.t.Helper()
	r.tell(&wire.HostMessage{Body: &wire.HostMessage_Started{Started: &wire.Started{Attempt: a, Pid: 4711}}})
}

func (r *robot) ended(a *wire.Attempt, code int) {
	r.t.Helper()
	r.tell(endedMessage(a, code))
}

func endedMessage(a *wire.Attempt, code int) *wire.HostMessage {
	return &wire.HostMessage{Body: &wire.HostMessage_Ended{Ended: &wire.Ended{Attempt: a, ExitCode: int32(code), CpuNs: 1e9}}}
}

// acknowledged waits for the acknowledgement of an end.
func (r *robot) acknowledged(a *wire.Attempt) {
	r.t.Helper()
	m := r.hear()
	if ack := m.GetEndedAck(); ack == nil || *ack.Attempt != *a {
		r.t.Fatalf("host %s: heard %v, want the acknowledgement of %v", r.name, m, a)
	}
}

// beat makes sure that all that was sent before has been taken: it waits for a heartbeat's acknowledgement.
func (r *robot) beat(number int64) {
	r.t.Helper()
	r.tell(&wire.HostMessage{Body: &wire.HostMessage_Heartbeat{Heartbeat: &wire.Heartbeat{Number: number}}})
	if ack := r.hear().GetHeartbeatAck(); ack.GetNumber() != number {
		r.t.Fatalf("host %s: heard %v, want the acknowledgement of heartbeat %d", r.name, ack, number)
	}
}

func variable(env []string, name string) string {
	i := slices.IndexFunc(env, func(v string) bool { return strings.HasPrefix(v, name+"=") })
	if i < 0 {
		return "(not set)"
	}
	return env[i][len(name)+1:]
}

func wantCode(t testing.TB, err error, code queue.Code) {
	t.Helper()
	if !errors.Is(err, &queue.Error{Code: code}) {
		t.Errorf("error is %v, want code %s", err, code)
	}
}

func me() string { return userName(os.Geteuid()) }
