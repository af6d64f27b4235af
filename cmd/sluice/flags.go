package main

import (
	"errors"
	"fmt"
	"os"
	"os/signal"
	"os/user"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/sirupsen/logrus"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"sluice/controller"
	"sluice/internal/app"
	"sluice/queue"
	"sluice/queue/wire"
)

// controlFlags are the flags of the control loop.
func controlFlags(f *pflag.FlagSet, c *controller.Config) {
	f.Float64Var(&c.Target, "target", c.Target, "running per pending slots to hold: jobs wait 1/target times their run time on average")
	f.Var(&slowdownFlag{&c.Target}, "target-slowdown", "the same as (wait+run)/run: 2 is a target of 1")
	f.Float64Var(&c.Kp, "kp", c.Kp, "proportional gain: share of all slots of jobs per unit of error")
	f.Float64Var(&c.Ki, "ki", c.Ki, "integral gain, 1/s")
	f.Float64Var(&c.Kd, "kd", c.Kd, "derivative gain, s")
	f.Float64Var(&c.FeedForward, "feed-forward", c.FeedForward, "share of the computed need that is taken at once; 0 is a pure PID")
	f.DurationVar(&c.DerivativeFilter, "derivative-filter", c.DerivativeFilter, "time constant of the filter on the derivative")
	f.DurationVar(&c.TrackingTime, "tracking-time", c.TrackingTime, "time constant of the anti-windup")
	f.DurationVar(&c.Period, "period", c.Period, "time between two polls of the batch system")
	f.IntVar(&c.MinSlots, "min-slots", c.MinSlots, "slots held even without jobs")
	f.IntVar(&c.MaxSlots, "max-slots", c.MaxSlots, "slots never exceeded; 0 is no limit")
	f.IntVar(&c.MaxStep, "max-step", c.MaxStep, "slots that the goal may rise in one period; 0 is no limit")
	f.DurationVar(&c.ScaleInDelay, "scale-in-delay", c.ScaleInDelay, "how long a surplus must last before the goal falls")
	f.IntVar(&c.Quantum, "quantum", c.Quantum, "round the goal up to whole hosts of so many slots; 0 is no rounding")
	f.IntVar(&c.Deadband, "deadband", c.Deadband, "surplus in slots that is tolerated")
}

// slowdownFlag sets a target by the slowdown that it promises.
type slowdownFlag struct{ target *float64 }

var _ pflag.Value = (*slowdownFlag)(nil)

func (f *slowdownFlag) String() string { return "" }
func (f *slowdownFlag) Type() string   { return "float" }

func (f *slowdownFlag) Set(text string) error {
	var slowdown float64
	if _, err := fmt.Sscanf(text, "%g", &slowdown); err != nil {
		return fmt.Errorf("want a number above 1")
	}
	target, err := controller.TargetForSlowdown(slowdown)
	if err != nil {
		return err
	}
	*f.target = target
	return nil
}

// partFlag sets a part of a whole, as a percentage or as a fraction.
type partFlag struct {
	part     *float64
	fallback float64 // what 0 means
}

var _ pflag.Value = (*partFlag)(nil)

func (f *partFlag) String() string {
	if f.part == nil {
		return ""
	}
	return strconv.FormatFloat(100*orDefault(*f.part, f.fallback), 'g', 4, 64) + "%"
}
func (f *partFlag) Type() string { return "percentage" }

func (f *partFlag) Set(text string) error {
	number, percent := strings.CutSuffix(strings.TrimSpace(text), "%")
	part, err := strconv.ParseFloat(number, 64)
	if percent {
		part /= 100
	}
	if err != nil || !(part > 0 && part <= 1) {
		return errors.New("want a part of all hosts, above 0% and up to 100%")
	}
	*f.part = part
	return nil
}

// intentFlag sets an intent.
type intentFlag struct{ intent *controller.Intent }

var _ pflag.Value = (*intentFlag)(nil)

func (f *intentFlag) String() string {
	if f.intent == nil {
		return ""
	}
	return f.intent.String()
}
func (f *intentFlag) Type() string { return "intent" }

func (f *intentFlag) Set(text string) (err error) {
	*f.intent, err = controller.ParseIntent(text)
	return err
}

// weightFlag sets the weight of one queue.
type weightFlag struct{ config *queue.Config }

var _ pflag.Value = (*weightFlag)(nil)

func (f *weightFlag) String() string { return "" }
func (f *weightFlag) Type() string   { return "queue=weight" }

// parseWeight reads QUEUE=WEIGHT.
func parseWeight(text string) (name string, weight float64, err error) {
	name, number, _ := strings.Cut(text, "=")
	weight, err = strconv.ParseFloat(number, 64)
	if err != nil || name == "" || !(weight >= 0.01 && weight <= 100) {
		return "", 0, errors.New("want QUEUE=WEIGHT with a weight from 0.01 to 100")
	}
	return name, weight, nil
}

func (f *weightFlag) Set(text string) error {
	name, weight, err := parseWeight(text)
	if err != nil {
		return err
	}
	if len(f.config.Queues) == 0 {
		f.config.Queues = queue.DefaultQueues()
	}
	var names []string
	for i := range f.config.Queues {
		if f.config.Queues[i].Name == name {
			f.config.Queues[i].Weight = weight
			return nil
		}
		names = append(names, f.config.Queues[i].Name)
	}
	return fmt.Errorf("no queue %q, want one of %s", name, strings.Join(names, ", "))
}

// systemFlags are the flags that run, local and demo share beside the control loop's.
func systemFlags(f *pflag.FlagSet, c *app.Config) {
	controlFlags(f, &c.Controller)
	f.Var(&intentFlag{&c.Outer.Intent}, "intent", "move the target so that slowdown<=2, wait<=10m (mean) or wait.p95<=30m holds; none = fixed --target")
	outerFlags(f, &c.Outer)
	f.Func("queue-weight", "QUEUE=WEIGHT: how much its pending slots count, 0.01 to 100 (normal=2: twice, more slots sooner); repeatable", func(text string) error {
		name, weight, err := parseWeight(text)
		if err != nil {
			return err
		}
		if c.Weights == nil {
			c.Weights = make(map[string]float64)
		}
		c.Weights[name] = weight
		return nil
	})
	f.Func("queue-profile", "QUEUE:KEY=VALUE,… hosts of its own for a queue (gpu:slot-mem=8192,image=docker://cuda:12): slot-cpus, slot-mem, slot-disk, slot-ports, max-host-slots, image, network; repeatable",
		func(text string) error {
			_, err := c.Framework.AddProfile(text)
			return err
		})
	hosts := &c.Framework.Fleet
	f.Float64Var(&hosts.SlotCPUs, "slot-cpus", orDefault(hosts.SlotCPUs, 1), "CPUs of one slot")
	f.IntVar(&hosts.SlotMemMiB, "slot-mem", orDefault(hosts.SlotMemMiB, 512), "memory of one slot, MiB")
	f.IntVar(&hosts.SlotPorts, "slot-ports", hosts.SlotPorts, "ports of the machine for each slot, which jobs find in SLUICE_PORTS")
	f.BoolVar(&c.Framework.GPUs, "gpus", c.Framework.GPUs, "take offers of agents with GPUs, for jobs that ask for them (bsub -R 'rusage[ngpus=1]')")
	f.BoolVar(&hosts.GPUAgentsForCPU, "gpu-agents-for-cpu", hosts.GPUAgentsForCPU, "let jobs that ask for no GPUs use agents with GPUs")
	f.IntVar(&hosts.MaxHostSlots, "max-host-slots", hosts.MaxHostSlots, "slots of one host at most; 0 is as many as its agent gives")
	f.IntVar(&hosts.HostsPerAgent, "hosts-per-agent", orDefault(hosts.HostsPerAgent, 1), "hosts on one agent at most")
	f.Func("constraint", "FIELD:OPERATOR[:VALUE] that an agent must meet (rack:IN:a,b, hostname:UNLIKE:gpu.*, @zone:GROUP_BY:3); repeatable, all hold", hosts.Constrain)
	f.DurationVar(&hosts.MaintenanceLead, "maintenance-lead", orDefault(hosts.MaintenanceLead, time.Hour), "how long before a maintenance of an agent its hosts take no more jobs")
	f.Var(&partFlag{&hosts.MaxDisruption, 0.25}, "max-disruption", "part of all hosts closed at once for maintenance or age, 25% or 0.25; one always may be")
	f.DurationVar(&hosts.HostTTL, "host-ttl", hosts.HostTTL, "age at which a host is drained and replaced, give or take a tenth; 0 is never")
	f.DurationVar(&hosts.DemandDelay, "demand-delay", hosts.DemandDelay, "how long slots must be wanted without a pause before an offer is taken")
	f.DurationVar(&hosts.IdleTimeout, "idle-timeout", orDefault(hosts.IdleTimeout, time.Minute), "a host without a job is released after it")
	f.DurationVar(&c.Queue.Lease, "host-lease", orDefault(c.Queue.Lease, time.Minute), "how long hosts run their jobs while they cannot reach Sluice, and end them then; jobs of a host that vanished run elsewhere only after it")
	f.StringVar(&c.Framework.Name, "name", c.Framework.Name, "name of the framework; begins the names of hosts")
	f.StringVar(&c.Cluster, "cluster", c.Cluster, "name of the batch cluster, as lsid shows it (default: that of the conf-dir, or sluice)")
	f.StringSliceVar(&c.Admins, "admin", c.Admins, "users who may manage all jobs, queues and hosts, beside root and yourself")
	f.DurationVar(&c.Queue.KeepFinished, "clean-period", c.Queue.KeepFinished, "how long ended jobs stay in bjobs (default: CLEAN_PERIOD of the conf-dir, or 1h)")
	f.StringVar(&c.Notifier, "notifier", c.Notifier, "program that sends mail about jobs (bsub -B, -N) as sendmail does: the recipient is its argument, the mail its input")
	f.Int64Var(&c.JobOutput, "job-output", orDefault(c.JobOutput, 1<<20), "bytes kept of each stream of an ended job, its end, for bpeek and sluice logs")
	f.Int64Var(&c.Outputs, "keep-output", orDefault(c.Outputs, 1<<30), "bytes kept of what ended jobs wrote, in all: the oldest goes first")
	f.DurationVar(&c.History, "history", orDefault(c.History, 30*24*time.Hour), "how long ended jobs stay in bhist and bacct")
	f.BoolVar(&c.Queue.Backfill, "backfill", c.Queue.Backfill, "let small jobs pass a blocked large one where they do not delay it")
}

// confFlag is where LSF's files are, and what reads them anew.
func confFlag(f *pflag.FlagSet, c *app.Config) {
	f.StringVar(&c.ConfDir, "conf-dir", "", "directory of LSF's files lsb.queues, lsb.params, lsb.users, lsf.shared …; badmin reconfig and SIGHUP read them anew")
}

// reloadOnHangup has a system with a conf dir read it anew at SIGHUP, until stop is called.
func reloadOnHangup(c *app.Config) (stop func()) {
	if c.ConfDir == "" {
		return func() {}
	}
	hangups := make(chan os.Signal, 1)
	signal.Notify(hangups, syscall.SIGHUP)
	c.Reload = hangups
	return func() { signal.Stop(hangups) }
}

// outerFlags are the limits of what an intent may do.
func outerFlags(f *pflag.FlagSet, c *controller.OuterConfig) {
	f.Float64Var(&c.TargetMin, "target-min", c.TargetMin, "an intent never sets a lower target")
	f.Float64Var(&c.TargetMax, "target-max", c.TargetMax, "an intent never sets a higher target")
	f.DurationVar(&c.Period, "intent-period", c.Period, "time between two moves of the target by an intent")
}

func orDefault[T comparable](value, fallback T) T {
	var zero T
	if value == zero {
		return fallback
	}
	return value
}

// logFlags are the flags of the log; newLogger reads them.
func logFlags(f *pflag.FlagSet, level string) {
	f.String("log-level", level, "debug, info, warn or error")
	f.String("log-format", "text", "text or json")
}

func newLogger(cmd *cobra.Command) (*logrus.Logger, error) {
	log := logrus.New()
	log.SetOutput(cmd.ErrOrStderr())
	name, err := cmd.Flags().GetString("log-level")
	if err != nil {
		return nil, err
	}
	level, err := logrus.ParseLevel(name)
	if err != nil {
		return nil, usageError{fmt.Errorf("log-level %q: want debug, info, warn or error", name)}
	}
	log.SetLevel(level)
	switch format, err := cmd.Flags().GetString("log-format"); {
	case err != nil:
		return nil, err
	case format == "json":
		log.SetFormatter(&logrus.JSONFormatter{TimestampFormat: time.RFC3339Nano})
	case format == "text":
		log.SetFormatter(&logrus.TextFormatter{FullTimestamp: true, TimestampFormat: time.RFC3339})
	default:
		return nil, usageError{fmt.Errorf("log-format %q: want text or json", format)}
	}
	return log, nil
}

// stateDirFlag is where a system keeps its state.
func stateDirFlag(f *pflag.FlagSet, dir *string) {
	f.StringVar(dir, "state-dir", wire.DefaultStateDir(), "directory of the journal and the API's socket")
}

// currentUser is the name that tasks run under unless told otherwise.
func currentUser() string {
	if u, err := user.Current(); err == nil {
		return u.Username
	}
	return strings.TrimSpace(os.Getenv("USER"))
}
