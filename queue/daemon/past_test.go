package daemon

import (
	"context"
	"path/filepath"
	"testing"
	"time"

	"sluice/queue"
	"sluice/queue/history"
	"sluice/queue/journal"
	"sluice/queue/wire"
)

var _ History = (*journal.History)(nil)

// lateHistory opens the history of the bench's journal once that is open.
type lateHistory struct{ *journal.History }

func newPastBench(t *testing.T) *bench {
	t.Helper()
	late := &lateHistory{}
	return newBenchOn(t, func(c *Config) {
		c.History = late
		c.Queue.KeepFinished = time.Nanosecond
	}, func(j Journal) Journal {
		store, ok := j.(*journal.Journal)
		if !ok {
			t.Fatalf("%T is no journal", j)
		}
		h, err := journal.OpenHistory(context.Background(), filepath.Join(t.TempDir(), "history.db"), store, journal.HistoryOptions{})
		if err != nil {
			t.Fatal(err)
		}
		late.History = h
		t.Cleanup(func() {
			if err := h.Close(); err != nil {
				t.Error(err)
			}
		})
		return j
	})
}

func (b *bench) past(ask wire.PastRequest) []history.Past {
	b.t.Helper()
	var all []history.Past
	err := b.client.Past(context.Background(), ask, func(p history.Past) error {
		all = append(all, p)
		return nil
	})
	if err != nil {
		b.t.Fatal(err)
	}
	return all
}

func TestPast(t *testing.T) {
	b := newPastBench(t)
	first := b.submit(command("one"))
	b.submit(arrayOf(3))
	b.act(wire.ActRequest{Action: wire.Kill, IDs: []queue.ID{first}})
	// What was answered is in the history, also what the Queue has forgotten.
	all := b.past(wire.PastRequest{Events: true})
	if len(all) != 4 || all[0].State != queue.Exited || len(all[0].Events) != 2 || all[2].ID.Index != 2 || all[2].Spec == nil || all[2].State != queue.Pending {
		t.Fatalf("%d in the history: %+v", len(all), all)
	}
	if ended := b.past(wire.PastRequest{Filter: history.Filter{States: []queue.State{queue.Exited}}}); len(ended) != 1 {
		t.Errorf("%d ended ones", len(ended))
	}
	summary, err := b.client.PastSummary(context.Background(), history.Filter{})
	if err != nil || summary.Exited != 1 || summary.Done != 0 {
		t.Errorf("summary %+v, %v", summary, err)
	}
	params, err := b.client.Params(context.Background())
	if err != nil || params.History == 0 {
		t.Errorf("params %+v, %v", params, err)
	}
}

func TestNoHistory(t *testing.T) {
	b := newBench(t, nil)
	if _, err := b.client.PastSummary(context.Background(), history.Filter{}); queue.KindOf(err) != queue.KindUnavailable {
		t.Errorf("without a history: %v", err)
	}
}
