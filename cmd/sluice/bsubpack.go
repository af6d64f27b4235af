package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"sluice/lsfbridge"
	"sluice/queue"
	"sluice/queue/wire"
)

// packSubmitter is what bsub -pack needs of the daemon.
type packSubmitter interface {
	SubmitBatch(context.Context, []queue.Spec) ([]wire.Submitted, error)
	SubmitUntilRefused(context.Context, []queue.Spec) ([]wire.Submitted, error)
	Queues(context.Context) ([]queue.QueueInfo, error)
	inputKeeper
}

var _ packSubmitter = (*wire.Client)(nil)

// Of one request of bsub -pack.
const (
	packJobs  = 2000
	packBytes = 8 << 20 // of commands
)

// packer submits the jobs of a file, many with each request.
type packer struct {
	call   *lsfCall
	client packSubmitter
	pack   *lsfbridge.Pack
	skip   bool // refused jobs do not end it (LSB_PACK_SKIP_ERROR)
	queues []queue.QueueInfo
	inputs map[string]string // copies by file

	specs  []queue.Spec
	lines  []int
	notes  [][]string
	size   int
	failed bool
}

func bsubPack(ctx context.Context, c *lsfCall, path string, place lsfbridge.SubmitPlace, client packSubmitter) (int, error) {
	file, err := os.Open(path)
	if err != nil {
		return c.fail(err)
	}
	p := &packer{call: c, client: client, pack: lsfbridge.NewPack(file, place), skip: strings.EqualFold(c.env("LSB_PACK_SKIP_ERROR"), "y"), inputs: make(map[string]string)}
	err = p.run(ctx)
	if closing := file.Close(); err == nil {
		err = closing
	}
	switch {
	case err != nil:
		return c.fail(err)
	case p.failed:
		return lsfFailed, nil
	}
	return lsfDone, nil
}

func (p *packer) run(ctx context.Context) error {
	for !p.failed || p.skip {
		submission, err := p.pack.Next()
		switch {
		case errors.Is(err, io.EOF):
			return p.submit(ctx)
		case isRefusal(err):
			if err := p.refuse(ctx, err); err != nil {
				return err
			}
			continue
		case err != nil:
			return errors.Join(p.submit(ctx), fmt.Errorf("line %d: %w", p.pack.Line(), err))
		}
		if err := p.add(ctx, submission); err != nil {
			return err
		}
	}
	return nil
}

// refuse submits what comes before a line that is refused, and says why it is.
func (p *packer) refuse(ctx context.Context, cause error) error {
	if err := p.submit(ctx); err != nil {
		return err
	}
	if !p.failed || p.skip {
		p.refused(p.pack.Line(), cause.Error())
	}
	return nil
}

func (p *packer) add(ctx context.Context, submission *lsfbridge.Submission) (err error) {
	spec := submission.Spec
	if len(submission.Queues) > 1 {
		if p.queues == nil {
			if p.queues, err = p.client.Queues(ctx); err != nil {
				return err
			}
		}
		spec.Queue = firstQueue(submission.Queues, p.queues)
	}
	if path := submission.KeepInput; path != "" {
		if p.inputs[path] == "" {
			p.inputs[path], err = keepInput(ctx, p.client, path)
		}
		if isRefusal(err) {
			return p.refuse(ctx, err)
		}
		if err != nil {
			return err
		}
		spec.Input = p.inputs[path]
	}
	p.specs, p.lines, p.notes = append(p.specs, spec), append(p.lines, p.pack.Line()), append(p.notes, submission.Notes)
	p.size += len(spec.Command)
	if len(p.specs) < packJobs && p.size < packBytes {
		return nil
	}
	return p.submit(ctx)
}

// submit submits what was collected and says what became of it.
func (p *packer) submit(ctx context.Context) error {
	if len(p.specs) == 0 {
		return nil
	}
	submit := p.client.SubmitUntilRefused
	if p.skip {
		submit = p.client.SubmitBatch
	}
	done, err := submit(ctx, p.specs)
	if err != nil {
		return err
	}
	quiet := p.call.env("BSUB_QUIET") != ""
	for i, submitted := range done {
		switch err := submitted.Error.Err(); {
		case err != nil:
			p.refused(p.lines[i], lsfbridge.ExplainSubmission(err))
			continue
		case submitted.ID.Job == 0:
			continue // not tried
		case !quiet:
			if err := p.call.announce(submitted); err != nil {
				return err
			}
		}
		p.say(p.notes[i], "")
		p.say(submitted.Notes, "bsub: ")
	}
	p.specs, p.lines, p.notes, p.size = p.specs[:0], p.lines[:0], p.notes[:0], 0
	return p.call.stdout.Flush()
}

func (p *packer) say(notes []string, before string) {
	for _, note := range notes {
		p.call.say(before + note)
	}
}

func (p *packer) refused(line int, text string) {
	p.failed = true
	p.call.say(lsfbridge.PackRefused(line, text))
}
