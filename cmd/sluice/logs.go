package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"sluice/queue"
	"sluice/queue/wire"
)

// outputs is what logs needs of the daemon.
type outputs interface {
	Peek(context.Context, queue.ID, wire.PeekRequest) (wire.Peeked, error)
}

var _ outputs = (*wire.Client)(nil)

// logsOptions are the flags of logs.
type logsOptions struct {
	follow, stderr bool
	lines          int // -1 = all
}

func newLogsCommand() *cobra.Command {
	var o logsOptions
	cmd := &cobra.Command{
		Use: "logs JOB", GroupID: groupRun, Short: "Show what a job has written, also after its end",
		Long: `Show what a job, or an element of an array, has written to its standard output, and nothing else. While the job runs its
host is asked; of a job that has ended the end of each stream is kept, for as long as there is room: see --job-output and
--keep-output of sluice run. Standard error is in it, too, unless the job was submitted with -e: then --stderr shows it.

Exit codes: 0 shown; 1 the job is not found or has not started; 3 its host or the daemon does not answer.`,
		Example: `  sluice logs 12
  sluice logs "12[3]" --tail 20
  sluice logs -f 12             # and what it writes from now on, until it ends`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			id, err := queue.ParseID(args[0])
			if err != nil {
				return usageError{err}
			}
			if o.lines < -1 {
				return usageError{fmt.Errorf("logs: --tail %d: want a number of lines", o.lines)}
			}
			api, err := cmd.Flags().GetString("api")
			if err != nil {
				return err
			}
			client, err := wire.NewClient(wire.Options{API: api})
			if err != nil {
				return err
			}
			defer client.Close()
			l := logs{client: client, id: id, options: o, out: bufio.NewWriter(cmd.OutOrStdout()), notes: cmd.ErrOrStderr()}
			return errors.Join(l.show(cmd.Context()), l.out.Flush())
		},
	}
	cmd.Flags().BoolVarP(&o.follow, "follow", "f", false, "go on until the job ends")
	cmd.Flags().BoolVar(&o.stderr, "stderr", false, "standard error, where it is a stream of its own")
	cmd.Flags().IntVar(&o.lines, "tail", -1, "only so many lines at the end")
	return cmd
}

// logs shows one stream of a job.
type logs struct {
	client  outputs
	id      queue.ID
	options logsOptions
	out     *bufio.Writer
	notes   io.Writer // what is missing
	offset  int64
	attempt int
}

// maxTail is the most that is looked through for the last lines.
const maxTail = 64 << 20

func (l *logs) show(ctx context.Context) error {
	ticker := time.NewTicker(peekEvery)
	defer ticker.Stop()
	for begun := false; ; {
		p, err := l.next(ctx, begun)
		waiting := false
		if refused, ok := errors.AsType[*queue.Error](err); ok && l.options.follow {
			waiting = refused.Code == queue.WrongState || begun && refused.Kind == queue.KindUnavailable
		}
		switch {
		case waiting: // it is to start, or its host is away
		case err != nil:
			return err
		default:
			begun = true
			l.remark(p)
			if _, err := l.out.Write(p.Data); err != nil {
				return err
			}
			if l.offset < p.Kept && len(p.Data) > 0 {
				continue
			}
			if p.Ended || !l.options.follow {
				return nil
			}
		}
		if err := l.out.Flush(); err != nil {
			return err
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// remark says what is missing, once.
func (l *logs) remark(p wire.Peeked) {
	if before := l.offset - int64(len(p.Data)); before > 0 && before == p.Skipped && l.options.lines < 0 {
		fmt.Fprintf(l.notes, "sluice: the first %d bytes are not kept\n", p.Skipped)
	}
	if p.Ended && p.Dropped && l.offset >= p.Kept {
		fmt.Fprintf(l.notes, "sluice: the job wrote more than the %d bytes that its host kept\n", p.Kept)
	}
}

// next reads what follows. A job that was started anew begins anew.
func (l *logs) next(ctx context.Context, begun bool) (wire.Peeked, error) {
	if !begun && l.options.lines >= 0 {
		if err := l.seek(ctx); err != nil {
			return wire.Peeked{}, err
		}
	}
	p, err := l.peek(ctx, l.offset, 0)
	if err == nil && l.attempt != 0 && p.Attempt != l.attempt {
		l.offset = 0
		p, err = l.peek(ctx, 0, 0)
	}
	if err != nil {
		return p, err
	}
	l.attempt = p.Attempt
	l.offset = max(l.offset, p.Skipped) + int64(len(p.Data))
	return p, nil
}

func (l *logs) peek(ctx context.Context, offset int64, limit int) (wire.Peeked, error) {
	return l.client.Peek(ctx, l.id, wire.PeekRequest{Stderr: l.options.stderr, Offset: offset, Limit: limit})
}

// seek goes to where the last lines begin, from the end backwards.
func (l *logs) seek(ctx context.Context) error {
	p, err := l.peek(ctx, 0, 1)
	if err != nil {
		return err
	}
	end, first, wanted := p.Kept, max(p.Skipped, p.Kept-maxTail), l.options.lines
	for l.offset = end; l.offset > first; {
		from := max(first, l.offset-wire.MaxPeek)
		if p, err = l.peek(ctx, from, int(l.offset-from)); err != nil {
			return err
		}
		data := p.Data
		if l.offset == end {
			data = bytes.TrimSuffix(data, []byte("\n")) // the last line's own
			if wanted == 0 {
				return nil
			}
		}
		for i := bytes.LastIndexByte(data, '\n'); i >= 0; i = bytes.LastIndexByte(data[:i], '\n') {
			if wanted--; wanted == 0 {
				l.offset = from + int64(i) + 1
				return nil
			}
		}
		l.offset = from
	}
	return nil
}
