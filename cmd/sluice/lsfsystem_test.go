package main

import (
	"bufio"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sluice/queue"
	"sluice/queue/wire"
)

// TestOutputAndHistory is what users see of a job that runs: its output while it runs, and what became of it, also after the
// daemon was killed.
func TestOutputAndHistory(t *testing.T) {
	s := newSite(t)
	work := shortTempDir(t)
	s.start("127.0.0.1:0")
	address := listenAddress(t, s)
	s.must("bsub", "-J", "talk", "-e", filepath.Join(work, "err"),
		"echo hello; echo oops >&2; until [ -e "+work+"/go ]; do sleep 0.05; done; head -c 300000 /dev/zero | tr '\\0' x; until [ -e "+work+"/end ]; do sleep 0.05; done; exit 3")
	want := "<< output from stdout >>\nhello\n<< output from stderr >>\noops\n"
	eventually(t, "the job speaks", func() bool { out, err := s.lsf("bpeek", "1"); return err == nil && out == want })
	if out := s.must("bpeek"); out != want {
		t.Errorf("bpeek of the newest job: %q", out)
	}
	if err := os.WriteFile(filepath.Join(work, "go"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the job writes much", func() bool {
		out, err := s.lsf("bpeek", "-J", "talk")
		return err == nil && strings.Count(out, "x") == 300_000
	})
	if out := s.must("brequeue", "1"); out != "Job <1> is being requeued \n" {
		t.Errorf("brequeue: %q", out)
	}
	eventually(t, "the job runs again", func() bool {
		job, err := s.lsf("bjobs", "-noheader", "-o", "stat", "1")
		out, peekErr := s.lsf("bpeek", "1")
		return err == nil && job == "RUN\n" && peekErr == nil && strings.Contains(out, "hello")
	})
	s.kill()
	s.start(address)
	eventually(t, "the host is back", func() bool { _, err := s.lsf("bpeek", "1"); return err == nil })
	follow := sluice(t, "bpeek", "-f", "1")
	follow.Env = append(follow.Env, wire.EnvAPI+"="+s.client.API())
	output, err := follow.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := follow.Start(); err != nil {
		t.Fatal(err)
	}
	followed := bufio.NewReader(output)
	for _, want := range []string{"<< output from stdout >>\n", "hello\n"} {
		if line, err := followed.ReadString('\n'); line != want {
			t.Fatalf("bpeek -f says %q, %v; want %q", line, err, want)
		}
	}
	if err := os.WriteFile(filepath.Join(work, "end"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(io.Discard, followed); err != nil {
		t.Fatal(err)
	}
	if err := follow.Wait(); err != nil {
		t.Errorf("bpeek -f at the job's end: %v", err)
	}
	eventually(t, "the job ends", func() bool { return s.states()[queue.Exited] == 1 })

	past := s.must("bhist", "-l", "1")
	for _, text := range []string{
		"Job <1>, Job Name <talk>", "to Queue <normal>", "Signal <REQUEUE_PEND>", "Pending: Job has been requeued;", "Exited with exit code 3.",
	} {
		if !strings.Contains(strings.ReplaceAll(past, "\n                     ", ""), text) {
			t.Errorf("no %q in\n%s", text, past)
		}
	}
	if strings.Count(past, "Dispatched to") != 2 {
		t.Errorf("want two starts in\n%s", past)
	}
	if out := s.must("bacct", "-e"); !strings.Contains(out, "Total number of exited jobs:     1\n") {
		t.Errorf("bacct:\n%s", out)
	}
}
