package zk

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/go-zookeeper/zk"
	"github.com/sirupsen/logrus"

	"sluice/internal/testneed"
)

const until = 30 * time.Second

// TestMain lets more tests run beside each other than there are processors: they wait for clocks and other processes.
func TestMain(m *testing.M) {
	if err := flag.Set("test.parallel", "6"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}

func testLog(t *testing.T) logrus.FieldLogger {
	log := logrus.New()
	log.SetOutput(t.Output())
	return log
}

// hand is a connection by which a test does what masters do.
type hand struct {
	*testing.T
	*zk.Conn
}

func newHand(t *testing.T, server string) *hand {
	conn, _, err := zk.Connect([]string{server}, 4*time.Second, zk.WithLogInfo(false), zk.WithLogger(debugLog{testLog(t)}))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Close)
	return &hand{t, conn}
}

func (h *hand) create(path, data string, flags int32, acl []zk.ACL) string {
	h.Helper()
	name, err := h.Create(path, []byte(data), flags, acl)
	if err != nil {
		h.Fatalf("create %s: %v", path, err)
	}
	return name
}

func (h *hand) register(path, master string) string {
	h.Helper()
	host, port, err := net.SplitHostPort(master)
	if err != nil {
		h.Fatal(err)
	}
	return h.create(path+"/json.info_", fmt.Sprintf(`{"address":{"ip":%q,"port":%s}}`, host, port),
		zk.FlagEphemeral|zk.FlagSequence, zk.WorldACL(zk.PermAll))
}

func (h *hand) remove(path string) {
	h.Helper()
	if err := h.Delete(path, -1); err != nil {
		h.Fatal(err)
	}
}

func newTestDetector(t *testing.T, address string) *Detector {
	t.Helper()
	a, err := ParseAddress(address)
	if err != nil {
		t.Fatal(err)
	}
	d := NewDetector(a, false, testLog(t))
	t.Cleanup(d.Close)
	return d
}

func (d *Detector) wantLeader(t *testing.T, want string) {
	t.Helper()
	d.begin()
	eventually(t, "leader "+want, func() bool { leader, _, _ := d.known(); return leader == want })
	if leader, err := d.Leader(t.Context(), ""); leader != want {
		t.Errorf("leader %s, %v", leader, err)
	}
}

// wantTrouble waits until the detector knows no leader and why.
func (d *Detector) wantTrouble(t *testing.T, want string) {
	t.Helper()
	d.begin()
	var leader string
	var trouble error
	eventually(t, want, func() bool {
		leader, _, trouble = d.known()
		return leader == "" && trouble != nil && strings.Contains(trouble.Error(), want)
	})
	if strings.Contains(trouble.Error(), "\n") || strings.Contains(trouble.Error(), "cret") || strings.Contains(trouble.Error(), "wrong") {
		t.Errorf("trouble %q", trouble)
	}
}

// The leader is followed through registrations that come and go, in any order.
func TestDetector(t *testing.T) {
	t.Parallel()
	server := testneed.StartZooKeeper(t)
	h := newHand(t, server.Address())
	h.create("/prod", "", 0, zk.WorldACL(zk.PermAll))
	d := newTestDetector(t, "zk://127.0.0.1:1,"+server.Address()+"/prod/mesos") // the first server is not there
	d.wantTrouble(t, "has no path /prod/mesos")
	h.create("/prod/mesos", "", 0, zk.WorldACL(zk.PermAll))
	d.wantTrouble(t, "no master is registered at zk://")
	h.create("/prod/mesos/log_replicas", "", 0, zk.WorldACL(zk.PermAll))
	first := h.register("/prod/mesos", "10.0.0.1:5050")
	d.wantLeader(t, "http://10.0.0.1:5050")
	second := h.register("/prod/mesos", "10.0.0.2:5050")
	third := h.register("/prod/mesos", "10.0.0.3:5050")
	h.remove(second)
	d.wantLeader(t, "http://10.0.0.1:5050")
	h.remove(first)
	if next := d.Deposed(t.Context(), "http://10.0.0.1:5050"); next != "http://10.0.0.3:5050" {
		t.Errorf("next leader %s", next)
	}
	d.wantLeader(t, "http://10.0.0.3:5050")
	h.remove(third)
	d.wantTrouble(t, "no master is registered")
	old := h.create("/prod/mesos/info_", "\x0a\x24", zk.FlagEphemeral|zk.FlagSequence, zk.WorldACL(zk.PermAll))
	d.wantTrouble(t, "older than Mesos 0.24")
	h.remove(old)
	h.create("/prod/mesos/json.info_", "{}", zk.FlagEphemeral|zk.FlagSequence, zk.WorldACL(zk.PermAll))
	d.wantTrouble(t, "it has no address")
}

// While ZooKeeper is away the last leader stays the answer; when it is back, who leads then is found.
func TestDetectorWithoutZooKeeper(t *testing.T) {
	t.Parallel()
	server := testneed.StartZooKeeper(t)
	h := newHand(t, server.Address())
	h.create("/mesos", "", 0, zk.WorldACL(zk.PermAll))
	node := h.register("/mesos", "10.0.0.1:5050")
	d := newTestDetector(t, "zk://"+server.Address()+"/mesos")
	d.wantLeader(t, "http://10.0.0.1:5050")
	server.Stop()
	eventually(t, "the loss noticed", func() bool { _, _, trouble := d.known(); return trouble != nil })
	d.wantLeader(t, "http://10.0.0.1:5050")
	server.Start()
	h2 := newHand(t, server.Address())
	if err := h2.Delete(node, -1); err != nil && !errors.Is(err, zk.ErrNoNode) { // its session may have ended
		t.Fatal(err)
	}
	h2.register("/mesos", "10.0.0.2:5050")
	d.wantLeader(t, "http://10.0.0.2:5050")
}

// eventually polls for what a server elsewhere does.
func eventually(t *testing.T, what string, cond func() bool) {
	t.Helper()
	deadline := time.Now().Add(until)
	ticker := time.NewTicker(10 * time.Millisecond)
	defer ticker.Stop()
	for !cond() {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain for: %s", what)
		}
		<-ticker.C
	}
}

// With digest authentication the masters' path is readable for the right user only. Each trouble is one line that names no
// password.
func TestDetectorDigest(t *testing.T) {
	t.Parallel()
	server := testneed.StartZooKeeper(t)
	h := newHand(t, server.Address())
	if err := h.AddAuth("digest", []byte("mesos:se@cret")); err != nil {
		t.Fatal(err)
	}
	only := zk.DigestACL(zk.PermAll, "mesos", "se@cret")
	h.create("/mesos", "", 0, only)
	h.create("/mesos/json.info_", recorded, zk.FlagEphemeral|zk.FlagSequence, only)
	newTestDetector(t, "zk://mesos:se@cret@"+server.Address()+"/mesos").wantLeader(t, "http://127.0.0.1:16050")
	newTestDetector(t, "zk://mesos:wrong@"+server.Address()+"/mesos").wantTrouble(t, "gives no access to /mesos as user mesos")
	newTestDetector(t, "zk://"+server.Address()+"/mesos").wantTrouble(t, "gives no access to /mesos without credentials")
}

func TestDetectorUnreachable(t *testing.T) {
	t.Parallel()
	newTestDetector(t, "zk://127.0.0.1:1/mesos").wantTrouble(t, "ZooKeeper at 127.0.0.1:1 cannot be reached: dial tcp 127.0.0.1:1: connect: connection refused")
	listener, err := net.Listen("tcp", "127.0.0.1:0") // takes connections and says nothing
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	d := newTestDetector(t, "zk://"+listener.Addr().String()+"/mesos")
	d.timeout = 2 * time.Second
	if _, err := d.Leader(t.Context(), ""); err == nil || !strings.Contains(err.Error(), "does not answer") {
		t.Errorf("no answer: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := d.Leader(ctx, ""); err == nil {
		t.Error("a leader after the end")
	}
	d.Close()
	if _, err := d.Leader(t.Context(), ""); err == nil || !strings.Contains(err.Error(), "closed") {
		t.Errorf("closed: %v", err)
	}
}
