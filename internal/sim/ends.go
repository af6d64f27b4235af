package sim

import "time"

// jobEnd is when a running job ends.
type jobEnd struct {
	at  time.Duration
	job int
}

// before orders by time, and by job where times are equal.
func (e jobEnd) before(o jobEnd) bool { return e.at < o.at || e.at == o.at && e.job < o.job }

// endHeap is a heap of ends, the next one on top. Those below one are side by side in memory, and four are one cache line.
type endHeap []jobEnd

const fanOut = 4

// init restores the order of all.
func (h endHeap) init() {
	for at := (len(h)+fanOut-2)/fanOut - 1; at >= 0; at-- {
		h.sink(at, h[at])
	}
}

func (h *endHeap) add(end jobEnd) {
	*h = append(*h, end)
	ends, at := *h, len(*h)-1
	for at > 0 {
		above := (at - 1) / fanOut
		if !end.before(ends[above]) {
			break
		}
		ends[at], at = ends[above], above
	}
	ends[at] = end
}

func (h *endHeap) take() jobEnd {
	ends := *h
	first, last := ends[0], len(ends)-1
	*h = ends[:last]
	if last > 0 {
		h.sink(0, ends[last])
	}
	return first
}

// sink puts an end at a place or further down.
func (h endHeap) sink(at int, end jobEnd) {
	for {
		least := fanOut*at + 1
		if least >= len(h) {
			break
		}
		for other := least + 1; other < min(fanOut*at+1+fanOut, len(h)); other++ {
			if h[other].before(h[least]) {
				least = other
			}
		}
		if !h[least].before(end) {
			break
		}
		h[at], at = h[least], least
	}
	h[at] = end
}
