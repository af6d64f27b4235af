package daemon

import (
	"context"
	"testing"

	"sluice/queue"
	"sluice/queue/wire"
)

func TestPeek(t *testing.T) {
	b := newBench(t, nil)
	peek := func(id queue.ID, ask wire.PeekRequest) (wire.Peeked, error) {
		return b.client.Peek(context.Background(), id, ask)
	}
	id := b.submit(command("talk"))
	_, err := peek(id, wire.PeekRequest{})
	wantCode(t, err, queue.WrongState)
	_, err = peek(queue.ID{Job: 99}, wire.PeekRequest{})
	wantCode(t, err, queue.NoSuchJob)
	_, err = peek(id, wire.PeekRequest{Limit: wire.MaxPeek + 1})
	wantCode(t, err, queue.BadSpec)

	host := b.join(&wire.Hello{Host: "h1", Token: b.addHost("h1", 2), Peeks: true})
	start := host.hearStart()
	answered := make(chan struct{})
	go func() {
		defer close(answered)
		question := host.hear().GetPeek()
		if question.GetOffset() != 3 || !question.GetStderr() || question.GetLimit() != wire.MaxPeek {
			t.Errorf("the host is asked %v", question)
		}
		stray := &wire.Output{Number: question.GetNumber() + 1000, Data: []byte("nobody asked")}
		host.tell(&wire.HostMessage{Body: &wire.HostMessage_Output{Output: stray}})
		answer := &wire.Output{Number: question.GetNumber(), Data: []byte("words"), Kept: 8, Separate: true}
		host.tell(&wire.HostMessage{Body: &wire.HostMessage_Output{Output: answer}})
	}()
	p, err := peek(id, wire.PeekRequest{Stderr: true, Offset: 3})
	<-answered
	if err != nil || string(p.Data) != "words" || p.Kept != 8 || !p.Separate || p.Attempt != 1 {
		t.Errorf("peeked %+v, %v", p, err)
	}

	// A host that goes away while it is asked, and one that does not know the question.
	go func() {
		host.hear()
		_ = host.conn.Close()
	}()
	if _, err := peek(id, wire.PeekRequest{}); queue.KindOf(err) != queue.KindUnavailable {
		t.Errorf("of a host that left: %v", err)
	}
	again := b.join(&wire.Hello{Host: "h1", Session: host.session, Known: []*wire.Attempt{start.GetAttempt()}})
	if _, err := peek(id, wire.PeekRequest{}); queue.KindOf(err) != queue.KindUnavailable {
		t.Errorf("of an older host: %v", err)
	}
	again.ended(start.GetAttempt(), 0)
	again.acknowledged(start.GetAttempt())
	if p, err := peek(id, wire.PeekRequest{}); err != nil || !p.Ended || len(p.Data) > 0 {
		t.Errorf("of an ended job of which nothing is kept: %+v, %v", p, err)
	}
}
