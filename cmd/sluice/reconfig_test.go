package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sluice/lsfbridge"
	"sluice/queue"
	"sluice/queue/wire"
)

// TestReconfigureAndKill changes LSF's files under a system that runs jobs, and kills it with SIGKILL: after the next start the queues are
// those of the files, and every job is there, as it was and running where it ran.
func TestReconfigureAndKill(t *testing.T) {
	conf := t.TempDir()
	write := func(text string, args ...any) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(conf, "lsb.queues"), fmt.Appendf(nil, text, args...), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	const one = "Begin Queue\nQUEUE_NAME = %s\nQJOB_LIMIT = %d\nEnd Queue\n"
	write(one+one, "normal", 9, "night", 1)
	s := newSite(t)
	s.more = []string{"--conf-dir", conf, "--min-slots", "4"}
	s.start("127.0.0.1:0")
	address := listenAddress(t, s)
	gate := filepath.Join(t.TempDir(), "go")
	wait := "until [ -e " + gate + " ]; do sleep 0.05; done"
	s.must("bsub", "-q", "night", wait)
	s.must("bsub", "-q", "night", wait)
	s.must("bsub", "-q", "normal", wait)
	eventually(t, "as many run as may", func() bool { c := s.states(); return c[queue.Running] == 2 && c[queue.Pending] == 1 })

	write(one+one, "night", 2, "late", 3) // normal is gone with a job that runs
	s.must("badmin", "reconfig")
	eventually(t, "the raised limit lets another one run", func() bool { return s.states()[queue.Running] == 3 })
	hosts := s.must("bjobs", "-u", "all", "-noheader", "-o", "jobid stat exec_host")

	s.kill()
	s.start(address)
	eventually(t, "the jobs run where they ran", func() bool {
		out, err := s.lsf("bjobs", "-u", "all", "-noheader", "-o", "jobid stat exec_host")
		return err == nil && out == hosts
	})
	queues := s.must("bqueues")
	for _, want := range []string{"night", "late", "lost_and_found"} {
		if !strings.Contains(queues, "\n"+want) {
			t.Errorf("no %s in\n%s", want, queues)
		}
	}
	if strings.Contains(queues, "normal") {
		t.Errorf("a removed queue is back:\n%s", queues)
	}

	// A file that is wrong at a start: refused, and no host is the worse for it.
	s.kill()
	write(one, "night late", 2)
	refused := sluice(t, "run", "--master", s.cluster.Master(), "--state-dir", s.dir, "--conf-dir", conf, "--listen", address)
	if out, err := refused.CombinedOutput(); err == nil || !strings.Contains(string(out), `lsb.queues:2: QUEUE_NAME = night late: want`) {
		t.Errorf("started with a wrong file: %v\n%s", err, out)
	}
	write(one+one, "night", 2, "normal", 9)
	s.start(address)
	if err := os.WriteFile(gate, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	eventually(t, "all jobs are done", func() bool { return s.states()[queue.Done] == 3 })
	if queues := s.must("bqueues"); strings.Contains(queues, "lost_and_found") {
		t.Errorf("the queue is back, and its job still lost:\n%s", queues)
	}
}

// strict is a daemon to whom the caller is no administrator.
type strict struct{}

func (strict) Reconfigure(context.Context, bool) (wire.Reconfigured, error) {
	return wire.Reconfigured{}, &queue.Error{Kind: queue.KindDenied, Text: "no administrator"}
}

func TestReconfigureDenied(t *testing.T) {
	order, err := lsfbridge.ParseAdminOrder([]string{"reconfig", "-f"})
	if err != nil {
		t.Fatal(err)
	}
	var out, errs bytes.Buffer
	c := &lsfCall{name: "badmin", stdout: bufio.NewWriter(&out), stderr: &errs}
	code, err := adminConfiguration(t.Context(), c, strict{}, order)
	if err != nil || code != lsfFailed || out.Len() > 0 || !strings.HasSuffix(errs.String(), "\nFailed: User permission denied\n") {
		t.Errorf("exit code %d, %v: %q", code, err, errs.String())
	}
}
