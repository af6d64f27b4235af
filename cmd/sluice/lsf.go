package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"sluice/lsfbridge"
	"sluice/queue"
	"sluice/queue/wire"
)

// Exit codes of LSF's commands.
const (
	lsfDone    = 0
	lsfNothing = 254 // bjobs has nothing to show
	lsfFailed  = 255
)

// lsfCall is one call of an LSF command: what it was given and where it speaks. Each command is a function of a lsfCall and
// of what it needs of the daemon.
type lsfCall struct {
	name   string
	args   []string
	stdin  io.Reader
	stdout *bufio.Writer // flushed when the command has ended
	stderr io.Writer
	env    func(string) string
	now    time.Time
}

// say prints a line on standard error.
func (c *lsfCall) say(line string) { fmt.Fprintln(c.stderr, line) }

// refuse answers an error in LSF's way and gives the exit code.
func (c *lsfCall) refuse(err error) (int, error) {
	usage, isUsage := errors.AsType[*lsfbridge.UsageError](err)
	switch {
	case errors.Is(err, lsfbridge.ErrVersion):
		c.say(lsfbridge.VersionLine(version))
		return lsfDone, nil
	case isUsage:
		switch {
		case usage.Stdout:
			if _, err := fmt.Fprintln(c.stdout, usage.Text); err != nil {
				return 0, err
			}
		case usage.Text != "":
			c.say(usage.Text)
		}
		fmt.Fprint(c.stderr, lsfbridge.Usage(usage.Command))
		return c.usageCode(usage), nil
	case isRefusal(err):
		c.say(err.Error())
		return lsfFailed, nil
	default:
		return c.fail(err)
	}
}

// usageCode is 255, but lsid -h ends well.
func (c *lsfCall) usageCode(usage *lsfbridge.UsageError) int {
	if c.name == "lsid" && usage.Text == "" && len(c.args) > 0 && c.args[0] == "-h" {
		return lsfDone
	}
	return lsfFailed
}

func isRefusal(err error) bool {
	_, ok := errors.AsType[lsfbridge.Refusal](err)
	return ok
}

// fail answers an error of the daemon or of the way there.
func (c *lsfCall) fail(err error) (int, error) {
	if interrupted(err) {
		return 0, err
	}
	if _, ok := errors.AsType[*queue.Error](err); ok {
		c.say(c.name + ": " + lsfbridge.Explain(err))
		return lsfFailed, nil
	}
	c.say(c.name + ": " + strings.ReplaceAll(err.Error(), "\n", " "))
	return lsfFailed, nil
}

// interrupted reports the end by a signal, which main turns into its exit code.
func interrupted(err error) bool {
	_, ok := errors.AsType[interruptedError](err)
	return ok || errors.Is(err, context.Canceled)
}

// lsfFunc runs a command against a daemon. The error is for main to say; commands say LSF's own refusals themselves.
type lsfFunc func(context.Context, *lsfCall, *wire.Client) (int, error)

// newLSFCommand makes a subcommand whose arguments have LSF's grammar, not cobra's. --help is Sluice's help; --api may
// come first.
func newLSFCommand(command cobra.Command, run lsfFunc) *cobra.Command {
	command.DisableFlagParsing = true
	command.Args = cobra.ArbitraryArgs
	command.RunE = func(cmd *cobra.Command, args []string) error {
		api, args, err := leadingAPI(args)
		if err != nil {
			return err
		}
		if len(args) > 0 && args[0] == "--help" {
			return cmd.Help()
		}
		client, err := wire.NewClient(wire.Options{API: api})
		if err != nil {
			return err
		}
		defer client.Close()
		call := &lsfCall{
			name: cmd.Name(), args: args, stdin: cmd.InOrStdin(), stdout: bufio.NewWriter(cmd.OutOrStdout()),
			stderr: cmd.ErrOrStderr(), env: os.Getenv, now: time.Now(),
		}
		code, err := run(cmd.Context(), call, client)
		if cause := context.Cause(cmd.Context()); cause != nil {
			err = cause
		}
		if err := errors.Join(err, call.stdout.Flush()); err != nil {
			return err
		}
		if code != lsfDone {
			return exitError(code)
		}
		return nil
	}
	return &command
}

// leadingAPI takes --api off the front of the arguments: with flag parsing disabled, cobra leaves the flags before a
// subcommand among its arguments.
func leadingAPI(args []string) (api string, rest []string, err error) {
	switch {
	case len(args) == 0:
		return "", args, nil
	case strings.HasPrefix(args[0], "--api="):
		return strings.TrimPrefix(args[0], "--api="), args[1:], nil
	case args[0] == "--api" && len(args) > 1:
		return args[1], args[2:], nil
	case args[0] == "--api":
		return "", nil, usageError{errors.New("flag needs an argument: --api")}
	}
	return "", args, nil
}
