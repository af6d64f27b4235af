package wire

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func pair(t testing.TB) (a, b *Conn) {
	t.Helper()
	x, y := net.Pipe()
	a, b = NewConn(x), NewConn(y)
	t.Cleanup(func() {
		if err := errors.Join(a.Close(), b.Close()); err != nil {
			t.Error(err)
		}
	})
	return a, b
}

func start(n int, command string) *DaemonMessage {
	return &DaemonMessage{Body: &DaemonMessage_Start{Start: &Start{Attempt: &Attempt{Job: int64(n), Attempt: 1}, Command: command}}}
}

func TestMessagesArrive(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		a, b := pair(t)
		commands := rapid.SliceOfN(rapid.StringN(0, 200, 300_000), 1, 8).Draw(r, "commands")
		var sent []Message
		for i, c := range commands {
			sent = append(sent, start(i, c))
		}
		split := rapid.IntRange(0, len(sent)).Draw(r, "split")
		failed := make(chan error, 1)
		go func() { failed <- errors.Join(a.Send(sent[:split]...), a.Send(sent[split:]...)) }()
		for i, c := range commands {
			var m DaemonMessage
			if err := b.Receive(&m, 10*time.Second); err != nil {
				r.Fatal(err)
			}
			if m.GetStart().GetAttempt().GetJob() != int64(i) || m.GetStart().GetCommand() != strings.ToValidUTF8(c, "") && m.GetStart().GetCommand() != c {
				r.Fatalf("message %d is %v", i, &m)
			}
		}
		if err := <-failed; err != nil {
			r.Fatal(err)
		}
	})
}

func TestConcurrentSends(t *testing.T) {
	a, b := pair(t)
	const senders, each = 8, 50
	var wg sync.WaitGroup
	for s := range senders {
		wg.Go(func() {
			for n := range each {
				if err := a.Send(start(s*each+n, strings.Repeat("x", s*100))); err != nil {
					t.Error(err)
				}
			}
		})
	}
	seen := make(map[int64]bool)
	for range senders * each {
		var m DaemonMessage
		if err := b.Receive(&m, 10*time.Second); err != nil {
			t.Fatal(err)
		}
		job := m.GetStart().GetAttempt().GetJob()
		if seen[job] || len(m.GetStart().GetCommand()) != int(job)/each*100 {
			t.Fatalf("message %d is mixed up", job)
		}
		seen[job] = true
	}
	wg.Wait()
}

func TestSizeLimit(t *testing.T) {
	a, b := pair(t)
	if err := a.Send(start(1, strings.Repeat("x", MaxMessage))); err == nil {
		t.Error("a message over the limit was sent")
	}
	written := make(chan error, 1)
	go func() {
		_, err := a.net.Write(binary.AppendUvarint(nil, MaxMessage+1))
		written <- err
	}()
	if err := b.Receive(new(DaemonMessage), 10*time.Second); err == nil || !strings.Contains(err.Error(), "more than") {
		t.Errorf("a length over the limit: %v", err)
	}
	if err := <-written; err != nil {
		t.Error(err)
	}
}

func TestBrokenStreams(t *testing.T) {
	frame := func(m Message) []byte {
		body := make([]byte, m.Size())
		if _, err := m.MarshalToSizedBuffer(body); err != nil {
			t.Fatal(err)
		}
		return append(binary.AppendUvarint(nil, uint64(len(body))), body...)
	}
	whole := frame(start(1, strings.Repeat("x", 300)))
	for cut := range len(whole) {
		in := bufio.NewReader(bytes.NewReader(whole[:cut]))
		_, err := readFrame(in, nil)
		if want := map[bool]error{true: io.EOF, false: io.ErrUnexpectedEOF}[cut == 0]; !errors.Is(err, want) {
			t.Fatalf("cut at %d: %v, want %v", cut, err, want)
		}
	}
}

func FuzzReceive(f *testing.F) {
	seed := func(messages ...Message) {
		var stream []byte
		for _, m := range messages {
			body := make([]byte, m.Size())
			if _, err := m.MarshalToSizedBuffer(body); err != nil {
				f.Fatal(err)
			}
			stream = append(binary.AppendUvarint(stream, uint64(len(body))), body...)
		}
		f.Add(stream)
	}
	seed(start(1, "sleep 1"))
	seed(&HostMessage{Body: &HostMessage_Hello{Hello: &Hello{Host: "h", Known: []*Attempt{{Job: 1, Index: 2, Attempt: 3}}}}},
		&HostMessage{Body: &HostMessage_Ended{Ended: &Ended{ExitCode: 3}}}, &HostMessage{})
	f.Add([]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1})
	f.Add([]byte{2, 0x3a, 0x7f})
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, m := range []Message{new(HostMessage), new(DaemonMessage)} {
			in := bufio.NewReader(bytes.NewReader(data))
			for {
				body, err := readFrame(in, nil)
				if err != nil {
					break
				}
				if len(body) > len(data) {
					t.Fatalf("%d bytes of %d", len(body), len(data))
				}
				if m.Unmarshal(body) != nil {
					continue
				}
				again := make([]byte, m.Size())
				if _, err := m.MarshalToSizedBuffer(again); err != nil {
					t.Fatalf("what was decoded cannot be encoded: %v", err)
				}
			}
		}
	})
}
