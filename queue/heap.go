package queue

// heapOf is a binary heap. moved, where set, is told the position of each item that moves, so that the item can be removed
// from the middle; -1 says that it left.
type heapOf[T any] struct {
	items []T
	less  func(a, b T) bool
	moved func(item T, pos int)
}

func (h *heapOf[T]) len() int { return len(h.items) }

func (h *heapOf[T]) push(item T) {
	h.items = append(h.items, item)
	h.up(len(h.items)-1, item)
}

func (h *heapOf[T]) pop() T { return h.remove(0) }

// remove takes out the item at a position.
func (h *heapOf[T]) remove(pos int) T {
	var zero T
	item, last := h.items[pos], len(h.items)-1
	filler := h.items[last]
	h.items[last] = zero
	h.items = h.items[:last]
	if h.moved != nil {
		h.moved(item, -1)
	}
	if pos < last && !h.up(pos, filler) {
		h.down(pos, filler)
	}
	return item
}

// init restores the order of all items.
func (h *heapOf[T]) init() {
	for pos := len(h.items)/2 - 1; pos >= 0; pos-- {
		h.down(pos, h.items[pos])
	}
}

// fix restores the order after the first item changed.
func (h *heapOf[T]) fix() { h.down(0, h.items[0]) }

// up puts an item at a position or nearer to the top; it reports whether it went up.
func (h *heapOf[T]) up(pos int, item T) bool {
	from := pos
	for pos > 0 {
		parent := (pos - 1) / 2
		if !h.less(item, h.items[parent]) {
			break
		}
		h.set(pos, h.items[parent])
		pos = parent
	}
	h.set(pos, item)
	return pos != from
}

func (h *heapOf[T]) down(pos int, item T) {
	for {
		child := 2*pos + 1
		if child >= len(h.items) {
			break
		}
		if child+1 < len(h.items) && h.less(h.items[child+1], h.items[child]) {
			child++
		}
		if !h.less(h.items[child], item) {
			break
		}
		h.set(pos, h.items[child])
		pos = child
	}
	h.set(pos, item)
}

func (h *heapOf[T]) set(pos int, item T) {
	h.items[pos] = item
	if h.moved != nil {
		h.moved(item, pos)
	}
}
