package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestSpooledInput is what users see of bsub -is: a job reads what its file held when it was submitted.
func TestSpooledInput(t *testing.T) {
	u := newUser(t)
	file := filepath.Join(u.work, "data")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	content := strings.Repeat("as it was\n", 200_000) // more than one piece
	write(content)
	u.must("bsub", "-J", "arr[1-2]", "-is", "data", "-o", "out.%I", "wc -l; echo file $LSB_INPUTFILE")
	u.must("bsub", "-H", "-is", "data", "-o", "out.held", "head -n 1")
	u.must("bsub", "-H", "-i", "data", "-o", "out.plain", "head -n 1")
	write("as it became\n")
	u.must("bsub", "-H", "-is", "data", "-o", "out.new", "cat")
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	containsLong(t, u.long("bjobs", "2"), "InputFile(Spooled)<data>")
	containsLong(t, u.long("bjobs", "3"), "InputFile<data>")
	contains(t, u.must("bjobs", "-noheader", "-o", "input_file", "2"), "data")
	u.must("bresume", "2")
	u.must("bresume", "3")
	u.must("bresume", "4")
	u.must("bwait", "-w", "ended(1) && ended(2) && ended(3) && ended(4)")
	contains(t, u.read("out.1"), "200000", "file data")
	contains(t, u.read("out.2"), "200000")
	contains(t, u.read("out.held"), "as it was\n")
	contains(t, u.read("out.new"), "as it became\n")
	contains(t, u.must("bjobs", "-noheader", "-o", "stat", "3"), "EXIT") // there is no such file any more
	contains(t, u.read("out.plain"), "open input file data: no such file or directory")
	containsLong(t, u.long("bhist", "2"), "InputFile(Spooled)<data>")

	// A requeued job reads it again, bmod changes it.
	u.must("brequeue", "-d", "2")
	u.must("bwait", "-w", "done(2)")
	write("changed\n")
	u.must("bsub", "-H", "-i", "nosuchfile", "-o", "out.mod", "cat")
	u.must("bmod", "-is", "data", "5")
	containsLong(t, u.long("bjobs", "5"), "InputFile(Spooled)<data>")
	write("later\n")
	u.must("bresume", "5")
	u.must("bwait", "-w", "done(5)")
	contains(t, u.read("out.mod"), "changed\n")
	u.must("bsub", "-H", "-is", "data", "cat")
	u.must("bmod", "-isn", "6")
	if long := u.long("bjobs", "6"); strings.Contains(long, "InputFile") {
		t.Errorf("bmod -isn leaves the file:\n%s", long)
	}
}
