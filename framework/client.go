package framework

import (
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

	mesos "github.com/mesos/mesos-go/api/v1/lib"
	"github.com/mesos/mesos-go/api/v1/lib/client"
	"github.com/mesos/mesos-go/api/v1/lib/encoding/codecs"
	"github.com/mesos/mesos-go/api/v1/lib/encoding/framing"
	"github.com/mesos/mesos-go/api/v1/lib/httpcli"
	"github.com/mesos/mesos-go/api/v1/lib/scheduler"
)

const (
	schedulerPath  = "/api/v1/scheduler"
	streamIDHeader = "Mesos-Stream-Id"
	dialTimeout    = 5 * time.Second
	answerTimeout  = 15 * time.Second
	maxErrorText   = 4 << 10
	maxRedirects   = 5
)

// transport is the HTTP side. Streams and calls have connections of their own: a call on a stream's connection would be
// answered into the middle of the stream.
type transport struct {
	streams, calls *http.Client
}

func newTransport(security *tls.Config) *transport {
	newClient := func() *http.Client {
		dialer := &net.Dialer{Timeout: dialTimeout, KeepAlive: 30 * time.Second}
		return &http.Client{
			Transport: &http.Transport{
				Proxy: http.ProxyFromEnvironment, DialContext: dialer.DialContext, TLSClientConfig: security,
				TLSHandshakeTimeout: dialTimeout, ResponseHeaderTimeout: answerTimeout,
				MaxIdleConnsPerHost: maxAcknowledging, IdleConnTimeout: time.Minute, DisableCompression: true,
			},
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		}
	}
	return &transport{streams: newClient(), calls: newClient()}
}

func (t *transport) close() {
	t.streams.CloseIdleConnections()
	t.calls.CloseIdleConnections()
}

// refusal is an answer other than 2xx: the master did not do what was asked.
type refusal struct {
	code     int
	text     string // its body
	location string
}

func (r *refusal) Error() string {
	switch r.code {
	case http.StatusTemporaryRedirect:
		return "it is not the leader"
	case http.StatusUnauthorized:
		return "it refuses the principal and secret (401): check --principal and --secret-file, which is read again at each attempt"
	}
	text := strings.TrimSpace(r.text)
	if text == "" {
		text = http.StatusText(r.code)
	}
	return fmt.Sprintf("%s (%d)", text, r.code)
}

// lost says that the subscription under which the call was made is over, so that no call can succeed any more.
func (r *refusal) lost() bool {
	switch r.code {
	case http.StatusTemporaryRedirect, http.StatusForbidden, http.StatusUnauthorized, http.StatusNotFound,
		http.StatusServiceUnavailable:
		return true
	case http.StatusBadRequest:
		return strings.Contains(r.text, "stream ID") || strings.Contains(r.text, "Framework cannot be found")
	}
	return false
}

// passing says that the same call may succeed later.
func (r *refusal) passing() bool {
	return r.code == http.StatusTooManyRequests || r.code >= 500
}

// endpoint is one master's scheduler API.
type endpoint struct {
	url       string // scheme://host:port
	principal string
	secret    string
}

// client makes a mesos-go client for calls (or for the stream) at an endpoint.
func (t *transport) client(e endpoint, stream bool) *httpcli.Client {
	do := t.calls.Do
	if stream {
		do = t.streams.Do
	}
	c := httpcli.New(
		httpcli.Endpoint(e.url+schedulerPath),
		httpcli.Codec(codecs.ByMediaType[codecs.MediaTypeProtobuf]),
		httpcli.Do(do),
		httpcli.ErrorMapper(refusalOf),
	)
	if e.principal != "" && e.secret != "" {
		c.With(httpcli.RequestOptions(func(r *http.Request) { r.SetBasicAuth(e.principal, e.secret) }))
	}
	if stream {
		c.With(httpcli.HandleResponse(func(res *http.Response, class client.ResponseClass, err error) (mesos.Response, error) {
			if err != nil || res.StatusCode != http.StatusOK {
				return c.HandleResponse(res, class, err)
			}
			records := func() framing.Reader { return newRecordReader(res.Body) }
			decoder := codecs.ByMediaType[codecs.MediaTypeProtobuf].NewDecoder(records)
			return &httpcli.Response{Closer: res.Body, Decoder: decoder, Header: res.Header}, nil
		}))
	}
	return c
}

func refusalOf(res *http.Response) error {
	if res.StatusCode < 300 {
		return nil
	}
	// The body only explains; without it the status says enough.
	text, _ := io.ReadAll(io.LimitReader(res.Body, maxErrorText))
	err := &refusal{code: res.StatusCode, text: string(text), location: res.Header.Get("Location")}
	return errors.Join(err, res.Body.Close())
}

// send makes a call other than SUBSCRIBE.
func (t *transport) send(ctx context.Context, e endpoint, streamID string, call *scheduler.Call) error {
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	response, err := t.client(e, false).Send(client.RequestSingleton(call), client.ResponseClassNoData,
		httpcli.Header(streamIDHeader, streamID), httpcli.Context(ctx))
	if response != nil {
		err = errors.Join(err, response.Close())
	}
	return err
}

// subscribe opens the event stream, at the leader that e redirects to. The stream lives until ctx ends or it is closed.
func (t *transport) subscribe(ctx context.Context, e endpoint, call *scheduler.Call) (endpoint, *httpcli.Response, error) {
	for range maxRedirects {
		response, err := t.client(e, true).Send(client.RequestSingleton(call), client.ResponseClassAuto, httpcli.Context(ctx))
		if err == nil {
			stream, ok := response.(*httpcli.Response)
			if ok && stream.Header.Get(streamIDHeader) != "" {
				return e, stream, nil
			}
			err = errors.New("it answered SUBSCRIBE without an event stream")
			if response != nil { // it is nil for 202
				err = errors.Join(err, response.Close())
			}
			return e, nil, err
		}
		refused, ok := errors.AsType[*refusal](err)
		if ok && refused.code == http.StatusTemporaryRedirect {
			if e.url, err = redirected(e.url, refused.location); err == nil {
				continue
			}
		}
		if ok && refused.code == http.StatusUnauthorized && e.secret == "" {
			err = errAnonymous
		}
		if failed, ok := errors.AsType[*url.Error](err); ok {
			err = failed.Err // its text is the url once more
		}
		return e, nil, explained(err)
	}
	return e, nil, fmt.Errorf("the masters redirect in a circle, %d times", maxRedirects)
}

var errAnonymous = errors.New("it wants authentication (401): give --principal and --secret-file")

// redirected is the leader that a Location names, mostly without a scheme: //host:port/path.
func redirected(from, location string) (string, error) {
	base, err := url.Parse(from)
	if err != nil {
		return "", fmt.Errorf("read master url: %w", err)
	}
	to, err := base.Parse(location)
	if err != nil || location == "" || to.Host == "" {
		return "", fmt.Errorf("it redirects to %q, which is no url", location)
	}
	if base.Scheme == "https" && to.Scheme != "https" {
		return "", fmt.Errorf("it redirects to %s: our secret must not leave TLS", to.Redacted())
	}
	return to.Scheme + "://" + to.Host, nil
}

// sent says whether a failed call may have reached the master.
func sent(err error) bool {
	if _, ok := errors.AsType[*refusal](err); ok {
		return false
	}
	if op, ok := errors.AsType[*net.OpError](err); ok && op.Op == "dial" {
		return false
	}
	return true
}
