// Package wire is what daemon, hosts and clients say to each other: the framed messages of a host's connection, and the JSON
// of the client API with its Client.
//
// It is not the daemon: nothing here decides anything. Whoever reads from a Conn or the API must expect any bytes; every
// message and body has a named maximum.
package wire

//go:generate protoc -I../.. --gogofaster_out=paths=source_relative:../.. queue/wire/wire.proto
