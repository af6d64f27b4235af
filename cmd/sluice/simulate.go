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
	"sluice/internal/sim/swf"
	"sluice/queue"
)

// simulation is what the flags of simulate say.
type simulation struct {
	trace      string
	workload   string
	span       sim.Span
	hostSlots  int
	cluster    sim.Config
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
		span: sim.Span{}, hostSlots: 8, controller: app.DefaultConfig().Controller, outer: controller.DefaultOuterConfig(),
		cluster: sim.Config{JoinDelay: 15 * time.Second, IdleTimeout: time.Minute, Seed: 1},
	}
	cmd := &cobra.Command{
		Use:     "simulate",
		GroupID: groupRun,
		Short:   "Judge policies on a workload, in virtual time",
		Long: `Run a workload on a simulated Mesos cluster, with the real queue, fleet and controller, and measure what a policy makes of it:
waits, slots held in vain, hosts launched, how well running/pending is held.

The workload is a trace of the Parallel Workloads Archive (--trace, SWF, also gzipped), or made (--workload):
  poisson:jobs=1000,gap=2s,run=100s,slots=4   a stationary stream
  burst:jobs=1000,run=100s,slots=1            all at once

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
	f.StringVar(&s.trace, "trace", "", "SWF file to replay")
	f.StringVar(&s.workload, "workload", "", "workload to make, in place of a trace")
	f.Float64Var(&s.span.From, "from", 0, "first second of the trace")
	f.Float64Var(&s.span.To, "to", 0, "last second of the trace for submissions; 0 is its end")
	f.IntVar(&s.span.Slots, "slots", 0, "slots of the cluster; 0 is what the trace's header says")
	f.IntVar(&s.hostSlots, "host-slots", s.hostSlots, "slots of one agent")
	f.DurationVar(&s.cluster.JoinDelay, "join-delay", s.cluster.JoinDelay, "time from the launch of a host until it takes jobs")
	f.DurationVar(&s.cluster.IdleTimeout, "idle-timeout", s.cluster.IdleTimeout, "a host without a job is released after it")
	f.BoolVar(&s.cluster.Backfill, "backfill", false, "let small jobs pass a blocked large one where they do not delay it")
	f.Uint64Var(&s.cluster.Seed, "seed", s.cluster.Seed, "seed of everything random")
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
	agents, err := sim.UniformAgents(s.span.Slots, s.hostSlots)
	if err != nil {
		return usageError{err}
	}
	s.cluster.Agents, s.cluster.HostsPerAgent, s.cluster.Period = agents, s.hostSlots, s.controller.Period
	s.cluster.Stop = cmd.Context().Err
	if s.controller.MaxSlots == 0 {
		s.controller.MaxSlots = s.span.Slots
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

// jobs reads or makes the workload, and learns the size of the cluster from it.
func (s *simulation) jobs() ([]sim.Job, error) {
	switch {
	case (s.trace == "") == (s.workload == ""):
		return nil, usageError{errors.New("simulate: want --trace FILE or --workload KIND:…")}
	case s.trace != "":
		return s.readTrace()
	case s.span.Slots == 0:
		return nil, usageError{errors.New("simulate: a made workload wants --slots, the size of the cluster")}
	}
	jobs, err := makeWorkload(s.workload, s.cluster.Seed)
	if err != nil {
		return nil, usageError{fmt.Errorf("workload %s: %w", s.workload, err)}
	}
	return jobs, nil
}

func (s *simulation) readTrace() (jobs []sim.Job, err error) {
	if !(s.span.From >= 0) || (s.span.To != 0 && !(s.span.To > s.span.From)) {
		return nil, usageError{errors.New("simulate: want --from before --to")}
	}
	file, err := os.Open(s.trace)
	if err != nil {
		return nil, fmt.Errorf("open trace: %w", err)
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	reader, err := swf.NewReader(file)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", s.trace, err)
	}
	if s.span.Slots == 0 {
		s.span.Slots = reader.Header().MaxProcs
	}
	if s.span.Slots == 0 {
		return nil, usageError{errors.New("simulate: the trace does not say how large its machine was: want --slots")}
	}
	jobs, err = s.span.Jobs(reader)
	if err == nil && len(jobs) == 0 {
		err = usageError{fmt.Errorf("simulate: no job of %s was submitted between --from and --to and ran", s.trace)}
	}
	return jobs, err
}

// makeWorkload makes what a text such as "burst:jobs=1000,run=100s" says.
func makeWorkload(text string, seed uint64) ([]sim.Job, error) {
	kind, rest, _ := strings.Cut(text, ":")
	stream := sim.Stream{Jobs: 1000, Gap: 2 * time.Second, Run: 100 * time.Second, MaxSlots: 1, Seed: seed}
	for part := range strings.SplitSeq(rest, ",") {
		if part == "" {
			continue
		}
		name, value, _ := strings.Cut(part, "=")
		var err error
		switch name {
		case "jobs":
			stream.Jobs, err = strconv.Atoi(value)
		case "slots":
			stream.MaxSlots, err = strconv.Atoi(value)
		case "gap":
			stream.Gap, err = time.ParseDuration(value)
		case "run":
			stream.Run, err = time.ParseDuration(value)
		default:
			return nil, fmt.Errorf("%q is not jobs, slots, gap or run", name)
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", part, err)
		}
	}
	switch kind {
	case "poisson":
		return stream.Generate()
	case "burst":
		return stream.Burst()
	default:
		return nil, errors.New("want poisson:… or burst:…")
	}
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
