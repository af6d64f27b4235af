// Package spool keeps copies of the files that jobs read as their input (LSF's bsub -is), so that a job reads what its file held
// when it was submitted, on hosts that do not see that file.
//
// A copy is a file in one directory, named by its user and by the checksum of its contents: jobs that were given the same contents, and
// the elements of an array, share it. It is durable before Put returns. Which copies are still needed the package does not know: who
// keeps jobs asks for those that nobody has used for a while (Idle) and removes what no job refers to.
//
// It is not where the output of jobs is kept (queue/output).
//
// Invariants: what Read gives is what Put was given, or an error. A copy of one user is not found by another. What a process that was
// killed left half-written is never found. All copies of a user, and of all users, are within their limits.
package spool
