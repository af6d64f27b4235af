package daemon

import (
	"context"
	"errors"
	"testing"

	"sluice/queue"
)

// Weights that are set live are in the load at once, outlast a queue that is built anew after a fault of the disk, and none is
// set where one cannot be.
func TestSetWeights(t *testing.T) {
	disk := &faulty{}
	b := newBenchOn(t, nil, func(j Journal) Journal {
		disk.Journal = j
		return disk
	})
	ctx := context.Background()
	weight := func() float64 {
		t.Helper()
		s, err := b.Poll(ctx)
		if err != nil {
			t.Fatal(err)
		}
		return s.Load.PendingWeight
	}
	b.submit(command("a")) // to queue normal
	if err := b.SetWeights(ctx, map[string]float64{"normal": 2.5, "priority": 9}); err != nil {
		t.Fatal(err)
	}
	if got := weight(); got != 2.5 {
		t.Errorf("weight %v of what pends, want 2.5", got)
	}
	for _, bad := range []map[string]float64{{"normal": 3, "nosuch": 3}, {"normal": 3, "priority": 101}, {"normal": 0}} {
		if err := b.SetWeights(ctx, bad); queue.KindOf(err) != queue.KindInvalid && queue.KindOf(err) != queue.KindNotFound {
			t.Errorf("%v: %v, want a refusal", bad, err)
		}
	}
	if got := weight(); got != 2.5 {
		t.Errorf("weight %v after refusals, want 2.5", got)
	}
	disk.full.Store(true)
	_, err := b.client.Submit(ctx, command("lost"))
	wantCode(t, err, queue.JournalUnwritable)
	disk.full.Store(false)
	b.eventually("the queue was built anew", func() bool {
		_, err := b.client.Submit(ctx, command("after"))
		return err == nil
	})
	if got := weight(); got != 2.5 {
		t.Errorf("weight %v of a queue that was built anew, want 2.5", got)
	}
	b.restart()
	if got := weight(); got != 1 {
		t.Errorf("weight %v after a restart, want the configuration's 1", got)
	}
	b.stop()
	if err := b.SetWeights(ctx, map[string]float64{"normal": 2}); !errors.Is(err, errStopping) {
		t.Errorf("after the end: %v", err)
	}
}
