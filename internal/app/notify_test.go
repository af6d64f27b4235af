package app

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sirupsen/logrus"

	"sluice/queue"
	"sluice/queue/daemon"
)

// program writes a shell script.
func program(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "mailer")
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+text), 0o700); err != nil {
		t.Fatal(err)
	}
	return path
}

// heard is a logger and what it said, to be read when nobody logs any more.
func heard() (logrus.FieldLogger, *bytes.Buffer) {
	said := &bytes.Buffer{}
	log := logrus.New()
	log.SetOutput(said)
	return log, said
}

func noticeOf(state queue.State) daemon.Notice {
	at := time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)
	return daemon.Notice{To: "ann@example.org", Cluster: "c1", Job: queue.Job{
		ID: queue.ID{Job: 7}, State: state, StartedAt: at, EndedAt: at.Add(time.Minute), ExitCode: 3, Reason: "TERM_OWNER: job killed by owner",
		Placement: []queue.Placement{{Host: "h1", Slots: 2}}, Usage: queue.Usage{CPU: time.Second, MaxRSSMiB: 5, Processes: 2},
		Spec: &queue.Spec{Name: "ü\nBcc: eve@example.org", User: "ann", Queue: "normal", SubmitHost: "login", Cwd: "/w", Command: "x"},
	}}
}

func TestMail(t *testing.T) {
	log, said := heard()
	out := filepath.Join(t.TempDir(), "mail")
	m := newMailer(program(t, `echo "for $# $1" >> `+out+`; cat >> `+out), log)
	m.Notify(noticeOf(queue.Running))
	m.Notify(noticeOf(queue.Exited))
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	sent := string(data)
	for _, want := range []string{
		"for 1 ann@example.org\nTo: ann@example.org\nFrom: LSF <ann>\nSubject: =?utf-8?q?", "\n\nJob <", "Started at Wed Jan  2 03:04:05 2030\nfor 1",
		"Its host(s): <2*h1>, in queue <normal>.\n", "\nExited with exit code 3.\nTERM_OWNER: job killed by owner\n", "sluice logs '7'",
	} {
		if !strings.Contains(sent, want) {
			t.Errorf("no %q in\n%s", want, sent)
		}
	}
	if strings.Contains(sent, "\nBcc:") {
		t.Errorf("a job's name forged a header:\n%s", sent)
	}
	if said.Len() > 0 {
		t.Errorf("logged %s", said)
	}
}

// TestMailFails has programs that fail, that never end, and that are too slow for what is to be sent.
func TestMailFails(t *testing.T) {
	log, said := heard()
	m := newMailer(program(t, "echo no such user >&2; exit 67"), log)
	m.Notify(noticeOf(queue.Done))
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(said.String(), "exit status 67: no such user") {
		t.Errorf("logged %s", said)
	}

	log, said = heard()
	m = newMailer(program(t, "sleep 1000"), log)
	for range maxNotices + 3 {
		m.Notify(noticeOf(queue.Done)) // does not block
	}
	m.stop() // as Close does when its time is over
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(said.String(), "dropping some"); n != 1 {
		t.Errorf("%d lines about dropped mail, want 1", n)
	}
}
