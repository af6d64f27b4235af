package wire

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"syscall"

	"sluice/queue"
)

// ErrorBody is a *queue.Error in JSON.
type ErrorBody struct {
	Kind    string     `json:"kind"` // internal, invalid, not_found, conflict, denied or unavailable
	Code    queue.Code `json:"code,omitempty"`
	Subject string     `json:"subject,omitempty"`
	Text    string     `json:"text"`
}

// kinds is the one place that says which kind is which word and which HTTP status.
var kinds = [...]struct {
	word   string
	status int
}{
	queue.KindInternal:    {"internal", http.StatusInternalServerError},
	queue.KindInvalid:     {"invalid", http.StatusBadRequest},
	queue.KindNotFound:    {"not_found", http.StatusNotFound},
	queue.KindConflict:    {"conflict", http.StatusConflict},
	queue.KindDenied:      {"denied", http.StatusForbidden},
	queue.KindUnavailable: {"unavailable", http.StatusServiceUnavailable},
}

// maxErrorBody is the most bytes read of an error's answer.
const maxErrorBody = 64 << 10

// NewErrorBody is err for the wire; nil for nil.
func NewErrorBody(err error) *ErrorBody {
	if err == nil {
		return nil
	}
	body := &ErrorBody{Kind: kinds[queue.KindOf(err)].word, Text: err.Error()}
	if e, ok := errors.AsType[*queue.Error](err); ok {
		body.Code, body.Subject = e.Code, e.Subject
	}
	return body
}

// Err is the *queue.Error that e stands for; nil for nil.
func (e *ErrorBody) Err() error {
	if e == nil {
		return nil
	}
	err := &queue.Error{Code: e.Code, Subject: e.Subject, Text: e.Text}
	for kind, k := range kinds {
		if k.word == e.Kind {
			err.Kind = queue.Kind(kind)
		}
	}
	return err
}

// WriteError answers a request with err.
func WriteError(w http.ResponseWriter, err error) {
	WriteJSON(w, kinds[queue.KindOf(err)].status, errorAnswer{NewErrorBody(err)})
}

type errorAnswer struct {
	Error *ErrorBody `json:"error"`
}

// WriteJSON answers a request with v. A client that went away is no error of ours.
func WriteJSON(w http.ResponseWriter, status int, v any) {
	data, err := json.Marshal(v)
	if err != nil {
		status, data = http.StatusInternalServerError, []byte(`{"error":{"kind":"internal","text":"cannot encode the answer"}}`)
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(append(data, '\n'))
}

// readError makes an error of an answer that is not a success.
func readError(response *http.Response) error {
	data, err := io.ReadAll(io.LimitReader(response.Body, maxErrorBody))
	if err != nil {
		return fmt.Errorf("read answer: %w", err)
	}
	var answer errorAnswer
	if json.Unmarshal(data, &answer) == nil && answer.Error != nil && answer.Error.Text != "" {
		return answer.Error.Err()
	}
	e := &queue.Error{Text: fmt.Sprintf("the daemon answered %s", response.Status)}
	for kind, k := range kinds {
		if k.status == response.StatusCode {
			e.Kind = queue.Kind(kind)
		}
	}
	return e
}

// unreachable says in one line why nothing answers at e, and what to do.
func (e endpoint) unreachable(err error) error {
	q := &queue.Error{Kind: queue.KindUnavailable, Subject: e.api}
	switch {
	case e.socket == "":
		q.Text = fmt.Sprintf("no daemon answers at %s (%v): is its address right (SLUICE_API), does it run with --listen?", e.api, rootCause(err))
	case errors.Is(err, fs.ErrPermission):
		q.Kind = queue.KindDenied
		q.Text = fmt.Sprintf("no permission to use the daemon's socket %s", e.socket)
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ECONNREFUSED):
		q.Text = fmt.Sprintf("daemon not running at %s: start it with `sluice local` or `sluice run`", e.socket)
	default:
		q.Text = fmt.Sprintf("cannot reach the daemon at %s: %v", e.socket, rootCause(err))
	}
	return q
}

// rootCause is the innermost error, which says what happened without repeating the address.
func rootCause(err error) error {
	for {
		inner := errors.Unwrap(err)
		if inner == nil {
			return err
		}
		err = inner
	}
}
