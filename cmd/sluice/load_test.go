package main

import (
	"regexp"
	"strings"
	"testing"
)

// TestMachineLoad is what users see of the machines that hosts are on.
func TestMachineLoad(t *testing.T) {
	u := newUser(t)
	u.must("bsub", "sleep", "1000")
	line := regexp.MustCompile(`(?m)^\S+ +ok( +\d+\.\d){3} +\d+% +\d+\.\d +\d+ +\S+ +\d+[MGT] +\d+[MGT] +\d+[MGT]$`)
	eventually(t, "lsload shows the load", func() bool { return line.MatchString(u.must("lsload")) })
	if out := u.must("lsload", "-I", "mem:r1m"); !strings.Contains(out, "HOST_NAME       status   mem   r1m\n") {
		t.Errorf("lsload -I: %s", out)
	}
	if out := u.must("bhosts", "-l"); !regexp.MustCompile(`(?m)^ Total +\d+\.\d `).MatchString(out) {
		t.Errorf("bhosts -l: %s", out)
	}
}
