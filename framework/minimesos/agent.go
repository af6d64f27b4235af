package minimesos

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	mesos "github.com/mesos/mesos-go/api/v1/lib"
	"github.com/sirupsen/logrus"
)

// executorLinger is how long an executor lives after its task has ended; until then the task's id cannot be used again.
const executorLinger = time.Second

// masterLink is how an agent reaches the master.
type masterLink interface {
	register(id string, cfg AgentConfig, link agentLink, tasks []agentTask) string
	statusUpdate(agent, framework string, status mesos.TaskStatus, latest mesos.TaskState)
	agentGone(id string)
}

var (
	_ masterLink = (*master)(nil)
	_ agentLink  = (*agent)(nil)
)

// runner runs the tasks of agents.
type runner interface {
	// provision makes the sandbox of a task. It may take long, and is called on a goroutine of its own.
	provision(ctx context.Context, c *container) error
	start(c *container) (taskProcess, error)
	// sweep ends what is left of an agent's tasks.
	sweep(left []taskProcess, agentID string)
}

// taskProcess is a task that has been started, with all of its descendants.
type taskProcess interface {
	id() int
	wait() exit // until the main process has ended; called once
	terminateTree()
	killAll()
	killGroup() // the part of killAll that is quick
}

// exit is how a process ended, in the words of an executor.
type exit struct {
	success bool
	message string
}

// agent runs tasks. Its state belongs to the goroutine of its mailbox, but for what start and stop touch.
type agent struct {
	cfg      AgentConfig
	conf     *Config
	workDir  string
	endpoint string // host:port for the environment of tasks
	guard    *guardian
	run      runner
	log      logrus.FieldLogger
	box      *mailbox
	wg       sync.WaitGroup // the mailbox and everything that posts to it later
	ctx      context.Context
	cancel   context.CancelFunc

	id        string
	master    masterLink // nil while not connected
	away      bool       // lost on purpose: the agent process is dead, its tasks may live
	tasks     map[taskKey]*container
	executors map[taskKey]bool     // that still live
	procs     map[taskProcess]bool // main processes that have not been waited for
	dead      bool                 // the machine is gone, with all tasks
}

func newAgent(conf *Config, cfg AgentConfig, workDir, endpoint string, guard *guardian, run runner) *agent {
	ctx, cancel := context.WithCancel(context.Background())
	a := &agent{
		cfg: cfg, conf: conf, workDir: workDir, endpoint: endpoint, guard: guard, run: run, log: conf.Logger,
		box: newMailbox(), ctx: ctx, cancel: cancel, tasks: map[taskKey]*container{}, executors: map[taskKey]bool{},
		procs: map[taskProcess]bool{},
	}
	a.wg.Add(1)
	go func() {
		defer a.wg.Done()
		a.box.run()
	}()
	return a
}

// call runs f on the agent's goroutine and waits for it. A stopped agent does nothing.
func (a *agent) call(f func()) {
	done := make(chan struct{})
	posted := a.box.post(func() {
		defer close(done)
		f()
	})
	if posted {
		<-done
	}
}

// connect registers with a master, bringing the tasks that live. It returns the id.
func (a *agent) connect(m masterLink) string {
	var id string
	a.call(func() {
		if a.dead || a.away {
			id = a.id
			return
		}
		var known []agentTask
		for _, c := range a.tasks {
			known = append(known, c.report())
		}
		again := a.id != ""
		a.id = m.register(a.id, a.cfg, a, known)
		a.guard.watch(a.id)
		a.master, id = m, a.id
		for _, c := range a.tasks {
			if again {
				c.deliver(c.delivery)
			}
			// A real agent sends what is pending a second time within milliseconds.
			c.forward()
		}
	})
	return id
}

// disconnect makes the agent forget a master that is gone.
func (a *agent) disconnect() {
	a.call(func() { a.master = nil })
}

// lose is the death of the agent process: tasks of frameworks without checkpointing end, others live on unobserved.
func (a *agent) lose() {
	a.call(func() {
		a.away, a.master = true, nil
		for _, c := range a.tasks {
			if !c.framework.GetCheckpoint() {
				c.mute()
				if c.proc != nil {
					c.proc.killAll()
				}
			}
		}
	})
}

// comeBack starts the agent process again. Tasks that have ended without it have lost their exit status.
func (a *agent) comeBack() {
	a.call(func() {
		a.away = false
		for _, c := range a.tasks {
			if c.endedAway {
				c.endedAway = false
				c.finish(mesos.TASK_FAILED, agentMade(mesos.REASON_EXECUTOR_TERMINATED, "Executor terminated"))
			}
		}
	})
}

// crash is the death of the machine.
func (a *agent) crash() {
	a.call(func() {
		a.dead, a.master = true, nil
		for _, c := range a.tasks {
			c.abandon()
		}
		a.run.sweep(slices.Collect(maps.Keys(a.procs)), a.id)
	})
}

// stop kills every task tree and waits until nothing is left.
func (a *agent) stop() {
	a.cancel()
	a.crash()
	a.box.close()
	a.wg.Wait()
}

// after runs f on the agent's goroutine after d.
func (a *agent) after(d time.Duration, f func()) *time.Timer {
	return time.AfterFunc(d, func() { a.box.post(f) })
}

func (a *agent) launch(fw mesos.FrameworkInfo, role string, info mesos.TaskInfo) {
	a.box.post(func() {
		if a.away || a.dead {
			return
		}
		c := newContainer(a, fw, role, info)
		a.tasks[c.key] = c
		if a.executors[c.key] {
			c.finish(mesos.TASK_DROPPED, agentMade(mesos.REASON_TASK_INVALID,
				"Cannot reuse an already existing executor for a command task"))
			return
		}
		if c.refuse() {
			return
		}
		a.executors[c.key] = true
		c.prepare()
	})
}

func (a *agent) kill(framework, task string) {
	a.box.post(func() {
		if c := a.tasks[taskKey{framework, task}]; c != nil && !a.away {
			c.kill()
		}
	})
}

func (a *agent) acknowledge(framework, task string, uuid []byte) {
	a.box.post(func() {
		if c := a.tasks[taskKey{framework, task}]; c != nil && !a.away {
			c.acknowledge(uuid)
		}
	})
}

func (a *agent) flush(fw mesos.FrameworkInfo) {
	a.box.post(func() {
		for key, c := range a.tasks {
			if key.framework == fw.ID.GetValue() && !a.away {
				c.framework = fw
				c.forward()
			}
		}
	})
}
