// Command sluice runs an LSF-style batch system on a shared Apache Mesos cluster and takes no more of it than the jobs need.
//
// It is one binary: the scheduler framework (run, local, demo), the daemon inside a Mesos task (host), the tools (simulate,
// tune, ctl) and the commands of LSF (bsub, bjobs, …), which also answer to symlinks of their names.
//
// Exit codes: 0 done; 1 failed; 2 wrong usage or a refused value; 3 not reachable, trying again may help; 130 and 143 ended
// by SIGINT and SIGTERM before it was done. The LSF commands keep LSF's own codes.
package main
