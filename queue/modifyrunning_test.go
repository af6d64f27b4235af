package queue_test

import (
	"errors"
	"testing"
	"time"

	"sluice/queue"
)

// running is a queue in which a job of 60 seconds runs since epoch.
func running(t *testing.T) (*queue.Queue, queue.ID) {
	t.Helper()
	q, err := queue.New(queue.Config{Queues: []queue.QueueSpec{{Name: "normal", Default: true, Terms: queue.Terms{RunLimit: time.Hour}}}})
	must(t, err)
	must(t, q.AddHost(epoch, queue.HostSpec{Name: "h", Slots: 2}))
	_, err = q.JoinHost(epoch, "h", "session", nil)
	must(t, err)
	id, err := q.Submit(epoch, queue.Spec{User: "ann", Command: "c", RunLimit: time.Minute})
	must(t, err)
	q.Schedule(epoch)
	must(t, q.Executing(epoch, id, 1, 1))
	q.Take(nil)
	return q, id
}

func TestModifyRunning(t *testing.T) {
	ann := queue.Actor{User: "ann"}
	at := func(seconds int) time.Time { return epoch.Add(time.Duration(seconds) * time.Second) }
	limit := func(d time.Duration) func(*queue.Spec) { return func(s *queue.Spec) { s.RunLimit = d } }
	endsAt := func(t *testing.T, q *queue.Queue, want time.Time) {
		t.Helper()
		if got := q.NextWake(); !got.Equal(want) {
			t.Errorf("it would be ended at %v, want %v", got.Sub(epoch), want.Sub(epoch))
		}
	}
	t.Run("longer and shorter", func(t *testing.T) {
		q, id := running(t)
		must(t, q.Modify(at(10), ann, id, limit(5*time.Minute)))
		endsAt(t, q, at(300))
		must(t, q.Modify(at(20), ann, id, limit(30*time.Second)))
		endsAt(t, q, at(30))
		must(t, q.Modify(at(20), ann, id, limit(0))) // the queue's
		endsAt(t, q, at(3600))
	})
	t.Run("what has passed ends it", func(t *testing.T) {
		q, id := running(t)
		must(t, q.Modify(at(50), ann, id, limit(20*time.Second)))
		q.Tick(at(50))
		if events := q.Take(nil); len(events) != 2 || events[1].Kind != queue.JobKillAsked {
			t.Errorf("events are %v", events)
		}
	})
	t.Run("time of suspension does not count", func(t *testing.T) {
		q, id := running(t)
		must(t, q.Stop(at(10), ann, id))
		must(t, q.Resume(at(30), ann, id))
		endsAt(t, q, at(80))
		must(t, q.Stop(at(40), ann, id))
		must(t, q.Modify(at(50), ann, id, limit(2*time.Minute)))
		if wake := q.NextWake(); !wake.IsZero() {
			t.Errorf("a suspended job would be ended at %v", wake.Sub(epoch))
		}
		must(t, q.Resume(at(60), ann, id))
		endsAt(t, q, at(160))
	})
	t.Run("deadline", func(t *testing.T) {
		q, id := running(t)
		must(t, q.Modify(at(10), ann, id, func(s *queue.Spec) { s.EndBy = at(40) }))
		endsAt(t, q, at(40))
	})
	t.Run("refused", func(t *testing.T) {
		q, id := running(t)
		for name, change := range map[string]func(*queue.Spec){
			"name": func(s *queue.Spec) { s.Name = "x" }, "slots": func(s *queue.Spec) { s.MaxSlots = 2 },
			"group": func(s *queue.Spec) { s.Group = "/a" }, "queue": func(s *queue.Spec) { s.Queue = "other" },
		} {
			if err := q.Modify(at(1), ann, id, change); !errors.Is(err, &queue.Error{Code: queue.WrongState}) {
				t.Errorf("%s: %v", name, err)
			}
		}
		if err := q.Modify(at(1), ann, id, limit(2*time.Hour)); !errors.Is(err, &queue.Error{Code: queue.RunLimitTooLarge}) {
			t.Errorf("above the queue's run limit: %v", err)
		}
		if err := q.Modify(at(1), ann, id, limit(-1)); queue.KindOf(err) != queue.KindInvalid {
			t.Errorf("negative: %v", err)
		}
		if err := q.Modify(at(1), queue.Actor{User: "bob"}, id, limit(1)); !errors.Is(err, &queue.Error{Code: queue.NotYours}) {
			t.Errorf("by another: %v", err)
		}
		if events := q.Take(nil); events != nil {
			t.Errorf("events are %v", events)
		}
		endsAt(t, q, at(60))
	})
}
