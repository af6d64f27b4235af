package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"sluice/controller"
	"sluice/internal/sim"
	"sluice/internal/sim/swf"
)

// workloadFlags are the flags about what is simulated: the jobs and the cluster.
type workloadFlags struct {
	trace     string
	workload  string
	span      sim.Span
	hostSlots int
	agents    string
	others    string
	cluster   sim.Config
}

func defaultWorkload() workloadFlags {
	return workloadFlags{hostSlots: 8, cluster: sim.Config{JoinDelay: 15 * time.Second, IdleTimeout: time.Minute, Seed: 1}}
}

// workloadHelp is for the help of commands that have these flags.
const workloadHelp = `The workload is a trace of the Parallel Workloads Archive (--trace, SWF, also gzipped), or made (--workload):
  poisson:jobs=1000,gap=2s,run=100s,slots=4   a stationary stream: mean gap, mean run time, 1 to 4 slots
  burst:jobs=1000,run=100s,slots=1            all at once
  step:jobs=1000,gap=20s,to=2s,at=10m         a stream that becomes another
  square:jobs=1000,gap=2s,on=10m,off=10m      a stream with pauses
  ramp:jobs=1000,gap=2s,over=1h               a stream that grows from nothing
  lublin:jobs=1000,kind=all,rate=1            Lublin and Feitelson's model of supercomputers (2003); kind batch, interactive`

func (w *workloadFlags) register(f *pflag.FlagSet) {
	f.StringVar(&w.trace, "trace", "", "SWF file to replay")
	f.StringVar(&w.workload, "workload", "", "workload to make, in place of a trace")
	f.Float64Var(&w.span.From, "from", 0, "first second of the trace")
	f.Float64Var(&w.span.To, "to", 0, "last second of the trace for submissions; 0 is its end")
	f.IntVar(&w.span.Slots, "slots", 0, "slots of the cluster; 0 is what the trace's header says")
	f.IntVar(&w.hostSlots, "host-slots", w.hostSlots, "slots of one agent")
	f.DurationVar(&w.cluster.JoinDelay, "join-delay", w.cluster.JoinDelay, "time from the launch of a host until it takes jobs")
	f.StringVar(&w.agents, "agents", "", "agents of several sizes, in place of --slots and --host-slots, as in 16x8,4x32: 16 of 8 slots and 4 of 32")
	f.IntVar(&w.cluster.HostsPerAgent, "hosts-per-agent", 0, "hosts that an agent may hold; 0 is as many as it has slots")
	f.Float64Var(&w.cluster.JoinSpread, "join-spread", 1, "how much --join-delay varies: 5 % of the hosts take more than so many times as long")
	f.DurationVar(&w.cluster.AgentMTBF, "agent-mtbf", 0, "mean time between losses of each agent, for ten minutes; its jobs run again; 0 is never")
	f.StringVar(&w.others, "others", "", "other frameworks that take agents, as in 0.5,0.3,1h: half of the agents for 0.3 of each hour")
	f.DurationVar(&w.cluster.IdleTimeout, "idle-timeout", w.cluster.IdleTimeout, "a host without a job is released after it")
	f.BoolVar(&w.cluster.Backfill, "backfill", false, "let small jobs pass a blocked large one where they do not delay it")
	f.Uint64Var(&w.cluster.Seed, "seed", w.cluster.Seed, "seed of everything random")
}

// build makes the cluster, once the workload has told its size, and bounds the controller by it.
func (w *workloadFlags) build(control *controller.Config) error {
	if w.agents == "" {
		agents, err := sim.UniformAgents(w.span.Slots, w.hostSlots)
		if err != nil {
			return err
		}
		w.cluster.Agents = agents
	}
	if err := w.parseOthers(); err != nil {
		return fmt.Errorf("others %q: %w", w.others, err)
	}
	if w.cluster.HostsPerAgent == 0 {
		w.cluster.HostsPerAgent = slices.Max(w.cluster.Agents)
	}
	w.cluster.Period = control.Period
	if control.MaxSlots == 0 {
		control.MaxSlots = w.span.Slots
	}
	return nil
}

// parseAgents reads a text such as 16x8,4x32.
func (w *workloadFlags) parseAgents() error {
	if w.agents == "" {
		return nil
	}
	w.cluster.Agents, w.span.Slots = nil, 0
	for part := range strings.SplitSeq(w.agents, ",") {
		count, slots, _ := strings.Cut(part, "x")
		n, err := strconv.Atoi(count)
		each, err2 := strconv.Atoi(slots)
		if err != nil || err2 != nil || n < 1 || each < 1 || each > maxAgentSlots || len(w.cluster.Agents)+n > maxAgents {
			return fmt.Errorf("agents %q: want COUNTxSLOTS, as in 16x8,4x32, of at most %d agents of %d slots", part, maxAgents, maxAgentSlots)
		}
		w.cluster.Agents = append(w.cluster.Agents, slices.Repeat([]int{each}, n)...)
		w.span.Slots += n * each
	}
	return nil
}

const maxAgents, maxAgentSlots = 100_000, 10_000

// parseOthers reads a text such as 0.5,0.3,1h.
func (w *workloadFlags) parseOthers() (err error) {
	if w.others == "" {
		return nil
	}
	parts := strings.Split(w.others, ",")
	if len(parts) != 3 {
		return errors.New("want SHARE,DUTY,PERIOD, as in 0.5,0.3,1h")
	}
	o := &w.cluster.Others
	if o.Share, err = strconv.ParseFloat(parts[0], 64); err != nil {
		return err
	}
	if o.Duty, err = strconv.ParseFloat(parts[1], 64); err != nil {
		return err
	}
	o.Period, err = time.ParseDuration(parts[2])
	return err
}

// jobs reads or makes the workload, says in notes where it differs from the trace, and learns the size of the cluster from it.
func (w *workloadFlags) jobs(notes io.Writer) ([]sim.Job, error) {
	if err := w.parseAgents(); err != nil {
		return nil, usageError{err}
	}
	switch {
	case (w.trace == "") == (w.workload == ""):
		return nil, usageError{errors.New("want --trace FILE or --workload KIND:…")}
	case w.trace != "":
		return w.readTrace(notes)
	case w.span.Slots == 0:
		return nil, usageError{errors.New("a made workload wants --slots, the size of the cluster")}
	}
	jobs, err := makeWorkload(w.workload, w.span.Slots, w.cluster.Seed)
	if err != nil {
		return nil, usageError{fmt.Errorf("workload %s: %w", w.workload, err)}
	}
	return jobs, nil
}

func (w *workloadFlags) readTrace(notes io.Writer) (jobs []sim.Job, err error) {
	if !(w.span.From >= 0) || (w.span.To != 0 && !(w.span.To > w.span.From)) {
		return nil, usageError{errors.New("want --from before --to")}
	}
	file, err := os.Open(w.trace)
	if err != nil {
		return nil, fmt.Errorf("open trace: %w", err)
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	reader, err := swf.NewReader(file)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", w.trace, err)
	}
	if w.span.Slots == 0 {
		w.span.Slots = cmp.Or(reader.Header().MaxProcs, reader.Header().MaxNodes)
	}
	if w.span.Slots == 0 {
		return nil, usageError{errors.New("the trace does not say how large its machine was: want --slots")}
	}
	jobs, unlike, err := w.span.Jobs(reader)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", w.trace, err)
	}
	if len(jobs) == 0 {
		return nil, usageError{fmt.Errorf("no job of %s was submitted between --from and --to and ran", w.trace)}
	}
	return jobs, w.note(notes, unlike)
}

// note says how the jobs differ from those of the trace, if they do.
func (w *workloadFlags) note(to io.Writer, unlike sim.Unlike) error {
	var parts []string
	if n := unlike.NotRun; n > 0 {
		parts = append(parts, fmt.Sprintf("%d left out, they never ran", n))
	}
	if n := unlike.Cut; n > 0 {
		parts = append(parts, fmt.Sprintf("%d cut to the %d slots of the cluster", n, w.span.Slots))
	}
	if len(parts) == 0 {
		return nil
	}
	_, err := fmt.Fprintf(to, "jobs of %s: %s\n", w.trace, strings.Join(parts, ", "))
	return err
}

// recipe is the text of --workload, such as "burst:jobs=1000,run=100s", taken apart.
type recipe struct {
	stream        sim.Stream
	lublin        sim.Lublin
	to, at        time.Duration // of a step
	on, off, over time.Duration
}

// lublinKinds are the values of kind=.
var lublinKinds = map[string]sim.LublinKind{"all": sim.LublinAll, "batch": sim.LublinBatch, "interactive": sim.LublinInteractive}

// makeWorkload makes the jobs of a text, for a cluster of so many slots.
func makeWorkload(text string, slots int, seed uint64) ([]sim.Job, error) {
	kind, rest, _ := strings.Cut(text, ":")
	r := recipe{
		stream: sim.Stream{Jobs: 1000, Gap: 2 * time.Second, Run: 100 * time.Second, MaxSlots: 1, Seed: seed},
		lublin: sim.Lublin{Jobs: 1000, Slots: slots, Rate: 1, Seed: seed},
		at:     10 * time.Minute, on: 10 * time.Minute, off: 10 * time.Minute, over: time.Hour,
	}
	keys, ok := map[string]string{
		"poisson": "jobs gap run slots", "burst": "jobs run slots", "step": "jobs gap to at run slots",
		"square": "jobs gap on off run slots", "ramp": "jobs gap over run slots", "lublin": "jobs kind rate slots",
	}[kind]
	if !ok {
		return nil, errors.New("want poisson, burst, step, square, ramp or lublin, as in poisson:jobs=1000,gap=2s")
	}
	for part := range strings.SplitSeq(rest, ",") {
		if part == "" {
			continue
		}
		name, value, _ := strings.Cut(part, "=")
		if !slices.Contains(strings.Fields(keys), name) {
			return nil, fmt.Errorf("%q is not one of %s", name, strings.ReplaceAll(keys, " ", ", "))
		}
		if err := r.set(name, value); err != nil {
			return nil, fmt.Errorf("%s: %w", part, err)
		}
	}
	switch kind {
	case "burst":
		return r.stream.Burst()
	case "step":
		return r.stream.Step(r.to, r.at)
	case "square":
		return r.stream.Square(r.on, r.off)
	case "ramp":
		return r.stream.Ramp(r.over)
	case "lublin":
		return r.lublin.Generate()
	default:
		return r.stream.Generate()
	}
}

func (r *recipe) set(name, value string) (err error) {
	times := map[string]*time.Duration{
		"gap": &r.stream.Gap, "run": &r.stream.Run, "to": &r.to, "at": &r.at, "on": &r.on, "off": &r.off, "over": &r.over,
	}
	switch name {
	case "jobs":
		r.stream.Jobs, err = strconv.Atoi(value)
		r.lublin.Jobs = r.stream.Jobs
	case "slots":
		r.stream.MaxSlots, err = strconv.Atoi(value)
		r.lublin.Slots = r.stream.MaxSlots
	case "rate":
		r.lublin.Rate, err = strconv.ParseFloat(value, 64)
	case "kind":
		kind, ok := lublinKinds[value]
		if !ok {
			return errors.New("want all, batch or interactive")
		}
		r.lublin.Kind = kind
	default:
		*times[name], err = time.ParseDuration(value)
	}
	return err
}
