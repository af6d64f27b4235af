package framework

import (
	"context"
	"sync"
)

// maxMail is the most events that wait for the owner; then the stream is not read on until it has caught up.
const maxMail = 1 << 16

// mailbox is the owner's inputs in order. Put never waits, so that the parts that report to the owner cannot block each
// other; only the stream's reader waits for room.
type mailbox struct {
	mu     sync.Mutex
	items  []any
	signal chan struct{} // holds one token while there may be items
	room   chan struct{} // holds one token while there may be room
}

func newMailbox() *mailbox {
	return &mailbox{signal: make(chan struct{}, 1), room: make(chan struct{}, 1)}
}

func (m *mailbox) put(item any) {
	m.mu.Lock()
	m.items = append(m.items, item)
	m.mu.Unlock()
	wake(m.signal)
}

// wait waits until there is room for an event, or ctx ends.
func (m *mailbox) wait(ctx context.Context) error {
	for {
		m.mu.Lock()
		full := len(m.items) >= maxMail
		m.mu.Unlock()
		if !full {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-m.room:
		}
	}
}

// take gives all items.
func (m *mailbox) take() []any {
	m.mu.Lock()
	items := m.items
	m.items = nil
	m.mu.Unlock()
	wake(m.room)
	return items
}

func wake(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
