package host

import (
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// capture takes what a job writes to one stream: in memory while it is little, else in a file, up to a limit. What comes
// after the limit, or when the file cannot be written, is read and dropped, so that the job is never held up.
type capture struct {
	pipe  *os.File
	path  string // of the file
	limit int64

	done chan struct{} // closed when the stream ended; the fields below are then the caller's

	mu      sync.Mutex // of what changes while somebody peeks
	memory  []byte
	file    *os.File // nil while memory holds all
	size    int64    // kept
	dropped int64
	err     error // why the file could not be written
}

// memoryOutput is how much of a stream is kept in memory.
const memoryOutput = 64 << 10

var copyBuffers = sync.Pool{New: func() any { return new([32 << 10]byte) }}

// newCapture starts to read a pipe, and gives its end for the job to write to. The job's user owns that end, so that the job
// may open it again as /dev/stdout.
func newCapture(path string, limit int64, owner *account) (*capture, *os.File, error) {
	var fds [2]int
	if err := unix.Pipe2(fds[:], unix.O_CLOEXEC); err != nil {
		return nil, nil, fmt.Errorf("make output pipe: %w", err)
	}
	err := unix.SetNonblock(fds[0], true) // our end only: it is read with a deadline
	if !owner.own {
		err = errors.Join(err, unix.Fchown(fds[1], int(owner.uid), int(owner.gid)))
	}
	c := &capture{path: path, limit: limit, done: make(chan struct{})}
	c.pipe = os.NewFile(uintptr(fds[0]), "output")
	writer := os.NewFile(uintptr(fds[1]), "output")
	if err != nil {
		return nil, nil, errors.Join(fmt.Errorf("make output pipe: %w", err), c.pipe.Close(), writer.Close())
	}
	go c.run()
	return c, writer, nil
}

func (c *capture) run() {
	defer close(c.done)
	buffer, ok := copyBuffers.Get().(*[32 << 10]byte)
	if !ok {
		panic("copyBuffers holds something else")
	}
	defer copyBuffers.Put(buffer)
	for {
		n, err := c.pipe.Read(buffer[:])
		c.keep(buffer[:n])
		if err != nil { // the end, or the deadline of finish
			c.err = errors.Join(c.err, c.pipe.Close())
			return
		}
	}
}

func (c *capture) keep(data []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	room := max(c.limit-c.size, 0)
	if c.err != nil {
		room = 0
	}
	if int64(len(data)) > room {
		c.dropped += int64(len(data)) - room
		data = data[:room]
	}
	if len(data) == 0 {
		return
	}
	if c.file == nil && len(c.memory)+len(data) <= memoryOutput {
		c.memory = append(c.memory, data...)
		c.size += int64(len(data))
		return
	}
	if err := c.spill(); err != nil {
		c.err = err
		c.dropped += int64(len(data))
		return
	}
	n, err := c.file.Write(data)
	c.size += int64(n)
	if err != nil {
		c.err = err
		c.dropped += int64(len(data) - n)
	}
}

// spill moves what is in memory to the file.
func (c *capture) spill() error {
	if c.file != nil {
		return nil
	}
	file, err := os.OpenFile(c.path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	if _, err := file.Write(c.memory); err != nil {
		return errors.Join(err, file.Close(), os.Remove(c.path))
	}
	c.file, c.memory = file, nil
	return nil
}

// finish waits for the end of the stream, which has come when no process of the job is left, unless the job has handed the
// stream to a process outside; that one is not waited for longer than patience.
func (c *capture) finish(patience time.Duration) {
	if err := c.pipe.SetReadDeadline(time.Now().Add(patience)); err != nil && !errors.Is(err, os.ErrClosed) {
		_ = c.pipe.Close() // then the reader ends now
	}
	<-c.done
}

// writeTo copies what was kept, after finish.
func (c *capture) writeTo(w io.Writer) error {
	if c.file == nil {
		_, err := w.Write(c.memory)
		return err
	}
	_, err := io.Copy(w, io.NewSectionReader(c.file, 0, c.size))
	return err
}

// note is what a reader of the output must know about it; "" when it is whole.
func (c *capture) note() string {
	if c.dropped == 0 {
		return ""
	}
	why := fmt.Sprintf("the limit is %d bytes", c.limit)
	if c.err != nil {
		why = c.err.Error()
	}
	return fmt.Sprintf("The last %d bytes of the output were dropped: %s.", c.dropped, why)
}

// saveAs keeps the output under another name, where it can be found after the job.
func (c *capture) saveAs(path string) error {
	if c.file != nil {
		return os.Rename(c.path, path)
	}
	return os.WriteFile(path, c.memory, 0o600)
}

// discard frees what finish left.
func (c *capture) discard() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.memory, c.size = nil, 0
	if c.file == nil {
		return nil
	}
	err := c.file.Close()
	if removeErr := os.Remove(c.path); !errors.Is(removeErr, os.ErrNotExist) {
		err = errors.Join(err, removeErr)
	}
	return err
}
