// Package demo runs a sample workload, or a real trace at speed, on an embedded cluster and shows what the controller makes
// of it: live, as a summary and as a picture.
//
// It is a user of the system like any other: it submits through bsub and reads what `sluice ctl status` reads.
package demo
