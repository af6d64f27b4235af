package wire

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"sluice/queue"
)

// HostPath is where a host upgrades its HTTP connection.
const HostPath = "/v1/host"

const (
	upgradeProtocol = "sluice-host/1"
	dialTimeout     = 10 * time.Second
)

// Accept upgrades the HTTP/1.1 connection of a host, for the daemon. On error it has answered the request.
func Accept(w http.ResponseWriter, r *http.Request) (*Conn, error) {
	return accept(w, r, upgradeProtocol)
}

func accept(w http.ResponseWriter, r *http.Request, protocol string) (*Conn, error) {
	if !strings.EqualFold(r.Header.Get("Upgrade"), protocol) || r.ProtoMajor != 1 {
		err := &queue.Error{Kind: queue.KindInvalid, Text: "want an HTTP/1.1 request with Upgrade: " + protocol}
		w.Header().Set("Upgrade", protocol)
		WriteError(w, err)
		return nil, err
	}
	raw, buffered, err := http.NewResponseController(w).Hijack()
	if err != nil {
		err = fmt.Errorf("upgrade connection: %w", err)
		WriteError(w, err)
		return nil, err
	}
	answer := "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: " + protocol + "\r\n\r\n"
	err = raw.SetDeadline(time.Time{})
	if err == nil {
		_, err = io.WriteString(raw, answer)
	}
	if err != nil {
		return nil, fmt.Errorf("upgrade connection: %w", errors.Join(err, raw.Close()))
	}
	return newConn(raw, buffered.Reader), nil
}

// DialHost connects a host to the daemon at api (unix:///path, http://… or https://…). config is for https; nil means
// the system's certificates.
func DialHost(ctx context.Context, api string, config *tls.Config) (*Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	where, err := parseAPI(api)
	if err != nil {
		return nil, err
	}
	raw, err := where.dial(ctx, config)
	if err != nil {
		return nil, where.unreachable(err)
	}
	conn, err := upgrade(ctx, raw, where.base+HostPath, upgradeProtocol, http.Header{})
	if err != nil {
		return nil, fmt.Errorf("join daemon at %s: %w", api, errors.Join(err, raw.Close()))
	}
	return conn, nil
}

func upgrade(ctx context.Context, raw net.Conn, url, protocol string, header http.Header) (*Conn, error) {
	stop := context.AfterFunc(ctx, func() { _ = raw.SetDeadline(time.Unix(1, 0)) }) // an error shows in the read
	defer stop()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return nil, err
	}
	request.Header = header
	request.Header.Set("Connection", "Upgrade")
	request.Header.Set("Upgrade", protocol)
	if err := request.Write(raw); err != nil {
		return nil, err
	}
	buffered := bufio.NewReader(raw)
	response, err := http.ReadResponse(buffered, request)
	if err != nil {
		return nil, err
	}
	if response.StatusCode != http.StatusSwitchingProtocols {
		return nil, errors.Join(readError(response), response.Body.Close())
	}
	if !stop() {
		return nil, ctx.Err()
	}
	return newConn(raw, buffered), raw.SetDeadline(time.Time{})
}

// endpoint is a parsed API address.
type endpoint struct {
	api    string
	socket string // path of the unix socket; "" = TCP
	base   string // URL before the path
	host   string // host:port
	tls    bool
}

func parseAPI(api string) (endpoint, error) {
	bad := func(why string) (endpoint, error) {
		return endpoint{}, &queue.Error{
			Kind: queue.KindInvalid, Subject: api,
			Text: fmt.Sprintf("API address %q: %s; want unix:///path, http://host:port or https://host:port", api, why),
		}
	}
	if path, ok := strings.CutPrefix(api, "unix://"); ok {
		if !strings.HasPrefix(path, "/") {
			return bad("the socket's path is not absolute")
		}
		return endpoint{api: api, socket: path, base: "http://sluice"}, nil
	}
	u, err := url.Parse(api)
	switch {
	case err != nil:
		return bad("not a URL")
	case u.Scheme != "http" && u.Scheme != "https":
		return bad("unknown scheme")
	case u.Host == "":
		return bad("no host")
	case u.User != nil || u.RawQuery != "" || u.Fragment != "":
		return bad("more than a host and a port")
	}
	e := endpoint{api: api, base: u.Scheme + "://" + u.Host, host: u.Host, tls: u.Scheme == "https"}
	if u.Port() == "" {
		e.host = net.JoinHostPort(u.Hostname(), map[bool]string{true: "443", false: "80"}[e.tls])
	}
	return e, nil
}

func (e endpoint) dial(ctx context.Context, config *tls.Config) (net.Conn, error) {
	var dialer net.Dialer
	switch {
	case e.socket != "":
		return dialer.DialContext(ctx, "unix", e.socket)
	case e.tls:
		return (&tls.Dialer{Config: config}).DialContext(ctx, "tcp", e.host)
	default:
		return dialer.DialContext(ctx, "tcp", e.host)
	}
}
