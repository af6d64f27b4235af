package testneed

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"
)

const (
	zookeeperJar  = "/usr/share/java/zookeeper.jar" // of Debian's package; its manifest names the jars that it needs
	zookeeperMain = "org.apache.zookeeper.server.ZooKeeperServerMain"
	startTimeout  = 60 * time.Second
)

// ZooKeeper is a ZooKeeper server of a test, on a free port of the loopback interface, with a data directory of its own.
// Sessions may be as short as 400 ms. Its methods are for one goroutine at a time.
type ZooKeeper struct {
	t       testing.TB
	address string
	dir     string
	server  *exec.Cmd
	out     *lockedBuffer
}

// lockedBuffer is what the server has said.
type lockedBuffer struct {
	mu   sync.Mutex
	data bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.data.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.data.String()
}

// StartZooKeeper starts a server that ends with the test. Where ZooKeeper is not installed, the test ends as with Need.
func StartZooKeeper(t testing.TB) *ZooKeeper {
	t.Helper()
	Need(t, "java")
	needFile(t, zookeeperJar)
	z := &ZooKeeper{t: t, dir: t.TempDir(), address: freeAddress(t)}
	_, port, err := net.SplitHostPort(z.address)
	if err != nil {
		t.Fatal(err)
	}
	config := fmt.Sprintf("tickTime=200\nminSessionTimeout=400\nmaxSessionTimeout=60000\ndataDir=%s\nclientPortAddress=127.0.0.1\n"+
		"clientPort=%s\nadmin.enableServer=false\nmaxClientCnxns=0\n", filepath.Join(z.dir, "data"), port)
	if err := os.WriteFile(z.config(), []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(z.Stop)
	z.Start()
	return z
}

// needFile ends the test as Need does where a file of a package is missing.
func needFile(t testing.TB, path string) {
	t.Helper()
	_, err := os.Stat(path)
	switch {
	case err == nil:
	case os.Getenv("CI") == "true":
		t.Fatalf("find file (add its package to scripts/ci-deps): %v", err)
	default:
		t.Skipf("needs a file: %v", err)
	}
}

// freeAddress is one that nobody listens on; another process could take it before the server does, and the test would fail.
func freeAddress(t testing.TB) string {
	t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close() //nolint:errcheck // nothing was written
	return listener.Addr().String()
}

func (z *ZooKeeper) config() string { return filepath.Join(z.dir, "zoo.cfg") }

// Address is host:port of the server, also while it is stopped.
func (z *ZooKeeper) Address() string { return z.address }

// Start starts a stopped server with the data that it had, and waits until it serves.
func (z *ZooKeeper) Start() {
	z.t.Helper()
	z.out = &lockedBuffer{}
	z.server = exec.CommandContext(context.Background(), "java",
		"-Xmx96m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-cp", zookeeperJar, zookeeperMain, z.config())
	z.server.Stdout, z.server.Stderr = z.out, z.out
	if err := z.server.Start(); err != nil {
		z.t.Fatalf("start ZooKeeper: %v", err)
	}
	deadline := time.Now().Add(startTimeout)
	ticker := time.NewTicker(50 * time.Millisecond)
	defer ticker.Stop()
	for !z.serves() {
		if time.Now().After(deadline) {
			z.t.Fatalf("ZooKeeper does not serve at %s: %s", z.address, z.out)
		}
		<-ticker.C
	}
}

// serves asks for the server's state, as `echo srvr | nc` does.
func (z *ZooKeeper) serves() bool {
	conn, err := (&net.Dialer{Timeout: time.Second}).DialContext(z.t.Context(), "tcp", z.address)
	if err != nil {
		return false
	}
	defer conn.Close() //nolint:errcheck // what was read counts
	if err := conn.SetDeadline(time.Now().Add(time.Second)); err != nil {
		return false
	}
	if _, err := io.WriteString(conn, "srvr"); err != nil {
		return false
	}
	answer, err := io.ReadAll(conn)
	return err == nil && bytes.Contains(answer, []byte("Mode:"))
}

// Stop kills the server as kill -9 does. Calling it again does nothing.
func (z *ZooKeeper) Stop() {
	if z.server == nil {
		return
	}
	if err := z.server.Process.Kill(); err != nil {
		z.t.Errorf("kill ZooKeeper: %v", err)
	}
	_ = z.server.Wait() // it was killed
	z.server = nil
}
