package host

import (
	"fmt"

	"sluice/queue"
	"sluice/queue/wire"
)

// attemptKey names one start of a job; it is comparable, as wire.Attempt is not meant to be.
type attemptKey struct {
	id      queue.ID
	attempt int32
}

func keyOf(a *wire.Attempt) attemptKey {
	return attemptKey{queue.ID{Job: a.GetJob(), Index: int(a.GetIndex())}, a.GetAttempt()}
}

func (k attemptKey) wire() *wire.Attempt {
	return &wire.Attempt{Job: k.id.Job, Index: int32(k.id.Index), Attempt: k.attempt}
}

// String is a form that is also good as the name of a file.
func (k attemptKey) String() string { return fmt.Sprintf("%d.%d.%d", k.id.Job, k.id.Index, k.attempt) }

// known are the attempts of a host: running, and ended but not acknowledged; and the last ones that were acknowledged, so
// that a Start that comes twice is known whenever it comes. Order is that of arrival.
type known struct {
	entries map[attemptKey]*entry
	order   []attemptKey // may hold keys that are gone; compacted when they are the most
	running int
	recent  [1024]attemptKey // acknowledged, a ring
	next    int
	isDone  map[attemptKey]struct{} // the keys in recent
}

type entry struct {
	started  *wire.Started
	ended    *wire.Ended
	usage    *wire.Usage // the newest
	disowned bool        // the daemon does not want to hear of it
	attended bool        // it speaks with its submitter
	// signalled says that the daemon had a signal sent to it.
	signalled bool
}

func newKnown() *known {
	return &known{entries: map[attemptKey]*entry{}, isDone: map[attemptKey]struct{}{}}
}

// add makes an attempt known as running; false when it is known, or was.
func (k *known) add(key attemptKey) bool {
	if _, done := k.isDone[key]; done || k.entries[key] != nil {
		return false
	}
	k.entries[key] = &entry{}
	k.order = append(k.order, key)
	k.running++
	return true
}

// ended notes the end of a running attempt. It says whether the daemon is to hear of it.
func (k *known) ended(key attemptKey, ended *wire.Ended) bool {
	e := k.entries[key]
	if e == nil || e.ended != nil {
		return false
	}
	e.ended = ended
	k.running--
	if e.disowned {
		k.forget(key)
		return false
	}
	return true
}

// forget drops an attempt that ended.
func (k *known) forget(key attemptKey) {
	e := k.entries[key]
	if e == nil || e.ended == nil {
		return
	}
	delete(k.entries, key)
	delete(k.isDone, k.recent[k.next])
	k.recent[k.next] = key
	k.isDone[key] = struct{}{}
	k.next = (k.next + 1) % len(k.recent)
	if len(k.order) > 2*len(k.entries)+64 {
		k.order = k.keys()
	}
}

// keys are the attempts known, oldest first.
func (k *known) keys() []attemptKey {
	keys := make([]attemptKey, 0, len(k.entries))
	for _, key := range k.order {
		if k.entries[key] != nil {
			keys = append(keys, key)
		}
	}
	return keys
}

// unacknowledged is the number of attempts that ended and are still known.
func (k *known) unacknowledged() int { return len(k.entries) - k.running }
