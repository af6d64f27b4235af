package main

import (
	"bufio"
	"bytes"
	"context"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"sluice/queue"
	"sluice/queue/wire"
)

// wrote is a job that has ended and wrote something, of which the beginning may be lost.
type wrote struct {
	text    string
	skipped int
	piece   int // most bytes of an answer
}

func (w wrote) Peek(_ context.Context, _ queue.ID, ask wire.PeekRequest) (wire.Peeked, error) {
	limit := w.piece
	if ask.Limit > 0 {
		limit = min(limit, ask.Limit)
	}
	at := min(max(int(ask.Offset), w.skipped), len(w.text))
	return wire.Peeked{
		Data: []byte(w.text[at:min(at+limit, len(w.text))]), Kept: int64(len(w.text)), Skipped: int64(w.skipped), Attempt: 1, Ended: true,
	}, nil
}

func (w wrote) logs(t *rapid.T, lines int) (out, notes string) {
	t.Helper()
	var shown, said bytes.Buffer
	l := logs{client: w, id: queue.ID{Job: 1}, options: logsOptions{lines: lines}, out: bufio.NewWriter(&shown), notes: &said}
	if err := l.show(context.Background()); err != nil {
		t.Fatal(err)
	}
	if err := l.out.Flush(); err != nil {
		t.Fatal(err)
	}
	return shown.String(), said.String()
}

// The last lines are those that tail shows, and without a number all that there is is shown.
func TestLogsShowsLastLines(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := wrote{text: rapid.StringMatching(`([a-z]{0,5}\n?){0,30}`).Draw(t, "text"), piece: wire.MaxPeek}
		w.skipped = rapid.IntRange(0, len(w.text)).Draw(t, "skipped")
		there := w.text[w.skipped:]
		n := rapid.IntRange(0, 12).Draw(t, "lines")
		lines := strings.SplitAfter(strings.TrimSuffix(there, "\n"), "\n")
		want := strings.Join(lines[max(len(lines)-n, 0):], "")
		if strings.HasSuffix(there, "\n") && n > 0 {
			want += "\n"
		}
		if got, _ := w.logs(t, n); got != want {
			t.Errorf("of %q the last %d lines are %q, want %q", there, n, got, want)
		}
		w.piece = rapid.IntRange(1, 50).Draw(t, "piece")
		got, notes := w.logs(t, -1)
		if got != there || (w.skipped > 0) != strings.Contains(notes, "are not kept") {
			t.Errorf("of %q shown %q, with the note %q", there, got, notes)
		}
	})
}
