package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sluice/queue"
	"sluice/queue/wire"
)

// lsfUser calls LSF's commands as a user of a site does.
type lsfUser struct {
	*site
	work string
}

// newUser starts a site with somebody who uses it, in a directory of their own.
func newUser(t *testing.T) *lsfUser {
	t.Helper()
	s := newSite(t)
	u := &lsfUser{s, shortTempDir(t)}
	s.start("127.0.0.1:0")
	listenAddress(t, s)
	return u
}

func (u *lsfUser) try(args ...string) (string, error) {
	cmd := sluice(u.t, args...)
	cmd.Dir = u.work
	cmd.Env = append(cmd.Env, wire.EnvAPI+"="+u.client.API())
	out, err := cmd.Output()
	return string(out), err
}

func (u *lsfUser) must(args ...string) string {
	u.t.Helper()
	out, err := u.try(args...)
	if err != nil {
		u.t.Fatalf("%v: %v\n%s", args, err, out)
	}
	return out
}

func containsLong(t *testing.T, long string, wanted ...string) {
	t.Helper()
	for i := range wanted {
		wanted[i] = strings.ReplaceAll(wanted[i], " ", "")
	}
	contains(t, long, wanted...)
}

// long is bjobs -l or bhist -l without blanks, which are lost where lines are broken.
func (u *lsfUser) long(command, job string) string {
	u.t.Helper()
	return strings.ReplaceAll(strings.ReplaceAll(u.must(command, "-l", job), "\n"+strings.Repeat(" ", 21), ""), " ", "")
}

func (u *lsfUser) read(name string) string {
	data, err := os.ReadFile(filepath.Join(u.work, name))
	if err != nil {
		return ""
	}
	return string(data)
}

func contains(t *testing.T, text string, wanted ...string) {
	t.Helper()
	for _, want := range wanted {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in:\n%s", want, text)
		}
	}
}

// TestLimitsAndCommandsAroundJobs is what users see of limits, and of commands before and after their jobs.
func TestLimitsAndCommandsAroundJobs(t *testing.T) {
	u := newUser(t)
	u.must("bsub", "-M", "50000", "-o", "mem.out", `head -c 300000000 /dev/zero | tail | sleep 1000`)
	u.must("bsub", "-C", "0", "-Ep", `echo "after $LSB_JOBID: $LSB_JOBEXIT_STAT" > `+u.work+`/post`, "-E", "echo before > "+u.work+"/pre",
		"cat pre > main; ulimit -c >> main; exit 4")
	u.must("bsub", "-E", "exit 1", "true")

	eventually(t, "two jobs end", func() bool { return u.states()[queue.Exited] == 2 })
	const why = "TERM_MEMLIMIT: job killed after reaching LSF memory usage limit"
	containsLong(t, u.long("bjobs", "1"), "Exited with exit code 130.", "Completed <exit>; "+why+".", "MEMLIMIT\n   50000 K")
	containsLong(t, u.long("bjobs", "1"), "MEMORY USAGE:\n MAX MEM: ")
	containsLong(t, u.long("bhist", "1"), "Exited with exit code 130.", "Completed <exit>; "+why)
	contains(t, u.read("mem.out"), "\n\n"+why+".\nExited with exit code 130.\n")

	if got := u.read("main"); got != "before\n0\n" {
		t.Errorf("the job wrote %q", got)
	}
	if got := u.read("post"); got != "after 2: 1024\n" {
		t.Errorf("the post-execution command wrote %q", got)
	}
	containsLong(t, u.long("bjobs", "2"), "Pre-execute Command <echo before", "Post-execute Command <echo", "Exited with exit code 4.")

	const failed = "The job's pre-exec command exited with non-zero status"
	eventually(t, "the job is taken back", func() bool {
		out, err := u.try("bjobs", "-p")
		return err == nil && strings.Contains(out, " "+failed+";")
	})
	containsLong(t, u.long("bhist", "3"), "Pending: "+failed+";")
	u.must("bkill", "3")
	eventually(t, "it ends", func() bool { return u.states()[queue.Exited] == 3 })
}

// TestOutputOfEndedJobs is what users see of jobs without -o, after their end: also when their hosts are gone, and after the
// daemon was killed.
func TestOutputOfEndedJobs(t *testing.T) {
	u := newUser(t)
	u.must("bsub", "-J", "short[1-3]", `echo "element $LSB_JOBINDEX"; echo oops >&2`)
	u.must("bsub", "-e", "err", `seq 5; until [ -e `+u.work+`/go ]; do sleep 0.05; done; seq 6 300000; echo last >&2`)
	follow := sluice(t, "logs", "-f", "2", "--stderr")
	follow.Env = append(follow.Env, wire.EnvAPI+"="+u.client.API())
	followed := make(chan string)
	go func() {
		out, err := follow.Output()
		if err != nil {
			out = append(out, err.Error()...)
		}
		followed <- string(out)
	}()
	eventually(t, "the array ends", func() bool { return u.states()[queue.Done] == 3 })
	shown := func() {
		t.Helper()
		eventually(t, "the output is there", func() bool {
			out, err := u.try("logs", "1[2]")
			return err == nil && out == "element 2\noops\n"
		})
		if out := u.must("bpeek", "1[3]"); out != "<< output from stdout >>\nelement 3\noops\n" {
			t.Errorf("bpeek: %q", out)
		}
	}
	shown()
	if err := os.WriteFile(filepath.Join(u.work, "go"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if got := <-followed; got != "last\n" {
		t.Errorf("logs -f showed %q", got)
	}
	eventually(t, "the hosts are gone", func() bool { hosts, err := u.client.Hosts(t.Context()); return err == nil && len(hosts) == 0 })
	shown()
	if out := u.must("logs", "2", "--tail", "2"); out != "299999\n300000\n" {
		t.Errorf("the last lines: %q", out)
	}
	if out := u.must("logs", "2"); len(out) != 1<<20 {
		t.Errorf("%d bytes are kept", len(out))
	}
	if out := u.must("logs", "2", "--stderr"); out != "last\n" {
		t.Errorf("standard error: %q", out)
	}
	u.kill()
	u.start("127.0.0.1:0")
	shown()
	if out, err := u.try("logs", "99"); err == nil || out != "" {
		t.Errorf("of no job: %q, %v", out, err)
	}
	u.must("bsub", "-H", "true")
	if out, err := u.try("logs", "3"); err == nil || out != "" {
		t.Errorf("of a job that is held: %q, %v", out, err)
	}
}
