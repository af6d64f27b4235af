package daemon

import (
	"context"
	"fmt"
	"testing"
	"time"

	"sluice/queue"
	"sluice/queue/wire"
)

func TestJobRunsOnHost(t *testing.T) {
	b := newBench(t, func(c *Config) { c.Cluster = "test" })
	h := b.host("h1", 2)
	if h.welcome.LeaseNs != int64(time.Minute) || h.welcome.HeartbeatNs != int64(time.Minute) {
		t.Errorf("welcome is %v", h.welcome)
	}
	spec := command("echo $LSB_JOBID")
	spec.Name, spec.Project, spec.Cwd, spec.Stdout, spec.Umask = "first", "p", "/tmp", "out.%J.%I", 0o22
	spec.SubmitHost, spec.User = "login", "somebody else"
	spec.MinSlots, spec.MaxSlots = 2, 2
	spec.Env = queue.NewEnv([]string{"HOME=/root", "LSB_JOBINDEX_END=9", "LSB_JOBID=1", "X=a=b"})
	done, err := b.client.Submit(context.Background(), spec)
	if err != nil || done.Queue != "normal" || !done.Default {
		t.Fatalf("submitted as %+v: %v", done, err)
	}
	start := h.hearStart()
	if start.Command != spec.Command || start.User != me() || start.Cwd != "/tmp" || start.Stdout != fmt.Sprintf("out.%d.0", done.ID.Job) ||
		start.Slots != 2 || start.Umask != 0o22 || start.KillGraceNs != int64(10*time.Second) {
		t.Errorf("start is %v", start)
	}
	for name, want := range map[string]string{
		"HOME": "/root", "X": "a=b", "LSB_JOBID": done.ID.String(), "LSB_BATCH_JID": done.ID.String(),
		"LSB_JOBINDEX": "0", "LSB_JOBINDEX_END": "(not set)", "LSB_JOBNAME": "first", "LSB_HOSTS": "h1 h1", "LSB_MCPU_HOSTS": "h1 2 ", "SLUICE_MACHINES": "h1 2 ",
		"LSB_DJOB_NUMPROC": "2", "LSB_QUEUE": "normal", "LSB_SUB_HOST": "login", "LS_SUBCWD": "/tmp", "LS_EXEC_T": "START",
		"LSFUSER": me(), "LSB_OUTPUTFILE": start.Stdout, "LSB_PROJECT_NAME": "p",
	} {
		if got := variable(start.Env, name); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	if r := start.Report; r.JobName != "first" || r.Queue != "normal" || r.Cluster != "test" || r.SubmitHost != "login" || len(r.Hosts) != 2 {
		t.Errorf("report is %v", r)
	}
	h.started(start.Attempt)
	b.eventually("pid", func() bool { return b.job(done.ID).PID == 4711 })
	h.ended(start.Attempt, 3)
	h.acknowledged(start.Attempt)
	job, err := b.client.Wait(context.Background(), done.ID)
	if err != nil || job.State != queue.Exited || job.ExitCode != 3 || job.Usage.CPU != time.Second {
		t.Errorf("job is %+v: %v", job, err)
	}
	h.ended(start.Attempt, 0) // again, with another word: the first one counts
	h.acknowledged(start.Attempt)
	if got := b.job(done.ID); got.ExitCode != 3 {
		t.Errorf("job is %+v after a late report", got)
	}
}

func TestArrayElements(t *testing.T) {
	b := newBench(t, nil)
	spec := arrayOf(3)
	spec.Array.Ranges = []queue.Range{{First: 1, Last: 1, Step: 1}, {First: 4, Last: 8, Step: 4}}
	id := b.submit(spec)
	h := b.host("h1", 3)
	var starts []*wire.Start
	for range 3 {
		starts = append(starts, h.hearStart())
	}
	for i, index := range []int{1, 4, 8} {
		start := starts[i]
		element := queue.ID{Job: id.Job, Index: index}
		for name, want := range map[string]string{
			"LSB_JOBINDEX": fmt.Sprint(index), "LSB_BATCH_JID": element.String(),
			"LSB_JOBINDEX_END": "8", "LSB_JOBNAME": "arr[1,4-8:4]",
		} {
			if got := variable(start.Env, name); got != want {
				t.Errorf("%s is %q, want %q", name, got, want)
			}
		}
		h.ended(start.Attempt, 0)
		h.acknowledged(start.Attempt)
	}
	if job, err := b.client.Wait(context.Background(), id); err != nil || job.State != queue.Done {
		t.Errorf("array is %v: %v", job.State, err)
	}
}

func TestWaitIsWoken(t *testing.T) {
	b := newBench(t, nil)
	h := b.host("h1", 4)
	id, array := b.submit(command("true")), b.submit(arrayOf(2))
	type outcome struct {
		job queue.Job
		err error
	}
	results := make(map[queue.ID]chan outcome)
	for _, id := range []queue.ID{id, array, {Job: array.Job, Index: 2}} {
		result := make(chan outcome, 1)
		results[id] = result
		go func() {
			job, err := b.client.Wait(context.Background(), id)
			result <- outcome{job, err}
		}()
	}
	b.eventually("three waiters", func() bool {
		n := 0
		err := b.read(context.Background(), func(*queue.Queue, time.Time) error {
			for _, waiters := range b.waiters {
				n += len(waiters)
			}
			return nil
		})
		return err == nil && n == 3
	})
	for _, start := range []*wire.Start{h.hearStart(), h.hearStart(), h.hearStart()} {
		h.ended(start.Attempt, 0)
		h.acknowledged(start.Attempt)
	}
	for id, result := range results {
		if got := <-result; got.err != nil || got.job.State != queue.Done {
			t.Errorf("wait for %v gave %v, %v", id, got.job.State, got.err)
		}
	}
	err := b.read(context.Background(), func(*queue.Queue, time.Time) error {
		if len(b.waiters) != 0 {
			t.Errorf("waiters are left: %v", b.waiters)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	_, err = b.client.Wait(context.Background(), queue.ID{Job: 999})
	wantCode(t, err, queue.NoSuchJob)
}

func TestOrdersReachTheHost(t *testing.T) {
	b := newBench(t, nil)
	h := b.host("h1", 1)
	id := b.submit(command("sleep 100"))
	start := h.hearStart()
	h.started(start.Attempt)
	order := func(action wire.Action, number int, want *wire.Signal) {
		t.Helper()
		for id, err := range b.act(wire.ActRequest{Action: action, IDs: []queue.ID{id}, Signal: number}) {
			if err != nil {
				t.Fatalf("%s %v: %v", action, id, err)
			}
		}
		want.Attempt = start.Attempt
		if got := h.hearSignal(); got.Signal != want.Signal || got.ExitCode != want.ExitCode || *got.Attempt != *want.Attempt {
			t.Errorf("%s: the host heard %v, want %v", action, got, want)
		}
	}
	order(wire.Stop, 0, &wire.Signal{Signal: sigStop})
	b.eventuallyState(id, queue.UserSuspended)
	order(wire.Resume, 0, &wire.Signal{Signal: sigCont})
	order(wire.Kill, 10, &wire.Signal{Signal: 10})
	order(wire.Requeue, 0, &wire.Signal{Signal: 0, ExitCode: 130})
	h.ended(start.Attempt, 130)
	h.acknowledged(start.Attempt)
	if start = h.hearStart(); start.Attempt.Attempt != 2 {
		t.Fatalf("requeued, it starts as %v", start.Attempt)
	}
	order(wire.Kill, 0, &wire.Signal{Signal: 0, ExitCode: 130})
	h.ended(start.Attempt, 130)
	h.acknowledged(start.Attempt)
	if job := b.job(id); job.State != queue.Exited || job.ExitCode != 130 {
		t.Errorf("killed, it is %+v", job)
	}
	id = b.submit(command("sleep 100"))
	start = h.hearStart()
	order(wire.ForceKill, 0, &wire.Signal{Signal: 0, ExitCode: 130})
	if job := b.job(id); job.State != queue.Exited {
		t.Errorf("killed by force, it is %v", job.State)
	}
	h.ended(start.Attempt, 0)
	h.acknowledged(start.Attempt)
}

func TestOrdersBySelection(t *testing.T) {
	b := newBench(t, nil)
	array, single, other := b.submit(arrayOf(5000)), b.submit(command("a")), b.submit(command("b"))
	stopped := b.act(wire.ActRequest{Action: wire.Stop, Filter: queue.Filter{Name: "arr"}})
	if len(stopped) != 1 || stopped[array] != nil {
		t.Errorf("stopped %v", stopped)
	}
	killed := b.act(wire.ActRequest{Action: wire.Kill})
	if len(killed) != 3 || killed[array] != nil || killed[single] != nil || killed[other] != nil {
		t.Errorf("killed %v", killed)
	}
	if left := b.act(wire.ActRequest{Action: wire.Kill, Filter: queue.Filter{User: "all"}}); len(left) != 0 {
		t.Errorf("there was nothing left to kill: %v", left)
	}
	wantCode(t, b.act(wire.ActRequest{Action: wire.Kill, IDs: []queue.ID{single}})[single], queue.AlreadyFinished)
	wantCode(t, b.act(wire.ActRequest{Action: wire.Switch, IDs: []queue.ID{{Job: 99}}, Queue: "idle"})[queue.ID{Job: 99}], queue.NoSuchJob)
	if err := b.client.Act(context.Background(), wire.ActRequest{Action: "dance"}, func(wire.Acted) error { return nil }); queue.KindOf(err) != queue.KindInvalid {
		t.Errorf("an unknown action: %v", err)
	}
}

func TestSwitchedJobKnowsItsQueue(t *testing.T) {
	b := newBench(t, nil)
	id := b.submit(command("true"))
	if err := b.act(wire.ActRequest{Action: wire.Switch, IDs: []queue.ID{id}, Queue: "idle"})[id]; err != nil {
		t.Fatal(err)
	}
	b.restart()
	if got := b.job(id).Spec.Queue; got != "idle" {
		t.Errorf("job is shown in queue %s", got)
	}
	start := b.host("h1", 1).hearStart()
	if got := variable(start.Env, "LSB_QUEUE"); got != "idle" || start.Report.Queue != "idle" {
		t.Errorf("the job is told queue %s, its report %s", got, start.Report.Queue)
	}
}

func TestBatch(t *testing.T) {
	b := newBench(t, nil)
	specs := make([]queue.Spec, 2500)
	for i := range specs {
		specs[i] = command(fmt.Sprint(i))
		specs[i].Env = queue.NewEnv([]string{fmt.Sprintf("PARITY=%d", i%2)})
	}
	specs[7].Queue = "nosuch"
	specs[8].Command = string(make([]byte, wire.MaxCommand+1))
	done, err := b.client.SubmitBatch(context.Background(), specs)
	if err != nil || len(done) != len(specs) {
		t.Fatalf("%d results: %v", len(done), err)
	}
	wantCode(t, done[7].Error.Err(), queue.NoSuchQueue)
	wantCode(t, done[8].Error.Err(), queue.BadSpec)
	jobs := b.jobs(wire.JobsRequest{Env: true})
	if len(jobs) != len(specs)-2 {
		t.Fatalf("%d jobs are there", len(jobs))
	}
	for _, job := range jobs {
		var i int
		if _, err := fmt.Sscan(job.Spec.Command, &i); err != nil {
			t.Fatal(err)
		}
		if done[i].ID != job.ID || job.Spec.Env != specs[i].Env {
			t.Fatalf("job %v is %v with %v", job.ID, job.Spec.Command, job.Spec.Env.Strings())
		}
	}
	if without := b.jobs(wire.JobsRequest{}); len(without) != len(jobs) || len(without[0].Spec.Env.Strings()) != 0 {
		t.Errorf("environments were sent unasked")
	}
	specs = make([]queue.Spec, wire.MaxBatch+1)
	_, err = b.client.SubmitBatch(context.Background(), specs)
	wantCode(t, err, queue.TooManyJobs)
}

func TestQueuesAndHosts(t *testing.T) {
	b := newBench(t, nil)
	ctx := context.Background()
	no, yes := false, true
	if err := b.client.SetQueue(ctx, "normal", wire.Change{Open: &no}); err != nil {
		t.Fatal(err)
	}
	_, err := b.client.Submit(ctx, command("true"))
	wantCode(t, err, queue.QueueClosed)
	if err := b.client.SetQueue(ctx, "normal", wire.Change{Open: &yes, Active: &no}); err != nil {
		t.Fatal(err)
	}
	wantCode(t, b.client.SetQueue(ctx, "nosuch", wire.Change{Open: &no}), queue.NoSuchQueue)
	h := b.host("h1", 1)
	id := b.submit(command("true"))
	h.beat(1)
	jobs := b.jobs(wire.JobsRequest{Reasons: true})
	if len(jobs) != 1 || jobs[0].State != queue.Pending || jobs[0].Reason == "" {
		t.Errorf("in an inactive queue: %+v", jobs)
	}
	if err := b.client.SetHost(ctx, "h1", false); err != nil {
		t.Fatal(err)
	}
	if err := b.client.SetQueue(ctx, "normal", wire.Change{Active: &yes}); err != nil {
		t.Fatal(err)
	}
	h.beat(2)
	hosts, err := b.client.Hosts(ctx)
	if err != nil || len(hosts) != 1 || hosts[0].Closed != queue.ClosedAdmin || hosts[0].TokenHash != "" || hosts[0].Status != queue.HostOK {
		t.Errorf("hosts are %+v: %v", hosts, err)
	}
	if err := b.client.SetHost(ctx, "h1", true); err != nil {
		t.Fatal(err)
	}
	if start := h.hearStart(); start.Attempt.Job != id.Job {
		t.Errorf("started %v", start.Attempt)
	}
	wantCode(t, b.client.SetHost(ctx, "nosuch", true), queue.NoSuchHost)
	queues, err := b.client.Queues(ctx)
	if err != nil || len(queues) != len(queue.DefaultQueues()) {
		t.Errorf("queues are %+v: %v", queues, err)
	}
	arrays := 0
	b.submit(arrayOf(7))
	err = b.client.Arrays(ctx, wire.JobsRequest{}, func(a queue.ArrayCounts) error {
		arrays += a.Count[queue.Pending]
		return nil
	})
	if err != nil || arrays != 7 {
		t.Errorf("%d elements pend: %v", arrays, err)
	}
	cluster, err := b.client.Cluster(ctx)
	if err != nil || cluster.User != me() || !cluster.Admin || cluster.MasterHost == "" {
		t.Errorf("cluster is %+v: %v", cluster, err)
	}
}

func TestPoll(t *testing.T) {
	b := newBench(t, nil)
	b.submit(arrayOf(10))
	b.host("h1", 4)
	b.eventually("4 jobs run", func() bool {
		s, err := b.Poll(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		return s.Load.Running == 4 && s.Load.Pending == 6 && len(s.Demand) == 1 && s.Demand[0].Count == 6 && len(s.Hosts) == 1
	})
}

func TestOrderAndUsers(t *testing.T) {
	b := newBench(t, nil)
	first, second := b.submit(command("a")), b.submit(command("b"))
	var acted wire.Acted
	err := b.client.Act(context.Background(), wire.ActRequest{Action: wire.Top, IDs: []queue.ID{second}, Position: 7}, func(a wire.Acted) error {
		acted = a
		return nil
	})
	if err != nil || acted.Error != nil || acted.Position != 2 {
		t.Fatalf("%+v %v, want position 2", acted, err)
	}
	if err := b.client.Act(context.Background(), wire.ActRequest{Action: wire.Bottom, IDs: []queue.ID{first, second}}, nil); queue.KindOf(err) != queue.KindInvalid {
		t.Errorf("two jobs at once: %v", err)
	}
	users, err := b.client.Users(context.Background())
	if err != nil || len(users) != 1 || users[0].Pend != 2 {
		t.Errorf("users %+v, %v; want two pending slots of one user", users, err)
	}
	params, err := b.client.Params(context.Background())
	if err != nil || params.CleanPeriod == 0 || params.MaxArray == 0 || len(params.DefaultQueues) != 1 {
		t.Errorf("params %+v, %v", params, err)
	}
}
