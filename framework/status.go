package framework

import (
	"sync/atomic"

	"sluice/framework/fleet"
)

// Status is the framework at one time. Numbers of what happened count from Start; those of supply and goal are slots.
type Status struct {
	Master      string         `json:"master"` // URL of the leading master, "" before it was found
	FrameworkID string         `json:"frameworkID"`
	Connected   bool           `json:"connected"`
	Trouble     string         `json:"trouble"`    // why it is not connected, in one line; "" while it is, or before the first attempt
	Suppressed  bool           `json:"suppressed"` // no offers are wanted
	Hosts       map[string]int `json:"hosts"`      // by state
	Joined      int            `json:"joined"`     // hosts that are open, or closed and not empty yet

	Goal     int `json:"goal"`
	Supply   int `json:"supply"`   // in flight and open
	InFlight int `json:"inFlight"` // launched, not joined yet
	Wanted   int `json:"wanted"`   // would be taken if it were offered
	Coming   int `json:"coming"`   // not there yet, but to be awaited; see fleet.Holding
	Withheld int `json:"withheld"` // left to others, because the first pending job could not start even with them
	Need     int `json:"need"`     // slots of the job that hosts are gathered for, if that is not the first; see fleet.Holding

	OffersAccepted int `json:"offersAccepted"`
	OffersDeclined int `json:"offersDeclined"`
	// Declined counts the offers that were declined by why; those of launches that were given up are not in it.
	Declined   map[string]int `json:"declined"`
	Launches   int            `json:"launches"`
	Kills      int            `json:"kills"`
	Revives    int            `json:"revives"`
	Suppresses int            `json:"suppresses"`
	Updates    int            `json:"updates"`
	Reconnects int            `json:"reconnects"` // attempts to subscribe after the first
}

type counters struct {
	accepted, declined, launches, kills, revives, suppresses, updates atomic.Int64
}

// publish makes the owner's view of the fleet visible.
func (o *owner) publish() {
	stats := o.fleet.Stats()
	hosts := make(map[string]int, len(stats.Hosts))
	for state, n := range stats.Hosts {
		hosts[state.String()] = n
	}
	s := Status{
		Connected: o.session != nil, Suppressed: stats.Suppressed, Hosts: hosts,
		Joined: stats.Hosts[fleet.Open] + stats.Hosts[fleet.Closed],
		Goal:   stats.Goal, Supply: stats.Supply, InFlight: stats.InFlight, Wanted: stats.Wanted,
		Withheld: stats.Withheld, Coming: stats.Coming, Need: stats.Need, Declined: o.fleet.Declined(),
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	s.FrameworkID = o.status.FrameworkID
	if o.session != nil {
		s.FrameworkID = o.session.id
	}
	o.status = s
}

// Status is cheap; it may lag behind by one round of the owner.
func (f *Framework) Status() Status {
	f.mu.Lock()
	s := f.status
	f.mu.Unlock()
	if master := f.link.master.Load(); master != nil {
		s.Master = *master
	}
	if trouble := f.link.trouble.Load(); trouble != nil {
		s.Trouble = *trouble
	}
	for _, c := range []struct {
		to   *int
		from *atomic.Int64
	}{
		{&s.OffersAccepted, &f.accepted},
		{&s.OffersDeclined, &f.declined},
		{&s.Launches, &f.launches},
		{&s.Kills, &f.kills},
		{&s.Revives, &f.revives},
		{&s.Suppresses, &f.suppresses},
		{&s.Updates, &f.updates},
		{&s.Reconnects, &f.link.reconnects},
	} {
		*c.to = int(c.from.Load())
	}
	return s
}
