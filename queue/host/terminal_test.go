package host

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"sluice/queue/wire"
)

// speak sends a piece to an interactive job.
func (d *daemon) speak(key attemptKey, m *wire.Terminal) {
	d.t.Helper()
	m.Attempt = key.wire()
	d.send(&wire.DaemonMessage{Body: &wire.DaemonMessage_Terminal{Terminal: m}})
}

// hears waits until an interactive job has written a text, and no more than there was credit for.
func (d *daemon) hears(key attemptKey, text string) {
	d.t.Helper()
	d.await("output "+text, func() bool { return strings.Contains(string(d.heard[key]), text) })
}

func interactive(way int32) func(*wire.Start) { return func(s *wire.Start) { s.Terminal = way } }

func TestInteractivePipes(t *testing.T) {
	d := newDaemon(t)
	startHost(t, d)
	key := d.begin(newStart(`echo out; echo err >&2; tr a-z A-Z; echo end; exit 5`, interactive(terminalPipes)))
	d.speak(key, &wire.Terminal{Credit: wire.TerminalWindow})
	d.hears(key, "out\nerr\n")
	d.speak(key, &wire.Terminal{Data: []byte("hello ")})
	d.speak(key, &wire.Terminal{Data: []byte("world\n")})
	d.speak(key, &wire.Terminal{Eof: true})
	if ended := d.end(key); ended.ExitCode != 5 || ended.Reason != "" || ended.Kept != nil {
		t.Errorf("%v", ended)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if got := string(d.heard[key]); got != "out\nerr\nHELLO WORLD\nend\n" || d.credit[key] != int64(len("hello world\n")) {
		t.Errorf("heard %q, credit %d", got, d.credit[key])
	}
}

// What an interactive job writes goes to files where it is to, and the rest to its client.
func TestInteractiveOutputFiles(t *testing.T) {
	d := newDaemon(t)
	startHost(t, d)
	dir := t.TempDir()
	for _, way := range []int32{terminalPipes, terminalPseudo} {
		for name, c := range map[string]struct {
			out, err string
			heard    []string
		}{
			"both in one": {out: "out\nerr\ngot word\n"},
			"apart":       {out: "out\ngot word\n", err: "err\n"},
			"errors":      {err: "err\n", heard: []string{"out", "got word"}},
		} {
			stdout, stderr := filepath.Join(dir, fmt.Sprint(name, way, ".out")), filepath.Join(dir, fmt.Sprint(name, way, ".err"))
			key := d.begin(newStart(`echo out; echo err >&2; read word; echo got $word; exit 3`, interactive(way), func(s *wire.Start) {
				if c.out != "" {
					s.Stdout = stdout
				}
				if c.err != "" {
					s.Stderr = stderr
				}
			}))
			d.speak(key, &wire.Terminal{Credit: wire.TerminalWindow})
			d.speak(key, &wire.Terminal{Data: []byte("word\n")})
			if ended := d.end(key); ended.ExitCode != 3 {
				t.Errorf("%s: %v", name, ended)
			}
			if c.out != "" && !strings.Contains(readFile(t, stdout), "follows:\n\n"+c.out) {
				t.Errorf("%s: the output file holds %q", name, readFile(t, stdout))
			}
			if c.err != "" && readFile(t, stderr) != c.err {
				t.Errorf("%s: the error file holds %q", name, readFile(t, stderr))
			}
			d.mu.Lock()
			heard := string(d.heard[key])
			d.mu.Unlock()
			for _, word := range []string{"out", "got word", "err"} {
				if strings.Contains(heard, word) != slices.Contains(c.heard, word) {
					t.Errorf("%s: heard %q", name, heard)
				}
			}
		}
	}
}

// The job has a terminal of its own, of the client's size, which makes signals of characters.
func TestInteractivePseudoTerminal(t *testing.T) {
	d := newDaemon(t)
	startHost(t, d)
	key := d.begin(newStart(`trap 'echo interrupted' INT
trap 'echo "size $(stty size)"' WINCH
stty size; tty | sed s/[0-9]*$//; [ -t 0 ] && [ -t 1 ] && [ -t 2 ] && echo terminals; ps -o tpgid= -p $$ | grep -qw $$ && echo foreground
while [ "$line" != quit ]; do read -r line && echo "got $line"; done; cat; echo end`, interactive(terminalPseudo)))
	d.speak(key, &wire.Terminal{Credit: wire.TerminalWindow, Rows: 30, Cols: 100})
	for _, text := range []string{"30 100\r\n", "/dev/pts/\r\n", "terminals\r\n", "foreground\r\n"} {
		d.hears(key, text)
	}
	d.speak(key, &wire.Terminal{Data: []byte("word\r")})
	d.hears(key, "word\r\ngot word\r\n")
	d.speak(key, &wire.Terminal{Rows: 40, Cols: 120})
	d.speak(key, &wire.Terminal{Data: []byte("one\r")}) // a shell acts on signals before or after a line
	d.hears(key, "size 40 120\r\n")
	d.speak(key, &wire.Terminal{Data: []byte("\x03")})
	d.hears(key, "^C")
	d.speak(key, &wire.Terminal{Data: []byte("two\r")})
	d.hears(key, "interrupted\r\n")
	d.speak(key, &wire.Terminal{Data: []byte("quit\r")})
	d.hears(key, "got quit\r\n")
	d.speak(key, &wire.Terminal{Eof: true})
	d.hears(key, "end\r\n")
	if ended := d.end(key); ended.ExitCode != 0 || ended.Reason != "" {
		t.Errorf("%v", ended)
	}
}

// A job writes no more than its client takes, and loses nothing.
func TestInteractiveCredit(t *testing.T) {
	t.Parallel()
	d := newDaemon(t)
	startHost(t, d)
	for _, way := range []int32{terminalPipes, terminalPseudo} {
		dir := t.TempDir()
		key := d.begin(newStart(`seq 100000; echo > done`, interactive(way), func(s *wire.Start) { s.Cwd = dir }))
		d.pid(key)
		d.speak(key, &wire.Terminal{Credit: 1000})
		d.await("so much", func() bool { return len(d.heard[key]) == 1000 })
		if processesWith(t, "seq 100000") != 1 {
			t.Error("the job is not held up")
		}
		d.set(func(d *daemon) { d.takes = true }) // from now on, credit for all that comes
		d.speak(key, &wire.Terminal{Credit: 1000})
		if ended := d.end(key); ended.ExitCode != 0 {
			t.Errorf("%v", ended)
		}
		d.mu.Lock()
		got := strings.ReplaceAll(string(d.heard[key]), "\r", "")
		d.takes = false
		d.mu.Unlock()
		if lines := strings.Count(got, "\n"); lines != 100_000 || !strings.HasSuffix(got, "\n99999\n100000\n") {
			t.Errorf("way %d: %d lines", way, lines)
		}
	}
}

// A client that goes, breaks the rules, or is cut off with its host ends its job, whatever that does.
func TestInteractiveHangUp(t *testing.T) {
	t.Parallel()
	d := newDaemon(t)
	startHost(t, d)
	for name, end := range map[string]func(attemptKey){
		"gone":        func(key attemptKey) { d.speak(key, &wire.Terminal{Hangup: true}) },
		"too much":    func(key attemptKey) { d.speak(key, &wire.Terminal{Data: make([]byte, wire.TerminalWindow+1)}) },
		"cut off":     func(attemptKey) { d.drop() },
		"by a signal": func(key attemptKey) { d.speak(key, &wire.Terminal{Signal: 15}) },
	} {
		for _, way := range []int32{terminalPipes, terminalPseudo} {
			sleep, ready := tag(), filepath.Join(t.TempDir(), "ready")
			key := d.begin(newStart(`trap '' HUP; setsid sleep `+sleep+` & echo > `+ready+`; sleep `+sleep, interactive(way), func(s *wire.Start) { s.KillGraceNs = 1 }))
			awaitFile(t, ready)
			end(key)
			ended := d.end(key)
			if name == "by a signal" {
				if ended.ExitCode != 143 {
					t.Errorf("%s: %v", name, ended)
				}
			} else if ended.ExitCode != 129 || ended.Reason != "the client of the interactive job is gone" {
				t.Errorf("%s: %v", name, ended)
			}
			if n := processesWith(t, "sleep "+sleep); n != 0 {
				t.Errorf("%s: %d processes are left", name, n)
			}
		}
	}
}

// As another user, who owns the terminal.
func TestInteractiveOfOtherUser(t *testing.T) {
	d := newDaemon(t)
	startHost(t, d)
	if ownUser() != "root" {
		return // only root has jobs of others
	}
	key := d.begin(newStart(`stat -c %U $(tty); echo again > /dev/tty; echo more > /dev/stdout`, interactive(terminalPseudo), func(s *wire.Start) { s.User = "nobody" }))
	d.speak(key, &wire.Terminal{Credit: wire.TerminalWindow})
	if ended := d.end(key); ended.ExitCode != 0 {
		t.Errorf("%v", ended)
	}
	d.hears(key, "nobody\r\nagain\r\nmore\r\n")
}
