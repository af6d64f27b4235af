package host

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"sluice/queue"
	"sluice/queue/wire"
)

// prepared is what a job needs before it can be forked, and its output after it.
type prepared struct {
	account *account
	cwd     string
	cwdFD   int        // of a directory that the account may enter; -1 = none
	input   *inputFile // that stdin is, to be released; nil = none
	stdin   *os.File
	stdout  *os.File // ends of the captures' pipes, or /dev/null
	stderr  *os.File
	out     *capture // nil: the job's stdout is /dev/null
	errOut  *capture // nil: stderr goes where stdout goes, or to /dev/null
	script  string
	// hostFile lists the machines of a parallel job; "" = there is none.
	hostFile string
	argv     []string
	env      []string
}

const (
	shell   = "/bin/sh"
	devNull = "/dev/null"
	// scriptHead precedes the user's command, which so begins on line 8, as in LSF: error messages of the shell name it.
	scriptHead = `#!/bin/sh
# Written by sluice host for one start of a batch job; it removes it when the job ends.
# The job's environment comes from its submission; only its process number is known no sooner than here.
LS_JOBPID=$$
export LS_JOBPID

# LSBATCH: User input
`
	// execScript runs a command that names its own interpreter.
	execScript = `LS_JOBPID=$$; export LS_JOBPID; exec "$@"`
	// maxHostLines bounds the lines of a host file.
	maxHostLines = 1 << 20
	// maxInterpreter is the longest first line that counts as an interpreter's name, as in the kernel.
	maxInterpreter = 256
)

// prepare gets everything that a job needs, with the rights of its user. On error it has released what it had, but the
// account, cwd and out, which serve to tell the user.
func (k *keeper) prepare(s *wire.Start, j *job) (p prepared, err error) {
	p.cwdFD = -1
	defer func() {
		if err != nil {
			err = errors.Join(err, p.releaseInputs())
		}
	}()
	if p.account, err = k.accounts.find(s.GetUser()); err != nil {
		return p, err
	}
	if p.cwd, p.cwdFD, err = enterable(p.account, s.GetCwd()); err != nil {
		return p, err
	}
	if err := k.openStreams(&p, s, j); err != nil {
		return p, err
	}
	if err := k.writeScript(&p, s.GetCommand(), j.key); err != nil {
		return p, err
	}
	p.argv = startedCommand(s.GetJobStarter(), p.argv)
	if p.argv, err = limitedCommand(s.GetLimits(), p.argv); err != nil {
		return p, err
	}
	p.argv = loginCommand(s.GetLoginShell(), p.argv)
	p.env = environment(s.GetEnv(), p.account, p.script, j.own)
	if err := p.writeHostFile(); err != nil {
		return p, err
	}
	return p, nil
}

// releaseInputs closes what only the job's process needs, after the fork or instead of it.
func (p *prepared) releaseInputs() error {
	var errs []error
	for _, f := range []*os.File{p.stdin, p.stdout, p.stderr} {
		if f == nil {
			continue
		}
		if err := f.Close(); !errors.Is(err, os.ErrClosed) { // stdout and stderr may be one
			errs = append(errs, err)
		}
	}
	p.stdin, p.stdout, p.stderr = nil, nil, nil
	if p.cwdFD >= 0 {
		errs = append(errs, unix.Close(p.cwdFD))
		p.cwdFD = -1
	}
	return errors.Join(errs...)
}

// enterable opens the first directory that the account may be in: the submission directory, its home, /tmp.
func enterable(a *account, submission string) (cwd string, fd int, err error) {
	tried := []string{submission, a.home, "/tmp"}
	err = a.as(func() error {
		for _, cwd = range tried {
			if !filepath.IsAbs(cwd) {
				continue
			}
			// The dot at the end needs the right to search the directory itself.
			if fd, err = unix.Open(filepath.Clean(cwd)+"/.", unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0); err == nil {
				return nil
			}
		}
		return fmt.Errorf("enter working directory %s, home or /tmp: %w", submission, err)
	})
	if err != nil {
		return submission, -1, err
	}
	return filepath.Clean(cwd), fd, nil
}

func (k *keeper) openStreams(p *prepared, s *wire.Start, j *job) (err error) {
	if j.tty != nil {
		return k.openTerminal(p, s, j)
	}
	if err := k.openOutputs(p, s, j.key); err != nil {
		return err
	}
	if s.GetInput() != "" {
		p.input, p.stdin, err = k.inputs.open(p.account, j.key, s.GetInput(), j.abandoned)
		return err
	}
	p.stdin, err = openInput(p.account, p.cwd, s.GetStdin())
	return err
}

func (k *keeper) openOutputs(p *prepared, s *wire.Start, key attemptKey) (err error) {
	if s.GetStdout() == devNull {
		p.stdout, err = os.OpenFile(devNull, os.O_WRONLY, 0)
	} else {
		p.out, p.stdout, err = newCapture(k.spoolPath(key, "out"), k.config.SpoolBytes, p.account)
	}
	if err != nil {
		return err
	}
	if p.stderr = p.stdout; s.GetStderr() != "" {
		err = k.openErrors(p, s, key)
	}
	return err
}

// openErrors makes stderr a stream of its own.
func (k *keeper) openErrors(p *prepared, s *wire.Start, key attemptKey) (err error) {
	if s.GetStderr() == devNull {
		p.stderr, err = os.OpenFile(devNull, os.O_WRONLY, 0)
	} else {
		p.errOut, p.stderr, err = newCapture(k.spoolPath(key, "err"), k.config.SpoolBytes, p.account)
	}
	return err
}

// openTerminal connects an interactive job with its client. What is to go to files does not go there.
func (k *keeper) openTerminal(p *prepared, s *wire.Start, j *job) error {
	stdin, out, err := j.tty.open(p.account)
	if err != nil {
		return err
	}
	p.stdin, p.stdout, p.stderr = stdin, out, out
	switch {
	case s.GetStdout() != "":
		p.stdout, p.stderr = nil, nil
		err = k.openOutputs(p, s, j.key)
		if out != stdin { // nobody writes to it
			err = errors.Join(err, out.Close())
		}
	case s.GetStderr() != "":
		err = k.openErrors(p, s, j.key)
	}
	return err
}

// openInput opens a job's standard input with its user's rights. A FIFO without a writer does not hold us up.
func openInput(a *account, cwd, path string) (*os.File, error) {
	if path == "" || path == devNull {
		return os.Open(devNull)
	}
	var fd int
	err := a.as(func() (err error) {
		fd, err = unix.Open(absolute(cwd, path), unix.O_RDONLY|unix.O_CLOEXEC|unix.O_NONBLOCK|unix.O_NOCTTY, 0)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("open input file %s: %w", path, err)
	}
	if err := unix.SetNonblock(fd, false); err != nil {
		return nil, errors.Join(fmt.Errorf("open input file %s: %w", path, err), unix.Close(fd))
	}
	return os.NewFile(uintptr(fd), path), nil
}

func absolute(cwd, path string) string {
	if filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(cwd, path)
}

// writeScript writes the job's command to a file that its user may read.
func (k *keeper) writeScript(p *prepared, command string, key attemptKey) error {
	dir, err := k.scripts.of(p.account)
	if err != nil {
		return err
	}
	p.script = filepath.Join(dir, key.String())
	text, interpreter := scriptHead+command+"\n", interpreterOf(command)
	p.argv = []string{shell, p.script}
	if interpreter != nil {
		text = command + "\n"
		p.argv = append(append([]string{shell, "-c", execScript, shell}, interpreter...), p.script)
	}
	file, err := os.OpenFile(p.script, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o700)
	if err != nil {
		return fmt.Errorf("write job script: %w", err)
	}
	_, err = file.WriteString(text)
	if err == nil && !p.account.own {
		err = file.Chown(int(p.account.uid), int(p.account.gid))
	}
	if err := errors.Join(err, file.Close()); err != nil {
		return fmt.Errorf("write job script: %w", errors.Join(err, os.Remove(p.script)))
	}
	return nil
}

// writeHostFile writes the file in which programs of parallel jobs look for their machines: a line for each slot.
func (p *prepared) writeHostFile() error {
	for _, variable := range p.env {
		machines, ok := strings.CutPrefix(variable, wire.EnvMachines+"=")
		if !ok {
			continue
		}
		text, err := hostLines(strings.Fields(machines))
		if err != nil {
			return err
		}
		p.hostFile = p.script + ".hosts"
		if err := os.WriteFile(p.hostFile, []byte(text), 0o644); err != nil {
			return fmt.Errorf("write host file: %w", err)
		}
		p.env = append(p.env, "LSB_DJOB_HOSTFILE="+p.hostFile)
		return nil
	}
	return nil
}

// hostLines makes "a 2 b 1" three lines.
func hostLines(counted []string) (string, error) {
	var b strings.Builder
	for i := 0; i+1 < len(counted); i += 2 {
		n, err := strconv.Atoi(counted[i+1])
		if err != nil || n < 1 || n > maxHostLines-strings.Count(b.String(), "\n") {
			return "", fmt.Errorf("machines %q: want names, each with its slots", counted)
		}
		b.WriteString(strings.Repeat(counted[i]+"\n", n))
	}
	return b.String(), nil
}

// startedCommand has a job starter run a command: in place of %USRCMD or, without that, at its end.
func startedCommand(starter string, argv []string) []string {
	if starter == "" {
		return argv
	}
	if len(argv) > 4 && argv[2] == execScript { // the number of the process is known here already
		argv = argv[4:]
	}
	words := make([]string, len(argv))
	for i, word := range argv {
		words[i] = quoted(word)
	}
	command := strings.Join(words, " ")
	text := strings.ReplaceAll(starter, queue.StarterCommand, command)
	if text == starter {
		text += " " + command
	}
	return []string{shell, "-c", "LS_JOBPID=$$; export LS_JOBPID\n" + text}
}

// quoted is a word as the shell reads it. What needs no quotes has none, so that it may stand within those of a job starter.
func quoted(word string) string {
	plain := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("/._-+=:,@%", r)
	}
	if word != "" && !strings.ContainsFunc(word, func(r rune) bool { return !plain(r) }) {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}

// loginCommand has a login shell make the environment and become the command then.
func loginCommand(login string, argv []string) []string {
	switch name := filepath.Base(login); {
	case login == "":
		return argv
	case strings.HasSuffix(name, "csh"):
		return append([]string{"-" + login, "-c", "exec $argv:q"}, argv...)
	default:
		return append([]string{"-" + login, "-c", `exec "$@"`, name}, argv...)
	}
}

// interpreterOf is the interpreter that a script names on its first line and its argument, nil for none.
func interpreterOf(command string) []string {
	line, ok := strings.CutPrefix(command, "#!")
	if !ok {
		return nil
	}
	line, _, _ = strings.Cut(line, "\n")
	line = strings.Trim(line, " \t\r")
	if line == "" || len(line) > maxInterpreter {
		return nil
	}
	name, argument, hasArgument := strings.Cut(line, " ")
	if !hasArgument {
		name, argument, _ = strings.Cut(line, "\t")
	}
	if argument = strings.Trim(argument, " \t"); argument != "" {
		return []string{name, argument}
	}
	return []string{name}
}

// environment is a job's: as submitted, with what only the host knows, and what every program expects.
func environment(submitted []string, a *account, script string, own []string) []string {
	env := make([]string, 0, len(submitted)+len(own)+8)
	have := map[string]bool{}
	for _, variable := range own {
		name, _, _ := strings.Cut(variable, "=")
		have[name] = true
	}
	isOwn := maps.Clone(have)
	for _, variable := range submitted {
		name, _, ok := strings.Cut(variable, "=")
		switch {
		case !ok || name == "" || strings.ContainsRune(variable, 0):
		case isOwn[name] || name == TokenVariable || name == queue.EnvHostPorts || name == "LSB_JOBFILENAME" || name == "LS_JOBPID":
		default:
			have[name] = true
			env = append(env, variable)
		}
	}
	for _, d := range [...][2]string{
		{"HOME", a.home}, {"USER", a.name}, {"LOGNAME", a.name}, {"SHELL", shell}, {"PATH", "/usr/local/bin:/usr/bin:/bin"},
	} {
		if !have[d[0]] {
			env = append(env, d[0]+"="+d[1])
		}
	}
	return append(append(env, own...), "LSB_JOBFILENAME="+script)
}
