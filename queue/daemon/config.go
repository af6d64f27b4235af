package daemon

import (
	"net/http"
	"time"

	"github.com/sirupsen/logrus"

	"sluice/queue"
	"sluice/queue/journal"
)

// Config is a daemon's configuration. Queue, Journal and HostURL are needed; other zero fields have the defaults named.
type Config struct {
	Queue   queue.Config
	Journal *journal.Journal // stays the caller's: close it after Stop
	Logger  logrus.FieldLogger

	Cluster    string   // name that lsid shows ("sluice")
	MasterHost string   // host name that lsid shows (the machine's)
	Version    string   // of the program
	Admins     []string // beside root and the daemon's own user
	TokenFile  string   // lines user:token for clients over TCP; "" = no clients over TCP

	HostURL    string            // how hosts reach the daemon: http://…, https://… or unix:///path
	HostBinary string            // path of the program that hosts run
	HostLocal  bool              // hosts share the file system: they run HostBinary itself instead of fetching it
	HostEnv    map[string]string // given to every host's command beside its token

	Heartbeat    time.Duration // of hosts; three missed ones break a session (5 s)
	KillGrace    time.Duration // between TERM and KILL of a job that is to end (10 s)
	CompactEvery time.Duration // between compactions of the journal (10 min)
}

// Access says who may use a handler of the program around the daemon.
type Access uint8

// Who may use a handler.
const (
	Admin  Access = iota // administrators
	User                 // who has shown who he is
	Public               // anyone who reaches a listener
)

// Handle adds a handler of the program around the daemon, as http.ServeMux.Handle does. Call it before the first Serve.
func (d *Daemon) Handle(pattern string, access Access, h http.Handler) {
	d.mux.Handle(pattern, d.guard(access, h))
}
