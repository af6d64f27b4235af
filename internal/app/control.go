package app

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"sluice/framework"
	"sluice/framework/fleet"
	"sluice/queue"
	"sluice/queue/daemon"
	"sluice/queue/wire"
)

// supply shows the framework to the control loop.
type supply struct{ *framework.Framework }

var _ supplier = supply{}

// Supply is what the fleet holds.
func (s supply) Supply() fleet.Holding {
	status := s.Status()
	return fleet.Holding{Supply: status.Supply, InFlight: status.InFlight, Withheld: status.Withheld, Coming: status.Coming, Need: status.Need}
}

// Status is the system now.
func (a *App) Status() Status {
	f := a.framework.Status()
	s := Status{
		At: time.Now(), Version: a.cfg.Version, URL: a.url,
		Master: f.Master, FrameworkID: f.FrameworkID, Connected: f.Connected, Suppressed: f.Suppressed,
		Supply: f.Supply, InFlight: f.InFlight, HostStates: f.Hosts,
		OffersAccepted: f.OffersAccepted, OffersDeclined: f.OffersDeclined, DeclinedBecause: f.Declined, Launches: f.Launches,
	}
	s.Hosts, s.Election = f.Joined, a.electionStatus()
	s.Trouble = f.Trouble
	a.loop.fill(&s)
	s.Live, s.Weights = a.liveSettings()
	return s
}

// Apply makes a change to the running system, durably, or none of it.
func (a *App) Apply(ctx context.Context, c Control) error {
	a.applying.Lock()
	defer a.applying.Unlock()
	c.Intent = strings.TrimSpace(c.Intent)
	if err := checkWeights(a.cfg.queues(), c.Weights); err != nil {
		return err
	}
	if c.Drain != "" {
		if err := a.framework.Drain(c.Drain); err != nil {
			return err
		}
	}
	order := a.settings.order(c)
	return a.putInForce(ctx, order, func(aim Control, goal int) error { return a.settings.keep(ctx, c, aim, goal) })
}

// putInForce makes a change without a reset or a drain.
func (a *App) putInForce(ctx context.Context, c Control, keep func(aim Control, goal int) error) error {
	if err := a.loop.apply(c, keep); err != nil {
		return err
	}
	if c.Flex != nil {
		a.framework.SetFloor(*c.Flex)
	}
	if len(c.Weights) > 0 {
		return a.daemon.SetWeights(ctx, c.Weights)
	}
	return nil
}

// checkWeights refuses weights of queues that there are not, and weights that cannot be.
func checkWeights(queues []queue.QueueSpec, weights map[string]float64) error {
	var names []string
	for _, q := range queues {
		names = append(names, q.Name)
	}
	for name, weight := range weights {
		if !slices.Contains(names, name) {
			return invalid("queue-weight: no queue %.60q, want one of %s", name, strings.Join(names, ", "))
		}
		if !(weight >= minWeight && weight <= maxWeight) {
			return invalid("queue-weight %v of %s: want %v to %v", weight, name, minWeight, maxWeight)
		}
	}
	return nil
}

// Weights of queues, as package queue takes them.
const minWeight, maxWeight = 0.01, 100

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
		if err := a.Apply(r.Context(), c); err != nil {
			wire.WriteError(w, err)
			return
		}
		a.answer(w, a.Status())
	}))
	a.daemon.Handle("POST /v1/reconfigure", daemon.Admin, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var ask wire.ReconfigureRequest
		if err := json.NewDecoder(io.LimitReader(r.Body, maxControl)).Decode(&ask); err != nil {
			wire.WriteError(w, &queue.Error{Kind: queue.KindInvalid, Code: queue.BadSpec, Text: "reconfigure: " + err.Error()})
			return
		}
		done, err := a.Reconfigure(r.Context(), ask.CheckOnly)
		if err != nil {
			wire.WriteError(w, err)
			return
		}
		a.answer(w, done)
	}))
}

func (a *App) answer(w http.ResponseWriter, value any) {
	w.Header().Set("Content-Type", "application/json")
	if err := json.NewEncoder(w).Encode(value); err != nil {
		a.log.WithError(err).Debug("a client left before its answer")
	}
}
