package host

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"sluice/queue/wire"
)

// stage is which of a job's commands runs. Each has a main process, and no process of it is left when the next one begins.
//
//	[pre-execution]… ──exit 0──> the job's own ──> [post-execution]… ──> its output is delivered
//	       └── other exit, killed ──────────────────────^
//
// Of the commands before and after there may be several, which run one after the other.
type stage uint8

const (
	stageNone stage = iota
	stagePre
	stageMain
	stagePost
)

const (
	// aroundLimit is how long a pre- or post-execution command may run.
	aroundLimit = 10 * time.Minute
	// exitPreAbort is the exit code with which a pre-execution command gives its job up.
	exitPreAbort = 99
	// aroundPath and aroundDir are where such commands run, as in LSF.
	aroundPath = "/bin:/usr/bin:/sbin:/usr/sbin"
	aroundDir  = "/tmp"
)

// fork starts the first command of a job that is prepared.
func (k *keeper) fork(j *job) {
	if j.change != nil {
		k.apply(j, j.change)
	}
	switch now := time.Now(); {
	case j.kill != nil:
		j.failKilled(now)
		k.toFinish(j)
	case j.failed: // could not be prepared
		k.toFinish(j)
	default:
		j.before, j.after = j.start.GetPreExec(), j.start.GetPostExec()
		k.goOn(j, now)
	}
}

// goOn begins the next command before the job's own or, when all have succeeded, that.
func (k *keeper) goOn(j *job, now time.Time) {
	if len(j.before) == 0 {
		k.beginMain(j, now)
		return
	}
	text := j.before[0]
	j.before, j.started = j.before[1:], now
	k.begin(j, stagePre, k.around(j, text, "LSB_EXIT_PRE_ABORT="+strconv.Itoa(exitPreAbort)))
}

func (k *keeper) beginMain(j *job, now time.Time) {
	p := &j.ready
	j.started = now
	k.begin(j, stageMain, command{
		argv: p.argv, env: p.env, cwdFD: p.cwdFD, files: []uintptr{p.stdin.Fd(), p.stdout.Fd(), p.stderr.Fd()},
	})
	if err := p.releaseInputs(); err != nil {
		k.warn("start job %s: %v", j.key, err)
	}
	if j.stage != stageMain || j.phase != running {
		return
	}
	if isWatched(j.start.GetLimits()) {
		k.watched++
	}
	k.sampleSoon(j, now)
	k.out.send(&frame{kind: frameStarted, body: &wire.Started{
		Attempt: j.key.wire(), Pid: int32(j.pid), AtUnixNs: now.UnixNano(),
	}})
}

// command is what is to be forked: argv[0] may have a dash before it, as login shells have.
type command struct {
	argv, env []string
	cwdFD     int // -1 = aroundDir
	files     []uintptr
}

// around is a command before or after the job's own.
func (k *keeper) around(j *job, text string, more ...string) command {
	env := slices.DeleteFunc(slices.Clone(j.ready.env), func(v string) bool { return strings.HasPrefix(v, "PATH=") })
	return command{argv: []string{shell, "-c", text}, env: append(append(env, "PATH="+aroundPath), more...), cwdFD: -1}
}

// begin starts a stage. A job of which a command cannot be started is finished.
func (k *keeper) begin(j *job, s stage, c command) {
	now := time.Now()
	j.stage, j.phase, j.reaped = s, running, false
	j.steps, j.killAt, j.nextRound, j.round = nil, time.Time{}, time.Time{}, 0
	if err := k.spawn(j, c); err != nil {
		j.reaped = true
		k.unstarted(j, err, now)
		return
	}
	k.mains[j.pid] = j
	if s != stageMain {
		k.press(j, killOrder{steps: []step{{aroundLimit, unix.SIGTERM}}, kill: aroundLimit + j.grace()}, now)
	}
}

// unstarted goes on with a job of which a command could not be started.
func (k *keeper) unstarted(j *job, err error, now time.Time) {
	if j.stage == stagePost {
		k.warn("run post-execution command of job %s: %v", j.key, err)
		k.cleanUp(j)
		return
	}
	j.fail(err, now)
	k.leaveGroup(j)
	k.toFinish(j)
}

// markBase makes marks numbers that nobody would set as a limit.
const markBase = 1 << 40

// spawn forks on this thread, whose working directory and umask are its own. The mark is a resource limit that Linux has
// but does not use: children get it, and a change of session or environment does not lose it.
func (k *keeper) spawn(j *job, c command) (err error) {
	if c.cwdFD < 0 {
		err = unix.Chdir(aroundDir)
	} else {
		err = unix.Fchdir(c.cwdFD)
	}
	if err != nil {
		return err
	}
	unix.Umask(int(j.start.GetUmask() & 0o777))
	defer func() { err = errors.Join(err, unix.Chdir("/")) }()
	if err := k.mark(j); err != nil {
		return err
	}
	if c.files == nil {
		null, err := os.OpenFile(devNull, os.O_RDWR, 0)
		if err != nil {
			return err
		}
		defer null.Close() //nolint:errcheck // nothing was written
		c.files = []uintptr{null.Fd(), null.Fd(), null.Fd()}
	}
	attributes := &syscall.ProcAttr{Env: c.env, Files: c.files, Sys: k.attributesOf(j)}
	program, login := strings.CutPrefix(c.argv[0], "-")
	if login { // the shell knows by its name that it is one
		c.argv = append([]string{"-" + filepath.Base(program)}, c.argv[1:]...)
	}
	pid, err := syscall.ForkExec(program, c.argv, attributes)
	if err != nil {
		return os.NewSyscallError("start process", err)
	}
	j.pid = pid
	k.marks[j.mark] = j
	if nice := int(j.start.GetNice()); nice != 0 {
		if err := renice(pid, nice); err != nil {
			k.warn("run job %s with %d added to its nice value: %v", j.key, nice, err)
		}
	}
	return nil
}

// renice adds to the nice value of a process group.
func renice(pid, nice int) error {
	kernels, err := unix.Getpriority(unix.PRIO_PGRP, pid) // the system call gives 20 less the nice value
	if err != nil {
		return os.NewSyscallError("getpriority", err)
	}
	return os.NewSyscallError("setpriority", unix.Setpriority(unix.PRIO_PGRP, pid, 20-kernels+nice))
}

// attributesOf are those of the main process of a job's stage.
func (k *keeper) attributesOf(j *job) *syscall.SysProcAttr {
	attributes := &syscall.SysProcAttr{Setsid: true, Pdeathsig: syscall.SIGKILL}
	if a := j.ready.account; !a.own {
		attributes.Credential = &syscall.Credential{Uid: a.uid, Gid: a.gid, Groups: a.groups}
	}
	if j.stage != stageMain {
		return attributes
	}
	attributes.Setctty = j.tty != nil && j.tty.pseudo // its standard input
	if limit := j.start.GetLimits().GetMemKib(); k.groups != nil && limit > 0 {
		group, err := k.groups.newGroup(j.key, limit)
		if err != nil {
			k.warn("run job %s: %v", j.key, err) // its memory is watched all the same
			return attributes
		}
		j.group, attributes.UseCgroupFD, attributes.CgroupFD = group, true, int(group.dir.Fd())
	}
	return attributes
}

// mark gives the processes that are forked next a mark of their own.
func (k *keeper) mark(j *job) error {
	k.lastMark++
	delete(k.marks, j.mark)
	j.mark = markBase + k.lastMark
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_LOCKS, &limit); err != nil {
		return err
	}
	if limit.Max < j.mark {
		return nil
	}
	limit.Cur = j.mark
	return unix.Setrlimit(unix.RLIMIT_LOCKS, &limit)
}

// mainEnded notes what wait4 said of the main process of a stage.
func (j *job) mainEnded(status unix.WaitStatus, usage *unix.Rusage, now time.Time) {
	j.reaped = true
	switch j.stage {
	case stagePost:
		j.postStatus = status
		return
	case stageMain:
		j.commandEnded(status, usage, now)
	}
	j.status = status
}

// stageOver goes on with a job of which no process is left.
func (k *keeper) stageOver(j *job) {
	delete(k.mains, j.pid)
	delete(k.ending, j)
	now := time.Now()
	switch j.stage {
	case stagePre:
		if j.kill == nil && j.status == 0 && !k.closing {
			k.goOn(j, now)
			return
		}
		j.notReady(now)
	case stageMain:
		if isWatched(j.start.GetLimits()) {
			k.watched--
		}
		k.leaveGroup(j)
	case stagePost:
		if j.postStatus != 0 {
			k.warn("post-execution command of job %s: exit code %d", j.key, codeOf(j.postStatus))
		}
	}
	k.cleanUp(j)
}

// cleanUp begins the next command after the job's own, or finishes a job that has none left.
func (k *keeper) cleanUp(j *job) {
	if len(j.after) == 0 || j.discard || k.closing {
		k.toFinish(j)
		return
	}
	text := j.after[0]
	j.after = j.after[1:]
	more := []string{"LSB_JOBEXIT_STAT=" + strconv.Itoa(int(j.status))}
	if j.preExecFailed {
		more = []string{"LSB_JOBEXIT_STAT=0", "LSB_JOBPEND=1"}
	}
	k.begin(j, stagePost, k.around(j, text, more...))
}

// leaveGroup takes away the control group of a job whose processes are gone, and says whether its memory was the reason.
func (k *keeper) leaveGroup(j *job) {
	if j.group == nil {
		return
	}
	if j.group.outOfMemory() && j.kill == nil {
		j.reason = reasonMemory
		if j.exitCode == 0 {
			j.exitCode = 128 + int(unix.SIGKILL)
		}
	}
	if err := j.group.remove(); err != nil {
		k.warn("remove control group of job %s: %v", j.key, err)
	}
	j.group = nil
}

// notReady makes a job one whose pre-execution command has failed, or which was ended meanwhile.
func (j *job) notReady(now time.Time) {
	code := codeOf(j.status)
	switch {
	case j.kill != nil:
		j.failKilled(now)
	case code == exitPreAbort:
		j.fail(fmt.Errorf("the pre-execution command gave the job up with exit code %d", code), now)
		j.exitCode = code
	default:
		j.fail(fmt.Errorf("the pre-execution command failed with exit code %d", code), now)
		j.exitCode, j.preExecFailed = code, true
	}
}

func codeOf(status unix.WaitStatus) int {
	if status.Signaled() {
		return 128 + int(status.Signal())
	}
	return status.ExitStatus()
}
