package minimesos

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	mesos "github.com/mesos/mesos-go/api/v1/lib"
	"github.com/mesos/mesos-go/api/v1/lib/scheduler"
)

func TestTaskRunsToItsEnd(t *testing.T) {
	c := startCluster(t, nil)
	s := subscribe(t, c.URL(), defaultInfo, "")
	offer := s.offer()
	s.launch(offer, 0, shellTask("t1", "echo hello", offer))
	s.status("t1", mesos.TASK_STARTING)
	s.status("t1", mesos.TASK_RUNNING)
	end := s.status("t1", mesos.TASK_FINISHED)
	if end.GetMessage() != "Command exited with status 0" {
		t.Errorf("message %q", end.GetMessage())
	}
	if out := output(t, c, s, offer, "t1", "stdout"); out != "hello\n" {
		t.Errorf("stdout %q", out)
	}
}

// sandbox is the directory of the last run of a task.
func sandbox(c *Cluster, s *testScheduler, offer mesos.Offer, task string) string {
	return filepath.Join(c.WorkDir(), offer.AgentID.Value, "frameworks", s.id, "executors", task, "runs", "latest")
}

func output(t testing.TB, c *Cluster, s *testScheduler, offer mesos.Offer, task, file string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(sandbox(c, s, offer, task), file))
	if err != nil {
		t.Error(err)
	}
	return string(b)
}

// ready waits until the task has written the word "ready".
func ready(t testing.TB, c *Cluster, s *testScheduler, offer mesos.Offer, task string) {
	t.Helper()
	eventually(t, task+" is ready", func() bool {
		return strings.Contains(output(t, c, s, offer, task, "stdout"), "ready")
	})
}

func TestKilledTaskLeavesNothing(t *testing.T) {
	c := startCluster(t, nil)
	s := subscribe(t, c.URL(), defaultInfo, "")
	offer := s.offer()
	const command = "trap '' TERM; (setsid sleep 1000 &); setsid sleep 1001 & echo ready; while :; do sleep 0.1; done"
	s.launch(offer, 0, shellTask("stubborn", command, offer))
	run := s.status("stubborn", mesos.TASK_RUNNING)
	ready(t, c, s, offer, "stubborn")
	mark := "/" + run.ContainerStatus.ContainerID.Value
	s.kill("stubborn")
	s.status("stubborn", mesos.TASK_KILLING)
	end := s.status("stubborn", mesos.TASK_KILLED)
	if end.GetMessage() != "Command terminated with signal Killed" {
		t.Errorf("message %q", end.GetMessage())
	}
	if left := family(nil, mark); len(left) > 0 {
		t.Errorf("processes left: %v", left)
	}
}

func TestKillGraceOfTheTask(t *testing.T) {
	c := startCluster(t, func(conf *Config) { conf.KillGrace = time.Hour })
	s := subscribe(t, c.URL(), defaultInfo, "")
	offer := s.offer()
	task := shellTask("t", "trap '' TERM; echo ready; while :; do sleep 0.1; done", offer)
	task.KillPolicy = &mesos.KillPolicy{GracePeriod: &mesos.DurationInfo{Nanoseconds: int64(50 * time.Millisecond)}}
	s.launch(offer, 0, task)
	s.status("t", mesos.TASK_RUNNING)
	ready(t, c, s, offer, "t")
	s.kill("t")
	s.status("t", mesos.TASK_KILLED)
}

func TestEnds(t *testing.T) {
	yes, no, command := true, false, func(v string) *string { return &v }
	for name, tc := range map[string]struct {
		command mesos.CommandInfo
		state   mesos.TaskState
		message string
	}{
		"exit3":    {mesos.CommandInfo{Value: command("exit 3")}, mesos.TASK_FAILED, "Command exited with status 3"},
		"notfound": {mesos.CommandInfo{Value: command("no-such-command"), Shell: &yes}, mesos.TASK_FAILED, "Command exited with status 127"},
		"sigkill":  {mesos.CommandInfo{Value: command("kill -9 $$")}, mesos.TASK_FAILED, "Command terminated with signal Killed"},
		"segv":     {mesos.CommandInfo{Value: command("ulimit -c 0; kill -SEGV $$")}, mesos.TASK_FAILED, "Command terminated with signal Segmentation fault"},
		"argv":     {mesos.CommandInfo{Value: command("sh"), Shell: &no, Arguments: []string{"sh", "-c", "exit 4"}}, mesos.TASK_FAILED, "Command exited with status 4"},
		"nobinary": {mesos.CommandInfo{Value: command("/no/such/binary"), Shell: &no}, mesos.TASK_FAILED, "Command exited with status 1"},
		"lookup":   {mesos.CommandInfo{Value: command("true"), Shell: &no}, mesos.TASK_FINISHED, "Command exited with status 0"},
		"novalue":  {mesos.CommandInfo{}, mesos.TASK_FAILED, "Executor terminated"},
		"baduser":  {mesos.CommandInfo{Value: command("true"), User: command("no_such_user")}, mesos.TASK_FAILED, "to user 'no_such_user' : No such user 'no_such_user'"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := startCluster(t, nil)
			s := subscribe(t, c.URL(), defaultInfo, "")
			offer := s.offer()
			task := shellTask(name, "", offer)
			task.Command = &tc.command
			s.launch(offer, 0, task)
			if end := s.status(name, tc.state); !strings.HasSuffix(end.GetMessage(), tc.message) {
				t.Errorf("message %q, want %q", end.GetMessage(), tc.message)
			}
		})
	}
}

func TestEnvironment(t *testing.T) {
	t.Setenv("LEAKED", "from the parent")
	c := startCluster(t, nil)
	s := subscribe(t, c.URL(), strings.Replace(defaultInfo, `"*"`, `"web"`, 1), "")
	offer := s.offer()
	task := shellTask("env", "env; echo \"$0 $(pwd)\"; readlink /proc/self/fd/0", offer)
	value, path := "a value", "/opt/x:/usr/bin:/bin"
	task.Command.Environment = &mesos.Environment{Variables: []mesos.Environment_Variable{
		{Name: "MINE", Value: &value}, {Name: "PATH", Value: &path},
	}}
	s.launch(offer, 0, task)
	s.status("env", mesos.TASK_FINISHED)
	dir, err := filepath.EvalSymlinks(sandbox(c, s, offer, "env"))
	if err != nil {
		t.Fatal(err)
	}
	endpoint := strings.TrimPrefix(c.URL(), "http://")
	want := []string{
		"/dev/null", "LIBPROCESS_IP=127.0.0.1", "LIBPROCESS_PORT=0", "MESOS_AGENT_ENDPOINT=" + endpoint,
		"MESOS_ALLOCATION_ROLE=web", "MESOS_CHECKPOINT=1", "MESOS_DIRECTORY=" + dir, "MESOS_EXECUTOR_ID=env",
		"MESOS_EXECUTOR_SHUTDOWN_GRACE_PERIOD=5secs", "MESOS_FRAMEWORK_ID=" + s.id, "MESOS_HTTP_COMMAND_EXECUTOR=0",
		"MESOS_RECOVERY_TIMEOUT=15mins", "MESOS_SANDBOX=" + dir, "MESOS_SLAVE_ID=" + offer.AgentID.Value,
		"MESOS_SLAVE_PID=slave(1)@" + endpoint, "MESOS_SUBSCRIPTION_BACKOFF_MAX=2secs", "MINE=a value", "PATH=" + path,
		"PWD=" + dir, "sh " + dir,
	}
	got := strings.Split(strings.TrimSpace(output(t, c, s, offer, "env", "stdout")), "\n")
	// What a shell sets for itself.
	got = slices.DeleteFunc(got, func(l string) bool {
		return strings.HasPrefix(l, "_=") || strings.HasPrefix(l, "SHLVL=") || strings.HasPrefix(l, "OLDPWD=")
	})
	slices.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestTaskOfAnotherUser(t *testing.T) {
	c := startCluster(t, func(conf *Config) { conf.WorkDir = "" })
	s := subscribe(t, c.URL(), defaultInfo, "")
	offer := s.offer()
	nobody := "nobody"
	task := shellTask("t", "id -un; touch mine; stat -c '%U %a' . mine stdout", offer)
	task.Command.User = &nobody
	s.launch(offer, 0, task)
	if os.Geteuid() != 0 {
		if end := s.status("t", mesos.TASK_FAILED); !strings.HasSuffix(end.GetMessage(), "operation not permitted") {
			t.Errorf("message %q", end.GetMessage())
		}
		return
	}
	s.status("t", mesos.TASK_FINISHED)
	if got, want := output(t, c, s, offer, "t", "stdout"), "nobody\nnobody 750\nnobody 644\nnobody 644\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestStopLeavesNothing(t *testing.T) {
	c := startCluster(t, func(conf *Config) { conf.WorkDir = "" })
	s := subscribe(t, c.URL(), defaultInfo, "")
	offer := s.offer()
	const command = "trap '' TERM; (setsid sh -c 'trap \"\" TERM; sleep 1000' &); echo ready; sleep 1000"
	// The second one ends, but leaves something behind.
	s.launch(offer, 0, shellTask("runs", command, offer), shellTask("ended", "(setsid sleep 1000 &)", offer))
	s.status("ended", mesos.TASK_FINISHED)
	ready(t, c, s, offer, "runs")
	c.Stop()
	c.Stop()
	if left := family(nil, offer.AgentID.Value); len(left) > 0 {
		t.Errorf("processes left: %v", left)
	}
	if _, err := os.Stat(c.WorkDir()); !os.IsNotExist(err) {
		t.Errorf("work directory left: %v", err)
	}
	if conn, err := net.Dial("tcp", strings.TrimPrefix(c.URL(), "http://")); err == nil {
		t.Errorf("the master still listens; closed: %v", conn.Close())
	}
}

func TestMaxCompletionTime(t *testing.T) {
	c := startCluster(t, nil)
	s := subscribe(t, c.URL(), defaultInfo, "")
	offer := s.offer()
	task := shellTask("t", "sleep 1000", offer)
	task.MaxCompletionTime = &mesos.DurationInfo{Nanoseconds: int64(20 * time.Millisecond)}
	s.launch(offer, 0, task)
	end := s.status("t", mesos.TASK_FAILED)
	if end.GetReason() != mesos.REASON_MAX_COMPLETION_TIME_REACHED || end.GetMessage() != "Command terminated with signal Terminated" {
		t.Errorf("%v %q", end.GetReason(), end.GetMessage())
	}
}

func TestKillDuringLaunch(t *testing.T) {
	c := startCluster(t, func(conf *Config) { conf.LaunchDelay = time.Hour })
	s := subscribe(t, c.URL(), defaultInfo, "")
	offer := s.offer()
	s.launch(offer, 0, shellTask("t", "true", offer))
	s.kill("t")
	if end := s.status("t", mesos.TASK_KILLED); end.GetReason() != mesos.REASON_TASK_KILLED_DURING_LAUNCH {
		t.Errorf("reason %v", end.GetReason())
	}
}

// TestUpdatesAreSerialPerTask: of many tasks at once, each task's updates come one at a time and in order.
func TestUpdatesAreSerialPerTask(t *testing.T) {
	const count = 100
	c := startCluster(t, func(conf *Config) { conf.Agents = []AgentConfig{{CPUs: count, MemMiB: 32 * count}} })
	s := subscribe(t, c.URL(), defaultInfo, "")
	offer := s.offer()
	tasks := make([]mesos.TaskInfo, count)
	for i := range tasks {
		tasks[i] = shellTask("t"+itoa(i), "true", offer)
	}
	s.launch(offer, 0, tasks...)
	order := []mesos.TaskState{mesos.TASK_STARTING, mesos.TASK_RUNNING, mesos.TASK_FINISHED}
	seen := map[string]int{}
	var unacked []mesos.TaskStatus // a framework that acknowledges late
	for done := 0; done < count; {
		u := s.await(scheduler.Event_UPDATE).Update.Status
		id := u.TaskID.Value
		early := slices.ContainsFunc(unacked, func(o mesos.TaskStatus) bool { return o.TaskID == u.TaskID })
		if early || u.GetState() != order[seen[id]] {
			t.Fatalf("%s: %v after %d updates, the last one not acknowledged: %v", id, u.GetState(), seen[id], early)
		}
		if seen[id]++; seen[id] == len(order) {
			done++
		}
		unacked = append(unacked, u)
		if len(unacked) >= count/2 || done > count/2 {
			for _, o := range unacked {
				s.ack(o)
			}
			unacked = nil
		}
	}
	// In the end everything is free again.
	eventually(t, "nothing is used", func() bool {
		slaves, _ := getJSON(t, c.URL()+"/slaves")["slaves"].([]any)
		return len(slaves) == 1 && strings.Contains(fmt.Sprint(slaves[0]), "used_resources:map[cpus:0 disk:0 gpus:0 mem:0]")
	})
}
