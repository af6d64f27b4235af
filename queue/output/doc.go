// Package output keeps what ended jobs wrote, for those who look later: the last part of each stream, of the newest jobs.
//
// It is not a journal: a record is written before it is reported as kept, and survives the end of the process at any point,
// but not surely the end of the machine; and what is old goes when there is too much.
//
// A store is a directory of segments, NNNNNNNN.out, each a row of records: a head of fixed size, the job it is of (JSON),
// and the bytes of its streams. Records are only appended; whole segments go, the oldest first. The index is in memory and
// is read anew from the heads when the store is opened.
//
// Invariants:
//   - the segments hold no more than Limits.Bytes, and records for no more than Limits.Jobs, apart from the newest segment;
//   - of a job the newest attempt that was kept is found, and no other;
//   - a record that is damaged is never shown as what a job wrote.
package output
