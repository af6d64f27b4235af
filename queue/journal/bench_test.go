package journal

import (
	"context"
	"fmt"
	"path/filepath"
	"testing"

	"sluice/queue"
)

func BenchmarkAppend(b *testing.B) {
	for _, group := range []int{1, 16, 256, 4096} {
		b.Run(fmt.Sprintf("group=%d", group), func(b *testing.B) {
			j := open(b, filepath.Join(b.TempDir(), "journal.db"), Options{})
			events := make([]queue.Event, group)
			for i := range events {
				events[i] = submitted(int64(i+1), "HOME=/home/ada", "PATH=/usr/bin:/bin")
			}
			for b.Loop() {
				if err := j.Append(context.Background(), events); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.N*group)/b.Elapsed().Seconds(), "events/s")
		})
	}
}

func BenchmarkReplay(b *testing.B) {
	const size = 100_000
	j := open(b, filepath.Join(b.TempDir(), "journal.db"), Options{})
	events := make([]queue.Event, size)
	for i := range events {
		events[i] = submitted(int64(i+1), "HOME=/home/ada")
	}
	if err := j.Append(context.Background(), events); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		n := 0
		err := j.Replay(context.Background(), func(queue.Event) error {
			n++
			return nil
		})
		if err != nil || n != size {
			b.Fatal(n, err)
		}
	}
	b.ReportMetric(float64(b.N*size)/b.Elapsed().Seconds(), "events/s")
}
