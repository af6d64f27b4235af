package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"sluice/lsfbridge"
	"sluice/queue"
	"sluice/queue/wire"
)

// submitter is what bsub needs of the daemon.
type submitter interface {
	Submit(context.Context, queue.Spec) (wire.Submitted, error)
	Queues(context.Context) ([]queue.QueueInfo, error)
	Wait(context.Context, queue.ID) (queue.Job, error)
	Attach(context.Context, queue.ID) (*wire.Conn, error)
	inputKeeper
}

// inputKeeper keeps copies of input files.
type inputKeeper interface {
	KeepInput(context.Context, io.Reader) (string, error)
}

// keepInput has a copy of a file made, and gives its name; "" for no file.
func keepInput(ctx context.Context, keeper inputKeeper, path string) (name string, err error) {
	if path == "" {
		return "", nil
	}
	if info, err := os.Lstat(path); err == nil && info.Mode()&os.ModeNamedPipe != 0 {
		return "", lsfbridge.CannotKeep(path, errors.New("it is a pipe, which may never be written to"))
	}
	file, err := os.Open(path)
	if err != nil {
		return "", lsfbridge.CannotKeep(path, err)
	}
	defer func() { _ = file.Close() }() // it was only read
	switch info, err := file.Stat(); {
	case err != nil:
		return "", lsfbridge.CannotKeep(path, err)
	case info.IsDir():
		return "", lsfbridge.CannotKeep(path, syscall.EISDIR)
	case info.Size() > wire.MaxInput:
		return "", lsfbridge.CannotKeep(path, fmt.Errorf("it has %d bytes, at most %d can be spooled", info.Size(), wire.MaxInput))
	}
	return keeper.KeepInput(ctx, file)
}

var _ submitter = (*wire.Client)(nil)

func newBsubCommand() *cobra.Command {
	return newLSFCommand(cobra.Command{
		Use:   "bsub [options] [command [argument ...]]",
		Short: "Submit a job, an array of jobs, or a script on standard input",
		Long: `Submit a job with LSF's options; bsub -h lists them. Without a command the script on standard input is the job,
and its #BSUB lines are options; those of the command line win.

With -I the job speaks with this terminal: what it writes is shown, what is typed is its input, and Ctrl-C is passed on. -Ip and
-Is give it a terminal of its own. When bsub goes, such a job is ended.

Exit codes: 0 submitted; 255 not submitted; with -K and -I the job's own exit code.`,
		Example: `  bsub -o out.%J -n 4 -R "rusage[mem=2000] span[hosts=1]" ./solve input
  bsub -J "sweep[1-500]%20" -o out.%J.%I ./run.sh
  bsub -w "done(sweep)" -K ./collect.sh
  bsub -is params.json ./solve      # reads the file as it is now
  bsub -Is bash
  bsub < job.sh`,
	}, func(ctx context.Context, c *lsfCall, client *wire.Client) (int, error) {
		place, err := submitPlace(c)
		if err != nil {
			return c.fail(err)
		}
		switch path, packed, err := lsfbridge.PackFile(c.args); {
		case err != nil:
			return c.refuse(err)
		case packed:
			return bsubPack(ctx, c, path, place, client)
		}
		return bsub(ctx, c, place, client)
	})
}

// submitPlace looks around the process.
func submitPlace(c *lsfCall) (place lsfbridge.SubmitPlace, err error) {
	if place.Cwd, err = os.Getwd(); err != nil {
		return place, fmt.Errorf("find the current directory: %w", err)
	}
	if place.Host, err = os.Hostname(); err != nil {
		return place, fmt.Errorf("find this host's name: %w", err)
	}
	place.Umask = syscall.Umask(0)
	syscall.Umask(place.Umask)
	place.Environ, place.Now, place.Script, place.ScriptFile = os.Environ(), c.now, c.stdin, c.scriptFile
	if f, ok := c.stdin.(*os.File); ok && isTerminal(f) {
		place.Script = &prompter{lines: f, prompt: c.stderr}
	}
	return place, nil
}

// maxScript is more than a command may have, so that one that is too long is refused rather than cut.
const maxScript = 2 << 20

// scriptFile reads a file that is given as the command, if it is a script. Where LSB_BSUB_PARSE_SCRIPT does not say, it may be if it
// is not executable: such a command could not run.
func (c *lsfCall) scriptFile(name string) (text string, ok bool, err error) {
	parse := c.env("LSB_BSUB_PARSE_SCRIPT")
	anyText := strings.EqualFold(parse, "y")
	info, err := os.Stat(name)
	if err != nil || !info.Mode().IsRegular() || strings.EqualFold(parse, "n") || !anyText && info.Mode()&0o111 != 0 {
		return "", false, nil //nolint:nilerr // it is a command, perhaps of the PATH
	}
	f, err := os.Open(name)
	if err != nil {
		return "", false, nil //nolint:nilerr // where the job runs it may be readable
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	data, err := io.ReadAll(io.LimitReader(f, maxScript))
	if err != nil {
		return "", false, fmt.Errorf("read script: %w", err)
	}
	text = string(data)
	return text, lsfbridge.IsScript(text, anyText), nil
}

// prompter asks for each line of a script that is typed.
type prompter struct {
	lines  io.Reader
	prompt io.Writer
}

func (p *prompter) Read(b []byte) (int, error) {
	if _, err := io.WriteString(p.prompt, "bsub> "); err != nil {
		return 0, err
	}
	return p.lines.Read(b)
}

func bsub(ctx context.Context, c *lsfCall, place lsfbridge.SubmitPlace, client submitter) (int, error) {
	submission, err := lsfbridge.ParseSubmission(c.args, place)
	if err != nil {
		return c.refuse(err)
	}
	spec := submission.Spec
	if len(submission.Queues) > 1 {
		queues, err := client.Queues(ctx)
		if err != nil {
			return c.refuseSubmission(err)
		}
		spec.Queue = firstQueue(submission.Queues, queues)
	}
	if spec.Input, err = keepInput(ctx, client, submission.KeepInput); err != nil {
		return c.refuseSubmission(err)
	}
	submitted, err := client.Submit(ctx, spec)
	if err != nil {
		return c.refuseSubmission(err)
	}
	if c.env("BSUB_QUIET") == "" {
		if err := errors.Join(c.announce(submitted), c.stdout.Flush()); err != nil { // at once: -K may wait for long
			return lsfFailed, err
		}
	}
	for _, note := range submission.Notes {
		c.say(note)
	}
	for _, note := range submitted.Notes {
		c.say("bsub: " + note)
	}
	if spec.Interactive != "" {
		return c.interact(ctx, client, submitted.ID, spec.Interactive)
	}
	if !submission.Wait {
		return lsfDone, nil
	}
	return c.waitFor(ctx, client, submitted.ID)
}

// firstQueue is the first of the wanted queues that takes jobs, or else the first that exists, or else the first.
func firstQueue(wanted []string, queues []queue.QueueInfo) string {
	existing := ""
	for _, name := range wanted {
		at := slices.IndexFunc(queues, func(q queue.QueueInfo) bool { return q.Name == name })
		if at >= 0 && queues[at].Open {
			return name
		}
		if at >= 0 && existing == "" {
			existing = name
		}
	}
	if existing != "" {
		return existing
	}
	return wanted[0]
}

func (c *lsfCall) refuseSubmission(err error) (int, error) {
	if interrupted(err) {
		return 0, err
	}
	if isRefusal(err) {
		c.say(err.Error())
		return lsfFailed, nil
	}
	c.say(lsfbridge.ExplainSubmission(err))
	return lsfFailed, nil
}

// announce says that the job was submitted.
func (c *lsfCall) announce(submitted wire.Submitted) error {
	kind := "queue"
	if submitted.Default {
		kind = "default queue"
	}
	_, err := fmt.Fprintf(c.stdout, "Job <%d> is submitted to %s <%s>.\n", submitted.ID.Job, kind, submitted.Queue)
	return err
}

func (c *lsfCall) waitFor(ctx context.Context, client submitter, id queue.ID) (int, error) {
	c.say("<<Waiting for dispatch ...>>")
	job, err := client.Wait(ctx, id)
	if err != nil {
		return c.fail(err)
	}
	c.say("<<Job is finished>>")
	if job.State == queue.Exited && job.ExitCode == 0 {
		return lsfFailed, nil // it never ran
	}
	return job.ExitCode, nil
}
