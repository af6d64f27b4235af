// Package conformance holds tests that run against any Mesos master: what package framework relies on, call by call, and package
// framework itself. Without a master they run against package minimesos, so that the embedded master is held to the same.
//
//	go test ./framework/conformance                                  # an embedded master
//	go test ./framework/conformance -master http://mesos:5050 -v     # that master
//
// They need a tenth of a CPU and 32 MiB on two agents, whatever else runs there, take some 30 s, and leave nothing behind: each framework is torn
// down, and a master that still shows one in the end is a failure. docs/conformance.md tells of their settings.
//
// The package has no code of its own.
package conformance
