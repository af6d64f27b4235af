// Package swf reads traces of batch systems in the Standard Workload Format of
// the Parallel Workloads Archive, plain or compressed with gzip, as a stream.
//
// Source of the format: Chapin et al., "Benchmarks and Standards for the
// Evaluation of Parallel Job Schedulers" (1999), version 2.2 as described at
// https://www.cs.huji.ac.il/labs/parallel/workload/swf.html.
//
// It does not judge what it reads: a job that never ran (Run ≤ 0) is a record
// like any other; Job.Usable tells those that a simulation can use. It does
// not open files: give it what os.Open returns.
//
// Invariants: memory does not grow with the trace; a line is at most
// MaxLine bytes; no number is NaN or infinite; an error names the line.
package swf
