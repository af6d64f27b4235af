package host

import (
	"slices"
	"time"

	"sluice/queue/wire"
)

const (
	// maxKeptBytes is how much output of ended jobs waits to be fetched; beyond it the oldest is dropped.
	maxKeptBytes = 64 << 20
	// maxKeepBytes is the most of one stream that is kept for the daemon.
	maxKeepBytes = 16 << 20
	// keptWarnEvery is how often it is said that output was dropped.
	keptWarnEvery = time.Minute
)

// tail is the end of a stream.
type tail struct {
	data    []byte
	skipped int64 // bytes before it
	dropped bool  // more was written after it
}

func (t *tail) size() int64 { return t.skipped + int64(len(t.data)) }

// peek copies what there is from offset on.
func (t *tail) peek(into *wire.Output, offset int64, limit int) {
	into.Kept, into.Skipped, into.Dropped = t.size(), t.skipped, t.dropped
	at := max(offset-t.skipped, 0)
	if at < int64(len(t.data)) && limit > 0 {
		into.Data = t.data[at:min(at+int64(min(limit, maxPeek)), int64(len(t.data)))]
	}
}

// tail reads the end of what was kept, after finish.
func (c *capture) tail(most int64) (tail, error) {
	t := tail{skipped: max(c.size-most, 0), dropped: c.dropped > 0}
	if c.file == nil {
		t.data = slices.Clone(c.memory[t.skipped:])
		return t, nil
	}
	t.data = make([]byte, c.size-t.skipped)
	n, err := c.file.ReadAt(t.data, t.skipped)
	t.data = t.data[:n]
	return t, err
}

// keptOutput is what an ended job wrote, until the daemon has fetched it.
type keptOutput struct {
	out, errOut tail
	separate    bool
}

func (o *keptOutput) bytes() int { return len(o.out.data) + len(o.errOut.data) }

// keepFor reads what is to be kept of a job's output; nil where there is nothing.
func (j *job) keepFor() (*keptOutput, error) {
	most := min(j.start.GetKeepBytes(), maxKeepBytes)
	p := &j.ready
	if most <= 0 || j.discard || j.preExecFailed {
		return nil, nil //nolint:nilnil // nothing is kept
	}
	var err error
	o := &keptOutput{separate: p.errOut != nil}
	if p.out != nil && p.out.size > 0 {
		o.out, err = p.out.tail(most)
	}
	if p.errOut != nil && p.errOut.size > 0 && err == nil {
		o.errOut, err = p.errOut.tail(most)
	}
	if err != nil || o.bytes() == 0 {
		return nil, err
	}
	return o, nil
}

// keep holds the output of an ended job until it is fetched.
func (k *keeper) keep(key attemptKey, o *keptOutput) {
	k.kept[key] = o
	k.keptOrder = append(k.keptOrder, key)
	k.keptBytes += o.bytes()
	for k.keptBytes > maxKeptBytes {
		oldest := k.keptOrder[0]
		if k.kept[oldest] != nil {
			k.keptDropped++
		}
		k.fetched(oldest)
	}
	if now := time.Now(); k.keptDropped > 0 && now.Sub(k.keptWarned) >= keptWarnEvery {
		k.warn("output of %d ended jobs was dropped: it is not fetched as fast as jobs write it", k.keptDropped)
		k.keptDropped, k.keptWarned = 0, now
	}
}

// fetched lets go of what the daemon has.
func (k *keeper) fetched(key attemptKey) {
	if o := k.kept[key]; o != nil {
		k.keptBytes -= o.bytes()
		delete(k.kept, key)
	}
	for len(k.keptOrder) > 0 && k.kept[k.keptOrder[0]] == nil {
		k.keptOrder = k.keptOrder[1:]
	}
}

// wire tells the daemon what there is to fetch.
func (o *keptOutput) wire(key attemptKey) *wire.Kept {
	return &wire.Kept{Attempt: key.wire(), OutBytes: o.out.size(), ErrBytes: o.errOut.size()}
}
