package host

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// outputPatience is how long the end of a stream is waited for when no process of its job is left.
	outputPatience = time.Second
	// lockPatience is how long another job's report to the same file is waited for.
	lockPatience = 10 * time.Second
	// slowWrite is how long a write to a pipe or terminal named as an output file may take.
	slowWrite = 10 * time.Second
	// maxUndelivered is how many outputs that could not be written are kept.
	maxUndelivered = 1000
)

// finish delivers the output of a job whose processes are all gone, and frees what it held. Output that cannot be delivered
// becomes part of the reason of a job that failed. A job that did what it should is DONE all the same, as in LSF, so then
// only the host's log tells.
func (k *keeper) finish(j *job) {
	p := &j.ready
	if j.tty != nil {
		if j.discard {
			j.tty.hangUp()
		}
		j.tty.finish()
	}
	for _, c := range []*capture{p.out, p.errOut} {
		if c != nil {
			c.finish(outputPatience)
		}
	}
	if p.account != nil && !j.discard && !j.preExecFailed {
		if err := k.deliver(j); err != nil {
			k.warn("job %s: %v", j.key, err)
			j.addReason(err)
		}
	}
	var errs []error
	var err error
	if j.kept, err = j.keepFor(); err != nil {
		errs = append(errs, err)
	}
	for _, c := range []*capture{p.out, p.errOut} {
		if c != nil {
			errs = append(errs, c.discard())
		}
	}
	if p.input != nil {
		errs = append(errs, k.inputs.release(p.input))
	}
	if p.script != "" {
		errs = append(errs, os.Remove(p.script))
	}
	if p.hostFile != "" {
		errs = append(errs, os.Remove(p.hostFile))
	}
	if err := errors.Join(errs...); err != nil {
		k.warn("clean up after job %s: %v", j.key, err)
	}
}

func (j *job) addReason(err error) {
	switch {
	case j.exitCode == 0:
	case j.reason == "":
		j.reason = err.Error()
	default:
		j.reason += "; " + err.Error()
	}
}

// deliver writes the report with the output to the -o file and the rest to the -e file.
func (k *keeper) deliver(j *job) error {
	s, p := j.start, &j.ready
	var notes []string
	var errs []error
	note := func(c *capture) {
		if c != nil && c.note() != "" {
			notes = append(notes, c.note())
		}
	}
	note(p.out)
	if p.errOut != nil {
		note(p.errOut)
		target := output{path: s.GetStderr(), cwd: p.cwd, truncate: s.GetTruncateStderr(), umask: s.GetUmask()}
		if err := k.write(p.account, target, p.errOut.writeTo); err != nil {
			errs = append(errs, k.undelivered(j, err, p.errOut, "err"))
			notes = append(notes, fmt.Sprintf("Fail to open stderr file %s: %v.", s.GetStderr(), innermost(err)))
		} else {
			notes = append(notes, fmt.Sprintf("Read file <%s> for stderr output of this job.", s.GetStderr()))
		}
	}
	if p.out == nil || s.GetStdout() == "" {
		return errors.Join(errs...)
	}
	target := output{path: s.GetStdout(), cwd: p.cwd, truncate: s.GetTruncateStdout(), umask: s.GetUmask()}
	err := k.write(p.account, target, func(w io.Writer) error {
		if _, err := io.WriteString(w, k.report(j).head()); err != nil {
			return err
		}
		if err := p.out.writeTo(w); err != nil {
			return err
		}
		if j.failed {
			notes = append(notes, "The job could not be started: "+j.reason+".")
		}
		_, err := io.WriteString(w, postscript(notes))
		return err
	})
	if err != nil {
		errs = append(errs, k.undelivered(j, err, p.out, "out"))
	}
	return errors.Join(errs...)
}

func (k *keeper) report(j *job) report {
	s, r := j.start, j.start.GetReport()
	return report{
		id: j.key.id, name: r.GetJobName(), command: s.GetCommand(), sender: k.config.Sender, user: s.GetUser(),
		queue: r.GetQueue(), submitHost: r.GetSubmitHost(), hosts: r.GetHosts(),
		home: j.ready.account.home, cwd: j.ready.cwd, started: j.started, ended: j.ended,
		exitCode: j.exitCode, reason: j.reason, cpu: j.cpu, memMiB: j.maxRSSMiB, swapMiB: j.maxSwapMiB, processes: j.processes,
	}
}

// output is where a stream goes.
type output struct {
	path, cwd string
	truncate  bool
	umask     uint32
}

// write appends what content gives to a file of the user, in one piece as seen by other jobs.
func (k *keeper) write(a *account, o output, content func(io.Writer) error) error {
	var file *os.File
	err := a.as(func() error {
		flags := unix.O_WRONLY | unix.O_APPEND | unix.O_CREAT | unix.O_CLOEXEC | unix.O_NONBLOCK | unix.O_NOCTTY
		fd, err := unix.Open(absolute(o.cwd, o.path), flags, 0o666&^o.umask)
		if err == nil {
			file = os.NewFile(uintptr(fd), o.path)
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("open output file %s: %w", o.path, err)
	}
	if err := lockFile(file); err != nil {
		return errors.Join(fmt.Errorf("lock output file %s: %w", o.path, err), file.Close())
	}
	if o.truncate { // under the lock, and through the open file: the check of rights was the opening
		if err := file.Truncate(0); err != nil && !errors.Is(err, unix.EINVAL) {
			return errors.Join(fmt.Errorf("truncate output file: %w", err), file.Close())
		}
	}
	if err := file.SetWriteDeadline(time.Now().Add(slowWrite)); err != nil && !errors.Is(err, os.ErrNoDeadline) {
		return errors.Join(fmt.Errorf("write output file: %w", err), file.Close())
	}
	w := &gather{to: file}
	err = content(w)
	if err == nil {
		err = w.flush()
	}
	if err := errors.Join(err, file.Close()); err != nil { // closing gives the lock back
		return fmt.Errorf("write output file %s: %w", o.path, err)
	}
	return nil
}

// lockFile waits for other jobs that write to the same file. What cannot be locked is not.
func lockFile(file *os.File) error {
	raw, err := file.SyscallConn()
	if err != nil {
		return err
	}
	until := time.Now().Add(lockPatience)
	for wait := time.Millisecond; ; wait = min(2*wait, 50*time.Millisecond) {
		var lockErr error
		// Not Fd, which would make writing to a pipe block for ever.
		if err := raw.Control(func(fd uintptr) { lockErr = unix.Flock(int(fd), unix.LOCK_EX|unix.LOCK_NB) }); err != nil {
			return err
		}
		if !errors.Is(lockErr, unix.EWOULDBLOCK) || time.Now().After(until) {
			return nil
		}
		time.Sleep(wait)
	}
}

// gather makes one write of many small ones.
type gather struct {
	to      io.Writer
	pending []byte
}

const gatherBytes = 256 << 10

func (g *gather) Write(data []byte) (int, error) {
	g.pending = append(g.pending, data...)
	if len(g.pending) < gatherBytes {
		return len(data), nil
	}
	return len(data), g.flush()
}

func (g *gather) flush() error {
	_, err := g.to.Write(g.pending)
	g.pending = g.pending[:0]
	return err
}

// undelivered keeps output that could not be written to its file, and says where.
func (k *keeper) undelivered(j *job, cause error, c *capture, stream string) error {
	if c.size == 0 {
		return cause
	}
	dir := filepath.Join(k.config.WorkDir, "undelivered")
	err := os.MkdirAll(dir, 0o700)
	var kept []os.DirEntry
	if err == nil {
		kept, err = os.ReadDir(dir)
	}
	switch {
	case err != nil:
		return errors.Join(cause, err)
	case len(kept) >= maxUndelivered:
		return fmt.Errorf("%w; output dropped: %s holds %d files", cause, dir, len(kept))
	}
	path := filepath.Join(dir, j.key.String()+"."+stream)
	if err := c.saveAs(path); err != nil {
		return errors.Join(cause, err)
	}
	return fmt.Errorf("%w; output kept in %s of host %s", cause, path, k.config.Name)
}

// innermost is the cause of an error as the system's own words.
func innermost(err error) error {
	for {
		inner := errors.Unwrap(err)
		if inner == nil {
			return err
		}
		err = inner
	}
}
