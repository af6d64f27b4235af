package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"sluice/queue"
	"sluice/queue/host"
)

// lsfCommands are the subcommands that also answer to a symlink of their name.
var lsfCommands = []func() *cobra.Command{
	newBsubCommand, newBjobsCommand, newBkillCommand, newBstopCommand, newBresumeCommand,
	newBrequeueCommand, newBswitchCommand, newBtopCommand, newBbotCommand, newBparamsCommand, newBusersCommand, newBhistCommand, newBacctCommand, newBpeekCommand, newBwaitCommand, newBmodCommand,
	newBgaddCommand, newBgmodCommand, newBgdelCommand, newBjgroupCommand, newBrunCommand,
	newBadminCommand, newLshostsCommand, newLsloadCommand,
	newBqueuesCommand, newBappCommand, newBhostsCommand,
	newLsidCommand,
}

func main() {
	if len(os.Args) == 2 && os.Args[1] == host.KeeperArg {
		os.Exit(host.Keep())
	}
	os.Exit(run(os.Args, os.Stderr))
}

// run executes one command line and gives the process's exit code.
func run(argv []string, stderr io.Writer) int {
	ctx, stop := interruptible()
	defer stop()
	root := newRootCommand()
	root.SetArgs(subcommandArgs(root, argv))
	return exitCode(root.ExecuteContext(ctx), stderr)
}

// interruptible is a context that the first SIGINT or SIGTERM cancels; the second one ends the process as if it had no
// handler, for when the clean way takes too long.
func interruptible() (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(context.Background())
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM)
	go func() {
		s, isSignal := (<-signals).(syscall.Signal)
		if isSignal {
			signal.Reset(syscall.SIGINT, syscall.SIGTERM)
			cancel(interruptedError{s})
		}
	}()
	return ctx, func() {
		signal.Stop(signals)
		cancel(nil)
	}
}

// interruptedError is the cause of a context that a signal cancelled.
type interruptedError struct{ signal syscall.Signal }

func (e interruptedError) Error() string { return "interrupted by " + e.signal.String() }

// subcommandArgs turns the name that the binary was called by into a subcommand: a symlink bjobs -> sluice is "sluice bjobs".
func subcommandArgs(root *cobra.Command, argv []string) []string {
	name := filepath.Base(argv[0])
	isLSF := slices.ContainsFunc(root.Commands(), func(c *cobra.Command) bool {
		return c.Name() == name && c.GroupID == groupLSF
	})
	if isLSF {
		return append([]string{name}, argv[1:]...)
	}
	return argv[1:]
}

// The groups of the help text.
const (
	groupRun = "run"
	groupLSF = "lsf"
)

func newRootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:   "sluice",
		Short: "An LSF-style batch system that takes no more of a shared Mesos cluster than its jobs need",
		Long: `Sluice runs batch jobs on a shared Apache Mesos cluster. Users submit with bsub; a PID controller holds the ratio of
running to pending slots at a target and so decides how many offers of the cluster are taken.

The target is a promise about waiting: at running/pending = 0.3 jobs wait 3.3 times their run time on average, at 1 once,
at 10 a tenth.`,
		Example: `  sluice demo                                   # see it work, in under a minute
  sluice local                                  # an embedded Mesos cluster; in another terminal:
  sluice bsub -J "a[1-500]" sleep 1 && sluice bjobs
  sluice run --master http://mesos:5050 --state-dir /var/lib/sluice`,
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	root.PersistentFlags().String("api", "", "the daemon: unix:///path or https://host:port (default $SLUICE_API, then the state dir's socket)")
	root.AddGroup(&cobra.Group{ID: groupRun, Title: "Run and steer:"}, &cobra.Group{ID: groupLSF, Title: "Commands of LSF (also as symlinks):"})
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usageError{err} })
	for _, newCommand := range lsfCommands {
		command := newCommand()
		command.GroupID = groupLSF
		root.AddCommand(command)
	}
	root.AddCommand(newRunCommand(), newLocalCommand(), newDemoCommand(), newSimulateCommand(), newTuneCommand(), newHostCommand(), newCtlCommand(), newLogsCommand(), newVersionCommand())
	return root
}

// exitError carries the exit code of a command that has already said what was wrong.
type exitError int

func (e exitError) Error() string { return fmt.Sprintf("exit status %d", int(e)) }

// usageError is a wrong command line.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

// exitCode says err on stderr, in one line, and gives the code that goes with it.
func exitCode(err error, stderr io.Writer) int {
	if err == nil {
		return 0
	}
	if code, ok := errors.AsType[exitError](err); ok {
		return int(code)
	}
	if interrupted, ok := errors.AsType[interruptedError](err); ok {
		return 128 + int(interrupted.signal)
	}
	fmt.Fprintf(stderr, "sluice: %s\n", strings.ReplaceAll(err.Error(), "\n", " "))
	if _, ok := errors.AsType[usageError](err); ok {
		return 2
	}
	switch queue.KindOf(err) {
	case queue.KindInvalid:
		return 2
	case queue.KindUnavailable:
		return 3
	default:
		return 1
	}
}
