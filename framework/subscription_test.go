package framework

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// The first subscription goes wrong in ways that must not need an operator. Each was found by a fault schedule.
func TestFirstSubscriptionInterrupted(t *testing.T) {
	for name, interrupt := range map[string]func(w *world){
		// The master ends a framework that is not subscribed for good within 30 s. Nothing was done under its id.
		"killed with a provisional id": func(w *world) {
			w.until("put framework [id]")
			w.kill()
			w.advance(time.Minute)
		},
		"provisional id, network down": func(w *world) {
			w.until("put framework [id]")
			w.breakStreams()
			w.advance(time.Minute)
		},
		// Heartbeats must not keep us waiting for it.
		"SUBSCRIBED lost": func(w *world) {
			w.until("call SUBSCRIBE")
			w.settle()
			w.pass(w.open()[0], 0, 0)
		},
		"SUBSCRIBE answered 202": func(w *world) {
			w.until("put framework [subscribing]")
			w.release(w.settle()[0], comesLate)
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, 1, false)
				defer w.close()
				interrupt(w)
				w.endFaults()
				w.want(5)
				w.rest("hosts", 5*time.Minute, w.full)
				if len(w.wrong) > 0 {
					t.Error(w.report())
				}
				if _, trial := w.store.value(bucketFramework, keySubscribingFor); trial || w.ledger.id == "" {
					t.Errorf("id %q, still on trial: %t", w.store.id(), trial)
				}
			})
		})
	}
}

// until lets everything through, up to the first thing of a name.
func (w *world) until(name string) {
	w.Helper()
	const most = 100
	for range most {
		ops := w.settle()
		if len(ops) > 0 {
			w.release(ops[0], passes)
			if strings.HasPrefix(ops[0].key, name) {
				return
			}
			continue
		}
		if open := w.open(); len(open) > 0 {
			w.pass(open[0], 0, 1)
			continue
		}
		w.advance(100 * time.Millisecond)
	}
	w.Fatalf("never came to %s", name)
}

// SUBSCRIBED that comes twice begins one session.
func TestSubscribedTwice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1, false)
		defer w.close()
		w.until("put framework [subscribing]")
		for range 2 { // under no id, and under the one that was given
			w.until("call SUBSCRIBE")
			w.settle()
			w.pass(w.open()[0], 0, 2)
		}
		w.endFaults()
		w.want(5)
		w.rest("hosts", 5*time.Minute, w.full)
		if reconnects := w.inst.fw.Status().Reconnects; len(w.wrong) > 0 || reconnects > 0 {
			t.Errorf("%d reconnects\n%s", reconnects, w.report())
		}
	})
}
