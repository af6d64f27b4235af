package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"sluice/queue"
	"sluice/queue/host"
	"sluice/queue/wire"
)

func newHostCommand() *cobra.Command {
	var cfg host.Config
	var tokenFile, caFile string
	cmd := &cobra.Command{
		Use:     "host --api URL --name NAME",
		GroupID: groupRun,
		Short:   "Run jobs for a batch daemon: what runs inside a Mesos task",
		Long: `Join a batch daemon with a one-time token and run its jobs as processes, until it says to leave. The token is read from
$` + host.TokenVariable + ` or --token-file. SIGTERM lets running jobs end within --drain-limit and then leaves; a second one leaves at once.

Exit codes: 0 left in order, 2 refused by the daemon, 3 daemon out of reach for the lease, 4 the keeper of the jobs died.`,
		Example: `  SLUICE_HOST_TOKEN=… sluice host --api http://10.0.0.5:6180 --name sluice-7`,
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			log, err := newLogger(cmd)
			if err != nil {
				return err
			}
			api, err := cmd.Flags().GetString("api")
			if err != nil {
				return err
			}
			if api == "" || cfg.Name == "" {
				return usageError{errors.New("host: want --api and --name")}
			}
			if cfg.Token, err = hostToken(tokenFile); err != nil {
				return err
			}
			security, err := hostTLS(caFile)
			if err != nil {
				return err
			}
			cfg.Version, cfg.Logger, cfg.Abort = version, log, secondSignal(cmd.Context())
			cfg.Dial = func(ctx context.Context) (host.Conn, error) { return wire.DialHost(ctx, api, security) }
			if cfg.Ports, err = host.ParsePorts(os.Getenv(queue.EnvHostPorts)); err != nil {
				return err
			}
			if gpus := os.Getenv(host.GPUVariable); gpus != "" {
				cfg.GPUs = strings.Split(gpus, ",")
			}
			if cfg.Location, err = os.Hostname(); err != nil {
				log.WithError(err).Warn("this machine has no name")
			}
			if err := host.Run(cmd.Context(), cfg); err != nil {
				log.Error(err)
				return exitError(host.ExitCode(err))
			}
			return nil
		},
	}
	f := cmd.Flags()
	f.StringVar(&cfg.Name, "name", "", "name of the host in the batch system")
	f.StringVar(&tokenFile, "token-file", "", "file that holds the one-time token (default: $"+host.TokenVariable+")")
	f.StringVar(&caFile, "ca-file", "", "certificates to trust for an https daemon, PEM (default: the system's)")
	f.StringVar(&cfg.WorkDir, "work-dir", ".", "directory for jobs' scripts and output until it is delivered")
	f.DurationVar(&cfg.DrainLimit, "drain-limit", 0, "how long jobs may go on after SIGTERM (default 20s)")
	f.Int64Var(&cfg.SpoolBytes, "spool-bytes", 0, "output kept for each stream of a job (default 1 GiB)")
	logFlags(f, "info")
	return cmd
}

// hostToken takes the one-time token out of the environment, where jobs would see it, or reads it from a file.
func hostToken(path string) (string, error) {
	token := os.Getenv(host.TokenVariable)
	if err := os.Unsetenv(host.TokenVariable); err != nil {
		return "", fmt.Errorf("hide the token: %w", err)
	}
	if path == "" {
		return token, nil
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return "", fmt.Errorf("read token file: %w", err)
	}
	return strings.TrimSpace(string(data)), nil
}

func hostTLS(caFile string) (*tls.Config, error) {
	if caFile == "" {
		return nil, nil
	}
	data, err := os.ReadFile(caFile)
	if err != nil {
		return nil, fmt.Errorf("read CA file: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(data) {
		return nil, fmt.Errorf("read CA file %s: no certificate in it", caFile)
	}
	return &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}, nil
}

// secondSignal is closed by the next SIGINT or SIGTERM after ctx was cancelled by the first.
func secondSignal(ctx context.Context) <-chan struct{} {
	abort := make(chan struct{})
	context.AfterFunc(ctx, func() {
		signals := make(chan os.Signal, 1)
		signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM)
		<-signals
		close(abort)
	})
	return abort
}
