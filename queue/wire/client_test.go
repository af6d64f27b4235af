package wire

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sluice/queue"
)

func TestErrorsTravel(t *testing.T) {
	for kind := queue.KindInternal; kind <= queue.KindUnavailable; kind++ {
		want := &queue.Error{Kind: kind, Code: queue.NoSuchQueue, Subject: "q1", Text: "q1: No such queue"}
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { WriteError(w, fmt.Errorf("submit: %w", want)) }))
		c, err := NewClient(Options{API: server.URL})
		if err != nil {
			t.Fatal(err)
		}
		_, err = c.Queues(context.Background())
		got, ok := errors.AsType[*queue.Error](err)
		if !ok || got.Kind != want.Kind || got.Code != want.Code || got.Subject != want.Subject || got.Text != "submit: "+want.Text {
			t.Errorf("%+v came as %+v", want, err)
		}
		c.Close()
		server.Close()
	}
	if err := (*ErrorBody)(nil).Err(); err != nil {
		t.Error(err)
	}
	if body := NewErrorBody(nil); body != nil {
		t.Error(body)
	}
}

func TestForeignAnswers(t *testing.T) {
	tests := []struct {
		name, answer, want string
		status             int
		kind               queue.Kind
	}{
		{"not ours", "<html>", "403", 403, queue.KindDenied},
		{"empty", "", "503", 503, queue.KindUnavailable},
		{"other JSON", `{"error": {}}`, "500", 500, queue.KindInternal},
		{"redirect", "", "302", 302, queue.KindInternal},
		{"no JSON", "hello", "decode answer", 200, queue.KindInternal},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Location", "/elsewhere")
				w.WriteHeader(test.status)
				fmt.Fprint(w, test.answer)
			}))
			defer server.Close()
			c, err := NewClient(Options{API: server.URL})
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			_, err = c.Hosts(context.Background())
			if err == nil || !strings.Contains(err.Error(), test.want) || queue.KindOf(err) != test.kind {
				t.Errorf("error is %v (%v), want %q (%v)", err, queue.KindOf(err), test.want, test.kind)
			}
		})
	}
}

func TestStreamMustEnd(t *testing.T) {
	tests := []struct{ name, answer, want string }{
		{"cut", `{"item":{"id":"1"}}` + "\n", "broke off"},
		{"error", `{"item":{"id":"1"}}` + "\n" + `{"error":{"kind":"unavailable","text":"the disk is full"}}` + "\n", "the disk is full"},
		{"whole", `{"item":{"id":"1"}}` + "\n" + `{"end":true}` + "\n", "<nil>"},
		{"garbage", `{"item":{"id":"1"}}` + "\n" + `nonsense` + "\n", "decode answer"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, test.answer) }))
			defer server.Close()
			c, err := NewClient(Options{API: server.URL})
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			n := 0
			err = c.Jobs(context.Background(), JobsRequest{}, func(queue.Job) error {
				n++
				return nil
			})
			if n != 1 || !strings.Contains(fmt.Sprint(err), test.want) {
				t.Errorf("%d jobs, then %v; want %q", n, err, test.want)
			}
			stop := errors.New("enough")
			if err := c.Jobs(context.Background(), JobsRequest{}, func(queue.Job) error { return stop }); !errors.Is(err, stop) {
				t.Errorf("the caller's error came as %v", err)
			}
		})
	}
}

func TestUnreachable(t *testing.T) {
	dir := t.TempDir()
	stale := filepath.Join(dir, "stale.sock")
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: stale, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	l.SetUnlinkOnClose(false)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	tests := []struct{ api, want string }{
		{"unix://" + dir + "/none.sock", "daemon not running at " + dir + "/none.sock: start it with `sluice local` or `sluice run`"},
		{"unix://" + stale, "daemon not running at " + stale},
		{"http://127.0.0.1:1", "no daemon answers at http://127.0.0.1:1 (connection refused)"},
	}
	for _, test := range tests {
		c, err := NewClient(Options{API: test.api})
		if err != nil {
			t.Fatal(err)
		}
		_, err = c.Submit(context.Background(), queue.Spec{Command: "true"})
		if err == nil || !strings.HasPrefix(err.Error(), test.want) || queue.KindOf(err) != queue.KindUnavailable {
			t.Errorf("%s: %v, want %s", test.api, err, test.want)
		}
		if _, err := DialHost(context.Background(), test.api, nil); err == nil || !strings.HasPrefix(err.Error(), test.want) {
			t.Errorf("host at %s: %v, want %s", test.api, err, test.want)
		}
		c.Close()
	}
	cancelled, cancel := context.WithCancel(context.Background())
	cancel()
	c, err := NewClient(Options{API: tests[2].api})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Queues(cancelled); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

func TestAddresses(t *testing.T) {
	t.Setenv(EnvAPI, "")
	t.Setenv("XDG_STATE_HOME", "/xdg")
	want := "unix:///xdg/sluice/api.sock"
	if os.Geteuid() == 0 {
		want = "unix:///var/lib/sluice/api.sock"
	}
	c, err := NewClient(Options{})
	if err != nil || c.API() != want {
		t.Errorf("default address is %s, want %s (%v)", c.API(), want, err)
	}
	if c, err = NewClient(Options{StateDir: "/state"}); err != nil || c.API() != "unix:///state/api.sock" {
		t.Errorf("with a state dir: %s (%v)", c.API(), err)
	}
	t.Setenv(EnvAPI, "https://example.org:99")
	if c, err = NewClient(Options{StateDir: "/state"}); err != nil || c.API() != "https://example.org:99" || c.where.host != "example.org:99" {
		t.Errorf("with %s: %s (%v)", EnvAPI, c.API(), err)
	}
	if c, err = NewClient(Options{API: "http://[::1]"}); err != nil || c.where.host != "[::1]:80" {
		t.Errorf("without a port: %s (%v)", c.where.host, err)
	}
	for _, bad := range []string{"unix://relative", "ftp://host", "http://", "http://u:p@host", "http://host?x", "localhost:80", "http://h\x7f"} {
		if _, err := NewClient(Options{API: bad}); queue.KindOf(err) != queue.KindInvalid {
			t.Errorf("address %q: %v", bad, err)
		}
	}
}

func TestToken(t *testing.T) {
	var got string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got = r.Header.Get("Authorization")
		WriteJSON(w, http.StatusOK, []int{})
	}))
	defer server.Close()
	path := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(path, []byte("secret \nmore\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv(EnvToken, path)
	c, err := NewClient(Options{API: server.URL})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.Queues(context.Background()); err != nil || got != "Bearer secret" {
		t.Errorf("sent %q (%v)", got, err)
	}
	for _, bad := range []string{filepath.Join(t.TempDir(), "none"), os.DevNull} {
		if _, err := NewClient(Options{API: server.URL, TokenFile: bad}); err == nil {
			t.Errorf("token file %s was taken", bad)
		}
	}
}

func TestUpgradeIsRefused(t *testing.T) {
	refused := &queue.Error{Kind: queue.KindUnavailable, Text: "too many hosts are connected"}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { WriteError(w, refused) }))
	defer server.Close()
	if _, err := DialHost(context.Background(), server.URL, nil); !errors.Is(err, &queue.Error{Kind: queue.KindUnavailable}) {
		t.Errorf("error is %v", err)
	}
	plain := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if conn, err := Accept(w, r); err == nil {
			t.Errorf("a plain request was upgraded: %v", conn)
		}
	}))
	defer plain.Close()
	response, err := http.Get(plain.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusBadRequest {
		t.Errorf("a plain request was answered %s", response.Status)
	}
}

func TestUpgradeOverTLS(t *testing.T) {
	got := make(chan string, 1)
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, err := Accept(w, r)
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.Close()
		var m HostMessage
		if err := conn.Receive(&m, 0); err != nil {
			t.Error(err)
		}
		got <- m.GetHello().GetHost()
	}))
	defer server.Close()
	authorities := x509.NewCertPool()
	authorities.AddCert(server.Certificate())
	conn, err := DialHost(context.Background(), server.URL, &tls.Config{RootCAs: authorities, MinVersion: tls.VersionTLS12})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.Send(&HostMessage{Body: &HostMessage_Hello{Hello: &Hello{Host: "h1"}}}); err != nil {
		t.Fatal(err)
	}
	if host := <-got; host != "h1" {
		t.Errorf("heard of host %q", host)
	}
}
