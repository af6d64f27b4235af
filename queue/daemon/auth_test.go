package daemon

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"sluice/queue"
	"sluice/queue/wire"
)

func TestTokens(t *testing.T) {
	dir := t.TempDir()
	file := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	tokens := file("tokens", "# who\nada:0123456789abcdef0\n\nroot:fedcba98765432100\n")
	b := newBench(t, func(c *Config) { c.TokenFile = tokens })
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := b.ServeTCP(l, nil); err != nil {
		t.Fatal(err)
	}
	url := "http://" + l.Addr().String()
	client := func(token string) *wire.Client {
		t.Helper()
		o := wire.Options{API: url}
		if token != "" {
			o.TokenFile = file("token", token)
		}
		c, err := wire.NewClient(o)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(c.Close)
		return c
	}
	ctx := context.Background()
	for _, bad := range []string{"", "wrong", "0123456789abcdef", "ada:0123456789abcdef0"} {
		if _, err := client(bad).Submit(ctx, command("true")); queue.KindOf(err) != queue.KindDenied {
			t.Errorf("token %q: %v", bad, err)
		}
	}
	ada, root := client("0123456789abcdef0"), client("fedcba98765432100")
	who, err := ada.Cluster(ctx)
	if err != nil || who.User != "ada" || who.Admin {
		t.Errorf("ada is %+v: %v", who, err)
	}
	done, err := ada.Submit(ctx, queue.Spec{Command: "true", User: "root", MinSlots: 1, MaxSlots: 1})
	if err != nil || b.job(done.ID).Spec.User != "ada" {
		t.Errorf("ada submitted as another: %v", err)
	}
	theirs, err := root.Submit(ctx, command("true"))
	if err != nil {
		t.Fatal(err)
	}
	refused := func(by *wire.Client, ask wire.ActRequest) error {
		t.Helper()
		var refused error
		if err := by.Act(ctx, ask, func(a wire.Acted) error {
			refused = a.Error.Err()
			return nil
		}); err != nil {
			t.Error(err)
		}
		return refused
	}
	for _, action := range []wire.Action{wire.Kill, wire.ForceKill, wire.Stop, wire.Resume, wire.Requeue, wire.Switch, wire.Top, wire.Bottom, wire.Modify} {
		wantCode(t, refused(ada, wire.ActRequest{Action: action, IDs: []queue.ID{theirs.ID}, Queue: "idle", Spec: &queue.Spec{}}), queue.NotYours)
	}
	_, err = ada.Peek(ctx, theirs.ID, wire.PeekRequest{})
	wantCode(t, err, queue.NotYours)
	if state := b.job(theirs.ID).State; state != queue.Pending {
		t.Errorf("root's job is %v", state)
	}
	if err := refused(root, wire.ActRequest{Action: wire.Kill, IDs: []queue.ID{done.ID}}); err != nil {
		t.Errorf("an administrator may not: %v", err)
	}
	no := false
	wantCode(t, ada.SetQueue(ctx, "normal", wire.Change{Open: &no}), queue.QueueDenied)
	if err := ada.SetHost(ctx, "h1", false); queue.KindOf(err) != queue.KindDenied {
		t.Errorf("ada closes a host: %v", err)
	}
}

func TestTokenFiles(t *testing.T) {
	dir := t.TempDir()
	for i, test := range []struct {
		text, want string
		mode       os.FileMode
	}{
		{"ada:0123456789abcdef", "", 0o600},
		{"ada:0123456789abcdef", "can be read by others", 0o640},
		{"ada 0123456789abcdef", "line 1", 0o600},
		{"\n:0123456789abcdef", "line 2", 0o600},
		{"ada:short", "shorter than 16", 0o600},
	} {
		path := filepath.Join(dir, fmt.Sprint(i))
		if err := os.WriteFile(path, []byte(test.text), test.mode); err != nil {
			t.Fatal(err)
		}
		_, err := openDirectory(nil, path)
		if (err == nil) != (test.want == "") || err != nil && !strings.Contains(err.Error(), test.want) {
			t.Errorf("%q: %v, want %q", test.text, err, test.want)
		}
	}
	if _, err := openDirectory(nil, filepath.Join(dir, "none")); err == nil {
		t.Error("a missing token file was taken")
	}
}

func FuzzTokens(f *testing.F) {
	f.Add([]byte("ada:0123456789abcdef\n# x\n\nroot:fedcba9876543210"))
	f.Add([]byte("ada"))
	f.Fuzz(func(t *testing.T, data []byte) {
		tokens, err := parseTokens(data)
		for _, c := range tokens {
			if err == nil && (c.user == "" || c.hash == sha256.Sum256(nil)) {
				t.Fatalf("a credential of %q for nobody or nothing", data)
			}
		}
	})
}

// dialAs connects to a unix socket as another user, which only root can: the system notes who a thread is when it connects.
func dialAs(socket string, uid int) (net.Conn, error) {
	type outcome struct {
		net.Conn
		error
	}
	result := make(chan outcome)
	go func() {
		runtime.LockOSThread() // for good: the thread ends with the goroutine
		if _, _, e := syscall.RawSyscall(syscall.SYS_SETRESUID, uintptr(uid), uintptr(uid), uintptr(uid)); e != 0 {
			result <- outcome{nil, e}
			return
		}
		c, err := net.Dial("unix", socket)
		result <- outcome{c, err}
	}()
	got := <-result
	return got.Conn, got.error
}

// TestPeers speaks to the socket as another user where the test is root's, else as its own, which is an administrator then.
func TestPeers(t *testing.T) {
	b := newBench(t, nil)
	for _, dir := range []string{b.dir, filepath.Dir(b.dir)} {
		if err := os.Chmod(dir, 0o711); err != nil {
			t.Fatal(err)
		}
	}
	uid, name, admin := os.Geteuid(), me(), true
	if uid == 0 {
		uid, name, admin = 54321, "54321", false
	}
	transport := &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) {
		return dialAs(b.socket(), uid)
	}}
	defer transport.CloseIdleConnections()
	id := b.submit(command("true"))
	ask := func(path, body string) string {
		t.Helper()
		method := http.MethodPost
		if body == "" {
			method = http.MethodGet
		}
		request, err := http.NewRequest(method, "http://sluice"+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		response, err := transport.RoundTrip(request)
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		answer, err := io.ReadAll(response.Body)
		if err != nil {
			t.Fatal(err)
		}
		return string(answer)
	}
	if got := ask("/v1/cluster", ""); !strings.Contains(got, fmt.Sprintf(`"user":%q,"admin":%v`, name, admin)) {
		t.Errorf("user %s is told %s", name, got)
	}
	if got := ask("/v1/jobs", `{"spec":{"command":"true","user":"root","minSlots":1,"maxSlots":1,"env":[],"need":{}}}`); !strings.Contains(got, `"id":"2"`) ||
		b.job(queue.ID{Job: 2}).Spec.User != name {
		t.Errorf("user %s submits: %s", name, got)
	}
	if got := ask("/v1/jobs/act", `{"action":"kill","ids":["`+id.String()+`"],"filter":{}}`); strings.Contains(got, `"code":"not_yours"`) == admin {
		t.Errorf("user %s kills another's job: %s", name, got)
	}
	if got := ask("/v1/queues/normal", `{"open":false}`); strings.Contains(got, `"denied"`) == admin {
		t.Errorf("user %s closes a queue: %s", name, got)
	}
}

func TestHandle(t *testing.T) {
	b := newBench(t, nil)
	answer := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		a, ok := ActorOf(r.Context())
		wire.WriteJSON(w, http.StatusOK, map[string]any{"user": a.User, "admin": a.Admin, "known": ok})
	})
	d := b.Daemon
	d.Handle("GET /v1/status", User, answer)
	d.Handle("POST /v1/control", Admin, answer)
	d.Handle("GET /metrics", Public, answer)
	status, err := b.client.Status(context.Background())
	if err != nil || !strings.Contains(string(status), me()) {
		t.Errorf("status is %s: %v", status, err)
	}
	if control, err := b.client.Control(context.Background(), map[string]string{"order": "pause"}); err != nil || !strings.Contains(string(control), `"admin":true`) {
		t.Errorf("control says %s: %v", control, err)
	}
	for path, want := range map[string]int{"/v1/status": 401, "/metrics": 200, "/v1/jobs": 401, "/v1/nosuch": 404, "/v1/health": 200} {
		w := httptest.NewRecorder()
		method := http.MethodGet
		if path == "/v1/jobs" {
			method = http.MethodPost
		}
		d.Handler().ServeHTTP(w, httptest.NewRequest(method, path, http.NoBody))
		if w.Code != want {
			t.Errorf("%s of nobody is answered %d, want %d", path, w.Code, want)
		}
	}
}

func TestBinary(t *testing.T) {
	program := filepath.Join(t.TempDir(), "program")
	if err := os.WriteFile(program, []byte("the program"), 0o755); err != nil {
		t.Fatal(err)
	}
	b := newBench(t, func(c *Config) { c.HostLocal, c.HostBinary = false, program })
	if err := os.Remove(program); err != nil { // as an upgrade does
		t.Fatal(err)
	}
	sum := sha256.Sum256([]byte("the program"))
	get := func(name string) (int, string) {
		t.Helper()
		w := httptest.NewRecorder()
		b.Handler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/v1/bin/"+name, http.NoBody))
		body, err := io.ReadAll(w.Body)
		if err != nil {
			t.Fatal(err)
		}
		return w.Code, string(body)
	}
	if code, body := get(hex.EncodeToString(sum[:])); code != http.StatusOK || body != "the program" {
		t.Errorf("answered %d: %s", code, body)
	}
	if code, _ := get(strings.Repeat("0", 64)); code != http.StatusNotFound {
		t.Errorf("another program is answered %d", code)
	}
}

func TestBadRequests(t *testing.T) {
	b := newBench(t, nil)
	transport := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", b.socket())
	}}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport}
	for _, test := range []struct {
		path, body string
		want       int
	}{
		{"/v1/jobs", "", 400},
		{"/v1/jobs", "[]", 400},
		{"/v1/jobs", `{"spec":{"nosuch":1}}`, 400},
		{"/v1/jobs", `{"spec":{"command":"` + strings.Repeat("x", maxSubmitBody) + `"}}`, 400},
		{"/v1/jobs/batch", `{"envs":[],"jobs":[{"spec":{"command":"x"},"env":0}]}`, 400},
		{"/v1/jobs/query", `{"filter":{"ids":["x"]}}`, 400},
		{"/v1/jobs/act", `{"action":"kill","signal":"9"}`, 400},
		{"/v1/queues/normal", `{"open":"no"}`, 400},
		{"/v1/hosts/h1", `{"active":true}`, 400},
		{"/v1/nosuch", "", 404},
	} {
		response, err := client.Post("http://sluice"+test.path, "application/json", strings.NewReader(test.body))
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(response.Body)
		if err != nil {
			t.Fatal(err)
		}
		if err := response.Body.Close(); err != nil {
			t.Fatal(err)
		}
		if response.StatusCode != test.want || !strings.Contains(string(body), `"error":{"kind":"`) {
			t.Errorf("%s %.40s: %d %s", test.path, test.body, response.StatusCode, body)
		}
	}
	if jobs := b.jobs(wire.JobsRequest{}); len(jobs) != 0 {
		t.Errorf("bad requests made jobs: %v", jobs)
	}
}

func TestSocket(t *testing.T) {
	b := newBench(t, nil)
	info, err := os.Stat(b.socket())
	if err != nil || info.Mode().Perm() != 0o666 {
		t.Errorf("the socket is %v: %v", info.Mode(), err)
	}
	if err := b.ServeUnix(b.socket()); err == nil || !strings.Contains(err.Error(), "another daemon listens there") {
		t.Errorf("a socket in use: %v", err)
	}
	if err := b.ServeUnix("/" + strings.Repeat("x", 200)); err == nil || !strings.Contains(err.Error(), "at most 107") {
		t.Errorf("a long path: %v", err)
	}
	plain := filepath.Join(b.dir, "plain")
	if err := os.WriteFile(plain, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := b.ServeUnix(plain); err == nil {
		t.Error("a plain file was replaced")
	}
	if data, err := os.ReadFile(plain); err != nil || string(data) != "precious" {
		t.Errorf("the file is %q: %v", data, err)
	}
	b.Stop()
	b.Stop()
	if _, err := b.client.Queues(context.Background()); queue.KindOf(err) != queue.KindUnavailable {
		t.Errorf("a stopped daemon: %v", err)
	}
	if _, err := b.Poll(context.Background()); queue.KindOf(err) != queue.KindUnavailable {
		t.Errorf("a stopped daemon's poll: %v", err)
	}
}
