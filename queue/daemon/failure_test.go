package daemon

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"

	"sluice/queue"
	"sluice/queue/wire"
)

// faulty is a journal on a disk that is full at times.
type faulty struct {
	Journal
	full    atomic.Bool
	unread  atomic.Bool // cannot be read either
	refused atomic.Int64
	chance  atomic.Pointer[chance]
}

// chance fails one of 20 appends, some times. It is the owner's.
type chance struct {
	random *rand.Rand
	left   int
}

func (c *chance) fails() bool {
	if c == nil || c.left == 0 || c.random.IntN(20) > 0 {
		return false
	}
	c.left--
	return true
}

var errFull = errors.New("the disk is full")

func (f *faulty) Append(ctx context.Context, events []queue.Event) error {
	if f.full.Load() || f.chance.Load().fails() {
		f.refused.Add(1)
		return errFull
	}
	return f.Journal.Append(ctx, events)
}

func (f *faulty) Put(ctx context.Context, bucket string, changes map[string][]byte) error {
	if f.full.Load() {
		f.refused.Add(1)
		return errFull
	}
	return f.Journal.Put(ctx, bucket, changes)
}

func (f *faulty) Replay(ctx context.Context, apply func(queue.Event) error) error {
	if f.unread.Load() {
		return errors.New("the disk is gone")
	}
	return f.Journal.Replay(ctx, apply)
}

func TestFullDisk(t *testing.T) {
	disk := &faulty{}
	b := newBenchOn(t, nil, func(j Journal) Journal {
		disk.Journal = j
		return disk
	})
	ctx := context.Background()
	h := b.host("h1", 1)
	before := b.submit(command("before"))
	start := h.hearStart()
	h.started(start.Attempt)
	b.eventually("it runs", func() bool { return b.job(before).PID != 0 })

	disk.full.Store(true)
	refuse := func() {
		t.Helper()
		_, err := b.client.Submit(ctx, command("lost"))
		wantCode(t, err, queue.JournalUnwritable)
		if queue.KindOf(err) != queue.KindUnavailable {
			t.Errorf("error is %v", err)
		}
	}
	refuse()
	h.gone() // it cannot know what was acknowledged
	refuse()
	refuse()
	if n := disk.refused.Load(); n != 1 {
		t.Errorf("a full disk was written to %d times at once", n)
	}
	if jobs := b.jobs(wire.JobsRequest{}); len(jobs) != 1 || jobs[0].State != queue.Running {
		t.Errorf("a query shows %+v", jobs)
	}
	if _, answer := b.dial(&wire.Hello{Host: "h1", Session: h.session}); answer.GetRefused() == nil || answer.GetRefused().Final {
		t.Errorf("the host heard %v, want to be told to come back", answer)
	}
	disk.unread.Store(true) // queries go on with what was read before
	if jobs := b.jobs(wire.JobsRequest{}); len(jobs) != 1 {
		t.Errorf("a query shows %+v", jobs)
	}
	disk.unread.Store(false)
	disk.full.Store(false)
	b.eventually("the daemon takes jobs again", func() bool {
		response, err := b.client.Submit(ctx, command("after"))
		return err == nil && response.ID.Job == before.Job+1 // no number was used up, nothing half done
	})
	h = b.join(&wire.Hello{Host: "h1", Session: h.session, Known: []*wire.Attempt{start.Attempt}})
	h.ended(start.Attempt, 0)
	h.acknowledged(start.Attempt)
	if next := h.hearStart(); next.Attempt.Job != before.Job+1 || next.Attempt.Attempt != 1 {
		t.Errorf("started %v", next.Attempt)
	}
	jobs := b.jobs(wire.JobsRequest{})
	if len(jobs) != 2 || jobs[0].State != queue.Done || jobs[1].Spec.Command != "after" {
		t.Errorf("after all: %+v", jobs)
	}
	live := fmt.Sprintf("%+v", jobs)
	b.restart()
	if again := b.jobs(wire.JobsRequest{}); fmt.Sprintf("%+v", states(again)) != fmt.Sprintf("%+v", states(jobs)) {
		t.Errorf("after a restart: %+v\nbefore: %s", again, live)
	}
}

func states(jobs []queue.Job) []string {
	var out []string
	for _, j := range jobs {
		out = append(out, fmt.Sprint(j.ID, j.State, j.Attempt, j.StartedAt, j.EndedAt))
	}
	return out
}

func TestLostDisk(t *testing.T) {
	disk := &faulty{}
	b := newBenchOn(t, nil, func(j Journal) Journal {
		disk.Journal = j
		return disk
	})
	b.submit(command("before"))
	disk.unread.Store(true)
	disk.full.Store(true)
	_, err := b.client.Submit(context.Background(), command("lost"))
	wantCode(t, err, queue.JournalUnwritable)
	err = b.client.Jobs(context.Background(), wire.JobsRequest{}, func(queue.Job) error { return nil })
	wantCode(t, err, queue.JournalUnwritable) // neither old nor new state can be trusted
	disk.full.Store(false)
	disk.unread.Store(false)
	b.eventually("all is well again", func() bool {
		var jobs []queue.Job
		err := b.client.Jobs(context.Background(), wire.JobsRequest{}, func(j queue.Job) error {
			jobs = append(jobs, j)
			return nil
		})
		return err == nil && len(jobs) == 1
	})
	b.submit(command("after"))
}

// TestNothingLostOnAnUnreliableDisk submits from several clients and runs jobs on hosts, while the journal fails now and
// then: what was acknowledged is there, once, and no attempt starts twice.
func TestNothingLostOnAnUnreliableDisk(t *testing.T) {
	disk := &faulty{}
	b := newBenchOn(t, nil, func(j Journal) Journal {
		disk.Journal = j
		return disk
	})
	disk.chance.Store(&chance{random: rand.New(rand.NewPCG(1, 2)), left: 4})
	w := &worlds{socket: b.socket(), ran: make(map[wire.Attempt]int), stop: make(chan struct{})}
	for _, name := range []string{"h1", "h2"} {
		token := b.addHost(name, 4)
		w.wg.Go(func() { w.live(name, token) })
	}
	var mu sync.Mutex
	accepted := make(map[string]queue.ID)
	var clients sync.WaitGroup
	for c := range 4 {
		clients.Go(func() {
			client, err := wire.NewClient(wire.Options{API: "unix://" + b.socket()})
			if err != nil {
				t.Error(err)
				return
			}
			defer client.Close()
			for i := range 60 {
				name := fmt.Sprintf("c%d.%d", c, i)
				for {
					done, err := client.Submit(context.Background(), command(name))
					if err == nil {
						mu.Lock()
						accepted[name] = done.ID
						mu.Unlock()
						break
					}
					if queue.KindOf(err) != queue.KindUnavailable {
						t.Error(err)
						return
					}
				}
			}
		})
	}
	clients.Wait()
	disk.chance.Store(nil)
	b.eventually("all jobs have ended", func() bool {
		left := 0
		err := b.client.Jobs(context.Background(), wire.JobsRequest{}, func(j queue.Job) error {
			if j.State != queue.Done {
				left++
			}
			return nil
		})
		return err == nil && left == 0
	})
	close(w.stop)
	w.wg.Wait()
	seen := make(map[string]queue.ID)
	for _, job := range b.jobs(wire.JobsRequest{}) {
		if _, twice := seen[job.Spec.Command]; twice {
			t.Errorf("job %s is there twice", job.Spec.Command)
		}
		seen[job.Spec.Command] = job.ID
		if job.Attempt != 1 {
			t.Errorf("job %s started %d times", job.Spec.Command, job.Attempt)
		}
	}
	for name, id := range accepted {
		if seen[name] != id {
			t.Errorf("job %s was accepted as %v, but it is %v", name, id, seen[name])
		}
	}
	for attempt, n := range w.ran {
		if n != 1 {
			t.Errorf("attempt %v ran %d times", attempt, n)
		}
	}
	if disk.refused.Load() < 3 {
		t.Errorf("the journal failed %d times: nothing was tested", disk.refused.Load())
	}
	if len(w.ran) != len(seen) {
		t.Errorf("%d attempts ran, there are %d jobs", len(w.ran), len(seen))
	}
}

func TestHealth(t *testing.T) {
	disk := &faulty{}
	b := newBenchOn(t, nil, func(j Journal) Journal {
		disk.Journal = j
		return disk
	})
	get := func() int {
		recorder := httptest.NewRecorder()
		b.Handler().ServeHTTP(recorder, httptest.NewRequest(http.MethodGet, "/v1/health", http.NoBody))
		return recorder.Code
	}
	if got := get(); got != http.StatusOK {
		t.Errorf("health is %d", got)
	}
	disk.full.Store(true)
	_, err := b.client.Submit(context.Background(), command("lost"))
	wantCode(t, err, queue.JournalUnwritable)
	if got := get(); got != http.StatusServiceUnavailable {
		t.Errorf("health on a full disk is %d", got)
	}
}
