package minimesos

import (
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/gogo/protobuf/proto"
	"github.com/mesos/mesos-go/api/v1/lib/scheduler"
)

// maxBodyBytes bounds a request, before and after decompression.
const maxBodyBytes = 32 << 20

const (
	streamIDHeader = "Mesos-Stream-Id"
	schedulerPath  = "/api/v1/scheduler"
)

// httpError is an answer other than success.
type httpError struct {
	status int
	text   string
}

func (e *httpError) Error() string { return e.text }

func badRequest(format string, args ...any) *httpError {
	return &httpError{http.StatusBadRequest, fmt.Sprintf(format, args...)}
}

var errNotFound = &httpError{http.StatusNotFound, "404 Not Found."}

// ServeHTTP routes by path as a real master does: with or without the name of the process, and a trailing slash.
func (m *master) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	path := strings.TrimSuffix(r.URL.Path, "/")
	path = strings.TrimPrefix(path, "/master")
	var err error
	switch {
	case path == "/health" || path == "/version": // always answered
	case time.Now().Before(m.ready):
		writeError(w, &httpError{http.StatusServiceUnavailable, "Master has not finished recovery"})
		return
	}
	switch path {
	case schedulerPath:
		err = m.serveScheduler(w, r)
	case "/health":
		w.WriteHeader(http.StatusOK)
	case "/version":
		err = m.writeJSON(w, m.versionJSON())
	case "/state", "/state.json":
		err = m.writeJSON(w, m.stateJSON())
	case "/slaves":
		err = m.writeJSON(w, m.slavesJSON())
	case "/frameworks":
		err = m.writeJSON(w, m.frameworksJSON())
	case "/tasks":
		err = m.writeJSON(w, m.tasksJSON())
	case "/redirect":
		w.Header().Set("Location", "//"+m.address)
		w.WriteHeader(http.StatusTemporaryRedirect)
	case "/maintenance/schedule", "/maintenance/status":
		err = m.serveMaintenance(w, r, path)
	case "/weights":
		err = m.serveWeights(w, r)
	case "/machine/down":
		err = m.serveMachine(w, r, m.machinesDown)
	case "/machine/up":
		err = m.serveMachine(w, r, m.machinesUp)
	case "/teardown":
		err = m.serveTeardown(w, r)
	default:
		err = errNotFound
		if path == "/api/v1" || strings.HasPrefix(path, "/api/v1/") {
			err = m.serveOperator(w, r)
		}
	}
	if err != nil {
		writeError(w, err)
	}
}

func writeError(w http.ResponseWriter, err error) {
	he := &httpError{http.StatusInternalServerError, err.Error()}
	errors.As(err, &he)
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Content-Length", strconv.Itoa(len(he.text)))
	w.WriteHeader(he.status)
	io.WriteString(w, he.text) //nolint:errcheck // the client is gone
}

func checkMethod(w http.ResponseWriter, r *http.Request) error {
	if r.Method == http.MethodPost {
		return nil
	}
	w.Header().Set("Allow", http.MethodPost)
	return &httpError{http.StatusMethodNotAllowed, fmt.Sprintf(
		"405 Method Not Allowed. Expecting one of { '%s' }, but received '%s'.", http.MethodPost, r.Method)}
}

// serveScheduler answers one call. The order of the checks is that of a real master.
func (m *master) serveScheduler(w http.ResponseWriter, r *http.Request) error {
	principal, err := m.cfg.authenticate(w, r)
	if err != nil {
		return err
	}
	if err := checkMethod(w, r); err != nil {
		return err
	}
	call := &scheduler.Call{}
	if err := readCall(r, call); err != nil {
		return err
	}
	if err := validateCall(call); err != nil {
		return badRequest("Failed to validate scheduler::Call: %s", err)
	}
	if call.Type == scheduler.Call_SUBSCRIBE {
		if err := checkPrincipal(principal, call.Subscribe.FrameworkInfo); err != nil {
			return badRequest("Failed to validate scheduler::Call: %s", err)
		}
		return m.serveSubscribe(w, r, call)
	}
	streams, present := r.Header[streamIDHeader]
	if err := m.authorizeStream(call.FrameworkID.Value, principal, present, strings.Join(streams, ",")); err != nil {
		return err
	}
	if call.Type == scheduler.Call_UPDATE_FRAMEWORK {
		if err := m.updateFramework(call.UpdateFramework); err != nil {
			return err
		}
		w.WriteHeader(http.StatusOK)
		return nil
	}
	if status := m.deliver(call); status != 0 {
		return &httpError{status, http.StatusText(status)}
	}
	w.WriteHeader(http.StatusAccepted)
	return nil
}

// deliver hands a call to the master as the fault hook wants it. The result is an HTTP status to fail with, or 0.
func (m *master) deliver(call *scheduler.Call) int {
	var v Verdict
	if m.cfg.OnCall != nil {
		v = m.cfg.OnCall(call)
	}
	if v.Status != 0 || v.Drop {
		return v.Status
	}
	for i := 0; i <= v.Copies; i++ {
		if v.Delay > 0 {
			time.AfterFunc(v.Delay, func() { m.handle(call) })
		} else {
			m.handle(call)
		}
	}
	return 0
}

func (m *master) serveSubscribe(w http.ResponseWriter, r *http.Request, call *scheduler.Call) error {
	media, ok := acceptedMedia(r.Header.Values("Accept"))
	if !ok {
		return &httpError{
			http.StatusNotAcceptable,
			"Expecting 'Accept' to allow 'application/x-protobuf' or 'application/json'",
		}
	}
	if _, present := r.Header[streamIDHeader]; present {
		return badRequest("Subscribe calls should not include the 'Mesos-Stream-Id' header")
	}
	sub := newSubscription(media, m.cfg.HeartbeatInterval)
	id := m.subscribe(sub, call)
	if !sub.serve(r.Context(), w) {
		m.disconnected(id, sub)
		// A stream that is not over must not look as if it were.
		panic(http.ErrAbortHandler)
	}
	return nil
}

// readCall reads the body of a request into a call of whichever API.
func readCall(r *http.Request, call proto.Message) error {
	media := r.Header.Get("Content-Type")
	switch media {
	case "":
		return badRequest("Expecting 'Content-Type' to be present")
	case mediaJSON, mediaProtobuf:
	default:
		return &httpError{
			http.StatusUnsupportedMediaType,
			"Expecting 'Content-Type' of application/json or application/x-protobuf",
		}
	}
	body, err := readBody(r)
	if err != nil {
		return err
	}
	if media == mediaProtobuf {
		if proto.Unmarshal(body, call) != nil {
			return badRequest("Failed to parse body into Call protobuf")
		}
		return nil
	}
	if err := fromJSON(body, call); err != nil {
		return badRequest("%s", err)
	}
	return nil
}

func readBody(r *http.Request) ([]byte, error) {
	in := io.LimitReader(r.Body, maxBodyBytes+1)
	if r.Header.Get("Content-Encoding") == "gzip" {
		unzipped, err := gzip.NewReader(in)
		if err != nil {
			return nil, badRequest("Failed to decompress body: %s", err)
		}
		in = io.LimitReader(unzipped, maxBodyBytes+1)
	}
	body, err := io.ReadAll(in)
	if err != nil {
		return nil, badRequest("Failed to read body: %s", err)
	}
	if len(body) > maxBodyBytes {
		return nil, &httpError{http.StatusRequestEntityTooLarge, "413 Request Entity Too Large."}
	}
	return body, nil
}

// acceptedMedia picks the form of the event stream: JSON if it is allowed at all, else protobuf.
func acceptedMedia(accept []string) (string, bool) {
	all := strings.Join(accept, ",")
	if strings.TrimSpace(all) == "" {
		return mediaJSON, true
	}
	allowed := map[string]bool{}
	for _, part := range strings.Split(all, ",") {
		media, params, _ := strings.Cut(part, ";")
		q := strings.ReplaceAll(params, " ", "")
		allowed[strings.TrimSpace(media)] = q != "q=0" && q != "q=0.0"
	}
	for _, media := range []string{mediaJSON, mediaProtobuf} {
		ok, named := allowed[media]
		if named && ok || !named && (allowed["*/*"] || allowed["application/*"]) {
			return media, true
		}
	}
	return "", false
}

func (m *master) serveTeardown(w http.ResponseWriter, r *http.Request) error {
	if err := checkMethod(w, r); err != nil {
		return err
	}
	r.Body = http.MaxBytesReader(w, r.Body, maxBodyBytes)
	if err := r.ParseForm(); err != nil {
		return badRequest("Unable to decode query string: %s", err)
	}
	id := r.PostForm.Get("frameworkId")
	if id == "" {
		return badRequest("Missing 'frameworkId' query parameter in the request body")
	}
	if !m.teardown(id) {
		return badRequest("No framework found with specified ID")
	}
	w.WriteHeader(http.StatusOK)
	return nil
}
