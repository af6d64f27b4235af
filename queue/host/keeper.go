package host

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"time"

	"golang.org/x/sys/unix"

	"sluice/queue/wire"
)

// keeperConfig is what the session tells its keeper first.
type keeperConfig struct {
	Name        string // of the host
	Sender      string // user@host, of reports
	WorkDir     string
	SpoolBytes  int64
	SampleEvery time.Duration
	GPUs, Ports []string // see Config
}

// keeper owns every process of the jobs. One goroutine, on a thread of its own, forks, reaps and decides; others prepare
// jobs and deliver output.
type keeper struct {
	config   keeperConfig
	scripts  *scripts
	inputs   *inputs
	spool    string // directory
	link     *wire.Conn
	out      *outbox
	accounts *accounts

	jobs        map[attemptKey]*job
	mains       map[int]*job               // by main process, until no process of the job is left
	orphans     map[int]*job               // children that were not forked here, by the job they come from; nil = unknown
	helpers     map[int]*helper            // running
	marks       map[uint64]*job            // see attribute
	ending      map[*job]bool              // to be looked at when time passes
	kept        map[attemptKey]*keptOutput // of ended jobs
	keptOrder   []attemptKey               // oldest first; may hold keys that are gone
	keptBytes   int
	keptDropped int       // since keptWarned
	keptWarned  time.Time // when it was said last
	groups      *cgroups  // nil: jobs have none
	closing     bool      // all jobs are ended: none goes on to its next command
	watched     int       // running jobs with limits that we watch
	threads     []int     // whose children are ours
	buffer      []byte    // for reading /proc
	lots        lots
	lease       int64 // boot clock at which all jobs end; 0 = never
	lastMark    uint64

	in         chan *frame // closed when the session is gone
	ready      chan *job
	finished   chan *job
	asks       chan *helper
	samples    chan sample
	nextSample time.Time
	lastSample time.Time
}

type sample struct {
	table processes
	err   error
}

// keeperFD is where the keeper finds its end of the socket pair.
const keeperFD = 3

// Keep is the keeper's process: the program's main calls it when KeeperArg is its one argument, before it handles signals,
// and exits with what it returns. It must be the process's only user of child processes.
func Keep() int {
	if err := keep(); err != nil {
		fmt.Fprintf(os.Stderr, "sluice %s: %v\n", KeeperArg, err)
		return 1
	}
	return 0
}

func keep() error {
	// Signals are for the session to act on. They are caught, not ignored, because jobs would inherit that.
	signal.Notify(make(chan os.Signal, 1), unix.SIGTERM, unix.SIGINT, unix.SIGHUP, unix.SIGQUIT, unix.SIGPIPE, unix.SIGUSR1,
		unix.SIGUSR2, unix.SIGALRM, unix.SIGTSTP, unix.SIGTTIN, unix.SIGTTOU)
	file := os.NewFile(keeperFD, "session")
	raw, err := net.FileConn(file)
	if err != nil {
		return fmt.Errorf("find the session: %w (this command is for sluice host to run)", err)
	}
	if err := errors.Join(file.Close(), becomeKeeper()); err != nil {
		return fmt.Errorf("become a keeper: %w", err)
	}
	link := wire.NewConn(raw)
	k, err := newKeeper(link)
	if err != nil {
		return errors.Join(err, link.Close())
	}
	return k.run()
}

// becomeKeeper sets what the whole process, and this thread, need.
func becomeKeeper() error {
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		return err
	}
	// Nothing that was open when the host started is for jobs.
	if err := unix.CloseRange(keeperFD, ^uint(0)>>1, unix.CLOSE_RANGE_CLOEXEC); err != nil && !errors.Is(err, unix.ENOSYS) {
		return err
	}
	unix.Umask(0) // every mode is given in full
	// The parent-death signal of jobs is bound to this thread; and so are, from here on, its own working directory and umask,
	// which its children get.
	runtime.LockOSThread()
	return errors.Join(os.Chdir("/"), unix.Unshare(unix.CLONE_FS))
}

func newKeeper(link *wire.Conn) (*keeper, error) {
	var first frame
	if err := link.Receive(&first, 0); err != nil || first.kind != frameConfig {
		return nil, fmt.Errorf("receive configuration: %w", errors.Join(err, errBadFrame))
	}
	k := &keeper{
		link: link, jobs: map[attemptKey]*job{}, mains: map[int]*job{}, orphans: map[int]*job{}, helpers: map[int]*helper{},
		marks: map[uint64]*job{}, ending: map[*job]bool{}, kept: map[attemptKey]*keptOutput{}, buffer: make([]byte, 0, 4096),
		in: make(chan *frame, 64), ready: make(chan *job, 64), finished: make(chan *job, 64),
		asks: make(chan *helper), samples: make(chan sample, 1),
		threads: []int{os.Getpid()},
	}
	if tid := unix.Gettid(); tid != os.Getpid() {
		k.threads = append(k.threads, tid)
	}
	if err := json.Unmarshal([]byte(first.text), &k.config); err != nil {
		return nil, fmt.Errorf("receive configuration: %w", err)
	}
	k.accounts, k.lots = newAccounts(k.help), newLots(k.config.GPUs, k.config.Ports)
	if err := os.MkdirAll(k.config.WorkDir, 0o755); err != nil {
		return nil, fmt.Errorf("make work dir: %w", err)
	}
	var err error
	if k.spool, err = os.MkdirTemp(k.config.WorkDir, "sluice-spool-"); err != nil {
		return nil, fmt.Errorf("make spool: %w", err)
	}
	k.inputs = newInputs(k.spool, func(ask *wire.AskInput) { k.out.send(&frame{kind: frameAskInput, body: ask}) })
	if k.scripts, err = newScripts(k.config.WorkDir); err != nil {
		return nil, errors.Join(err, os.Remove(k.spool))
	}
	return k, nil
}

// divide lets jobs have control groups, where the host's own group can be divided.
func (k *keeper) divide() {
	dir, err := ownCgroup()
	if err == nil && dir != "" {
		k.groups, err = openCgroups(dir, []int{os.Getppid(), os.Getpid()})
	}
	if err != nil {
		k.warn("no control groups for jobs: %v", err)
	}
}

func (k *keeper) spoolPath(key attemptKey, stream string) string {
	return filepath.Join(k.spool, key.String()+"."+stream)
}

// run serves the session until it is gone, and then ends everything.
func (k *keeper) run() error {
	k.out = newOutbox(k.link, func(error) { _ = k.link.Close() }) // the reader sees that
	k.divide()
	go k.receive()
	children := make(chan os.Signal, 1)
	signal.Notify(children, unix.SIGCHLD)
	k.out.send(&frame{kind: frameReady, text: k.scripts.own + "\x00" + k.spool})
	k.nextSample = time.Now().Add(k.config.SampleEvery)
	timer := time.NewTimer(time.Hour)
	for {
		timer.Reset(k.untilNext(time.Now()))
		select {
		case f, ok := <-k.in:
			if !ok {
				return k.hostGone(children)
			}
			k.handle(f)
		case <-children:
			k.reap()
		case j := <-k.ready:
			k.fork(j)
		case j := <-k.finished:
			k.done(j)
		case h := <-k.asks:
			k.startHelper(h)
		case s := <-k.samples:
			k.sampled(s)
		case <-timer.C:
			k.pass(time.Now())
		}
	}
}

func (k *keeper) receive() {
	defer close(k.in)
	for {
		f := new(frame)
		if err := k.link.Receive(f, 0); err != nil {
			return // the session is gone, or speaks nonsense: the end in either case
		}
		k.in <- f
	}
}

func (k *keeper) warn(format string, arguments ...any) {
	k.out.send(&frame{kind: frameLog, text: fmt.Sprintf(format, arguments...)})
}

// bootClock is the time since boot, the time asleep included: a lease runs while the machine is suspended.
func bootClock() int64 {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &t); err != nil {
		panic(fmt.Sprintf("read boot clock: %v", err)) // every kernel since 2.6.39 has it
	}
	return t.Nano()
}
