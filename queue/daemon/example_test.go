package daemon_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"sluice/queue"
	"sluice/queue/daemon"
	"sluice/queue/journal"
	"sluice/queue/wire"
)

// A daemon with one pending job, which its client and the framework around it see.
func Example() {
	if err := example(context.Background()); err != nil {
		fmt.Println(err)
	}
	// Output:
	// job 1 in queue normal
	// add hosts for 4 slots
}

func example(ctx context.Context) (err error) {
	dir, err := os.MkdirTemp("", "example")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	j, err := journal.Open(filepath.Join(dir, "journal.db"), journal.Options{})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, j.Close()) }()
	d, err := daemon.Open(ctx, daemon.Config{Journal: j})
	if err != nil {
		return err
	}
	defer d.Stop()
	socket := filepath.Join(dir, wire.SocketName)
	if err := d.ServeUnix(socket); err != nil {
		return err
	}

	client, err := wire.NewClient(wire.Options{API: "unix://" + socket})
	if err != nil {
		return err
	}
	defer client.Close()
	job, err := client.Submit(ctx, queue.Spec{Command: "mpirun ./model", MinSlots: 4, MaxSlots: 4})
	if err != nil {
		return err
	}
	fmt.Println("job", job.ID, "in queue", job.Queue)

	snapshot, err := d.Poll(ctx)
	if err != nil {
		return err
	}
	fmt.Println("add hosts for", snapshot.Load.Pending, "slots")
	return nil
}
