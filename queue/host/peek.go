package host

import (
	"errors"
	"io"

	"sluice/queue/wire"
)

// maxPeek is the most bytes of one answer to a Peek.
const maxPeek = 256 << 10

// peek answers with what a job has written so far, or what is kept of it. The job may end at the same time.
func (k *keeper) peek(m *wire.Peek) {
	answer := &wire.Output{Number: m.GetNumber(), Absent: true}
	if o := k.kept[keyOf(m.GetAttempt())]; o != nil {
		answer.Absent, answer.Separate = false, o.separate
		if m.GetStderr() {
			o.errOut.peek(answer, m.GetOffset(), int(m.GetLimit()))
		} else {
			o.out.peek(answer, m.GetOffset(), int(m.GetLimit()))
		}
	} else if j := k.jobs[keyOf(m.GetAttempt())]; j != nil && j.pid != 0 {
		out, errOut := j.ready.out, j.ready.errOut
		answer.Absent, answer.Separate = false, errOut != nil
		if m.GetStderr() {
			out = errOut
		}
		if out != nil {
			if err := out.peek(answer, m.GetOffset(), int(m.GetLimit())); err != nil {
				k.warn("read output of job %s: %v", j.key, err)
			}
		}
	}
	k.out.send(&frame{kind: frameOutput, body: answer})
}

// peek copies what is kept of the stream from offset on.
func (c *capture) peek(into *wire.Output, offset int64, limit int) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	into.Kept, into.Dropped = c.size, c.dropped > 0
	if offset < 0 || offset >= c.size || limit <= 0 {
		return nil
	}
	data := make([]byte, min(int64(limit), maxPeek, c.size-offset))
	if c.file == nil {
		into.Data = data[:copy(data, c.memory[offset:])]
		return nil
	}
	n, err := c.file.ReadAt(data, offset)
	into.Data = data[:n]
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return err
}
