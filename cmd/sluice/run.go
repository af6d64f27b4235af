package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"golang.org/x/sys/unix"

	"sluice/internal/app"
)

func newRunCommand() *cobra.Command {
	cfg := app.DefaultConfig()
	cfg.Version = version
	cfg.Framework.User = currentUser()
	var batch string
	var record recording
	cmd := &cobra.Command{
		Use:     "run --master URL",
		GroupID: groupRun,
		Short:   "Run the batch system on a Mesos cluster",
		Long: `Run the batch system as a framework of a Mesos cluster, until SIGINT or SIGTERM.

Stopping it, or kill -9, ends no job: hosts keep running what they have for --host-lease, and a start with the same state dir
within that time takes them back under the same framework id. Agents must reach --listen; give --advertise where the address they see is another.

With masters in ZooKeeper one of several instances with the same --name is elected there and the others wait; with --standby one
waits while another has the state dir. docs/masters.md says what several machines need beside that.

What sluice ctl sets live (target, intent, gains, weights, flex, pause) is kept in the state dir and is in force at the next start,
too, unless that start says something else by the same flag than the one before. sluice ctl set --reset returns to the flags.`,
		Example: `  sluice run --master http://10.0.0.5:5050 --state-dir /var/lib/sluice
  sluice run --master http://m1:5050,http://m2:5050,http://m3:5050 --target 1 --role batch
  sluice run --master zk://z1:2181,z2:2181,z3:2181/mesos --state-dir /shared/sluice --advertise http://sluice.example:6180
  sluice run --master https://m1:5050 --ca-file /etc/mesos/ca.pem --principal sluice --secret-file /etc/sluice/secret
  sluice run --master http://10.0.0.5:5050 --intent 'wait<=10m' --queue-weight priority=2`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			log, err := newLogger(cmd)
			if err != nil {
				return err
			}
			if batch != "embedded" {
				return usageError{fmt.Errorf("batch %q: want embedded", batch)}
			}
			cfg.Log, cfg.Framework.Logger = log, log
			defer reloadOnHangup(&cfg)()
			if err := record.start(&cfg, log); err != nil {
				return err
			}
			err = app.Serve(cmd.Context(), cfg, func(system *app.App) {
				log.WithField("api", "unix://"+system.Socket()).Info("ready for bsub")
			})
			return errors.Join(err, record.stop())
		},
	}
	f := cmd.Flags()
	f.StringVar(&cfg.Framework.Master, "master", "", "URL of the Mesos master, or several with commas between; or zk://[user:password@]host:port,…/path, or file:///path of a file with that")
	f.StringVar(&batch, "batch", "embedded", "the batch system: embedded")
	f.StringVar(&cfg.Listen, "listen", cfg.Listen, "host:port where hosts and remote clients reach the daemon")
	f.StringVar(&cfg.Advertise, "advertise", cfg.Advertise, "URL of --listen as agents see it (default: the address used towards the master)")
	mesosFlags(f, &cfg)
	serverFlags(f, &cfg)
	stateDirFlag(f, &cfg.StateDir)
	systemFlags(f, &cfg)
	confFlag(f, &cfg)
	record.register(f)
	logFlags(f, "info")
	if err := cmd.MarkFlagRequired("master"); err != nil {
		panic(err)
	}
	return cmd
}

// mesosFlags are how the framework shows itself to the master.
func mesosFlags(f *pflag.FlagSet, c *app.Config) {
	f.StringVar(&c.Framework.User, "user", c.Framework.User, "user that tasks run as on the agents; root lets jobs run as their submitters")
	f.StringVar(&c.Framework.Role, "role", c.Framework.Role, "role to take offers for, or several with commas between: what is reserved for them goes first, then the first role")
	f.BoolVar(&c.Framework.Fleet.Revocable, "revocable", false, "use resources that may be taken back at any time, for jobs that can run again (bsub -r, rerunnable queues)")
	f.StringVar(&c.Framework.HostImage, "image", "", "image that hosts run in, docker://[REGISTRY/]NAME[:TAG], by the Mesos containerizer (default: none)")
	f.StringVar(&c.Framework.HostNetwork, "network", "", "network of the agents that hosts are attached to, by name (default: the agent's own)")
	f.DurationVar(&c.Framework.HostMaxTime, "host-max-time", 0, "age at which Mesos kills a host with its jobs, even if Sluice is gone; 0 is never")
	f.DurationVar(&c.Framework.KillGrace, "kill-grace", c.Framework.KillGrace, "time between SIGTERM and SIGKILL for a host that is released")
	f.StringVar(&c.Framework.Principal, "principal", c.Framework.Principal, "principal to authenticate as")
	f.StringVar(&c.Framework.SecretFile, "secret-file", c.Framework.SecretFile, "file that holds the principal's secret; read at each subscription")
	f.StringVar(&c.Framework.CAFile, "ca-file", "", "certificates of those who may sign a master's, PEM (default: the system's); masters found in ZooKeeper then speak TLS")
	f.StringVar(&c.Framework.ClientCert, "client-cert", "", "certificate to show to masters over TLS, PEM")
	f.StringVar(&c.Framework.ClientKey, "client-key", "", "its key, PEM")
	f.StringVar(&c.Election, "election", "", "zk://… where one of several instances is elected, or none (default: with masters in ZooKeeper /sluice/NAME there, else none)")
	f.DurationVar(&c.ElectionTimeout, "election-timeout", c.ElectionTimeout, "how long after its death an elected instance is replaced")
	f.BoolVar(&c.Standby, "standby", false, "wait while another instance has the state dir, and take over when it ends")
	f.BoolVar(&c.Framework.NewFrameworkID, "new-framework-id", false, "go on under a new framework id if the master has removed ours (it was away for longer than --failover-timeout, or torn down); without it that is an error")
	f.DurationVar(&c.Framework.FailoverTimeout, "failover-timeout", c.Framework.FailoverTimeout, "how long the master keeps our tasks while we are away")
}

// serverFlags are who may use the network API, and how.
func serverFlags(f *pflag.FlagSet, c *app.Config) {
	f.StringVar(&c.TLSCert, "tls-cert", "", "certificate for --listen, PEM")
	f.StringVar(&c.TLSKey, "tls-key", "", "its key, PEM")
	f.StringVar(&c.TokenFile, "token-file", "", "lines user:token of clients that may use --listen; without it only hosts may")
	f.StringVar(&c.HostBinary, "host-binary", "", "program that hosts run (default: this one)")
}

func newLocalCommand() *cobra.Command {
	cfg := app.DefaultLocalConfig()
	cfg.Version = version
	cfg.Framework.User = currentUser()
	var clusterOnly bool
	var record recording
	cmd := &cobra.Command{
		Use:     "local",
		GroupID: groupRun,
		Short:   "Run the batch system on an embedded Mesos cluster on this machine",
		Long: `Run the batch system on an embedded Mesos cluster on this machine, until SIGINT or SIGTERM. To try Sluice, and to develop
against it. The CPUs and memory of the agents are promises: jobs are not kept within them. Its hosts and their jobs end
with it; pending jobs stay in the state dir.`,
		Example: `  sluice local
  sluice local --agents 4 --agent-cpus 4 --target 1
  # in another terminal:
  sluice bsub -J "a[1-500]" sleep 1 && sluice bjobs && sluice ctl status
  # the cluster alone, for any framework:
  sluice local --cluster-only --master-listen 127.0.0.1:5050`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			log, err := newLogger(cmd)
			if err != nil {
				return err
			}
			cfg.Log, cfg.Framework.Logger = log, log
			if clusterOnly {
				return runCluster(cmd, cfg)
			}
			defer reloadOnHangup(&cfg.Config)()
			if err := record.start(&cfg.Config, log); err != nil {
				return err
			}
			system, err := app.OpenLocal(cmd.Context(), cfg)
			if err != nil {
				return errors.Join(err, record.stop())
			}
			fmt.Fprintf(cmd.OutOrStdout(), "%d agents of %d CPUs at %s; ready for bsub (socket %s)\n",
				cfg.Agents, cfg.AgentCPUs, system.Master(), system.Socket())
			err = system.Run(cmd.Context())
			return errors.Join(err, teardown(system), system.Close(), record.stop())
		},
	}
	f := cmd.Flags()
	clusterFlags(f, &cfg)
	f.StringVar(&cfg.MasterListen, "master-listen", cfg.MasterListen, "host:port of the embedded master")
	f.BoolVar(&clusterOnly, "cluster-only", false, "start the cluster and no batch system, for sluice run or another framework")
	f.StringVar(&cfg.Listen, "listen", cfg.Listen, "host:port where hosts reach the daemon")
	stateDirFlag(f, &cfg.StateDir)
	serverFlags(f, &cfg.Config)
	systemFlags(f, &cfg.Config)
	confFlag(f, &cfg.Config)
	record.register(f)
	logFlags(f, "warning")
	return cmd
}

// runCluster runs an embedded cluster alone.
func runCluster(cmd *cobra.Command, cfg app.LocalConfig) error {
	cfg.StateDir = "" // it would be another system's
	cluster, err := app.OpenCluster(cmd.Context(), cfg)
	if err != nil {
		return err
	}
	fmt.Fprintf(cmd.OutOrStdout(), "%d agents of %d CPUs at %s\n", cfg.Agents, cfg.AgentCPUs, cluster.Master())
	<-cmd.Context().Done()
	return cluster.Close()
}

// clusterFlags are the size of an embedded cluster.
func clusterFlags(f *pflag.FlagSet, c *app.LocalConfig) {
	f.IntVar(&c.Agents, "agents", c.Agents, "agents of the embedded cluster")
	f.IntVar(&c.AgentCPUs, "agent-cpus", c.AgentCPUs, "CPUs of each agent")
	f.IntVar(&c.AgentMemMiB, "agent-mem", c.AgentMemMiB, "memory of each agent, MiB")
	f.IntVar(&c.AgentGPUs, "agent-gpus", c.AgentGPUs, "GPUs of each agent, for trying; jobs without need of GPUs want --gpu-agents-for-cpu then")
}

// teardown ends the framework of an embedded cluster, so that its hosts end in order.
func teardown(system *app.Local) error {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	return system.Teardown(ctx)
}

// isTerminal says whether a file is a terminal (and not merely a character device, as /dev/null is).
func isTerminal(f *os.File) bool {
	_, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS)
	return err == nil
}
