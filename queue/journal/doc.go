// Package journal is the durable memory of a daemon: the log of the queue's events, and small buckets of keys and values for
// whoever must remember something else (the framework's id, the fleet), in one SQLite file.
//
// Append and Put are durable when they return: one transaction, one fsync. What a failed one held is not there. It knows
// nothing of what events mean, but for Compact, which drops those of jobs and hosts that are forgotten.
//
// A History is what became of jobs, in a second file that is derived from the journal's events and outlives them. Each of its
// transactions holds the number of the newest event it has read, and Compact spares the jobs of which it has not durably read
// all: it may be killed at any time, and lost with the journal only.
package journal
