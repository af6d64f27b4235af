package wire

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"
)

// MaxMessage is the most bytes that one message of a host's connection may have. A job's command and environment fit (see
// MaxCommand and MaxEnv); so do the attempts of 100,000 jobs in a Hello.
const MaxMessage = 4 << 20

// writeTimeout is how long one Send may take before the connection counts as broken.
const writeTimeout = 20 * time.Second

// Message is a HostMessage or a DaemonMessage.
type Message interface {
	Size() int
	MarshalToSizedBuffer(buffer []byte) (int, error)
	Unmarshal(data []byte) error
}

var (
	_ Message = (*HostMessage)(nil)
	_ Message = (*DaemonMessage)(nil)
)

// Conn carries messages, each preceded by its length as a varint. Send is safe for concurrent use; Receive is for one
// goroutine. After an error of either, the connection is of no more use.
type Conn struct {
	net  net.Conn
	in   *bufio.Reader
	body []byte // of the last message received

	mu  sync.Mutex // Send
	out []byte
}

// NewConn speaks over an established connection, which it then owns.
func NewConn(c net.Conn) *Conn { return newConn(c, bufio.NewReader(c)) }

func newConn(c net.Conn, buffered *bufio.Reader) *Conn { return &Conn{net: c, in: buffered} }

// sendPiece is how many bytes of several messages are gathered before they are written.
const sendPiece = 256 << 10

// Send writes the messages, small ones together.
func (c *Conn) Send(messages ...Message) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.net.SetWriteDeadline(time.Now().Add(writeTimeout)); err != nil {
		return fmt.Errorf("send message: %w", err)
	}
	c.out = c.out[:0]
	for i, m := range messages {
		size := m.Size()
		if size > MaxMessage {
			return fmt.Errorf("send message: %d bytes are more than %d", size, MaxMessage)
		}
		c.out = binary.AppendUvarint(c.out, uint64(size))
		start := len(c.out)
		c.out = append(c.out, make([]byte, size)...)
		if _, err := m.MarshalToSizedBuffer(c.out[start:]); err != nil {
			return fmt.Errorf("encode message: %w", err)
		}
		if len(c.out) < sendPiece && i < len(messages)-1 {
			continue
		}
		if _, err := c.net.Write(c.out); err != nil {
			return fmt.Errorf("send message: %w", err)
		}
		c.out = c.out[:0]
	}
	if cap(c.out) > sendPiece {
		c.out = nil
	}
	return nil
}

// Receive reads the next message into m. It waits at most patience for all of it; 0 waits for ever. The error is io.EOF when
// the other side closed the connection between two messages.
func (c *Conn) Receive(m Message, patience time.Duration) error {
	var deadline time.Time
	if patience > 0 {
		deadline = time.Now().Add(patience)
	}
	if err := c.net.SetReadDeadline(deadline); err != nil {
		return fmt.Errorf("receive message: %w", err)
	}
	body, err := readFrame(c.in, c.body)
	if err != nil {
		return err
	}
	c.body = body
	if err := m.Unmarshal(body); err != nil {
		return fmt.Errorf("decode message: %w", err)
	}
	return nil
}

// readFrame reads one length and as many bytes, into buffer where it has room. It allocates only for bytes that came.
func readFrame(in *bufio.Reader, buffer []byte) ([]byte, error) {
	size, err := binary.ReadUvarint(in)
	switch {
	case err == io.EOF: //nolint:errorlint // ReadUvarint returns it bare where nothing was read
		return nil, io.EOF
	case err != nil:
		return nil, fmt.Errorf("receive message length: %w", err)
	case size > MaxMessage:
		return nil, fmt.Errorf("receive message: %d bytes are more than %d", size, MaxMessage)
	}
	const step = 64 << 10
	buffer = buffer[:0]
	for len(buffer) < int(size) {
		have := len(buffer)
		buffer = append(buffer, make([]byte, min(step, int(size)-have))...)
		if _, err := io.ReadFull(in, buffer[have:]); err != nil {
			if errors.Is(err, io.EOF) {
				err = io.ErrUnexpectedEOF
			}
			return nil, fmt.Errorf("receive message: %w", err)
		}
	}
	return buffer, nil
}

// Close ends the connection at once. It may be called from any goroutine and more than once.
func (c *Conn) Close() error { return c.net.Close() }

// RemoteAddr is the address of the other side.
func (c *Conn) RemoteAddr() net.Addr { return c.net.RemoteAddr() }
