package daemon

import (
	"bytes"
	"encoding/json"
	"net/http"
	"time"

	"sluice/queue/wire"
)

const (
	streamBuffer  = 64 << 10
	streamTimeout = 60 * time.Second // for the client to take what is written
)

// stream writes an answer line by line. The first lines go out at once, the rest as the buffer fills.
type stream struct {
	w       http.ResponseWriter
	control *http.ResponseController
	buffer  bytes.Buffer
	encoder *json.Encoder
	flushed bool
	err     error
}

func newStream(w http.ResponseWriter) *stream {
	w.Header().Set("Content-Type", "application/x-ndjson")
	s := &stream{w: w, control: http.NewResponseController(w)}
	s.encoder = json.NewEncoder(&s.buffer)
	s.encoder.SetEscapeHTML(false)
	return s
}

// item writes one item; an error of the connection stays.
func (s *stream) item(v any) { s.line(itemLine{v}) }

type itemLine struct {
	Item any `json:"item"`
}

func (s *stream) line(v any) {
	if s.err != nil {
		return
	}
	if s.err = s.encoder.Encode(v); s.err == nil && s.buffer.Len() >= streamBuffer {
		s.flush()
	}
}

// page ends a page of items: the first one goes out at once.
func (s *stream) page() {
	if !s.flushed {
		s.flush()
	}
}

func (s *stream) flush() {
	if s.err != nil {
		return
	}
	s.flushed = true
	// Neither is an error of a connection that cannot do it: the write below fails if it is broken.
	_ = s.control.SetWriteDeadline(time.Now().Add(streamTimeout))
	if _, s.err = s.w.Write(s.buffer.Bytes()); s.err == nil {
		_ = s.control.Flush()
	}
	s.buffer.Reset()
}

// end writes the last line: the error, if any.
func (s *stream) end(err error) {
	if err != nil {
		s.line(wire.Line{Error: wire.NewErrorBody(err)})
	} else {
		s.line(wire.Line{End: true})
	}
	s.flush()
	_ = s.control.SetWriteDeadline(time.Time{}) // the connection may serve another request
}
