package app

import (
	"encoding/json"
	"io"
	"net/http"
	"time"

	"sluice/framework"
	"sluice/queue"
	"sluice/queue/daemon"
	"sluice/queue/wire"
)

// supply shows the framework to the control loop.
type supply struct{ *framework.Framework }

var _ supplier = supply{}

// Supply is what the fleet holds.
func (s supply) Supply() (all, inFlight int) {
	status := s.Status()
	return status.Supply, status.InFlight
}

// Status is the system now.
func (a *App) Status() Status {
	f := a.framework.Status()
	s := Status{
		At: time.Now(), Version: a.cfg.Version, URL: a.url,
		Master: f.Master, FrameworkID: f.FrameworkID, Connected: f.Connected, Suppressed: f.Suppressed,
		Supply: f.Supply, InFlight: f.InFlight, HostStates: f.Hosts,
		OffersAccepted: f.OffersAccepted, OffersDeclined: f.OffersDeclined, Launches: f.Launches,
	}
	s.Hosts, s.Election = f.Joined, a.electionStatus()
	a.loop.fill(&s)
	return s
}

// Apply makes a change to the running system, or none of it.
func (a *App) Apply(c Control) error {
	if err := a.loop.apply(c); err != nil {
		return err
	}
	if c.Flex != nil {
		a.framework.SetFloor(*c.Flex)
	}
	if c.Drain != "" {
		return a.framework.Drain(c.Drain)
	}
	return nil
}

// maxControl bounds the body of a control request.
const maxControl = 64 << 10

// handleControl serves what `sluice ctl` asks for.
func (a *App) handleControl() {
	a.daemon.Handle("GET /v1/status", daemon.User, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		a.answer(w, a.Status())
	}))
	a.daemon.Handle("POST /v1/control", daemon.Admin, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var c Control
		decoder := json.NewDecoder(io.LimitReader(r.Body, maxControl))
		decoder.DisallowUnknownFields()
		if err := decoder.Decode(&c); err != nil {
			wire.WriteError(w, &queue.Error{Kind: queue.KindInvalid, Code: queue.BadSpec, Text: "control: " + err.Error()})
			return
		}
		if err := a.Apply(c); err != nil {
			wire.WriteError(w, err)
			return
		}
		a.answer(w, a.Status())
	}))
}

func (a *App) answer(w http.ResponseWriter, value any) {
	w.Header().Set("Content-Type", "application/json")
	if err := json.NewEncoder(w).Encode(value); err != nil {
		a.log.WithError(err).Debug("a client left before its answer")
	}
}
