package framework

import (
	"net/http"
	"sync/atomic"
	"testing"

	"github.com/mesos/mesos-go/api/v1/lib/scheduler"

	"sluice/framework/minimesos"
)

// A master whose whitelist lacks our role says so on the stream. That is one clear line, and it is tried again: an operator may
// put it right on either side. No framework id is taken meanwhile.
func TestRoleNotAllowed(t *testing.T) {
	r := newRig(t, minimesos.Config{})
	log := r.watchLog()
	var allowed atomic.Bool
	var refusals atomic.Int32
	f := newFront(t, r.cluster.URL())
	f.set(func(w http.ResponseWriter, req *http.Request) bool {
		if allowed.Load() || req.Header.Get(streamIDHeader) != "" {
			return false
		}
		refusals.Add(1)
		w.Header().Set(streamIDHeader, "stream")
		w.Header().Set("Content-Type", "application/x-protobuf")
		if _, err := w.Write(encodeRecord(&scheduler.Event{Type: scheduler.Event_ERROR, Error: &scheduler.Event_Error{
			Message: "Roles { batch } are not present in the master's --roles",
		}})); err != nil {
			t.Error(err)
		}
		return true
	})
	r.cfg.Master, r.cfg.Role = f.URL, "batch"
	r.start()
	r.said(log, `it says "Roles { batch } are not present in the master's --roles"`, "retrying")
	r.wait("another attempt", func() bool { return refusals.Load() > 1 })
	if id := r.store.id(); id != "" || len(log.all()) != 1 {
		t.Errorf("id %q, log %q", id, log.all())
	}
	allowed.Store(true)
	r.want(4)
}
