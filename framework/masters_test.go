package framework

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mesos/mesos-go/api/v1/lib/scheduler"

	"sluice/framework/minimesos"
	"sluice/internal/testneed"
)

// said waits until a line with all parts was logged at warning or above, and checks that it is one line that was not repeated.
func (r *rig) said(log *warnings, parts ...string) {
	r.Helper()
	has := func(line string) bool {
		return !slices.ContainsFunc(parts, func(part string) bool { return !strings.Contains(line, part) })
	}
	r.wait("a line with "+strings.Join(parts, ", "), func() bool { return slices.ContainsFunc(log.all(), has) })
	var lines []string
	for _, line := range log.all() {
		if has(line) {
			lines = append(lines, line)
		}
	}
	if len(lines) != 1 || strings.Contains(lines[0], "\n") {
		r.Errorf("said %d times: %q", len(lines), lines)
	}
}

// hostsStay fails the test if a task of the beginning is not alive now, or there are others.
func (r *rig) hostsStay(before []string) {
	r.Helper()
	if after := r.tasks(); !slices.Equal(before, after) || r.batch.open() == 0 {
		r.Errorf("tasks %v, were %v", after, before)
	}
	for name, times := range r.batch.ever {
		if times > 1 {
			r.Errorf("host %s was added %d times", name, times)
		}
	}
}

// The leader dies while tasks run, with a list of masters: each other one knows where the leader is. No host is lost.
func TestLeaderChangeWithList(t *testing.T) {
	t.Parallel()
	r := newRig(t, minimesos.Config{Masters: 3, ElectionTime: 300 * time.Millisecond})
	r.cfg.Master = strings.Join(r.cluster.URLs(), ",")
	r.start()
	r.want(8)
	before, id := r.tasks(), r.store.id()
	old := r.cluster.URL()
	if err := r.cluster.KillMaster(); err != nil {
		t.Fatal(err)
	}
	r.wait("another master", func() bool {
		s := r.fw.Status()
		return r.cluster.URL() != old && s.Connected && s.Master == r.cluster.URL() && len(r.tasks()) == len(before)
	})
	r.hostsStay(before)
	if r.store.id() != id {
		t.Errorf("framework id %s, was %s", r.store.id(), id)
	}
}

// The same with ZooKeeper, whose path has no masters when the framework starts. It goes to the new leader at once when there
// is one, not after a backoff.
func TestLeaderChangeWithZooKeeper(t *testing.T) {
	t.Parallel()
	server := testneed.StartZooKeeper(t)
	at := "zk://mesos:pw@" + server.Address() + "/mesos"
	waiting := newRig(t, minimesos.Config{})
	log := waiting.watchLog()
	waiting.cfg.Master = at
	waiting.start()
	waiting.said(log, "not connected to a master: ZooKeeper at "+server.Address()+" has no path /mesos", "retrying")
	if s := waiting.fw.Status(); !strings.Contains(s.Trouble, "has no path /mesos") {
		t.Errorf("status %+v", s)
	}
	if strings.Contains(strings.Join(log.all(), "\n"), "pw") {
		t.Errorf("the password is in the log: %q", log.all())
	}
	waiting.fw.Stop()
	r := newRig(t, minimesos.Config{Masters: 2, ZooKeeper: at, ZooKeeperTimeout: time.Second})
	r.cfg.Master = at
	r.start()
	r.want(8)
	before, id := r.tasks(), r.store.id()
	old := r.cluster.URL()
	if err := r.cluster.KillMaster(); err != nil {
		t.Fatal(err)
	}
	r.wait("the other master leads", func() bool { return r.cluster.URL() != old })
	led := time.Now()
	r.wait("a subscription there, without trouble", func() bool {
		s := r.fw.Status()
		return s.Connected && s.Trouble == "" && s.Master == r.cluster.URL()
	})
	t.Logf("subscribed %v after the election", time.Since(led))
	r.wait("the tasks there", func() bool { return len(r.tasks()) == len(before) })
	r.hostsStay(before)
	if r.store.id() != id {
		t.Errorf("framework id %s, was %s", r.store.id(), id)
	}
}

// ZooKeeper is away for longer than all sessions. As long as the master works, its link is kept; when the masters give up too
// (as real ones do), the framework waits for a leader. No host is lost.
func TestZooKeeperAway(t *testing.T) {
	t.Parallel()
	server := testneed.StartZooKeeper(t)
	at := "zk://" + server.Address() + "/mesos"
	r := newRig(t, minimesos.Config{Masters: 2, ZooKeeper: at, ZooKeeperTimeout: 2 * time.Second})
	log := r.watchLog()
	r.cfg.Master = at
	r.start()
	r.want(8)
	before := r.tasks()
	server.Stop()
	r.said(log, "no news of the leading master: staying with "+r.cluster.URL())
	if s := r.fw.Status(); !s.Connected || s.Reconnects > 0 {
		t.Errorf("the link to a master that works was given up: %+v", s)
	}
	r.want(12) // and it is used
	grown := r.tasks()
	r.wait("the masters give up", func() bool { return !r.fw.Status().Connected })
	server.Start()
	r.wait("a leader again", func() bool { return r.fw.Status().Connected && len(r.tasks()) == len(grown) })
	r.hostsStay(grown)
	for _, task := range before {
		if !slices.Contains(grown, task) {
			t.Errorf("task %s was lost", task)
		}
	}
}

// Input that is wrong is one clear line, before anything is done.
func TestBadMaster(t *testing.T) {
	dir := t.TempDir()
	noPEM := filepath.Join(dir, "hello.pem")
	if err := os.WriteFile(noPEM, []byte("hello"), 0o600); err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	ca := newAuthority(t, dir, "ca")
	old := ca.issue(t, dir, "old", now.Add(-2*time.Hour), now.Add(-time.Hour))
	for want, change := range map[string]func(*Config){
		"it names no path":                            func(c *Config) { c.Master = "zk://u:secret@h:2181" },
		"its credentials are not user:password":       func(c *Config) { c.Master = "zk://secret@h:2181/mesos" },
		`master "ftp://h": want http(s)://host:port`:  func(c *Config) { c.Master = "ftp://h" },
		`master "zk://h/m": want http(s)://host:port`: func(c *Config) { c.Master = "http://a:5050,zk://h/m" },
		`master "h/m": want http(s)://host:port`:      func(c *Config) { c.Master = "http://a:5050,zk://u:secret@h/m" },
		"no such file or directory":                   func(c *Config) { c.Master = "file:///no/such/file" },
		"read CA file":                                func(c *Config) { c.CAFile = "/no/such/file" },
		"it holds no certificate in PEM":              func(c *Config) { c.CAFile = noPEM },
		"give both the certificate and its key":       func(c *Config) { c.ClientCert = old.cert },
		"read client certificate":                     func(c *Config) { c.ClientCert, c.ClientKey = noPEM, noPEM },
		"has expired on":                              func(c *Config) { c.ClientCert, c.ClientKey = old.cert, old.key },
		"a secret file needs a principal":             func(c *Config) { c.SecretFile = noPEM },
	} {
		cfg := DefaultConfig()
		cfg.Master, cfg.User = "127.0.0.1:1", "root"
		change(&cfg)
		_, err := New(cfg, newFakeBatch(t), newMemStore())
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") || strings.Contains(err.Error(), "secret@") {
			t.Errorf("%s: %v", want, err)
		}
	}
}

// A master of another cluster takes our framework id as it takes that of any framework from before its time. It is said that
// it knows none of our hosts; nothing is given up, and back at the right master all is as it was.
func TestMasterOfAnotherCluster(t *testing.T) {
	t.Parallel()
	r := newRig(t, minimesos.Config{})
	r.start()
	r.want(8)
	r.batch.busy(true)
	before, id := r.tasks(), r.store.id()
	r.fw.Stop()
	other := newRig(t, minimesos.Config{})
	log := r.watchLog()
	r.cfg.Master = other.cluster.URL()
	r.start()
	r.said(log, "knows none of our", "it is the master of another cluster (check --master)", id, "are kept")
	r.fw.Stop()
	r.cfg.Master = r.cluster.URL()
	r.start()
	r.wait("all hosts open", func() bool { return r.fw.Status().Hosts["open"] == len(before) })
	r.hostsStay(before)
	if r.store.id() != id {
		t.Errorf("framework id %s, was %s", r.store.id(), id)
	}
}

// While another instance may lead no offer is taken and none is held, also when that begins between the decision and the call;
// hosts stay, and are released, all the same.
func TestNoAcceptWithoutTheLead(t *testing.T) {
	t.Parallel()
	var accepts tap
	r := newRig(t, minimesos.Config{OnCall: accepts.onCall})
	var leads, late atomic.Bool
	leads.Store(true)
	r.cfg.Leads = leads.Load
	r.batch.hook = func(op, _ string) error {
		if op == "add" && late.Load() {
			leads.Store(false)
		}
		return nil
	}
	r.start()
	r.want(4)
	late.Store(true)
	r.goal = 8
	r.batch.need(oneSlot(8))
	r.wait("a launch given up", func() bool { return r.fw.Status().Launches > 1 && r.offersHeld() == 0 })
	declined := r.fw.Status().OffersDeclined
	if _, err := r.cluster.AddAgent(agents(1)[0]); err != nil {
		t.Fatal(err)
	}
	r.wait("a new offer declined", func() bool { return r.fw.Status().OffersDeclined > declined && r.offersHeld() == 0 })
	if n := len(accepts.of(scheduler.Call_ACCEPT)); n != 1 || len(r.tasks()) != 1 {
		t.Errorf("%d ACCEPTs, tasks %v", n, r.tasks())
	}
	late.Store(false)
	leads.Store(true)
	r.want(8)
	leads.Store(false)
	r.goal = 0
	r.batch.need(nil)
	r.wait("all released", r.empty)
}

// authority signs certificates.
type authority struct {
	file string // PEM
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

// pair are the PEM files of a certificate and its key.
type pair struct{ cert, key string }

func newAuthority(t *testing.T, dir, name string) *authority {
	a := &authority{file: filepath.Join(dir, name+".pem")}
	now := time.Now()
	form := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, NotBefore: now.Add(-time.Hour), NotAfter: now.Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	a.key = newKey(t)
	a.cert = sign(t, form, form, a.key, a.key)
	writePEM(t, a.file, "CERTIFICATE", a.cert.Raw)
	return a
}

func (a *authority) issue(t *testing.T, dir, name string, from, to time.Time) pair {
	t.Helper()
	key := newKey(t)
	cert := sign(t, &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: name}, NotBefore: from, NotAfter: to,
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}, a.cert, key, a.key)
	p := pair{filepath.Join(dir, name+".pem"), filepath.Join(dir, name+".key")}
	writePEM(t, p.cert, "CERTIFICATE", cert.Raw)
	data, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	writePEM(t, p.key, "PRIVATE KEY", data)
	return p
}

func newKey(t *testing.T) *ecdsa.PrivateKey {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func sign(t *testing.T, form, parent *x509.Certificate, of, by *ecdsa.PrivateKey) *x509.Certificate {
	t.Helper()
	data, err := x509.CreateCertificate(rand.Reader, form, parent, &of.PublicKey, by)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(data)
	if err != nil {
		t.Fatal(err)
	}
	return cert
}

func writePEM(t *testing.T, path, kind string, data []byte) {
	t.Helper()
	if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: data}), 0o600); err != nil {
		t.Fatal(err)
	}
}

// server is what a master with a pair speaks.
func (p pair) server(t *testing.T, clients *authority) *tls.Config {
	t.Helper()
	loaded, err := tls.LoadX509KeyPair(p.cert, p.key)
	if err != nil {
		t.Fatal(err)
	}
	c := &tls.Config{Certificates: []tls.Certificate{loaded}, MinVersion: tls.VersionTLS12}
	if clients != nil {
		c.ClientAuth, c.ClientCAs = tls.RequireAndVerifyClientCert, x509.NewCertPool()
		c.ClientCAs.AddCert(clients.cert)
	}
	return c
}

// What is wrong with TLS is one clear line, which is retried: an operator may put it right on either side. The client's
// certificate is read at each handshake.
func TestTLSToMaster(t *testing.T) {
	t.Parallel()
	dir, now := t.TempDir(), time.Now()
	ca, other := newAuthority(t, dir, "ca"), newAuthority(t, dir, "other")
	good := ca.issue(t, dir, "master", now.Add(-time.Minute), now.Add(time.Hour))
	expired := ca.issue(t, dir, "expired", now.Add(-time.Hour), now.Add(-time.Minute))
	ours := ca.issue(t, dir, "ours", now.Add(-time.Minute), now.Add(time.Hour))
	strange := other.issue(t, dir, "strange", now.Add(-time.Minute), now.Add(time.Hour))
	for _, test := range []struct {
		name   string
		master *tls.Config
		change func(*Config, string)
		want   string
	}{
		{"unknown CA", good.server(t, nil), func(c *Config, _ string) { c.CAFile = other.file }, "its certificate is signed by nobody whom we trust (give the CA's certificate with --ca-file)"},
		{"expired", expired.server(t, nil), func(*Config, string) {}, "its certificate is valid from"},
		{"another name", good.server(t, nil), func(c *Config, port string) { c.Master = "https://localhost:" + port }, "its certificate is for another name"},
		{"no client certificate", good.server(t, ca), func(*Config, string) {}, "it ends the TLS handshake"},
		{"no TLS there", nil, func(c *Config, port string) { c.Master = "https://127.0.0.1:" + port }, "it speaks no TLS"},
		{"no TLS here", good.server(t, nil), func(c *Config, port string) { c.Master = "http://127.0.0.1:" + port }, "HTTP request to an HTTPS server"},
	} {
		r := newRig(t, minimesos.Config{TLS: test.master})
		log := r.watchLog()
		r.cfg.CAFile = ca.file
		_, port, err := net.SplitHostPort(strings.SplitAfter(r.cluster.URL(), "//")[1])
		if err != nil {
			t.Fatal(err)
		}
		test.change(&r.cfg, port)
		r.start()
		r.said(log, "not connected to the master at "+r.cfg.Master, test.want, "retrying")
		r.fw.Stop()
	}
	r := newRig(t, minimesos.Config{TLS: good.server(t, ca), Masters: 2})
	log := r.watchLog()
	r.cfg.CAFile, r.cfg.Master = ca.file, r.cluster.URLs()[1] // it redirects, without a scheme
	r.cfg.ClientCert, r.cfg.ClientKey = strange.cert, strange.key
	r.start()
	r.said(log, "it ends the TLS handshake (does it want another --client-cert?)")
	for from, to := range map[string]string{ours.cert: strange.cert, ours.key: strange.key} {
		data, err := os.ReadFile(from)
		if err == nil {
			err = os.WriteFile(to, data, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	r.wait("the subscription", func() bool { return r.fw.Status().Connected })
	if s := r.fw.Status(); s.Master != r.cluster.URL() || !strings.HasPrefix(s.Master, "https://") {
		t.Errorf("master %s", s.Master)
	}
}

// The secret is read again at each attempt, also when the masters change theirs while we are subscribed.
func TestSecretChanges(t *testing.T) {
	t.Parallel()
	r := newRig(t, minimesos.Config{Credentials: map[string]string{"sluice": "first"}})
	log := r.watchLog()
	r.start()
	r.said(log, "it wants authentication (401): give --principal and --secret-file")
	r.fw.Stop()
	r.cfg.Principal, r.cfg.SecretFile = "sluice", filepath.Join(t.TempDir(), "secret")
	write := func(secret string) {
		if err := os.WriteFile(r.cfg.SecretFile, []byte(secret+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("first")
	r.start()
	r.want(4)
	before := r.tasks()
	r.cluster.SetCredentials(map[string]string{"sluice": "second"})
	r.goal = 0
	r.batch.need(nil) // the next call is refused
	r.said(log, "it refuses the principal and secret (401)")
	if after := r.tasks(); !slices.Equal(before, after) {
		t.Errorf("tasks %v, were %v", after, before)
	}
	write("second")
	r.wait("calls that are taken again", func() bool { return r.fw.Status().Connected && len(r.tasks()) == 0 })
}
