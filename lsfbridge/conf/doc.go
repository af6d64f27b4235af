// Package conf reads LSF's configuration files (lsb.queues, lsb.params, lsb.users, lsb.hosts, lsf.shared, lsf.cluster.*) and
// makes of them what Sluice's queues, limits and administrators are to be.
//
// It opens no file: its input is bytes by file name, its output is types of package queue, with warnings. It does not know what
// a running system does with them.
//
// Invariants:
//   - a wrong value, or a line that is none, refuses all files: the error names file and line and says what is allowed;
//   - nothing is dropped in silence: a keyword or section that has no effect here gives a warning with its file and line;
//   - everything has a limit: bytes of a file and of a line, sections, rows, names of a list.
package conf
