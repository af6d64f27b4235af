package zk

import (
	"encoding/binary"
	"net"
	"sync"
	"time"
)

// maxUnanswered is the most requests whose answers are awaited; older ones are not looked for any more.
const maxUnanswered = 1024

// Of a packet, which is its length as an int32 and so many bytes, the beginning tells what it is. All integers are big-endian.
// The answer to the first request of a connection: int32 version, int32 milliseconds of the session, int64 session id. Others:
// int32 xid of the request. A request: int32 xid, but for the first.
const (
	lengthBytes = 4
	beginBytes  = lengthBytes + 16
	xidOfEvent  = -1 // an answer to nothing
)

// line is a connection that notes which requests the servers have had, and what session they grant: the client tells neither.
// The client sends each packet with one Write. Where that is not so, no answer fits, and nothing counts as heard.
type line struct {
	net.Conn
	session  *session
	patience time.Duration

	mu      sync.Mutex
	sent    []request // not answered yet, oldest first
	began   bool      // the first request was sent
	granted bool      // and answered

	// of the reading goroutine: the packet that is being read
	begin [beginBytes]byte
	have  int
}

type request struct {
	xid int32
	at  time.Time
}

var _ net.Conn = (*line)(nil)

// Write notes a request. Its time is before it leaves, so that it is never later than the servers' own.
func (l *line) Write(p []byte) (int, error) {
	l.mu.Lock()
	r := request{at: time.Now()}
	if l.began && len(p) >= lengthBytes+4 {
		r.xid = int32(binary.BigEndian.Uint32(p[lengthBytes:]))
	}
	l.began = true
	if len(l.sent) == maxUnanswered {
		l.sent = append(l.sent[:0], l.sent[1:]...)
	}
	l.sent = append(l.sent, r)
	l.mu.Unlock()
	return l.Conn.Write(p)
}

// Read notes answers.
func (l *line) Read(p []byte) (int, error) {
	n, err := l.Conn.Read(p)
	for rest := p[:n]; len(rest) > 0; {
		rest = l.take(rest)
	}
	return n, err
}

// take reads on in a packet and gives what comes after the part that it took.
func (l *line) take(p []byte) []byte {
	want := lengthBytes
	if l.have >= lengthBytes {
		want += int(binary.BigEndian.Uint32(l.begin[:]))
	}
	n := min(len(p), want-l.have)
	if l.have < beginBytes {
		copy(l.begin[l.have:], p[:n])
	}
	l.have += n
	if l.have < lengthBytes {
		return p[n:]
	}
	if size := lengthBytes + int(binary.BigEndian.Uint32(l.begin[:])); l.have == size {
		l.packet(size)
		l.have = 0
	}
	return p[n:]
}

func (l *line) packet(size int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case !l.granted && size >= beginBytes && len(l.sent) > 0:
		l.granted = true
		at := l.sent[0].at
		l.sent = l.sent[1:]
		l.session.begun(int64(binary.BigEndian.Uint64(l.begin[12:])), time.Duration(binary.BigEndian.Uint32(l.begin[8:]))*time.Millisecond, at)
	case l.granted && size >= lengthBytes+4:
		l.answer(int32(binary.BigEndian.Uint32(l.begin[lengthBytes:])))
	}
}

// answer finds the request of an answer. The servers answer in order, so all before it were answered too.
func (l *line) answer(xid int32) {
	if xid == xidOfEvent {
		return
	}
	for i, r := range l.sent {
		if r.xid == xid {
			l.session.answered(r.at)
			l.sent = append(l.sent[:0], l.sent[i+1:]...)
			return
		}
	}
}

// SetReadDeadline takes a deadline, or the end of our patience if that is sooner. The zero time means no deadline: between
// two answers there may be any time.
func (l *line) SetReadDeadline(t time.Time) error {
	if limit := time.Now().Add(l.patience); t.After(limit) {
		t = limit
	}
	return l.Conn.SetReadDeadline(t)
}
