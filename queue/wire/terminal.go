package wire

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"

	"sluice/queue"
)

// Limits of an interactive job's conversation.
const (
	// TerminalWindow is how many bytes may be on their way to a job, or from it, at most.
	TerminalWindow = 128 << 10
	// TerminalPiece is the most bytes of one message.
	TerminalPiece = 32 << 10

	terminalProtocol = "sluice-terminal/1"
)

var (
	_ Message = (*Terminal)(nil)
	_ Message = (*Attached)(nil)
)

// AcceptTerminal upgrades the HTTP/1.1 connection of a client that speaks with its interactive job: it sends Terminal and
// gets Attached. On error it has answered the request.
func AcceptTerminal(w http.ResponseWriter, r *http.Request) (*Conn, error) {
	return accept(w, r, terminalProtocol)
}

// Attach connects to an interactive job of the caller: Terminal is to be sent, and Attached comes. A job has one such client; when it
// goes, the job is ended.
func (c *Client) Attach(ctx context.Context, id queue.ID) (*Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	raw, err := c.where.dial(ctx, c.tls)
	if err != nil {
		return nil, c.where.unreachable(err)
	}
	header := http.Header{}
	if c.token != "" {
		header.Set("Authorization", "Bearer "+c.token)
	}
	conn, err := upgrade(ctx, raw, c.where.base+"/v1/jobs/"+url.PathEscape(id.String())+"/attach", terminalProtocol, header)
	if err == nil {
		return conn, nil
	}
	if closeErr := raw.Close(); closeErr != nil {
		err = errors.Join(err, closeErr)
	}
	if _, ok := errors.AsType[*queue.Error](err); ok {
		return nil, err
	}
	return nil, fmt.Errorf("attach to job %v: %w", id, err)
}
