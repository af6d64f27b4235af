package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"sluice/internal/app"
	"sluice/internal/app/demo"
	"sluice/internal/sim/swf"
)

// demoFlags are the flags of demo that are not of the system.
type demoFlags struct {
	duration    time.Duration
	jobs, burst int
	picture     string
	trace       string
	speedup     float64
	from, to    time.Duration
}

func newDemoCommand() *cobra.Command {
	local := demoDefaults()
	var d demoFlags
	cmd := &cobra.Command{
		Use:     "demo",
		GroupID: groupRun,
		Short:   "See it work: a sample workload on an embedded cluster, live and as a picture",
		Long: `Run a sample workload on an embedded Mesos cluster: an array of short jobs, a chain of dependent jobs and a second array
half-way, each submitted with bsub. Or replay a real trace at speed: --trace takes a file of the Parallel Workloads Archive
(SWF, also gzipped), scales arrivals and run times and makes slots of processors.

The exit code is 0 only if every job ends DONE.`,
		Example: `  sluice demo
  sluice demo --target 1 --duration 1m
  sluice demo --trace NASA-iPSC-1993-3.1-cln.swf.gz --speedup 600 --to 6h`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return runDemo(cmd, local, d) },
	}
	f := cmd.Flags()
	f.DurationVar(&d.duration, "duration", 40*time.Second, "about how long the sample workload takes")
	f.IntVar(&d.jobs, "jobs", 200, "jobs of the first array")
	f.IntVar(&d.burst, "burst", 80, "jobs of the second array")
	f.StringVar(&d.picture, "plot", "demo.svg", "where to write the picture; empty for none")
	f.StringVar(&d.trace, "trace", "", "replay this SWF file instead")
	f.Float64Var(&d.speedup, "speedup", 600, "how many times faster to replay it")
	f.DurationVar(&d.from, "from", 0, "first moment of the trace to replay")
	f.DurationVar(&d.to, "to", 6*time.Hour, "moment of the trace to stop at")
	clusterFlags(f, &local)
	systemFlags(f, &local.Config)
	logFlags(f, "error")
	return cmd
}

// demoDefaults is a small, nervous system: it shows in seconds what takes minutes in production.
func demoDefaults() app.LocalConfig {
	c := app.DefaultLocalConfig()
	c.Version = version
	c.StateDir = os.TempDir() // replaced by a directory in it
	c.Framework.User = currentUser()
	c.Agents, c.AgentCPUs, c.AgentMemMiB = 4, 4, 4*512
	c.Controller.Period = 250 * time.Millisecond
	c.Controller.ScaleInDelay = 500 * time.Millisecond
	c.Framework.Fleet.IdleTimeout = 3 * time.Second
	c.Framework.Fleet.MaxHostSlots, c.Framework.Fleet.HostsPerAgent = 2, 2
	c.AllocationInterval = 100 * time.Millisecond
	return c
}

func runDemo(cmd *cobra.Command, local app.LocalConfig, d demoFlags) error {
	log, err := newLogger(cmd)
	if err != nil {
		return err
	}
	local.Log, local.Framework.Logger = log, log
	workload, deadline, err := d.workload()
	if err != nil {
		return err
	}
	fitCluster(cmd, &local, workload.Slots)
	return demo.Run(cmd.Context(), demo.Config{
		Local: local, Workload: workload, Deadline: deadline, Picture: d.picture, Bsub: bsubProcess,
		Out: cmd.OutOrStdout(), Live: cmd.OutOrStdout() == os.Stdout && isTerminal(os.Stdout),
	})
}

// workload is what to submit, and how long the demo may take.
func (d *demoFlags) workload() (demo.Workload, time.Duration, error) {
	if d.trace == "" {
		if d.duration < time.Second || d.jobs < 1 || d.burst < 1 {
			return demo.Workload{}, 0, usageError{errors.New("demo: want --duration of a second or more and --jobs and --burst of 1 or more")}
		}
		return demo.SampleWorkload(d.jobs, d.burst, d.duration), 10*d.duration + time.Minute, nil
	}
	if !(d.speedup > 0) || math.IsInf(d.speedup, 0) || d.from < 0 || d.to <= d.from {
		return demo.Workload{}, 0, usageError{errors.New("demo: want --speedup above 0 and --from before --to")}
	}
	file, err := os.Open(d.trace)
	if err != nil {
		return demo.Workload{}, 0, fmt.Errorf("open trace: %w", err)
	}
	reader, err := swf.NewReader(file)
	if err != nil {
		return demo.Workload{}, 0, errors.Join(err, file.Close())
	}
	w, err := demo.Trace(reader, d.from, d.to, d.speedup)
	err = errors.Join(err, file.Close())
	return w, time.Duration(10*float64(d.to-d.from)/d.speedup) + 10*time.Minute, err
}

// fitCluster makes the agents large enough for the largest job, unless their size was given.
func fitCluster(cmd *cobra.Command, local *app.LocalConfig, slots int) {
	need := (slots + local.Agents - 1) / local.Agents
	if !cmd.Flags().Changed("agent-cpus") {
		local.AgentCPUs = max(local.AgentCPUs, need)
	}
	if !cmd.Flags().Changed("max-host-slots") {
		local.Framework.Fleet.MaxHostSlots = max(local.Framework.Fleet.MaxHostSlots, (local.AgentCPUs+1)/local.Framework.Fleet.HostsPerAgent)
	}
	if !cmd.Flags().Changed("agent-mem") {
		local.AgentMemMiB = max(local.AgentMemMiB, local.AgentCPUs*local.Framework.Fleet.SlotMemMiB)
	}
}

// bsubProcess runs this program as bsub.
func bsubProcess(ctx context.Context, args, environ []string) (string, error) {
	self, err := os.Executable()
	if err != nil {
		return "", fmt.Errorf("find own binary: %w", err)
	}
	var stdout, stderr bytes.Buffer
	bsub := exec.CommandContext(ctx, self, append([]string{"bsub"}, args...)...)
	bsub.Env = append(os.Environ(), environ...)
	bsub.Stdout, bsub.Stderr = &stdout, &stderr
	if err := bsub.Run(); err != nil {
		return "", fmt.Errorf("%w: %s", err, strings.TrimSpace(stderr.String()))
	}
	return stdout.String(), nil
}
