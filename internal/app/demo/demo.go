package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"sluice/internal/app"
	"sluice/queue"
	"sluice/queue/wire"
)

// Config is one demo.
type Config struct {
	Local    app.LocalConfig // its StateDir is made in a temporary directory and removed at the end
	Workload Workload
	Deadline time.Duration // the demo fails when it takes longer
	Picture  string        // path of the SVG; "" = none
	// Bsub runs bsub with arguments in a process of its own, with environ added to its environment, and gives what it
	// printed.
	Bsub func(ctx context.Context, args, environ []string) (string, error)
	Out  io.Writer
	// Live shows a line that is rewritten while the demo runs; for terminals.
	Live bool
}

// sampleEvery is between two looks at the system.
const sampleEvery = 100 * time.Millisecond

// errUnfinished is a demo whose jobs are not all DONE.
var errUnfinished = errors.New("not every job is DONE")

// Run runs a demo to its end and prints a summary. It fails unless every job ends DONE and every host is released. It
// leaves no process, socket or file but the picture behind, also when ctx ends early.
func Run(ctx context.Context, cfg Config) (err error) {
	dir, err := os.MkdirTemp("", "sluice-demo-")
	if err != nil {
		return fmt.Errorf("make state dir: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	cfg.Local.StateDir = dir
	system, err := app.OpenLocal(ctx, cfg.Local)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, system.Close()) }()
	client, err := wire.NewClient(wire.Options{API: "unix://" + system.Socket()})
	if err != nil {
		return err
	}
	defer client.Close()
	ctx, cancel := context.WithTimeoutCause(ctx, cfg.Deadline, fmt.Errorf("the demo took longer than %v: %w", cfg.Deadline, errUnfinished))
	defer cancel()
	d := &demo{cfg: cfg, system: system, client: client, started: time.Now(), recording: newRecording(sampleEvery)}
	return d.run(ctx)
}

type demo struct {
	cfg       Config
	system    *app.Local
	client    *wire.Client
	started   time.Time
	recording *recording
	submitted time.Time // the last time
}

func (d *demo) run(ctx context.Context) error {
	looping, stop := context.WithCancel(ctx)
	done := make(chan error, 1)
	go func() { done <- d.system.Run(looping) }()
	err := d.drive(ctx, done)
	stop()
	if err == nil {
		err = <-done
	}
	d.clearLine()
	if err != nil {
		return err
	}
	return d.conclude(ctx)
}

// drive submits each job when it is due and looks at the system until all jobs have ended and their hosts are released.
func (d *demo) drive(ctx context.Context, failed <-chan error) error {
	look := time.NewTicker(sampleEvery)
	defer look.Stop()
	rest := d.cfg.Workload.Submissions
	for {
		for len(rest) > 0 && rest[0].At <= time.Since(d.started) {
			if err := d.submit(ctx, rest[0]); err != nil {
				return err
			}
			rest = rest[1:]
		}
		if status := d.look(); len(rest) == 0 && d.seen(status) && idle(status) {
			d.recording.close(Sample{At: time.Since(d.started), Status: status})
			return nil
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case err := <-failed:
			return errors.Join(err, errUnfinished)
		case <-look.C:
		}
	}
}

// seen says that the system has been polled since the last submission.
func (d *demo) seen(s app.Status) bool {
	return s.At.Add(-time.Duration(s.PollAgeSeconds * float64(time.Second))).After(d.submitted)
}

// idle says that no job is left and everything was given back: no host and no offers.
func idle(s app.Status) bool {
	return s.Running+s.Pending+s.Waiting == 0 && s.Supply == 0 && s.Hosts == 0 && s.Suppressed
}

func (d *demo) submit(ctx context.Context, s Submission) error {
	answer, err := d.cfg.Bsub(ctx, s.Args, []string{"SLUICE_API=" + d.client.API()})
	if err != nil {
		return fmt.Errorf("bsub %v: %w", s.Args, err)
	}
	d.submitted = time.Now()
	d.clearLine()
	return d.printf("%6.1fs  $ bsub %s\n         %s", time.Since(d.started).Seconds(), shellWords(s.Args), answer)
}

// look takes a sample and shows it.
func (d *demo) look() app.Status {
	status := d.system.Status()
	at := time.Since(d.started)
	d.recording.add(Sample{At: at, Status: status})
	d.showLine(at, status)
	return status
}

// conclude writes the picture and the summary.
func (d *demo) conclude(ctx context.Context) error {
	summary, err := d.summarise(ctx)
	if err != nil {
		return err
	}
	if d.cfg.Picture != "" {
		if err := Picture(d.cfg.Picture, d.recording.samples); err != nil {
			return err
		}
		summary.Picture = d.cfg.Picture
	}
	if err := d.printf("%s", summary); err != nil {
		return err
	}
	if summary.Done != d.cfg.Workload.Jobs() {
		return fmt.Errorf("%w: %d of %d", errUnfinished, summary.Done, d.cfg.Workload.Jobs())
	}
	return nil
}

func (d *demo) summarise(ctx context.Context) (Summary, error) {
	s := newSummary(d.recording.samples, d.cfg.Workload.Jobs())
	err := d.client.Jobs(ctx, wire.JobsRequest{Filter: queue.Filter{User: "all"}}, func(j queue.Job) error {
		s.count(j)
		return nil
	})
	return s, err
}

func (d *demo) printf(format string, args ...any) error {
	_, err := fmt.Fprintf(d.cfg.Out, format, args...)
	return err
}
