package app

import (
	"encoding/json"
	"time"
)

// Status is the whole system at one time, as `sluice ctl status` shows it. Numbers of jobs are in slots.
type Status struct {
	At          time.Time `json:"at"`
	Version     string    `json:"version"`
	URL         string    `json:"url"` // where hosts reach the daemon
	Master      string    `json:"master"`
	FrameworkID string    `json:"frameworkID"`
	Connected   bool      `json:"connected"` // subscribed at a leading master
	// Trouble is why it is not connected, in one line; "" while it is.
	Trouble string `json:"trouble,omitempty"`
	// Election is how this instance stands; nil where there is no election.
	Election *ElectionStatus `json:"election,omitempty"`

	Running int     `json:"running"`
	Pending int     `json:"pending"` // eligible to start
	Waiting int     `json:"waiting"` // pending, but held, dependent or not due yet
	Ratio   float64 `json:"ratio"`   // running/pending; 0 while nothing is pending
	Target  float64 `json:"target"`
	// Intent is what the target is moved for, "none" where it is fixed.
	Intent string `json:"intent"`
	// IntentMeasured is the intent's quantity in the latest starts, in seconds or as a slowdown; nil = not known yet.
	IntentMeasured *float64 `json:"intentMeasured"`
	// IntentReason is why the target is what it is, in one line; "" without an intent.
	IntentReason string `json:"intentReason"`
	// IntentLimit is what IntentMeasured is not to exceed, and IntentHolds whether it does not; 0 and nil where that is not known.
	IntentLimit float64 `json:"intentLimit"`
	IntentHolds *bool   `json:"intentHolds"`
	// RunSeconds is the mean run time that the intent has learnt from what ended; 0 = not known.
	RunSeconds float64 `json:"runSeconds"`
	// TargetMin and TargetMax are how far an intent may move the target.
	TargetMin float64 `json:"targetMin"`
	TargetMax float64 `json:"targetMax"`
	// Weights are those of queues that are not 1.
	Weights map[string]float64 `json:"weights"`
	// Live names the settings that were set live and are in force in place of the command line's.
	Live []string `json:"live"`
	// Weight is how much a pending slot counts in the mean, by the weights of queues.
	Weight float64 `json:"weight"`

	Kp float64 `json:"kp"`
	Ki float64 `json:"ki"`
	Kd float64 `json:"kd"`

	Goal     int `json:"goal"`
	Supply   int `json:"supply"`   // held: in flight and open
	InFlight int `json:"inFlight"` // launched, not joined yet
	Held     int `json:"held"`     // of all hosts, those that are being drained too
	Hosts    int `json:"hosts"`    // joined
	// HostStates counts the fleet's hosts by their state.
	HostStates map[string]int `json:"hostStates"`

	OffersAccepted int `json:"offersAccepted"`
	OffersDeclined int `json:"offersDeclined"`
	// DeclinedBecause counts them by why.
	DeclinedBecause map[string]int `json:"declinedBecause"`
	Launches        int            `json:"launches"`
	Suppressed      bool           `json:"suppressed"` // no offers are sent to us

	PollAgeSeconds float64 `json:"pollAgeSeconds"` // since the last good poll of the batch system
	Paused         bool    `json:"paused"`
	Errors         int     `json:"errors"` // polls and control steps that failed since the start
	// Reason is why the goal is what it is, in one line.
	Reason string `json:"reason"`
}

// ElectionStatus is how an instance stands among those that could lead.
type ElectionStatus struct {
	// State is "leading", or "doubtful": ZooKeeper does not answer, so that another may lead and no offer is taken.
	State string `json:"state"`
	// Behind are the instances that wait to take over, in order.
	Behind  []string `json:"behind"`
	Trouble string   `json:"trouble,omitempty"` // why ZooKeeper does not answer
}

// Control is a change to a running system, as `sluice ctl` sends it. Fields that are nil or empty change nothing. All but Drain
// outlasts a restart, until Reset or until the command line says something new about the same setting.
type Control struct {
	Reset  bool     `json:"reset,omitempty"`  // first, back to what the command line says
	Target *float64 `json:"target,omitempty"` // with an intent: where it begins
	Intent string   `json:"intent,omitempty"` // moves the target; "none" = back to the target that was set
	Kp     *float64 `json:"kp,omitempty"`
	Ki     *float64 `json:"ki,omitempty"`
	Kd     *float64 `json:"kd,omitempty"`
	Paused *bool    `json:"paused,omitempty"` // hold the goal as it is
	Flex   *int     `json:"flex,omitempty"`   // hold at least so many slots (the minimum)
	// Weights are how much pending slots of queues count, 0.01 to 100.
	Weights map[string]float64 `json:"weights,omitempty"`
	Drain   string             `json:"drain,omitempty"` // close this host and release it when it is empty
}

// UnmarshalStatus reads a Status that a daemon sent.
func UnmarshalStatus(data []byte) (Status, error) {
	var s Status
	err := json.Unmarshal(data, &s)
	return s, err
}
