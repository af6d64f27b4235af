// Package daemon is the embedded batch daemon: one queue.Queue, its journal, the API for clients and the sessions of hosts.
//
// One goroutine owns the Queue. It gathers what was asked into batches, applies each, journals the events of a whole batch
// in one transaction, and only then answers and tells the hosts:
//
//	clients, hosts, framework ──requests──> owner: apply, schedule ──events──> journal ──committed──> answers, hosts
//
// If the journal cannot be written, the batch is refused, the Queue is built anew from the journal and every host's
// connection is dropped: hosts come back and say again what was not acknowledged. So nothing that is not durable was ever
// visible.
//
// Each host has one session. A connection that breaks, or is silent for three heartbeats, makes the host unavailable; its
// lease then runs in the Queue.
//
// The unix socket knows its users by their peer credentials, the network by tokens. Hosts have tokens of their own.
package daemon
