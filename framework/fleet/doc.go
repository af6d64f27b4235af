// Package fleet decides about the set of elastic hosts: which offers to take and what to launch with them, which hosts to
// close and release, when to want offers at all.
//
// It is pure: Step takes the time and one Input and returns what must be written down and done. It does no I/O, reads no
// clock, starts no goroutine. It knows tasks, agents and offers as names and amounts; HTTP and protobuf are its driver's.
// It does not decide how many slots there should be: that is the Goal.
//
// # Host
//
//	 offer taken       task runs        host joined
//	───────────> Launching ──> Joining ──────────> Open <──────────┐
//	                 │            │                 │   goal rises  │
//	                 │ too late, or not needed      │ surplus, idle │ (drain cancelled)
//	                 └────────────┴──────> Closed <─┴───────────────┘
//	                                         │ a later snapshot shows it closed and empty
//	                                         v
//	              task ended           Releasing (KILL, repeated)
//	   any state ───────────> Gone <─────────┘
//	                           │ the batch system has removed it
//	                           v
//	                       forgotten
//
//	   Launching, Joining, Open, Closed ──agent unreachable, task unknown──> Unreachable ──back──> the state before
//	   Unreachable ──too long and the batch system has lost it too──> Gone
//
// # Words
//
// Supply is the slots of the hosts that are in flight (Launching, Joining) or Open. Wanted is what may still be taken: the
// lesser of goal − supply and what the pending jobs need beyond the free slots of the supply.
//
// The focus is the first class of pending jobs that can not start on what is free. Where it gets no hosts though its jobs would fit on
// empty agents, others make way for it: idle ones soon, busy ones, which are drained, where that is enough for it. A focus that was
// gathered for in vain while others wait is passed over until each of them had its turn.
//
// # Invariants
//
//   - Capacity taken never exceeds the goal: supply after a launch ≤ goal.
//   - Nothing is launched that no pending job needs, but for the goal's floor.
//   - Each offer is answered in the Step that sees it; one Launch uses offers of one agent and role.
//   - At most Config.HostsPerAgent hosts on an agent, and none on one that breaks a constraint or is soon under maintenance.
//   - No more than Config.MaxDisruption of the hosts are closed at once for maintenance or age. (But for those whose
//     maintenance has begun.)
//   - An agent is given away for maintenance only when its hosts are closed, empty and being ended.
//   - A task is killed only after a snapshot that is later than the confirmed closing of its host showed the host closed
//     and empty. (But for a task whose host the batch system does not know.)
//   - A closed host that could serve is reopened before an offer is taken.
//   - No job waits for ever that empty agents could run, whatever others need. (internal/sim has the test.)
//   - Revive at most once per Config.ReviveEvery; Suppress as soon as nothing is wanted.
//   - Nothing is launched, closed or killed on a goal older than Config.StaleAfter.
//   - What Output.Changed holds must be durable before any effect is performed; then a restart between any two effects
//     leaves no task that the fleet does not know, and launches none twice.
package fleet
