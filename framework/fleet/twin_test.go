package fleet

import (
	"math/rand/v2"
	"reflect"

	"sluice/queue"
)

// twin is a second fleet that is given the same, but is told which hosts differ from the snapshot before: it must decide the same.
type twin struct {
	fleet  *Fleet
	hosts  []queue.Host // of the last snapshot
	serial uint64
}

func newTwin(w *world, hosts []Host) *twin {
	return &twin{fleet: New(w.cfg, rand.New(rand.NewPCG(w.seed, 1)), hosts)}
}

func (t *twin) step(w *world, in Input, want Output) {
	if goal, ok := in.(Goal); ok {
		goal.Snapshot.Delta = t.delta(goal.Snapshot.Hosts)
		in = goal
	}
	if got := t.fleet.Step(w.now, in); !reflect.DeepEqual(got, want) {
		w.Fatalf("on %T, told what differs: %+v, else %+v", in, got, want)
	}
	if got, want := t.fleet.Stats(), w.fleet.Stats(); !reflect.DeepEqual(got, want) {
		w.Fatalf("after %T, told what differs: %+v, else %+v", in, got, want)
	}
}

func (t *twin) delta(hosts []queue.Host) queue.HostDelta {
	d := queue.HostDelta{From: t.serial, To: t.serial + 1}
	for i := range hosts {
		if i >= len(t.hosts) || !reflect.DeepEqual(hosts[i], t.hosts[i]) {
			d.Places = append(d.Places, i)
		}
	}
	t.hosts, t.serial = hosts, d.To
	return d
}
