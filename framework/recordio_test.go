package framework

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"
)

func TestRecordReader(t *testing.T) {
	big := strings.Repeat("y", 3*growBy+7)
	stream := fmt.Sprintf("5\nhello0\n%d\n%s3\nend", len(big), big)
	r := newRecordReader(iotest.HalfReader(strings.NewReader(stream)))
	for _, want := range []string{"hello", "", big, "end"} {
		got, err := r.ReadFrame()
		if err != nil || string(got) != want {
			t.Fatalf("got %d bytes, %v; want %d", len(got), err, len(want))
		}
	}
	if _, err := r.ReadFrame(); !errors.Is(err, io.EOF) {
		t.Errorf("at the end: %v", err)
	}
}

func TestRecordReaderRefuses(t *testing.T) {
	for _, tt := range []struct {
		stream string
		cut    bool
	}{
		{"x\nhello", false},
		{"-1\n", false},
		{"+1\nx", false},
		{" 1\nx", false},
		{"\nx", false},
		{"99999999999999999999999\n", false},
		{fmt.Sprintf("%d\n", maxEvent+1), false},
		{"5", true},
		{"5\nhell", true},
		{"5\n", true},
	} {
		_, err := newRecordReader(strings.NewReader(tt.stream)).ReadFrame()
		if err == nil || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) != tt.cut {
			t.Errorf("%q: %v", tt.stream, err)
		}
	}
}

// What is written as records is read as the same records; what is not never takes more memory than it has bytes.
func FuzzRecordReader(f *testing.F) {
	f.Add([]byte("5\nhello"), []byte("world"))
	f.Add([]byte("268435456\nx"), []byte(""))
	f.Add([]byte("12\n{\"type\":\"X\"}"), []byte("\n"))
	f.Fuzz(func(t *testing.T, stream, record []byte) {
		r := newRecordReader(bytes.NewReader(stream))
		for {
			frame, err := r.ReadFrame()
			if err != nil {
				break
			}
			if len(frame) > len(stream) {
				t.Fatalf("%d bytes of %d", len(frame), len(stream))
			}
		}
		if cap(r.data) > 2*len(stream)+3*growBy {
			t.Fatalf("%d bytes kept for %d", cap(r.data), len(stream))
		}
		framed := fmt.Appendf(nil, "%d\n%s%d\n%s", len(record), record, len(record), record)
		r = newRecordReader(bytes.NewReader(framed))
		for range 2 {
			if got, err := r.ReadFrame(); err != nil || !bytes.Equal(got, record) {
				t.Fatalf("got %q, %v; want %q", got, err, record)
			}
		}
	})
}
