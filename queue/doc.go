// Package queue is the batch system's core: jobs, arrays, queues and hosts, their events, the order in which jobs start and
// where.
//
// It is pure: no I/O, no goroutine, no clock. Time is an argument; what happened is returned as events.
package queue
