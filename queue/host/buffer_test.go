package host

import (
	"errors"
	"strings"
	"testing"
	"time"

	"sluice/queue/wire"
)

// A spool that cannot be written costs the job its output, not its run.
func TestCaptureWithoutSpool(t *testing.T) {
	c, w, err := newCapture("/no/such/dir/spool", 1<<20, &account{own: true})
	if err != nil {
		t.Fatal(err)
	}
	text := strings.Repeat("x", memoryOutput)
	for range 3 {
		if _, err := w.WriteString(text); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	c.finish(testPatience)
	var kept strings.Builder
	if err := c.writeTo(&kept); err != nil || kept.String() != text[:c.size] {
		t.Errorf("kept %d bytes (%v)", kept.Len(), err)
	}
	if c.size+c.dropped != 3*memoryOutput || !strings.Contains(c.note(), "no such file or directory") {
		t.Errorf("kept %d, dropped %d: %s", c.size, c.dropped, c.note())
	}
}

// A job that gives its output to a process that outlives it does not hold up its end.
func TestCaptureEndsWithoutEnd(t *testing.T) {
	c, w, err := newCapture("/unused", 1<<20, &account{own: true})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.WriteString("some"); err != nil {
		t.Fatal(err)
	}
	c.finish(1) // the other end is still open
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if c.size != 0 && c.size != 4 {
		t.Errorf("kept %d bytes", c.size)
	}
}

// stuck is a connection whose other side does not read until it is let.
type stuck struct {
	let  chan struct{}
	sent int
}

func (s *stuck) Send(messages ...wire.Message) error {
	<-s.let
	s.sent += len(messages)
	return nil
}

func (s *stuck) Receive(wire.Message, time.Duration) error { return errBadFrame }
func (s *stuck) Close() error                              { return nil }

func TestOutboxIsBounded(t *testing.T) {
	conn, failed := &stuck{let: make(chan struct{})}, make(chan error, 1)
	o := newOutbox(conn, func(err error) { failed <- err })
	for range 2 * maxPending {
		o.send(drainingMessage)
	}
	close(conn.let)
	if err := <-failed; !errors.Is(err, errOutboxFull) {
		t.Errorf("failed with %v", err)
	}
	if len(o.pending) > maxPending+1 || conn.sent > sendBatch {
		t.Errorf("%d wait, %d were sent", len(o.pending), conn.sent)
	}
	o.close()
}
