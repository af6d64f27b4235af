package host

import (
	"encoding/binary"
	"errors"
	"fmt"
	"sync"

	"sluice/queue/wire"
)

// frame is a message between session and keeper: its kind, then a message, a number or a text.
type frame struct {
	kind   frameKind
	body   wire.Message
	number int64
	text   string
}

type frameKind byte

const (
	// From the session.
	frameConfig    frameKind = iota + 1 // text: keeperConfig in JSON; the first frame
	frameStart                          // body
	frameSignal                         // body
	frameDisown                         // body: Attempt, to be ended at once without writing its output
	frameEndAll                         // text: why. All jobs, at once
	frameDisownAll                      // text: why. The same, without writing their output
	frameRenew                          // number: end all jobs when the boot clock shows this
	framePeek                           // body
	frameFetched                        // body
	frameTerminal                       // body; from the keeper, too
	frameInput                          // body
	frameChange                         // body
	// From the keeper.
	frameReady    // text: the directories that it removes when it ends, NUL between them
	frameStarted  // body
	frameEnded    // body
	frameExpired  // it ended all jobs, because the time of frameRenew came
	frameLog      // text: a warning
	frameOutput   // body
	frameUsages   // body
	frameAskInput // body
)

var errBadFrame = errors.New("malformed frame")

var _ wire.Message = (*frame)(nil)

// newBody is an empty message of the type that a kind of frame carries, nil for none.
func (k frameKind) newBody() wire.Message {
	switch k {
	case frameStart:
		return new(wire.Start)
	case frameSignal:
		return new(wire.Signal)
	case frameDisown:
		return new(wire.Attempt)
	case frameStarted:
		return new(wire.Started)
	case frameEnded:
		return new(wire.Ended)
	case framePeek:
		return new(wire.Peek)
	case frameTerminal:
		return new(wire.Terminal)
	case frameFetched:
		return new(wire.Fetched)
	case frameOutput:
		return new(wire.Output)
	case frameUsages:
		return new(wire.Usages)
	case frameInput:
		return new(wire.Input)
	case frameChange:
		return new(wire.JobChange)
	case frameAskInput:
		return new(wire.AskInput)
	default:
		return nil
	}
}

// Size is the number of bytes of the encoded frame.
func (f *frame) Size() int {
	switch {
	case f.body != nil:
		return 1 + f.body.Size()
	case f.kind == frameRenew:
		return 1 + 8
	default:
		return 1 + len(f.text)
	}
}

// MarshalToSizedBuffer fills buffer, which has Size bytes.
func (f *frame) MarshalToSizedBuffer(buffer []byte) (int, error) {
	if len(buffer) != f.Size() {
		return 0, errBadFrame
	}
	buffer[0] = byte(f.kind)
	switch {
	case f.body != nil:
		n, err := f.body.MarshalToSizedBuffer(buffer[1:])
		return 1 + n, err
	case f.kind == frameRenew:
		binary.BigEndian.PutUint64(buffer[1:], uint64(f.number))
	default:
		copy(buffer[1:], f.text)
	}
	return len(buffer), nil
}

// Unmarshal reads what MarshalToSizedBuffer wrote. It keeps nothing of data.
func (f *frame) Unmarshal(data []byte) error {
	if len(data) == 0 {
		return errBadFrame
	}
	*f = frame{kind: frameKind(data[0])}
	data = data[1:]
	if f.body = f.kind.newBody(); f.body != nil {
		return f.body.Unmarshal(data)
	}
	switch f.kind {
	case frameRenew:
		if len(data) != 8 {
			return errBadFrame
		}
		f.number = int64(binary.BigEndian.Uint64(data))
	case frameConfig, frameEndAll, frameDisownAll, frameReady, frameExpired, frameLog:
		f.text = string(data)
	default:
		return fmt.Errorf("%w: kind %d", errBadFrame, f.kind)
	}
	return nil
}

// outbox sends messages over a connection without holding up who sends them, and in order.
type outbox struct {
	conn interface {
		Send(messages ...wire.Message) error
		Close() error
	}
	failed func(error) // called at most once, from the outbox's goroutine

	mu      sync.Mutex
	pending []wire.Message
	wake    chan struct{}
	closed  bool
}

const (
	// maxPending is how many messages may wait; more mean that the other side does not read.
	maxPending = 64 << 10
	// sendBatch is how many of them go out in one piece.
	sendBatch = 64
)

var errOutboxFull = errors.New("the other side does not read")

// run sends until close, or until the connection fails.
func (o *outbox) run() {
	for range o.wake {
		for {
			batch, err := o.take()
			if len(batch) == 0 && err == nil {
				break
			}
			if err == nil {
				err = o.conn.Send(batch...)
			}
			if err != nil {
				o.failed(err)
				return
			}
		}
	}
}

func (o *outbox) take() ([]wire.Message, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.pending) > maxPending {
		return nil, errOutboxFull
	}
	n := min(len(o.pending), sendBatch)
	batch := o.pending[:n:n]
	o.pending = o.pending[n:]
	return batch, nil
}

// send queues messages, which must not be changed any more.
func (o *outbox) send(messages ...wire.Message) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closed || len(o.pending) > maxPending {
		return
	}
	o.pending = append(o.pending, messages...)
	select {
	case o.wake <- struct{}{}:
	default:
	}
}

// close ends run when it has sent what is pending.
func (o *outbox) close() {
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.closed {
		o.closed = true
		close(o.wake)
	}
}

func newOutbox(conn Conn, failed func(error)) *outbox {
	o := &outbox{conn: conn, failed: failed, wake: make(chan struct{}, 1)}
	go o.run()
	return o
}
