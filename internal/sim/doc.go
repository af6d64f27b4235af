// Package sim is a discrete-event simulator of a Mesos cluster, a batch system
// on it and the policy between them that decides how many slots to hold. It is
// how policies are judged and gains are chosen: same workload, same cluster,
// another policy, one row of a table.
//
// It is pure: virtual time, no goroutine, no I/O, and randomness only from a
// seed; the same Config, jobs and policy give the same Result and trace.
//
// What ships is what is simulated: the real queue (order, placement, backfill),
// the real fleet (offers, launches, drains) and the real controller. Modelled are
// the jobs (they run for as long as the workload says), the Mesos master (it offers
// what agents have left once a period, and heeds filters, suppress and revive), the
// agents (a host joins after the join delay) and time.
//
//	workload ──> batch (queue.Queue) ──load──> Policy ──goal──> supplier ──> hosts ──> batch
//
// A supplier is either elastic, which is the fleet, or the hoarder, which stands for
// frameworks that cannot drain: their hosts are released when they happen to be idle
// for the idle timeout. That is how the policies that people have today work.
//
// Invariants: a host with a job is never released; allocated ≥ used slot-seconds;
// every job starts and ends once, or the run is an error.
package sim
