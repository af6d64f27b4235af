package main

import (
	"os"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// TestMain lets scripts call the binary, and LSF's commands by their own names as symlinks do.
func TestMain(m *testing.M) {
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
