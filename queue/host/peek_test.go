package host

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
	"time"

	"sluice/queue/wire"
)

func TestPeekAtACapture(t *testing.T) {
	const limit = 200_000
	c, writer, err := newCapture(filepath.Join(t.TempDir(), "out"), limit, &account{own: true})
	if err != nil {
		t.Fatal(err)
	}
	var want []byte
	for round := range 5 { // in memory first, then in a file, then over the limit
		piece := bytes.Repeat([]byte{byte('a' + round)}, 50_000)
		if _, err := writer.Write(piece); err != nil {
			t.Fatal(err)
		}
		if want = append(want, piece...); len(want) > limit {
			want = want[:limit]
		}
		var got []byte
		eventually(t, "what was written", func() bool {
			for {
				var answer wire.Output
				if err := c.peek(&answer, int64(len(got)), 70_000); err != nil {
					t.Fatal(err)
				}
				if got = append(got, answer.Data...); len(answer.Data) == 0 {
					return answer.Kept == int64(len(want)) && answer.Dropped == (round == 4)
				}
			}
		})
		if !bytes.Equal(got, want) {
			t.Fatalf("round %d: peeked at %d bytes, written were %d", round, len(got), len(want))
		}
	}
	if err := writer.Close(); err != nil {
		t.Fatal(err)
	}
	c.finish(time.Minute)
	if err := c.discard(); err != nil {
		t.Fatal(err)
	}
	var answer wire.Output
	if err := c.peek(&answer, 0, 10); err != nil || len(answer.Data) > 0 {
		t.Errorf("after the job: %d bytes, %v", len(answer.Data), err)
	}
}

func TestPeekAtAJob(t *testing.T) {
	d := newDaemon(t)
	startHost(t, d)
	goOn := filepath.Join(t.TempDir(), "go")
	start := newStart("echo out; echo err >&2; until [ -e "+goOn+" ]; do sleep 0.02; done", func(s *wire.Start) { s.Stderr = filepath.Join(t.TempDir(), "err") })
	key := d.begin(start)
	number := int64(0)
	peek := func(stderr bool) (answer *wire.Output) {
		number++
		d.send(&wire.DaemonMessage{Body: &wire.DaemonMessage_Peek{Peek: &wire.Peek{Number: number, Attempt: key.wire(), Stderr: stderr, Limit: 100}}})
		d.await("an answer about output", func() bool { answer = d.outputs[number]; return answer != nil })
		return answer
	}
	for stderr, want := range map[bool]string{false: "out\n", true: "err\n"} {
		eventually(t, "the job's output", func() bool {
			answer := peek(stderr)
			return string(answer.Data) == want && answer.Separate
		})
	}
	if err := os.WriteFile(goOn, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	d.end(key)
	if answer := peek(false); !answer.Absent {
		t.Errorf("after the job: %v", answer)
	}
}
