package minimesos

import (
	"bytes"
	"context"
	"time"

	"github.com/google/uuid"
	mesos "github.com/mesos/mesos-go/api/v1/lib"
)

// container is one task on an agent: its process tree and its stream of status updates. It belongs to the agent's
// goroutine.
type container struct {
	agent     *agent
	key       taskKey
	framework mesos.FrameworkInfo
	role      string
	info      mesos.TaskInfo
	id        string // of the run
	sandbox   string
	user      string
	account   *account    // set by provision; nil for our own
	proc      taskProcess // nil until started
	cancel    context.CancelFunc

	latest    mesos.TaskState
	pending   []mesos.TaskStatus // not acknowledged yet, oldest first; the first is being delivered
	acked     *mesos.TaskStatus
	retry     *time.Timer
	delivery  int // counts calls of forward: a retry of an earlier one is stale
	backoff   time.Duration
	killing   bool
	expired   bool // max_completion_time has passed
	drained   bool // killed because its agent is drained, within grace unless that is negative
	markGone  bool
	grace     time.Duration
	silent    bool // nobody is to hear of this task any more
	endedAway bool // ended while the agent process was dead
	timers    []*time.Timer
}

func newContainer(a *agent, fw mesos.FrameworkInfo, role string, info mesos.TaskInfo) *container {
	c := &container{
		agent: a, key: taskKey{fw.ID.GetValue(), info.TaskID.Value}, framework: fw, role: role, info: info,
		user: taskUser(fw, info), id: uuid.NewString(), latest: mesos.TASK_STAGING, cancel: func() {},
	}
	c.sandbox = sandboxPath(a.workDir, a.id, c.key, c.id)
	return c
}

// report tells a master of the task.
func (c *container) report() agentTask {
	t := agentTask{framework: c.framework, role: c.role, info: c.info, latest: c.latest, status: c.acked}
	if len(c.pending) > 0 {
		t.status = &c.pending[0]
	}
	return t
}

// prepare makes the sandbox and fetches into it without blocking the agent, then starts the task.
func (c *container) prepare() {
	ctx, cancel := context.WithCancel(c.agent.ctx)
	c.cancel = cancel
	c.agent.wg.Add(1)
	go func() {
		defer c.agent.wg.Done()
		defer cancel()
		err := wait(ctx, c.agent.conf.LaunchDelay)
		if err == nil {
			err = c.agent.run.provision(ctx, c)
		}
		c.agent.box.post(func() { c.prepared(err) })
	}()
}

func wait(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

func (c *container) prepared(err error) {
	switch {
	case c.latest != mesos.TASK_STAGING || c.silent: // killed meanwhile
		c.executorGone()
	case err != nil:
		c.finish(mesos.TASK_FAILED, agentMade(mesos.REASON_CONTAINER_LAUNCH_FAILED, "Failed to launch container: "+err.Error()))
		c.executorGone()
	default:
		c.start()
	}
}

// start runs the command. What goes wrong from here on is told as an executor tells it.
func (c *container) start() {
	p, err := c.agent.run.start(c)
	if err != nil {
		// As an executor that dies before it has run anything.
		c.finish(mesos.TASK_FAILED, agentMade(mesos.REASON_EXECUTOR_TERMINATED, "Executor terminated"))
		c.agent.log.WithField("task", c.key.task).WithError(err).Warn("not started")
		c.executorGone()
		return
	}
	c.proc = p
	c.agent.procs[p] = true
	c.update(mesos.TASK_STARTING, executorMade(""))
	c.update(mesos.TASK_RUNNING, executorMade(""))
	if limit := c.info.GetMaxCompletionTime().GetNanoseconds(); limit > 0 {
		c.later(time.Duration(limit), func() {
			c.expired = true
			c.terminate()
		})
	}
	c.agent.wg.Add(1)
	go func() {
		defer c.agent.wg.Done()
		end := p.wait()
		c.agent.box.post(func() { c.ended(end) })
	}()
}

// later runs f after d unless the task has ended by then.
func (c *container) later(d time.Duration, f func()) {
	c.timers = append(c.timers, c.agent.after(d, func() {
		if !terminal(c.latest) && !c.endedAway {
			f()
		}
	}))
}

// ended is called when the main process has exited.
func (c *container) ended(end exit) {
	delete(c.agent.procs, c.proc)
	for _, t := range c.timers {
		t.Stop()
	}
	if c.killing || c.expired || c.silent {
		// What a kill was meant to end ends, even if it ignores signals or has left the tree.
		c.proc.killAll()
	}
	switch {
	case c.agent.away && !c.silent:
		c.endedAway = true
	case c.expired:
		reason := mesos.REASON_MAX_COMPLETION_TIME_REACHED
		c.finish(mesos.TASK_FAILED, statusDetails{
			source: mesos.SOURCE_EXECUTOR, reason: &reason, message: end.message,
		})
	case c.killing:
		c.finish(mesos.TASK_KILLED, c.endedBy(end.message))
	case end.success:
		c.finish(mesos.TASK_FINISHED, executorMade(end.message))
	default:
		c.finish(mesos.TASK_FAILED, executorMade(end.message))
	}
	if c.silent {
		c.executorGone()
		return
	}
	c.agent.after(executorLinger, c.executorGone)
}

func (c *container) executorGone() { delete(c.agent.executors, c.key) }

// kill ends the task at the wish of its framework.
func (c *container) kill() {
	switch {
	case terminal(c.latest) || c.killing:
		return
	case c.proc == nil:
		c.cancel()
		c.finish(mesos.TASK_KILLED,
			agentMade(mesos.REASON_TASK_KILLED_DURING_LAUNCH, "Killed before delivery to the executor"))
		return
	}
	c.killing = true
	if hasCapability(&c.framework, mesos.FrameworkInfo_Capability_TASK_KILLING_STATE) && !c.markGone {
		c.update(mesos.TASK_KILLING, c.endedBy(""))
	}
	c.terminate()
	c.goneAlready()
}

// terminate sends SIGTERM to the task's tree, and SIGKILL after the grace period.
func (c *container) terminate() {
	c.proc.terminateTree()
	c.later(c.killGrace(), c.proc.killAll)
}

// shutdown ends the task because its framework is gone; nobody hears of it.
func (c *container) shutdown() {
	c.mute()
	if c.proc != nil && !terminal(c.latest) {
		c.proc.terminateTree()
		c.later(c.agent.conf.KillGrace, c.proc.killAll)
	}
}

// abandon ends the task at once; nobody hears of it. The rest of the tree is for a sweep.
func (c *container) abandon() {
	c.mute()
	if c.proc != nil {
		c.proc.killGroup()
	}
}

func (c *container) mute() {
	c.silent = true
	c.cancel()
	c.stopRetry()
	c.pending = nil
	delete(c.agent.tasks, c.key)
}

// statusDetails is what differs between updates beside the state.
type statusDetails struct {
	source     mesos.TaskStatus_Source
	reason     *mesos.TaskStatus_Reason
	message    string
	noExecutor bool // there was none, not even by name
}

func executorMade(message string) statusDetails {
	return statusDetails{source: mesos.SOURCE_EXECUTOR, message: message}
}

func agentMade(reason mesos.TaskStatus_Reason, message string) statusDetails {
	return statusDetails{source: mesos.SOURCE_AGENT, reason: &reason, message: message}
}

// finish queues the terminal update.
func (c *container) finish(state mesos.TaskState, d statusDetails) {
	if !terminal(c.latest) {
		c.update(state, d)
	}
}

// update queues a status update; it is delivered when those before it are acknowledged.
func (c *container) update(state mesos.TaskState, d statusDetails) {
	c.latest = state
	if c.silent {
		return
	}
	if state == mesos.TASK_DROPPED && !hasCapability(&c.framework, mesos.FrameworkInfo_Capability_PARTITION_AWARE) {
		state = mesos.TASK_LOST
		c.latest = state
	}
	at, id := now(), uuid.New()
	s := mesos.TaskStatus{
		TaskID: c.info.TaskID, State: &state, Source: &d.source, Reason: d.reason, Timestamp: &at, UUID: id[:],
		AgentID: &mesos.AgentID{Value: c.agent.id}, ExecutorID: &mesos.ExecutorID{Value: c.key.task},
	}
	if d.message != "" {
		s.Message = &d.message
	}
	if d.noExecutor {
		s.ExecutorID = nil
	}
	if d.source == mesos.SOURCE_EXECUTOR {
		s.ContainerStatus = c.status()
	}
	c.pending = append(c.pending, s)
	if len(c.pending) == 1 {
		c.forward()
	}
}

func (c *container) status() *mesos.ContainerStatus {
	proto, ip := mesos.IPv4, defaultHostname
	pid := uint32(c.proc.id())
	return &mesos.ContainerStatus{
		ContainerID:  &mesos.ContainerID{Value: c.id},
		NetworkInfos: []mesos.NetworkInfo{{IPAddresses: []mesos.NetworkInfo_IPAddress{{Protocol: &proto, IPAddress: &ip}}}},
		ExecutorPID:  &pid,
	}
}

// forward delivers the first pending update now, and again after growing pauses until it is acknowledged.
func (c *container) forward() {
	c.stopRetry()
	c.backoff = c.agent.conf.AckRetry
	c.delivery++
	c.deliver(c.delivery)
}

func (c *container) deliver(delivery int) {
	if len(c.pending) == 0 || c.agent.away || delivery != c.delivery {
		return
	}
	if c.agent.master != nil {
		c.agent.master.statusUpdate(c.agent.id, c.key.framework, c.pending[0], c.latest)
	}
	const maxBackoff = 10 * time.Minute
	c.stopRetry()
	c.retry = c.agent.after(c.backoff, func() { c.deliver(delivery) })
	c.backoff = min(2*c.backoff, maxBackoff)
}

func (c *container) stopRetry() {
	if c.retry != nil {
		c.retry.Stop()
	}
}

// acknowledge lets the next update go out, if id is that of the first pending one.
func (c *container) acknowledge(id []byte) {
	if len(c.pending) == 0 || !bytes.Equal(c.pending[0].UUID, id) {
		return
	}
	done := c.pending[0]
	c.acked, c.pending = &done, c.pending[1:]
	c.stopRetry()
	if len(c.pending) > 0 {
		c.forward()
	} else if terminal(c.latest) {
		delete(c.agent.tasks, c.key)
	}
}
