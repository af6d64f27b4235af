// Package lsfbridge is LSF's vocabulary: the command lines, #BSUB lines, job names, dependency conditions and resource
// requirements that LSF's users write, and the tables and messages that LSF's commands print.
//
// Each printed form can be parsed too, and parsing what was printed gives the same facts back; the same parsers read the
// output of a real OpenLava or LSF. Facts that a form cuts (names, user names) come back cut.
//
// It is not the commands themselves (package command runs them) and knows nothing of a connection: input is words, text
// and the types of package queue; output is bytes.
//
// Invariants:
//   - everything from outside has a limit (see the constants of each file) and is refused with LSF's own words;
//   - printed text never holds a control character from a job, so that no job name can forge a line;
//   - what LSF has and this package does not understand is refused, never dropped in silence.
package lsfbridge
