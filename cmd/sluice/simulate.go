package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"sluice/controller"
	"sluice/internal/app"
	"sluice/internal/sim"
	"sluice/internal/sim/plot"
	"sluice/queue"
)

// simulation is what the flags of simulate say.
type simulation struct {
	workloadFlags
	controller controller.Config
	outer      controller.OuterConfig
	intents    []string
	spread     []string     // queues that take the jobs in turn
	queues     queue.Config // their weights
	policies   []string
	compare    bool
	asJSON     bool
	asCSV      bool
	picture    string
	pareto     string
	targets    []float64
}

func newSimulateCommand() *cobra.Command {
	s := simulation{
		workloadFlags: defaultWorkload(), controller: app.DefaultConfig().Controller, outer: controller.DefaultOuterConfig(),
	}
	cmd := &cobra.Command{
		Use:     "simulate",
		GroupID: groupRun,
		Short:   "Judge policies on a workload, in virtual time",
		Long: `Run a workload on a simulated Mesos cluster, with the real queue, fleet and controller, and measure what a policy makes of it:
waits, slots held in vain, hosts launched, how well running/pending is held.

` + workloadHelp + `

The policies: greedy (the whole cluster while anything is pending), seed (the law of the article that Sluice descends from),
hpa (the Kubernetes autoscaler), static:N, pid, and pure-pid (without feed-forward); pid:1 and the like for another target. All but
the pids hold hosts until they happen to be idle; the pids drain. The flags of the control loop (--target, --kp, …) are for the pids.

--intent adds a pid whose target is moved so that the intent holds, and shows how near its promise was kept, slots weighing.`,
		Example: `  sluice simulate --trace HPC2N-2002-2.2-cln.swf.gz --from 20000000 --to 22600000 --slots 240 --compare
  sluice simulate --trace NASA-iPSC-1993-3.1-cln.swf.gz --to 2600000 --policy pid,pid:1,pid:10 --json
  sluice simulate --workload poisson:jobs=20000,gap=3s,run=10m --slots 800 --intent 'wait<=10m' --intent 'wait.p95<=30m'
  sluice simulate --workload lublin:jobs=5000,kind=batch --agents 16x8,4x32 --pareto pareto.png --csv
  sluice simulate --workload burst:jobs=1000,run=10m --slots 400 --join-delay 60s --plot step.svg`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return s.run(cmd) },
	}
	f := cmd.Flags()
	controlFlags(f, &s.controller)
	s.intentFlags(f)
	s.workloadFlags.register(f)
	f.StringSliceVar(&s.policies, "policy", nil, "policies to run (default pid)")
	f.BoolVar(&s.compare, "compare", false, "run all policies")
	f.BoolVar(&s.asJSON, "json", false, "print JSON")
	f.BoolVar(&s.asCSV, "csv", false, "print CSV")
	f.StringVar(&s.picture, "plot", "", "write ratio, goal, supply and jobs over time of the last policy to this .svg or .png file")
	f.StringVar(&s.pareto, "pareto", "", "run the policies with each of --targets, and write waits against over-allocation and launches to this .svg or .png file")
	f.Float64SliceVar(&s.targets, "targets", []float64{0.1, 0.3, 1, 3, 10, 30}, "targets of --pareto")
	return cmd
}

func (s *simulation) run(cmd *cobra.Command) error {
	if err := s.checkPictures(); err != nil {
		return usageError{err}
	}
	jobs, err := s.jobs(cmd.ErrOrStderr())
	if err != nil {
		return err
	}
	if err := s.build(&s.controller); err != nil {
		return usageError{err}
	}
	policies, err := s.choose()
	if err == nil {
		err = s.share(jobs)
	}
	if err != nil {
		return usageError{err}
	}
	results, err := s.simulate(cmd, jobs, policies)
	if err != nil {
		return err
	}
	if s.pareto != "" {
		draw := func(w io.Writer) error { return plot.Pareto(w, pictureFormat(s.pareto), outcomes(results)) }
		if err := app.WriteWhole(s.pareto, draw); err != nil {
			return err
		}
	}
	switch {
	case s.asJSON:
		return printJSON(cmd.OutOrStdout(), results)
	case s.asCSV:
		return printCSV(cmd.OutOrStdout(), results)
	default:
		return printResults(cmd.OutOrStdout(), results)
	}
}

// checkPictures refuses names that say no format.
func (s *simulation) checkPictures() error {
	for flag, name := range map[string]string{"plot": s.picture, "pareto": s.pareto} {
		if format := pictureFormat(name); name != "" && format != "svg" && format != "png" {
			return fmt.Errorf("%s %s: want a name that ends in .svg or .png", flag, name)
		}
	}
	if s.asJSON && s.asCSV {
		return errors.New("want --json or --csv, not both")
	}
	return nil
}

func pictureFormat(name string) string { return strings.TrimPrefix(filepath.Ext(name), ".") }

// simulate runs the policies beside each other. The results are in their order.
func (s *simulation) simulate(cmd *cobra.Command, jobs []sim.Job, policies []contender) ([]sim.Result, error) {
	results := make([]sim.Result, len(policies))
	failures := make([]error, len(policies))
	show := newWatch(cmd.ErrOrStderr(), len(policies), jobs)
	var film plot.Film
	var running sync.WaitGroup
	free := make(chan struct{}, runtime.GOMAXPROCS(0))
	ctx, cancel := context.WithCancel(cmd.Context())
	defer cancel()
	for i, p := range policies {
		free <- struct{}{}
		running.Go(func() {
			defer func() { <-free }()
			var filmed *plot.Film
			if s.picture != "" && i == len(policies)-1 {
				filmed = &film
			}
			results[i], failures[i] = s.one(ctx, jobs, p, func(x sim.Sample) {
				show.at(i, x.At)
				if filmed != nil {
					filmed.Add(plot.Point{At: x.At, Target: p.target, Goal: x.Goal, Supply: x.Supply, Running: x.Running, Pending: x.Pending})
				}
			})
			show.done(i)
			if failures[i] != nil {
				cancel()
			}
		})
	}
	running.Wait()
	show.end()
	if err := cmd.Context().Err(); err != nil {
		return nil, err
	}
	for _, err := range failures {
		if err != nil && !errors.Is(err, context.Canceled) {
			return nil, err
		}
	}
	if s.picture != "" {
		draw := func(w io.Writer) error { return plot.Timeline(w, pictureFormat(s.picture), film.Points()) }
		if err := app.WriteWhole(s.picture, draw); err != nil {
			return nil, err
		}
	}
	return results, nil
}

// one runs one policy.
func (s *simulation) one(ctx context.Context, jobs []sim.Job, p contender, observe func(sim.Sample)) (sim.Result, error) {
	cluster := s.cluster
	cluster.Target, cluster.Hoard, cluster.Stop = p.target, p.hoards, ctx.Err
	if p.keeps {
		cluster.IdleTimeout = 100 * 365 * 24 * time.Hour
	}
	result, err := sim.Run(cluster, jobs, p.policy, observe)
	if errors.Is(err, sim.ErrConfig) {
		err = usageError{err}
	}
	return result, err
}
