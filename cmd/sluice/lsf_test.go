package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"sluice/lsfbridge"
	"sluice/queue"
	"sluice/queue/wire"
)

// fakeDaemon answers from fixed facts and remembers what it was asked.
type fakeDaemon struct {
	user   string
	jobs   []queue.Job
	queues []queue.QueueInfo
	hosts  []queue.Host
	err    error // of every call

	submitted []queue.Spec
	acted     []wire.ActRequest
	asked     []wire.JobsRequest
}

var (
	_ submitter     = (*fakeDaemon)(nil)
	_ jobViewer     = (*fakeDaemon)(nil)
	_ jobController = (*fakeDaemon)(nil)
	_ queueViewer   = (*fakeDaemon)(nil)
)

func (f *fakeDaemon) Cluster(context.Context) (wire.Cluster, error) {
	return wire.Cluster{Name: "c1", MasterHost: "m1", Version: "1.2", User: f.user}, f.err
}
func (f *fakeDaemon) Queues(context.Context) ([]queue.QueueInfo, error) { return f.queues, f.err }
func (f *fakeDaemon) Apps(context.Context) ([]queue.AppInfo, error)     { return nil, f.err }
func (f *fakeDaemon) Hosts(context.Context) ([]queue.Host, error)       { return f.hosts, f.err }

func (f *fakeDaemon) Submit(_ context.Context, spec queue.Spec) (wire.Submitted, error) {
	if f.err != nil {
		return wire.Submitted{}, f.err
	}
	f.submitted = append(f.submitted, spec)
	done := wire.Submitted{ID: queue.ID{Job: int64(len(f.submitted))}, Queue: spec.Queue, Default: spec.Queue == ""}
	if done.Default {
		done.Queue = "normal"
	}
	return done, nil
}

// Attach is tested with a daemon: TestInteractiveJobs.
func (f *fakeDaemon) Attach(context.Context, queue.ID) (*wire.Conn, error) { return nil, f.err }

func (f *fakeDaemon) KeepInput(_ context.Context, content io.Reader) (string, error) {
	data, err := io.ReadAll(content)
	return fmt.Sprintf("%x", sha256.Sum256(data)), errors.Join(err, f.err)
}

func (f *fakeDaemon) Wait(_ context.Context, id queue.ID) (queue.Job, error) {
	for _, j := range f.jobs {
		if j.ID == id {
			return j, nil
		}
	}
	return queue.Job{}, errors.New("no such job")
}

func (f *fakeDaemon) fits(filter queue.Filter, j *queue.Job) bool {
	byID := len(filter.IDs) == 0 || slices.Contains(filter.IDs, j.ID) || slices.Contains(filter.IDs, queue.ID{Job: j.ID.Job})
	return byID && (filter.User == "" || filter.User == j.Spec.User) && (filter.Queue == "" || filter.Queue == j.Spec.Queue) &&
		(filter.Name == "" || filter.Name == j.Spec.Name) && (len(filter.States) == 0 || slices.Contains(filter.States, j.State)) &&
		filter.Host == ""
}

func (f *fakeDaemon) Jobs(_ context.Context, ask wire.JobsRequest, each func(queue.Job) error) error {
	f.asked = append(f.asked, ask)
	if f.err != nil {
		return f.err
	}
	for _, j := range f.jobs {
		if f.fits(ask.Filter, &j) {
			if err := each(j); err != nil {
				return err
			}
		}
	}
	return nil
}

func (f *fakeDaemon) Arrays(_ context.Context, ask wire.JobsRequest, each func(queue.ArrayCounts) error) error {
	counts := map[int64]*queue.ArrayCounts{}
	for _, j := range f.jobs {
		if j.Spec.Array == nil || !f.fits(ask.Filter, &j) {
			continue
		}
		if counts[j.ID.Job] == nil {
			counts[j.ID.Job] = &queue.ArrayCounts{ID: queue.ID{Job: j.ID.Job}, Spec: j.Spec, Count: map[queue.State]int{}}
		}
		counts[j.ID.Job].Count[j.State]++
	}
	for _, a := range counts {
		if err := each(*a); err != nil {
			return err
		}
	}
	return nil
}

func (f *fakeDaemon) Act(_ context.Context, act wire.ActRequest, each func(wire.Acted) error) error {
	f.acted = append(f.acted, act)
	if f.err != nil {
		return f.err
	}
	ids := act.IDs
	if len(ids) == 0 {
		for _, j := range f.jobs {
			if !j.State.Final() && f.fits(act.Filter, &j) {
				ids = append(ids, j.ID)
			}
		}
	}
	for _, id := range ids {
		at := slices.IndexFunc(f.jobs, func(j queue.Job) bool { return j.ID.Job == id.Job && (id.Index == 0 || id == j.ID) })
		result := wire.Acted{ID: id}
		switch {
		case at < 0:
			result.Error = wire.NewErrorBody(&queue.Error{Kind: queue.KindNotFound, Code: queue.NoSuchJob, Subject: id.String(), Text: "none"})
		case f.jobs[at].State.Final():
			result.Error = wire.NewErrorBody(&queue.Error{Kind: queue.KindConflict, Code: queue.AlreadyFinished, Text: "finished"})
		case f.jobs[at].Spec.User != f.user:
			result.Error = wire.NewErrorBody(&queue.Error{Kind: queue.KindDenied, Code: queue.NotYours, Text: "denied"})
		}
		if err := each(result); err != nil {
			return err
		}
	}
	return nil
}

// called runs a command as a user would; the command line is split at blanks, "_" stands for one inside a word.
type called struct {
	code           int
	stdout, stderr string
}

func call(t *testing.T, f *fakeDaemon, line string) called {
	t.Helper()
	words := strings.Fields(line)
	env := map[string]string{}
	for strings.Contains(words[0], "=") {
		name, value, _ := strings.Cut(words[0], "=")
		env[name] = value
		words = words[1:]
	}
	for i := range words {
		words[i] = strings.ReplaceAll(words[i], "_", " ")
	}
	var stdout, stderr bytes.Buffer
	c := &lsfCall{
		name: words[0], args: words[1:], stdin: strings.NewReader(""), stdout: bufio.NewWriter(&stdout), stderr: &stderr,
		env: func(name string) string { return env[name] }, now: at,
	}
	code, err := dispatch(t, c, f, env)
	if err != nil {
		t.Fatalf("%s: %v", line, err)
	}
	if err := c.stdout.Flush(); err != nil {
		t.Fatal(err)
	}
	return called{code, stdout.String(), stderr.String()}
}

func dispatch(t *testing.T, c *lsfCall, f *fakeDaemon, env map[string]string) (int, error) {
	t.Helper()
	ctx := t.Context()
	switch c.name {
	case "bsub":
		place := lsfbridge.SubmitPlace{Cwd: "/w", Host: "h", Now: c.now, Script: c.stdin}
		for name, value := range env {
			place.Environ = append(place.Environ, name+"="+value)
		}
		return bsub(ctx, c, place, f)
	case "bjobs":
		return bjobs(ctx, c, f, f)
	case "bkill":
		return control(ctx, c, wire.Kill, f)
	case "bstop":
		return control(ctx, c, wire.Stop, f)
	case "bresume":
		return control(ctx, c, wire.Resume, f)
	case "bqueues":
		return bqueues(ctx, c, f)
	case "bhosts":
		return bhosts(ctx, c, f)
	default:
		return lsid(ctx, c, f)
	}
}

var at = time.Date(2026, 11, 20, 22, 48, 11, 0, time.UTC)

func small() *fakeDaemon {
	array := &queue.Array{Ranges: []queue.Range{{First: 1, Last: 3, Step: 1}}}
	job := func(id queue.ID, name, user string, state queue.State) queue.Job {
		spec := &queue.Spec{Name: name, Command: "sleep 600", User: user, Queue: "normal", SubmitHost: "m1", MinSlots: 1, MaxSlots: 1}
		if id.Index > 0 {
			spec.Array = array
		}
		j := queue.Job{ID: id, Spec: spec, State: state, SubmittedAt: at}
		if state == queue.Running {
			j.StartedAt, j.Placement = at, []queue.Placement{{Host: "n1", Slots: 2}}
		}
		return j
	}
	return &fakeDaemon{
		user: "ann",
		jobs: []queue.Job{
			job(queue.ID{Job: 1}, "", "ann", queue.Running), job(queue.ID{Job: 2}, "x", "bob", queue.Pending),
			job(queue.ID{Job: 4, Index: 1}, "arr", "ann", queue.Pending), job(queue.ID{Job: 4, Index: 2}, "arr", "ann", queue.Pending),
			job(queue.ID{Job: 4, Index: 3}, "arr", "ann", queue.Exited), job(queue.ID{Job: 5}, "old", "ann", queue.Done),
		},
		queues: []queue.QueueInfo{
			{QueueSpec: queue.QueueSpec{Name: "short", Priority: 35}, Active: true},
			{QueueSpec: queue.QueueSpec{Name: "normal", Priority: 30, Default: true}, Open: true, Active: true, Run: 2, Pend: 3},
		},
		hosts: []queue.Host{
			{HostSpec: queue.HostSpec{Name: "n2", Slots: 4}, Status: queue.HostAdded},
			{HostSpec: queue.HostSpec{Name: "n1", Slots: 2}, Status: queue.HostOK, Used: 2, Run: 2},
		},
	}
}

const header = "JOBID   USER    STAT  QUEUE      FROM_HOST   EXEC_HOST   JOB_NAME   SUBMIT_TIME\n"

func TestCommands(t *testing.T) {
	for _, c := range []struct {
		line           string
		code           int
		stdout, stderr string
	}{
		{"bsub sleep 1", 0, "Job <1> is submitted to default queue <normal>.\n", ""},
		{"bsub -q normal sleep 1", 0, "Job <1> is submitted to queue <normal>.\n", ""},
		{"bsub -q nosuch_short_normal sleep 1", 0, "Job <1> is submitted to queue <normal>.\n", ""},
		{"bsub -q nosuch_short sleep 1", 0, "Job <1> is submitted to queue <short>.\n", ""},
		{"LSB_DEFAULTQUEUE=normal bsub sleep 1", 0, "Job <1> is submitted to queue <normal>.\n", ""},
		{"BSUB_QUIET=1 bsub sleep 1", 0, "", ""},
		{"bsub -K sleep 1", 0, "Job <1> is submitted to default queue <normal>.\n", "<<Waiting for dispatch ...>>\n<<Job is finished>>\n"},
		{"bsub -b 23:59 sleep 1", 0, "Job <1> is submitted to default queue <normal>.\n", "Job will be scheduled after Fri Nov 20 23:59:00 2026\n"},
		{"bsub", 255, "", "No command is specified. Job not submitted.\n"},
		{"bsub -IX true", 255, "", "-IX: Option is not supported. Job not submitted.\n"},
		{"bjobs", 0, header +
			"1       ann     RUN   normal     m1          n1          sleep 600  Nov 20 22:48\n" +
			"                                             n1\n" +
			"4       ann     PEND  normal     m1                      arr[1]     Nov 20 22:48\n" +
			"4       ann     PEND  normal     m1                      arr[2]     Nov 20 22:48\n", ""},
		{"LSB_SHORT_HOSTLIST=1 bjobs -r", 0, header + "1       ann     RUN   normal     m1          2*n1        sleep 600  Nov 20 22:48\n", ""},
		{"bjobs -u bob -w", 0, header + "2       bob     PEND  normal     m1             -        x          Nov 20 22:48\n", ""},
		{"bjobs -noheader 5", 0, "5       ann     DONE  normal     m1             -        old        Nov 20 22:48\n", ""},
		{"bjobs -noheader 4[2-3,9] 99", 255, "4       ann     PEND  normal     m1                      arr[2]     Nov 20 22:48\n" +
			"4       ann     EXIT  normal     m1             -        arr[3]     Nov 20 22:48\n", "Job <99> is not found\n"},
		{"bjobs -noheader -J arr[1] -a", 0, "4       ann     PEND  normal     m1                      arr[1]     Nov 20 22:48\n", ""},
		{"bjobs 998 4[9]", 255, "", "Job <998> is not found\nJob <4[9]> is not found\n"},
		{"bjobs -J nosuch", 254, "", "Job <nosuch> is not found\n"},
		{"bjobs -s", 254, "", "No suspended job found\n"},
		{"bjobs -q short", 254, "", "No unfinished job found in queue <short>\n"},
		{"bjobs -q nosuch", 254, "", "nosuch: No such queue\n"},
		{"bjobs -m n1", 254, "", "No unfinished job found on host/group <n1>\n"},
		{"bjobs -m nosuch", 254, "", "nosuch: Bad host name, host group name or cluster name\n"},
		{"bjobs -u nobody", 254, "", "No unfinished job found\n"},
		{"bjobs -u nobody -a", 254, "", "No job found\n"},
		{"bjobs -A -u bob", 254, "", "Job array is not found\n"},
		{"LSB_BJOBS_CONSISTENT_EXIT_CODE=Y bjobs -s", 255, "", "No suspended job found\n"},
		{"LSB_BJOBS_CONSISTENT_EXIT_CODE=N bjobs -s", 0, "", "No suspended job found\n"},
		{"bjobs -s -o jobid", 0, "", "No suspended job found\n"},
		{"bjobs -s -o jobid -json", 0, "{\n  \"COMMAND\":\"bjobs\",\n  \"JOBS\":0,\n  \"RECORDS\":[\n  ]\n}\n", ""},
		{"LSB_BJOBS_CONSISTENT_EXIT_CODE=Y bjobs -s -o jobid -json", 255, "{\n  \"COMMAND\":\"bjobs\",\n  \"JOBS\":0,\n  \"RECORDS\":[\n  ]\n}\n", ""},
		{"bjobs abc", 255, "", "abc: Illegal job ID.\n"},
		{"bjobs -o jobid_stat_slots:-12 -noheader 1", 0, "1     RUN             2\n", ""},
		{"bjobs -o stat_id_delimiter='^' 1 2", 0, "STAT^JOBID\nRUN^1\nPEND^2\n", ""},
		{"bjobs -A", 0, "JOBID    ARRAY_SPEC  OWNER   NJOBS PEND DONE  RUN EXIT SSUSP USUSP PSUSP\n" +
			"4        arr[1-3] ann            3    2    0    0    1     0     0     0\n", ""},
		{"bjobs -o stat_id -json 1", 0, "{\n  \"COMMAND\":\"bjobs\",\n  \"JOBS\":1,\n  \"RECORDS\":[\n    {\n      \"STAT\":\"RUN\",\n      \"JOBID\":\"1\"\n    }\n  ]\n}\n", ""},
		{"bjobs -o nosuch", 255, "", "nosuch is not a valid output format field name.\n"},
		{"bkill 1", 0, "Job <1> is being terminated\n", ""},
		{"bkill 1 99 5 2", 255, "Job <1> is being terminated\n", "Job <99>: No matching job found\nJob <5>: Job has already finished\nJob <2>: User permission denied\n"},
		{"bkill 4", 0, "Job <4> is being terminated\n", ""},
		{"bkill 4[1-2]", 0, "Job <4[1]> is being terminated\nJob <4[2]> is being terminated\n", ""},
		{"bkill -s USR1 1", 0, "Job <1> is being signaled\n", ""},
		{"bkill -s 19 1", 0, "Job <1> is being stopped\n", ""},
		{"bkill -s CONT 1", 0, "Job <1> is being resumed\n", ""},
		{"bkill -J arr", 0, "Job <4> is being terminated\n", ""},
		{"bkill -J arr[2]", 0, "Job <4[2]> is being terminated\n", ""},
		{"bkill -J nosuch", 255, "", "Job <nosuch> is not found\n"},
		{"bkill -q short 0", 255, "", "No unfinished job found\n"},
		{"bkill -s NOSUCH 1", 255, "", "NOSUCH: Illegal signal value\n"},
		{"bstop 1", 0, "Job <1> is being stopped\n", ""},
		{"bresume 1", 0, "Job <1> is being resumed\n", ""},
		{"bqueues", 0, "QUEUE_NAME      PRIO STATUS          MAX JL/U JL/P JL/H NJOBS  PEND   RUN  SUSP \n" +
			"short            35  Closed:Active     -    -    -    -     0     0     0     0\n" +
			"normal           30   Open:Active      -    -    -    -     5     3     2     0\n", ""},
		{"bqueues normal nosuch", 255, "", "nosuch: No such queue\n"},
		{"bqueues -m nosuch", 255, "", "nosuch: Bad host name, host group name or cluster name\n"},
		{"bhosts -w", 0, "HOST_NAME          STATUS          JL/U    MAX  NJOBS    RUN  SSUSP  USUSP    RSV \n" +
			"n1                 closed_Full        -      2      2      2      0      0      0\n", ""},
		{"bhosts n1 n2", 255, "", "n2: Bad host name, host group name or cluster name\n"},
		{"lsid", 0, "sluice 1.2, LSF command set 10.1\n\nMy cluster name is c1\nMy master name is m1\n", ""},
		{"lsid -h", 0, "", "Usage: lsid [-h] [-V]\n"},
	} {
		t.Run(c.line, func(t *testing.T) {
			if got := call(t, small(), c.line); got != (called{c.code, c.stdout, c.stderr}) {
				t.Errorf("exit %d, want %d\nstdout:\n%q\nwant\n%q\nstderr:\n%q\nwant\n%q", got.code, c.code, got.stdout, c.stdout, got.stderr, c.stderr)
			}
		})
	}
}

// TestKillAllAsksOnce checks that bkill 0 leaves the choice to the daemon, which does it in one consistent step.
func TestKillAllAsksOnce(t *testing.T) {
	for line, user := range map[string]string{"bkill 0": "", "bkill -u all 0": "all", "bkill -u bob 0": "bob"} {
		f := small()
		call(t, f, line)
		if len(f.acted) != 1 || f.acted[0].Filter.User != user || len(f.acted[0].IDs) != 0 || len(f.asked) != 0 {
			t.Errorf("%s: asked %+v and %+v", line, f.asked, f.acted)
		}
	}
}

func TestWaitGivesTheJobsExitCode(t *testing.T) {
	for _, c := range []struct {
		state queue.State
		exit  int
		want  int
	}{{queue.Done, 0, 0}, {queue.Exited, 3, 3}, {queue.Exited, 0, lsfFailed}} {
		f := &fakeDaemon{jobs: []queue.Job{{ID: queue.ID{Job: 1}, State: c.state, ExitCode: c.exit}}}
		if got := call(t, f, "bsub -K true"); got.code != c.want {
			t.Errorf("%v with exit code %d: got %+v", c.state, c.exit, got)
		}
	}
}

func TestRefusalsOfTheDaemon(t *testing.T) {
	for code, want := range map[queue.Code]string{
		queue.NoSuchQueue: "x: No such queue. Job not submitted.\n", queue.TooManySlots: "Too many processors requested. Job not submitted.\n",
		queue.BadSpec: "in its own words. Job not submitted.\n", queue.RunLimitTooLarge: "RUNLIMIT: Cannot exceed queue's hard limit(s). Job not submitted.\n",
	} {
		f := &fakeDaemon{err: fmt.Errorf("call: %w", &queue.Error{Kind: queue.KindInvalid, Code: code, Subject: "x", Text: "in its own words"})}
		if got := call(t, f, "bsub true"); got.stderr != want || got.code != lsfFailed || got.stdout != "" {
			t.Errorf("%s: got %+v", code, got)
		}
	}
	f := &fakeDaemon{err: &queue.Error{Kind: queue.KindUnavailable, Text: "daemon not running"}}
	for _, line := range []string{"bjobs", "bkill 1", "bqueues", "bhosts", "lsid"} {
		name, _, _ := strings.Cut(line, " ")
		if got := call(t, f, line); got != (called{lsfFailed, "", name + ": daemon not running\n"}) {
			t.Errorf("%s: got %+v", line, got)
		}
	}
}

func TestLeadingAPI(t *testing.T) {
	for _, c := range []struct {
		args []string
		api  string
		rest int
	}{{nil, "", 0}, {[]string{"--api", "unix:///x", "-l"}, "unix:///x", 1}, {[]string{"--api=y", "--api=z"}, "y", 1}, {[]string{"-l", "--api=z"}, "", 2}} {
		api, rest, err := leadingAPI(c.args)
		if err != nil || api != c.api || len(rest) != c.rest {
			t.Errorf("%q: got %q, %q, %v", c.args, api, rest, err)
		}
	}
	if _, _, err := leadingAPI([]string{"--api"}); exitCode(err, io.Discard) != 2 {
		t.Errorf("--api alone: %v", err)
	}
}
