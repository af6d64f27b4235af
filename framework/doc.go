// Package framework is the Mesos side of Sluice: it subscribes as a scheduler framework, carries out what package fleet
// decides, and keeps what must survive a restart in a Store.
//
// It decides nothing about hosts itself, and it knows of the batch system only what Batch offers. It uses mesos-go for the
// messages, their encoding and the HTTP exchange (httpcli), but neither its httpsched caller nor its controller: these
// send calls after a redirect to the master that redirected, drop the subscription for one refused call, limit an event
// to 4 MiB, send calls concurrently and watch no heartbeats.
//
// # Parts
//
//	master ──events──> link ──> mailbox ──> owner: fleet.Step ──work──> keeper: Store.Put
//	   ^                          ^  ^                 │                    │ kept: kills, acknowledgements
//	   │                          │  │ results         │ declines,          v
//	   └────calls──── sender <────┼──┼─────────────────┘ suppress … ──> clerk: Batch
//	                     ^        │  └──────────────────────────────────────┤
//	                     └────────┴─────────────────────────────────────────┘ launches, once the host is added
//
// Each box is one goroutine. The link reads the stream and never waits for anything but the mailbox; the sender sends one
// call at a time, in order.
//
// # Link
//
// The leading master comes from a Detector: a list of URLs, or ZooKeeper (package zk). A lost ZooKeeper does not end a link that
// works; another master's registration does, and cuts a backoff short.
//
//	          ┌──────────────── backoff with jitter, at most 15 s ───────────────┐
//	          v                                                                  │
//	find leader ──> SUBSCRIBE ──> SUBSCRIBED ──> connected ──stream ends, 5 heartbeats missed, stale stream id──┘
//	          ^         │ 307       │ id is new: stored, subscribed again                 │
//	          └─────────┘           v                                                     v "Framework failed over",
//	                            (the first time only, with a short failover timeout)      "has been removed": stopped
//
// # Invariants
//
//   - The framework id is durable before anything is done under it.
//   - What a decision rests on is durable before its calls are sent, and before the update that caused it is
//     acknowledged. A kill -9 between any two calls leaves no task that the store does not tell of.
//   - No offer waits: one that cannot be used within a second because the store or the batch system is slow is declined.
//   - A call is sent only under the subscription that it was made for, and in order.
//   - An ACCEPT is never sent twice, and none while Config.Leads says no.
//   - A framework id that the store has is never replaced but by order (Config.NewFrameworkID, Config.NewCluster).
package framework
