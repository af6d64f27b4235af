package swf

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
)

// Limits of what is read.
const (
	// MaxLine is the longest line in bytes.
	MaxLine = 64 << 10
	// maxHeader is how many comment lines may stand before the first job.
	maxHeader = 100_000
	// maxValue bounds every number; a trace of 30,000 years stays below.
	maxValue = 1e12
	// maxProcs bounds the processors of a job.
	maxProcs = math.MaxInt32
)

// The columns of a line, by their place.
const (
	colID = iota
	colSubmit
	colWait
	colRun
	colProcs
	colCPU
	colMem
	colReqProcs
	colReqTime
	colReqMem
	colStatus
	colUser
	colGroup
	colExecutable
	colQueue
	colPartition
	colAfter
	colThinkTime
	columns

	// minColumns is the least that makes a job: older traces end there.
	minColumns = colProcs + 1
)

// ErrFormat is the kind of errors of what is not a trace. Test with errors.Is.
var ErrFormat = errors.New("invalid trace")

// Reader reads the jobs of one trace in their order. It is for one goroutine.
type Reader struct {
	lines   *bufio.Scanner
	line    int
	header  Header
	pending bool // the scanner stands on a line that is not parsed yet
}

// NewReader reads the header of a trace. A stream that begins like gzip is
// decompressed. The reader does not close r.
func NewReader(r io.Reader) (*Reader, error) {
	plain := bufio.NewReader(r)
	var source io.Reader = plain
	if magic, err := plain.Peek(2); err == nil && magic[0] == 0x1f && magic[1] == 0x8b {
		zipped, err := gzip.NewReader(plain)
		if err != nil {
			return nil, fmt.Errorf("read compressed trace: %w", err)
		}
		source = zipped
	}
	s := &Reader{lines: bufio.NewScanner(source)}
	s.lines.Buffer(make([]byte, 0, 4096), MaxLine)
	if err := s.readHeader(); err != nil {
		return nil, err
	}
	return s, nil
}

// Header returns what the head of the trace says.
func (s *Reader) Header() Header { return s.header }

// Next returns the next job; io.EOF after the last one. Any other error is
// final; what is no trace is an ErrFormat.
func (s *Reader) Next() (Job, error) {
	for s.pending || s.scan() {
		s.pending = false
		text := bytes.TrimSpace(s.lines.Bytes())
		if len(text) == 0 || text[0] == ';' {
			continue
		}
		job, err := parseJob(text)
		if err != nil {
			return Job{}, fmt.Errorf("%w: line %d: %w", ErrFormat, s.line, err)
		}
		return job, nil
	}
	return Job{}, s.end()
}

func (s *Reader) scan() bool {
	if !s.lines.Scan() {
		return false
	}
	s.line++
	return true
}

// end is why there is no further line.
func (s *Reader) end() error {
	switch err := s.lines.Err(); {
	case err == nil:
		return io.EOF
	case errors.Is(err, bufio.ErrTooLong):
		return fmt.Errorf("%w: line %d: longer than %d bytes", ErrFormat, s.line+1, MaxLine)
	default:
		return fmt.Errorf("read trace after line %d: %w", s.line, err)
	}
}

func (s *Reader) readHeader() error {
	for s.scan() {
		text := bytes.TrimSpace(s.lines.Bytes())
		if len(text) > 0 && text[0] != ';' {
			s.pending = true
			return nil
		}
		if s.line > maxHeader {
			return fmt.Errorf("%w: no job in the first %d lines", ErrFormat, maxHeader)
		}
		name, value, ok := strings.Cut(strings.TrimLeft(string(text), "; \t"), ":")
		if ok {
			s.header.set(strings.TrimSpace(name), strings.TrimSpace(value))
		}
	}
	if err := s.end(); !errors.Is(err, io.EOF) {
		return err
	}
	return nil
}

// set takes the first value of a field. A count that cannot be is 0.
func (h *Header) set(name, value string) {
	text := func(field *string) {
		if *field == "" {
			*field = value
		}
	}
	count := func(field *int) {
		if n, err := strconv.Atoi(firstWord(value)); err == nil && n > 0 && n <= maxProcs && *field == 0 {
			*field = n
		}
	}
	switch name {
	case "Computer":
		text(&h.Computer)
	case "Installation":
		text(&h.Installation)
	case "Acknowledge":
		text(&h.Acknowledge)
	case "MaxProcs":
		count(&h.MaxProcs)
	case "MaxNodes":
		count(&h.MaxNodes)
	case "MaxJobs":
		count(&h.MaxJobs)
	case "UnixStartTime":
		if n, err := strconv.ParseInt(firstWord(value), 10, 64); err == nil && h.UnixStartTime == 0 {
			h.UnixStartTime = n
		}
	}
}

// firstWord drops remarks, as in "MaxNodes: 128 (64 until March)".
func firstWord(value string) string {
	word, _, _ := strings.Cut(value, " ")
	return word
}

func parseJob(text []byte) (Job, error) {
	values := [columns]float64{}
	for i := range values {
		values[i] = -1
	}
	n := 0
	for len(text) > 0 {
		end := bytes.IndexAny(text, " \t")
		if end < 0 {
			end = len(text)
		}
		if n == columns {
			return Job{}, fmt.Errorf("more than %d fields", columns)
		}
		value, err := parseNumber(text[:end])
		if err != nil {
			return Job{}, fmt.Errorf("field %d: %w", n+1, err)
		}
		values[n] = value
		n++
		text = bytes.TrimLeft(text[end:], " \t")
	}
	if n < minColumns {
		return Job{}, fmt.Errorf("%d fields, want at least %d", n, minColumns)
	}
	return jobOf(&values)
}

func jobOf(values *[columns]float64) (Job, error) {
	procs, mem := values[colProcs], values[colMem]
	if request := values[colReqProcs]; procs <= 0 && request > 0 {
		procs = request
	}
	if request := values[colReqMem]; mem <= 0 && request > 0 {
		mem = request
	}
	if procs > maxProcs {
		return Job{}, fmt.Errorf("%v processors, want at most %d", procs, maxProcs)
	}
	return Job{
		ID:        int64(values[colID]),
		Submit:    values[colSubmit],
		Wait:      values[colWait],
		Run:       values[colRun],
		Procs:     int(procs),
		MemKiB:    mem,
		Estimate:  values[colReqTime],
		Status:    int(values[colStatus]),
		User:      int(values[colUser]),
		Group:     int(values[colGroup]),
		Queue:     int(values[colQueue]),
		After:     int64(values[colAfter]),
		ThinkTime: values[colThinkTime],
	}, nil
}

// parseNumber reads integers without an allocation and the rest as floats.
func parseNumber(text []byte) (float64, error) {
	digits, sign := text, 1.0
	if len(digits) > 1 && digits[0] == '-' {
		digits, sign = digits[1:], -1
	}
	n := 0.0
	for _, c := range digits {
		if c < '0' || c > '9' || len(digits) > 12 {
			return parseFloat(string(text))
		}
		n = n*10 + float64(c-'0')
	}
	return sign * n, nil
}

func parseFloat(text string) (float64, error) {
	value, err := strconv.ParseFloat(text, 64)
	if err != nil || math.IsNaN(value) {
		return 0, fmt.Errorf("%q is not a number", shorten(text))
	}
	if math.Abs(value) > maxValue {
		return 0, fmt.Errorf("%q is out of range", shorten(text))
	}
	return value, nil
}

func shorten(text string) string {
	const most = 32
	if len(text) > most {
		return text[:most] + "…"
	}
	return text
}
