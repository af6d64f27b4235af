package journal

import (
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"sluice/queue"
	"sluice/queue/history"
)

// BenchmarkFollow is the history's work for jobs that are submitted, start and end: it shares the machine with the daemon.
func BenchmarkFollow(b *testing.B) {
	const jobs = 10_000
	at := time.Unix(1_000_000, 0).UTC()
	var events []queue.Event
	for n := range int64(jobs) {
		id := queue.ID{Job: n + 1}
		events = append(events,
			submitted(n+1, "HOME=/home/ada"),
			queue.Event{Kind: queue.JobStarted, At: at, Job: id, Attempt: 1, Placement: []queue.Placement{{Host: "h1", Slots: 1}}},
			queue.Event{Kind: queue.JobExecuting, At: at, Job: id, Attempt: 1, PID: 4711},
			queue.Event{Kind: queue.JobFinished, At: at, Job: id, Attempt: 1})
	}
	for round := 0; b.Loop(); round++ {
		b.StopTimer()
		dir := filepath.Join(b.TempDir(), fmt.Sprint(round))
		j := open(b, dir+"journal.db", Options{})
		if err := j.Append(b.Context(), events); err != nil {
			b.Fatal(err)
		}
		h, err := OpenHistory(b.Context(), dir+"history.db", j, HistoryOptions{})
		if err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
		if err := h.Follow(b.Context()); err != nil {
			b.Fatal(err)
		}
		b.StopTimer()
		begin := time.Now()
		if s, err := h.Summarize(b.Context(), history.Filter{}); err != nil || s.Jobs() != jobs {
			b.Fatal(s, err)
		}
		b.ReportMetric(jobs/time.Since(begin).Seconds(), "summed-jobs/s")
		if err := h.Close(); err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
	}
	b.ReportMetric(float64(b.N*jobs)/b.Elapsed().Seconds(), "jobs/s")
}
