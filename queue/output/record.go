package output

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"

	"sluice/queue"
)

// Record is what one start of a job wrote.
type Record struct {
	ID       queue.ID `json:"id"`
	Attempt  int      `json:"attempt"`
	User     string   `json:"user"` // whose job it is
	Separate bool     `json:"separate,omitempty"`
	Out      Stream   `json:"out,omitzero"`
	Err      Stream   `json:"err,omitzero"` // where Separate
}

// Stream is the last part of what a job wrote to a stream.
type Stream struct {
	Data    []byte `json:"-"`
	Skipped int64  `json:"skipped,omitempty"` // bytes before Data, which are not kept
	Dropped bool   `json:"dropped,omitempty"` // more was written after Data
}

// Size is the number of bytes up to the end of Data.
func (s *Stream) Size() int64 { return s.Skipped + int64(len(s.Data)) }

// A record's head: magic, length of the JSON, lengths of the streams, checksum of all that follows.
const (
	headBytes  = 20
	magic      = 0x536c4f31 // "SlO1"
	maxAbout   = 64 << 10   // bytes of the JSON
	maxStream  = 1 << 30    // bytes of a stream
	errDamaged = damage("damaged record")
)

type damage string

func (d damage) Error() string { return string(d) }

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// head is the decoded head of a record.
type head struct{ about, out, err, sum uint32 }

func (h head) size() int64 { return headBytes + int64(h.about) + int64(h.out) + int64(h.err) }

func parseHead(b []byte) (head, error) {
	if len(b) < headBytes || binary.BigEndian.Uint32(b) != magic {
		return head{}, errDamaged
	}
	h := head{
		binary.BigEndian.Uint32(b[4:]), binary.BigEndian.Uint32(b[8:]), binary.BigEndian.Uint32(b[12:]), binary.BigEndian.Uint32(b[16:]),
	}
	if h.about > maxAbout || h.out > maxStream || h.err > maxStream {
		return head{}, errDamaged
	}
	return h, nil
}

func (r *Record) encode() ([]byte, error) {
	about, err := json.Marshal(r)
	if err != nil {
		return nil, fmt.Errorf("encode output: %w", err)
	}
	if len(about) > maxAbout || len(r.Out.Data) > maxStream || len(r.Err.Data) > maxStream {
		return nil, errors.New("encode output: too large")
	}
	b := make([]byte, headBytes, headBytes+len(about)+len(r.Out.Data)+len(r.Err.Data))
	b = append(append(append(b, about...), r.Out.Data...), r.Err.Data...)
	for i, n := range []int{magic, len(about), len(r.Out.Data), len(r.Err.Data)} {
		binary.BigEndian.PutUint32(b[4*i:], uint32(n))
	}
	binary.BigEndian.PutUint32(b[16:], crc32.Checksum(b[headBytes:], castagnoli))
	return b, nil
}

// decode reads a whole record.
func decode(b []byte) (*Record, error) {
	h, err := parseHead(b)
	if err != nil {
		return nil, err
	}
	if int64(len(b)) != h.size() || crc32.Checksum(b[headBytes:], castagnoli) != h.sum {
		return nil, errDamaged
	}
	r := new(Record)
	rest := b[headBytes:]
	if err := json.Unmarshal(rest[:h.about], r); err != nil {
		return nil, errDamaged
	}
	rest = rest[h.about:]
	r.Out.Data, r.Err.Data = rest[:h.out:h.out], rest[h.out:]
	return r, nil
}
