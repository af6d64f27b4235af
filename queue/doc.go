// Package queue is the batch system's core: jobs, arrays, queues and hosts, what happens to them, the order in which jobs start,
// and where.
//
// It is pure: no I/O, no goroutine, no clock. Time is an argument; what happened is returned as events, which the driver
// journals before it answers or acts. It is not a daemon (queue/daemon), not a journal (queue/journal), and knows neither
// Mesos nor the syntax of LSF's commands.
//
// # Words
//
// A job is one submission; an array is a job of many elements, numbered by an index list. Elements, and jobs that are no arrays, are what
// starts and ends. They are placed on hosts: they hold slots there, with the memory and GPUs that they need, and the
// first host of a placement runs the process. An attempt is one start; attempts count from 1. A pending job is eligible when nothing
// but hosts and its queue's slot limits keep it from starting. Eligible jobs with equal needs form a class.
//
// # Invariants
//
//   - The state is the fold of the events: commands check and decide, fold alone changes. Replay of the events gives the same
//     jobs, hosts and queues. Only when a blocked job began to wait, and which of equally good hosts comes first, is not
//     state: after a restart a reservation begins anew.
//   - Numbers of jobs grow and are never given twice. Attempts of a job grow by one.
//   - An attempt is followed by another only after its host reported its end, after its host died, or after the host was unavailable
//     for its lease and a margin: no job runs twice at once. Reports of an attempt that was given up change nothing.
//   - Slots held on a host are never more than it has, also of memory (unless it is not known) and GPUs. Hosts that are not
//     HostOK, or closed for any reason, get no job.
//   - The elements of an array that hold slots are never more than its limit, the slots that the jobs of a queue, a user, or a group of
//     users hold never more than their quotas, unless a job was moved while it ran, or a quota was lowered.
//   - The jobs and elements that hold slots in a job group and those below it are not more than its limit, unless the limit was lowered, one
//     was forced to run, or moved there. A job that its group keeps from starting keeps nothing from others and asks for no hosts.
//   - Jobs start by queue priority, job priority, order. What cannot start now keeps the hosts that it could use from jobs that
//     come after it, for ReserveFor; then others may pass for as long, and so on. What could not start even if nothing ran
//     keeps nothing.
//
// # Cost
//
// An array is one record, whatever its size, until its elements start. A scheduling pass looks at the head of each class and at
// the hosts that may fit it, which are listed by free slots. A pass with nothing to do ends at once. An ending job
// re-evaluates the conditions of those that depend on it, and no others.
//
// The states of jobs and their transitions are drawn at State, those of hosts at HostStatus.
package queue
