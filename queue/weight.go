package queue

import (
	"fmt"
	"math"
)

// SetWeight changes how much a pending slot of a queue counts in Load.PendingWeight, 0.01 to 100, to a hundredth. Like the
// configuration it is no event: who wants it to last sets it again on a new Queue. The error is an *Error.
func (q *Queue) SetWeight(name string, weight float64) error {
	if !(weight >= minWeight && weight <= maxWeight) {
		return &Error{Kind: KindInvalid, Code: BadSpec, Subject: name, Text: fmt.Sprintf("weight %v of queue %.60q: want %v to %v", weight, name, minWeight, maxWeight)}
	}
	s, ok := q.named[name]
	if !ok {
		return &Error{Kind: KindNotFound, Code: NoSuchQueue, Subject: name, Text: fmt.Sprintf("weight of queue %.60q: no such queue", name)}
	}
	s.spec.Weight, s.weight = weight, int(math.Round(weight*wholeWeight))
	return nil
}
