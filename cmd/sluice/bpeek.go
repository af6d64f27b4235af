package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"sluice/lsfbridge"
	"sluice/queue"
	"sluice/queue/wire"
)

// peeker is what bpeek needs of the daemon.
type peeker interface {
	Jobs(context.Context, wire.JobsRequest, func(queue.Job) error) error
	Peek(context.Context, queue.ID, wire.PeekRequest) (wire.Peeked, error)
	Cluster(context.Context) (wire.Cluster, error)
}

var _ peeker = (*wire.Client)(nil)

// peekEvery is how often bpeek -f looks for more.
const peekEvery = 500 * time.Millisecond

func newBpeekCommand() *cobra.Command {
	return newLSFCommand(cobra.Command{
		Use: "bpeek [-f] [options] [job_id]", Short: "Show what a job has written so far",
		Long: `Show what a job has written to its standard output and error so far, with LSF's options; bpeek -h lists them. It
is asked of the job's host, so it needs no shared file system; of a job that has ended, the end of its output is kept (see sluice
run --job-output). Without a job id, your newest unfinished job that fits is meant.

Exit codes: 0 shown; 255 the job is not found or has not started.`,
		Example: `  bpeek 12
  bpeek -f "12[3]"      # and what it writes from now on, until it ends`,
	}, func(ctx context.Context, c *lsfCall, client *wire.Client) (int, error) { return bpeek(ctx, c, client) })
}

func bpeek(ctx context.Context, c *lsfCall, client peeker) (int, error) {
	query, err := lsfbridge.ParsePeekQuery(c.args)
	if err != nil {
		return c.refuse(err)
	}
	id := query.ID
	if id.Job == 0 {
		if id, err = newest(ctx, client, query); err != nil {
			return c.fail(err)
		}
		if id.Job == 0 {
			c.say(query.NoneFound())
			return lsfFailed, nil
		}
	}
	out := peekStream{call: c, client: client, id: id}
	first, err := out.show(ctx, lsfbridge.PeekStdout)
	if err == nil && first.Separate && !query.Follow {
		errs := peekStream{call: c, client: client, id: id, stderr: true}
		_, err = errs.show(ctx, lsfbridge.PeekStderr)
	}
	if err != nil {
		return c.refusePeek(query, id, err)
	}
	if query.Follow {
		if err := out.follow(ctx); err != nil {
			return c.fail(err)
		}
	}
	return lsfDone, nil
}

func (c *lsfCall) refusePeek(query *lsfbridge.PeekQuery, id queue.ID, err error) (int, error) {
	if _, ok := errors.AsType[*queue.Error](err); !ok {
		return c.fail(err)
	}
	c.say(query.Refused(id, err))
	return lsfFailed, nil
}

// newest is the caller's newest unfinished job that fits, zero without one.
func newest(ctx context.Context, client peeker, query *lsfbridge.PeekQuery) (queue.ID, error) {
	cluster, err := client.Cluster(ctx)
	if err != nil {
		return queue.ID{}, err
	}
	filter := query.Filter
	filter.User, filter.States = cluster.User, lsfbridge.Unfinished
	var last queue.ID
	err = client.Jobs(ctx, wire.JobsRequest{Filter: filter}, func(job queue.Job) error {
		if job.ID.Job != last.Job { // the first element of an array
			last = job.ID
		}
		return nil
	})
	return last, err
}

// peekStream shows one stream of a job's output.
type peekStream struct {
	call    *lsfCall
	client  peeker
	id      queue.ID
	stderr  bool
	offset  int64
	attempt int
}

// show prints what there is, after a title.
func (s *peekStream) show(ctx context.Context, title string) (wire.Peeked, error) {
	p, err := s.next(ctx)
	if err != nil {
		return p, err
	}
	if _, err := fmt.Fprintln(s.call.stdout, title); err != nil {
		return p, err
	}
	first := p
	for err == nil && len(p.Data) > 0 {
		if _, err = s.call.stdout.Write(p.Data); err != nil || s.offset >= first.Kept {
			break
		}
		p, err = s.next(ctx)
	}
	if err == nil && first.Skipped > 0 {
		s.call.say(fmt.Sprintf("bpeek: the first %d bytes of what Job <%v> wrote are not kept", first.Skipped, s.id))
	}
	if err == nil && first.Dropped {
		s.call.say(fmt.Sprintf("bpeek: Job <%v> wrote more than the %d bytes that are kept", s.id, first.Kept))
	}
	return first, err
}

// next reads what follows; a job that was started anew begins anew.
func (s *peekStream) next(ctx context.Context) (wire.Peeked, error) {
	p, err := s.client.Peek(ctx, s.id, wire.PeekRequest{Stderr: s.stderr, Offset: s.offset})
	if err == nil && s.attempt != 0 && p.Attempt != s.attempt {
		s.offset = 0
		p, err = s.client.Peek(ctx, s.id, wire.PeekRequest{Stderr: s.stderr})
	}
	if err != nil {
		return p, err
	}
	s.attempt = p.Attempt
	s.offset = max(s.offset, p.Skipped) + int64(len(p.Data))
	return p, nil
}

// follow prints what the job writes until it ends, and what it wrote last.
func (s *peekStream) follow(ctx context.Context) error {
	ticker := time.NewTicker(peekEvery)
	defer ticker.Stop()
	for {
		if err := s.call.stdout.Flush(); err != nil {
			return err
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		for more := true; more; {
			p, err := s.next(ctx)
			refused, _ := errors.AsType[*queue.Error](err)
			switch {
			case refused != nil && refused.Code == queue.NoSuchJob:
				return nil // it was ended before it ran again
			case refused != nil && (refused.Code == queue.WrongState || refused.Kind == queue.KindUnavailable):
				p = wire.Peeked{} // it is to run again, or its host is away
			case err != nil:
				return err
			}
			if _, err := s.call.stdout.Write(p.Data); err != nil {
				return err
			}
			if p.Ended && s.offset >= p.Kept {
				return s.call.stdout.Flush()
			}
			more = len(p.Data) == wire.MaxPeek || p.Ended
		}
	}
}
