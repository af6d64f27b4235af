package minimesos

import (
	"os"
	"path/filepath"
	"testing"

	mesos "github.com/mesos/mesos-go/api/v1/lib"
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
	out, err := os.ReadFile(filepath.Join(c.WorkDir(), offer.AgentID.Value, "frameworks", s.id, "executors/t1/runs/latest/stdout"))
	if err != nil || string(out) != "hello\n" {
		t.Errorf("stdout %q, %v", out, err)
	}
}

func TestKilledTaskLeavesNothing(t *testing.T) {
	c := startCluster(t, nil)
	s := subscribe(t, c.URL(), defaultInfo, "")
	offer := s.offer()
	s.launch(offer, 0, shellTask("stubborn", "trap '' TERM; (setsid sleep 1000 &) ; setsid sleep 1001 & while :; do sleep 0.1; done", offer))
	run := s.status("stubborn", mesos.TASK_RUNNING)
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
