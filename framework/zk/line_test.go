package zk

import (
	"encoding/binary"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// packet is a length and so many bytes.
func packet(body ...byte) []byte {
	return append(binary.BigEndian.AppendUint32(nil, uint32(len(body))), body...)
}

func number(xid int32, rest ...byte) []byte {
	return packet(append(binary.BigEndian.AppendUint32(nil, uint32(xid)), rest...)...)
}

// newTestLine is a line that has sent its first request and further ones with the given xids, a second apart.
func newTestLine(began time.Time, xids ...int32) *line {
	l := &line{session: &session{}, began: true, sent: []request{{at: began}}}
	for i, xid := range xids {
		l.sent = append(l.sent, request{xid, began.Add(time.Duration(i+1) * time.Second)})
	}
	return l
}

func (l *line) feed(data []byte, random *rand.Rand) {
	for len(data) > 0 {
		part := data[:1+random.IntN(len(data))]
		data = data[len(part):]
		for len(part) > 0 {
			part = l.take(part)
		}
	}
}

// An answer proves that its request and those before it were had, at the time that it was sent, however the bytes are cut.
func TestLine(t *testing.T) {
	began := time.Unix(1000, 0)
	opening := packet(append(make([]byte, 4), 0, 0, 0x27, 0x10 /* 10 s */, 0, 0, 0, 0, 0, 0, 0, 7, 0, 0, 0, 0)...)
	for seed := range uint64(50) {
		random := rand.New(rand.NewPCG(seed, 0))
		l := newTestLine(began, 1, -2, 2, -2, 3)
		stream := slices.Concat(opening, number(-1, 1, 2, 3), number(1), packet(), number(-2, make([]byte, 100)...), number(99), number(-2))
		l.feed(stream, random)
		l.session.mu.Lock()
		heard, granted := l.session.heard, l.session.timeout
		l.session.mu.Unlock()
		if want := began.Add(4 * time.Second); !heard.Equal(want) || granted != 10*time.Second || len(l.sent) != 1 {
			t.Fatalf("seed %d: heard %v, want %v; granted %v; %d unanswered", seed, heard, want, granted, len(l.sent))
		}
	}
}

// A session that the servers do not take up any more is over at once.
func TestLineSessionEnded(t *testing.T) {
	l := newTestLine(time.Now())
	l.session.heard, l.session.timeout = time.Now(), time.Minute
	l.feed(packet(make([]byte, 20)...), rand.New(rand.NewPCG(1, 1)))
	if until := l.session.surely(0); !until.IsZero() {
		t.Errorf("surely until %v", until)
	}
	l = newTestLine(time.Now())
	l.session.heard, l.session.timeout, l.session.epoch = time.Now(), time.Minute, 1
	if until := l.session.surely(0); !until.IsZero() {
		t.Errorf("what was found in an earlier session holds until %v", until)
	}
}

func FuzzLine(f *testing.F) {
	f.Add([]byte{0, 0, 0, 0}, uint64(1))
	f.Add(slices.Concat(packet(make([]byte, 20)...), number(1), number(-1)), uint64(2))
	f.Add([]byte{255, 255, 255, 255, 1}, uint64(3))
	f.Fuzz(func(t *testing.T, data []byte, seed uint64) {
		began := time.Unix(1000, 0)
		l := newTestLine(began, 1, 2, 3)
		l.feed(data, rand.New(rand.NewPCG(seed, 0)))
		if last := began.Add(3 * time.Second); l.session.heard.After(last) {
			t.Fatalf("heard %v, after the last request at %v", l.session.heard, last)
		}
	})
}
