package host

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"sluice/queue/wire"
)

// phase is how far a job in the keeper is; see the diagram in doc.go.
type phase uint8

const (
	preparing phase = iota
	running
	sweeping
	finishing
)

// exitNotStarted is reported for a job whose command could not be run, as shells do.
const exitNotStarted = 126

const (
	defaultGrace = 10 * time.Second
	// sweepGrace is the most time that processes left behind by a job have between TERM and KILL.
	sweepGrace = 2 * time.Second
	// Rounds of KILL follow each other at these intervals, doubling.
	firstRound = 5 * time.Millisecond
	lastRound  = 250 * time.Millisecond
)

// job is one attempt in the keeper. Its goroutines (prepare, finish) own it while it is in their phase; the keeper's loop
// touches only kill and discard then.
type job struct {
	key   attemptKey
	start *wire.Start
	phase phase
	ready prepared
	holds holding
	own   []string  // variables of the environment that tell of what it holds
	group *jobGroup // of a job with a limit of memory, where there are groups, else nil
	tty   *terminal // of an interactive job, else nil

	before, after []string // commands before and after the job's own that are to come
	stage         stage
	pid           int  // of the stage's main process, which leads its session; 0 before the first fork
	reaped        bool // that process has ended
	mark          uint64
	status        unix.WaitStatus // of the job's own main process or, before that, of the pre-execution command
	postStatus    unix.WaitStatus
	preExecFailed bool
	started       time.Time
	ended         time.Time

	exitCode int
	cpu      time.Duration // of processes that have ended
	measured
	reason string
	failed bool // it never ran

	kill      *killOrder      // the first one's exit code and reason count
	change    *wire.JobChange // that came before it was prepared
	abandoned chan struct{}   // closed when it is to be ended before it has begun
	discard   bool            // the job is no longer ours: nothing is written to its user's files

	pressedAt time.Time // when the order in force came
	steps     []step    // of it that are to come
	killAt    time.Time // when KILL begins; zero = not yet ordered
	nextRound time.Time // of KILL
	round     time.Duration

	kept    *keptOutput   // for the daemon to fetch; nil = nothing
	written chan struct{} // closed when the output is delivered
}

// disown keeps the job's output from its user's files, unless it is being written already.
func (j *job) disown() {
	if j.phase < finishing {
		j.discard = true
	}
}

func (j *job) grace() time.Duration {
	if g := time.Duration(j.start.GetKillGraceNs()); g > 0 {
		return g
	}
	return defaultGrace
}

// commandEnded notes what wait4 said of the job's own main process.
func (j *job) commandEnded(status unix.WaitStatus, usage *unix.Rusage, now time.Time) {
	j.ended = now
	if j.exitCode = codeOf(status); status.Signaled() {
		j.reason = "killed by signal " + fmt.Sprint(int(status.Signal()))
	}
	if usage.Maxrss <= ownPeakKiB() {
		usage.Maxrss = 0 // our own: until it ran its program, the process shared our memory. Samples know better
	}
	j.addUsage(usage)
	if j.kill != nil {
		j.reason = j.kill.reason
		if j.kill.exitCode != 0 {
			j.exitCode = j.kill.exitCode
		}
	}
}

// ownPeakKiB is the most memory that this process has had resident.
func ownPeakKiB() int64 {
	var own unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &own); err != nil {
		return 0
	}
	return own.Maxrss
}

func (j *job) addUsage(usage *unix.Rusage) {
	j.cpu += time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
	j.maxRSSMiB = max(j.maxRSSMiB, inMiB(usage.Maxrss), 1) // rounded up: no process has none
	j.maxSwapMiB = max(j.maxSwapMiB, j.maxRSSMiB)
	j.processes, j.threads = max(j.processes, 1), max(j.threads, 1)
}

// failKilled makes the job one that was ended before it ran.
func (j *job) failKilled(now time.Time) {
	j.fail(errors.New(j.kill.reason), now)
	if j.exitCode = j.kill.exitCode; j.exitCode == 0 {
		j.exitCode = 128 + int(unix.SIGKILL)
	}
}

// fail makes the job one that never ran.
func (j *job) fail(err error, now time.Time) {
	j.failed, j.exitCode, j.reason = true, exitNotStarted, err.Error()
	j.started, j.ended = now, now
}

func (j *job) endedMessage() *wire.Ended {
	m := &wire.Ended{
		Attempt:   j.key.wire(),
		ExitCode:  int32(j.exitCode & 0xff),
		Reason:    strings.ReplaceAll(j.reason, "\n", "; "),
		CpuNs:     int64(j.cpu),
		MaxRssMib: j.maxRSSMiB, AvgRssMib: j.avgRSSMiB(), MaxSwapMib: j.maxSwapMiB,
		Processes: int32(j.processes), Threads: int32(j.threads),
		AtUnixNs: j.ended.UnixNano(),

		PreExecFailed: j.preExecFailed,
	}
	if j.kept != nil {
		m.Kept = j.kept.wire(j.key)
	}
	return m
}
