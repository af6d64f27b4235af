// Package history is what became of jobs: the fold of a batch system's events into a record for each job and each element
// of an array, and sums over records. It is what bhist and bacct show.
//
// It is pure, knows no storage (queue/journal keeps records) and decides nothing: it takes events as they were journaled.
//
// # Invariants
//
//   - A record is the fold of the events about it, in order. The time from its submission to now or its end is the sum of the
//     times in states, but for the time that passed between an end and a requeue.
//   - An element of an array that has only ever done what the whole array did has no record of its own: the record with
//     Index 0 stands for all Elements of these.
//   - Nothing here is older than the newest event that was applied: records of unfinished jobs grow only with Until.
package history
