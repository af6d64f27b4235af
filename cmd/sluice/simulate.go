package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"sluice/controller"
	"sluice/internal/app"
	"sluice/internal/app/demo"
	"sluice/internal/sim"
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
	picture    string
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
hpa (the Kubernetes autoscaler), static:N, pid, pid:TARGET, and pure-pid (without feed-forward). All but the pids hold hosts
until they happen to be idle; the pids drain. The flags of the control loop (--target, --kp, …) are for the pids.

--intent adds a pid whose target is moved so that the intent holds, and shows how near its promise was kept, slots weighing.`,
		Example: `  sluice simulate --trace HPC2N-2002-2.2-cln.swf.gz --from 20000000 --to 22600000 --slots 240 --compare
  sluice simulate --trace NASA-iPSC-1993-3.1-cln.swf.gz --to 2600000 --policy pid,pid:1,pid:10 --json
  sluice simulate --workload poisson:jobs=20000,gap=3s,run=10m --slots 800 --intent 'wait<=10m' --intent 'wait.p95<=30m'
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
	f.StringVar(&s.picture, "plot", "", "write ratio, goal, supply and jobs over time of the last policy to this SVG file")
	return cmd
}

func (s *simulation) run(cmd *cobra.Command) error {
	if ext := filepath.Ext(s.picture); s.picture != "" && ext != ".svg" {
		return usageError{fmt.Errorf("plot %s: want a name that ends in .svg", s.picture)}
	}
	jobs, err := s.jobs()
	if err != nil {
		return err
	}
	if err := s.build(&s.controller); err != nil {
		return usageError{err}
	}
	s.cluster.Stop = cmd.Context().Err
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
	if s.asJSON {
		encoder := json.NewEncoder(cmd.OutOrStdout())
		encoder.SetIndent("", "  ")
		encoder.SetEscapeHTML(false) // wait<=10m
		return encoder.Encode(results)
	}
	return printResults(cmd.OutOrStdout(), results)
}

// simulate runs the policies one after the other.
func (s *simulation) simulate(cmd *cobra.Command, jobs []sim.Job, policies []contender) ([]sim.Result, error) {
	results := make([]sim.Result, 0, len(policies))
	for i, p := range policies {
		if isTerminal(os.Stderr) {
			fmt.Fprintf(cmd.ErrOrStderr(), "%d/%d %s\n", i+1, len(policies), p.policy.Name())
		}
		cluster := s.cluster
		cluster.Target, cluster.Hoard = p.target, p.hoards
		if p.keeps {
			cluster.IdleTimeout = 100 * 365 * 24 * time.Hour
		}
		var film thinned
		var observe func(sim.Sample)
		if s.picture != "" && i == len(policies)-1 {
			film.target = p.target
			observe = film.add
		}
		result, err := sim.Run(cluster, jobs, p.policy, observe)
		if errors.Is(err, sim.ErrConfig) {
			err = usageError{err}
		}
		if err != nil {
			return nil, err
		}
		results = append(results, result)
		if observe == nil {
			continue
		}
		if err := demo.Picture(s.picture, film.samples); err != nil {
			return nil, err
		}
	}
	return results, nil
}

// contender is a policy with what it is measured against and how its hosts are held.
type contender struct {
	policy sim.Policy
	target float64
	hoards bool
	keeps  bool // idle hosts too
}

func (s *simulation) choose() ([]contender, error) {
	names := s.policies
	switch {
	case s.compare && len(names) > 0:
		return nil, errors.New("--compare runs all policies: leave out --policy")
	case s.compare:
		names = []string{"greedy", "static:" + strconv.Itoa(s.span.Slots), "hpa", "seed", "pure-pid", "pid", "pid:1", "pid:10"}
	case len(names) == 0 && len(s.intents) == 0:
		names = []string{"pid"}
	}
	var chosen []contender
	for _, name := range names {
		c, err := s.contender(name)
		if err != nil {
			return nil, fmt.Errorf("policy %s: %w", name, err)
		}
		chosen = append(chosen, c)
	}
	for _, text := range s.intents {
		c, err := s.intending(text)
		if err != nil {
			return nil, err
		}
		chosen = append(chosen, c)
	}
	return chosen, nil
}

func (s *simulation) contender(name string) (contender, error) {
	cfg := s.controller
	kind, argument, given := strings.Cut(name, ":")
	switch kind {
	case "greedy":
		return contender{policy: sim.NewGreedy(s.span.Slots), target: cfg.Target, hoards: true}, nil
	case "seed":
		return contender{policy: sim.NewSeed(cfg.Target, s.hostSlots), target: cfg.Target, hoards: true}, nil
	case "hpa":
		return contender{policy: sim.NewHPA(cfg.Target, s.hostSlots), target: cfg.Target, hoards: true}, nil
	case "static":
		slots, err := strconv.Atoi(argument)
		if err != nil || slots < 1 {
			return contender{}, errors.New("want static:N with a number of slots")
		}
		return contender{policy: sim.NewStatic(slots), target: cfg.Target, hoards: true, keeps: true}, nil
	case "pure-pid":
		cfg.FeedForward = 0
	case "pid":
	default:
		return contender{}, errors.New("want greedy, seed, hpa, static:N, pid, pid:TARGET or pure-pid")
	}
	if given {
		target, err := strconv.ParseFloat(argument, 64)
		if err != nil {
			return contender{}, errors.New("want a number as the target")
		}
		cfg.Target = target
	}
	policy, err := sim.NewPID(name, cfg)
	return contender{policy: policy, target: cfg.Target}, err
}

// thinned keeps samples for a picture: when it is full, every second one is dropped and the interval doubled.
type thinned struct {
	target   float64
	samples  []demo.Sample
	interval time.Duration
	next     time.Duration
}

const maxThinned = 4000

func (t *thinned) add(s sim.Sample) {
	if s.At < t.next {
		return
	}
	var status app.Status
	status.Running, status.Pending, status.Goal, status.Supply, status.Target = s.Running, s.Pending, s.Goal, s.Supply, t.target
	if s.Pending > 0 {
		status.Ratio = float64(s.Running) / float64(s.Pending)
	}
	t.samples = append(t.samples, demo.Sample{At: s.At, Status: status})
	t.next = s.At + t.interval
	if len(t.samples) < maxThinned {
		return
	}
	for i := range maxThinned / 2 {
		t.samples[i] = t.samples[2*i]
	}
	t.samples = t.samples[:maxThinned/2]
	t.interval = max(2*t.interval, time.Second)
}

func printResults(out io.Writer, results []sim.Result) error {
	w := tabwriter.NewWriter(out, 0, 8, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "policy\ttarget\tjobs\twait s\tp95 s\tslowdown\twait/run\tmakespan s\tover-alloc\tlaunches\taccepted\tdeclined\tIAE\tovershoot\tsettled s\treversals/h\t")
	for i := range results {
		r := &results[i]
		fmt.Fprintf(w, "%s\t%.4g\t%d\t%.0f\t%.0f\t%.1f\t%.2f\t%.0f\t%.3f\t%d\t%d\t%d\t%.3f\t%.3f\t%.0f\t%.2f\t\n",
			r.Policy, r.Target, r.Jobs, r.MeanWait, r.P95Wait, r.MeanBoundedSlowdown, r.WaitPerRun, r.Makespan, r.OverAllocation,
			r.Launches, r.OffersAccepted, r.OffersDeclined, r.IAE, r.Overshoot, r.Settling, r.ReversalsPerHour)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	printPromises(out, results)
	return nil
}
