package framework

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strconv"

	"github.com/mesos/mesos-go/api/v1/lib/encoding/framing"
)

// Limits of the event stream. mesos-go's own reader ends the stream at 4 MiB: that is fewer offers than a large cluster
// makes at once.
const (
	maxEvent      = 256 << 20
	maxLengthLine = 20
	streamBuffer  = 64 << 10
	growBy        = 1 << 20
)

// recordReader reads Mesos's RecordIO: a length in decimal, a newline, so many bytes.
type recordReader struct {
	from *bufio.Reader
	data []byte // of the last record; used again for the next
}

var _ framing.Reader = (*recordReader)(nil)

func newRecordReader(from io.Reader) *recordReader {
	return &recordReader{from: bufio.NewReaderSize(from, streamBuffer)}
}

// ReadFrame gives the next record, valid until the next call. io.EOF is a stream that ended between two records.
func (r *recordReader) ReadFrame() ([]byte, error) {
	size, err := r.length()
	if err != nil {
		return nil, err
	}
	r.data = r.data[:0]
	// What is not there yet is not allocated: a length alone must not cost memory.
	for len(r.data) < size {
		n := min(size-len(r.data), growBy)
		from := len(r.data)
		r.data = append(r.data, make([]byte, n)...)
		if _, err := io.ReadFull(r.from, r.data[from:]); err != nil {
			return nil, fmt.Errorf("read event: %w", noEOF(err))
		}
	}
	return r.data, nil
}

func (r *recordReader) length() (int, error) {
	var line [maxLengthLine]byte
	for n := 0; n < len(line); n++ {
		c, err := r.from.ReadByte()
		switch {
		case errors.Is(err, io.EOF) && n == 0:
			return 0, io.EOF
		case err != nil:
			return 0, fmt.Errorf("read length of event: %w", noEOF(err))
		case c != '\n':
			line[n] = c
			continue
		}
		size, err := strconv.ParseUint(string(line[:n]), 10, 63)
		if err != nil || size > maxEvent {
			return 0, fmt.Errorf("read length of event: %q is not a number up to %d", line[:n], maxEvent)
		}
		return int(size), nil
	}
	return 0, fmt.Errorf("read length of event: no end after %d bytes", len(line))
}

func noEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}
