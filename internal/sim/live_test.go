package sim_test

import (
	"flag"
	"math/rand/v2"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"sluice/framework/fleet"
	"sluice/queue"
)

// Flags of the worlds: `go test ./internal/sim -run NoJobWaits -worlds 10000`, and of one that failed
// `go test ./internal/sim -run NoJobWaits -world N -v`.
var (
	worlds     = flag.Int("worlds", 150, "how many random worlds to run in which no job may wait for ever")
	firstWorld = flag.Uint64("first-world", 1, "seed of the first of them; the others follow; 0 = a random one")
	oneWorld   = flag.Uint64("world", 0, "run this world only, and tell all that happens in it (with -v)")
)

// TestNoJobWaitsForEver runs random jobs on random clusters, in virtual time, with the real queue, controller and fleet: each job that
// an empty cluster could run starts and ends, hosts are not launched over and over meanwhile, and in the end all is given back but the
// floor.
func TestNoJobWaitsForEver(t *testing.T) {
	runWorlds(t, plan, *worlds)
}

func runWorlds(t *testing.T, plot func(*rand.Rand) *livePlan, count int) {
	if *oneWorld != 0 {
		runWorld(t, plot, *oneWorld, true)
		return
	}
	first := *firstWorld
	if first == 0 {
		first = rand.Uint64()>>16 | 1
		t.Logf("from seed %d", first)
	}
	var next, failed, started atomic.Int64
	began := time.Now()
	t.Run("seeds", func(t *testing.T) {
		for range runtime.GOMAXPROCS(0) {
			t.Run("", func(t *testing.T) {
				t.Parallel()
				for i := next.Add(1); i <= int64(count) && failed.Load() < 5; i = next.Add(1) {
					w, ok := runWorld(t, plot, first+uint64(i)-1, false)
					started.Add(int64(w.launches))
					if !ok {
						failed.Add(1)
					}
				}
			})
		}
	})
	t.Logf("%d worlds in %v, %d hosts", count, time.Since(began).Round(time.Millisecond), started.Load())
	if started.Load() < int64(count) {
		t.Errorf("the worlds were too dull: %d hosts", started.Load())
	}
}

// runWorld reports a world in which something is wrong, with the command that runs it again.
func runWorld(t *testing.T, plot func(*rand.Rand) *livePlan, seed uint64, tell bool) (*liveWorld, bool) {
	w, err := newLiveWorld(plot(rand.New(rand.NewPCG(seed, 1))), seed, tell)
	if err != nil {
		t.Fatal(err)
	}
	w.play()
	name, _, _ := strings.Cut(t.Name(), "/")
	if w.wrong != "" {
		t.Errorf("seed %d: %s\n%v%s\nsee all of it with\n\tgo test ./internal/sim -run '^%s$' -v -world %d", seed, w.wrong, w.livePlan, w.state(), name, seed)
	}
	if tell {
		t.Logf("%v\n%s", w.livePlan, w.story.String())
	}
	return w, w.wrong == ""
}

// patience is for how long nothing may happen though a job waits that could run: hosts must become idle and be given back for others
// to be launched, and what the master withholds comes back after some minutes.
func (w *liveWorld) patience() time.Duration {
	const round = 20 * time.Minute
	return 15*time.Minute + time.Duration(1+2*w.vain())*round
}

// vain is how many jobs may be gathered for without success.
func (w *liveWorld) vain() int {
	n := 0
	for _, j := range w.jobs {
		if !j.can {
			n++
		}
	}
	return n
}

// play is the life of a world.
func (w *liveWorld) play() {
	end := liveStart
	for _, a := range w.agents {
		if a.until.After(end) {
			end = a.until
		}
	}
	for w.wrong == "" && w.waiting > 0 {
		w.second()
		late := w.progress
		if end.After(late) && !w.now.Before(end.Add(-2*time.Hour)) {
			late = end // agents are lacking
		}
		switch {
		case w.large != nil && w.large.number > 0 && w.placed(w.large):
			w.cut()
		case w.large != nil && !w.firstAt.IsZero() && w.now.Sub(w.firstAt) > 2*time.Hour:
			w.fail("the large job, %d, starves", w.large.number)
		case w.now.Sub(late) > w.patience() && len(w.runs) == 0:
			w.fail("nothing has happened for %v", w.now.Sub(w.progress))
		case w.since > (6+2*w.vain())*len(w.agents)*w.livePlan.fleet.HostsPerAgent+10 && w.livePlan.fleet.HostTTL == 0:
			w.fail("%d hosts were launched since anything happened", w.since)
		case w.now.Sub(liveStart) > 1000*time.Hour:
			w.fail("it takes for ever")
		}
	}
	w.rest()
}

// cut ends the stream: the large job has started.
func (w *liveWorld) cut() {
	w.jobs, w.large = w.jobs[:w.next], nil
	w.count()
}

// placed says that a job has started.
func (w *liveWorld) placed(j *liveJob) bool {
	job, ok := w.q.Job(queue.ID{Job: j.number})
	return ok && job.State != queue.Pending
}

// rest ends the jobs that can not run, and waits until all is given back.
func (w *liveWorld) rest() {
	for range 100 {
		if w.wrong != "" || w.next == len(w.jobs) {
			break
		}
		for range 60 {
			w.second()
		}
	}
	for _, j := range w.jobs {
		if j.open > 0 && j.number > 0 && w.wrong == "" {
			if err := w.q.Kill(w.now, queue.Actor{Admin: true}, queue.ID{Job: j.number}, 0); err != nil {
				w.fail("kill job %d: %v", j.number, err)
			}
		}
	}
	launches := w.launches
	for range int((w.patience() + 10*time.Minute).Seconds()) {
		if w.wrong != "" {
			return
		}
		w.second()
	}
	held, least := 0, 1<<30
	for _, h := range w.fleet.Hosts() {
		if h.State == fleet.Launching || h.State == fleet.Joining || h.State == fleet.Open {
			held += h.Spec.Slots
			least = min(least, h.Spec.Slots)
		}
	}
	if held > 0 && held-least >= w.livePlan.control.MinSlots {
		w.fail("%d slots are left without jobs, the smallest host has %d", held, least)
	}
	if n := w.launches - launches; n > 4*len(w.agents)+10 && w.livePlan.fleet.HostTTL == 0 {
		w.fail("%d hosts were launched without jobs", n)
	}
}
