package wire

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"sluice/queue"
)

// Names of environment variables and of the socket in the state dir.
const (
	EnvAPI = "SLUICE_API" // address of the daemon
	// EnvMachines is the machines of a parallel job with their slots, "m1 2 m2 1 "; LSB_HOSTS names hosts, which no network knows.
	EnvMachines = "SLUICE_MACHINES"
	EnvToken    = "SLUICE_TOKEN_FILE" //nolint:gosec // the name of a variable that holds a path
	SocketName  = "api.sock"
)

// maxAnswer is the most bytes of one answer, or of one line of a streamed one.
const maxAnswer = 64 << 20

// Options say how a Client reaches its daemon. The zero value reads the environment.
type Options struct {
	API       string      // "" = SLUICE_API or else the socket in StateDir
	StateDir  string      // "" = DefaultStateDir, or the system's one where only that has a socket
	TokenFile string      // for http and https: its first line is the bearer token; "" = SLUICE_TOKEN_FILE
	TLS       *tls.Config // for https; nil = the system's certificates
}

// Client speaks the client API of a daemon. It is safe for concurrent use. Refused commands come back as *queue.Error.
type Client struct {
	where endpoint
	token string
	tls   *tls.Config
	http  *http.Client
}

// NewClient makes a Client; it connects with the first call.
func NewClient(o Options) (*Client, error) {
	where, err := parseAPI(o.address())
	if err != nil {
		return nil, err
	}
	c := &Client{where: where, tls: o.TLS}
	if path := cmp.Or(o.TokenFile, os.Getenv(EnvToken)); where.socket == "" && path != "" {
		if c.token, err = readToken(path); err != nil {
			return nil, err
		}
	}
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) { return where.dial(ctx, o.TLS) }
	c.http = &http.Client{
		Transport:     &http.Transport{DialContext: dial, DialTLSContext: dial, MaxIdleConnsPerHost: 64, IdleConnTimeout: time.Minute},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return c, nil
}

// API is the address that the client speaks to.
func (c *Client) API() string { return c.where.api }

// Close closes idle connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// DefaultStateDir is where a daemon keeps its state unless told otherwise: /var/lib/sluice for root, else
// $XDG_STATE_HOME/sluice or ~/.local/state/sluice.
func DefaultStateDir() string {
	if os.Geteuid() == 0 {
		return systemStateDir
	}
	if dir := os.Getenv("XDG_STATE_HOME"); filepath.IsAbs(dir) {
		return filepath.Join(dir, "sluice")
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return systemStateDir
	}
	return filepath.Join(home, ".local", "state", "sluice")
}

const systemStateDir = "/var/lib/sluice"

func (o Options) address() string {
	if api := cmp.Or(o.API, os.Getenv(EnvAPI)); api != "" {
		return api
	}
	socket := filepath.Join(cmp.Or(o.StateDir, DefaultStateDir()), SocketName)
	if o.StateDir == "" {
		system := filepath.Join(systemStateDir, SocketName)
		if _, err := os.Stat(socket); errors.Is(err, os.ErrNotExist) {
			if _, err := os.Stat(system); err == nil {
				socket = system
			}
		}
	}
	if absolute, err := filepath.Abs(socket); err == nil {
		socket = absolute
	}
	return "unix://" + socket
}

func readToken(path string) (string, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return "", fmt.Errorf("read token file: %w", err)
	}
	line, _, _ := strings.Cut(string(data), "\n")
	if line = strings.TrimSpace(line); line == "" {
		return "", fmt.Errorf("read token file %s: its first line is empty", path)
	}
	return line, nil
}

// call sends in (nil = no body) as JSON and gives the answer's body, which the caller closes.
func (c *Client) call(ctx context.Context, method, path string, in any) (io.ReadCloser, error) {
	if in == nil {
		return c.send(ctx, method, path, http.NoBody, "")
	}
	data, err := json.Marshal(in)
	if err != nil {
		return nil, fmt.Errorf("encode request: %w", err)
	}
	if len(data) > MaxBody {
		return nil, &queue.Error{Kind: queue.KindInvalid, Text: fmt.Sprintf("request of %d bytes: at most %d are taken", len(data), MaxBody)}
	}
	return c.send(ctx, method, path, bytes.NewReader(data), "application/json")
}

// send sends a request and gives the answer's body, which the caller closes.
func (c *Client) send(ctx context.Context, method, path string, body io.Reader, kind string) (io.ReadCloser, error) {
	request, err := http.NewRequestWithContext(ctx, method, c.where.base+path, body)
	if err != nil {
		return nil, fmt.Errorf("make request: %w", err)
	}
	if kind != "" {
		request.Header.Set("Content-Type", kind)
	}
	if c.token != "" {
		request.Header.Set("Authorization", "Bearer "+c.token)
	}
	response, err := c.http.Do(request)
	if err != nil {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		return nil, c.where.unreachable(err)
	}
	if response.StatusCode/100 != 2 {
		return nil, errors.Join(readError(response), response.Body.Close())
	}
	return response.Body, nil
}

// fetch is call for an answer that is one JSON value.
func fetch[T any](ctx context.Context, c *Client, method, path string, in any) (answer T, err error) {
	body, err := c.call(ctx, method, path, in)
	if err != nil {
		return answer, err
	}
	return read[T](ctx, c, body)
}

// read reads an answer that is one JSON value, and closes it.
func read[T any](ctx context.Context, c *Client, body io.ReadCloser) (answer T, err error) {
	data, err := io.ReadAll(io.LimitReader(body, maxAnswer+1))
	if err = errors.Join(err, body.Close()); err != nil {
		return answer, c.broken(ctx, err)
	}
	if len(data) > maxAnswer {
		return answer, fmt.Errorf("read answer: more than %d bytes", maxAnswer)
	}
	if err := json.Unmarshal(data, &answer); err != nil {
		return answer, fmt.Errorf("decode answer: %w", err)
	}
	return answer, nil
}

// broken is the error of an answer that stopped half-way.
func (c *Client) broken(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return &queue.Error{
		Kind: queue.KindUnavailable, Subject: c.where.api,
		Text: fmt.Sprintf("the daemon at %s broke off its answer: %v", c.where.api, rootCause(err)),
	}
}
