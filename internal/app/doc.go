// Package app makes a running system of the parts: configuration in, a state dir opened, the batch daemon, the control loop
// and the framework started, all of it stopped again in order.
//
//	         poll                step                 goal
//	batch ─────────> loop ───────────────> controller ──────> framework ──> Mesos
//	  ^                                                          │
//	  └────────────────── add, close, open, remove host ─────────┘
//
// It holds no policy of its own: what to take is the controller's and the fleet's, what to run is the queue's.
package app
