package swf

// Job is one line of a trace. Unknown values are -1, as in the format.
type Job struct {
	// ID is the job's number in the trace.
	ID int64
	// Submit is the time of submission in seconds since the start of the trace.
	Submit float64
	// Wait is how long the job was pending on the traced system, in seconds.
	Wait float64
	// Run is how long the job ran, in seconds; 0 or less: it never ran.
	Run float64
	// Procs is how many processors the job had, or asked for where the trace
	// does not say what it had.
	Procs int
	// MemKiB is the memory that the job used (or else asked for) per processor.
	MemKiB float64
	// Estimate is the run time that the user asked for, in seconds.
	Estimate float64
	// Status is 1 for completed, 0 failed, 5 cancelled (and 2 to 4 for partial executions).
	Status int
	// User, Group and Queue are numbers that stand for names.
	User, Group, Queue int
	// After is the ID of the job that this one waits for, with ThinkTime
	// seconds between its end and this job's submission.
	After     int64
	ThinkTime float64
}

// Usable tells whether the job ran on some processors for some time.
func (j *Job) Usable() bool { return j.Submit >= 0 && j.Run > 0 && j.Procs > 0 }

// Header is what the comments at the head of a trace say. Numbers that are
// not given, or are no numbers, are 0.
type Header struct {
	// Computer, Installation and Acknowledge name the system and who gave the trace.
	Computer, Installation, Acknowledge string
	// MaxProcs and MaxNodes are the size of the system.
	MaxProcs, MaxNodes int
	// MaxJobs is the number of jobs in the trace.
	MaxJobs int
	// UnixStartTime is the start of the trace in seconds since 1970 UTC.
	UnixStartTime int64
}
