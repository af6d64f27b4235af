package host

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"sluice/queue/wire"
)

// around is a job that says in the file log what ran, in which order and with what.
func around(dir, pre, command, post string) *wire.Start {
	log := filepath.Join(dir, "log")
	say := func(text string) string {
		return strings.ReplaceAll(text, "LOG", log)
	}
	return newStart(say(command), func(s *wire.Start) {
		s.Cwd, s.PreExec, s.PostExec = dir, some(say(pre)), some(say(post))
	})
}

// some are the commands that are not empty.
func some(texts ...string) []string {
	return slices.DeleteFunc(texts, func(text string) bool { return text == "" })
}

func TestPreAndPostExec(t *testing.T) {
	t.Parallel()
	d := newDaemon(t)
	startHost(t, d)
	const say = `echo "pre $(pwd) $PATH $LSB_EXIT_PRE_ABORT" >> LOG`
	const said = "pre /tmp /bin:/usr/bin:/sbin:/usr/sbin 99\n"
	const post = `echo "post $LSB_JOBEXIT_STAT$LSB_JOBPEND $(pwd)" >> LOG; echo noise`
	for name, test := range map[string]struct {
		pre, command, post string
		code               int32
		failed             bool
		reason, log        string
	}{
		"all well":        {say, "echo main >> LOG", post, 0, false, "", said + "main\npost 0 /tmp\n"},
		"job fails":       {say, "echo main >> LOG; exit 3", post, 3, false, "", said + "main\npost 768 /tmp\n"},
		"job killed":      {"", "kill -9 $$", post, 137, false, "killed by signal 9", "post 9 /tmp\n"},
		"post fails":      {"", "echo main >> LOG", post + "; exit 7", 0, false, "", "main\npost 0 /tmp\n"},
		"pre fails":       {say + "; exit 5", "echo main >> LOG", post, 5, true, "the pre-execution command failed with exit code 5", said + "post 01 /tmp\n"},
		"pre killed":      {"kill -TERM $$", "echo main >> LOG", "", 143, true, "the pre-execution command failed with exit code 143", ""},
		"pre gives up":    {"exit 99", "echo main >> LOG", "", 99, false, "the pre-execution command gave the job up with exit code 99", ""},
		"no such command": {"/no/such/command", "echo main >> LOG", "", 127, true, "the pre-execution command failed with exit code 127", ""},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			s := around(dir, test.pre, test.command, test.post)
			s.Stdout = filepath.Join(dir, "out")
			ended := d.run(s)
			if ended.ExitCode != test.code || ended.PreExecFailed != test.failed || ended.Reason != test.reason {
				t.Errorf("%v", ended)
			}
			log, err := os.ReadFile(filepath.Join(dir, "log"))
			if string(log) != test.log || err != nil && test.log != "" {
				t.Errorf("ran %q, want %q", log, test.log)
			}
			report, err := os.ReadFile(s.Stdout)
			if strings.Contains(string(report), "noise") || (err == nil) == test.failed {
				t.Errorf("report (%v): %s", err, report)
			}
		})
	}
}

// Commands of the queue are around those of the job: what is before each must succeed, what is after runs whatever happened.
func TestCommandsInOrder(t *testing.T) {
	t.Parallel()
	d := newDaemon(t)
	startHost(t, d)
	say := func(text string) string { return "echo " + text + " >> LOG; " }
	const after = " $LSB_JOBEXIT_STAT$LSB_JOBPEND"
	for name, test := range map[string]struct {
		pre    []string
		post   []string
		code   int32
		failed bool
		log    string
	}{
		"all well":       {[]string{say("q"), say("j")}, []string{say("j" + after), say("q" + after)}, 0, false, "q\nj\nmain\nj 0\nq 0\n"},
		"queue's fails":  {[]string{say("q") + "exit 3", say("j")}, []string{say("j" + after), say("q" + after)}, 3, true, "q\nj 01\nq 01\n"},
		"job's fails":    {[]string{say("q"), say("j") + "exit 4"}, []string{say("q" + after)}, 4, true, "q\nj\nq 01\n"},
		"job gives up":   {[]string{say("q"), "exit 99"}, []string{say("q" + after)}, 99, false, "q\nq 25344\n"},
		"cleaning fails": {nil, []string{say("j") + "exit 1", "kill $$", say("q" + after)}, 0, false, "main\nj\nq 0\n"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			s := around(dir, "", "echo main >> LOG", "")
			for _, text := range test.pre {
				s.PreExec = append(s.PreExec, strings.ReplaceAll(text, "LOG", dir+"/log"))
			}
			for _, text := range test.post {
				s.PostExec = append(s.PostExec, strings.ReplaceAll(text, "LOG", dir+"/log"))
			}
			ended := d.run(s)
			if got := readFile(t, dir+"/log"); got != test.log || ended.ExitCode != test.code || ended.PreExecFailed != test.failed {
				t.Errorf("ran %q, want %q; %v", got, test.log, ended)
			}
		})
	}
}

func TestJobStarter(t *testing.T) {
	t.Parallel()
	d := newDaemon(t)
	startHost(t, d)
	const check = `[ "$STARTED $LSB_JOBFILENAME" = "yes $0" ] && [ -n "$LS_JOBPID" ] && exit 7`
	for starter, command := range map[string]string{
		"STARTED=yes":                                  check,
		"STARTED=yes %USRCMD":                          check + "; # it's \"quoted\"",
		`/bin/sh -c "STARTED=yes %USRCMD"`:             check,
		`/bin/sh -c 'STARTED=yes %USRCMD'`:             "#!/bin/bash -e\n" + check,
		"STARTED=no; STARTED=yes %USRCMD; exit $? #":   check,
		"ulimit -c 0; export STARTED=yes\nexec":        check,
		"[ $LS_JOBPID = $$ ] && env STARTED=yes":       check,
		"%USRCMD; echo %USRCMD | grep -q / && exit 7;": "exit 5",
	} {
		dir := t.TempDir()
		s := newStart(command, func(s *wire.Start) { s.JobStarter, s.Stdout = starter, dir+"/out" })
		if ended := d.run(s); ended.ExitCode != 7 {
			t.Errorf("%s: %v\n%s", starter, ended, readFile(t, dir+"/out"))
		}
	}
}

// Processes that such commands leave behind do not stay, and what ends a job ends them.
func TestEndsAroundJobs(t *testing.T) {
	d := newDaemon(t)
	startHost(t, d)
	t.Run("left behind", func(t *testing.T) {
		dir, sleep := t.TempDir(), tag()
		s := around(dir, "setsid -f sleep "+sleep, "pgrep -f '[s]leep "+sleep+"' >> LOG; echo main >> LOG", "setsid -f sleep "+sleep)
		if ended := d.run(s); ended.ExitCode != 0 || processesWith(t, "sleep "+sleep) != 0 {
			t.Errorf("%v, %d processes are left", ended, processesWith(t, "sleep "+sleep))
		}
		if got := readFile(t, filepath.Join(dir, "log")); got != "main\n" {
			t.Errorf("the job found processes of its pre-execution command: %q", got)
		}
	})
	t.Run("killed while it prepares", func(t *testing.T) {
		dir, sleep := t.TempDir(), tag()
		key := d.begin(around(dir, "echo > "+dir+"/ready; sleep "+sleep, "echo main >> LOG", "echo post $LSB_JOBPEND >> LOG"))
		awaitFile(t, filepath.Join(dir, "ready"))
		d.signal(key, 9, 0, "killed by its owner")
		if ended := d.end(key); ended.ExitCode != 137 || ended.PreExecFailed || ended.Reason != "killed by its owner" {
			t.Errorf("%v", ended)
		}
		if got := readFile(t, filepath.Join(dir, "log")); got != "post\n" || processesWith(t, "sleep "+sleep) != 0 {
			t.Errorf("ran %q, %d processes are left", got, processesWith(t, "sleep "+sleep))
		}
	})
	t.Run("killed while it cleans up", func(t *testing.T) {
		dir, sleep := t.TempDir(), tag()
		key := d.begin(around(dir, "", "exit 3", "echo > "+dir+"/ready; sleep "+sleep))
		awaitFile(t, filepath.Join(dir, "ready"))
		d.signal(key, 9, 0, "killed by its owner")
		if ended := d.end(key); ended.ExitCode != 3 || ended.Reason != "" || processesWith(t, "sleep "+sleep) != 0 {
			t.Errorf("%v, %d processes are left", ended, processesWith(t, "sleep "+sleep))
		}
	})
}

// A host that ends does not begin what comes after.
func TestDrainSkipsPostExec(t *testing.T) {
	d := newDaemon(t)
	h := startHost(t, d, func(c *Config) { c.DrainLimit = 50 * time.Millisecond })
	dir, sleep := t.TempDir(), tag()
	key := d.begin(around(dir, "", "echo main >> LOG; sleep "+sleep, "echo post >> LOG"))
	awaitFile(t, filepath.Join(dir, "log"))
	h.stop()
	if ended := d.end(key); ended.ExitCode != 137 {
		t.Errorf("%v", ended)
	}
	if err := h.wait(t); err != nil || readFile(t, filepath.Join(dir, "log")) != "main\n" {
		t.Errorf("%v, ran %q", err, readFile(t, filepath.Join(dir, "log")))
	}
}

func TestLoginShell(t *testing.T) {
	d := newDaemon(t)
	startHost(t, d)
	home := t.TempDir()
	writeFile(t, filepath.Join(home, ".profile"), "FROM_PROFILE=yes; export FROM_PROFILE\n")
	writeFile(t, filepath.Join(home, ".login"), "setenv FROM_PROFILE yes\n")
	for _, shell := range []string{"/bin/sh", "/bin/bash", "/bin/tcsh"} {
		if _, err := os.Stat(shell); err != nil {
			continue
		}
		ended := d.run(newStart(`[ "$FROM_PROFILE" = yes ] && [ "$0" = "$LSB_JOBFILENAME" ] && [ "$LS_JOBPID" = $$ ] && [ $(ulimit -c) = 0 ]`, func(s *wire.Start) {
			s.Env, s.LoginShell, s.Limits = []string{"PATH=/bin:/usr/bin", "HOME=" + home}, shell, &wire.Limits{CoreKib: -1}
		}))
		if ended.ExitCode != 0 {
			t.Errorf("%s: %v", shell, ended)
		}
	}
	ended := d.run(newStart("true", func(s *wire.Start) { s.LoginShell = "/no/such/shell" }))
	if ended.ExitCode != exitNotStarted || !strings.Contains(ended.Reason, "start process: no such file") {
		t.Errorf("%v", ended)
	}
}
