// Package host is the daemon inside a Mesos task: it joins the batch daemon with the one-time token of its task and runs the
// jobs it is told to run, as processes of their submitters.
//
// A host is two processes. Run, the session, talks to the batch daemon and knows which attempts (starts of jobs) are its own.
// The keeper (Keep, the same program again) is the parent of every job and does everything that touches processes, users and
// files. Either notices the death of the other and leaves no process of a job behind; docs/adr/0002 says why.
//
//	batch daemon <──wire──> session (Run) <──socket pair──> keeper (Keep) ──> jobs
//
// A session:
//
//	connecting ──Hello──> waiting ──Welcome──> serving ──Leave, SIGTERM──> ending ──> nil
//	    ^                    │                    │
//	    └────── backoff ─────┴──── conn broken ───┘      lease over, refused, keeper dead: jobs ended, then an error
//
// A job in the keeper:
//
//	preparing ──fork──> running ──main process ended──> sweeping ──no process left──> finishing ──output written──> Ended
//	                       ^                               │
//	                       └── next command (see stage) ───┘
//
// Invariants:
//   - an attempt is started at most once; a Start of a known attempt is ignored;
//   - Ended is sent only when no process of the job is left, and again after each Welcome until it is acknowledged;
//   - no process of a job outlives the lease, the session or the keeper;
//   - a job has the rights of its submitter and nothing else, and so has every opening of a file that it names;
//   - the token never reaches a job.
package host
