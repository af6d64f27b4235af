package archtest

import (
	"strings"
)

// allowance is what one package, or one subtree of packages ("examples/..."), may import beyond the standard library.
// In own and foreign a trailing "/..." stands for a package and all below it.
type allowance struct {
	pkg         string
	own         []string
	foreign     []string
	foreignTest []string // what its tests may import besides
}

// Modules of others, by what they are for. A module that is not here is not a dependency of Sluice.
const (
	logrus     = "github.com/sirupsen/logrus"
	cobra      = "github.com/spf13/cobra"
	pflag      = "github.com/spf13/pflag"
	uuid       = "github.com/google/uuid"
	gogo       = "github.com/gogo/protobuf/..."
	mesosgo    = "github.com/mesos/mesos-go/api/v1/..."
	mesosTypes = "github.com/mesos/mesos-go/api/v1/lib"
	mesosCalls = "github.com/mesos/mesos-go/api/v1/lib/scheduler"
	mesosState = "github.com/mesos/mesos-go/api/v1/lib/master"
	mesosAsk   = "github.com/mesos/mesos-go/api/v1/lib/allocator" // of inverse offers
	mesosCare  = "github.com/mesos/mesos-go/api/v1/lib/maintenance"
	zookeeper  = "github.com/go-zookeeper/zk"
	sqlite     = "modernc.org/sqlite/..."
	prometheus = "github.com/prometheus/..."
	gonum      = "gonum.org/v1/gonum/..."
	plot       = "gonum.org/v1/plot/..."
	sys        = "golang.org/x/sys/..."
)

// testLibraries are for tests of every package.
var testLibraries = []string{
	"pgregory.net/rapid/...",
	"github.com/cockroachdb/datadriven",
	"github.com/rogpeppe/go-internal/...",
	"github.com/google/go-cmp/...",
}

// allowances is the table "Who may import whom". The first line that fits a package is its line.
var allowances = []allowance{
	// The pure core: no foreign module but gonum in the tuner.
	{pkg: "controller"},
	{pkg: "controller/tune", own: []string{"controller"}, foreign: []string{gonum}},
	{pkg: "queue"},
	{pkg: "framework/fleet", own: []string{"queue"}},
	{
		pkg: "internal/sim/...", own: []string{"controller", "controller/tune", "queue", "framework/fleet", "internal/sim/..."},
		foreign: []string{gonum, plot},
	},

	// The batch system.
	{pkg: "queue/history", own: []string{"queue"}},
	{pkg: "queue/wire", own: []string{"queue", "queue/history"}, foreign: []string{gogo}},
	{pkg: "queue/journal", own: []string{"queue", "queue/history", "queue/wire"}, foreign: []string{sqlite, gogo}},
	{pkg: "queue/output", own: []string{"queue"}},
	{pkg: "queue/spool"},
	{pkg: "queue/daemon", own: []string{"queue", "queue/history", "queue/output", "queue/spool", "queue/wire"}, foreign: []string{logrus, uuid, gogo, sys}},
	{pkg: "queue/host", own: []string{"queue", "queue/wire"}, foreign: []string{logrus, uuid, gogo, sys}},
	{pkg: "lsfbridge", own: []string{"queue", "queue/history"}},
	{pkg: "lsfbridge/conf", own: []string{"lsfbridge", "queue"}},
	{pkg: "lsfbridge/openlava", own: []string{"lsfbridge", "queue"}, foreign: []string{logrus}},

	// The Mesos side. The master that we embed shares nothing but the wire types with the client, so that the two
	// sides of the protocol cannot share one mistake; its tests may call it with the client.
	{
		pkg: "framework", own: []string{"framework/fleet", "framework/zk", "queue"},
		foreign: []string{mesosgo, gogo, logrus, uuid},
	},
	{pkg: "framework/conformance", foreign: []string{mesosgo, logrus}},
	{pkg: "framework/zk", foreign: []string{logrus, zookeeper}},
	{
		pkg: "framework/minimesos", foreign: []string{mesosTypes, mesosCalls, mesosState, mesosAsk, mesosCare, gogo, logrus, uuid, sys, zookeeper},
		foreignTest: []string{mesosgo},
	},

	// The shell around them.
	{
		pkg: "internal/app/...", own: []string{"controller/...", "queue/...", "lsfbridge/...", "framework/...", "internal/..."},
		foreign: []string{logrus, uuid, gonum, plot, sys},
	},
	{pkg: "internal/dashboard", own: []string{"controller", "queue", "framework/fleet"}, foreign: []string{logrus}},
	{pkg: "internal/metrics", own: []string{"controller", "queue", "framework/fleet"}, foreign: []string{prometheus}},
	{pkg: "internal/archtest"},
	{pkg: "internal/testneed"},
	{
		pkg: "cmd/sluice", own: []string{
			"controller/...", "queue", "queue/history", "queue/wire", "queue/daemon", "queue/host", "lsfbridge/...", "internal/...",
		},
		foreign: []string{cobra, pflag, logrus, sys},
	},
	{pkg: "examples/...", own: []string{"controller/...", "queue/...", "lsfbridge/...", "framework/..."}},
}

func checkImports(t *Tree) []Finding {
	var found []Finding
	for _, p := range t.Packages {
		line, ok := lineFor(p.Path)
		if !ok {
			found = append(found, Finding{Path: p.Path, Text: "no line in the table of imports"})
			continue
		}
		for _, file := range p.Files {
			for _, spec := range file.Syntax.Imports {
				target := importPath(spec)
				if !line.allows(target, file.Test) {
					found = append(found, t.at(spec.Pos(), "%s may not import %s", p.Path, target))
				}
			}
		}
	}
	return found
}

func lineFor(pkg string) (allowance, bool) {
	for _, line := range allowances {
		if matches(line.pkg, pkg) {
			return line, true
		}
	}
	return allowance{}, false
}

// allows says whether a package may import target. A test may import every own package but commands, and the test
// libraries.
func (a allowance) allows(target string, test bool) bool {
	own, isOwn := strings.CutPrefix(target, module+"/")
	switch {
	case isOwn && test:
		return !strings.HasPrefix(own, "cmd/") || matches(a.pkg, own)
	case isOwn:
		return own != "internal/testneed" && own != "internal/archtest" && anyMatches(a.own, own)
	case standard(target):
		return true
	case test && (anyMatches(testLibraries, target) || anyMatches(a.foreignTest, target)):
		return true
	}
	return anyMatches(a.foreign, target)
}

// standard says whether an import is of the standard library: its first element has no dot. C is cgo, which would
// end the static binary.
func standard(target string) bool {
	first, _, _ := strings.Cut(target, "/")
	return !strings.Contains(first, ".") && first != "C"
}

func anyMatches(patterns []string, target string) bool {
	for _, pattern := range patterns {
		if matches(pattern, target) {
			return true
		}
	}
	return false
}

func matches(pattern, target string) bool {
	prefix, subtree := strings.CutSuffix(pattern, "/...")
	return target == prefix || subtree && strings.HasPrefix(target, prefix+"/")
}
