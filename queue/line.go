package queue

// line is a queue of items, in the memory of those that left it.
type line[T any] struct {
	items []T
	gone  int // of items
}

func (l *line[T]) len() int { return len(l.items) - l.gone }

// first is the item that came before all others. There must be one.
func (l *line[T]) first() T { return l.items[l.gone] }

func (l *line[T]) push(item T) {
	if l.gone > len(l.items)/2 && len(l.items) == cap(l.items) {
		n := copy(l.items, l.items[l.gone:])
		clear(l.items[n:])
		l.items, l.gone = l.items[:n], 0
	}
	l.items = append(l.items, item)
}

func (l *line[T]) pop() T {
	var zero T
	item := l.items[l.gone]
	l.items[l.gone] = zero
	if l.gone++; l.gone == len(l.items) {
		l.items, l.gone = l.items[:0], 0
	}
	return item
}
