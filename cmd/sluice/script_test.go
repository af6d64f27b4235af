package main

import (
	"os"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"sluice/queue/host"
)

// TestMain lets scripts call the binary, and LSF's commands by their own names as symlinks do. Hosts and their keepers,
// which are this program again under other names, are recognised by their arguments.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && (os.Args[1] == host.KeeperArg || os.Args[1] == "host") {
		main()
	}
	main := func() { os.Exit(run(os.Args, os.Stderr)) }
	commands := map[string]func(){"sluice": main}
	for _, newCommand := range lsfCommands {
		commands[newCommand().Name()] = main
	}
	testscript.Main(m, commands)
}

func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{Dir: "testdata/script", Setup: func(e *testscript.Env) error {
		e.Setenv("SLUICE_API", "unix://"+e.WorkDir+"/none.sock")
		return nil
	}})
}
