package minimesos

import "sync"

// mailbox is an actor's queue of things to do: posting never blocks, one goroutine does them in order.
type mailbox struct {
	mu     sync.Mutex
	queue  []func()
	closed bool
	signal chan struct{} // capacity 1
}

func newMailbox() *mailbox { return &mailbox{signal: make(chan struct{}, 1)} }

// post queues f; after close it is dropped, and the result is false.
func (b *mailbox) post(f func()) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return false
	}
	b.queue = append(b.queue, f)
	b.wake()
	return true
}

// close lets run return when what is queued has been done.
func (b *mailbox) close() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.closed = true
	b.wake()
}

func (b *mailbox) wake() {
	select {
	case b.signal <- struct{}{}:
	default:
	}
}

func (b *mailbox) run() {
	for {
		b.mu.Lock()
		todo, closed := b.queue, b.closed
		b.queue = nil
		b.mu.Unlock()
		for _, f := range todo {
			f()
		}
		if len(todo) > 0 {
			continue
		}
		if closed {
			return
		}
		<-b.signal
	}
}
