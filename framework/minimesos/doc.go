// Package minimesos is an in-process, Mesos-compatible master with agents that run tasks as real processes.
//
// It speaks the Mesos v1 scheduler API over real HTTP (JSON and protobuf, RecordIO) and behaves, in texts, status codes,
// order of checks and timing, like the master 1.12 whose exchanges are recorded in testdata. Demos, the local cluster,
// end-to-end tests and fault injection run on it. It is not a production master: one process, no containers, no custom
// executors. Package framework never imports it, and it imports nothing of
// this module: of mesos-go it uses only the generated message types, so that the two sides of the protocol cannot share
// one bug.
//
// # Parts
//
//	HTTP ──call──> master (state behind one mutex) ──launch, kill, ack──> agent (actor) ──> processes, sandboxes
//	  ^                │  ^                                                  │
//	  └──events── subscription          <──────status updates────────────────┘
//	                   │
//	               allocator (pure: no clock, no goroutine, no I/O)
//
// Of several masters (seats) one has the state machine and the others redirect to it; they are elected here, or in ZooKeeper as
// real ones are. A master that leads after another knows the agents, as with a replicated registry, and learns of their tasks
// when they register again.
//
// The master never waits for an agent: it posts to the agent's mailbox. An agent calls the master without holding any
// lock of its own. Every event to a framework passes Config.OnEvent and every call passes Config.OnCall: the places where
// faults are injected.
//
// # Framework
//
//	SUBSCRIBE ─> connected ──stream broken──> disconnected ──failover_timeout──> removed
//	                ^  └─────TEARDOWN──────────────┼──────────────────────────────^
//	                └──────────SUBSCRIBE───────────┘
//
// # Task, as the agent sees it
//
//	launch ─> fetching ─> running ──exit──> terminal ──acknowledged──> forgotten
//	             │           └──KILL──> killing ──exit or SIGKILL after the grace period──^
//	             └──KILL or failed fetch─────────────────────────────────────────^
//
// # What differs from a real master and agent
//
//   - LAUNCH_GROUP, custom executors, Docker, volumes, limits, operations on reservations and volumes are refused.
//   - Checks and health checks are validated, not run. Nothing limits what a task uses.
//   - A nested role shares like any other; quota, authentication of operators and most of the v1 operator API are missing.
//   - The fetcher refuses an output_file or an archive that leaves the sandbox; the executor writes no log into it.
//   - An agent that does not return after a restart of the master is unreachable after AgentTimeout, not 10 minutes.
//
// # Invariants
//
//   - What is offered to anyone plus what tasks use never exceeds what an agent has.
//   - Status updates of one task are delivered one at a time, in order, until acknowledged.
//   - After Stop, and after the death of the process however it dies, no task process is left.
package minimesos
