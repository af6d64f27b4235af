package queue

import (
	"math"
	"sort"
)

// array is the elements of a job array. An element that has only ever done what the whole array did is pristine: it has no
// record, only the array's common state. Records come in pages, so that a million elements cost a million records at most
// and no lookup tables.
type array struct {
	ranges   []Range
	before   []int32 // elements before each range
	size     int32
	limit    int32
	pages    []*[pageSize]element // by ordinal; nil = all pristine
	pristine int32                // elements without a record
	state    State                // of the pristine ones: Pending, HeldPending or Exited
	ended    stamp                // of the pristine ones, when Exited
	reason   string               // of the pristine ones, when Exited
	cursor   int32                // no pristine element has an ordinal below
	returned heapOf[int32]        // pending elements that have records; may hold some that pend no longer
	waiting  int32                // pending elements that have records and are not barred
	count    [Unknown + 1]int32   // elements by state
	each     bool                 // each element has a dependency of its own: pristine ones are not ready
}

const pageSize = 64

func newArray(a *Array) *array {
	s := &array{ranges: a.Ranges, limit: int32(min(a.Limit, math.MaxInt32)), state: Pending}
	for _, r := range a.Ranges {
		s.before = append(s.before, s.size)
		s.size += int32((r.Last-r.First)/r.Step + 1)
	}
	s.pages = make([]*[pageSize]element, (s.size+pageSize-1)/pageSize)
	s.pristine = s.size
	s.returned.less = func(a, b int32) bool { return a < b }
	return s
}

// ordinal is the position of an index among the array's indices.
func (a *array) ordinal(index int) (int32, bool) {
	i := sort.Search(len(a.ranges), func(i int) bool { return a.ranges[i].First > index }) - 1
	if i < 0 {
		return 0, false
	}
	r := a.ranges[i]
	if index > r.Last || (index-r.First)%r.Step != 0 {
		return 0, false
	}
	return a.before[i] + int32((index-r.First)/r.Step), true
}

// following is the ordinal of the first index above one.
func (a *array) following(index int) int32 {
	i := sort.Search(len(a.ranges), func(i int) bool { return a.ranges[i].Last > index })
	if i == len(a.ranges) {
		return a.size
	}
	if r := a.ranges[i]; index >= r.First {
		return a.before[i] + int32((index-r.First)/r.Step) + 1
	}
	return a.before[i]
}

// index is the inverse of ordinal.
func (a *array) index(ordinal int32) int32 {
	i := 0
	if len(a.before) > 1 {
		i = sort.Search(len(a.before), func(i int) bool { return a.before[i] > ordinal }) - 1
	}
	return int32(a.ranges[i].First) + (ordinal-a.before[i])*int32(a.ranges[i].Step)
}

// at is the record of an element, nil while it is pristine.
func (a *array) at(ordinal int32) *element {
	page := a.pages[ordinal/pageSize]
	if page == nil || page[ordinal%pageSize].state == 0 {
		return nil
	}
	return &page[ordinal%pageSize]
}

// record gives an element a record of its own, with the state that it shared until now.
func (a *array) record(j *job, ordinal int32) *element {
	page := a.pages[ordinal/pageSize]
	if page == nil {
		page = new([pageSize]element)
		a.pages[ordinal/pageSize] = page
	}
	e := &page[ordinal%pageSize]
	if e.state != 0 {
		return e
	}
	*e = element{job: j, index: a.index(ordinal), state: a.state}
	if a.state == Exited {
		e.ended, e.reason = a.ended, a.reason
	}
	a.pristine--
	if a.state == Pending {
		a.waiting++
	}
	return e
}

// startable is the number of pending elements that nothing but the array's limit holds back.
func (a *array) startable() int32 {
	if a.state == Pending && !a.each {
		return a.waiting + a.pristine
	}
	return a.waiting
}

// admit counts a pending element with a record as one that may start.
func (a *array) admit(e *element) {
	a.waiting++
	if ordinal, ok := a.ordinal(int(e.index)); ok {
		a.offer(ordinal, e)
	}
}

// offer makes a pending element with a record known to next.
func (a *array) offer(ordinal int32, e *element) {
	if !e.queued {
		e.queued = true
		a.returned.push(ordinal)
	}
}

// next is the ordinal of the element to start next. There must be one.
func (a *array) next() int32 {
	for a.returned.len() > 0 {
		first := a.returned.items[0]
		e := &a.pages[first/pageSize][first%pageSize]
		if e.state == Pending && e.queued && !e.barred {
			return first
		}
		e.queued = false
		a.returned.pop()
	}
	for a.at(a.cursor) != nil {
		a.cursor++
	}
	return a.cursor
}

// records calls f for each element that has a record, by index.
func (a *array) records(f func(ordinal int32, e *element)) {
	for p, page := range a.pages {
		if page == nil {
			continue
		}
		for i := range page {
			if page[i].state != 0 {
				f(int32(p*pageSize+i), &page[i])
			}
		}
	}
}
