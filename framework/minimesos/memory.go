package minimesos

import (
	"context"
	"net"
	"net/http"
	"strconv"

	mesos "github.com/mesos/mesos-go/api/v1/lib"
)

// firstMemoryPort begins the addresses that masters in memory say they have.
const firstMemoryPort = 5050

// Body is a task in memory: it runs while the function does, and FINISHED or FAILED is what it says. Its context ends when the
// task is asked to end, and when its agent crashes or the cluster stops.
type Body func(ctx context.Context, task mesos.TaskInfo) error

// inMemory says that the cluster has neither sockets nor processes: it can live in a bubble of testing/synctest.
func (c *Config) inMemory() bool { return c.Tasks != nil }

// Handler answers as the first of the masters does, without a socket. Streams that are open when a master is killed end with
// the context of their requests only.
func (c *Cluster) Handler() http.Handler { return c.seats[0] }

// memorySeat is a seat that nobody can reach but by its handler.
func (c *Cluster) memorySeat() *seat {
	address := net.JoinHostPort(defaultHostname, strconv.Itoa(firstMemoryPort+len(c.seats)))
	return &seat{cluster: c, address: address}
}

func (c *Cluster) runner() runner {
	if c.conf.inMemory() {
		return memoryRunner{c.conf.Tasks}
	}
	return realRunner{}
}

// memoryRunner runs tasks as goroutines.
type memoryRunner struct{ body Body }

var (
	_ runner      = memoryRunner{}
	_ taskProcess = (*memoryTask)(nil)
)

func (memoryRunner) provision(ctx context.Context, _ *container) error { return ctx.Err() }

func (r memoryRunner) start(c *container) (taskProcess, error) {
	ctx, end := context.WithCancel(context.Background())
	t := &memoryTask{end: end, done: make(chan exit, 1)}
	info := c.info
	go func() {
		defer end()
		if err := r.body(ctx, info); err != nil {
			t.done <- exit{message: "Command exited with status 1"}
			return
		}
		t.done <- exit{success: true, message: "Command exited with status 0"}
	}()
	return t, nil
}

func (memoryRunner) sweep(left []taskProcess, _ string) {
	for _, t := range left {
		t.killAll()
	}
}

// memoryTask is a task that is a goroutine.
type memoryTask struct {
	end  context.CancelFunc
	done chan exit
}

func (t *memoryTask) id() int        { return 1 }
func (t *memoryTask) wait() exit     { return <-t.done }
func (t *memoryTask) terminateTree() { t.end() }
func (t *memoryTask) killAll()       { t.end() }
func (t *memoryTask) killGroup()     { t.end() }
