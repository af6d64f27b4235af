package main

import (
	"errors"
	"os/user"
	"path/filepath"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"sluice/queue"
	"sluice/queue/daemon"
	"sluice/queue/journal"
	"sluice/queue/spool"
	"sluice/queue/wire"
)

// TestLiveScripts runs scripts against a batch daemon of their own, which has no hosts: jobs stay pending.
func TestLiveScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{Dir: "testdata/live", Setup: func(e *testscript.Env) error {
		dir := shortTempDir(t)
		store, err := journal.Open(filepath.Join(dir, "journal.db"), journal.Options{})
		if err != nil {
			return err
		}
		past, err := journal.OpenHistory(t.Context(), filepath.Join(dir, "history.db"), store, journal.HistoryOptions{})
		if err != nil {
			return err
		}
		inputs, err := spool.Open(filepath.Join(dir, "input"), spool.Limits{File: wire.MaxInput})
		if err != nil {
			return err
		}
		d, err := daemon.Open(t.Context(), daemon.Config{
			Journal: store, History: past, Chronicle: past, Inputs: inputs, Queue: queue.Config{}, Cluster: "test", MasterHost: "m1", HostBinary: "/bin/true", HostLocal: true,
		})
		if err != nil {
			return err
		}
		e.Defer(func() {
			d.Stop()
			if err := errors.Join(past.Close(), store.Close()); err != nil {
				t.Error(err)
			}
		})
		socket := filepath.Join(dir, "api.sock")
		e.Setenv("SLUICE_API", "unix://"+socket)
		me, err := user.Current()
		if err != nil {
			return err
		}
		e.Setenv("OWNER", me.Username)
		return d.ServeUnix(socket)
	}})
}
