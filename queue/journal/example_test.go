package journal_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"sluice/queue"
	"sluice/queue/journal"
)

func Example() {
	dir, err := os.MkdirTemp("", "journal")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = os.RemoveAll(dir) }()
	ctx := context.Background()

	j, err := journal.Open(filepath.Join(dir, "journal.db"), journal.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer j.Close()
	if err := j.Append(ctx, []queue.Event{{Kind: queue.JobRequeued, Job: queue.ID{Job: 7}, Reason: "its host was lost"}}); err != nil {
		fmt.Println(err)
		return
	}
	// The event is durable now.
	err = j.Replay(ctx, func(e queue.Event) error {
		fmt.Println(e.Kind, e.Job, e.Reason)
		return nil
	})
	if err != nil {
		fmt.Println(err)
	}
	// Output: job_requeued 7 its host was lost
}
